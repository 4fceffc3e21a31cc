//! A client's session: where its messages go, what it asked for, and which servers it is with.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio_util::sync::CancellationToken;

use super::{
    filter::Filter,
    mailbox::Mailbox,
    message::{self, Message},
    queue::{Full, Outgoing, Sink},
    session_store::KeptSession,
    upstream::Upstream,
    version,
};

/// How bad a log message is; as in syslog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Debug,
    Info,
    Notice,
    Warning,
    Error,
    Critical,
    Alert,
    Emergency,
}

impl Level {
    const NAMES: [(&'static str, Self); 8] = [
        ("debug", Self::Debug),
        ("info", Self::Info),
        ("notice", Self::Notice),
        ("warning", Self::Warning),
        ("error", Self::Error),
        ("critical", Self::Critical),
        ("alert", Self::Alert),
        ("emergency", Self::Emergency),
    ];

    /// From the word as it stands in a message, quoted.
    pub fn read(quoted: &str) -> Option<Self> {
        let word = quoted.trim_matches('"');
        Self::NAMES
            .iter()
            .find(|(name, _)| *name == word)
            .map(|(_, level)| *level)
    }

    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].0
    }
}

/// Where what is no answer to a POST goes.
pub enum Channel {
    /// To the event stream that the session is (HTTP+SSE of 2024-11-05).
    Stream(Sink),
    /// To the event stream that the client may open (Streamable HTTP).
    Mailbox(Mailbox),
}

/// What a client is, from its `initialize`.
#[derive(Clone, Debug, Default)]
pub struct Client {
    /// The params, as they came.
    pub hello: String,
    pub version: String,
    /// Whether it has something that a server may ask for: sampling, elicitation, roots.
    pub answers: bool,
}

/// A session.
pub struct Session {
    pub id: Arc<str>,
    /// Name of its server; none where it is over all of them.
    pub server: Option<Arc<str>>,
    /// Known from `initialize` on.
    client: OnceLock<Client>,
    /// What it sees of all servers.
    pub filter: Filter,
    pub channel: Channel,
    /// Notifications it is told of; all of them where it did not say.
    hears: Option<Vec<&'static str>>,
    ended: CancellationToken,
    inner: Mutex<Inner>,
    /// Requests that are being answered.
    busy: AtomicUsize,
    /// The client said `notifications/initialized`.
    greeted: AtomicBool,
    /// Whether it began in an earlier life of the relay.
    pub taken_up: bool,
}

struct Inner {
    used: Instant,
    /// When it was written to the disk; none if it has changed since.
    saved: Option<Instant>,
    level: Option<Level>,
    subscribed: HashSet<String>,
    attached: BTreeMap<String, Arc<Upstream>>,
    /// Over all servers: which one has a resource.
    routes: HashMap<String, String>,
    /// What servers asked the client, by the id that the client knows.
    asked: HashMap<u64, Asked>,
    next: u64,
}

/// A server's request to the client.
struct Asked {
    upstream: Weak<Upstream>,
    /// Of the process that asked.
    life: u32,
    id: Box<str>,
}

impl Session {
    pub fn new(
        id: Arc<str>,
        server: Option<Arc<str>>,
        client: Option<Client>,
        filter: Filter,
        channel: Channel,
    ) -> Arc<Self> {
        Arc::new(Self::made(id, server, client, filter, channel))
    }

    /// One that goes on after an earlier life of the relay, under the same id.
    pub fn taken_up(id: Arc<str>, kept: KeptSession) -> Arc<Self> {
        let client = Client {
            hello: kept.hello,
            version: kept.version,
            answers: kept.answers,
        };
        let channel = Channel::Mailbox(Mailbox::default());
        let server = kept.server.map(Arc::from);
        let session = Self {
            greeted: AtomicBool::new(kept.greeted),
            taken_up: true,
            ..Self::made(id, server, Some(client), kept.filter, channel)
        };
        {
            let mut inner = session.inner();
            let level = kept.level.as_deref();
            inner.level = level.and_then(Level::read);
            inner.routes.extend(kept.subscribed.iter().cloned());
            let addresses = kept.subscribed.into_iter().map(|(uri, _)| uri);
            inner.subscribed.extend(addresses);
        }
        Arc::new(session)
    }

