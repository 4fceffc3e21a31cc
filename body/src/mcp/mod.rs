//! The MCP endpoint: servers that speak over pipes, shared by clients that speak HTTP. It owns the
//! servers' processes, and none of them outlives it.
//!
//! Start reading at `http`, the routes, and at `server` and `upstream`: a server, and one process of it.
//!
//! - `run`, `http`: the thread that all of it runs in, and its routes
//! - `config`, `config_file`, `jsonc`: which servers there are, a file that says so, JSON as people write it
//! - `entry`, `entry_form`, `builtin`: a server's entry, the forms that clients have for it, our own servers
//! - `server`, `upstream`, `members`, `life`, `opening`, `incoming`, `again`: a server, its process, the
//!   sessions with it, its starts, its handshake, what it says, and requests that are asked again
//! - `server_without_sessions`: one that speaks only the revision without them
//! - `link`, `process`, `lines`, `remote`: what carries the conversation: pipes, or HTTP to one elsewhere
//! - `session`, `session_store`, `dispatch`: a client, what outlives the relay, and what it says
//! - `aggregate`, `all_servers`, `listing`: all servers as one, how they are asked, and their lists
//! - `filter`, `tool_names`: what of them is shown, and under which names
//! - `streamable`, `stateless`, `listen`, `rounds`, `sse`: the revisions of the protocol over HTTP
//! - `reply`, `resume`, `mailbox`, `queue`: how answers go back, also to a client that comes back
//! - `message`, `version`, `traces`, `stats`: messages as text, revisions, the last messages, counts

mod again;
mod aggregate;
mod all_servers;
mod builtin;
mod config;
mod config_file;
mod dispatch;
mod entry;
mod entry_form;
mod filter;
pub mod http;
mod incoming;
mod jsonc;
mod life;
mod lines;
mod link;
mod listen;
mod listing;
mod mailbox;
mod members;
mod message;
mod opening;
mod process;
mod queue;
mod remote;
mod reply;
mod resume;
mod rounds;
pub mod run;
mod server;
mod server_without_sessions;
mod session;
mod session_store;
mod sse;
mod stateless;
mod stats;
mod streamable;
mod tool_names;
mod traces;
mod upstream;
mod version;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use futures_util::{Stream, StreamExt};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use wire::{body::ServiceStatus, mcp::McpStatus};

use self::{
    config::Config,
    rounds::Rounds,
    server::{Common, NotReady, Server},
    session::Session,
    session_store::SessionStore,
    tool_names::ListedNames,
    traces::Traces,
    upstream::Order,
};
use crate::watch::{Of, Watch};

/// What the client of a session is told that goes on after a restart.
const RESTARTED: &str = "The machine was restarted. This session continues, but its servers were restarted, too: what they \
    held in memory is lost, and calls that were running were not answered.";

/// A session in use is written down so often.
const KEPT_EVERY: Duration = Duration::from_secs(5 * 60);

/// A server has so long to be ready again.
const RESTART: Duration = Duration::from_secs(30);

/// The relay.
pub struct Relay {
    config: Config,
    common: Arc<Common>,
    servers: Mutex<BTreeMap<String, Arc<Server>>>,
    sessions: Mutex<HashMap<Arc<str>, Arc<Session>>>,
    /// What outlives this relay.
    store: SessionStore,
    /// A session began.
    begun: Notify,
    /// Of clients without sessions that answer questions.
    rounds: Rounds,
    /// At the endpoint over all servers.
    names: ListedNames,
}

impl Relay {
    /// Knows its servers, and starts none.
    pub fn new(config: Config, common: Common, store: SessionStore) -> Arc<Self> {
        let relay = Arc::new(Self {
            config,
            common: Arc::new(common),
            store,
            servers: Mutex::default(),
            sessions: Mutex::default(),
            begun: Notify::new(),
            rounds: Rounds::default(),
            names: ListedNames::default(),
        });
        relay.apply();
        relay
    }

