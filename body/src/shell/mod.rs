//! The shell: commands with a cwd and environment that last. A command runs in a
//! process group of its own; its time limit ends the whole group.
//!
//! - `context`: the folder and environment that last
//! - `command`, `group`, `commands`: what bash is started with, its process group, all of them as jobs

mod command;
mod commands;
mod context;
mod group;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use parking_lot::Mutex;
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;
use wire::{
    job::JobOwner,
    kernel::{ExecStatus, ShellAnswer, ShellCommand},
};

use self::group::Group;
pub use self::{
    commands::Commands,
    context::{Context, Heard, Snapshot},
};

/// The standard library starts a process without copying our page tables only where it finds this
/// function, which a static binary holds only if something refers to it. Without it a command
/// would cost more the more memory we use.
#[used]
static CHANGES_FOLDER: unsafe extern "C" fn(
    *mut nix::libc::posix_spawn_file_actions_t,
    *const nix::libc::c_char,
) -> nix::libc::c_int = nix::libc::posix_spawn_file_actions_addchdir_np;

/// How much of each stream is kept; the rest is read and left out, and said.
const KEPT_BYTES: usize = 16 << 20;
/// From TERM to KILL.
const GRACE: Duration = Duration::from_secs(2);

/// Silence after which nothing of bash's own can be in its pipes any more.
const SILENCE: Duration = Duration::from_millis(100);
/// How much a pipe holds at most, as Linux is set up.
const LARGEST_PIPE: usize = 1 << 20;

/// A piece of a command's output.
#[derive(Clone, Debug, Serialize)]
pub struct ShellOutput {
    /// `stdout` or `stderr`.
    pub name: &'static str,
    pub text: String,
}

/// The shell can't do it.
#[derive(Debug, thiserror::Error)]
pub enum ShellError {
    #[error("{0} is not a folder")]
    NoFolder(PathBuf),
    #[error("invalid name of an environment variable: {0:?}")]
    BadName(String),
    #[error("the value of {0} can't contain a zero byte")]
    ZeroByteOf(String),
    #[error(
        "a variable is limited to {} KiB; write a longer value to a file",
        context::LONGEST_VARIABLE >> 10
    )]
    LongVariable,
    #[error(
        "the shell's variables are limited to {} KiB in total; shorten others, or write {} to a file",
        context::LARGEST_ENV >> 10, .0
    )]
    LargeEnv(String),
    #[error("a command can't contain a zero byte")]
    ZeroByte,
    #[error("the list of arguments is empty; it must start with a program")]
    NoProgram,
    #[error(
        "a command is limited to {} KiB; write a longer one to a file and run the file",
        command::LONGEST >> 10
    )]
    TooLong,
    #[error("the shell's folder {0} was deleted; use POST /shell/cd to choose another")]
    FolderGone(PathBuf),
    #[error("could not start bash: {0}")]
    Start(#[source] std::io::Error),
}

/// The machine's one shell.
pub struct Shell {
    /// Where commands run.
    pub context: Context,
    /// Those that run, and the last ones that ended.
    pub commands: Commands,
    /// Where commands are written down while they run.
    running: Option<PathBuf>,
}

impl Shell {
    /// Starts in a folder, with nothing added to the environment, and is kept nowhere.
    #[cfg(test)]
    pub fn new(cwd: PathBuf) -> Self {
        Self {
            context: Context::new(cwd),
            commands: Commands::default(),
            running: None,
        }
    }

    /// As a supervisor before us left it in this folder, but for the commands that it left
    /// unfinished: those are ended. A new one where there was none.
    pub fn take_over(folder: &Path, cwd: PathBuf) -> Self {
        let running = folder.join("running");
        // A machine whose disk is full needs its supervisor all the more.
        if let Err(error) = std::fs::create_dir_all(&running) {
            tracing::warn!(%error, "nothing of the shell can be kept");
        }
        group::sweep(&running);
        Self {
            context: Context::load(folder.join("context.json"), cwd),
            commands: Commands::default(),
            running: Some(running),
        }
    }

    /// Runs a command that something inside the machine wants.
    #[cfg(test)]
    pub async fn run(
        &self,
        command: impl Into<ShellCommand>,
        timeout: Option<Duration>,
        sink: Option<mpsc::Sender<ShellOutput>>,
    ) -> Result<ShellAnswer, ShellError> {
        self.run_for(JobOwner::Machine, command, timeout, sink)
            .await
    }

