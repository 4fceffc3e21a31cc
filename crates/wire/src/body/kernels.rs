//! Kernels, and what can be asked of one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

wire! {
    /// A request that needs nothing but, perhaps, a kernel's name.
    #[derive(Eq, Default)]
    pub struct KernelChoice {
        /// `main` where left out.
        #[serde(default)]
        pub kernel: Option<String>,
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
        /// Its process is stopped, or hangs: it takes no cells.
        Unresponsive,
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
}
