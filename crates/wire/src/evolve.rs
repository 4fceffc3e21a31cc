//! A machine's evolves: the runs that build, prove and put in place a new machine, the
//! generations that they leave, and what host and machine tell each other of them.

use serde::{Deserialize, Serialize};

use crate::{
    body::{NotRestored, Skipped},
    failure::Failure,
};

wire! {
    /// What a run does, in this order; `undo` only where one of the others failed.
    #[derive(Copy, Eq, PartialOrd, Ord, Hash)]
    #[serde(rename_all = "snake_case")]
    pub enum StepName {
        /// Looks whether all is there, and commits the repo on a branch of the run.
        Prepare,
        /// Builds the candidate's image.
        Build,
        /// Starts the candidate beside the machine and tries it.
        Prove,
        /// Closes the queue of cells and stores the namespaces.
        Carry,
        /// Stops the old machine and starts the new one in its place.
        Swap,
        /// Waits until the new one is well, brings the namespaces back, marks it good.
        Settle,
        /// Removes the old machine and what is beyond the generations that are kept.
        Tidy,
        /// Brings the old machine back.
        Undo,
    }

    /// Where a step stands.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum StepState {
        /// It is being done.
        Running,
        /// It is done.
        Done,
        /// It could not be done.
        Failed,
        /// This run has no need of it.
        Skipped,
    }

    /// One step of a run.
    #[derive(Eq)]
    pub struct EvolveStep {
        /// Which.
        pub name: StepName,
        /// Where it stands.
        pub state: StepState,
        /// Unix milliseconds.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub started_at: u64,
        /// Unix milliseconds.
        #[cfg_attr(feature = "ts", ts(type = "number | null"))]
        pub ended_at: Option<u64>,
        /// What there is to say of it, in a sentence.
        pub note: Option<String>,
    }

    /// Where a run stands, and at its end how it ended.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum RunState {
        /// Asked for from inside; no executor has taken it yet.
        Asked,
        /// Asked for from inside; it waits for the person's yes.
        AwaitsYes,
        /// It is being carried out.
        Running,
        /// The new machine is in place and marked good.
        Good,
        /// It failed; the old machine is in place, untouched or put back.
        Undone,
        /// It failed before anything was changed.
        Failed,
        /// The person said no.
        Refused,
        /// Somebody cancelled it; the old machine is in place.
        Cancelled,
    }

    /// What a run is for.
    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum RunKind {
        /// Builds a new generation.
        #[default]
        Evolve,
        /// Goes back to one that is there.
        Rollback,
    }

    /// Who asked for a run.
    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum Asker {
        /// A person at the app or the command line.
        #[default]
        Person,
        /// Something inside the machine.
        Machine,
    }

    /// Who carries runs out.
    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum ExecutorKind {
        /// The app or the command line on the host.
        #[default]
        Host,
        /// The machine itself, through the container engine's socket.
        Socket,
    }

    /// What to do about cells that run or wait.
    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum RunningCell {
        /// Wait for their end; the run is given up where the time limit passes.
        #[default]
        Wait,
        /// Interrupt what runs and take out what waits.
        Interrupt,
        /// Give the run up at once.
        Refuse,
    }

    /// One thing that a candidate was asked to show.
    #[derive(Eq)]
    pub struct ProofCheck {
        /// Such as `display`, `kernel`, `mcp filesystem`, `tests`.
        pub name: String,
        /// Whether it is well.
        pub ok: bool,
        /// What was seen.
        pub detail: String,
        /// How long it took.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub took_ms: u64,
    }

    /// What `body prove --json` says.
    #[derive(Eq, Default)]
    pub struct Proof {
        /// Whether all checks are well.
        pub ok: bool,
        /// In the order in which they were made.
        pub checks: Vec<ProofCheck>,
    }

    /// A namespace as a run took it over.
    #[derive(Eq)]
    pub struct CarriedKernel {
        /// The kernel.
        pub kernel: String,
        /// The snapshot's name.
        pub snapshot: String,
        /// Names that were stored.
        pub saved: Vec<String>,
        /// Names that could not be.
        pub skipped: Vec<Skipped>,
        /// Names that did not come back.
        pub failed: Vec<NotRestored>,
    }

    /// What a run found out and did, beside its steps.
    #[derive(Eq, Default)]
    pub struct RunReport {
        /// What the candidate showed.
        pub proof: Option<Proof>,
        /// The namespaces.
        #[serde(default)]
        pub kernels: Vec<CarriedKernel>,
        /// Files changed in the old container outside its volumes: they are gone with it. The
        /// first few hundred.
        #[serde(default)]
        pub lost_files: Vec<String>,
        /// How many such files there are.
        #[serde(default)]
        pub lost_files_count: u32,
        /// From the old machine's stop to the new one's first answer.
        #[cfg_attr(feature = "ts", ts(type = "number | null"))]
        pub downtime_ms: Option<u64>,
        /// What a person should know: a changed port, a state that could not be kept.
        #[serde(default)]
        pub warnings: Vec<String>,
    }

    /// A run, as the status shows it; its log is read for itself.
    #[derive(Eq)]
    pub struct EvolveRun {
        /// Its name.
        pub run_id: String,
        /// What it is for.
        pub kind: RunKind,
        /// Where it stands.
        pub state: RunState,
        /// Who asked for it.
        pub asked_by: Asker,
        /// Why, in the words of who asked.
        pub note: Option<String>,
        /// What to do about cells that run or wait.
        #[serde(default)]
        pub running_cell: RunningCell,
        /// Unix milliseconds.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub started_at: u64,
        /// Unix milliseconds.
        #[cfg_attr(feature = "ts", ts(type = "number | null"))]
        pub ended_at: Option<u64>,
        /// Steps begun so far.
        pub steps: Vec<EvolveStep>,
        /// Why it failed.
        pub error: Option<String>,
        /// The same in full, where a host carried it out.
        #[cfg_attr(feature = "schema", schemars(with = "Option<serde_json::Value>"))]
        pub failure: Option<Failure>,
        /// The generation that it makes, or goes back to.
        pub generation: Option<u32>,
        /// The generation that was in place before.
        pub from_generation: Option<u32>,
        /// The repo's commit.
        pub commit: Option<String>,
        /// Findings.
        pub report: RunReport,
    }

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

