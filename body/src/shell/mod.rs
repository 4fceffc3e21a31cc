//! The shell: commands with a cwd and environment that last. A command runs in a
//! process group of its own; its time limit ends the whole group.

mod command;
mod context;
mod group;

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use serde::Serialize;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;
use wire::kernel::{ExecStatus, ShellAnswer, ShellCommand};

pub use self::context::{Context, Heard, Snapshot};
use self::group::Group;

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
    /// Where commands are written down while they run.
    running: Option<PathBuf>,
}

impl Shell {
    /// Starts in a folder, with nothing added to the environment, and is kept nowhere.
    #[cfg(test)]
    pub fn new(cwd: PathBuf) -> Self {
        Self {
            context: Context::new(cwd),
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
            running: Some(running),
        }
    }

    /// Runs a command; pieces of its output go to `sink` as they come. Dropped, it ends the command's group.
    pub async fn run(
        &self,
        command: impl Into<ShellCommand>,
        timeout: Option<Duration>,
        sink: Option<mpsc::Sender<ShellOutput>>,
    ) -> Result<ShellAnswer, ShellError> {
        let words = command::words(command.into())?;
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
                () = &mut limit => {
                    group.signal(Signal::SIGTERM);
                    let code = match tokio::time::timeout(GRACE, wait(&mut child)).await {
                        Ok(code) => code,
                        Err(_) => {
                            group.signal(Signal::SIGKILL);
                            wait(&mut child).await
                        }
                    };
                    group.signal(Signal::SIGKILL);
                    break (ExecStatus::Timeout, code);
                }
            }
        };
        if status == ExecStatus::Completed {
            group.leave();
        }
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
    String::from_utf8_lossy(&kept.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
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
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
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
mod tests {
    use nix::unistd::Pid;

    use super::{command::LONGEST, *};

    fn shell() -> Shell {
        Shell::new(std::env::temp_dir().canonicalize().unwrap())
    }

    #[tokio::test]
    async fn cwd_and_environment_last_but_not_those_of_a_command() {
        let shell = shell();
        shell.context.set("COLOUR", "green").unwrap();
        shell.context.cd("/").unwrap();
        let answer = shell
            .run("cd /tmp; export COLOUR=red; pwd", None, None)
            .await
            .unwrap();
        assert_eq!(answer.stdout, "/tmp\n");
        let answer = shell
            .run("pwd; echo $COLOUR; echo no >&2; exit 7", None, None)
            .await
            .unwrap();
        assert_eq!(
            (
                answer.stdout.as_str(),
                answer.stderr.as_str(),
                answer.returncode
            ),
            ("/\ngreen\n", "no\n", Some(7))
        );
        assert_eq!(answer.status, ExecStatus::Completed);
        assert!(matches!(
            shell.context.cd("nowhere"),
            Err(ShellError::NoFolder(_))
        ));
    }

    #[tokio::test]
    async fn what_a_command_starts_is_known_to_be_of_the_shell() {
        let shell = shell();
        shell.context.set(crate::init::MARK, "another").unwrap();
        let said = shell.run("printenv VIVARIUM_SERVICE", None, None).await;
        assert_eq!(said.unwrap().stdout, "shell\n");
    }

    #[tokio::test]
    async fn what_can_not_be_started_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let shell = Shell::new(folder.path().to_owned());
        let most = format!("echo fits{}", " ".repeat(LONGEST - "echo fits".len()));
        let answer = shell.run(most.as_str(), None, None).await.unwrap();
        assert_eq!(answer.stdout, "fits\n");
        let longer = format!("{most} ");
        let refused = shell.run(longer.as_str(), None, None).await;
        assert!(matches!(refused, Err(ShellError::TooLong)));
        let refused = shell.run("a\0b", None, None).await;
        assert!(matches!(refused, Err(ShellError::ZeroByte)));
        folder.close().unwrap();
        let refused = shell.run("true", None, None).await;
        assert!(matches!(refused, Err(ShellError::FolderGone(_))));
    }

    #[tokio::test]
    async fn no_variable_keeps_commands_from_starting() {
        let shell = shell();
        shell.context.set("PATH", "/nowhere").unwrap();
        let piece = "v".repeat(context::LONGEST_VARIABLE - 100);
        let full = (0..100).find(|index| shell.context.set(&format!("V{index}"), &piece).is_err());
        assert!(full.is_some_and(|full| full > 10), "{full:?}");
        let longest = format!("echo fits{}", " ".repeat(LONGEST - "echo fits".len()));
        let answer = shell.run(longest.as_str(), None, None).await.unwrap();
        assert_eq!(answer.stdout, "fits\n");
    }

    #[tokio::test]
    async fn a_time_limit_ends_the_whole_group() {
        let mark = format!("86{}", std::process::id());
        let command = format!("sleep {mark} & sleep {mark}");
        let answer = shell()
            .run(command.as_str(), Some(Duration::from_millis(100)), None)
            .await
            .unwrap();
        assert_eq!(answer.status, ExecStatus::Timeout);
        let left = || {
            let mut pgrep = std::process::Command::new("pgrep");
            let pgrep = pgrep.args(["-fx", &format!("sleep {mark}")]).output();
            pgrep.unwrap().stdout
        };
        // What was killed is gone a moment later.
        let begin = std::time::Instant::now();
        while !left().is_empty() {
            assert!(begin.elapsed() < Duration::from_secs(120));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_its_time_gets_all_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let shell = Shell::new(folder.path().to_owned());
        let (sink, mut pieces) = mpsc::channel(1);
        let first = ShellOutput {
            name: "stdout",
            text: String::new(),
        };
        // There is no room for another one, until bash has ended.
        sink.send(first).await.unwrap();
        let command = "echo $$ >new; mv new pid; printf '%60000s' x";
        let run = tokio::spawn(async move { shell.run(command, None, Some(sink)).await });
        let soon = || tokio::time::sleep(Duration::from_millis(1));
        let pid = loop {
            if let Ok(pid) = std::fs::read_to_string(folder.path().join("pid")) {
                break format!("/proc/{}", pid.trim());
            }
            soon().await;
        };
        while Path::new(&pid).exists() {
            soon().await;
        }
        tokio::time::sleep(Duration::from_secs(3600)).await;
        let mut length = 0;
        while let Some(piece) = pieces.recv().await {
            length += piece.text.len();
        }
        let answer = run.await.unwrap().unwrap();
        assert_eq!((length, answer.stdout.len()), (60_000, 60_000));
    }

    #[tokio::test]
    async fn what_goes_on_in_the_background_holds_no_answer_up() {
        let command = "(while :; do echo y; done) & echo $!";
        let answer = shell().run(command, None, None).await.unwrap();
        let pid: i32 = answer
            .stdout
            .lines()
            .find_map(|line| line.parse().ok())
            .unwrap();
        assert_eq!(answer.status, ExecStatus::Completed);
        // Nobody reads what it says: it may have ended by that.
        let _ = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
    }

    #[tokio::test]
    async fn output_comes_in_pieces_and_whole_letters() {
        let (sink, mut pieces) = mpsc::channel(16);
        let shell = shell();
        let run = shell.run("printf 'a\\303'; printf '\\244b'", None, Some(sink));
        let (answer, text) = tokio::join!(run, async {
            let mut text = String::new();
            while let Some(piece) = pieces.recv().await {
                text += &piece.text;
            }
            text
        });
        assert_eq!(
            (answer.unwrap().stdout.as_str(), text.as_str()),
            ("aäb", "aäb")
        );
    }
}
