//! What a command writes, as server-sent events: numbered, as text or as bytes in base64.

use std::{convert::Infallible, time::Duration};

use axum::{
    http::HeaderMap,
    response::sse::{Event, KeepAlive, Sse},
};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::{Stream, StreamExt, future, stream};
use sandbox::{Exec, ExecEvent, ExecEventKind};
use serde_json::{Value, json};

use super::Refusal;
use crate::TextReader;

/// Shows a client behind a sleeping network that the stream lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How bytes are written in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Encoding {
    /// `text`; what is no UTF-8 is replaced.
    #[default]
    Text,
    /// `base64`.
    Base64,
}

impl Encoding {
    pub(super) fn of(name: Option<&str>) -> Result<Self, Refusal> {
        match name {
            None | Some("" | "text") => Ok(Self::Text),
            Some("base64") => Ok(Self::Base64),
            Some(_) => Err(Refusal::invalid(
                "invalid encoding: text or base64 was expected",
            )),
        }
    }
}

/// Whether a client wants events instead of one answer.
pub(super) fn wants_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all("accept").iter();
    let mut texts = accepted.filter_map(|value| value.to_str().ok());
    texts.any(|text| text.contains("text/event-stream"))
}

/// Events with keep-alives.
pub(super) fn sse<S>(events: S) -> Sse<impl Stream<Item = Result<Event, Infallible>>>
where
    S: Stream<Item = Event> + Send + 'static,
{
    Sse::new(events.map(Ok)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

/// A named event with its number, if it has one.
pub(super) fn event(name: &str, seq: Option<u64>, data: &Value) -> Event {
    let event = Event::default().event(name).data(data.to_string());
    match seq {
        Some(seq) => event.id(seq.to_string()),
        None => event,
    }
}

/// A command's events after a number; last its answer, as `done`, or why there is none, as `error`.
pub(super) fn of(
    exec: &Exec,
    after: u64,
    encoding: Encoding,
) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<>> {
    let started = json!({ "exec_id": exec.id(), "pid": exec.pid() });
    let mut writer = Writer::new(encoding);
    let events = exec.events(after);
    let events = events.flat_map(move |event| stream::iter(writer.write(event)));
    let waiting = exec.clone();
    let done = stream::once(async move {
        match waiting.answer().await {
            Ok(answer) => event("done", None, &json!(answer)),
            Err(error) => {
                let Refusal { code, message, .. } = error.into();
                event("error", None, &json!({ "code": code, "message": message }))
            }
        }
    });
    let events = events.chain(done);
    sse(stream::once(future::ready(event("started", None, &started))).chain(events))
}

/// Writes a command's events, cutting no character in two.
struct Writer {
    encoding: Encoding,
    out: TextReader,
    err: TextReader,
}

impl Writer {
    fn new(encoding: Encoding) -> Self {
        let (out, err) = (TextReader::default(), TextReader::default());
        Self { encoding, out, err }
    }

    fn write(&mut self, event: ExecEvent) -> Vec<Event> {
        let written = self.written(&event);
        let seq = Some(event.seq);
        let event = |(name, data): (&'static str, Value)| self::event(name, seq, &data);
        written.into_iter().map(event).collect()
    }

    fn written(&mut self, ExecEvent { seq, kind }: &ExecEvent) -> Vec<(&'static str, Value)> {
        let (name, bytes, text) = match kind {
            ExecEventKind::Stdout(bytes) => ("stdout", bytes, &mut self.out),
            ExecEventKind::Stderr(bytes) => ("stderr", bytes, &mut self.err),
            ExecEventKind::Pty(bytes) => ("pty", bytes, &mut self.out),
            ExecEventKind::Dropped { to } => {
                return vec![("dropped", json!({ "seq": seq, "to": to }))];
            }
            ExecEventKind::Ended(_) => {
                let rest = |name, text: &mut TextReader| {
                    let rest = text.rest();
                    (!rest.is_empty()).then(|| (name, json!({ "seq": seq, "text": rest })))
                };
                let rests = [rest("stdout", &mut self.out), rest("stderr", &mut self.err)];
                return rests.into_iter().flatten().collect();
            }
        };
        let data = match self.encoding {
            Encoding::Text => json!({ "seq": seq, "text": text.read(bytes) }),
            Encoding::Base64 => json!({ "seq": seq, "base64": BASE64_STANDARD.encode(bytes) }),
        };
        vec![(name, data)]
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn stdout(bytes: &[u8]) -> ExecEvent {
        let kind = ExecEventKind::Stdout(Bytes::copy_from_slice(bytes));
        ExecEvent { seq: 1, kind }
    }

    #[test]
    fn bytes_stay_as_they_are_in_base64() {
        let mut writer = Writer::new(Encoding::Base64);
        let written = writer.written(&stdout(b"\xff\0"));
        assert_eq!(written, [("stdout", json!({"seq": 1, "base64": "/wA="}))]);
        let mut writer = Writer::new(Encoding::Text);
        writer.written(&stdout("é".as_bytes().split_at(1).0));
        let exit = sandbox::Exit {
            code: 0,
            signal: None,
            timed_out: false,
            unseen: None,
        };
        let end = ExecEvent {
            seq: 2,
            kind: ExecEventKind::Ended(exit),
        };
        let rest = ("stdout", json!({"seq": 2, "text": "\u{fffd}"}));
        assert_eq!(writer.written(&end), [rest]);
    }

    #[test]
    fn events_are_for_those_who_accept_them() {
        let wants = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("accept", accept.parse().unwrap());
            wants_events(&headers)
        };
        assert!(wants("text/event-stream") && wants("application/json, text/event-stream"));
        assert!(!wants("*/*") && !wants_events(&HeaderMap::new()));
        assert!(Encoding::of(Some("hex")).is_err());
    }
}
