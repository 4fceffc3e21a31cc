//! A configured server: its entry, its counts, the process that clients share, and those that
//! belong to one session each.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::{Mutex, RwLock};
use serde_json::json;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{
    body::{Change, ServiceState, ServiceStatus},
    mcp::{McpServerEntry, McpServerState, McpServerStatus},
};

use super::{
    config::Configured,
    life,
    remote::http::Http,
    session::Session,
    stats::Stats,
    traces::Traces,
    upstream::{Order, State, Upstream},
    version,
};
use crate::changes::Changes;

/// So many times the processes of one session each may there be, with those that are ending.
const ENDING: usize = 4;

/// What clients may take, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Processes of one session each that a server may have.
    pub own_processes: usize,
    /// Sessions that are kept; beyond, those that nobody used for longest go.
    pub sessions: usize,
    /// A session that nobody used for so long is over; one with a process of its own sooner.
    pub idle: Duration,
    pub idle_own: Duration,
    /// A stream that broke may be taken up again for so long.
    pub patience: Duration,
    /// What a server asks while a client without a session waits for an answer that can't carry it
    /// is refused after so long.
    pub asking: Duration,
    /// One that does not list in this time is left out of the lists of all servers.
    pub listing: Duration,
    /// A process that was started may take so long to answer `initialize`: `npx` and its like
    /// fetch a program first, and say nothing meanwhile.
    pub start: Duration,
    /// One elsewhere is there, or is not.
    pub start_elsewhere: Duration,
    /// How often sessions are looked at, while there are any.
    pub look: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            own_processes: 16,
            sessions: 1024,
            idle: Duration::from_secs(60 * 60),
            idle_own: Duration::from_secs(15 * 60),
            patience: Duration::from_secs(30),
            asking: Duration::from_secs(3),
            listing: Duration::from_secs(15),
            start: Duration::from_secs(10 * 60),
            start_elsewhere: Duration::from_secs(60),
            look: Duration::from_secs(5),
        }
    }
}

/// What all servers share.
pub struct Common {
    pub traces: Traces,
    pub tasks: TaskTracker,
    /// Where processes are started: the relay's own thread, with which they end.
    pub runtime: tokio::runtime::Handle,
    pub stop: CancellationToken,
    pub changes: Option<Changes>,
    pub logs: PathBuf,
    /// How servers elsewhere are reached.
    pub http: Arc<Http>,
    pub limits: Limits,
    /// Tells sessions over all servers that lists are to be fetched anew.
    pub lists: tokio::sync::Notify,
}

/// What a process must know of its server.
pub struct Core {
    pub name: Arc<str>,
    pub common: Arc<Common>,
    pub stats: Stats,
    configured: RwLock<Configured>,
    /// How the shared process stands, for who is told of changes.
    shown: Mutex<Option<ServiceStatus>>,
    told: RwLock<Option<Weak<Upstream>>>,
    heard: Mutex<Heard>,
}

/// What a server said so far.
#[derive(Default)]
struct Heard {
    /// How it is to be used, as it said at its last start; none before the first one.
    instructions: Option<Option<String>>,
    /// What its lists say for nothing, by their methods.
    remarks: BTreeMap<&'static str, Vec<String>>,
    /// It was left out of a list.
    missed: bool,
}

impl Core {
    pub fn configured(&self) -> Configured {
        self.configured.read().clone()
    }

    pub fn entry(&self) -> McpServerEntry {
        self.configured().entry
    }

    pub fn enabled(&self) -> bool {
        !self.configured.read().entry.disabled
    }

    pub fn redact(&self) -> bool {
        self.configured.read().entry.redact
    }

    /// A sentence about it.
    pub fn says(&self, what: &str) -> String {
        format!("the MCP server {:?} {what}", &*self.name)
    }

    /// Name of its log, and of its service.
    pub fn service(&self) -> String {
        format!("mcp:{}", self.name)
    }

    pub fn log(&self) -> PathBuf {
        self.common.logs.join(format!("{}.log", self.service()))
    }

    /// The shared process stands elsewhere.
    pub fn changed(&self) {
        let (Some(changes), Some(upstream)) = (&self.common.changes, self.shared()) else {
            return;
        };
        if self.entry().url.is_some() {
            return;
        }
        let status = service_status(self, &upstream);
        let mut shown = self.shown.lock();
        if shown.as_ref() != Some(&status) {
            *shown = Some(status.clone());
            changes.tell(|| Change::Service { service: status });
        }
    }

    /// A process is ready: what it lists may be another, or was not there in time before.
    pub fn introduced(&self, upstream: &Upstream, instructions: Option<String>) {
        let missed = {
            let mut heard = self.heard.lock();
            heard.instructions = Some(instructions);
            std::mem::take(&mut heard.missed)
        };
        if upstream.life() > 1 || missed {
            self.common.lists.notify_waiters();
        }
    }

