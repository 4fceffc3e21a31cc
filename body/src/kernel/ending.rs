//! How a run of a cell ended: as its worker said, or as can be said without one.

use std::time::Duration;

use wire::kernel::{CellEnd, CellError, CellFault, ExecStatus};

/// How a cell ended.
pub struct Ending {
    pub status: ExecStatus,
    pub result: Option<String>,
    pub error: Option<CellError>,
    pub timing_ms: u64,
    pub execution_count: Option<u64>,
    /// Where `sys.exit()` ended it.
    pub exit_code: Option<u8>,
}

impl Ending {
    /// How it ended, as metrics count it.
    pub fn word(&self) -> &'static str {
        match self.status {
            ExecStatus::Completed => "completed",
            ExecStatus::Failed => "failed",
            ExecStatus::Interrupted => "interrupted",
            ExecStatus::Timeout => "timeout",
            ExecStatus::Died => "died",
        }
    }

    /// Whether none of its batch runs behind it.
    pub(super) fn ends_batch(&self) -> bool {
        self.status != ExecStatus::Completed || self.exit_code.is_some()
    }

    /// Bytes of it that the cell chose.
    pub(super) fn bytes(&self) -> usize {
        let error = self.error.as_ref().map_or(0, |error| {
            error.kind.len() + error.message.len() + error.traceback.len()
        });
        self.result.as_ref().map_or(0, String::len) + error
    }

    /// The same for who was told the outputs already.
    pub(super) fn briefly(&self) -> CellEnd {
        let fault = |error: &CellError| CellFault::cut(&error.kind, &error.message);
        CellEnd {
            status: self.status,
            error: self.error.as_ref().map(fault),
            timing_ms: self.timing_ms,
            execution_count: self.execution_count,
        }
    }

    fn without_value(status: ExecStatus, kind: &str, message: &str, ran: Duration) -> Self {
        Self {
            status,
            result: None,
            error: Some(CellError {
                kind: kind.to_owned(),
                message: message.to_owned(),
                traceback: message.to_owned(),
            }),
            timing_ms: u64::try_from(ran.as_millis()).unwrap_or(u64::MAX),
            execution_count: None,
            exit_code: None,
        }
    }

    /// It was taken out of the queue.
    pub fn interrupted_in_queue() -> Self {
        let message = "the cell was removed from the queue";
        Self::without_value(
            ExecStatus::Interrupted,
            "Cancelled",
            message,
            Duration::ZERO,
        )
    }

    /// The kernel ended under it.
    pub fn died(ran: Duration) -> Self {
        let message = "the kernel process died while the cell was running";
        Self::without_value(ExecStatus::Died, "KernelDied", message, ran)
    }

    /// The kernel ended under it because somebody wanted a new one.
    pub fn restarted(ran: Duration) -> Self {
        let message = "the kernel was restarted while the cell was running";
        Self::without_value(ExecStatus::Died, "KernelRestarted", message, ran)
    }

    /// Its limit passed, and it goes on.
    pub fn stuck(ran: Duration) -> Self {
        let message = "the cell timed out and ignores the interrupt; restart the kernel to stop it";
        Self::without_value(ExecStatus::Timeout, "TimeoutError", message, ran)
    }
}
