//! The notebook's side of the kernel API: cells in, outputs as events out.
//!
//! One task hands the cells to the kernel in the order in which they came; the
//! kernel queues them. Each cell's outputs are then read by a task of its own.

pub(crate) mod file;

use futures_util::future::BoxFuture;
use machine_client::{Answer, EventReader, Method, json, segment};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{
    body::{CellBriefList, CellState, Completed, InputPrompt},
    commands::{KernelCell, KernelCells, KernelExecRequest, KernelFollowRequest, Nothing},
    failure::{Failure, FailureCode},
    kernel::{ExecAnswer, ExecRequest, ShellAnswer, ShellRequest},
    stream::Event,
};

use crate::{
    MachineHandle,
    body::{failed, json, read, too_large},
    endpoint::{ApiCall, Endpoints},
    journal::Journal,
};

/// Cells that may wait to be handed over.
const QUEUE: usize = 256;

/// Remote control of the notebook's task.
#[derive(Debug)]
pub(crate) struct NotebookHandle {
    cells: mpsc::Sender<KernelExecRequest>,
}

/// Starts the notebook's task.
pub(crate) fn start(
    endpoints: Endpoints,
    journal: Journal,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> NotebookHandle {
    let (sender, cells) = mpsc::channel(QUEUE);
    tasks.spawn(hand_over(
        endpoints,
        journal,
        cells,
        tasks.clone(),
        stop.clone(),
    ));
    NotebookHandle { cells: sender }
}

impl NotebookHandle {
    /// Queues a cell; `queued` is called before any output of it can come.
    pub(crate) fn exec(
        &self,
        cell: KernelExecRequest,
        queued: impl FnOnce(),
    ) -> Result<(), Failure> {
        let place = self.cells.try_reserve().map_err(|_| {
            Failure::new(FailureCode::Busy, "Too many cells are waiting")
                .next("Wait until some have finished, or interrupt the kernel.")
        })?;
        queued();
        place.send(cell);
        Ok(())
    }
}

async fn hand_over(
    endpoints: Endpoints,
    journal: Journal,
    mut cells: mpsc::Receiver<KernelExecRequest>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let cell = tokio::select! {
            () = stop.cancelled() => return,
            cell = cells.recv() => cell,
        };
        let Some(KernelExecRequest {
            cell_id,
            run_id,
            code,
            batch,
        }) = cell
        else {
            return;
        };
        let request = ExecRequest {
            id: Some(cell_id.clone()),
            code,
            batch,
            ..Default::default()
        };
        let sent = tokio::select! {
            () = stop.cancelled() => return,
            sent = send(&endpoints, &request) => sent,
        };
        tasks.spawn(publish(
            journal.clone(),
            (cell_id, run_id),
            async { sent },
            stop.clone(),
        ));
    }
}

/// Publishes the outputs and the end of a cell's run as events, until `stop`: the cell itself runs on
/// then, it belongs to the machine.
async fn publish(
    journal: Journal,
    (cell_id, run_id): (String, String),
    sent: impl Future<Output = Result<Answer, Failure>>,
    stop: CancellationToken,
) {
    let mut accepted = None;
    let mut tell = |told| {
        let (cell_id, run_id) = (cell_id.clone(), run_id.clone());
        journal.publish(match told {
            CellTold::Accepted { execution_id } => {
                accepted = Some(execution_id.clone());
                Event::CellAccepted {
                    cell_id,
                    run_id,
                    execution_id,
                }
            }
            CellTold::Started { ran_ms } => Event::CellStarted {
                cell_id,
                run_id,
                execution_id: accepted.clone(),
                ran_ms,
            },
            CellTold::Output(output) => Event::CellOutput {
                cell_id,
                run_id,
                output,
            },
            CellTold::Cleared => Event::CellCleared { cell_id, run_id },
            CellTold::Input {
                execution_id,
                prompt,
            } => Event::CellInput {
                cell_id,
                run_id,
                execution_id,
                prompt,
            },
        });
    };
    let read = async { outputs(sent.await?, &mut tell).await };
    let ended = tokio::select! {
        () = stop.cancelled() => return,
        ended = read => ended,
    };
    let (answer, failure) = match ended {
        Ok(answer) => (Some(answer), None),
        Err(failure) => (None, Some(failure)),
    };
    journal.publish(Event::CellEnded {
        cell_id,
        run_id,
        answer,
        failure,
    });
}