    /// What is kept of it, if it has changed or was used for so long since it was written; none of
    /// one that ends with its connection or its request.
    pub fn to_keep(&self, every: std::time::Duration) -> Option<KeptSession> {
        let Channel::Mailbox(_) = &self.channel else {
            return None;
        };
        let client = self.client().filter(|_| !self.is_stateless())?;
        let mut inner = self.inner();
        let due = match inner.saved {
            None => true,
            Some(saved) => saved.elapsed() >= every && inner.used > saved,
        };
        if !due {
            return None;
        }
        inner.saved = Some(Instant::now());
        let server_of = |uri: &String| {
            let known = inner.routes.get(uri).cloned();
            known.or_else(|| self.server.as_deref().map(str::to_owned))
        };
        let subscribed = inner.subscribed.iter();
        let subscribed = subscribed.filter_map(|uri| Some((uri.clone(), server_of(uri)?)));
        Some(KeptSession {
            server: self.server.as_deref().map(str::to_owned),
            hello: client.hello.clone(),
            version: client.version.clone(),
            answers: client.answers,
            filter: self.filter.clone(),
            greeted: self.has_greeted(),
            level: inner.level.map(|level| level.name().to_owned()),
            subscribed: subscribed.collect(),
        })
    }

    /// The client said `notifications/initialized`.
    pub fn greet(&self) {
        if !self.greeted.swap(true, Ordering::Relaxed) {
            self.inner().saved = None;
        }
    }

    pub fn has_greeted(&self) -> bool {
        self.greeted.load(Ordering::Relaxed)
    }

    /// One that is told of these notifications alone.
    pub fn hearing(
        id: Arc<str>,
        server: Option<Arc<str>>,
        client: Client,
        filter: Filter,
        channel: Channel,
        hears: Vec<&'static str>,
    ) -> Arc<Self> {
        Arc::new(Self {
            hears: Some(hears),
            ..Self::made(id, server, Some(client), filter, channel)
        })
    }

    fn made(
        id: Arc<str>,
        server: Option<Arc<str>>,
        client: Option<Client>,
        filter: Filter,
        channel: Channel,
    ) -> Self {
        Self {
            id,
            server,
            client: client.map(OnceLock::from).unwrap_or_default(),
            filter,
            channel,
            hears: None,
            ended: CancellationToken::new(),
            inner: Mutex::new(Inner {
                used: Instant::now(),
                saved: None,
                level: None,
                subscribed: HashSet::new(),
                attached: BTreeMap::new(),
                routes: HashMap::new(),
                asked: HashMap::new(),
                next: 1,
            }),
            busy: AtomicUsize::new(0),
            greeted: AtomicBool::new(false),
            taken_up: false,
        }
    }

    /// Whether it is told of such notifications.
    pub fn hears(&self, method: &str) -> bool {
        self.hears
            .as_ref()
            .is_none_or(|hears| hears.contains(&method))
    }

    /// Who the client is; none before its `initialize`.
    pub fn client(&self) -> Option<&Client> {
        self.client.get()
    }

    /// It said who it is; false where it did so before.
    pub fn introduce(&self, client: Client) -> bool {
        self.client.set(client).is_ok()
    }

    /// Sends the client what answers no request of its own; one who does not read ends.
    pub fn deliver(&self, text: Bytes) {
        self.end_if_stuck(match &self.channel {
            Channel::Stream(sink) => sink.put(Outgoing::Note(text)),
            Channel::Mailbox(mailbox) => mailbox.put(text),
        });
    }

    /// Tells the client something as a log message of the relay's own.
    pub fn deliver_notice(&self, text: &str) {
        if self.level().is_none_or(|level| level <= Level::Notice) {
            let params = serde_json::json!({"level": "notice", "logger": "vivarium", "data": text});
            let params = params.to_string();
            self.deliver(message::notification(
                "notifications/message",
                Some(&params),
            ));
        }
    }

    /// Sends the client what a server asks of it.
    pub fn deliver_request(&self, text: Bytes) {
        match &self.channel {
            Channel::Mailbox(mailbox) if self.is_stateless() => {
                self.end_if_stuck(mailbox.put_request(text));
            }
            _ => self.deliver(text),
        }
    }

    /// Whether its client speaks the revision without sessions: it stands for all its requests.
    pub fn is_stateless(&self) -> bool {
        let client = self.client();
        client.is_some_and(|client| client.version == version::STATELESS)
    }

    fn end_if_stuck(&self, put: Result<(), Full>) {
        if put == Err(Full::Stuck) {
            tracing::warn!(
                session = &*self.id,
                "a client does not read; its session ends"
            );
            self.end();
        }
    }

    /// Ends it: nothing that was its own outlives it.
    pub fn end(&self) {
        self.ended.cancel();
        if let Channel::Mailbox(mailbox) = &self.channel {
            mailbox.forget();
        }
        let attached = std::mem::take(&mut self.inner().attached);
        for upstream in attached.into_values() {
            upstream.detach(self);
        }
    }

