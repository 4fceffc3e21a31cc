//! One cell's life: queued, running, over; with all that it put out.

use std::{sync::Mutex, time::Duration};

use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use wire::kernel::{CellError, ExecAnswer, ExecRequest, ExecStatus};

use super::lock;

/// How much output of one cell is kept; what comes after is left out, and said.
const KEPT_BYTES: usize = 16 << 20;

/// Where a cell stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Queued,
    Running,
    /// Its time limit passed and it ignores the interrupt.
    Stuck,
    Over,
}

/// A numbered output.
#[derive(Clone, Debug)]
pub struct Event {
    /// From 1, within the execution.
    pub seq: u64,
    /// nbformat output object.
    pub output: Value,
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
        Self::without_value(
            ExecStatus::Interrupted,
            "Cancelled",
            "the cell was taken out of the queue",
            Duration::ZERO,
        )
    }

    /// The kernel ended under it.
    pub fn died(ran: Duration) -> Self {
        Self::without_value(
            ExecStatus::Died,
            "KernelDied",
            "the kernel process ended while the cell ran",
            ran,
        )
    }

    /// Its limit passed, and it goes on.
    pub fn stuck(ran: Duration) -> Self {
        let message = "the cell ran past its time limit and ignores the interrupt; restart the kernel to end it";
        Self::without_value(ExecStatus::Timeout, "TimeoutError", message, ran)
    }
}

struct Inner {
    state: State,
    events: Vec<Event>,
    kept_bytes: usize,
    cut: bool,
    answer: Option<ExecAnswer>,
}

/// A cell with its outputs so far.
pub struct Execution {
    /// The client's own id, or the execution's.
    pub id: String,
    /// Ours, unique.
    pub execution_id: String,
    /// What to run.
    pub request: ExecRequest,
    inner: Mutex<Inner>,
    /// Counts changes; a watcher that sees a new count looks again.
    changes: watch::Sender<u64>,
}

