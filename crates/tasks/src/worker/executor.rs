//! What runs a task, and how it speaks with its worker.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use wire::task::{LogStream, TaskKind, TaskProgress};

use crate::{ClaimedTask, Ending, Report, ReportLine};

/// Bytes of log that wait for the store. Beyond it the oldest are dropped, as the store would.
const WAITING_BYTES: usize = 256 << 10;

/// Runs tasks of some kinds.
pub trait Executor: Send + Sync + 'static {
    /// Kinds that it can run.
    fn kinds(&self) -> Vec<TaskKind>;

    /// Runs one attempt. It ends soon after it is asked to, and cleans up what it started before it ends;
    /// if it takes half a minute longer than its grace time, it is dropped.
    fn run(&self, task: ClaimedTask, running: Running) -> BoxFuture<'static, Ending>;
}

/// What an executor has of its worker.
#[derive(Clone, Debug, Default)]
pub struct Running {
    /// Takes its log and progress.
    pub tell: Tell,
    /// Asks it to end.
    pub stop: Stop,
}

/// Asks an attempt to end: politely, then at once.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    /// It should end, as after SIGTERM.
    pub asked: CancellationToken,
    /// Its grace time is over.
    pub now: CancellationToken,
}

/// Takes log and progress of an attempt. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Tell(Arc<Told>);

#[derive(Debug, Default)]
struct Told {
    waiting: Mutex<Waiting>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    report: Report,
    bytes: usize,
}

impl Tell {
    /// It wrote this.
    pub fn line(&self, stream: LogStream, text: impl Into<String>) {
        let text = text.into();
        let mut waiting = self.0.waiting.lock();
        waiting.bytes += text.len();
        let lines = &mut waiting.report.lines;
        match lines.last_mut() {
            // What comes in small pieces is stored as one.
            Some(last) if last.stream == stream && last.text.len() < 4096 => last.text += &text,
            _ => lines.push(ReportLine { stream, text }),
        }
        let mut surplus = waiting.bytes.saturating_sub(WAITING_BYTES);
        let mut dropped = 0;
        while surplus > 0 && dropped + 1 < waiting.report.lines.len() {
            let bytes = waiting.report.lines[dropped].text.len();
            surplus = surplus.saturating_sub(bytes);
            waiting.bytes -= bytes;
            dropped += 1;
        }
        waiting.report.lines.drain(..dropped);
        drop(waiting);
        self.0.news.notify_one();
    }

    /// It is so far.
    pub fn progress(&self, progress: TaskProgress) {
        self.0.waiting.lock().report.progress = Some(progress);
        self.0.news.notify_one();
    }

    /// What was told since the last time.
    pub(super) fn take(&self) -> Report {
        std::mem::take(&mut *self.0.waiting.lock()).report
    }

    /// Something was told.
    pub(super) async fn news(&self) {
        self.0.news.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_are_one_and_a_flood_keeps_its_end() {
        let tell = Tell::default();
        tell.line(LogStream::Stdout, "a");
        tell.line(LogStream::Stdout, "b\n");
        tell.line(LogStream::Stderr, "c");
        let texts: Vec<_> = tell
            .take()
            .lines
            .into_iter()
            .map(|line| line.text)
            .collect();
        assert_eq!(texts, ["ab\n", "c"]);
        assert!(tell.take().is_empty());
        for number in 0..1000 {
            tell.line(
                LogStream::Stdout,
                format!("{number:04}{}", "x".repeat(5000)),
            );
        }
        let lines = tell.take().lines;
        let bytes: usize = lines.iter().map(|line| line.text.len()).sum();
        assert!(bytes <= WAITING_BYTES + 5004, "{bytes}");
        assert!(lines.last().unwrap().text.starts_with("0999"));
    }
}