    pub fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }

    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// The server's process that this session is with, made where there is none yet.
    pub fn attached<E>(
        self: &Arc<Self>,
        server: &str,
        make: impl FnOnce() -> Result<Arc<Upstream>, E>,
    ) -> Result<Arc<Upstream>, E> {
        if let Some(upstream) = self.inner().attached.get(server)
            && !upstream.is_over()
        {
            return Ok(Arc::clone(upstream));
        }
        let upstream = make()?;
        upstream.attach(self);
        if self.taken_up {
            // The client said and asked all this in the earlier life.
            if self.has_greeted() {
                upstream.greet();
            }
            upstream.subscribe_again(self);
        }
        self.inner()
            .attached
            .insert(server.to_owned(), Arc::clone(&upstream));
        if self.has_ended() {
            self.end();
        }
        Ok(upstream)
    }

    /// Every process it is with.
    pub fn upstreams(&self) -> Vec<Arc<Upstream>> {
        self.inner().attached.values().cloned().collect()
    }

    /// A server asks the client: the id it does so under.
    pub fn ask(&self, upstream: &Arc<Upstream>, life: u32, id: &str) -> u64 {
        let mut inner = self.inner();
        let number = inner.next;
        inner.next += 1;
        let asked = Asked {
            upstream: Arc::downgrade(upstream),
            life,
            id: id.into(),
        };
        inner.asked.insert(number, asked);
        number
    }

    /// The client answers: whom, and under which id. None where nobody asked, or is there any more.
    pub fn answered(&self, id: &str) -> Option<(Arc<Upstream>, Box<str>)> {
        let asked = self.inner().asked.remove(&id.parse().ok()?)?;
        let upstream = asked.upstream.upgrade()?;
        (upstream.life() == asked.life).then_some((upstream, asked.id))
    }

    /// A server no longer wants an answer: the id that the client knows it by.
    pub fn withdrawn(&self, id: &str) -> Option<u64> {
        let mut inner = self.inner();
        let number = inner
            .asked
            .iter()
            .find(|(_, asked)| &*asked.id == id)
            .map(|(number, _)| *number)?;
        inner.asked.remove(&number);
        Some(number)
    }

    /// Which server has a resource, as its lists said.
    pub fn route(&self, uri: &str) -> Option<String> {
        self.inner().routes.get(uri).cloned()
    }

    /// A server listed these resources.
    pub fn learn(&self, routes: impl IntoIterator<Item = (String, String)>) {
        self.inner().routes.extend(routes);
    }

    pub fn level(&self) -> Option<Level> {
        self.inner().level
    }

    pub fn set_level(&self, level: Level) {
        let mut inner = self.inner();
        inner.level = Some(level);
        inner.saved = None;
    }

    pub fn subscribe(&self, uri: &str) {
        let mut inner = self.inner();
        inner.subscribed.insert(uri.to_owned());
        inner.saved = None;
    }

    pub fn unsubscribe(&self, uri: &str) {
        let mut inner = self.inner();
        inner.subscribed.remove(uri);
        inner.saved = None;
    }

    pub fn is_subscribed(&self, uri: &str) -> bool {
        self.inner().subscribed.contains(uri)
    }

    pub fn subscriptions(&self) -> Vec<String> {
        self.inner().subscribed.iter().cloned().collect()
    }

    /// Whether the client wants a log message of this level; `asked` says whether anybody asked
    /// for a level: then one who did not gets the usual ones.
    pub fn wants(&self, message: &Message, asked: bool) -> bool {
        let fields = message.fields().unwrap_or_default();
        let level = fields
            .level
            .and_then(|place| Level::read(message.at(place)));
        let wanted = self.level().or(asked.then_some(Level::Info));
        match (level, wanted) {
            (Some(level), Some(wanted)) => level >= wanted,
            _ => true,
        }
    }

    /// Marks it as used, for as long as the mark lives.
    pub fn busy(self: &Arc<Self>) -> Busy {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.inner().used = Instant::now();
        Busy(Arc::clone(self))
    }

    /// How long nobody used it; none while somebody does.
    pub fn idle(&self) -> Option<std::time::Duration> {
        let reads = match &self.channel {
            Channel::Stream(_) => true,
            Channel::Mailbox(mailbox) => mailbox.is_read(),
        };
        let busy = reads || self.busy.load(Ordering::Relaxed) > 0;
        (!busy).then(|| self.inner().used.elapsed())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

/// A session in use.
pub struct Busy(Arc<Session>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
        self.0.inner().used = Instant::now();
    }
}
