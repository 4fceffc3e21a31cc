//! What a cell put out: a log of numbered events, and the outputs that they come to.
//!
//! The log can be replayed from any number on. Of a flood the beginning and the end are kept, and
//! between them it is said how much is missing. Outputs that a `clear_output` took back, and all
//! but the last update of a display, are dropped from it: a replay from before them comes to the
//! same outputs.

use std::{collections::VecDeque, sync::Arc};

use serde_json::{Value, json};
use wire::{body::InputPrompt, nbformat::display_id};

/// How much of a cell's first output is kept, and how much of its last.
const HEAD_BYTES: usize = 2 << 20;
const TAIL_BYTES: usize = 10 << 20;

/// What happened.
#[derive(Clone, Debug)]
pub enum What {
    /// nbformat output object, or an update of one (`update_display_data`). It may be large, and is
    /// shared by all who read it.
    Output(Arc<Value>),
    /// What was put out before is void.
    Cleared,
    /// A comm said something.
    Comm(Value),
    /// `input()` asks; `None` when it asks no longer.
    Input(Option<InputPrompt>),
}

/// A numbered event.
#[derive(Clone, Debug)]
pub struct Event {
    /// Grows from 1 within the execution; numbers of dropped events are missing.
    pub seq: u64,
    pub what: What,
}

/// The log of one cell.
#[derive(Default)]
pub struct Outputs {
    head: Vec<Event>,
    head_bytes: usize,
    tail: VecDeque<Event>,
    tail_bytes: usize,
    /// What was dropped between the two: bytes, and the number of the last event.
    missing: Option<(usize, u64)>,
    last: u64,
    /// All bytes that ever came.
    total_bytes: u64,
    /// The next output clears what was before it.
    clear_first: bool,
}

impl Outputs {
    /// Bytes that are kept.
    pub fn bytes(&self) -> usize {
        self.head_bytes + self.tail_bytes
    }

    /// Bytes that ever came.
    pub fn total_bytes(&self) -> u64 {
        self.total_bytes
    }

    /// Number of the last event.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Events with a number larger than `after`.
    pub fn since(&self, after: u64) -> Vec<Event> {
        let from = self.head.partition_point(|event| event.seq <= after);
        let mut events = self.head[from..].to_vec();
        if let Some((bytes, seq)) = self.missing
            && after < seq
        {
            events.push(Event {
                seq,
                what: What::Output(missing(bytes).into()),
            });
        }
        let from = self.tail.partition_point(|event| event.seq <= after);
        events.extend(self.tail.range(from..).cloned());
        events
    }

    /// The output of the event with this number; none if it was dropped or the event has no output.
    pub fn output(&self, seq: u64) -> Option<Arc<Value>> {
        let found = match self.head.binary_search_by_key(&seq, |event| event.seq) {
            Ok(at) => self.head.get(at),
            Err(_) => {
                let at = self.tail.binary_search_by_key(&seq, |event| event.seq);
                at.ok().and_then(|at| self.tail.get(at))
            }
        };
        match &found?.what {
            What::Output(output) => Some(Arc::clone(output)),
            _ => None,
        }
    }

    /// Adds an output.
    pub fn add(&mut self, output: impl Into<Arc<Value>>) {
        let output = output.into();
        let updated = updated_display(&output).map(str::to_owned);
        if self.clear_first && updated.is_none() {
            self.clear(false);
        }
        if let Some(id) = updated {
            self.forget_update(&id);
        }
        self.push(What::Output(output));
    }

    /// Says in its place that so many pieces of output are missing.
    pub fn lost(&mut self, pieces: u64) {
        let text = format!(
            "\n[output truncated: {pieces} outputs omitted, because the cell printed more than could be read]\n"
        );
        let output = json!({"output_type": "stream", "name": "stderr", "text": text});
        self.push(What::Output(output.into()));
    }

    /// Adds what a comm said.
    pub fn comm(&mut self, message: Value) {
        self.push(What::Comm(message));
    }

    /// Takes back what was put out; with `wait` only once something new comes.
    pub fn clear(&mut self, wait: bool) {
        self.clear_first = wait;
        if !wait {
            self.retain(|event| matches!(event.what, What::Input(_) | What::Comm(_)));
            self.missing = None;
            self.push(What::Cleared);
        }
    }

    /// `input()` asks, or no longer.
    pub fn input(&mut self, prompt: Option<InputPrompt>) {
        self.retain(|event| !matches!(event.what, What::Input(_)));
        self.push(What::Input(prompt));
    }

    /// What `input()` asks now.
    pub fn asks(&self) -> Option<&InputPrompt> {
        let mut asked = self.events().filter_map(|event| match &event.what {
            What::Input(prompt) => Some(prompt.as_ref()),
            _ => None,
        });
        asked.next()?
    }

