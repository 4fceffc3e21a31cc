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
        /// The client's word for this run, if it gave one.
        #[serde(default)]
        pub tag: Option<String>,
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
        #[cfg_attr(feature = "ts", ts(type = "Array<Output>"))]
        #[cfg_attr(feature = "schema", schemars(with = "Vec<crate::nbformat::Output>"))]
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
        /// The client's word for this run, if it gave one.
        #[serde(default)]
        pub tag: Option<String>,
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

    /// Query of `POST /exec`.
    #[derive(Eq, Default)]
    pub struct CellRunQuery {
        /// `main` where left out.
        #[serde(default)]
        pub kernel: Option<String>,
        /// In an event stream: outputs of more than 64 KiB as references, and `done` without outputs and
        /// text.
        #[serde(default)]
        pub references: bool,
    }

    /// Query of `GET /executions/{id}/events`.
    #[derive(Copy, Eq, Default)]
    pub struct CellEventQuery {
        /// Events with a larger number alone.
        #[serde(default)]
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub after: u64,
        /// Outputs of more than 64 KiB as references, and `done` without outputs and text.
        #[serde(default)]
        pub references: bool,
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

impl CellListAnswer {
    /// The cells without their sources and outputs, whichever the machine sent: one of an earlier
    /// version doesn't know `brief`, and an empty list is the same either way.
    #[must_use]
    pub fn into_brief(self) -> Vec<CellBrief> {
        match self {
            Self::Brief(list) => list.executions,
            Self::Full(list) => {
                let cells = list.executions.into_iter().map(|cell| CellBrief {
                    id: cell.id,
                    execution_id: cell.execution_id,
                    tag: cell.tag,
                    kernel: cell.kernel,
                    state: cell.state,
                });
                cells.collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_either_kind_is_read_as_brief() {
        let brief = r#"{"id":"a","execution_id":"b","kernel":"main","state":"queued"}"#;
        let full = r#"{"id":"a","execution_id":"b","kernel":"main","state":"queued","code":"",
            "last_seq":0,"outputs":[],"input":null,"answer":null}"#;
        for cell in [brief, full] {
            let text = format!(r#"{{"executions":[{cell}]}}"#);
            let list: CellListAnswer = serde_json::from_str(&text).unwrap();
            let cells = list.into_brief();
            assert_eq!(
                (cells.len(), cells[0].execution_id.as_str()),
                (1, "b"),
                "{cell}"
            );
        }
        let none: CellListAnswer = serde_json::from_str(r#"{"executions":[]}"#).unwrap();
        assert!(none.into_brief().is_empty());
    }
}