/// Where a generation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum GenerationState {
    /// Built, and not proved yet.
    Candidate,
    /// It was in place and well.
    Good,
    /// It was not proved, or did not settle.
    Failed,
}

/// A machine as it was at one time: its image and its repo's commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Generation {
    /// Counts up, over all machines of one engine and instance.
    pub number: u32,
    /// The image's name, such as `os:gen-4`.
    pub image: String,
    /// The image's id.
    pub image_id: String,
    /// Unix milliseconds.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub created_at: u64,
    /// Of the image; layers that others share are counted whole.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub size_bytes: u64,
    /// Where it stands.
    pub state: GenerationState,
    /// Whether the machine is made of it now.
    pub current: bool,
    /// Whether it is kept whatever the number of generations.
    pub kept: bool,
    /// What its owner calls it.
    pub name: Option<String>,
    /// The note of the run that made it.
    pub note: Option<String>,
    /// Who asked for it.
    pub asked_by: Asker,
    /// That run.
    pub run_id: Option<String>,
    /// The repo's commit.
    pub commit: Option<String>,
    /// Whether the namespaces are stored with which it was left last.
    pub has_state: bool,
    /// Whether its image is there; without it nobody can go back to it.
    pub image_present: bool,
}

/// Answer of `generation_list` and of what changes one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct GenerationList {
    /// Newest first. Empty before the first evolve.
    pub generations: Vec<Generation>,
    /// How many good ones the spec keeps beside the current one and those kept by name.
    pub generations_to_keep: u32,
}

/// Names a generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct GenerationNumber {
    /// Which.
    pub number: u32,
}

/// Asks for `generation_keep`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct GenerationKeep {
    /// Which.
    pub number: u32,
    /// Whether it is kept whatever the number of generations.
    pub kept: bool,
}

/// Asks for `generation_name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct GenerationName {
    /// Which.
    pub number: u32,
    /// Empty for none.
    pub name: String,
}

/// Asks for `generation_rollback`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct RollbackRequest {
    /// Which; the good one before the current one where left out.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub number: Option<u32>,
    /// Whether the repo stays as it is; else its files become those of that generation. What was
    /// there stays on a branch.
    #[serde(default)]
    pub keep_repo: bool,
    /// Whether the namespaces become those with which that generation was left; else the present
    /// ones are taken along.
    #[serde(default)]
    pub state: bool,
    /// What to do about cells that run or wait.
    #[serde(default)]
    pub running_cell: RunningCell,
    /// How long to wait for them, in seconds; 60 where it is 0.
    #[serde(default)]
    pub cell_limit_s: u32,
}

/// Asks for `evolve_start`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EvolveRequest {
    /// Why.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub note: Option<String>,
    /// What to do about cells that run or wait.
    #[serde(default)]
    pub running_cell: RunningCell,
    /// How long to wait for them, in seconds; 60 where it is 0.
    #[serde(default)]
    pub cell_limit_s: u32,
}

/// How a file of the repo changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum FileChange {
    /// It is new.
    Added,
    /// It is another.
    Changed,
    /// It is gone.
    Removed,
}

/// A file of the repo that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ChangedFile {
    /// From the repo's root.
    pub path: String,
    /// How.
    pub change: FileChange,
    /// Lines added; `None` for what is no text.
    pub added: Option<u32>,
    /// Lines removed; `None` for what is no text.
    pub removed: Option<u32>,
}

/// Answer of `evolve_preview` and `generation_diff`: what changed in the repo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct RepoDiff {
    /// The commit that it is against; `None` where there is none, so that all is new.
    pub from_commit: Option<String>,
    /// The generation of that commit.
    pub from_generation: Option<u32>,
    /// The changed files.
    pub files: Vec<ChangedFile>,
    /// A unified diff, cut where it is very long.
    pub patch: String,
    /// Whether it was cut.
    pub cut: bool,
    /// Whether sources of `body` changed, so that it is compiled: that takes minutes.
    pub compiles: bool,
}

/// Answer of `evolve_status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EvolveStatus {
    /// The newest run, of the host's history or one that the machine asks for.
    pub latest_run: Option<EvolveRun>,
    /// A run that was cut off and that nobody carries on yet.
    pub interrupted: bool,
    /// Who carries runs out.
    pub executor: ExecutorKind,
    /// Whether runs that the machine asks for wait for a person's yes.
    pub needs_yes: bool,
    /// The repo's folder on this computer.
    pub repo: String,
}

/// Names a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EvolveRunId {
    /// Which.
    pub run_id: String,
}

/// Asks for `evolve_log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EvolveLogRequest {
    /// Which run.
    pub run_id: String,
    /// From here on: 0, or the last answer's `next`.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub after: u64,
}

/// Asks for `evolve_answer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EvolveAnswer {
    /// The run that waits for it.
    pub run_id: String,
    /// Whether it may go on.
    pub yes: bool,
}
