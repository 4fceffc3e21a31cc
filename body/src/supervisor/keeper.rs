//! Keeps the services running: one task each, which starts it when what it needs
//! is ready, adopts it where it runs already, and restarts it with backoff.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use rand::RngExt as _;
use tokio::sync::{mpsc, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::table::{TableAnswer, TableEntry, TableRequest};

use super::{
    service::{Probe, Service, ServiceState, ServiceStatus},
    table::{TableClient, TableError},
};

const FIRST_BACKOFF: Duration = Duration::from_millis(200);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);
/// A service that lived so long starts again without a wait.
const SOUND_LIFE: Duration = Duration::from_secs(10);
const PROBE_EVERY: Duration = Duration::from_millis(10);
/// How long a service has to end after a TERM.
const GRACE: Duration = Duration::from_secs(3);

/// All services of the machine.
pub struct Keeper {
    table: TableClient,
    services: Vec<Service>,
    states: Mutex<HashMap<&'static str, ServiceStatus>>,
    ready: HashMap<&'static str, watch::Sender<bool>>,
}

impl Keeper {
    /// Declares the services.
    pub fn new(table: TableClient, services: Vec<Service>) -> Arc<Self> {
        let states = services
            .iter()
            .map(|service| {
                let name = service.name;
                (
                    name,
                    ServiceStatus {
                        name,
                        state: ServiceState::Waiting,
                        restarts: 0,
                        last_exit: None,
                    },
                )
            })
            .collect();
        let ready = services
            .iter()
            .map(|service| (service.name, watch::Sender::new(false)))
            .collect();
        Arc::new(Self {
            table,
            services,
            states: Mutex::new(states),
            ready,
        })
    }

    /// Every service's state, in the order of their declaration.
    pub fn status(&self) -> Vec<ServiceStatus> {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        self.services
            .iter()
            .filter_map(|service| states.get(service.name).cloned())
            .collect()
    }

    /// Starts keeping; the tasks end at `stop`.
    pub async fn start(
        self: &Arc<Self>,
        watcher: TableClient,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<(), TableError> {
        let mut ends = watcher.watch().await?;
        let running = self.table.list().await?;
        let mut inboxes = HashMap::new();
        for service in self.services.clone() {
            let (send, receive) = mpsc::channel(8);
            inboxes.insert(service.name.to_owned(), send);
            let adopted = running
                .iter()
                .find(|entry| entry.name == service.name && entry.exit.is_none())
                .cloned();
            let (keeper, stop) = (Arc::clone(self), stop.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = keeper.keep(&service, adopted, receive) => {}
                }
            });
        }
        let stop = stop.clone();
        tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    end = ends.next() => match end {
                        Ok(entry) => if let Some(inbox) = inboxes.get(&entry.name) {
                            // Its task ends only with the supervisor.
                            let _ = inbox.send(entry).await;
                        },
                        Err(error) => {
                            tracing::error!(%error, "PID 1 is gone");
                            return;
                        }
                    }
                }
            }
        });
        Ok(())
    }

    /// Ends every service, the last declared first.
    pub async fn stop_all(&self) {
        for service in self.services.iter().rev() {
            self.table.signal(service.name, Signal::SIGTERM).await;
            let deadline = Instant::now() + GRACE;
            while self.runs(service.name).await {
                if deadline <= Instant::now() {
                    tracing::warn!(service = service.name, "did not end in time; killed");
                    self.table.signal(service.name, Signal::SIGKILL).await;
                    break;
                }
                tokio::time::sleep(PROBE_EVERY).await;
            }
        }
    }

    async fn runs(&self, name: &str) -> bool {
        let entries = self.table.list().await.unwrap_or_default();
        entries
            .iter()
            .any(|entry| entry.name == name && entry.exit.is_none())
    }

    async fn keep(
        &self,
        service: &Service,
        adopted: Option<TableEntry>,
        mut ends: mpsc::Receiver<TableEntry>,
    ) {
        let mut adopted = adopted;
        let mut backoff = FIRST_BACKOFF;
        loop {
            if let Some(needed) = service.after.and_then(|name| self.ready.get(name)) {
                // The sender lives in self.
                let _ = needed.subscribe().wait_for(|ready| *ready).await;
            }
            let began = Instant::now();
            let last_exit = match self.live(service, adopted.take(), &mut ends).await {
                Ok(exit) => exit,
                Err(error) => {
                    tracing::error!(service = service.name, %error, "could not be started");
                    127
                }
            };
            if let Some(ready) = self.ready.get(service.name) {
                ready.send_replace(false);
            }
            if began.elapsed() >= SOUND_LIFE {
                backoff = FIRST_BACKOFF;
            }
            let wait = backoff.mul_f64(rand::rng().random_range(0.8..1.2));
            tracing::warn!(
                service = service.name,
                exit = last_exit,
                "{} ended and starts again",
                service.name
            );
            self.set(service.name, |status| {
                let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                status.state = ServiceState::Backoff {
                    last_exit,
                    retry_in_ms,
                };
                status.last_exit = Some(last_exit);
                status.restarts += 1;
            });
            tokio::time::sleep(wait).await;
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
        }
    }

    /// One life of a service, from its start (or where it was found) to its exit code.
    async fn live(
        &self,
        service: &Service,
        adopted: Option<TableEntry>,
        ends: &mut mpsc::Receiver<TableEntry>,
    ) -> Result<i32, TableError> {
        let pid = match adopted {
            Some(entry) => entry.pid,
            None => self.spawn(service).await?,
        };
        let since_ms = now_ms();
        self.set(service.name, |status| {
            status.state = ServiceState::Starting { pid, since_ms }
        });
        let probing = async {
            if let Probe::Socket(path) = &service.probe {
                while tokio::net::UnixStream::connect(path).await.is_err() {
                    tokio::time::sleep(PROBE_EVERY).await;
                }
            }
        };
        tokio::pin!(probing);
        let mut probed = false;
        loop {
            tokio::select! {
                () = &mut probing, if !probed => {
                    probed = true;
                    self.set(service.name, |status| status.state = ServiceState::Ready { pid, since_ms });
                    if let Some(ready) = self.ready.get(service.name) {
                        ready.send_replace(true);
                    }
                }
                end = ends.recv() => match end {
                    Some(entry) if entry.pid == pid => return Ok(entry.exit.unwrap_or(-1)),
                    Some(_) => {}
                    None => std::future::pending().await,
                }
            }
        }
    }

    async fn spawn(&self, service: &Service) -> Result<i32, TableError> {
        if let Probe::Socket(path) = &service.probe {
            // A socket of the life before would answer for this one.
            let _ = std::fs::remove_file(path);
        }
        if service.name == "xvnc" {
            let _ = std::fs::remove_file("/tmp/.X99-lock");
        }
        let request = TableRequest::Start {
            name: service.name.to_owned(),
            argv: service.argv.clone(),
            env: service.env.clone(),
            cwd: crate::paths::home().display().to_string(),
            log: crate::paths::logs_dir()
                .join(format!("{}.log", service.name))
                .display()
                .to_string(),
        };
        match self.table.ask(&request).await? {
            TableAnswer::Started { pid } => Ok(pid),
            other => Err(TableError::Refused(format!("{other:?} is no start"))),
        }
    }

    fn set(&self, name: &'static str, change: impl FnOnce(&mut ServiceStatus)) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(status) = states.get_mut(name) {
            change(status);
        }
    }
}

fn now_ms() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        })
}
