//! A run: its steps, where it stands, what it found.

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
}

impl EvolveRun {
    /// One that has come no further than to be asked for, at this time in Unix milliseconds.
    #[must_use]
    pub fn new(run_id: String, kind: RunKind, asked_by: Asker, started_at: u64) -> Self {
        Self {
            run_id,
            kind,
            state: RunState::Asked,
            asked_by,
            note: None,
            running_cell: RunningCell::default(),
            started_at,
            ended_at: None,
            steps: Vec::new(),
            error: None,
            failure: None,
            generation: None,
            from_generation: None,
            commit: None,
            report: RunReport::default(),
        }
    }
}
