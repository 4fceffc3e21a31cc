//! The notebook's side of the kernel API: cells in, outputs as events out.
//!
//! One task hands the cells to the kernel in the order in which they came; the
//! kernel queues them. Each cell's outputs are then read by a task of its own.
//! Large ones come as references: what they refer to stays in the machine until a
//! view asks for it.

pub(crate) mod file;
mod outputs;
mod picture;
mod told;

pub(crate) use outputs::output as output_of;
pub use told::CellTold;

use futures_util::future::BoxFuture;
use machine_client::{Answer, RouteCall};
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{
    advice::Advice,
    body::{CellEventQuery, CellQuery, CellRunQuery, CellState},
    commands::{KernelCell, KernelCells, KernelExecRequest, KernelFollowRequest, Nothing},
    failure::{Failure, FailureCode},
    kernel::{CellEnd, CellFault, ExecAnswer, ExecRequest, ShellAnswer, ShellRequest},
    routes::{EndCell, FollowCell, ListCells, RunCell, RunCommand},
    stream::Event,
};

use self::told::read_to_end;
use crate::{
    MachineHandle,
    body::{LOOK_BYTES, failed},
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
            Failure::new(FailureCode::Busy, "Too many cells are waiting").next(Advice::WaitForCells)
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
            tag: Some(run_id.clone()).filter(|run_id| !run_id.is_empty()),
            ..Default::default()
        };
        let sent = tokio::select! {
            () = stop.cancelled() => return,
            sent = send(&endpoints, &request, true) => sent,
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
    let read = async { read_to_end::<CellEnd>(sent.await?, &mut tell).await };
    let ended = tokio::select! {
        () = stop.cancelled() => return,
        ended = read => ended,
    };
    let (answer, failure) = match ended {
        Ok(mut end) => {
            // It comes from inside.
            end.error = end
                .error
                .map(|fault| CellFault::cut(&fault.kind, &fault.message));
            (Some(end), None)
        }
        Err(failure) => (None, Some(failure)),
    };
    journal.publish(Event::CellEnded {
        cell_id,
        run_id,
        answer,
        failure,
    });
}

/// Hands a cell over; the answer is an event stream, with large outputs as references or as they are.
async fn send(
    endpoints: &Endpoints,
    request: &ExecRequest,
    references: bool,
) -> Result<Answer, Failure> {
    let query = CellRunQuery {
        references,
        ..CellRunQuery::default()
    };
    let cell = RouteCall::<RunCell>::new((), request).and_then(|call| call.query(&query));
    let cell = cell.map_err(failed)?;
    endpoints.send(&ApiCall::events_of(&cell)).await
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
        Box::pin(async move {
            let answer = send(&self.inner.endpoints, request, false).await?;
            read_to_end(answer, tell).await
        })
    }

    /// Runs a command in the machine's shell to its end.
    ///
    /// # Errors
    /// [`FailureCode::NotRunning`]; an exit status other than 0 is no failure.
    pub fn shell<'a>(
        &'a self,
        request: &'a ShellRequest,
    ) -> BoxFuture<'a, Result<ShellAnswer, Failure>> {
        Box::pin(async move { self.call::<RunCommand>((), request).await })
    }

    /// Ends one execution: takes it out of the queue, or interrupts it where it runs.
    ///
    /// # Errors
    /// [`FailureCode::NotFound`] where the kernel does not know it any more.
    pub fn end_cell<'a>(&'a self, execution_id: &'a str) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async move {
            self.call::<EndCell>(execution_id, &()).await?;
            Ok(())
        })
    }

    /// Cells that the kernel knows.
    pub(crate) async fn kernel_cells(&self, _: Nothing) -> Result<KernelCells, Failure> {
        let brief = CellQuery {
            brief: true,
            ..CellQuery::default()
        };
        let list = RouteCall::<ListCells>::new((), &()).and_then(|call| call.query(&brief));
        let list = self.call_up_to(LOOK_BYTES, &list.map_err(failed)?).await?;
        let cells = list.into_brief().into_iter().map(|cell| KernelCell {
            cell_id: cell.id,
            run_id: cell.tag,
            execution_id: cell.execution_id,
            pending: cell.state != CellState::Over,
        });
        Ok(KernelCells {
            cells: cells.collect(),
        })
    }

    /// Begins to publish such a cell's outputs, from its beginning.
    pub(crate) async fn kernel_follow(
        &self,
        request: KernelFollowRequest,
    ) -> Result<Nothing, Failure> {
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
            let query = CellEventQuery {
                references: true,
                ..CellEventQuery::default()
            };
            let cell = RouteCall::<FollowCell>::new(execution_id, &());
            let cell = cell.and_then(|call| call.query(&query)).map_err(failed)?;
            endpoints.send(&ApiCall::events_of(&cell)).await
        };
        let publishing = publish(journal, (cell_id, run_id), sent, self.inner.stop.clone());
        self.inner.tasks.spawn(publishing);
        Ok(Nothing {})
    }

    pub(crate) async fn kernel_exec(&self, cell: KernelExecRequest) -> Result<Nothing, Failure> {
        let (cell_id, run_id) = (cell.cell_id.clone(), cell.run_id.clone());
        self.inner.notebook.exec(cell, || {
            self.inner.journal.publish(Event::CellQueued {
                cell_id,
                run_id,
                execution_id: None,
            });
        })?;
        Ok(Nothing {})
    }
}

#[cfg(test)]
mod tests;