impl Execution {
    /// A queued cell.
    pub fn new(request: ExecRequest) -> Self {
        let execution_id = ulid::Ulid::generate().to_string();
        Self {
            id: request.id.clone().unwrap_or_else(|| execution_id.clone()),
            execution_id,
            request,
            inner: Mutex::new(Inner {
                state: State::Queued,
                events: Vec::new(),
                kept_bytes: 0,
                cut: false,
                answer: None,
            }),
            changes: watch::Sender::new(0),
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        lock(&self.inner).state
    }

    /// Whether the kernel is done with it.
    pub fn is_over(&self) -> bool {
        self.state() == State::Over
    }

    /// Hears of every change.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Outputs with a seq larger than `after`, and the answer once there is one.
    pub fn since(&self, after: u64) -> (Vec<Event>, Option<ExecAnswer>) {
        let inner = lock(&self.inner);
        let from = usize::try_from(after)
            .unwrap_or(usize::MAX)
            .min(inner.events.len());
        (inner.events[from..].to_vec(), inner.answer.clone())
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
    pub fn shown(&self) -> Value {
        let inner = lock(&self.inner);
        json!({
            "id": self.id,
            "execution_id": self.execution_id,
            "state": inner.state,
            "code": self.request.code,
            "last_seq": inner.events.len(),
            "outputs": merged(&inner.events),
            "answer": inner.answer,
        })
    }

    pub(super) fn set_state(&self, state: State) {
        lock(&self.inner).state = state;
        self.changed();
    }

    pub(super) fn output(&self, output: Value) {
        let mut inner = lock(&self.inner);
        if inner.cut {
            return;
        }
        inner.kept_bytes += size(&output);
        let mut output = output;
        if inner.kept_bytes > KEPT_BYTES {
            inner.cut = true;
            let text = format!(
                "\n[output cut: the cell put out more than {} MiB]\n",
                KEPT_BYTES >> 20
            );
            output = json!({"output_type": "stream", "name": "stderr", "text": text});
        }
        let seq = inner.events.len() as u64 + 1;
        inner.events.push(Event { seq, output });
        drop(inner);
        self.changed();
    }

    /// Says in its place that so many pieces of output are missing.
    pub(super) fn lost(&self, pieces: u64) {
        let text = format!(
            "\n[output cut: {pieces} pieces are missing, as the cell put out more than could be fetched]\n"
        );
        self.output(json!({"output_type": "stream", "name": "stderr", "text": text}));
    }

    /// The kernel is done with it.
    pub(super) fn end(&self, ending: Ending) {
        self.settle(ending, State::Over);
    }

    /// Answers the client of a cell that goes on past its limit.
    pub(super) fn stuck(&self, ran: Duration) {
        self.settle(Ending::stuck(ran), State::Stuck);
    }

    /// Sets the state, and the answer where there is none yet.
    fn settle(&self, ending: Ending, state: State) {
        let mut inner = lock(&self.inner);
        inner.state = state;
        if inner.answer.is_none() {
            let outputs = merged(&inner.events);
            let text = |name: &str| -> String {
                outputs
                    .iter()
                    .filter(|output| output["output_type"] == "stream" && output["name"] == name)
                    .filter_map(|output| output["text"].as_str())
                    .collect()
            };
            inner.answer = Some(ExecAnswer {
                id: self.id.clone(),
                execution_id: self.execution_id.clone(),
                status: ending.status,
                stdout: text("stdout"),
                stderr: text("stderr"),
                result: ending.result,
                error: ending.error,
                timing_ms: ending.timing_ms,
                execution_count: ending.execution_count,
                outputs,
            });
        }
        drop(inner);
        self.changed();
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}

fn size(output: &Value) -> usize {
    match output {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| name.len() + size(value))
            .sum(),
        _ => 8,
    }
}

/// nbformat's habit: consecutive pieces of one stream are one output.
fn merged(events: &[Event]) -> Vec<Value> {
    let mut outputs: Vec<Value> = Vec::new();
    let mut text = String::new();
    let mut stream: Option<Value> = None;
    let flush = |stream: &mut Option<Value>, text: &mut String, outputs: &mut Vec<Value>| {
        if let Some(name) = stream.take() {
            outputs
                .push(json!({"output_type": "stream", "name": name, "text": std::mem::take(text)}));
        }
    };
    for event in events {
        let output = &event.output;
        if output["output_type"] == "stream" {
            if stream.as_ref() != Some(&output["name"]) {
                flush(&mut stream, &mut text, &mut outputs);
                stream = Some(output["name"].clone());
            }
            text.push_str(output["text"].as_str().unwrap_or_default());
        } else {
            flush(&mut stream, &mut text, &mut outputs);
            outputs.push(output.clone());
        }
    }
    flush(&mut stream, &mut text, &mut outputs);
    outputs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(name: &str, text: &str) -> Value {
        json!({"output_type": "stream", "name": name, "text": text})
    }

    #[test]
    fn consecutive_pieces_of_a_stream_become_one_output() {
        let execution = Execution::new(ExecRequest::default());
        for output in [
            stream("stdout", "a"),
            stream("stdout", "b"),
            stream("stderr", "x"),
            stream("stdout", "c"),
        ] {
            execution.output(output);
        }
        execution.end(Ending::died(Duration::ZERO));
        let (events, answer) = execution.since(0);
        let answer = answer.unwrap();
        assert_eq!(events.len(), 4);
        assert_eq!(
            answer.outputs,
            [
                stream("stdout", "ab"),
                stream("stderr", "x"),
                stream("stdout", "c")
            ]
        );
        assert_eq!(
            (answer.stdout.as_str(), answer.stderr.as_str()),
            ("abc", "x")
        );
        assert!(execution.is_over());
        assert_eq!(execution.since(3).0.len(), 1);
        assert_eq!(execution.since(99).0.len(), 0);
    }

    #[test]
    fn a_flood_is_cut_and_said() {
        let execution = Execution::new(ExecRequest::default());
        let piece = "y".repeat(1 << 20);
        for _ in 0..40 {
            execution.output(stream("stdout", &piece));
        }
        let (events, _) = execution.since(0);
        assert!(events.len() < 20);
        assert!(
            events.last().unwrap().output["text"]
                .as_str()
                .unwrap()
                .contains("output cut")
        );
    }

    #[test]
    fn a_stuck_cell_is_answered_and_ends_later() {
        let execution = Execution::new(ExecRequest::default());
        execution.stuck(Duration::from_secs(1));
        assert_eq!(execution.state(), State::Stuck);
        assert_eq!(execution.since(0).1.unwrap().status, ExecStatus::Timeout);
        execution.end(Ending::died(Duration::from_secs(2)));
        assert!(execution.is_over());
        assert_eq!(execution.since(0).1.unwrap().status, ExecStatus::Timeout);
    }
}
