//! All that the host does, with no window: the machine, its desktop's bridge,
//! the notebook's outputs and the event stream, behind one list of commands.

mod body;
mod changes;
mod desktop;
mod doctor;
mod engines;
mod evolve;
mod journal;
mod machine;
mod mcp;
mod notebook;
mod page_policy;
mod rpc;
#[cfg(feature = "serve")]
mod serve;
mod settings;
mod sse;
pub mod untrusted;
mod usage;
mod watch;
mod weight;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

pub use desktop::Bridge;
pub use doctor::{Check, Verdict};
pub use journal::Subscription;
use lifecycle::{EngineChoice, MachineOptions};
pub use notebook::CellTold;
pub use page_policy::page_policy;
pub use rpc::COMMANDS;
#[cfg(feature = "serve")]
pub use serve::{Addresses, ServeOptions, Served};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::failure::Failure;

/// How the app is started.
#[derive(Clone, Debug, Default)]
pub struct AppOptions {
    /// Prefix of every name (containers, networks, images), else `VIVARIUM_INSTANCE`: several
    /// apps on one computer, and tests.
    pub instance: Option<String>,
    /// Where settings and data lie, instead of the XDG folders.
    pub home: Option<PathBuf>,
    /// Folder with the machine's template: `body/Dockerfile` and what its build needs.
    pub template: PathBuf,
    /// Working copy mounted at `/repo`, instead of a copy of the template.
    pub repo: Option<PathBuf>,
    /// The container engine, chosen by hand: an address, or the name of one of Docker's contexts.
    /// Else `VIVARIUM_ENGINE`, else the settings', else it is found by itself.
    pub engine: Option<String>,
}

/// A handle to the app; cheap to clone.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    options: MachineOptions,
    /// Whether the container engine was chosen at the start: then the settings' is not taken.
    engine_is_told: bool,
    paths: lifecycle::Paths,
    settings: settings::SettingsFile,
    journal: journal::Journal,
    bridge: Bridge,
    notebook: notebook::NotebookHandle,
    mcp: mcp::Sessions,
    tasks: TaskTracker,
    stop: CancellationToken,
    /// What the machine's use of the processor is measured against.
    last_usage: Mutex<Option<lifecycle::Usage>>,
    /// Long work that can be cancelled, by run id.
    runs: Mutex<HashMap<String, CancellationToken>>,
}

impl App {
    /// Binds the desktop's bridge and starts the app's tasks. Does not need a container engine.
    ///
    /// # Errors
    /// Where no loopback port can be bound.
    pub async fn start(options: AppOptions) -> Result<Self, Failure> {
        Self::start_with(options, Vec::new()).await
    }

    /// As [`start`](Self::start), with `key=value` pairs over the machine's spec.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn start_with(options: AppOptions, overrides: Vec<String>) -> Result<Self, Failure> {
        let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let told = options.engine.or_else(|| variable("VIVARIUM_ENGINE"));
        let options = MachineOptions {
            instance: options.instance.or_else(|| variable("VIVARIUM_INSTANCE")),
            home: options.home,
            template: options.template,
            repo: options.repo,
            overrides,
            engine: EngineChoice::new(told.clone()),
        };
        let (tasks, stop, journal) = (
            TaskTracker::new(),
            CancellationToken::new(),
            journal::Journal::new(),
        );
        let paths = lifecycle::Paths::find(options.home.as_deref(), options.instance.as_deref());
        let settings = settings::SettingsFile::load(&paths.config_dir);
        if told.is_none() {
            options.engine.set(settings.get().settings.engine);
        }
        let bridge = Bridge::start(&tasks, &stop).await?;
        let notebook = notebook::start(options.clone(), journal.clone(), &tasks, &stop);
        let app = Self {
            inner: Arc::new(Inner {
                options,
                engine_is_told: told.is_some(),
                paths,
                settings,
                journal,
                bridge,
                notebook,
                mcp: mcp::Sessions::default(),
                tasks,
                stop,
                last_usage: Mutex::default(),
                runs: Mutex::default(),
            }),
        };
        app.inner.tasks.spawn(watch::watch(
            app.inner.options.clone(),
            app.inner.journal.clone(),
            app.inner.stop.clone(),
        ));
        Ok(app)
    }

    /// Carries out one of [`COMMANDS`].
    ///
    /// # Errors
    /// The handler's; [`NotFound`](wire::failure::FailureCode::NotFound) for another command,
    /// [`Invalid`](wire::failure::FailureCode::Invalid) for a request that can't be read.
    pub async fn rpc(
        &self,
        command: &str,
        params: serde_json::Value,
    ) -> Result<serde_json::Value, Failure> {
        rpc::dispatch(self, command, params).await
    }

    /// Events with `seq > after` that are still kept, then live ones.
    #[must_use]
    pub fn subscribe(&self, after: u64) -> Subscription {
        self.inner.journal.subscribe(after)
    }

    /// Number of the newest event: `subscribe` from here to hear only what comes.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.inner.journal.last_seq()
    }

    /// The app's settings.
    #[must_use]
    pub fn settings(&self) -> wire::settings::SettingsState {
        self.inner.settings.get()
    }

    /// Where settings lie.
    #[must_use]
    pub fn config_dir(&self) -> &std::path::Path {
        &self.inner.paths.config_dir
    }

    /// Where data lies.
    #[must_use]
    pub fn data_dir(&self) -> &std::path::Path {
        &self.inner.paths.data_dir
    }

    /// Loopback port of the desktop's WebSocket bridge.
    #[must_use]
    pub fn bridge_port(&self) -> u16 {
        self.inner.bridge.port()
    }

    /// Cancels long work, ends the app's tasks and waits for them. Machines keep running.
    pub async fn stop(self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
        self.inner.journal.close();
    }

    /// A cancellable piece of long work; [`end_run`](Self::end_run) forgets it.
    fn begin_run(&self) -> (String, CancellationToken) {
        let run_id = ulid::Ulid::generate().to_string();
        let cancel = self.begin_named_run(&run_id);
        (run_id, cancel)
    }

    fn begin_named_run(&self, run_id: &str) -> CancellationToken {
        let cancel = self.inner.stop.child_token();
        self.runs().insert(run_id.to_owned(), cancel.clone());
        cancel
    }

    fn end_run(&self, run_id: &str) {
        self.runs().remove(run_id);
    }

    fn runs(&self) -> std::sync::MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.inner
            .runs
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