    /// How the server is to be used; none if it never ran.
    pub fn instructions(&self) -> Option<Option<String>> {
        self.heard.lock().instructions.clone()
    }

    /// It was left out of a list: who asked for that is told when it is ready.
    pub fn miss(&self) {
        self.heard.lock().missed = true;
    }

    /// What a list of its says for nothing.
    pub fn remark(&self, method: &'static str, remarks: Vec<String>) {
        self.heard.lock().remarks.insert(method, remarks);
    }

    fn remarks(&self) -> Vec<String> {
        let heard = self.heard.lock();
        heard.remarks.values().flatten().cloned().collect()
    }

    fn shared(&self) -> Option<Arc<Upstream>> {
        let told = self.told.read();
        told.as_ref()?.upgrade()
    }
}

/// A session can't have a process of its own.
#[derive(Debug, thiserror::Error)]
pub enum NoProcess {
    #[error(
        "the MCP server {server:?} has reached the limit of {most} processes, and all of them are in use; close a session first"
    )]
    TooMany { server: String, most: usize },
}

/// Why a server is not ready.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    #[error("the MCP server {0:?} is turned off")]
    Off(Arc<str>),
    #[error("the MCP server {0:?} was removed")]
    Removed(Arc<str>),
    #[error("the MCP server {0:?} is not ready yet; see its log")]
    Late(Arc<str>),
    /// What its last start came to, whole.
    #[error("{0}")]
    Failed(String),
}

/// A server.
pub struct Server {
    pub core: Arc<Core>,
    pub shared: Arc<Upstream>,
    own: Mutex<Vec<Arc<Upstream>>>,
}

impl Server {
    pub fn new(name: &str, configured: Configured, common: &Arc<Common>) -> Arc<Self> {
        let core = Arc::new(Core {
            name: name.into(),
            common: Arc::clone(common),
            stats: Stats::default(),
            configured: RwLock::new(configured),
            shown: Mutex::default(),
            told: RwLock::default(),
            heard: Mutex::default(),
        });
        let hello = json!({
            "protocolVersion": version::NEWEST_WITH_SESSIONS,
            "capabilities": {},
            "clientInfo": {"name": "vivarium", "title": "Vivarium", "version": wire::VERSION},
        });
        let (shared, orders) = Upstream::new(Arc::clone(&core), None, hello.to_string());
        *core.told.write() = Some(Arc::downgrade(&shared));
        let keeping = life::keep(Arc::clone(&shared), orders);
        common.tasks.spawn_on(keeping, &common.runtime);
        Arc::new(Self {
            core,
            shared,
            own: Mutex::default(),
        })
    }

    /// The process that a session is with: the shared one, or one of its own.
    pub fn process(&self, session: &Arc<Session>) -> Result<Arc<Upstream>, NoProcess> {
        let client = session.client().cloned().unwrap_or_default();
        if !client.answers && !self.core.entry().isolate {
            return Ok(Arc::clone(&self.shared));
        }
        let common = &self.core.common;
        self.make_room(common.limits.own_processes)?;
        let (upstream, orders) = Upstream::new(
            Arc::clone(&self.core),
            Some(Arc::downgrade(session)),
            client.hello,
        );
        let keeping = life::keep(Arc::clone(&upstream), orders);
        common.tasks.spawn_on(keeping, &common.runtime);
        self.own.lock().push(Arc::clone(&upstream));
        Ok(upstream)
    }

    /// Makes room for one more process of one session: of those that nobody uses, the session that
    /// nobody used for longest ends. Clients that are gone rarely say so.
    fn make_room(&self, most: usize) -> Result<(), NoProcess> {
        let (owners, processes): (Vec<Arc<Session>>, usize) = {
            let mut own = self.own.lock();
            own.retain(|upstream| !upstream.is_over());
            let owners = own.iter().filter_map(|upstream| upstream.owner.as_ref());
            let owners = owners.filter_map(Weak::upgrade);
            let owners = owners.filter(|owner| !owner.has_ended()).collect();
            (owners, own.len())
        };
        let too_many = || NoProcess::TooMany {
            server: self.core.name.to_string(),
            most,
        };
        // Those that were told to end take a moment.
        if processes >= most * ENDING {
            return Err(too_many());
        }
        if owners.len() < most {
            return Ok(());
        }
        let idle = owners
            .iter()
            .filter_map(|owner| Some((owner.idle()?, owner)));
        let (idle, oldest) = idle.max_by_key(|(idle, _)| *idle).ok_or_else(too_many)?;
        tracing::info!(
            server = &*self.core.name,
            session = &*oldest.id,
            idle_s = idle.as_secs(),
            "a session that nobody uses ends, as another needs a process"
        );
        oldest.end();
        Ok(())
    }

