//! Runs git, always in a repository of ours and never in the person's: its settings are ours alone,
//! and of other repositories it reads objects. A process that takes too long is killed with its
//! group.

use std::{
    ffi::{OsStr, OsString},
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::{ffi::OsStrExt, fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio_util::sync::CancellationToken;

use super::error::GitError;

/// The oldest version that has what is used here.
const OLDEST: (u32, u32) = (2, 39);
/// Address space of a process that unpacks what came from an agent.
const MEMORY: u64 = 4 << 30;
/// How much of what git says about a failure is kept.
const LONGEST_REASON: u64 = 8 << 10;
/// Files from this size on are neither compared nor kept in memory.
pub(super) const BIG_FILE: u64 = 4 << 20;
/// Settings of every process; nothing else sets any. Indexes that a repository has beside its
/// objects aren't believed.
const SETTINGS: [&str; 16] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.commitGraph=false",
    "core.multiPackIndex=false",
    "core.bigFileThreshold=4m",
    "core.maxTreeDepth=256",
    "core.packedGitWindowSize=32m",
    "core.packedGitLimit=512m",
    "core.quotePath=true",
    "pack.threads=2",
    "pack.useBitmaps=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.allow=never",
];

/// The git of this computer, how long each of its processes may take, and who can end them. Calls
/// that use it block: asynchronous code makes them on a thread of their own (`spawn_blocking`).
#[derive(Clone, Debug)]
pub struct Git {
    program: PathBuf,
    limit: Duration,
    cancel: CancellationToken,
}

impl Git {
    /// Looks for git on the `PATH`.
    ///
    /// # Errors
    /// [`GitError::NoGit`] if there is none, or one older than 2.39.
    pub fn find() -> Result<Self, GitError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_program = |place: &PathBuf| {
            let found = place.metadata();
            found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        let program = std::env::split_paths(&path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join("git"))
            .find(is_program)
            .ok_or_else(|| GitError::NoGit {
                reason: "not found on the PATH".into(),
            })?;
        let git = Self::at(program);
        let told = Call::new(&git, Path::new("/"), "version").bytes(1024)?;
        match version(&told) {
            Some(version) if version >= OLDEST => Ok(git),
            _ => Err(GitError::NoGit {
                reason: format!("{} is too old", String::from_utf8_lossy(&told).trim()),
            }),
        }
    }

    /// A certain program, which isn't looked at.
    pub fn at(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            limit: Duration::from_secs(300),
            cancel: CancellationToken::new(),
        }
    }

    /// The same, whose processes may each take so long; five minutes if nothing is said.
    #[must_use]
    pub fn limited_to(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The same, whose processes end when this is cancelled.
    #[must_use]
    pub fn cancelled_by(mut self, cancel: CancellationToken) -> Self {
        self.cancel = cancel;
        self
    }

    /// Whether the caller wants it no longer, for work between processes.
    pub(super) fn check(&self) -> Result<(), GitError> {
        if self.cancel.is_cancelled() {
            return Err(GitError::Cancelled);
        }
        Ok(())
    }
}

fn version(told: &[u8]) -> Option<(u32, u32)> {
    let text = std::str::from_utf8(told).ok()?;
    let mut numbers = text.trim().strip_prefix("git version ")?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// One git process.
#[derive(Debug)]
pub(super) struct Call<'a> {
    git: &'a Git,
    verb: &'static str,
    command: Command,
    /// Exit codes that are answers.
    answers: &'static [i32],
    is_narrow: bool,
}

impl<'a> Call<'a> {
    /// In a bare repository of ours.
    pub(super) fn new(git: &'a Git, repository: &Path, verb: &'static str) -> Self {
        let mut command = Command::new(&git.program);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", "/nonexistent")
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .env("GIT_DIR", repository)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_ALLOW_PROTOCOL", "none")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .current_dir(repository)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .args(["--no-pager", "--literal-pathspecs"]);
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.arg(verb);
        Self {
            git,
            verb,
            command,
            answers: &[0],
            is_narrow: false,
        }
    }

    /// With objects of other repositories too.
    pub(super) fn borrowing(mut self, objects: &[PathBuf]) -> Self {
        if !objects.is_empty() {
            self.command
                .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", quoted(objects));
        }
        self
    }

    pub(super) fn arg(mut self, word: impl AsRef<OsStr>) -> Self {
        self.command.arg(word);
        self
    }

    pub(super) fn args<W: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.command.args(words);
        self
    }

    pub(super) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// These exit codes are answers and no failures.
    pub(super) fn answering(mut self, codes: &'static [i32]) -> Self {
        self.answers = codes;
        self
    }

    /// With little memory: it reads what came from an agent.
    pub(super) fn narrow(mut self) -> Self {
        self.is_narrow = true;
        self
    }

    /// Its output, of at most so many bytes.
    pub(super) fn bytes(self, most: usize) -> Result<Vec<u8>, GitError> {
        self.fed(|_| Ok(()), move |output| all(output, most))
            .map(|(bytes, _)| bytes)
    }

    /// Lets it read what `feed` writes, and `read` what it writes; answers that and the exit code.
    /// What `read` leaves makes git end.
    pub(super) fn fed<T: Send>(
        mut self,
        feed: impl FnOnce(&mut ChildStdin) -> Result<(), GitError> + Send,
        read: impl FnOnce(&mut dyn BufRead) -> Result<T, GitError> + Send,
    ) -> Result<(T, i32), GitError> {
        self.git.check()?;
        let started = self.command.spawn();
        let mut child = started.map_err(GitError::file("run", &self.git.program))?;
        if self.is_narrow {
            limit_memory(&child);
        }
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            kill(&mut child);
            return Err(GitError::damaged("git was started without pipes"));
        };
        std::thread::scope(|scope| {
            let (tell, ended) = mpsc::channel();
            let feeder = scope.spawn(move || {
                let mut stdin = stdin;
                feed(&mut stdin)
            });
            let told = tell.clone();
            let reader = scope.spawn(move || {
                let read = {
                    let mut output = BufReader::with_capacity(64 << 10, stdout);
                    read(&mut output)
                };
                // Whoever waits may have gone.
                let _ = told.send(());
                read
            });
            let errors = scope.spawn(move || reason(stderr));
            let waited = self.wait(&mut child, &ended);
            drop(tell);
            if waited.is_ok() && !reader.is_finished() {
                end_stragglers(&child, &ended);
            }
            let reason = errors.join().unwrap_or_default();
            let fed = feeder.join();
            let output = reader.join();
            let status = waited?;
            let panicked = || GitError::damaged("a thread that works with git failed");
            let output = output.map_err(|_| panicked())?;
            let fed = fed.map_err(|_| panicked())?;
            self.answer(status, output, fed, reason)
        })
    }

    /// What matters most is why this process stopped: what was read, what was to be written, and only
    /// then how git ended because of that.
    fn answer<T>(
        &self,
        status: ExitStatus,
        output: Result<T, GitError>,
        fed: Result<(), GitError>,
        reason: String,
    ) -> Result<(T, i32), GitError> {
        match fed {
            // It has ended, for a reason of its own.
            Err(GitError::File { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        let failed = || GitError::Failed {
            verb: self.verb,
            reason: reason.clone(),
        };
        match (status.code(), output) {
            (Some(code), Ok(output)) if self.answers.contains(&code) => Ok((output, code)),
            (Some(code), Err(error)) if self.answers.contains(&code) => Err(error),
            // It was ended by the reader's going away.
            (None, Err(error)) => Err(error),
            (_, Err(error @ GitError::TooMuch { .. })) => Err(error),
            _ => Err(failed()),
        }
    }

    fn wait(&self, child: &mut Child, ended: &mpsc::Receiver<()>) -> Result<ExitStatus, GitError> {
        const SHORTEST: Duration = Duration::from_micros(200);
        const LONGEST: Duration = Duration::from_millis(25);
        let until = Instant::now() + self.git.limit;
        let mut pause = SHORTEST;
        loop {
            let status = child.try_wait();
            if let Some(status) = status.map_err(GitError::file("run", &self.git.program))? {
                return Ok(status);
            }
            let stopped = if self.git.cancel.is_cancelled() {
                Some(GitError::Cancelled)
            } else if Instant::now() >= until {
                Some(GitError::TimedOut {
                    verb: self.verb,
                    seconds: self.git.limit.as_secs(),
                })
            } else {
                None
            };
            if let Some(error) = stopped {
                kill(child);
                return Err(error);
            }
            match ended.recv_timeout(pause) {
                // Its output has ended: so does it.
                Ok(()) => pause = SHORTEST,
                Err(_) => pause = (pause * 2).min(LONGEST),
            }
        }
    }
}

/// Kills a process that hasn't been waited for, and its group.
fn kill(child: &mut Child) {
    if let Ok(id) = i32::try_from(child.id()) {
        let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
    }
    let _ = child.wait();
}

/// Ends processes that a git which has ended left behind, if they hold its output open.
fn end_stragglers(child: &Child, ended: &mpsc::Receiver<()>) {
    const GRACE: Duration = Duration::from_secs(2);
    if ended.recv_timeout(GRACE) == Err(mpsc::RecvTimeoutError::Timeout)
        && let Ok(id) = i32::try_from(child.id())
    {
        let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
    }
}

#[cfg(target_os = "linux")]
fn limit_memory(child: &Child) {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};
    let limit = Rlimit {
        current: Some(MEMORY),
        maximum: Some(MEMORY),
    };
    if let Err(error) = prlimit(Some(Pid::from_child(child)), Resource::As, limit) {
        tracing::warn!(%error, "git's memory can't be limited");
    }
}

#[cfg(not(target_os = "linux"))]
fn limit_memory(_: &Child) {}

/// What git says about a failure; more than that is read and dropped, so that it never waits.
fn reason(mut stderr: impl Read) -> String {
    let mut kept = Vec::new();
    let _ = stderr.by_ref().take(LONGEST_REASON).read_to_end(&mut kept);
    let _ = io::copy(&mut stderr, &mut io::sink());
    super::tree_path::readable(kept.trim_ascii())
}

fn all(output: &mut dyn BufRead, most: usize) -> Result<Vec<u8>, GitError> {
    let mut bytes = Vec::new();
    let read = output.take(most as u64 + 1).read_to_end(&mut bytes);
    read.map_err(GitError::file("read", Path::new("git's output")))?;
    if bytes.len() > most {
        return Err(GitError::TooMuch {
            what: "git's output",
            limit: format!("{most} bytes"),
        });
    }
    Ok(bytes)
}

/// Writes to git, whose end is seen elsewhere.
pub(super) fn write(to: &mut impl Write, bytes: &[u8]) -> Result<(), GitError> {
    to.write_all(bytes)
        .map_err(GitError::file("write", Path::new("git's input")))
}

/// Paths as git reads them from its environment: separated by colons, each in quotes.
fn quoted(paths: &[PathBuf]) -> OsString {
    let mut list = Vec::new();
    for path in paths {
        if !list.is_empty() {
            list.push(b':');
        }
        list.push(b'"');
        for byte in path.as_os_str().as_bytes() {
            match byte {
                b'"' | b'\\' => list.extend([b'\\', *byte]),
                b'\n' => list.extend(b"\\n"),
                byte => list.push(*byte),
            }
        }
        list.push(b'"');
    }
    OsStr::from_bytes(&list).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(version(b"git version 2.47.3\n"), Some((2, 47)));
        assert_eq!(
            version(b"git version 2.39.5 (Apple Git-154)\n"),
            Some((2, 39))
        );
        assert_eq!(version(b"hub version 2\n"), None);
    }

    #[test]
    fn paths_with_colons_and_quotes_are_quoted() {
        let paths = [PathBuf::from("/a:b"), PathBuf::from("/c\"\\d\n")];
        assert_eq!(quoted(&paths), "\"/a:b\":\"/c\\\"\\\\d\\n\"");
    }
}