    /// Whether a display of this id is among the outputs.
    pub fn shows(&self, id: &str) -> bool {
        self.events().any(|event| {
            matches!(&event.what, What::Output(output)
                if output["output_type"] == "display_data" && display_id(output) == Some(id))
        })
    }

    /// The outputs that the log comes to: pieces of one stream put together, updates carried out.
    pub fn merged(&self) -> Vec<Value> {
        let mut outputs: Vec<Value> = Vec::new();
        let mut text: Option<(Value, String)> = None;
        let note = self.missing.map(|(bytes, _)| missing(bytes));
        let head = self.head.iter().filter_map(Event::output);
        let tail = self.tail.iter().filter_map(Event::output);
        for output in head.chain(&note).chain(tail) {
            if output["output_type"] == "stream" {
                let piece = output["text"].as_str().unwrap_or_default();
                match &mut text {
                    Some((name, text)) if *name == output["name"] => text.push_str(piece),
                    other => {
                        outputs.extend(other.take().map(stream));
                        *other = Some((output["name"].clone(), piece.to_owned()));
                    }
                }
            } else if let Some(id) = updated_display(output) {
                for shown in &mut outputs {
                    if shown["output_type"] == "display_data" && display_id(shown) == Some(id) {
                        shown["data"] = output["data"].clone();
                        shown["metadata"] = output["metadata"].clone();
                    }
                }
            } else {
                outputs.extend(text.take().map(stream));
                outputs.push(output.clone());
            }
        }
        outputs.extend(text.map(stream));
        for output in &mut outputs {
            // nbformat knows it not; it was for the updates.
            if let Some(fields) = output.as_object_mut() {
                fields.shift_remove("transient");
            }
        }
        outputs
    }

    fn events(&self) -> impl Iterator<Item = &Event> {
        self.head.iter().chain(&self.tail)
    }

    fn push(&mut self, what: What) {
        self.last += 1;
        let event = Event {
            seq: self.last,
            what,
        };
        let size = event.size();
        self.total_bytes += size as u64;
        if self.tail.is_empty() && self.head_bytes + size <= HEAD_BYTES {
            self.head_bytes += size;
            self.head.push(event);
            return;
        }
        self.tail_bytes += size;
        self.tail.push_back(event);
        // The last one stays, however large it is.
        while self.tail_bytes > TAIL_BYTES && self.tail.len() > 1 {
            if let Some(dropped) = self.tail.pop_front() {
                self.tail_bytes -= dropped.size();
                let before = self.missing.map_or(0, |(bytes, _)| bytes);
                self.missing = Some((before + dropped.size(), dropped.seq));
            }
        }
    }

    fn retain(&mut self, keep: impl Fn(&Event) -> bool) {
        self.head.retain(&keep);
        self.tail.retain(&keep);
        self.head_bytes = self.head.iter().map(Event::size).sum();
        self.tail_bytes = self.tail.iter().map(Event::size).sum();
    }

    /// The update of this display before the one that comes now is of no use any more.
    fn forget_update(&mut self, id: &str) {
        let is_it = |event: &Event| matches!(&event.what, What::Output(output) if updated_display(output) == Some(id));
        if let Some(at) = self.tail.iter().rposition(is_it) {
            self.tail_bytes -= self.tail.remove(at).map_or(0, |event| event.size());
        } else if let Some(at) = self.head.iter().rposition(is_it) {
            self.head_bytes -= self.head.remove(at).size();
        }
    }
}

impl Event {
    fn output(&self) -> Option<&Value> {
        match &self.what {
            What::Output(output) => Some(output),
            _ => None,
        }
    }

    fn size(&self) -> usize {
        match &self.what {
            What::Output(output) => size(output),
            What::Comm(message) => size(message),
            _ => 8,
        }
    }
}

fn missing(bytes: usize) -> Value {
    let text = format!(
        "\n[output truncated: {} MiB omitted]\n",
        bytes.div_ceil(1 << 20)
    );
    json!({"output_type": "stream", "name": "stderr", "text": text})
}

/// The display that an update is about.
pub fn updated_display(output: &Value) -> Option<&str> {
    (output["output_type"] == "update_display_data")
        .then(|| display_id(output))
        .flatten()
}

fn stream((name, text): (Value, String)) -> Value {
    json!({"output_type": "stream", "name": name, "text": text})
}

