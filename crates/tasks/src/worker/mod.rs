//! A worker takes tasks from a store and runs them with an executor, as many at once as it is told. One
//! task owns it: it claims, spawns an `attempt` for each task, and says again and again that it is alive.
//! It waits for changes of the store, and looks for nothing meanwhile.

mod attempt;
mod executor;

use std::{collections::HashMap, sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;
use wire::task::TaskId;

use crate::{
    Claim, Lease, LeaseState, Store, WorkerBeat,
    worker::attempt::{Attempt, Reason},
};
pub use executor::{Executor, Running, Stop, Tell};

/// How often a worker without tasks says that it is alive.
const IDLE_BEAT: Duration = Duration::from_secs(10);
/// How soon after a failure of the store it is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How long after a change it is looked whether that is about this worker.
const LOOK: Duration = Duration::from_millis(100);

/// What a worker is.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Its name; [`WorkerOptions::named`] makes one that nobody else has.
    pub worker: String,
    /// Name of its computer.
    pub host: String,
    /// Queues that it takes from; all if empty.
    pub queues: Vec<String>,
    /// How many tasks it runs at once.
    pub concurrency: u32,
    /// How long its leases are, as the store's policy says.
    pub lease: Duration,
}

impl WorkerOptions {
    /// For this process, under a name that no other one has or had.
    #[must_use]
    pub fn named(concurrency: u32, queues: Vec<String>, lease: Duration) -> Self {
        let host = nix::unistd::gethostname().unwrap_or_default();
        let host = host.to_string_lossy().into_owned();
        let mark: u32 = rand::random();
        Self {
            worker: format!("{host}-{}-{mark:08x}", std::process::id()),
            host,
            queues,
            concurrency,
            lease,
        }
    }
}

/// Remote control of a worker. Cheap to clone; the worker runs on without it.
#[derive(Clone, Debug)]
pub struct Worker {
    name: String,
    drain: CancellationToken,
    stop: CancellationToken,
}

impl Worker {
    /// Starts one. Its task ends after [`Worker::drain`] or [`Worker::stop`].
    #[must_use]
    pub fn start(
        store: Arc<dyn Store>,
        executor: Arc<dyn Executor>,
        options: WorkerOptions,
    ) -> (Self, JoinHandle<()>) {
        let handle = Self {
            name: options.worker.clone(),
            drain: CancellationToken::new(),
            stop: CancellationToken::new(),
        };
        let crew = Crew {
            changes: store.changes(),
            concurrency: options.concurrency,
            draining: false,
            attempts: HashMap::new(),
            running: JoinSet::new(),
            store,
            executor,
            options,
        };
        let task = tokio::spawn(crew.work(handle.clone()));
        (handle, task)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// It takes no more tasks, and ends when those that it has have ended.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// It asks the tasks that it has to end, gives them back so that another one runs them, and ends.
    pub fn stop(&self) {
        self.stop.cancel();
    }
}

/// A worker's own state.
struct Crew {
    store: Arc<dyn Store>,
    executor: Arc<dyn Executor>,
    options: WorkerOptions,
    changes: watch::Receiver<u64>,
    concurrency: u32,
    draining: bool,
    attempts: HashMap<TaskId, (Lease, Attempt)>,
    running: JoinSet<TaskId>,
}

impl Crew {
    async fn work(mut self, handle: Worker) {
        let (mut is_ending, mut is_stopping) = (false, false);
        let mut beat_at = Instant::now();
        let mut claim_at = Some(Instant::now());
        let mut look_at = None;
        loop {
            if is_ending && self.running.is_empty() {
                break;
            }
            let can_claim = !is_ending && !self.draining && self.free() > 0;
            tokio::select! {
                biased;
                Some(ended) = self.running.join_next(), if !self.running.is_empty() => {
                    match ended {
                        Ok(id) => drop(self.attempts.remove(&id)),
                        Err(error) => tracing::error!(%error, "an attempt's task failed"),
                    }
                    claim_at = Some(Instant::now());
                }
                () = handle.stop.cancelled(), if !is_stopping => {
                    (is_ending, is_stopping) = (true, true);
                    self.ask_all(Reason::Returned);
                }
                () = handle.drain.cancelled(), if !is_ending => {
                    is_ending = true;
                    self.draining = true;
                    beat_at = Instant::now();
                }
                () = sleep_until(beat_at) => beat_at = Instant::now() + self.beat(is_ending).await,
                () = at(claim_at), if can_claim => claim_at = self.claim().await,
                () = at(look_at), if look_at.is_some() => {
                    look_at = None;
                    if self.look(is_ending).await {
                        beat_at = Instant::now();
                    }
                }
                changed = self.changes.changed() => {
                    if changed.is_err() {
                        // The store is gone, and with it all leases.
                        self.ask_all(Reason::LeaseEnded);
                        while self.running.join_next().await.is_some() {}
                        break;
                    }
                    claim_at = Some(Instant::now());
                    look_at = look_at.or(Some(Instant::now() + LOOK));
                }
            }
        }
        if let Err(error) = self.store.leave(self.options.worker.clone()).await {
            tracing::warn!(%error, "a worker ended without telling the store");
        }
    }