/// Hands a cell over; the answer is an event stream.
async fn send(endpoints: &Endpoints, request: &ExecRequest) -> Result<Answer, Failure> {
    let call = ApiCall {
        method: Method::POST,
        body: Some(json(request)?),
        streams: true,
        ..ApiCall::get("/exec")
    };
    endpoints.send(&call).await
}

/// The longest id of a cell that is taken: views keep it, and it stands in paths.
const LONGEST_ID: usize = 128;

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
    /// It put something out: an nbformat 4.5 object.
    Output(Value),
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

/// Reads a cell's event stream to its end.
async fn outputs(
    mut answer: Answer,
    tell: &mut (dyn FnMut(CellTold) + Send),
) -> Result<ExecAnswer, Failure> {
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
                "output" => match json::from_slice(event.data.as_bytes()) {
                    Ok(output) => tell(CellTold::Output(output)),
                    Err(error) => {
                        tracing::warn!(%error, "an output of a cell could not be read and is left out")
                    }
                },
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
    .next("Check that the machine is running."))
}

impl MachineHandle {
    /// Runs a cell to its end; `tell` hears what it puts out and asks, as it comes.
    ///
    /// # Errors
    /// [`FailureCode::NotRunning`]; a cell that fails is no failure, but a status of the answer.
    pub fn exec<'a>(
        &'a self,
        request: &'a ExecRequest,
        tell: &'a mut (dyn FnMut(CellTold) + Send),
    ) -> BoxFuture<'a, Result<ExecAnswer, Failure>> {
        Box::pin(async move { outputs(send(&self.inner.endpoints, request).await?, tell).await })
    }

    /// Runs a command in the machine's shell to its end.
    ///
    /// # Errors
    /// [`FailureCode::NotRunning`]; an exit status other than 0 is no failure.
    pub fn shell<'a>(
        &'a self,
        request: &'a ShellRequest,
    ) -> BoxFuture<'a, Result<ShellAnswer, Failure>> {
        Box::pin(async move { self.post("/shell", request).await })
    }

    /// Ends one execution: takes it out of the queue, or interrupts it where it runs.
    ///
    /// # Errors
    /// [`FailureCode::NotFound`] where the kernel does not know it any more.
    pub fn end_cell<'a>(&'a self, execution_id: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            let _: Value = self
                .delete(&format!("/executions/{}", segment(execution_id)))
                .await?;
            Ok(())
        })
    }

    pub(crate) async fn interrupt(&self) -> Result<(), Failure> {
        let _: Completed = self.post("/interrupt", &Nothing {}).await?;
        Ok(())
    }

    /// Cells that the kernel knows.
    pub(crate) async fn cells(&self) -> Result<KernelCells, Failure> {
        let list: CellBriefList = self.get("/executions?brief=true").await?;
        let cells = list.executions.into_iter().map(|cell| KernelCell {
            cell_id: cell.id,
            execution_id: cell.execution_id,
            pending: cell.state != CellState::Over,
        });
        Ok(KernelCells {
            cells: cells.collect(),
        })
    }

    /// Begins to publish such a cell's outputs, from its beginning.
    pub(crate) fn follow_cell(&self, request: KernelFollowRequest) {
        let KernelFollowRequest {
            cell_id,
            run_id,
            execution_id,
        } = request;
        let journal = self.inner.journal.clone();
        journal.publish(Event::CellQueued {
            cell_id: cell_id.clone(),
            run_id: run_id.clone(),
            execution_id: Some(execution_id.clone()),
        });
        let endpoints = self.inner.endpoints.clone();
        let sent = async move {
            let path = format!("/executions/{}/events", segment(&execution_id));
            let call = ApiCall {
                streams: true,
                ..ApiCall::get(&path)
            };
            endpoints.send(&call).await
        };
        let publishing = publish(journal, (cell_id, run_id), sent, self.inner.stop.clone());
        self.inner.tasks.spawn(publishing);
    }

    pub(crate) fn queue_cell(&self, cell: KernelExecRequest) -> Result<(), Failure> {
        let (cell_id, run_id) = (cell.cell_id.clone(), cell.run_id.clone());
        self.inner.notebook.exec(cell, || {
            self.inner.journal.publish(Event::CellQueued {
                cell_id,
                run_id,
                execution_id: None,
            });
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::tests::answer;

    #[tokio::test]
    async fn a_cells_outputs_come_before_its_answer() {
        let answer = answer(concat!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
            "event: started\ndata: {\"ran_ms\":3}\n\n",
            "event: output\nid: 1\ndata: {\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"hi\\n\"}\n\n",
            "event: done\ndata: {\"id\":\"a\",\"execution_id\":\"b\",\"status\":\"completed\",\"stdout\":\"hi\\n\",",
            "\"stderr\":\"\",\"result\":null,\"error\":null,\"timing_ms\":1,\"execution_count\":1,\"outputs\":[]}\n\n",
        ))
        .await;
        let mut seen = Vec::new();
        let done = outputs(answer, &mut |told| seen.push(told)).await.unwrap();
        assert_eq!(done.stdout, "hi\n");
        assert_eq!(seen[0], CellTold::Started { ran_ms: 3 });
        assert!(matches!(&seen[1], CellTold::Output(output) if output["text"] == "hi\n"));
    }

    #[tokio::test]
    async fn a_question_that_is_over_ends_nothing_else() {
        let answer = answer(concat!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
            "event: accepted\ndata: {\"execution_id\":\"b\"}\n\n",
            "event: input_request\nid: 1\ndata: {\"prompt\":\"name? \",\"password\":false}\n\n",
            "event: input_request\nid: 2\ndata: null\n\n",
            "event: done\ndata: {\"id\":\"a\",\"execution_id\":\"b\",\"status\":\"completed\",\"stdout\":\"rest\",",
            "\"stderr\":\"\",\"result\":null,\"error\":null,\"timing_ms\":1,\"execution_count\":1,\"outputs\":[]}\n\n",
        ))
        .await;
        let mut seen = Vec::new();
        let done = outputs(answer, &mut |told| seen.push(told)).await.unwrap();
        assert_eq!(done.stdout, "rest");
        let prompts = seen.iter().filter_map(|told| match told {
            CellTold::Input { prompt, .. } => Some(prompt.is_some()),
            _ => None,
        });
        assert_eq!(prompts.collect::<Vec<_>>(), [true, false]);
        assert!(matches!(&seen[0], CellTold::Accepted { execution_id } if execution_id == "b"));
    }

    #[tokio::test]
    async fn views_hear_the_kernels_id_of_a_cell_and_never_a_long_one() {
        let answer = answer(concat!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
            "event: accepted\ndata: {\"execution_id\":\"b\"}\n\n",
            "event: started\ndata: {\"ran_ms\":3}\n\n",
        ))
        .await;
        let journal = Journal::new();
        let mut events = journal.subscribe(0);
        let ids = ("cell".to_owned(), "run".to_owned());
        let sent = async { Ok(answer) };
        publish(journal.clone(), ids, sent, CancellationToken::new()).await;
        let accepted = events.next().await.unwrap().event;
        assert!(
            matches!(&accepted, Event::CellAccepted { cell_id, run_id, execution_id }
                if cell_id == "cell" && run_id == "run" && execution_id == "b")
        );
        let started = events.next().await.unwrap().event;
        assert!(
            matches!(&started, Event::CellStarted { execution_id: Some(id), ran_ms: 3, .. } if id == "b")
        );

        let long = format!(
            "HTTP/1.1 200 OK\r\n\r\nevent: accepted\ndata: {{\"execution_id\":\"{}\"}}\n\n",
            "b".repeat(LONGEST_ID + 1)
        );
        let answer = crate::body::tests::answer(long.leak()).await;
        let refused = outputs(answer, &mut |told| panic!("{told:?}")).await;
        assert_eq!(refused.unwrap_err().code, FailureCode::Internal);
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_is_a_failure() {
        let answer = answer("HTTP/1.1 200 OK\r\n\r\nevent: output\ndata: {}\n\n").await;
        let failure = outputs(answer, &mut |_| {}).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Internal);
    }
}
