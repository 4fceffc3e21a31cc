//! Carries one call of a machine out: what its owner allows, within bounds, as an owner of its own.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use sandbox::Owner;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{
    error_code::ErrorCode,
    kernel::ShellCommand,
    sandbox::{
        CodeAnswer, CodeRequest, CreateRequest, ExecRequest, NetworkMode, NetworkRequest,
        SandboxId, SandboxState, SandboxView,
    },
    sandbox_call::{
        CALL_FILE_BYTES, SandboxAccess, SandboxAnswer, SandboxCall, SandboxCodeCall,
        SandboxCommandCall, SandboxFileContent, SandboxFileRead, SandboxFileWrite, SandboxPlace,
    },
};

use super::runner::{FileRead, Runner};
use crate::sandboxes::Refusal;

/// How many sandboxes a machine may have at a time.
pub(super) const MOST: usize = 8;
/// The longest command: no argument of a program is longer on Linux.
const COMMAND_BYTES: usize = 128 << 10;
/// The longest code.
const CODE_BYTES: usize = 4 << 20;
/// The largest environment of a command.
const ENV_BYTES: usize = 64 << 10;
/// The longest path.
const PATH_BYTES: usize = 4096;
/// The longest that a command or code may be asked to take.
const LONGEST_S: f64 = 3600.0;
/// The longest text of an answer.
const TEXT_BYTES: usize = 1 << 20;
/// The most that code's outputs have together.
const OUTPUT_BYTES: usize = 8 << 20;

/// Whose sandboxes a machine's are.
pub(crate) fn owner(machine_id: &str) -> Owner {
    Owner::Machine(machine_id.to_owned())
}

/// Whose call it is, and what that one may do.
pub(super) struct Caller {
    /// The machine's name.
    pub(super) machine: String,
    pub(super) owner: Owner,
    pub(super) access: SandboxAccess,
}

/// Works on calls of a machine.
pub(super) struct Work<R> {
    pub(super) runner: R,
    pub(super) caller: Caller,
    /// What is left to do after the answer.
    pub(super) tasks: TaskTracker,
    pub(super) creating: Creating,
}

/// How many sandboxes are being made for a machine. Cheap to clone; clones share it.
#[derive(Clone, Default)]
pub(super) struct Creating(Arc<AtomicUsize>);

/// One of them.
struct Begun<'a>(&'a AtomicUsize);

