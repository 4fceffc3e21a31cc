//! Keeps the services running: the list of them, and what can be asked of each. A service's own
//! task is in `life`.

use std::{path::PathBuf, sync::Arc, time::Duration};

use nix::sys::signal::Signal;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{
    body::{Change, ServiceState, ServiceStatus},
    table::TableEntry,
};

use super::{
    life::{self, Order},
    logs,
    service::Service,
    table::{TableClient, TableError},
};
use crate::{changes::Changes, clock::Clock};

const ENDED_EVERY: Duration = Duration::from_millis(10);
/// How long one that was killed may take to be gone.
const KILLED: Duration = Duration::from_secs(1);

/// A service and its task.
struct Slot {
    service: Service,
    status: ServiceStatus,
    orders: mpsc::Sender<Order>,
    ready: watch::Sender<bool>,
    /// Ends the task, and leaves the process to whoever cancels.
    end: CancellationToken,
}

/// All services of the machine.
pub struct Keeper {
    pub(super) table: TableClient,
    slots: Mutex<Vec<Slot>>,
    changes: Changes,
    clock: Clock,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Keeper {
    /// Keeps nothing yet; its tasks are among `tasks` and end at `stop`.
    pub fn new(
        table: TableClient,
        changes: Changes,
        clock: Clock,
        tasks: TaskTracker,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            table,
            slots: Mutex::default(),
            changes,
            clock,
            tasks,
            stop,
        })
    }

    /// Starts hearing of ends, and keeps these services, as PID 1 knows them.
    pub async fn start(
        self: &Arc<Self>,
        watcher: TableClient,
        services: Vec<Service>,
    ) -> Result<(), TableError> {
        let mut ends = watcher.watch().await?;
        let known = self.known().await?;
        for service in services {
            let of_it = known.iter().find(|entry| entry.name == service.name);
            self.keep(service, of_it.cloned());
        }
        let (keeper, stop) = (Arc::clone(self), self.stop.clone());
        self.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    end = ends.next() => match end {
                        Ok(entry) => if let Some(orders) = keeper.orders(&entry.name) {
                            // Its task ends only with the supervisor, or with the service.
                            let _ = orders.send(Order::Ended(entry)).await;
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

    /// The machine's clock.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// What PID 1 runs or has run, and was not told to forget.
    pub async fn known(&self) -> Result<Vec<TableEntry>, TableError> {
        self.table.list().await
    }

    /// Keeps one more service from now on. One that PID 1 knows of a supervisor before us goes on as
    /// it was, and is adopted where it runs.
    pub fn keep(self: &Arc<Self>, service: Service, known: Option<TableEntry>) {
        let (orders, inbox) = mpsc::channel(8);
        let end = self.stop.child_token();
        let status = ServiceStatus {
            name: service.name.clone(),
            state: ServiceState::Waiting,
            restarts: known
                .as_ref()
                .map_or(0, |entry| entry.restarts + u64::from(entry.exit.is_some())),
            last_exit: known
                .as_ref()
                .and_then(|entry| entry.exit.or(entry.last_exit)),
        };
        let adopted = known.filter(|entry| entry.exit.is_none());
        self.slots().push(Slot {
            service: service.clone(),
            status,
            orders,
            ready: watch::Sender::new(false),
            end: end.clone(),
        });
        let keeper = Arc::clone(self);
        self.tasks.spawn(async move {
            tokio::select! {
                () = end.cancelled() => {}
                () = life::keep(&keeper, &service, adopted, inbox) => {}
            }
        });
    }

    /// Ends a service for good.
    pub async fn remove(&self, name: &str) {
        let slot = {
            let mut slots = self.slots();
            let place = slots.iter().position(|slot| slot.service.name == name);
            place.map(|place| slots.remove(place))
        };
        if let Some(slot) = slot {
            slot.end.cancel();
            self.end(&slot.service).await;
            self.forget(&slot.service).await;
        }
    }

    /// Ends a service and starts it again; returns once it is ready. False where there is none.
    pub async fn restart(&self, name: &str) -> bool {
        let Some(orders) = self.orders(name) else {
            return false;
        };
        let (done, ready) = oneshot::channel();
        orders.send(Order::Restart(done)).await.is_ok() && ready.await.is_ok()
    }

    /// Every service's state, in the order of their declaration.
    pub fn status(&self) -> Vec<ServiceStatus> {
        let slots = self.slots();
        slots.iter().map(|slot| slot.status.clone()).collect()
    }

    /// Whether there is a service of this name.
    pub fn has(&self, name: &str) -> bool {
        self.slots().iter().any(|slot| slot.service.name == name)
    }

    /// Ends every service, the last declared first, as the machine stops: what they started and left
    /// behind PID 1 asks to end when they have.
    pub async fn stop_all(&self) {
        let services: Vec<_> = self
            .slots()
            .iter()
            .map(|slot| slot.service.clone())
            .collect();
        for service in services.iter().rev() {
            self.halt(service).await;
        }
    }

    /// Ends a service, and all that it started where it takes that with it.
    pub(super) async fn end(&self, service: &Service) {
        self.halt(service).await;
        if service.takes_all {
            self.table.end(&service.name).await;
        }
    }

    /// Asks a service to end, and kills one that does not.
    async fn halt(&self, service: &Service) {
        self.table.signal(&service.name, service.stop_signal).await;
        if !self.gone(&service.name, service.grace).await {
            tracing::warn!(
                service = service.name,
                "{} did not end in time; killed",
                service.name
            );
            self.table.signal(&service.name, Signal::SIGKILL).await;
            self.gone(&service.name, KILLED).await;
        }
    }

    /// Leaves nothing of one that has ended for good.
    async fn forget(&self, service: &Service) {
        match self.table.forget(&service.name).await {
            // Nobody else runs before the files are gone: one of this name may begin right after.
            Ok(()) => {
                logs::remove(&service.name);
                for path in &service.leftovers {
                    let _ = std::fs::remove_file(path);
                }
            }
            Err(error) => tracing::warn!(%error, "an ended service could not be forgotten"),
        }
    }

    /// Waits for a service's end, this long at most.
    async fn gone(&self, name: &str, longest: Duration) -> bool {
        let deadline = self.clock.after(longest);
        while self.runs(name).await {
            if deadline <= self.clock.now() {
                return false;
            }
            tokio::time::sleep(ENDED_EVERY).await;
        }
        true
    }

    /// What can't be asked for may still run.
    async fn runs(&self, name: &str) -> bool {
        match self.known().await {
            Ok(known) => known
                .iter()
                .any(|entry| entry.name == name && entry.exit.is_none()),
            Err(error) => {
                tracing::debug!(%error, "it is not known whether {name} still runs");
                true
            }
        }
    }

    /// Says whether a service is ready, and hears of changes; none where there is no such service.
    pub(super) fn ready(&self, name: &str) -> Option<watch::Sender<bool>> {
        let slots = self.slots();
        let slot = slots.iter().find(|slot| slot.service.name == name);
        slot.map(|slot| slot.ready.clone())
    }

    pub(super) fn set(&self, name: &str, change: impl FnOnce(&mut ServiceStatus)) {
        let mut slots = self.slots();
        if let Some(slot) = slots.iter_mut().find(|slot| slot.service.name == name) {
            change(&mut slot.status);
            self.changes.tell(|| Change::Service {
                service: slot.status.clone(),
            });
        }
    }

    /// A service that is ready doesn't respond, or does again.
    pub fn set_responding(&self, name: &str, responds: bool) {
        self.set(name, |status| match status.state {
            ServiceState::Ready { pid, since_ms } if !responds => {
                status.state = ServiceState::Unresponsive { pid, since_ms };
            }
            ServiceState::Unresponsive { pid, since_ms } if responds => {
                status.state = ServiceState::Ready { pid, since_ms };
            }
            _ => {}
        });
    }

    fn orders(&self, name: &str) -> Option<mpsc::Sender<Order>> {
        let slots = self.slots();
        let slot = slots.iter().find(|slot| slot.service.name == name);
        slot.map(|slot| slot.orders.clone())
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        self.slots.lock()
    }
}

/// Where a service writes.
pub fn log_file(name: &str) -> PathBuf {
    crate::paths::logs_dir().join(format!("{name}.log"))
}
