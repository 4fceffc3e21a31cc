//! One process of a server as the relay sees it: what was asked of it and by whom, under ids of
//! our own, and which sessions are with it. Its lives are in `life`, what it says in `incoming`.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use wire::mcp::{McpDirection, McpKind};

use super::{
    message::{self, Answer, Message, code},
    queue::{Outgoing, Sink},
    server::{Core, NotReady},
    server_without_sessions::Rounds,
    session::{Level, Session},
    traces::Told,
};

/// Requests that may wait for their answer.
const MOST_PENDING: usize = 4096;
/// Bytes that may wait for a server that does not read.
const MOST_UNSENT: usize = 256 << 20;

/// How it stands.
#[derive(Clone, Debug)]
pub enum State {
    Idle,
    Missing,
    Starting {
        pid: Option<u32>,
        since_ms: u64,
    },
    Ready {
        pid: Option<u32>,
        since_ms: u64,
        hello: Arc<Hello>,
    },
    Backoff {
        retry_in_ms: u64,
    },
    /// For good.
    Over,
}

/// What the server answered to `initialize`.
#[derive(Debug)]
pub struct Hello {
    pub result: Bytes,
    pub version: String,
    pub capabilities: Value,
    pub server_info: Value,
    pub instructions: Option<String>,
}

/// What a process is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// End it and start it again.
    Restart,
    /// End it, and start it when it is needed.
    Halt,
    /// End it for good.
    Stop,
}

/// Who gets an answer.
pub enum To {
    Client(Sink),
    Us(oneshot::Sender<Answer>),
    Nobody,
}

/// A request that waits for its answer.
pub struct Pending {
    pub session: Option<Weak<Session>>,
    pub session_id: Option<Arc<str>>,
    /// As the client wrote it.
    pub id: Box<str>,
    pub method: Arc<str>,
    /// As the client wrote it.
    pub progress: Option<Box<str>>,
    pub begun: Instant,
    /// Whether it was asked of a life before.
    pub again: bool,
    /// What was asked, where the server may want to be asked again with more.
    pub text: Option<Bytes>,
    pub to: To,
}

impl Pending {
    /// Of the relay itself.
    pub(super) fn ours(number: u64, method: &str, to: To) -> Self {
        Self {
            session: None,
            session_id: None,
            id: number.to_string().into(),
            method: method.into(),
            progress: None,
            begun: Instant::now(),
            again: false,
            text: None,
            to,
        }
    }
}

/// Who asks, and who is answered.
pub struct Asker<'a> {
    pub session: Option<&'a Arc<Session>>,
    pub to: To,
}

#[derive(Default)]
pub(super) struct Table {
    next: u64,
    pub pending: HashMap<u64, Pending>,
    /// To the process; none until it is ready.
    pub(super) line: Option<mpsc::UnboundedSender<Bytes>>,
    /// What waits for it to be ready.
    pub(super) held: Vec<(u64, Bytes)>,
    /// What waits for the next life of it.
    pub(super) again: Vec<(u64, Bytes)>,
    pub level: Option<Level>,
    pub subscribed: HashSet<String>,
    pub sessions: HashMap<Arc<str>, Weak<Session>>,
    pub restarts: u64,
    pub last_exit: Option<i32>,
    pub problem: Option<String>,
    /// Starts that failed, ever.
    pub(super) failures: u64,
    pub(super) life: u32,
    /// Whether this life was told `notifications/initialized`.
    pub(super) told: bool,
}

/// A process of a server.
pub struct Upstream {
    pub core: Arc<Core>,
    /// Whose it is alone; none where it is shared.
    pub owner: Option<Weak<Session>>,
    /// Params of `initialize`.
    pub hello: String,
    pub(super) state: watch::Sender<State>,
    pub(super) table: Mutex<Table>,
    pub(super) wanted: Notify,
    orders: mpsc::UnboundedSender<Order>,
    pub(super) unsent: Arc<AtomicUsize>,
    /// The owner said `notifications/initialized`.
    pub(super) greeted: AtomicBool,
    /// Whether this life speaks only the revision without sessions, and what is known for it.
    pub(super) stateless: AtomicBool,
    pub(super) rounds: Mutex<Rounds>,
}

