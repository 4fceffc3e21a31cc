//! One cell's life: queued, running, over; with all that it put out.

use std::{sync::Arc, time::Duration};

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::watch;
use wire::{
    body::{CellBrief, CellShown, CellState, InputPrompt},
    kernel::{CellEnd, CellError, ExecAnswer, ExecStatus},
};

use super::{
    QueuedExecution,
    ending::Ending,
    followers::Followers,
    outputs::{Event, Outputs},
};
use crate::clock::Instant;

struct Inner {
    state: CellState,
    began: Option<Instant>,
    ended: Option<Instant>,
    outputs: Outputs,
    /// The number by which the worker knows the `input()` that is asked now.
    input: Option<u64>,
    /// How it ended for its client; a cell that is stuck past its limit goes on all the same.
    ending: Option<Ending>,
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
    pub order: QueuedExecution,
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
    pub fn new(kernel: &str, order: QueuedExecution) -> Self {
        let id = order.request.id.clone();
        Self {
            id: id.unwrap_or_else(|| order.execution_id.clone()),
            order,
            kernel: kernel.to_owned(),
            inner: Mutex::new(Inner {
                state: CellState::Queued,
                began: None,
                ended: None,
                outputs: Outputs::default(),
                input: None,
                ending: None,
            }),
            changes: watch::Sender::new(0),
            followers: Followers::default(),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> CellState {
        self.inner.lock().state
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

    /// Events with a seq larger than `after`, and how the cell ended, once it has.
    pub fn since(&self, after: u64) -> (Vec<Event>, Option<CellEnd>) {
        let inner = self.inner.lock();
        let end = inner.ending.as_ref().map(Ending::briefly);
        (inner.outputs.since(after), end)
    }

    /// The answer, once the cell has one: its text is kept once, so it is made for whoever asks.
    pub fn answer_now(&self) -> Option<ExecAnswer> {
        self.answer_of(&self.inner.lock())
    }

    /// The answer, once the cell has one.
    pub async fn answer(&self) -> ExecAnswer {
        let mut changes = self.watch();
        loop {
            if let Some(answer) = self.answer_now() {
                return answer;
            }
            // The sender lives in self.
            let _ = changes.changed().await;
        }
    }

    /// How it ended, as the answer says, and what it raised.
    pub fn ending(&self) -> Option<(ExecStatus, Option<CellError>)> {
        let inner = self.inner.lock();
        let ending = inner.ending.as_ref()?;
        Some((ending.status, ending.error.clone()))
    }

    /// The output of the event with this number, as long as it is kept.
    pub fn output_at(&self, seq: u64) -> Option<Arc<Value>> {
        self.inner.lock().outputs.output(seq)
    }

    /// How `/executions` shows it.
    pub fn shown(&self) -> CellShown {
        let inner = self.inner.lock();
        CellShown {
            id: self.id.clone(),
            execution_id: self.order.execution_id.clone(),
            tag: self.order.request.tag.clone(),
            kernel: self.kernel.clone(),
            state: inner.state,
            code: self.order.request.code.clone(),
            last_seq: inner.outputs.last(),
            outputs: inner.outputs.merged(),
            input: inner.outputs.asks().cloned(),
            answer: self.answer_of(&inner),
        }
    }

    /// How `/executions?brief=true` shows it.
    pub fn brief(&self) -> CellBrief {
        CellBrief {
            id: self.id.clone(),
            execution_id: self.order.execution_id.clone(),
            tag: self.order.request.tag.clone(),
            kernel: self.kernel.clone(),
            state: self.inner.lock().state,
        }
    }

    /// Bytes that it keeps: what the client sent, its outputs, and how it ended.
    pub(super) fn bytes(&self) -> usize {
        let inner = self.inner.lock();
        let ending = inner.ending.as_ref().map_or(0, Ending::bytes);
        self.order.bytes() + inner.outputs.bytes() + ending
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
        self.inner.lock().began.is_some()
    }

    /// How long ago the kernel began with it; `None` where it did not.
    pub fn began_ago(&self) -> Option<Duration> {
        let began = self.inner.lock().began;
        began.map(|began| began.elapsed())
    }

    /// How long ago the kernel was done with it; `None` as long as it isn't.
    pub fn ended_ago(&self) -> Option<Duration> {
        let ended = self.inner.lock().ended;
        ended.map(|ended| ended.elapsed())
    }

    pub(super) fn output(&self, output: impl Into<Arc<Value>>) {
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
        self.inner.lock().outputs.shows(display_id)
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
        self.inner.lock().input.take()
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
            if settled && state == CellState::Over {
                inner.ended = Some(Instant::now());
            }
            if inner.input.take().is_some() {
                inner.outputs.input(None);
            }
            inner.ending.get_or_insert(ending);
        });
        settled
    }

    fn answer_of(&self, inner: &Inner) -> Option<ExecAnswer> {
        let ending = inner.ending.as_ref()?;
        let outputs = inner.outputs.merged();
        let text = |name: &str| -> String {
            outputs
                .iter()
                .filter(|output| output["output_type"] == "stream" && output["name"] == name)
                .filter_map(|output| output["text"].as_str())
                .collect()
        };
        Some(ExecAnswer {
            id: self.id.clone(),
            execution_id: self.order.execution_id.clone(),
            status: ending.status,
            stdout: text("stdout"),
            stderr: text("stderr"),
            result: ending.result.clone(),
            error: ending.error.clone(),
            timing_ms: ending.timing_ms,
            execution_count: ending.execution_count,
            exit_code: ending.exit_code,
            outputs,
        })
    }

    fn change(&self, change: impl FnOnce(&mut Inner)) {
        change(&mut self.inner.lock());
        self.changes.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Arc};

    use super::*;
    use crate::kernel::{Follower, Message};

    #[test]
    fn a_stuck_cell_is_answered_and_ends_later() {
        let execution = Execution::new("main", QueuedExecution::default());
        execution.stuck(Duration::from_secs(1));
        assert_eq!(execution.state(), CellState::Stuck);
        assert_eq!(execution.since(0).1.unwrap().status, ExecStatus::Timeout);
        execution.end(Ending::died(Duration::from_secs(2)));
        assert!(execution.is_over());
        assert_eq!(execution.since(0).1.unwrap().status, ExecStatus::Timeout);
    }

    #[test]
    fn briefly_it_shows_neither_source_nor_outputs() {
        let mut order = QueuedExecution {
            execution_id: "1".to_owned(),
            ..QueuedExecution::default()
        };
        order.request.code = "a long source".to_owned();
        let execution = Execution::new("main", order);
        execution
            .output(serde_json::json!({"output_type": "stream", "name": "stdout", "text": "x"}));
        let brief = serde_json::to_value(execution.brief()).unwrap();
        let expected = serde_json::json!({"id": "1", "execution_id": "1", "tag": null, "kernel": "main", "state": "queued"});
        assert_eq!(brief, expected);
        assert_eq!(execution.shown().code, "a long source");
    }

    #[test]
    fn a_cell_that_is_over_keeps_its_text_once() {
        let execution = Execution::new("main", QueuedExecution::default());
        let text = "x".repeat(1 << 20);
        execution
            .output(serde_json::json!({"output_type": "stream", "name": "stdout", "text": &text}));
        let before = execution.bytes();
        let completed = Ending {
            status: ExecStatus::Completed,
            result: Some("42".to_owned()),
            error: None,
            timing_ms: 1,
            execution_count: Some(1),
            exit_code: None,
        };
        execution.end(completed);
        assert_eq!(execution.bytes(), before + 2);
        let answer = execution.answer_now().unwrap();
        assert_eq!((answer.stdout, answer.outputs.len()), (text, 1));
        assert_eq!(answer.result.as_deref(), Some("42"));
        assert_eq!(
            execution.shown().answer.unwrap().status,
            ExecStatus::Completed
        );
    }

    #[test]
    fn what_its_client_sent_counts_as_kept() {
        let mut order = QueuedExecution::default();
        order.request.code = "four".to_owned();
        order.request.id = Some("thr".to_owned());
        order.request.tag = Some("ee".to_owned());
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
        let execution = Arc::new(Execution::new("main", QueuedExecution::default()));
        assert!(!execution.has_somebody());
        let follower = Follower::new(&execution);
        assert!(execution.has_somebody());
        drop(follower);
        assert!(!execution.has_somebody());
        let mut order = QueuedExecution::default();
        order.request.stdin = Some(true);
        assert!(Execution::new("main", order).has_somebody());
    }

    #[test]
    fn an_input_is_answered_once_and_over_with_the_cell() {
        let execution = Execution::new("main", QueuedExecution::default());
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
