//! Requests and answers of the machine's API beside cells and commands: kernels,
//! questions about a namespace, services, snapshots, what changed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::kernel::ExecAnswer;

wire! {
    /// It was done.
    #[derive(Copy, Eq)]
    pub struct Completed {
        /// Always `completed`.
        pub status: CompletedWord,
    }

    /// The word that says so.
    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum CompletedWord {
        /// It was done.
        #[default]
        Completed,
    }

    /// Answer of `GET /ping`.
    pub struct PingAnswer {
        /// Always `ok`.
        pub status: String,
        /// Version of the body.
        pub version: String,
    }

    /// Answer of `GET /status`.
    pub struct StatusAnswer {
        /// Cells run so far.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub exec_count: u64,
        /// Names in the namespace that are the user's.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub globals_count: u64,
        /// Whether a cell runs or waits.
        pub busy: bool,
        /// Whether the kernel takes cells.
        pub ready: bool,
        /// Version of the body.
        pub version: String,
    }

    /// Where a cell stands.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum CellState {
        /// Other cells come first.
        Queued,
        /// It runs.
        Running,
        /// It was interrupted, or its time limit passed, and it goes on all the same.
        Stuck,
        /// The kernel is done with it.
        Over,
    }

    /// A cell as `GET /executions` shows it.
    pub struct CellShown {
        /// The client's id, or the execution's.
        pub id: String,
        /// Ours, unique.
        pub execution_id: String,
        /// Name of its kernel.
        pub kernel: String,
        /// Where it stands.
        pub state: CellState,
        /// Its source.
        pub code: String,
        /// Number of its last event.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub last_seq: u64,
        /// Outputs so far, nbformat 4.5 output objects.
        #[cfg_attr(feature = "ts", ts(type = "Array<Record<string, unknown>>"))]
        pub outputs: Vec<Value>,
        /// The `input()` that waits for an answer.
        pub input: Option<InputPrompt>,
        /// The answer, once there is one.
        pub answer: Option<ExecAnswer>,
    }

    /// Answer of `GET /executions`.
    pub struct CellList {
        /// Oldest first.
        pub executions: Vec<CellShown>,
    }

    /// Answer of `DELETE /executions/{id}`.
    pub struct CellRemoved {
        /// Always `completed`.
        pub status: CompletedWord,
        /// Where the cell stands now.
        pub state: CellState,
    }

    /// What an `input()` asks.
    #[derive(Eq)]
    pub struct InputPrompt {
        /// Its text.
        pub prompt: String,
        /// Whether the answer is not to be shown.
        pub password: bool,
    }

    /// `POST /executions/{id}/input`.
    #[derive(Eq)]
    pub struct InputRequest {
        /// The line, without its end.
        pub value: String,
    }

    /// What kind of message a comm gets.
    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum CommKind {
        /// The comm begins.
        CommOpen,
        /// Something is said.
        #[default]
        CommMsg,
        /// The comm ends.
        CommClose,
    }

    /// `POST /comms/{id}`: a message for a comm, with the parts of Jupyter's.
    #[derive(Default)]
    #[serde(default)]
    pub struct CommRequest {
        /// As Jupyter's `content.data`.
        pub data: BTreeMap<String, Value>,
        /// As Jupyter's.
        pub metadata: BTreeMap<String, Value>,
        /// Base64.
        pub buffers: Vec<String>,
        /// `main` where left out.
        pub kernel: Option<String>,
        /// Seconds that the comm may take; none means no limit.
        pub timeout_s: Option<f64>,
    }

    /// `POST /comms`: opens a comm in the kernel.
    pub struct CommOpen {
        /// The client's own, unique.
        pub comm_id: String,
        /// What opens comms in the kernel, such as `jupyter.widget.control`.
        pub target_name: String,
        /// The message itself.
        #[serde(flatten)]
        pub message: CommRequest,
    }

    /// A comm that is open.
    #[derive(Eq)]
    pub struct CommShown {
        /// Its id.
        pub comm_id: String,
        /// What it was opened for.
        pub target_name: String,
    }

    /// Answer of `GET /comms`.
    #[derive(Eq)]
    pub struct CommList {
        /// In the order in which they were opened.
        pub comms: Vec<CommShown>,
    }

    /// A request that needs nothing but, perhaps, a kernel's name.
    #[derive(Eq, Default)]
    pub struct KernelChoice {
        /// `main` where left out.
        #[serde(default)]
        pub kernel: Option<String>,
    }

    /// `POST /complete` and `POST /inspect`.
    #[derive(Eq)]
    pub struct CursorRequest {
        /// Source.
        pub code: String,
        /// In code points from its beginning.
        pub cursor_pos: u64,
        /// 1 asks `/inspect` for the source too.
        #[serde(default)]
        pub detail_level: u8,
        /// `main` where left out.
        #[serde(default)]
        pub kernel: Option<String>,
    }

    /// A completion.
    #[derive(Eq)]
    pub struct Completion {
        /// What takes the place from `cursor_start` to `cursor_end`.
        pub text: String,
        /// `function`, `module`, `keyword` and so on.
        #[serde(rename = "type")]
        pub kind: Option<String>,
        /// Of a function.
        pub signature: Option<String>,
    }

    /// Answer of `POST /complete`.
    #[derive(Eq)]
    pub struct CompleteAnswer {
        /// Best first.
        pub matches: Vec<Completion>,
        /// In code points.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub cursor_start: u64,
        /// In code points.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub cursor_end: u64,
    }

    /// Answer of `POST /inspect`.
    pub struct InspectAnswer {
        /// Whether there is something of that name.
        pub found: bool,
        /// The name at the cursor.
        pub name: Option<String>,
        /// Documentation by mime type.
        #[cfg_attr(feature = "ts", ts(type = "Record<string, unknown>"))]
        pub data: BTreeMap<String, Value>,
    }

    /// A variable of the namespace.
    #[derive(Eq)]
    pub struct Variable {
        /// Its name.
        pub name: String,
        /// Its class.
        #[serde(rename = "type")]
        pub kind: String,
        /// Of the value itself; of arrays and tables with their data.
        #[cfg_attr(feature = "ts", ts(type = "number | null"))]
        pub size_bytes: Option<u64>,
        /// A line about the value.
        pub repr: String,
    }

    /// Answer of `GET /variables`.
    #[derive(Eq)]
    pub struct VariablesAnswer {
        /// By name; at most 5,000.
        pub variables: Vec<Variable>,
        /// How many there are.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub count: u64,
    }

    /// A kernel in `GET /kernels`.
    #[derive(Eq)]
    pub struct KernelShown {
        /// Its name.
        pub name: String,
        /// What it does.
        pub state: KernelState,
        /// Cells that wait or run.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub waiting: u64,
    }

    /// What a kernel does.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum KernelState {
        /// It takes no cells yet, or no longer: its process starts.
        Starting,
        /// It waits for a cell.
        Idle,
        /// A cell runs or waits.
        Busy,
    }

    /// Answer of `GET /kernels`.
    #[derive(Eq)]
    pub struct KernelList {
        /// `main` first.
        pub kernels: Vec<KernelShown>,
    }

    /// `POST /kernels`.
    #[derive(Eq)]
    pub struct NewKernel {
        /// 1 to 32 letters, digits, `-` and `_`.
        pub name: String,
    }

    /// How a service stands, in `GET /services`.
    #[derive(Copy, Eq)]
    #[serde(tag = "state", rename_all = "snake_case")]
    pub enum ServiceState {
        /// What it needs is not ready yet.
        Waiting,
        /// It runs and is not ready yet.
        Starting {
            /// Process id.
            pid: i32,
            /// Since when, in Unix milliseconds.
            #[cfg_attr(feature = "ts", ts(type = "number"))]
            since_ms: u64,
        },
        /// It runs and is ready.
        Ready {
            /// Process id.
            pid: i32,
            /// Since when it runs, in Unix milliseconds.
            #[cfg_attr(feature = "ts", ts(type = "number"))]
            since_ms: u64,
        },
        /// It ended and starts again.
        Backoff {
            /// After how long.
            #[cfg_attr(feature = "ts", ts(type = "number"))]
            retry_in_ms: u64,
        },
    }

    /// A service's line in `GET /services`.
    #[derive(Eq)]
    pub struct ServiceStatus {
        /// Its name.
        pub name: String,
        /// Where it stands.
        #[serde(flatten)]
        pub state: ServiceState,
        /// How often it was started again.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub restarts: u64,
        /// How it ended last: exit code, or 128 + the signal.
        pub last_exit: Option<i32>,
    }

    /// Answer of `GET /services`.
    #[derive(Eq)]
    pub struct ServiceList {
        /// In the order of their start.
        pub services: Vec<ServiceStatus>,
    }

    /// Answer of `GET /services/{name}/logs`.
    #[derive(Eq)]
    pub struct LogPage {
        /// What stands from `after` on.
        pub text: String,
        /// Byte that comes next: the `after` of the next question.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub next: u64,
        /// Bytes before the text that were rotated away, or are more than one answer holds.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub skipped_bytes: u64,
    }

    /// One event of `GET /events`: what became stale.
    #[derive(Eq)]
    #[serde(tag = "topic", rename_all = "snake_case")]
    pub enum Change {
        /// A service stands elsewhere.
        Service {
            /// How it stands now.
            service: ServiceStatus,
        },
        /// A kernel does something else.
        Kernel {
            /// What it does now.
            kernel: KernelShown,
        },
        /// A kernel was ended for good.
        KernelEnded {
            /// Its name.
            name: String,
        },
        /// A run of evolve is asked for, goes on, or ended.
        Evolve {
            /// The run.
            run_id: String,
        },
        /// A snapshot was stored or removed.
        Cryo {
            /// Its name.
            name: String,
        },
        /// Mouse and keyboard of the desktop were taken over, or given back.
        Takeover {
            /// How it is now.
            takeover: Takeover,
        },
        /// So many events were missed: fetch what matters anew.
        Missed {
            /// How many.
            #[cfg_attr(feature = "ts", ts(type = "number"))]
            count: u64,
        },
    }

    /// Whether the person has mouse and keyboard of the desktop for themselves: `GET /takeover`, and
    /// the answer of `POST /takeover`.
    #[derive(Eq, Default)]
    pub struct Takeover {
        /// Then tools of an AI may look and not touch.
        pub on: bool,
        /// Who took them, where they said so.
        pub by: Option<String>,
        /// Since when it is so, in Unix milliseconds; none where it was never otherwise.
        #[cfg_attr(feature = "ts", ts(type = "number | null"))]
        pub since_ms: Option<u64>,
    }

    /// `POST /takeover`.
    #[derive(Eq, Default)]
    pub struct TakeoverRequest {
        /// Take them, or give them back.
        pub on: bool,
        /// Who.
        #[serde(default)]
        #[cfg_attr(feature = "ts", ts(optional))]
        pub by: Option<String>,
    }

    /// `POST /cryo/store` and `POST /cryo/reload`.
    #[derive(Eq, Default)]
    pub struct CryoRequest {
        /// Of the snapshot: 1 to 64 letters, digits, `.`, `-`, `_`. Left out, a new one is made
        /// by a store, and the newest is taken by a reload.
        #[serde(default)]
        pub name: Option<String>,
        /// `main` where left out.
        #[serde(default)]
        pub kernel: Option<String>,
    }

    /// A value that was not stored.
    #[derive(Eq)]
    pub struct Skipped {
        /// Its name.
        pub name: String,
        /// Its class.
        #[serde(rename = "type")]
        pub kind: String,
        /// Why not.
        pub reason: String,
    }

    /// Answer of `POST /cryo/store`.
    #[derive(Eq)]
    pub struct CryoStored {
        /// Always `completed`.
        #[serde(default)]
        pub status: CompletedWord,
        /// The snapshot's name.
        pub name: String,
        /// Names of the values in it.
        pub saved: Vec<String>,
        /// What is not in it.
        pub skipped: Vec<Skipped>,
        /// Bytes on the disk, shared ones included.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub size_bytes: u64,
        /// Milliseconds.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub timing_ms: u64,
    }

    /// A value that was not restored.
    #[derive(Eq)]
    pub struct NotRestored {
        /// Its name.
        pub name: String,
        /// Why not.
        pub reason: String,
    }

    /// Answer of `POST /cryo/reload`.
    #[derive(Eq)]
    pub struct CryoReloaded {
        /// Always `completed`.
        #[serde(default)]
        pub status: CompletedWord,
        /// The snapshot's name.
        pub name: String,
        /// Names of the values that are back.
        pub restored: Vec<String>,
        /// What could not be brought back.
        pub failed: Vec<NotRestored>,
        /// Milliseconds.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub timing_ms: u64,
    }

    /// A value inside a snapshot.
    #[derive(Eq)]
    pub struct StoredValue {
        /// Its name.
        pub name: String,
        /// Its class.
        #[serde(rename = "type")]
        pub kind: String,
        /// Serialised; none where it lies in one piece with others.
        #[cfg_attr(feature = "ts", ts(type = "number | null"))]
        pub size_bytes: Option<u64>,
    }

    /// A snapshot, told without loading it.
    pub struct Snapshot {
        /// Its name.
        pub name: String,
        /// When it was stored, in Unix seconds.
        pub created_at_s: f64,
        /// Python's version.
        pub python: String,
        /// Bytes on the disk, shared ones included.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub size_bytes: u64,
        /// What is inside.
        pub values: Vec<StoredValue>,
        /// What could not be stored.
        pub skipped: Vec<Skipped>,
    }

    /// Answer of `GET /cryo`.
    pub struct SnapshotList {
        /// Newest first.
        pub snapshots: Vec<SnapshotLine>,
    }

    /// A snapshot in the list.
    pub struct SnapshotLine {
        /// Its name.
        pub name: String,
        /// When it was stored, in Unix seconds.
        pub created_at_s: f64,
        /// Bytes on the disk, shared ones included.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub size_bytes: u64,
        /// How many values are inside.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub values: u64,
        /// Why it can't be reloaded, where that is so.
        pub damaged: Option<String>,
    }

    /// Answer of `GET /criu/status`.
    #[derive(Eq)]
    pub struct CriuStatus {
        /// Whether a kernel's process can be frozen to the disk.
        pub available: bool,
        /// CRIU's, where it is there.
        pub version: Option<String>,
        /// Why not, and what to use instead.
        pub reason: Option<String>,
    }

    /// `POST /shell/cd`.
    #[derive(Eq)]
    pub struct CdRequest {
        /// Absolute, or from the folder where the shell is.
        pub path: String,
    }

    /// Answer of `POST /shell/cd`.
    #[derive(Eq)]
    pub struct CdAnswer {
        /// Always `completed`.
        pub status: CompletedWord,
        /// The folder.
        pub cwd: String,
    }

    /// `POST /shell/env`.
    #[derive(Eq)]
    pub struct EnvRequest {
        /// Name of the variable.
        pub key: String,
        /// Its value.
        pub value: String,
    }
}