impl Upstream {
    /// One that does not run yet, and what its keeper reads orders from.
    pub fn new(
        core: Arc<Core>,
        owner: Option<Weak<Session>>,
        hello: String,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Order>) {
        let (orders, inbox) = mpsc::unbounded_channel();
        let table = Table {
            next: 1,
            ..Table::default()
        };
        let upstream = Self {
            core,
            owner,
            hello,
            state: watch::Sender::new(State::Idle),
            table: Mutex::new(table),
            wanted: Notify::new(),
            orders,
            unsent: Arc::default(),
            greeted: AtomicBool::new(false),
            stateless: AtomicBool::new(false),
            rounds: Mutex::default(),
        };
        (Arc::new(upstream), inbox)
    }

    /// Tells its keeper; one that is over needs no order.
    pub fn order(&self, order: Order) {
        let _ = self.orders.send(order);
    }

    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    pub fn is_over(&self) -> bool {
        matches!(*self.state.borrow(), State::Over)
    }

    pub fn in_flight(&self) -> usize {
        self.table().pending.len()
    }

    /// Counts its processes.
    pub fn life(&self) -> u32 {
        self.table().life
    }

    pub fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock()
    }

    /// Waits until it is ready, and starts it where it does not run.
    pub async fn ready(&self) -> Result<Arc<Hello>, NotReady> {
        let failures = self.table().failures;
        let mut state = self.state.subscribe();
        let removed = || NotReady::Removed(Arc::clone(&self.core.name));
        self.wanted.notify_one();
        loop {
            match &*state.borrow_and_update() {
                State::Ready { hello, .. } => return Ok(Arc::clone(hello)),
                State::Over => return Err(removed()),
                _ => {}
            }
            if !self.core.enabled() {
                return Err(NotReady::Off(Arc::clone(&self.core.name)));
            }
            {
                let table = self.table();
                if table.failures > failures {
                    let problem = table.problem.clone().unwrap_or_default();
                    return Err(NotReady::Failed(problem));
                }
            }
            if state.changed().await.is_err() {
                return Err(removed());
            }
        }
    }

    /// Passes a client's request on. `cuts` are places of its text to replace.
    pub fn call(
        &self,
        asker: Asker<'_>,
        message: &Message,
        cuts: &[(Range<usize>, &str)],
    ) -> Result<u64, Answer> {
        let id = message.id().unwrap_or("null");
        let refused = |text: String| Answer::refusal(id, code::SERVER_GONE, &text);
        let fields = message
            .fields()
            .map_err(|error| Answer::refusal(id, error.code(), &error.to_string()))?;
        let token = fields.progress_token;
        let method = message.method.clone().unwrap_or_else(|| "".into());
        if !self.core.enabled() {
            return Err(refused(self.core.says("is turned off")));
        }
        if let Some(answer) = self.answered_here(message.method(), id) {
            return Err(answer);
        }
        self.core.stats.call();
        let number = {
            let mut table = self.table();
            if table.pending.len() >= MOST_PENDING
                || self.unsent.load(Ordering::Relaxed) > MOST_UNSENT
            {
                drop(table);
                self.core.stats.failed();
                return Err(refused(self.core.says("is overloaded; try again later")));
            }
            let number = table.take_number();
            let ours = number.to_string();
            let mut cuts = cuts.to_vec();
            if let Some(token) = token.clone() {
                cuts.push((token, &ours));
            }
            let text = message.with(Some(&ours), &cuts);
            let pending = Pending {
                session: asker.session.map(Arc::downgrade),
                session_id: asker.session.map(|session| Arc::clone(&session.id)),
                id: id.into(),
                method: Arc::clone(&method),
                progress: token.map(|token| message.at(token).into()),
                begun: Instant::now(),
                again: false,
                text: self.owner.is_some().then(|| text.clone()),
                to: asker.to,
            };
            table.pending.insert(number, pending);
            self.send(&mut table, number, text);
            number
        };
        self.tell(&Told {
            session: asker.session.map(|session| &session.id),
            id: Some(id),
            ..self.told(McpDirection::ClientToServer, message)
        });
        Ok(number)
    }

    /// Asks in the relay's own name.
    pub fn ask(&self, method: &str, params: &str, to: To) -> u64 {
        let mut table = self.table();
        let number = table.take_number();
        if self.answered_here(method, "0").is_some() {
            return number;
        }
        let text = message::request(number, method, params);
        let pending = Pending::ours(number, method, to);
        table.pending.insert(number, pending);
        self.send(&mut table, number, text.clone());
        drop(table);
        if method == "ping" {
            return number;
        }
        self.tell_text(
            McpKind::Request,
            McpDirection::ClientToServer,
            Some(&method.into()),
            &text,
        );
        number
    }

    /// Nobody waits for an answer any more: the server is told.
    pub fn abandon(&self, number: u64, reason: &str) {
        let mut table = self.table();
        let Some(pending) = table.pending.remove(&number) else {
            return;
        };
        let held = table.held.iter().position(|(held, _)| *held == number);
        if let Some(place) = held {
            table.held.remove(place);
        }
        drop(table);
        if let To::Client(sink) = pending.to {
            // Who vanished does not hear it.
            let _ = sink.put(Outgoing::Cancelled);
        }
        if held.is_some() || &*pending.method == "initialize" {
            return;
        }
        let reason = Value::from(reason);
        let params = format!(r#"{{"requestId":{number},"reason":{reason}}}"#);
        self.notify("notifications/cancelled", Some(&params));
    }

    /// A client cancels a request by the id it knows; whether there was one.
    pub fn cancel(&self, session: &Session, id: &str, reason: &str) -> bool {
        let number = {
            let table = self.table();
            let found = table.pending.iter().find(|(_, pending)| {
                *pending.id == *id && pending.session_id.as_ref() == Some(&session.id)
            });
            found.map(|(number, _)| *number)
        };
        if let Some(number) = number {
            self.abandon(number, reason);
        }
        number.is_some()
    }

    /// Tells the server something in the relay's name.
    pub fn notify(&self, method: &str, params: Option<&str>) {
        let text = message::notification(method, params);
        self.tell_text(
            McpKind::Notification,
            McpDirection::ClientToServer,
            Some(&method.into()),
            &text,
        );
        self.pass(text);
    }

    /// Passes a text to the process that runs; one that does not run need not hear it.
    pub fn pass(&self, text: Bytes) {
        let table = self.table();
        if let Some(line) = &table.line
            && let Some(text) = self.as_spoken(&table, text)
        {
            self.unsent.fetch_add(text.len(), Ordering::Relaxed);
            let _ = line.send(text);
        }
    }

    /// A text in the revision that the server speaks; none if it has no such message.
    fn as_spoken(&self, table: &Table, text: Bytes) -> Option<Bytes> {
        if self.is_stateless() {
            self.translated(text, table.level.map(Level::name))
        } else {
            Some(text)
        }
    }

    pub(super) fn send(&self, table: &mut Table, number: u64, text: Bytes) {
        if let Some(line) = &table.line {
            let Some(text) = self.as_spoken(table, text) else {
                return;
            };
            self.unsent.fetch_add(text.len(), Ordering::Relaxed);
            // A process that just ended fails all that is pending.
            let _ = line.send(text);
        } else {
            table.held.push((number, text));
            self.wanted.notify_one();
        }
    }

    /// The owner said `notifications/initialized`.
    pub fn greet(&self) {
        self.greeted.store(true, Ordering::Relaxed);
        let due = {
            let mut table = self.table();
            table.line.is_some() && !std::mem::replace(&mut table.told, true)
        };
        if due {
            self.notify("notifications/initialized", None);
        }
    }

    pub(super) fn told<'a>(&'a self, direction: McpDirection, message: &'a Message) -> Told<'a> {
        Told {
            server: &self.core.name,
            session: None,
            direction,
            kind: message.kind,
            method: message.method.as_ref(),
            id: message.id(),
            text: &message.text,
            duration: None,
            redact: self.core.redact(),
        }
    }

    pub(super) fn tell(&self, told: &Told<'_>) {
        self.core.common.traces.tell(told);
    }

    pub(super) fn tell_text(
        &self,
        kind: McpKind,
        direction: McpDirection,
        method: Option<&Arc<str>>,
        text: &[u8],
    ) {
        self.tell(&Told {
            server: &self.core.name,
            session: None,
            direction,
            kind,
            method,
            id: None,
            text,
            duration: None,
            redact: self.core.redact(),
        });
    }
}

impl Table {
    pub(super) fn take_number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }
}