    /// Every process of its.
    pub fn processes(&self) -> Vec<Arc<Upstream>> {
        let mut own = self.own.lock();
        own.retain(|upstream| !upstream.is_over());
        std::iter::once(&self.shared)
            .chain(own.iter())
            .cloned()
            .collect()
    }

    pub fn order(&self, order: Order) {
        for upstream in self.processes() {
            upstream.order(order);
        }
    }

    /// Another entry counts from now on.
    pub fn configure(&self, configured: Configured) {
        let before = self.core.configured();
        if before == configured {
            return;
        }
        *self.core.configured.write() = configured.clone();
        let how = |entry: &McpServerEntry| {
            let entry = entry.clone();
            (
                (entry.command, entry.args, entry.env, entry.cwd),
                (entry.url, entry.headers, entry.kind),
            )
        };
        if configured.entry.disabled {
            self.order(Order::Halt);
        } else if how(&before.entry) != how(&configured.entry) {
            for upstream in self.processes() {
                match upstream.state() {
                    // It is looked for again when it is wanted.
                    State::Idle => {}
                    State::Missing => upstream.set(State::Idle),
                    _ => upstream.order(Order::Restart),
                }
            }
        }
        self.core.changed();
        self.core.common.lists.notify_waiters();
    }

    /// Its line in `GET /status`.
    pub fn status(&self) -> McpServerStatus {
        let configured = self.core.configured();
        let counts = self.core.stats.counts();
        let processes = self.processes();
        let own = processes.len() as u64 - 1;
        let state = self.shared.state();
        let hello = processes
            .iter()
            .rev()
            .find_map(|upstream| match upstream.state() {
                State::Ready { hello, .. } => Some(hello),
                _ => None,
            });
        let table = self.shared.table();
        let (restarts, last_exit, problem) =
            (table.restarts, table.last_exit, table.problem.clone());
        drop(table);
        let sessions: usize = processes
            .iter()
            .map(|upstream| upstream.sessions().len())
            .sum();
        let in_flight: usize = processes.iter().map(|upstream| upstream.in_flight()).sum();
        McpServerStatus {
            name: self.core.name.to_string(),
            state: shown_state(&configured, &state),
            source: configured.source,
            isolate: configured.entry.isolate,
            restarts,
            last_exit,
            problem,
            server_info: hello.as_ref().map(|hello| hello.server_info.clone()),
            protocol: hello.as_ref().map(|hello| hello.version.clone()),
            sessions: sessions as u64,
            own_processes: own,
            calls: counts.calls,
            errors: counts.errors,
            in_flight: in_flight as u64,
            p50_ms: counts.p50_ms,
            p95_ms: counts.p95_ms,
            stderr: crate::supervisor::logs::last_lines(&self.core.log(), 20),
            remarks: self.core.remarks(),
        }
    }

    /// Its line in `GET /services`; none where it is off, not there, or elsewhere.
    pub fn service(&self) -> Option<ServiceStatus> {
        let configured = self.core.configured();
        if configured.entry.url.is_some() {
            return None;
        }
        let shown = shown_state(&configured, &self.shared.state());
        if matches!(shown, McpServerState::Disabled | McpServerState::Missing) {
            return None;
        }
        Some(service_status(&self.core, &self.shared))
    }
}

fn shown_state(configured: &Configured, state: &State) -> McpServerState {
    if configured.entry.disabled {
        return McpServerState::Disabled;
    }
    match *state {
        State::Idle | State::Over if !super::process::exists(&configured.entry) => {
            McpServerState::Missing
        }
        State::Idle | State::Over => McpServerState::Idle,
        State::Missing => McpServerState::Missing,
        State::Starting { pid, since_ms } => McpServerState::Starting { pid, since_ms },
        State::Ready { pid, since_ms, .. } => McpServerState::Ready { pid, since_ms },
        State::Backoff { retry_in_ms } => McpServerState::Backoff { retry_in_ms },
    }
}

fn service_status(core: &Core, upstream: &Upstream) -> ServiceStatus {
    let pid = |pid: Option<u32>| i32::try_from(pid.unwrap_or(0)).unwrap_or(i32::MAX);
    let state = match upstream.state() {
        State::Idle | State::Missing | State::Over => ServiceState::Waiting,
        State::Starting { pid: id, since_ms } => ServiceState::Starting {
            pid: pid(id),
            since_ms,
        },
        State::Ready {
            pid: id, since_ms, ..
        } => ServiceState::Ready {
            pid: pid(id),
            since_ms,
        },
        State::Backoff { retry_in_ms } => ServiceState::Backoff { retry_in_ms },
    };
    let table = upstream.table();
    ServiceStatus {
        name: core.service(),
        state,
        restarts: table.restarts,
        last_exit: table.last_exit,
    }
}
