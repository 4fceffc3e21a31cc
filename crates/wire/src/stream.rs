//! The one stream from the engine to a view: numbered, so that a view that
//! comes back replays what it missed.

use serde::{Deserialize, Serialize};

use crate::{
    body::{InputPrompt, Takeover},
    evolve::EvolveRun,
    failure::Failure,
    job::JobKind,
    kernel::CellEnd,
    machine::{MachineStatus, Progress},
    machines::MachineList,
    nbformat::CellOutput,
    sandbox::SandboxEvent,
    settings::SettingsState,
};

/// An event with its place in the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct StreamEvent {
    /// Grows by one; a gap means that a snapshot must be fetched again.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub seq: u64,
    /// When, in Unix milliseconds.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub at_ms: u64,
    /// The machine that it is about; `None` if it is about the app.
    #[serde(default)]
    pub machine: Option<String>,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The machine's state is this now.
    Machine {
        /// Snapshot.
        status: MachineStatus,
    },
    /// Machines were created, renamed or removed.
    Machines {
        /// Those that there are now.
        machines: MachineList,
    },
    /// The app's settings are these now.
    Settings {
        /// In force.
        state: SettingsState,
    },
    /// The container engine went away, or is back.
    Engine {
        /// Why it does not answer; `None` where it does again.
        failure: Option<Failure>,
    },
    /// Long work (up, build) goes on.
    RunProgress {
        /// Which run.
        run_id: String,
        /// What it did.
        progress: Progress,
    },
    /// Long work ended.
    RunEnded {
        /// Which run.
        run_id: String,
        /// What it did. How an evolve or a rollback ended, [`Event::Evolve`] says in full.
        job_kind: JobKind,
        /// When it began, in Unix milliseconds.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        started_at: u64,
        /// Why, where it failed.
        failure: Option<Failure>,
    },
    /// A run of evolve is asked for, goes on, or ended; also where another process carries it out.
    Evolve {
        /// As it stands now.
        run: EvolveRun,
    },
    /// Lines of a run of evolve's log.
    EvolveLog {
        /// Which run.
        run_id: String,
        /// Oldest first.
        lines: Vec<String>,
    },
    /// The machine's generations are others now: fetch them anew.
    Generations,
    /// Jobs of the machine began or ended, or wait for something else: fetch the list anew.
    Jobs,
    /// Mouse and keyboard of the desktop were taken over, or given back.
    Takeover {
        /// How it is now.
        takeover: Takeover,
    },
    /// A cell was handed in; what it put out before is void.
    CellQueued {
        /// The view's id of the cell.
        cell_id: String,
        /// The view's id of this run of it; empty where it gave none.
        run_id: String,
        /// The kernel's id of this run, if the kernel has the cell already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(optional))]
        execution_id: Option<String>,
    },
    /// The kernel has a cell that was handed in: from now on it can be interrupted by its id.
    CellAccepted {
        /// The view's id of the cell.
        cell_id: String,
        /// The view's id of this run of it; empty where it gave none.
        run_id: String,
        /// The kernel's id of this run.
        execution_id: String,
    },
    /// The kernel is at a cell: it waits no longer.
    CellStarted {
        /// The view's id of the cell.
        cell_id: String,
        /// The view's id of this run of it; empty where it gave none.
        run_id: String,
        /// The kernel's id of this run; none if it didn't tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(optional))]
        execution_id: Option<String>,
        /// For how long it had run when this was told.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        ran_ms: u64,
    },
    /// A cell put something out.
    CellOutput {
        /// The view's id of the cell.
        cell_id: String,
        /// The view's id of this run of it; empty where it gave none.
        run_id: String,
        /// An output as nbformat has it, or what stands for it.
        output: CellOutput,
    },
    /// A cell took back what it had put out (`clear_output`).
    CellCleared {
        /// The view's id of the cell.
        cell_id: String,
        /// The view's id of this run of it; empty where it gave none.
        run_id: String,
    },
    /// A cell calls `input()`, which `kernel_input` answers; or does not ask any more.
    CellInput {
        /// The view's id of the cell.
        cell_id: String,
        /// The view's id of this run of it; empty where it gave none.
        run_id: String,
        /// The kernel's.
        execution_id: String,
        /// What it asks; `null` when the question is over.
        prompt: Option<InputPrompt>,
    },
    /// An MCP server said something in a session of ours: a notification, or a question.
    McpMessage {
        /// From `mcp_open`.
        session: String,
        /// The JSON-RPC message.
        #[cfg_attr(feature = "ts", ts(type = "Record<string, unknown>"))]
        message: serde_json::Value,
    },
    /// Such a session is over.
    McpClosed {
        /// From `mcp_open`.
        session: String,
        /// Why.
        cause: String,
    },
    /// Something happened to a sandbox: it was created, ends soon, was paused, or is gone.
    Sandbox {
        /// What, and which one.
        happened: SandboxEvent,
    },
    /// Agents began or ended, or are in another state: fetch the list again.
    Agents,
    /// An image is being built or fetched for sandboxes, or no longer.
    SandboxImage {
        /// Its name.
        image: String,
        /// Name of the token that asked for it; `None` for the person and for a machine.
        owner: Option<String>,
        /// What is being done; `None` once that is over. Lines come a few times a second at most.
        progress: Option<Progress>,
    },
    /// A cell ended.
    CellEnded {
        /// The view's id of the cell.
        cell_id: String,
        /// The view's id of this run of it; empty where it gave none.
        run_id: String,
        /// The kernel's answer, where it gave one.
        answer: Option<CellEnd>,
        /// Why, where it did not.
        failure: Option<Failure>,
    },
}
