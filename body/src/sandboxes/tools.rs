//! The tools of the MCP server `sandbox`: what they take, and how a model reads what came of it.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use rmcp::{
    Json,
    handler::server::wrapper::Parameters,
    model::CallToolResult,
    schemars::{self, JsonSchema},
    tool, tool_router,
};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use wire::{
    kernel::{CellError, ExecStatus},
    sandbox::{NetworkMode, SandboxId, SandboxState, SandboxView},
    sandbox_call::{
        SandboxAnswer, SandboxCall, SandboxCodeCall, SandboxCommandCall, SandboxFileContent,
        SandboxFileRead, SandboxFileWrite, SandboxPlace, SandboxRemoval,
    },
};

use super::{error::ToolError, server::SandboxServer};
use crate::tool_answer::{Text, answered, cell, cut, pictures, plain};

#[derive(Deserialize, JsonSchema)]
pub struct CommandRequest {
    /// Command line for bash, run in /home/sandboxuser.
    command: String,
    /// Id of a sandbox that was kept; leave it out for a fresh one.
    #[serde(default)]
    sandbox: Option<String>,
    /// Whether a fresh sandbox stays for later calls. Its id is in the result; remove it with
    /// remove_sandbox when you no longer need it.
    #[serde(default)]
    keep: bool,
    /// What a fresh sandbox can reach: none (the default), isolated, or internet. More than none works
    /// only if the machine's owner allows it.
    #[serde(default)]
    network: Option<NetworkMode>,
    /// Seconds until the command is ended, up to 3600; the default is usually 300.
    #[serde(default)]
    timeout_s: Option<f64>,
    /// Environment variables of the command.
    #[serde(default)]
    env: BTreeMap<String, String>,
}

#[derive(Deserialize, JsonSchema)]
pub struct CodeRequest {
    /// Python source, as in a notebook cell: the value of the last expression is the result.
    code: String,
    /// Id of a sandbox that was kept, in which variables of earlier code are still there; leave it out for
    /// a fresh one.
    #[serde(default)]
    sandbox: Option<String>,
    /// Whether a fresh sandbox stays for later calls. Its id is in the result; remove it with
    /// remove_sandbox when you no longer need it.
    #[serde(default)]
    keep: bool,
    /// What a fresh sandbox can reach: none (the default), isolated, or internet. More than none works
    /// only if the machine's owner allows it.
    #[serde(default)]
    network: Option<NetworkMode>,
    /// Seconds until the code is interrupted, up to 3600; the default is usually 300.
    #[serde(default)]
    timeout_s: Option<f64>,
}

