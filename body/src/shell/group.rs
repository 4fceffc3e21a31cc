//! A command's process group. While the command runs its number is written down, so that the
//! successor of a supervisor that was killed ends it: nobody else holds its time limit any more.
//!
//! What a finished command left in the background has all that an unfinished one's processes have,
//! but for a leader that still lives.

use std::path::{Path, PathBuf};

use nix::{
    sys::signal::{Signal, killpg},
    time::{ClockId, clock_gettime},
    unistd::Pid,
};
use tokio::process::Child;

use crate::proc::stat;

/// Killed when dropped, unless it is left alone.
pub struct Group {
    leader: Option<Pid>,
    /// In its name it says which process, and when that was there: a file without content fits on a
    /// full disk.
    record: Option<PathBuf>,
}

impl Group {
    /// The group that this process leads, written down in a folder.
    pub fn of(child: &Child, running: Option<&Path>) -> Self {
        let id = child.id();
        let record = running.and_then(|running| record(id?, running));
        let leader = id.and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
        Self { leader, record }
    }

    /// Signals all that is in it.
    pub fn signal(&self, signal: Signal) {
        if let Some(group) = self.leader {
            let _ = killpg(group, signal);
        }
    }

    /// The command ended by itself: what it put in the background lives on.
    pub fn leave(mut self) {
        self.leader = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
        if let Some(record) = &self.record {
            let _ = std::fs::remove_file(record);
        }
    }
}

fn record(id: u32, running: &Path) -> Option<PathBuf> {
    let record = running.join(format!("{id}:{}", now()?));
    match std::fs::write(&record, "") {
        Ok(()) => Some(record),
        Err(error) => {
            tracing::warn!(%error, "a command could not be written down: it would outlive the supervisor");
            None
        }
    }
}

/// In ticks since boot, as processes tell their starts: what has this number and started later is another.
fn now() -> Option<u64> {
    const TICKS: i64 = 100;
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).ok()?;
    let ticks = now.tv_sec() * TICKS + now.tv_nsec() / (1_000_000_000 / TICKS);
    u64::try_from(ticks).ok()
}

/// Ends the commands that a supervisor before us left unfinished.
pub fn sweep(running: &Path) {
    for entry in std::fs::read_dir(running).into_iter().flatten().flatten() {
        if let Some((id, at)) = recorded(&entry.file_name().to_string_lossy())
            && stat(id.cast_unsigned()).is_some_and(|(start, _)| start <= at)
        {
            tracing::info!(
                pid = id,
                "ended a command that an earlier supervisor left unfinished"
            );
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
        let _ = std::fs::remove_file(entry.path());
    }
}

fn recorded(name: &str) -> Option<(i32, u64)> {
    let (id, at) = name.split_once(':')?;
    Some((id.parse().ok()?, at.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{super::*, *};

    const DEADLINE: Duration = Duration::from_secs(120);

    /// A process of the test's own, which ends with it.
    struct Background(Pid);

    impl Background {
        async fn start(shell: &Shell) -> Self {
            // A group of its own, as a leader of which it could be taken for a command.
            let command = "set -m; sleep 600 >/dev/null 2>&1 & echo $!";
            let answer = shell.run(command, None, None).await.unwrap();
            Self(Pid::from_raw(answer.stdout.trim().parse().unwrap()))
        }

        fn stat(&self) -> Option<(u64, i32)> {
            stat(self.0.as_raw().cast_unsigned())
        }
    }

    impl Drop for Background {
        fn drop(&mut self) {
            let _ = nix::sys::signal::kill(self.0, Signal::SIGKILL);
        }
    }

    #[tokio::test]
    async fn the_next_supervisor_ends_unfinished_commands_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let shell = Shell::take_over(folder.path(), "/".into());
        let running = folder.path().join("running");
        let records = || std::fs::read_dir(&running).unwrap().count();
        let left = Background::start(&shell).await;
        assert_eq!(records(), 0);
        // One that has the number of a command which ended long ago.
        let other = Background::start(&shell).await;
        let (start, _) = other.stat().unwrap();
        std::fs::write(running.join(format!("{}:{}", other.0, start - 1)), "").unwrap();

        let (sink, mut pieces) = mpsc::channel(1);
        let command = "sleep 600 & echo $!; wait";
        let unfinished = tokio::spawn(async move { shell.run(command, None, Some(sink)).await });
        let sleeps = pieces.recv().await.unwrap().text;
        let sleeps = Background(Pid::from_raw(sleeps.trim().parse().unwrap()));
        assert_eq!(records(), 2);

        Shell::take_over(folder.path(), "/".into());
        let answer = tokio::time::timeout(DEADLINE, unfinished).await;
        let answer = answer.expect("its end").unwrap().unwrap();
        assert_eq!(answer.returncode, Some(128 + Signal::SIGKILL as i32));
        let gone = async {
            while sleeps.stat().is_some() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(DEADLINE, gone).await.unwrap();
        assert!(left.stat().is_some() && other.stat().is_some());
        assert_eq!(records(), 0);
    }
}
