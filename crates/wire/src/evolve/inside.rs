//! What the machine's own API says of evolves, and what an executor tells it.

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