#[derive(Deserialize, JsonSchema)]
pub struct WriteRequest {
    /// Id of a sandbox that was kept.
    sandbox: String,
    /// Absolute path below /home/sandboxuser, /home/user, /workspace or /tmp. Missing folders are made.
    path: String,
    /// Content of the file as text.
    #[serde(default)]
    text: Option<String>,
    /// Content of the file as base64, instead of text; up to 8 MiB of bytes.
    #[serde(default)]
    base64: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
pub struct ReadRequest {
    /// Id of a sandbox that was kept.
    sandbox: String,
    /// Absolute path of the file.
    path: String,
}

#[derive(Deserialize, JsonSchema)]
pub struct RemoveRequest {
    /// Id of a sandbox that was kept.
    sandbox: String,
}

/// How a command ended, and what it wrote.
#[derive(Serialize, JsonSchema)]
pub struct CommandAnswer {
    /// Id of the sandbox, if it is still there.
    sandbox: Option<SandboxId>,
    /// Exit status, or 128 + the signal that ended it.
    exit_code: Option<i32>,
    stdout: String,
    stderr: String,
    timed_out: bool,
    timing_ms: u64,
}

/// How code ended, and what it put out.
#[derive(Serialize, JsonSchema)]
pub struct CodeAnswer {
    /// Id of the sandbox, if it is still there.
    sandbox: Option<SandboxId>,
    status: ExecStatus,
    stdout: String,
    stderr: String,
    /// Text of the last expression's value.
    result: Option<String>,
    error: Option<CellError>,
    timing_ms: u64,
}

/// The sandboxes that this machine uses.
#[derive(Serialize, JsonSchema)]
pub struct SandboxList {
    /// Newest first.
    sandboxes: Vec<ShownSandbox>,
}

/// A sandbox.
#[derive(Serialize, JsonSchema)]
pub struct ShownSandbox {
    /// Its id.
    sandbox: SandboxId,
    /// running or paused.
    state: SandboxState,
    image: String,
    network: NetworkMode,
    memory_mb: u32,
    /// Seconds since it was created.
    age_s: u64,
    /// Seconds until it is removed.
    ends_in_s: u64,
}

/// A file that was written.
#[derive(Serialize, JsonSchema)]
pub struct WrittenFile {
    path: String,
    size_bytes: u64,
}

/// A file that was read: its text, or its bytes as base64 if it is not UTF-8.
#[derive(Serialize, JsonSchema)]
pub struct FileRead {
    size_bytes: u64,
    text: Option<String>,
    base64: Option<String>,
}

/// Whether a sandbox was there.
#[derive(Serialize, JsonSchema)]
pub struct Removed {
    /// False if it was gone before.
    removed: bool,
}

#[tool_router(router = sandbox_tools, vis = "pub(super)")]
impl SandboxServer {
    /// Runs a bash command in a sandbox and returns its output when it has ended. Use it for code and programs
    /// that this machine should not run itself. The sandbox is fresh and removed afterwards, unless you name
    /// one that was kept or set keep. It has Python 3, Node, git, curl and build tools, and no network unless
    /// asked for.
    #[tool(
        output_schema = rmcp::handler::server::tool::schema_for_output::<CommandAnswer>(),
        annotations(title = "Run a command in a sandbox", destructive_hint = false, open_world_hint = true)
    )]
    async fn run_command(
        &self,
        Parameters(request): Parameters<CommandRequest>,
        cancelled: CancellationToken,
    ) -> Result<CallToolResult, ToolError> {
        let call = SandboxCall::RunCommand(SandboxCommandCall {
            place: place(request.sandbox, request.keep, request.network)?,
            command: request.command,
            timeout_s: request.timeout_s,
            env: request.env,
        });
        let SandboxAnswer::Command { sandbox, answer } = self.ask(call, cancelled).await? else {
            return Err(unexpected());
        };
        let shown = CommandAnswer {
            sandbox,
            exit_code: answer.exit_code,
            stdout: cut(answer.stdout),
            stderr: cut(answer.stderr),
            timed_out: answer.timed_out,
            timing_ms: answer.timing_ms,
        };
        let mut text = Text::default();
        text.part("", &shown.stdout);
        text.part("stderr:\n", &shown.stderr);
        if answer.truncated {
            text.part("", "The output was truncated.");
        }
        match (shown.timed_out, shown.exit_code) {
            (true, _) => text.part("", "The command timed out and was ended."),
            (false, Some(0)) => {}
            (false, code) => text.part("", &format!("exit status {}", code.unwrap_or(-1))),
        }
        text.part(
            "sandbox: ",
            shown.sandbox.as_ref().map_or("", SandboxId::as_str),
        );
        // A command that exits non-zero has run: what it says is the answer.
        let failed = shown.timed_out;
        Ok(answered(text, &shown, failed))
    }

    /// Runs Python code in a sandbox, as in a notebook, and returns what it printed, its last expression's
    /// value and its plots. In a sandbox that was kept, variables stay for the next call. The sandbox is
    /// fresh and removed afterwards, unless you name one or set keep; it has no network unless asked for.
    #[tool(
        output_schema = rmcp::handler::server::tool::schema_for_output::<CodeAnswer>(),
        annotations(title = "Run Python in a sandbox", destructive_hint = false, open_world_hint = true)
    )]
    async fn run_code(
        &self,
        Parameters(request): Parameters<CodeRequest>,
        cancelled: CancellationToken,
    ) -> Result<CallToolResult, ToolError> {
        let call = SandboxCall::RunCode(SandboxCodeCall {
            place: place(request.sandbox, request.keep, request.network)?,
            code: request.code,
            timeout_s: request.timeout_s,
        });
        let SandboxAnswer::Code { sandbox, answer } = self.ask(call, cancelled).await? else {
            return Err(unexpected());
        };
        let pictures = pictures(&answer.outputs);
        let printed = |name: &str| {
            let of = |output: &&serde_json::Value| {
                output["output_type"] == "stream" && output["name"] == name
            };
            let texts = answer.outputs.iter().filter(of);
            cut(texts.filter_map(|output| output["text"].as_str()).collect())
        };
        let shown = CodeAnswer {
            sandbox,
            status: answer.status,
            stdout: printed("stdout"),
            stderr: printed("stderr"),
            result: answer.result.map(cut),
            error: answer.error.map(plain),
            timing_ms: answer.timing_ms,
        };
        let mut text = cell(
            shown.status,
            &shown.stdout,
            &shown.stderr,
            shown.result.as_deref(),
            shown.error.as_ref(),
        );
        if answer.truncated {
            text.part("", "The output was truncated.");
        }
        text.part(
            "sandbox: ",
            shown.sandbox.as_ref().map_or("", SandboxId::as_str),
        );
        let failed = shown.status != ExecStatus::Completed;
        let mut result = answered(text, &shown, failed);
        result.content.extend(pictures);
        Ok(result)
    }

    /// Lists the sandboxes that this machine keeps, with what each can reach and when it is removed.
    #[tool(annotations(
        title = "List sandboxes",
        read_only_hint = true,
        open_world_hint = false
    ))]
    async fn list_sandboxes(
        &self,
        cancelled: CancellationToken,
    ) -> Result<Json<SandboxList>, ToolError> {
        let asked = self.ask(SandboxCall::ListSandboxes, cancelled);
        let SandboxAnswer::Sandboxes { sandboxes } = asked.await? else {
            return Err(unexpected());
        };
        let sandboxes = sandboxes.into_iter().map(shown).collect();
        Ok(Json(SandboxList { sandboxes }))
    }

    /// Writes a file in a sandbox that was kept, over one that is there. Give its content as text or as
    /// base64, up to 8 MiB.
    #[tool(annotations(
        title = "Write a file in a sandbox",
        destructive_hint = true,
        idempotent_hint = true,
        open_world_hint = false
    ))]
    async fn write_file(
        &self,
        Parameters(request): Parameters<WriteRequest>,
        cancelled: CancellationToken,
    ) -> Result<Json<WrittenFile>, ToolError> {
        let content = match (request.text, request.base64) {
            (Some(text), None) => SandboxFileContent::Text(text),
            (None, Some(base64)) => SandboxFileContent::Base64(base64),
            _ => return Err(ToolError::Invalid("set either text or base64".to_owned())),
        };
        let call = SandboxCall::WriteFile(SandboxFileWrite {
            sandbox: named(&request.sandbox)?,
            path: request.path,
            content,
        });
        let SandboxAnswer::Written { file } = self.ask(call, cancelled).await? else {
            return Err(unexpected());
        };
        Ok(Json(WrittenFile {
            path: file.path,
            size_bytes: file.size_bytes,
        }))
    }

    /// Reads a file of up to 8 MiB from a sandbox that was kept: as text if it is UTF-8, as base64
    /// otherwise.
    #[tool(annotations(
        title = "Read a file of a sandbox",
        read_only_hint = true,
        open_world_hint = false
    ))]
    async fn read_file(
        &self,
        Parameters(request): Parameters<ReadRequest>,
        cancelled: CancellationToken,
    ) -> Result<Json<FileRead>, ToolError> {
        let call = SandboxCall::ReadFile(SandboxFileRead {
            sandbox: named(&request.sandbox)?,
            path: request.path,
        });
        let asked = self.ask(call, cancelled);
        let SandboxAnswer::File {
            size_bytes,
            content,
        } = asked.await?
        else {
            return Err(unexpected());
        };
        let (text, base64) = match content {
            SandboxFileContent::Text(text) => (Some(text), None),
            SandboxFileContent::Base64(base64) => (None, Some(base64)),
        };
        Ok(Json(FileRead {
            size_bytes,
            text,
            base64,
        }))
    }

    /// Removes a sandbox that was kept, with its files and processes. It would be removed anyway when its
    /// time is over.
    #[tool(annotations(
        title = "Remove a sandbox",
        destructive_hint = true,
        idempotent_hint = true,
        open_world_hint = false
    ))]
    async fn remove_sandbox(
        &self,
        Parameters(request): Parameters<RemoveRequest>,
        cancelled: CancellationToken,
    ) -> Result<Json<Removed>, ToolError> {
        let call = SandboxCall::RemoveSandbox(SandboxRemoval {
            sandbox: named(&request.sandbox)?,
        });
        let SandboxAnswer::Removed { existed } = self.ask(call, cancelled).await? else {
            return Err(unexpected());
        };
        Ok(Json(Removed { removed: existed }))
    }
}

