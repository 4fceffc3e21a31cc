//! What the machine's own API says of evolves, and what an executor tells it.

use std::io::{Read, Seek, SeekFrom};

use serde::{Deserialize, Serialize};

use super::{EvolveRun, ExecutorKind, RunningCell};

wire! {
    /// Body of the machine's `POST /evolve`.
    #[derive(Eq, Default)]
    pub struct EvolveWish {
        /// Why.
        #[serde(default)]
        pub note: Option<String>,
        /// What to do about cells that run or wait. The cell that asks waits for nothing of it.
        #[serde(default)]
        pub running_cell: Option<RunningCell>,
    }

    /// Answer of the machine's `POST /evolve`.
    #[derive(Eq)]
    pub struct EvolveStarted {
        /// Always `started`.
        pub status: StartedWord,
        /// Names the run.
        pub run_id: String,
        /// Whether an executor is there, or what is missing.
        pub message: String,
    }

    /// The word that says so.
    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum StartedWord {
        /// It was taken down, or runs.
        #[default]
        Started,
    }

    /// Answer of the machine's `GET /evolve/status`.
    #[derive(Eq)]
    pub struct EvolveMachineStatus {
        /// Whether a run is asked for, waits, or runs.
        pub in_progress: bool,
        /// Who carries it out.
        pub executor: ExecutorKind,
        /// Whether one was heard of lately; a run waits where none is there.
        pub executor_present: bool,
        /// The newest run.
        pub latest_run: Option<EvolveRun>,
    }

    /// Answer of the machine's `GET /evolve/runs`.
    #[derive(Eq, Default)]
    pub struct EvolveRunList {
        /// Newest first.
        pub runs: Vec<EvolveRun>,
    }

    /// Body of the machine's `POST /evolve/claim`: an executor tells that it is there, and takes a
    /// run where one waits. Repeated while it works: it renews the lease.
    #[derive(Eq)]
    pub struct EvolveClaim {
        /// Names the executor: a claim by another one is refused while the lease holds.
        pub executor: String,
        /// The run; left out by an executor that only tells that it is there.
        #[serde(default)]
        pub run_id: Option<String>,
        /// How long the lease holds.
        pub lease_s: u32,
    }

    /// Body of the machine's `POST /evolve/runs/{id}/report`.
    #[derive(Eq)]
    pub struct EvolveReport {
        /// The run as it stands now.
        pub run: EvolveRun,
        /// Lines of its log since the last report.
        #[serde(default)]
        pub log: Vec<String>,
    }

    /// Lines of a run's log.
    #[derive(Eq, Default)]
    pub struct EvolveLog {
        /// Oldest first.
        pub lines: Vec<String>,
        /// Where to go on reading.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub next: u64,
    }

    /// Body of the machine's `POST /evolve/queue`: an executor closes the queue of cells for a
    /// while, or opens it again.
    #[derive(Copy, Eq)]
    pub struct EvolveQueue {
        /// Whether new cells are refused.
        pub closed: bool,
        /// After so many seconds it is open again by itself.
        #[serde(default)]
        pub for_s: u32,
    }
}

impl EvolveLog {
    /// The most bytes of a log that one answer carries.
    pub const PAGE: u64 = 1 << 20;

    /// What a log says from a byte on. A line that is still being written comes the next time; one
    /// that is longer than a page comes in pieces.
    ///
    /// # Errors
    /// Where the log can't be read.
    pub fn read(mut log: impl Read + Seek, after: u64) -> std::io::Result<Self> {
        let after = after.min(log.seek(SeekFrom::End(0))?);
        log.seek(SeekFrom::Start(after))?;
        let mut bytes = Vec::new();
        let count = log.take(Self::PAGE).read_to_end(&mut bytes)?;
        let last = bytes.iter().rposition(|byte| *byte == b'\n');
        let whole = match last {
            Some(at) => at + 1,
            None if count as u64 == Self::PAGE => count,
            None => 0,
        };
        let text = String::from_utf8_lossy(&bytes[..whole]);
        Ok(Self {
            lines: text.lines().map(str::to_owned).collect(),
            next: after + whole as u64,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn a_log_is_read_in_whole_lines_and_always_goes_on() {
        let read = |text: &str, after| EvolveLog::read(Cursor::new(text), after).unwrap();
        assert_eq!(read("one\ntwo\nthr", 0).lines, ["one", "two"]);
        assert_eq!(read("one\ntwo\nthr", 4).next, 8);
        assert_eq!(read("one\ntwo\nthr", 8).next, 8);
        assert_eq!(read("one\n", u64::MAX).next, 4);
        let long = "x".repeat(3 << 20) + "\nlast\n";
        let (mut after, mut pages) = (0, 0);
        while after < long.len() as u64 {
            let page = read(&long, after);
            assert!(page.next > after, "{after}");
            (after, pages) = (page.next, pages + 1);
        }
        assert_eq!(pages, 4);
    }
}
