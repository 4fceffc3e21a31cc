//! What a worker says, taken in: of the cell that runs, of cells that are over, of none.

use std::sync::Arc;

use wire::kernel::ExecStatus;

use super::{Driver, Gone};
use crate::{
    kernel::{
        AskError,
        ending::Ending,
        link::{FromWorker, Link, ToWorker},
        outputs::updated_display,
        running::Running,
    },
    shell::Heard,
};

impl Driver {
    /// Takes a message in; true when it ended the running cell.
    pub(super) async fn take(
        &mut self,
        link: &mut Link,
        message: FromWorker,
        running: Option<&mut Running>,
    ) -> Result<bool, Gone> {
        match (message, running) {
            (FromWorker::Answer { ask, value, error }, _) => {
                if let Some(answer) = self.asked.remove(&ask) {
                    // Who asked may have gone.
                    let _ =
                        answer.send(error.map_or(Ok(value), |error| Err(AskError::Failed(error))));
                }
            }
            (FromWorker::ShellContext(change), _) => {
                self.context.seen = change.changes;
                // The worker waits for a context in which its change is.
                self.context.told = None;
                if let Some(pid) = self.context.pid {
                    let changes = change.changes;
                    let heard = Heard { pid, changes };
                    let context = &self.shell.context;
                    context.adopt(&self.kernel.name, heard, change.cwd, change.env);
                }
            }
            (FromWorker::Truncated { from, to }, Some(running)) => {
                running.execution.lost(to.saturating_sub(from) + 1);
            }
            (FromWorker::Truncated { from, to }, None) => {
                tracing::warn!(from, to, "output of cells that are over was lost");
            }
            (message, Some(running)) => return self.of_cell(link, message, running).await,
            // What a thread says after its cell is kept with the last cell.
            (
                FromWorker::Event {
                    execution_id,
                    output,
                    ..
                },
                None,
            ) => {
                if let Some(execution) = self.kernel.execution(&execution_id) {
                    execution.output(output);
                }
            }
            (
                FromWorker::Comm {
                    execution_id,
                    message,
                    ..
                },
                None,
            ) => {
                if let Some(execution) = self.kernel.execution(&execution_id) {
                    execution.comm(message);
                }
            }
            // What it says is the cell's, and none of the log's business.
            (_, None) => tracing::debug!("a message of a cell that is over was left out"),
        }
        Ok(false)
    }

    async fn of_cell(
        &mut self,
        link: &mut Link,
        message: FromWorker,
        running: &mut Running,
    ) -> Result<bool, Gone> {
        let execution = &running.execution;
        let own = |id: &str| id == execution.order.execution_id;
        match message {
            FromWorker::Event {
                execution_id,
                output,
                ..
            } if own(&execution_id) => {
                let output = Arc::new(output);
                if let Some(display_id) = updated_display(&output) {
                    self.kernel.update_others(execution, display_id, &output);
                }
                execution.output(output);
            }
            FromWorker::Comm {
                execution_id,
                message,
                ..
            } if own(&execution_id) => execution.comm(message),
            FromWorker::ClearOutput {
                execution_id, wait, ..
            } if own(&execution_id) => execution.clear(wait),
            FromWorker::InputRequest {
                execution_id,
                number,
                prompt,
                ..
            } if own(&execution_id) => {
                // Whoever would have answered comes back, or asks for it later.
                if self.replays || execution.has_somebody() {
                    execution.asks(number, prompt);
                } else {
                    link.send(&ToWorker::Input {
                        number,
                        value: None,
                    })
                    .await?;
                }
            }
            FromWorker::InputOver { execution_id, .. } if own(&execution_id) => {
                execution.asks_no_more();
            }
            FromWorker::Done {
                execution_id,
                status,
                result,
                error,
                timing_ms,
                execution_count,
                exit_code,
                ..
            } if own(&execution_id) => {
                let timed_out = running.alarm.was_limit() && status == ExecStatus::Interrupted;
                let ending = Ending {
                    status: if timed_out {
                        ExecStatus::Timeout
                    } else {
                        status
                    },
                    result,
                    error,
                    timing_ms,
                    execution_count,
                    exit_code,
                };
                self.kernel.end(execution, ending);
                return Ok(true);
            }
            _ => {}
        }
        Ok(false)
    }
}
