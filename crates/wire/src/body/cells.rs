//! Cells: how they stand, what they ask.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::CompletedWord;

use crate::kernel::ExecAnswer;

wire! {
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

    /// A cell as `GET /executions?brief=true` shows it: without its source and outputs.
    #[derive(Eq)]
    pub struct CellBrief {
        /// The client's id, or the execution's.
        pub id: String,
        /// Ours, unique.
        pub execution_id: String,
        /// Name of its kernel.
        pub kernel: String,
        /// Where it stands.
        pub state: CellState,
    }

    /// Answer of `GET /executions?brief=true`.
    #[derive(Eq)]
    pub struct CellBriefList {
        /// Oldest first.
        pub executions: Vec<CellBrief>,
    }

    /// Answer of `GET /executions`, by what its query asks for.
    #[serde(untagged)]
    pub enum CellListAnswer {
        /// Cells with their outputs.
        Full(CellList),
        /// Cells without them.
        Brief(CellBriefList),
    }

    /// Query of `GET /executions`.
    #[derive(Default, Eq)]
    pub struct CellQuery {
        /// Of one kernel; of all where left out.
        #[serde(default)]
        pub kernel: Option<String>,
        /// Without sources and outputs, which may be long.
        #[serde(default)]
        pub brief: bool,
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
}