    /// Makes the servers those of the configuration.
    pub fn apply(&self) {
        let configured = self.config.servers();
        let mut gone = Vec::new();
        let mut servers = self.servers.lock();
        servers.retain(|name, server| {
            let stays = configured.contains_key(name);
            if !stays {
                gone.push(Arc::clone(server));
            }
            stays
        });
        let new = !gone.is_empty() || configured.keys().any(|name| !servers.contains_key(name));
        for (name, one) in configured {
            match servers.get(&name) {
                Some(server) => server.configure(one),
                None => {
                    let server = Server::new(&name, one, &self.common);
                    servers.insert(name, server);
                }
            }
        }
        drop(servers);
        for server in gone {
            server.order(Order::Stop);
            for session in self.all_sessions() {
                if session.server.as_ref() == Some(&server.core.name) {
                    self.end(&session);
                }
            }
        }
        if new {
            self.common.lists.notify_waiters();
        }
    }

    /// Keeps the files, the sessions and the logs in order, until it is stopped.
    pub async fn tend(self: Arc<Self>) {
        self.store.sweep(self.common.limits.idle + KEPT_EVERY);
        let files = self.config.folders();
        let mut files = Watch::new(files.iter().map(PathBuf::as_path), Of::Content);
        let mut look = tokio::time::interval(self.common.limits.look);
        loop {
            tokio::select! {
                () = self.common.stop.cancelled() => break,
                () = self.common.lists.notified() => {
                    for session in self.all_sessions() {
                        if session.server.is_none() {
                            lists_changed(&session);
                        }
                    }
                }
                () = files.changed() => if self.config.reread() {
                    self.apply();
                },
                // From now on there is something to look at.
                () = self.begun.notified() => {}
                _ = look.tick(), if self.has_clients() => self.tidy(),
            }
        }
        // What is kept of them stays: they go on with the next relay.
        for session in self.all_sessions() {
            self.remember(&session);
            session.end();
        }
    }

    fn has_clients(&self) -> bool {
        !self.sessions.lock().is_empty() || !self.rounds.is_empty()
    }

    /// Ends sessions that nobody uses.
    fn tidy(&self) {
        self.rounds.tidy();
        let limits = &self.common.limits;
        let mut idle: Vec<(Duration, Arc<Session>)> = Vec::new();
        let mut sessions = self.sessions.lock();
        sessions.retain(|_, session| {
            if session.has_ended() {
                self.store.remove(&session.id);
            }
            !session.has_ended()
        });
        let now: Vec<_> = sessions.values().cloned().collect();
        let many = sessions.len().saturating_sub(limits.sessions);
        drop(sessions);
        for session in &now {
            self.remember(session);
            if let session::Channel::Mailbox(mailbox) = &session.channel {
                mailbox.tidy(limits.patience);
                for question in mailbox.overdue(limits.asking) {
                    dispatch::refuse(session, question);
                }
            }
            let Some(since) = session.idle() else {
                continue;
            };
            idle.push((since, Arc::clone(session)));
        }
        idle.sort_by_key(|(since, _)| std::cmp::Reverse(*since));
        for (place, (since, session)) in idle.iter().enumerate() {
            let own = session
                .upstreams()
                .iter()
                .any(|upstream| upstream.owner.is_some());
            if place < many || *since > if own { limits.idle_own } else { limits.idle } {
                self.end(session);
            }
        }
    }

    fn server(&self, name: &str) -> Option<Arc<Server>> {
        self.servers.lock().get(name).cloned()
    }

    fn servers(&self) -> Vec<Arc<Server>> {
        self.servers.lock().values().cloned().collect()
    }

    fn keep(&self, session: &Arc<Session>) {
        self.sessions
            .lock()
            .insert(Arc::clone(&session.id), Arc::clone(session));
        self.begun.notify_one();
    }