    fn free(&self) -> usize {
        let most = usize::try_from(self.concurrency).unwrap_or(usize::MAX);
        most.saturating_sub(self.running.len())
    }

    /// Takes tasks; answers when to do so again, `None` for when something changes.
    async fn claim(&mut self) -> Option<Instant> {
        let free = self.free();
        let claim = Claim {
            worker: self.options.worker.clone(),
            queues: self.options.queues.clone(),
            kinds: self.executor.kinds(),
            count: free,
        };
        match self.store.claim(claim).await {
            Ok(claimed) => {
                let is_full = claimed.tasks.len() == free;
                for task in claimed.tasks {
                    let (id, lease) = (task.lease.id.clone(), task.lease.clone());
                    let attempt = Attempt::default();
                    self.attempts.insert(id.clone(), (lease, attempt.clone()));
                    let (store, executor) = (self.store.clone(), self.executor.clone());
                    self.running.spawn(async move {
                        attempt.run(store.as_ref(), executor.as_ref(), task).await;
                        id
                    });
                }
                let soon = claimed.again_in.map(|wait| Instant::now() + wait);
                if is_full { Some(Instant::now()) } else { soon }
            }
            Err(error) => {
                tracing::warn!(%error, "a worker could not take tasks");
                Some(Instant::now() + AGAIN)
            }
        }
    }

    /// Says that it is alive; answers when to do so again.
    async fn beat(&mut self, is_ending: bool) -> Duration {
        let leases: Vec<Lease> = self
            .attempts
            .values()
            .map(|(lease, _)| lease.clone())
            .collect();
        let beat = WorkerBeat {
            worker: self.options.worker.clone(),
            host: self.options.host.clone(),
            pid: std::process::id(),
            concurrency: self.concurrency,
            draining: self.draining,
            queues: self.options.queues.clone(),
            kinds: self.executor.kinds(),
            leases: leases.clone(),
        };
        let orders = match self.store.beat(beat).await {
            Ok(orders) => orders,
            Err(error) => {
                tracing::warn!(%error, "a worker could not tell the store that it is alive");
                return AGAIN;
            }
        };
        for (lease, state) in leases.iter().zip(&orders.leases) {
            match state {
                LeaseState::Held => {}
                LeaseState::Cancelling => self.ask(&lease.id, Reason::Cancelled),
                LeaseState::Ended => self.ask(&lease.id, Reason::LeaseEnded),
            }
        }
        if self.obey(orders.concurrency, orders.draining, is_ending) {
            return Duration::ZERO;
        }
        if self.attempts.is_empty() {
            IDLE_BEAT.min(self.options.lease)
        } else {
            self.options.lease / 3
        }
    }

    /// Looks what somebody wants of it; answers whether it is another one now.
    async fn look(&mut self, is_ending: bool) -> bool {
        match self.store.calls(self.options.worker.clone()).await {
            Ok(calls) => {
                for id in &calls.cancelling {
                    self.ask(id, Reason::Cancelled);
                }
                self.obey(calls.concurrency, calls.draining, is_ending)
            }
            Err(error) => {
                tracing::warn!(%error, "a worker could not look what is wanted of it");
                false
            }
        }
    }

    /// Follows what somebody wants of it; answers whether that is new.
    fn obey(&mut self, concurrency: Option<u32>, draining: Option<bool>, is_ending: bool) -> bool {
        let before = (self.concurrency, self.draining);
        self.concurrency = concurrency.unwrap_or(self.concurrency);
        if !is_ending {
            self.draining = draining.unwrap_or(self.draining);
        }
        (self.concurrency, self.draining) != before
    }

    fn ask(&self, id: &TaskId, reason: Reason) {
        if let Some((_, attempt)) = self.attempts.get(id) {
            attempt.ask(reason);
        }
    }

    fn ask_all(&self, reason: Reason) {
        for (_, attempt) in self.attempts.values() {
            attempt.ask(reason);
        }
    }
}

/// Waits until then; for good without a time.
async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
