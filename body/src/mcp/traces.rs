//! The last messages that went through, numbered: a ring of bounded size that anybody may read
//! from any number on, and follow.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::{Mutex, MutexGuard};
use serde_json::{Value, json};
use tokio::sync::watch;
use wire::mcp::{McpDirection, McpKind, McpTrace, McpTracePage};

use super::message::Message;

/// Messages that are kept.
const MOST: usize = 4096;
/// Bytes of them that are kept.
const MOST_BYTES: usize = 16 << 20;
/// How much of a message is kept.
const LONGEST: usize = 64 << 10;
/// How much one page holds.
const PAGE: usize = 1000;

/// What is told of a message.
pub struct Told<'a> {
    pub server: &'a Arc<str>,
    pub session: Option<&'a Arc<str>>,
    pub direction: McpDirection,
    pub kind: McpKind,
    pub method: Option<&'a Arc<str>>,
    /// As it stands in the message.
    pub id: Option<&'a str>,
    pub text: &'a [u8],
    pub duration: Option<Duration>,
    /// Whether arguments and results are left out.
    pub redact: bool,
}

struct Kept {
    seq: u64,
    at_ms: u64,
    server: Arc<str>,
    session: Option<Arc<str>>,
    direction: McpDirection,
    kind: McpKind,
    method: Option<Arc<str>>,
    id: Option<Box<str>>,
    bytes: usize,
    duration: Option<Duration>,
    text: Box<[u8]>,
}

#[derive(Default)]
struct Ring {
    kept: VecDeque<Kept>,
    bytes: usize,
}

/// The ring.
pub struct Traces {
    ring: Mutex<Ring>,
    last: watch::Sender<u64>,
}

impl Traces {
    pub fn new() -> Self {
        Self {
            ring: Mutex::default(),
            last: watch::Sender::new(0),
        }
    }

    /// Keeps a message.
    pub fn tell(&self, told: &Told<'_>) {
        let text: Box<[u8]> = if told.redact {
            redacted(told).into_bytes().into()
        } else {
            told.text[..told.text.len().min(LONGEST)].into()
        };
        let mut ring = self.ring();
        let seq = *self.last.borrow() + 1;
        ring.bytes += text.len();
        ring.kept.push_back(Kept {
            seq,
            at_ms: now_ms(),
            server: Arc::clone(told.server),
            session: told.session.cloned(),
            direction: told.direction,
            kind: told.kind,
            method: told.method.cloned(),
            id: told.id.map(Box::from),
            bytes: told.text.len(),
            duration: told.duration,
            text,
        });
        while ring.kept.len() > MOST || ring.bytes > MOST_BYTES {
            if let Some(gone) = ring.kept.pop_front() {
                ring.bytes -= gone.text.len();
            }
        }
        // Under the ring's lock, so that numbers are in its order.
        self.last.send_replace(seq);
    }

    /// What came after a number, of all servers or of one; a page of it.
    pub fn after(&self, after: u64, server: Option<&str>) -> McpTracePage {
        let ring = self.ring();
        let newest = *self.last.borrow();
        // A number beyond the end is of a supervisor before this one.
        let after = if after > newest { 0 } else { after };
        let mut events = Vec::new();
        let mut last = newest;
        let begin = ring.kept.partition_point(|kept| kept.seq <= after);
        for kept in ring.kept.range(begin..) {
            if server.is_some_and(|server| *server != *kept.server) {
                continue;
            }
            if events.len() == PAGE {
                last = events.last().map_or(last, |event: &McpTrace| event.seq);
                break;
            }
            events.push(kept.shown());
        }
        McpTracePage { events, last }
    }

    /// The number of the last one, and word of the next.
    pub fn last(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock()
    }
}

impl Kept {
    fn shown(&self) -> McpTrace {
        let whole: Option<Value> = serde_json::from_slice(&self.text).ok();
        let truncated = whole.is_none();
        McpTrace {
            seq: self.seq,
            at_ms: self.at_ms,
            server: self.server.to_string(),
            session: self.session.as_deref().map(str::to_owned),
            direction: self.direction,
            kind: self.kind,
            method: self.method.as_deref().map(str::to_owned),
            id: self
                .id
                .as_deref()
                .and_then(|id| serde_json::from_str(id).ok()),
            bytes: self.bytes as u64,
            duration_ms: self.duration.map(|took| took.as_secs_f64() * 1e3),
            truncated,
            message: whole
                .unwrap_or_else(|| String::from_utf8_lossy(&self.text).into_owned().into()),
        }
    }
}

/// Which tool, resource or prompt, and nothing else.
fn redacted(told: &Told<'_>) -> String {
    const HIDDEN: &str = "•••";
    let id: Option<Value> = told.id.and_then(|id| serde_json::from_str(id).ok());
    let mut shown = json!({"jsonrpc": "2.0"});
    if let Some(id) = id {
        shown["id"] = id;
    }
    match told.kind {
        McpKind::Response => shown["result"] = HIDDEN.into(),
        McpKind::Error => shown["error"] = HIDDEN.into(),
        McpKind::Request | McpKind::Notification => {
            shown["method"] = told.method.map(|method| (**method).to_owned()).into();
            let message = Message::read(bytes::Bytes::copy_from_slice(told.text)).ok();
            let fields = message.as_ref().and_then(|message| message.fields().ok());
            let mut params = json!({"arguments": HIDDEN});
            if let (Some(message), Some(name)) = (message, fields.and_then(|fields| fields.name)) {
                params["name"] = serde_json::from_str(message.at(name)).unwrap_or_default();
            }
            shown["params"] = params;
        }
    }
    shown.to_string()
}

/// Now, in Unix milliseconds.
pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<'a>(server: &'a Arc<str>, text: &'a [u8], redact: bool) -> Told<'a> {
        Told {
            server,
            session: None,
            direction: McpDirection::ClientToServer,
            kind: McpKind::Request,
            method: None,
            id: Some("1"),
            text,
            duration: None,
            redact,
        }
    }

    #[test]
    fn the_ring_is_bounded_and_numbers_go_on() {
        let traces = Traces::new();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        traces.tell(&told(&a, br#"{"x":1}"#, false));
        traces.tell(&told(&b, br#"{"x":2}"#, false));
        let page = traces.after(0, Some("b"));
        assert_eq!((page.events.len(), page.last), (1, 2));
        assert_eq!(page.events[0].message, json!({"x": 2}));
        assert_eq!(traces.after(2, None).events.len(), 0);
        for _ in 0..MOST {
            traces.tell(&told(&a, b"{}", false));
        }
        let page = traces.after(0, None);
        assert_eq!((page.events[0].seq, page.events.len()), (3, PAGE));
        assert_eq!(page.last, 2 + PAGE as u64);
        let large = vec![b'x'; 200_000];
        for _ in 0..300 {
            traces.tell(&told(&a, &large, false));
        }
        let page = traces.after(MOST as u64 + 300, None);
        let event = page.events.last().unwrap();
        assert!(event.truncated && event.bytes == 200_000);
        assert_eq!(event.message.as_str().unwrap().len(), LONGEST);
        assert!(traces.ring().bytes <= MOST_BYTES);
    }

    #[test]
    fn redaction_leaves_the_name_and_nothing_else() {
        let traces = Traces::new();
        let text = br#"{"id":1,"method":"tools/call","params":{"name":"pay","arguments":{"card":"4111"}}}"#;
        traces.tell(&told(&"a".into(), text, true));
        let shown = traces.after(0, None).events[0].message.to_string();
        assert!(shown.contains("pay") && !shown.contains("4111"), "{shown}");
    }
}
