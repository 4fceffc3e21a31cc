//! One cell's life: queued, running, over; with all that it put out.

use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::watch;
use wire::{
    body::{CellBrief, CellShown, CellState, CommKind, InputPrompt},
    kernel::{CellError, ExecAnswer, ExecRequest, ExecStatus},
};

use super::{
    follower::Followers,
    lock,
    outputs::{Event, Outputs, size},
};
use crate::clock::Instant;

/// A cell as it was handed in: what the worker keeps, and what the queue's spool holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Order {
    /// Ours, unique, later ones larger.
    pub execution_id: String,
    /// The client's request.
    #[serde(flatten)]
    pub request: ExecRequest,
    /// In place of the request's code: a client's message for a comm, which takes its turn as a cell does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comm: Option<Message>,
}

impl Order {
    /// Bytes of it that clients choose.
    pub(super) fn bytes(&self) -> usize {
        let comm = self.comm.as_ref().map_or(0, |message| {
            let values = message.data.iter().chain(&message.metadata);
            let values: usize = values.map(|(name, value)| name.len() + size(value)).sum();
            values + message.buffers.iter().map(String::len).sum::<usize>()
        });
        self.request.code.len() + self.request.id.as_ref().map_or(0, String::len) + comm
    }
}

/// A client's message for a comm.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Message {
    pub msg_type: CommKind,
    pub comm_id: String,
    /// Of one that opens it.
    pub target_name: Option<String>,
    pub data: BTreeMap<String, Value>,
    pub metadata: BTreeMap<String, Value>,
    /// Base64.
    pub buffers: Vec<String>,
}

/// How a cell ended.
pub struct Ending {
    pub status: ExecStatus,
    pub result: Option<String>,
    pub error: Option<CellError>,
    pub timing_ms: u64,
    pub execution_count: Option<u64>,
}