    /// A session, also one of an earlier life of the relay: it goes on with servers that are
    /// initialized anew.
    fn session(&self, id: &str) -> Option<Arc<Session>> {
        if let Some(session) = self.sessions.lock().get(id).cloned() {
            return (!session.has_ended()).then_some(session);
        }
        let limits = &self.common.limits;
        let kept = self.store.load(id, limits.idle + KEPT_EVERY)?;
        if let Some(server) = &kept.server {
            self.server(server)?;
        }
        let session = Session::taken_up(id.into(), kept);
        tracing::info!(
            server = session.server.as_deref(),
            "an MCP session goes on after a restart"
        );
        self.keep(&session);
        self.attach_subscribed(&session);
        if session.server.is_none() {
            // Servers may be others by now.
            lists_changed(&session);
        }
        session.deliver_notice(RESTARTED);
        Some(session)
    }

    /// A session that goes on hears of what it subscribed to before it asks for anything.
    fn attach_subscribed(&self, session: &Arc<Session>) {
        let addresses = session.subscriptions();
        let names = addresses.iter().filter_map(|uri| session.route(uri));
        let names: BTreeSet<String> = names.collect();
        for server in names.iter().filter_map(|name| self.server(name)) {
            let attached = session.attached(&server.core.name, || server.process(session));
            if let Err(error) = attached {
                tracing::warn!(%error, "an MCP session goes on without its subscriptions");
            }
        }
    }

    /// Writes a session down if that is due.
    fn remember(&self, session: &Session) {
        if session.has_ended() {
            return;
        }
        if let Some(kept) = session.to_keep(KEPT_EVERY) {
            self.store.save(&session.id, &kept);
        }
    }

    fn all_sessions(&self) -> Vec<Arc<Session>> {
        self.sessions.lock().values().cloned().collect()
    }

    fn end(&self, session: &Session) {
        self.sessions.lock().remove(&session.id);
        self.store.remove(&session.id);
        session.end();
    }

    fn traces(&self) -> &Traces {
        &self.common.traces
    }

    /// A stream that ends with the relay: else it would hold up its end.
    fn until_the_end<S: Stream>(&self, events: S) -> impl Stream<Item = S::Item> + use<S> {
        let stop: CancellationToken = self.common.stop.clone();
        events.take_until(Box::pin(async move { stop.cancelled().await }))
    }

    fn status(&self) -> McpStatus {
        let sessions = self.all_sessions();
        McpStatus {
            servers: self
                .servers()
                .iter()
                .map(|server| server.status())
                .collect(),
            files: self.config.files(),
            aggregate_sessions: sessions
                .iter()
                .filter(|session| session.server.is_none())
                .count() as u64,
            last_trace: *self.traces().last().borrow(),
            version: wire::VERSION.to_owned(),
        }
    }

    async fn restart(&self, server: &Server) -> Result<(), NotReady> {
        if !server.core.enabled() {
            return Err(NotReady::Off(Arc::clone(&server.core.name)));
        }
        let life = server.shared.life();
        server.order(Order::Restart);
        let again = async {
            let mut state = server.shared.state.subscribe();
            while server.shared.life() == life {
                if state.changed().await.is_err() {
                    break;
                }
                if matches!(server.shared.state(), upstream::State::Missing) {
                    break;
                }
            }
            server.shared.ready().await.map(drop)
        };
        tokio::time::timeout(RESTART, again)
            .await
            .unwrap_or_else(|_| Err(NotReady::Late(Arc::clone(&server.core.name))))
    }

    // What the machine's API asks.

    /// Lines of `GET /services`.
    pub fn services(&self) -> Vec<ServiceStatus> {
        self.servers()
            .iter()
            .filter_map(|server| server.service())
            .collect()
    }

    /// Whether there is a service of this name.
    pub fn has_service(&self, name: &str) -> bool {
        name.strip_prefix("mcp:")
            .is_some_and(|name| self.server(name).is_some())
    }

    /// Starts a server's processes anew; none where there is no service of this name.
    pub async fn restart_service(&self, name: &str) -> Option<Result<(), NotReady>> {
        let server = self.server(name.strip_prefix("mcp:")?)?;
        Some(self.restart(&server).await)
    }
}

fn lists_changed(session: &Session) {
    for what in ["tools", "resources", "prompts"] {
        let method = format!("notifications/{what}/list_changed");
        if session.hears(&method) {
            session.deliver(message::notification(&method, None));
        }
    }
}
