//! What a cell's event stream tells, read from the machine's answer.

use machine_client::{Answer, EventReader};
use serde::de::DeserializeOwned;
use wire::{
    advice::Advice,
    body::InputPrompt,
    failure::{Failure, FailureCode},
    nbformat::CellOutput,
};

use super::outputs::{output, reference};
use crate::body::{failed, read, too_large};

/// The longest id of a cell that is accepted: views keep it, and paths contain it.
pub(super) const LONGEST_ID: usize = 128;

/// First event of the stream.
#[derive(serde::Deserialize)]
struct Accepted {
    execution_id: String,
}

/// Told once the kernel is at the cell.
#[derive(serde::Deserialize)]
struct Started {
    ran_ms: u64,
}

/// What a cell's event stream tells before its end.
#[derive(Clone, Debug, PartialEq)]
pub enum CellTold {
    /// The kernel has it.
    Accepted {
        /// The kernel's id of it.
        execution_id: String,
    },
    /// The kernel began with it so long ago.
    Started {
        /// In milliseconds.
        ran_ms: u64,
    },
    /// It put something out.
    Output(CellOutput),
    /// It took back what it had put out.
    Cleared,
    /// It calls `input()`, or does not ask any more.
    Input {
        /// Where the answer goes.
        execution_id: String,
        /// What it asks; `None` when the question is over.
        prompt: Option<InputPrompt>,
    },
}

/// Reads a cell's event stream to its end: to the whole answer, or to as much of it as is wanted.
///
/// # Errors
/// If the stream breaks off, or has what no machine sends.
pub(super) async fn read_to_end<T: DeserializeOwned>(
    mut answer: Answer,
    tell: &mut (dyn FnMut(CellTold) + Send),
) -> Result<T, Failure> {
    let mut reader = EventReader::default();
    let mut execution_id = String::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        for event in reader.push(&chunk).map_err(|error| too_large(&error))? {
            match event.name.as_str() {
                "accepted" => {
                    execution_id = read::<Accepted>(event.data.as_bytes())?.execution_id;
                    if execution_id.len() > LONGEST_ID {
                        return Err(Failure::new(
                            FailureCode::Internal,
                            "An answer of the machine could not be read",
                        )
                        .because("the id of a cell is too long"));
                    }
                    tell(CellTold::Accepted {
                        execution_id: execution_id.clone(),
                    });
                }
                "started" => {
                    let ran_ms = read::<Started>(event.data.as_bytes())?.ran_ms;
                    tell(CellTold::Started { ran_ms });
                }
                "output" => tell(CellTold::Output(output(event.data.as_bytes()))),
                "output_reference" => {
                    tell(CellTold::Output(reference(event.data.as_bytes())));
                }
                "clear_output" => tell(CellTold::Cleared),
                "input_request" => tell(CellTold::Input {
                    execution_id: execution_id.clone(),
                    prompt: read(event.data.as_bytes())?,
                }),
                "done" => return read(event.data.as_bytes()),
                _ => {}
            }
        }
    }
    Err(Failure::new(
        FailureCode::Internal,
        "The connection to the kernel was lost while the cell was running",
    )
    .next(Advice::CheckMachine))
}
