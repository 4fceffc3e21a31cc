//! One machine's remote control: what the app holds for it as long as it is there. Its methods are
//! beside their features (`machine`, `notebook`, `mcp`, `desktop`, `evolve`).

use std::sync::Arc;

use lifecycle::{MachineOptions, Machines};
use parking_lot::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    desktop::Bridge, endpoint::Endpoints, jobs, journal::Journal, mcp, notebook, runs::Runs, watch,
};

/// A machine of the app; cheap to clone. Its name is that of its spec.
#[derive(Clone)]
pub struct MachineHandle {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) name: String,
    /// Of this machine.
    pub(crate) options: MachineOptions,
    pub(crate) endpoints: Endpoints,
    /// Events published here are about this machine.
    pub(crate) journal: Journal,
    pub(crate) bridge: Arc<Bridge>,
    pub(crate) notebook: notebook::NotebookHandle,
    pub(crate) mcp: mcp::Sessions,
    pub(crate) tasks: TaskTracker,
    /// Cancelled when the machine is taken out of the list, and when the app stops.
    pub(crate) stop: CancellationToken,
    /// What the machine's use of the processor is measured against.
    pub(crate) last_usage: Mutex<Option<lifecycle::Usage>>,
    pub(crate) runs: Runs,
    /// Where it is taken down that the machine's jobs changed.
    pub(crate) jobs: jobs::News,
    /// The sandboxes of this process.
    pub(crate) sandboxes: crate::sandboxes::Slot,
}

/// What all machines of an app share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) options: MachineOptions,
    pub(crate) journal: Journal,
    pub(crate) bridge: Arc<Bridge>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) runs: Runs,
    /// The sandboxes of this process.
    pub(crate) sandboxes: crate::sandboxes::Slot,
}

impl MachineHandle {
    /// Starts the machine's tasks: its notebook's queue, and the watch over its container.
    pub(crate) fn start(shared: &Shared, name: &str) -> Self {
        let meant = Machines::of(&shared.options).find(shared.options.machine.as_deref());
        let options = MachineOptions {
            machine: Some(name.to_owned()),
            // What was set for one call is for the machine that is meant.
            as_written: meant.is_ok_and(|(meant, _)| meant != name),
            ..shared.options.clone()
        };
        let (journal, stop) = (shared.journal.about(name), shared.stop.child_token());
        let tasks = &shared.tasks;
        let endpoints = Endpoints::new(options.clone());
        let notebook = notebook::start(endpoints.clone(), journal.clone(), tasks, &stop);
        tasks.spawn(watch::watch(
            options.clone(),
            endpoints.clone(),
            journal.clone(),
            stop.clone(),
        ));
        let jobs = jobs::News::default();
        tasks.spawn(jobs.clone().tell(journal.clone(), stop.clone()));
        Self {
            inner: Arc::new(Inner {
                name: name.to_owned(),
                options,
                endpoints,
                journal,
                bridge: shared.bridge.clone(),
                notebook,
                mcp: mcp::Sessions::default(),
                tasks: tasks.clone(),
                stop,
                last_usage: Mutex::default(),
                runs: shared.runs.clone(),
                jobs,
                sandboxes: shared.sandboxes.clone(),
            }),
        }
    }

    /// Name of its spec.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Ends its tasks; what it does is cancelled. The container stays as it is.
    pub(crate) fn end(&self) {
        self.inner.stop.cancel();
    }
}
