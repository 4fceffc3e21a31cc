//! The queue of this computer: a file of the data folder, which every process of this user shares.

use std::{path::PathBuf, sync::Arc};

use tasks::{NewTask, Policy, SqliteStore, Store, SystemClock, Timekeeper, Worker, WorkerOptions};
use tokio_util::sync::CancellationToken;
use wire::{
    failure::{Failure, FailureCode},
    task::{TaskKind, TaskRequest},
};

use super::{executor::Sandboxed, files, settings::TaskSettings};
use crate::{
    App,
    blocking::on_disk,
    sandboxes::{Refusal, Service},
};

/// How a process works on tasks.
#[derive(Clone, Debug, Default)]
pub struct WorkOptions {
    /// How many it runs at once; as the settings say if `None`.
    pub concurrency: Option<u32>,
    /// Queues that it takes from; all if empty.
    pub queues: Vec<String>,
}

/// What every route works with. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(super) store: Arc<dyn Store>,
    settings: Arc<TaskSettings>,
}

/// Kinds that this version runs.
pub(super) const KINDS: [TaskKind; 2] = [TaskKind::Exec, TaskKind::Code];

impl Queue {
    /// Opens the queue of an app, and does what time brings in it until the app stops.
    pub(crate) async fn open(app: &App) -> Result<Self, Refusal> {
        let unreadable = |failure: Failure| {
            let cause = failure.cause.as_deref().unwrap_or_default();
            Refusal::unavailable(format!(
                "{}; fix the file and restart Vivarium: {cause}",
                failure.message
            ))
        };
        let settings = TaskSettings::load(app.config_dir()).map_err(unreadable)?;
        let path = app.data_dir().join("tasks").join("tasks.db");
        let store = open(path, settings.policy.clone()).await?;
        let queue = Self {
            store: Arc::new(store),
            settings: Arc::new(settings),
        };
        let shared = &app.inner.shared;
        let keeper = Timekeeper::new(queue.store.clone());
        shared.tasks.spawn(keeper.run(shared.stop.clone()));
        Ok(queue)
    }

    /// Starts a worker, which runs tasks in these sandboxes.
    pub(crate) async fn work(
        &self,
        service: Service,
        options: WorkOptions,
    ) -> (Worker, tokio::task::JoinHandle<()>) {
        let executor = Sandboxed::new(service, self.settings.folders.clone());
        executor.remove_abandoned().await;
        let concurrency = options.concurrency.unwrap_or(self.settings.concurrency);
        let lease = self.settings.policy.lease;
        let options = WorkerOptions::named(concurrency, options.queues, lease);
        Worker::start(self.store.clone(), Arc::new(executor), options)
    }

    /// Numbers for Prometheus.
    pub(crate) async fn metrics(&self) -> Result<String, Refusal> {
        let queues = self.store.queues().await?;
        let workers = self.store.workers().await?;
        Ok(super::metrics::prometheus(&queues, &workers))
    }

    /// Why nothing can be stored, if nothing can.
    pub(crate) async fn trouble(&self) -> Option<String> {
        let checked = self.store.check().await;
        checked.err().map(|error| error.to_string())
    }

    /// Checks a request: also that this version can run it, and that its files may be read.
    pub(super) fn check(
        &self,
        request: TaskRequest,
        owner: Option<String>,
    ) -> Result<NewTask, Refusal> {
        if !KINDS.contains(&request.kind) {
            return Err(Refusal::not_supported(format!(
                "tasks of kind {} aren't supported yet; use exec or code",
                request.kind
            )));
        }
        let task = NewTask::of(request, owner)?;
        super::executor::check(task.kind, &task.work.payload)?;
        for path in &task.work.files {
            files::open(path, &self.settings.folders)
                .map_err(|error| Refusal::invalid(format!("invalid files: {error}")))?;
        }
        Ok(task)
    }
}

impl App {
    /// Runs tasks until the app stops, or until those that run then have ended if it is `drained` first.
    /// Ends with the worker.
    ///
    /// # Errors
    /// If there is no queue, or there are no sandboxes to run tasks in.
    pub async fn work(
        &self,
        options: WorkOptions,
        drained: CancellationToken,
    ) -> Result<impl Future<Output = ()> + use<>, Failure> {
        let service = self.inner.shared.sandboxes.start(true).await?.clone();
        service.sandboxes()?;
        let working = service.work(options, drained).await?;
        Ok(async move {
            if let Err(error) = working.await {
                tracing::error!(%error, "a worker's task failed");
            }
        })
    }
}

async fn open(path: PathBuf, policy: Policy) -> Result<SqliteStore, Refusal> {
    let opened = on_disk(move || {
        SqliteStore::open(&path, policy, Arc::new(SystemClock::default()))
            .map_err(|error| Failure::new(FailureCode::Internal, error.to_string()))
    });
    opened
        .await
        .map_err(|failure| Refusal::unavailable(failure.message))
}