/// About how many bytes a value holds.
pub fn size(output: &Value) -> usize {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, text: &str) -> Value {
        json!({"output_type": "stream", "name": name, "text": text})
    }

    fn display(kind: &str, id: &str, value: i32) -> Value {
        json!({"output_type": kind, "data": {"text/plain": value}, "metadata": {},
               "transient": {"display_id": id}})
    }

    #[test]
    fn consecutive_pieces_of_a_stream_become_one_output() {
        let mut outputs = Outputs::default();
        for (name, piece) in [
            ("stdout", "a"),
            ("stdout", "b"),
            ("stderr", "x"),
            ("stdout", "c"),
        ] {
            outputs.add(text(name, piece));
        }
        assert_eq!(
            outputs.merged(),
            [
                text("stdout", "ab"),
                text("stderr", "x"),
                text("stdout", "c")
            ]
        );
        assert_eq!(outputs.since(0).len(), 4);
        assert_eq!(outputs.since(3).len(), 1);
        assert_eq!(outputs.since(99).len(), 0);
    }

    #[test]
    fn a_flood_keeps_its_beginning_and_its_end() {
        let mut outputs = Outputs::default();
        outputs.add(text("stdout", "first"));
        let piece = "y".repeat(1 << 20);
        for _ in 0..100 {
            outputs.add(text("stdout", &piece));
        }
        outputs.add(text("stdout", "last"));
        let merged = outputs.merged();
        assert_eq!(merged.len(), 3);
        let said = |index: usize| merged[index]["text"].as_str().unwrap();
        assert!(said(0).starts_with("first") && said(2).ends_with("last"));
        assert!(said(1).contains("MiB omitted"), "{}", said(1));
        assert!(said(0).len() + said(2).len() < 13 << 20);
        // A reader that keeps up misses nothing; one that lags hears of the gap.
        assert_eq!(outputs.since(100).len(), 2);
        let behind = outputs.since(20);
        assert!(matches!(&behind[0].what, What::Output(output) if output["name"] == "stderr"));
        assert_eq!(outputs.output(1).unwrap()["text"], "first");
        assert_eq!(outputs.output(102).unwrap()["text"], "last");
        assert!(outputs.output(behind[0].seq).is_none(), "it was dropped");
        outputs.clear(false);
        outputs.add(text("stdout", "after"));
        assert_eq!(outputs.merged(), [text("stdout", "after")]);
    }

    #[test]
    fn an_update_reaches_its_displays_and_only_the_last_is_kept() {
        let mut outputs = Outputs::default();
        outputs.add(display("display_data", "a", 0));
        outputs.add(display("display_data", "b", 0));
        outputs.add(display("display_data", "a", 0));
        for value in 1..1000 {
            outputs.add(display("update_display_data", "a", value));
        }
        let values: Vec<_> = outputs
            .merged()
            .iter()
            .map(|output| output["data"]["text/plain"].clone())
            .collect();
        assert_eq!(values, [999, 0, 999]);
        assert!(outputs.merged()[0].get("transient").is_none());
        assert_eq!((outputs.since(0).len(), outputs.last()), (4, 1002));
        let values: Vec<_> = (0..1010)
            .filter_map(|seq| Some(outputs.output(seq)?["data"]["text/plain"].clone()))
            .collect();
        assert_eq!(
            values,
            [0, 0, 0, 999],
            "an update that another replaced is gone"
        );
        assert!(outputs.shows("a") && !outputs.shows("c"));
    }

    #[test]
    fn clearing_takes_back_at_once_or_with_the_next_output() {
        let mut outputs = Outputs::default();
        outputs.add(text("stdout", "one"));
        outputs.clear(true);
        assert_eq!(outputs.merged().len(), 1);
        outputs.add(text("stdout", "two"));
        assert_eq!(outputs.merged(), [text("stdout", "two")]);
        outputs.clear(false);
        assert!(outputs.merged().is_empty());
        assert!(matches!(outputs.since(2)[0].what, What::Cleared));
    }

    #[test]
    fn what_comms_say_is_no_output_and_stays() {
        let mut outputs = Outputs::default();
        outputs.comm(json!({"msg_type": "comm_open"}));
        outputs.add(text("stdout", "a"));
        outputs.clear(false);
        assert!(outputs.merged().is_empty());
        assert!(matches!(&outputs.since(0)[0].what, What::Comm(_)));
    }

    #[test]
    fn an_input_is_asked_until_it_is_over() {
        let mut outputs = Outputs::default();
        assert_eq!(outputs.asks(), None);
        let prompt = InputPrompt {
            prompt: "who?".to_owned(),
            password: false,
        };
        outputs.input(Some(prompt.clone()));
        outputs.clear(false);
        assert_eq!(outputs.asks(), Some(&prompt));
        outputs.input(None);
        assert_eq!(outputs.asks(), None);
        assert_eq!(outputs.since(0).len(), 2);
    }
}