impl Ending {
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

struct Inner {
    state: CellState,
    began: Option<Instant>,
    outputs: Outputs,
    /// The number by which the worker knows the `input()` that is asked now.
    input: Option<u64>,
    answer: Option<ExecAnswer>,
}

impl Inner {
    /// Changes the state; false where it is over, which is the last one.
    fn go_to(&mut self, state: CellState) -> bool {
        let goes = self.state != CellState::Over;
        if goes {
            self.state = state;
        }
        goes
    }
}

/// A cell with its outputs so far.
pub struct Execution {
    /// The client's own id, or the execution's.
    pub id: String,
    /// What to run.
    pub order: Order,
    /// Name of its kernel.
    pub kernel: String,
    inner: Mutex<Inner>,
    /// Counts changes; a watcher that sees a new count looks again.
    changes: watch::Sender<u64>,
    /// The clients that read it as it runs.
    pub followers: Followers,
}

impl Execution {
    /// A queued cell.
    pub fn new(kernel: &str, order: Order) -> Self {
        let id = order.request.id.clone();
        Self {
            id: id.unwrap_or_else(|| order.execution_id.clone()),
            order,
            kernel: kernel.to_owned(),
            inner: Mutex::new(Inner {
                state: CellState::Queued,
                began: None,
                outputs: Outputs::default(),
                input: None,
                answer: None,
            }),
            changes: watch::Sender::new(0),
            followers: Followers::default(),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> CellState {
        lock(&self.inner).state
    }

    /// Whether the kernel is done with it.
    pub fn is_over(&self) -> bool {
        self.state() == CellState::Over
    }

    /// Hears of every change.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whether an `input()` now could be answered by somebody.
    pub(super) fn has_somebody(&self) -> bool {
        let told = self.order.request.stdin;
        told.unwrap_or_else(|| self.followers.any())
    }

    /// Events with a seq larger than `after`, and the answer once there is one.
    pub fn since(&self, after: u64) -> (Vec<Event>, Option<ExecAnswer>) {
        let inner = lock(&self.inner);
        (inner.outputs.since(after), inner.answer.clone())
    }

    /// The answer, once the cell has one.
    pub async fn answer(&self) -> ExecAnswer {
        let mut changes = self.watch();
        loop {
            if let Some(answer) = lock(&self.inner).answer.clone() {
                return answer;
            }
            // The sender lives in self.
            let _ = changes.changed().await;
        }
    }

    /// How `/executions` shows it.
    pub fn shown(&self) -> CellShown {
        let inner = lock(&self.inner);
        CellShown {
            id: self.id.clone(),
            execution_id: self.order.execution_id.clone(),
            kernel: self.kernel.clone(),
            state: inner.state,
            code: self.order.request.code.clone(),
            last_seq: inner.outputs.last(),
            outputs: inner.outputs.merged(),
            input: inner.outputs.asks().cloned(),
            answer: inner.answer.clone(),
        }
    }

    /// How `/executions?brief=true` shows it.
    pub fn brief(&self) -> CellBrief {
        CellBrief {
            id: self.id.clone(),
            execution_id: self.order.execution_id.clone(),
            kernel: self.kernel.clone(),
            state: lock(&self.inner).state,
        }
    }

    /// Bytes that it keeps: what the client sent, and its outputs, whose text the answer holds twice
    /// more.
    pub(super) fn bytes(&self) -> usize {
        let inner = lock(&self.inner);
        self.order.bytes() + inner.outputs.bytes() * if inner.answer.is_some() { 3 } else { 1 }
    }

    /// It runs, and began then. One that is over stays so.
    pub(super) fn runs(&self, began: Instant) {
        self.change(|inner| {
            inner.began = Some(began);
            inner.go_to(CellState::Running);
        });
    }

    /// It was interrupted, and goes on.
    pub(super) fn hangs(&self) {
        self.change(|inner| {
            inner.go_to(CellState::Stuck);
        });
    }

    /// Whether the kernel had it: it did not only wait.
    pub(super) fn has_begun(&self) -> bool {
        lock(&self.inner).began.is_some()
    }

    /// How long ago the kernel began with it; `None` where it did not.
    pub fn began_ago(&self) -> Option<Duration> {
        let began = lock(&self.inner).began;
        began.map(|began| began.elapsed())
    }

    pub(super) fn output(&self, output: Value) {
        self.change(|inner| {
            inner.outputs.add(output);
            self.followers.came(inner.outputs.total_bytes());
        });
    }

    /// A comm said something.
    pub(super) fn comm(&self, message: Value) {
        self.change(|inner| {
            inner.outputs.comm(message);
            self.followers.came(inner.outputs.total_bytes());
        });
    }

    pub(super) fn clear(&self, wait: bool) {
        self.change(|inner| inner.outputs.clear(wait));
    }

    pub(super) fn lost(&self, pieces: u64) {
        self.change(|inner| inner.outputs.lost(pieces));
    }

    pub(super) fn shows(&self, display_id: &str) -> bool {
        lock(&self.inner).outputs.shows(display_id)
    }

    pub(super) fn asks(&self, number: u64, prompt: InputPrompt) {
        self.change(|inner| {
            inner.input = Some(number);
            inner.outputs.input(Some(prompt));
        });
    }

    pub(super) fn asks_no_more(&self) {
        self.change(|inner| {
            if inner.input.take().is_some() {
                inner.outputs.input(None);
            }
        });
    }

    /// The `input()` that waits, for whoever answers it: nobody else gets it then.
    pub(super) fn take_input(&self) -> Option<u64> {
        lock(&self.inner).input.take()
    }

    /// The kernel is done with it; false where it was before.
    pub(super) fn end(&self, ending: Ending) -> bool {
        self.settle(ending, CellState::Over)
    }

    /// Answers the client of a cell that goes on past its limit.
    pub(super) fn stuck(&self, ran: Duration) {
        self.settle(Ending::stuck(ran), CellState::Stuck);
    }

    /// Sets the state, and the answer where there is none yet; false where it was over.
    fn settle(&self, ending: Ending, state: CellState) -> bool {
        let mut settled = false;
        self.change(|inner| {
            settled = inner.go_to(state);
            if inner.input.take().is_some() {
                inner.outputs.input(None);
            }
            if inner.answer.is_none() {
                inner.answer = Some(self.answer_of(ending, inner.outputs.merged()));
            }
        });
        settled
    }

    fn answer_of(&self, ending: Ending, outputs: Vec<Value>) -> ExecAnswer {
        let text = |name: &str| -> String {
            outputs
                .iter()
                .filter(|output| output["output_type"] == "stream" && output["name"] == name)
                .filter_map(|output| output["text"].as_str())
                .collect()
        };
        ExecAnswer {
            id: self.id.clone(),
            execution_id: self.order.execution_id.clone(),
            status: ending.status,
            stdout: text("stdout"),
            stderr: text("stderr"),
            result: ending.result,
            error: ending.error,
            timing_ms: ending.timing_ms,
            execution_count: ending.execution_count,
            outputs,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut lock(&self.inner));
        self.changes.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::kernel::Follower;

    #[test]
    fn a_stuck_cell_is_answered_and_ends_later() {
        let execution = Execution::new("main", Order::default());
        execution.stuck(Duration::from_secs(1));
        assert_eq!(execution.state(), CellState::Stuck);
        assert_eq!(execution.since(0).1.unwrap().status, ExecStatus::Timeout);
        execution.end(Ending::died(Duration::from_secs(2)));
        assert!(execution.is_over());
        assert_eq!(execution.since(0).1.unwrap().status, ExecStatus::Timeout);
    }

    #[test]
    fn briefly_it_shows_neither_source_nor_outputs() {
        let mut order = Order {
            execution_id: "1".to_owned(),
            ..Order::default()
        };
        order.request.code = "a long source".to_owned();
        let execution = Execution::new("main", order);
        execution
            .output(serde_json::json!({"output_type": "stream", "name": "stdout", "text": "x"}));
        let brief = serde_json::to_value(execution.brief()).unwrap();
        let expected = serde_json::json!({"id": "1", "execution_id": "1", "kernel": "main", "state": "queued"});
        assert_eq!(brief, expected);
        assert_eq!(execution.shown().code, "a long source");
    }

    #[test]
    fn what_its_client_sent_counts_as_kept() {
        let mut order = Order::default();
        order.request.code = "four".to_owned();
        order.request.id = Some("three".to_owned());
        assert_eq!(Execution::new("main", order.clone()).bytes(), 9);
        order.comm = Some(Message {
            data: BTreeMap::from([("k".to_owned(), Value::from("value"))]),
            buffers: vec!["base".to_owned()],
            ..Message::default()
        });
        assert_eq!(Execution::new("main", order).bytes(), 9 + 6 + 4);
    }

    #[test]
    fn somebody_is_who_follows_or_who_was_promised() {
        let execution = Arc::new(Execution::new("main", Order::default()));
        assert!(!execution.has_somebody());
        let follower = Follower::new(&execution);
        assert!(execution.has_somebody());
        drop(follower);
        assert!(!execution.has_somebody());
        let mut order = Order::default();
        order.request.stdin = Some(true);
        assert!(Execution::new("main", order).has_somebody());
    }

    #[test]
    fn an_input_is_answered_once_and_over_with_the_cell() {
        let execution = Execution::new("main", Order::default());
        let prompt = InputPrompt {
            prompt: String::new(),
            password: false,
        };
        execution.asks(3, prompt.clone());
        assert_eq!(execution.shown().input, Some(prompt.clone()));
        assert_eq!(
            (execution.take_input(), execution.take_input()),
            (Some(3), None)
        );
        execution.asks(4, prompt);
        execution.end(Ending::died(Duration::ZERO));
        assert_eq!(execution.shown().input, None);
    }
}