impl Creating {
    /// One more; and how many others there are.
    fn begin(&self) -> (Begun<'_>, usize) {
        let others = self.0.fetch_add(1, Ordering::Relaxed);
        (Begun(&self.0), others)
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A sandbox that a call uses.
struct Used {
    id: SandboxId,
    /// Whether the call made it.
    is_fresh: bool,
    /// Whether it stays after the call.
    stays: bool,
}

impl Caller {
    /// Refuses a machine that its owner doesn't allow sandboxes.
    pub(super) fn check(&self) -> Result<(), Refusal> {
        if self.access.allowed {
            return Ok(());
        }
        let machine = &self.machine;
        Err(denied(format!(
            "this machine is not allowed to use sandboxes: its owner allows it on the computer that runs it, with `vivarium sandbox allow --machine {machine}` or on the window's page Machine"
        )))
    }

    /// The network of a fresh sandbox: nothing unless it is asked for, and no more than is allowed.
    fn network(&self, wanted: Option<NetworkMode>) -> Result<NetworkMode, Refusal> {
        let wanted = wanted.unwrap_or(NetworkMode::None);
        let most = self.access.network;
        if wanted <= most {
            return Ok(wanted);
        }
        let (machine, wanted) = (&self.machine, wanted.as_str());
        Err(denied(format!(
            "network {wanted} is not allowed for sandboxes of this machine, the limit is {}: its owner allows it with `vivarium sandbox allow --network {wanted} --machine {machine}`",
            most.as_str()
        )))
    }
}

fn denied(message: String) -> Refusal {
    let status = axum::http::StatusCode::FORBIDDEN;
    Refusal::new(status, ErrorCode::SandboxDenied, message)
}

impl<R: Runner> Work<R> {
    /// What comes of a call; `None` once it was cancelled. Nothing of a cancelled call is left running.
    pub(super) async fn carry_out(
        &self,
        call: SandboxCall,
        cancelled: &CancellationToken,
    ) -> Option<SandboxAnswer> {
        let done = match self.caller.check() {
            Err(refusal) => Err(refusal),
            Ok(()) => self.allowed(call, cancelled).await,
        };
        done.unwrap_or_else(|refusal| Some(SandboxAnswer::failed(refusal.code, refusal.message)))
    }

    async fn allowed(
        &self,
        call: SandboxCall,
        cancelled: &CancellationToken,
    ) -> Result<Option<SandboxAnswer>, Refusal> {
        let answer = match call {
            SandboxCall::RunCommand(call) => return self.command(call, cancelled).await,
            SandboxCall::RunCode(call) => return self.code(call, cancelled).await,
            SandboxCall::ListSandboxes => SandboxAnswer::Sandboxes {
                sandboxes: self.living(),
            },
            SandboxCall::WriteFile(call) => self.write(call).await?,
            SandboxCall::ReadFile(call) => self.read(call).await?,
            SandboxCall::RemoveSandbox(call) => SandboxAnswer::Removed {
                existed: self.runner.remove(self.owner(), &call.sandbox).await?,
            },
        };
        Ok(Some(answer))
    }

    fn owner(&self) -> &Owner {
        &self.caller.owner
    }

    /// The machine's sandboxes that are there.
    fn living(&self) -> Vec<SandboxView> {
        let mut all = self.runner.list(self.owner());
        all.retain(is_living);
        all
    }

    async fn command(
        &self,
        call: SandboxCommandCall,
        cancelled: &CancellationToken,
    ) -> Result<Option<SandboxAnswer>, Refusal> {
        if call.command.is_empty() {
            return Err(Refusal::invalid("missing command"));
        }
        check_size("command", call.command.len(), COMMAND_BYTES)?;
        let variables = call.env.iter();
        let env_bytes = variables
            .map(|(name, value)| name.len() + value.len() + 2)
            .sum();
        check_size("env", env_bytes, ENV_BYTES)?;
        let request = ExecRequest {
            command: ShellCommand::Line(call.command),
            timeout_s: limit(call.timeout_s)?,
            env: call.env,
            ..ExecRequest::default()
        };
        let used = self.place(call.place).await?;
        let ran = self
            .runner
            .command(self.owner(), &used.id, request, cancelled);
        let ran = ran.await;
        let sandbox = self.leave(used, matches!(ran, Ok(None)));
        Ok(ran?.map(|mut answer| {
            for text in [&mut answer.stdout, &mut answer.stderr] {
                answer.truncated |= shorten(text);
            }
            SandboxAnswer::Command { sandbox, answer }
        }))
    }

    async fn code(
        &self,
        call: SandboxCodeCall,
        cancelled: &CancellationToken,
    ) -> Result<Option<SandboxAnswer>, Refusal> {
        check_size("code", call.code.len(), CODE_BYTES)?;
        let request = CodeRequest {
            code: call.code,
            timeout_s: limit(call.timeout_s)?,
            ..CodeRequest::default()
        };
        let used = self.place(call.place).await?;
        let ran = self.runner.code(self.owner(), &used.id, request, cancelled);
        let ran = ran.await;
        let sandbox = self.leave(used, matches!(ran, Ok(None)));
        Ok(ran?.map(|mut answer| {
            bound(&mut answer);
            SandboxAnswer::Code { sandbox, answer }
        }))
    }

    async fn write(&self, call: SandboxFileWrite) -> Result<SandboxAnswer, Refusal> {
        check_size("path", call.path.len(), PATH_BYTES)?;
        let content = match call.content {
            SandboxFileContent::Text(text) => text.into_bytes(),
            SandboxFileContent::Base64(base64) => BASE64_STANDARD
                .decode(base64)
                .map_err(|error| Refusal::invalid(format!("invalid base64: {error}")))?,
        };
        check_size("content", content.len(), CALL_FILE_BYTES)?;
        let written = self
            .runner
            .write(self.owner(), &call.sandbox, &call.path, content);
        Ok(SandboxAnswer::Written {
            file: written.await?,
        })
    }

    async fn read(&self, call: SandboxFileRead) -> Result<SandboxAnswer, Refusal> {
        check_size("path", call.path.len(), PATH_BYTES)?;
        let read = self.runner.read(self.owner(), &call.sandbox, &call.path);
        let FileRead::Whole(content) = read.await? else {
            return Err(Refusal::invalid(format!(
                "the file is larger than the limit of {} MiB: read it in parts with run_command",
                CALL_FILE_BYTES >> 20
            )));
        };
        let size_bytes = content.len() as u64;
        let content = match String::from_utf8(content) {
            // Others would be six times as long in JSON.
            Ok(text) if !text.chars().any(is_odd) => SandboxFileContent::Text(text),
            Ok(text) => SandboxFileContent::Base64(BASE64_STANDARD.encode(text)),
            Err(bytes) => SandboxFileContent::Base64(BASE64_STANDARD.encode(bytes.as_bytes())),
        };
        Ok(SandboxAnswer::File {
            size_bytes,
            content,
        })
    }

    /// The sandbox that a call names, or a fresh one.
    async fn place(&self, place: SandboxPlace) -> Result<Used, Refusal> {
        if let Some(id) = place.sandbox {
            if place.network.is_some() {
                return Err(Refusal::invalid(
                    "a sandbox keeps the network that it was created with",
                ));
            }
            return Ok(Used {
                id,
                is_fresh: false,
                stays: true,
            });
        }
        let network = self.caller.network(place.network)?;
        let (_begun, others) = self.creating.begin();
        if self.living().len() + others >= MOST {
            let status = axum::http::StatusCode::TOO_MANY_REQUESTS;
            let message = format!(
                "this machine already has {MOST} sandboxes, the most that it may: remove one of them with remove_sandbox"
            );
            return Err(Refusal::new(status, ErrorCode::TooManySandboxes, message));
        }
        let request = CreateRequest {
            network: Some(NetworkRequest::Mode(network)),
            ..CreateRequest::default()
        };
        // Not given up half way: what is made has to be removed.
        let id = self.runner.create(self.owner(), request).await?;
        Ok(Used {
            id,
            is_fresh: true,
            stays: place.keep,
        })
    }

    /// Removes a sandbox that doesn't stay, behind the answer; its id if it does. Of a cancelled call
    /// nobody has heard the id of a fresh one.
    fn leave(&self, used: Used, was_cancelled: bool) -> Option<SandboxId> {
        if used.stays && !(used.is_fresh && was_cancelled) {
            return Some(used.id);
        }
        let (runner, owner) = (self.runner.clone(), self.owner().clone());
        self.tasks.spawn(async move {
            if let Err(error) = runner.remove(&owner, &used.id).await {
                tracing::warn!(id = %used.id, %error, "a machine's sandbox could not be removed; it ends when its time is over");
            }
        });
        None
    }
}

/// Whether a sandbox is there.
pub(crate) fn is_living(view: &SandboxView) -> bool {
    matches!(view.state, SandboxState::Running | SandboxState::Paused)
}

fn check_size(field: &str, bytes: usize, limit: usize) -> Result<(), Refusal> {
    if bytes <= limit {
        return Ok(());
    }
    Err(Refusal::invalid(format!(
        "invalid {field}: {bytes} bytes are more than the limit of {limit}"
    )))
}

/// The time limit of a call: there always is one.
fn limit(timeout_s: Option<f64>) -> Result<Option<f64>, Refusal> {
    match timeout_s {
        Some(seconds) if !(seconds > 0.0 && seconds <= LONGEST_S) => Err(Refusal::invalid(
            format!("invalid timeout_s: more than 0 and up to {LONGEST_S} seconds are allowed"),
        )),
        limit => Ok(limit),
    }
}

/// A character that JSON escapes with six.
fn is_odd(letter: char) -> bool {
    letter.is_ascii_control() && !matches!(letter, '\n' | '\r' | '\t')
}

/// Keeps the beginning and the end of a text that is too long; whether it was.
fn shorten(text: &mut String) -> bool {
    if text.len() <= TEXT_BYTES {
        return false;
    }
    let head = text.floor_char_boundary(TEXT_BYTES / 2);
    let tail = text.ceil_char_boundary(text.len() - TEXT_BYTES / 2);
    let left_out = format!("\n[… {} bytes omitted …]\n", tail - head);
    text.replace_range(head..tail, &left_out);
    true
}

/// Bounds what code put out: later outputs are left out.
fn bound(answer: &mut CodeAnswer) {
    let mut bytes = 0;
    let before = answer.outputs.len();
    answer.outputs.retain(|output| {
        bytes += output.to_string().len();
        bytes <= OUTPUT_BYTES
    });
    answer.truncated |= answer.outputs.len() < before;
    if let Some(result) = &mut answer.result {
        answer.truncated |= shorten(result);
    }
    if let Some(error) = &mut answer.error {
        for text in [&mut error.kind, &mut error.message, &mut error.traceback] {
            shorten(text);
        }
    }
}