fn place(
    sandbox: Option<String>,
    keep: bool,
    network: Option<NetworkMode>,
) -> Result<SandboxPlace, ToolError> {
    if sandbox.is_some() && network.is_some() {
        return Err(ToolError::Invalid(
            "a sandbox keeps the network that it was created with: set network only for a fresh one"
                .to_owned(),
        ));
    }
    Ok(SandboxPlace {
        sandbox: sandbox.as_deref().map(named).transpose()?,
        keep,
        network,
    })
}

fn named(id: &str) -> Result<SandboxId, ToolError> {
    id.parse().map_err(|error| {
        ToolError::Invalid(format!(
            "{error}; list_sandboxes shows those of this machine"
        ))
    })
}

fn shown(view: SandboxView) -> ShownSandbox {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = now.unwrap_or_default().as_millis();
    let left_ms = u128::from(view.ends_at_ms).saturating_sub(now_ms);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let age_s = view.age_s.max(0.0) as u64;
    ShownSandbox {
        sandbox: view.sandbox_id,
        state: view.state,
        image: view.image,
        network: view.network,
        memory_mb: view.limits.memory_mb,
        age_s,
        ends_in_s: u64::try_from(left_ms / 1000).unwrap_or(u64::MAX),
    }
}

/// A host of another version answered something else.
fn unexpected() -> ToolError {
    ToolError::Internal(
        "the host answered something unexpected: update Vivarium there, or rebuild this machine"
            .to_owned(),
    )
}