    /// Runs a command; pieces of its output go to `sink` as they come. Dropped, it ends the command's group.
    pub async fn run_for(
        &self,
        owner: JobOwner,
        command: impl Into<ShellCommand>,
        timeout: Option<Duration>,
        sink: Option<mpsc::Sender<ShellOutput>>,
    ) -> Result<ShellAnswer, ShellError> {
        let command = command.into();
        let title = command::title(&command);
        let words = command::words(command)?;
        let begin = Instant::now();
        let Snapshot { cwd, env, .. } = self.context.snapshot();
        // By its path: a PATH of the user's may lead nowhere.
        let mut child = Command::new("/bin/bash")
            .args(words)
            .current_dir(&cwd)
            .envs(env)
            .env(crate::init::MARK, "shell")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| match cwd.is_dir() {
                true => ShellError::Start(error),
                false => ShellError::FolderGone(cwd),
            })?;
        let group = Group::of(&child, self.running.as_deref());
        let running = self.commands.begin(owner, title);
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (out_sink, err_sink) = (sink.clone(), sink);
        let kept: (Mutex<Vec<u8>>, Mutex<Vec<u8>>) = Default::default();
        let ended = CancellationToken::new();
        let reading = async {
            tokio::join!(
                read(out, "stdout", &kept.0, out_sink, &ended),
                read(err, "stderr", &kept.1, err_sink, &ended)
            );
        };
        tokio::pin!(reading);
        let limit = async {
            match timeout {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(limit);

        let mut read_all = false;
        let (status, code) = loop {
            tokio::select! {
                () = &mut reading, if !read_all => read_all = true,
                code = wait(&mut child) => break (ExecStatus::Completed, code),
                () = &mut limit => break (ExecStatus::Timeout, end(&group, &mut child).await),
                () = running.cancelled() => {
                    break (ExecStatus::Interrupted, end(&group, &mut child).await);
                }
            }
        };
        if status == ExecStatus::Completed {
            group.leave();
        }
        running.end(status, code);
        ended.cancel();
        if !read_all {
            reading.await;
        }
        Ok(ShellAnswer {
            status,
            stdout: text(&kept.0),
            stderr: text(&kept.1),
            returncode: Some(code),
            timing_ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }
}

/// Ends all that is in the group: politely, then not.
async fn end(group: &Group, child: &mut Child) -> i32 {
    group.signal(Signal::SIGTERM);
    let code = match tokio::time::timeout(GRACE, wait(child)).await {
        Ok(code) => code,
        Err(_) => {
            group.signal(Signal::SIGKILL);
            wait(child).await
        }
    };
    group.signal(Signal::SIGKILL);
    code
}

async fn wait(child: &mut Child) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    match child.wait().await {
        Ok(status) => status
            .code()
            .or_else(|| status.signal().map(|signal| 128 + signal))
            .unwrap_or(-1),
        Err(_) => -1,
    }
}

fn text(kept: &Mutex<Vec<u8>>) -> String {
    String::from_utf8_lossy(&kept.lock()).into_owned()
}

/// Reads a pipe to its end. What bash left in the background may hold it for ever, but what bash wrote
/// itself is in it when bash has ended: no more is read then, however slowly the client takes it.
async fn read(
    stream: Option<impl AsyncRead + Unpin>,
    name: &'static str,
    kept: &Mutex<Vec<u8>>,
    sink: Option<mpsc::Sender<ShellOutput>>,
    ended: &CancellationToken,
) {
    let Some(mut stream) = stream else { return };
    let mut chunk = Vec::with_capacity(64 << 10);
    let mut cut = false;
    let mut tail: Vec<u8> = Vec::new();
    let mut rest = LARGEST_PIPE;
    loop {
        chunk.clear();
        let silence = async {
            ended.cancelled().await;
            tokio::time::sleep(SILENCE).await;
        };
        let count = tokio::select! {
            biased;
            read = stream.read_buf(&mut chunk) => match read {
                Ok(count @ 1..) => count,
                _ => return,
            },
            () = silence => return,
        };
        {
            let mut kept = kept.lock();
            if kept.len() + count <= KEPT_BYTES {
                kept.extend_from_slice(&chunk);
            } else if !cut {
                cut = true;
                kept.extend_from_slice(
                    format!("\n[{name} truncated after {} MiB]\n", KEPT_BYTES >> 20).as_bytes(),
                );
            }
        }
        if let Some(sink) = &sink {
            tail.extend_from_slice(&chunk);
            // A letter that was cut in two waits for its other half.
            let whole = match std::str::from_utf8(&tail) {
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                _ => tail.len(),
            };
            let text = String::from_utf8_lossy(&tail[..whole]).into_owned();
            tail.drain(..whole);
            if !text.is_empty() {
                // A client that went away is told nothing more.
                let _ = sink.send(ShellOutput { name, text }).await;
            }
        }
        if ended.is_cancelled() {
            rest = rest.saturating_sub(count);
            if rest == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests;
