//! All that the host does, with no window: the machine, its desktop's bridge,
//! the notebook's outputs and the event stream, behind one list of commands.
//!
//! Start reading at [`App`] here, then at `rpc`, which carries out the lists of commands, and at `handle`:
//! what the app holds for one machine.
//!
//! - `rpc`, `handle`, `machines`: commands, one machine, all of them
//! - `journal`, `weight`: the stream of events, and what it may hold
//! - `machine`, `services`, `usage`, `watch`, `doctor`, `engines`: a machine's state, and the container engine
//! - `body`, `endpoint`, `changes`: how a machine's API is asked, where it is, and what it tells
//! - `notebook`, `kernel`, `snapshots`: cells, the kernel, stored namespaces
//! - `mcp`, `desktop`, `evolve`, `jobs`, `runs`: a module for each of these features, and for long work
//! - `agents`: AI coding tools in containers of their own
//! - `sandboxes`, `e2b`, `sandbox_access`: sandboxes over HTTP, by two protocols, and for machines
//! - `tasks`: the queue of tasks, which run in sandboxes
//! - `serve`, `page_policy`: all of that over HTTP, and what its pages may do
//! - `secrets`, `tokens`, `settings`, `record_file`: what the person chose, and how it is kept
//! - `untrusted`, `text_reader`, `blocking`: text from inside, text in pieces, work off the async threads

mod agents;
mod blocking;
mod body;
mod changes;
mod desktop;
mod doctor;
mod e2b;
mod endpoint;
mod engines;
mod evolve;
mod handle;
mod jobs;
mod journal;
mod kernel;
mod machine;
mod machines;
mod mcp;
mod notebook;
mod page_policy;
mod record_file;
mod rpc;
mod runs;
mod sandbox_access;
mod sandboxes;
mod secrets;
mod serve;
mod services;
mod settings;
mod snapshots;
mod tasks;
mod terminal;
mod text_reader;
mod tokens;
pub mod untrusted;
mod usage;
mod watch;
mod weight;

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
};

pub use self::agents::AgentTerminal;
pub use self::tasks::WorkOptions;
pub use desktop::Bridge;
pub use doctor::{Check, Verdict};
use futures_util::future::BoxFuture;
pub use handle::MachineHandle;
pub use journal::Subscription;
use lifecycle::{EngineChoice, MachineOptions};
pub use notebook::CellTold;
pub use page_policy::page_policy;
pub use rpc::{APP_COMMANDS, MACHINE_COMMANDS};
pub use serve::{Addresses, Running, ServeOptions, Served};
pub use terminal::{Shown, TerminalInput, TerminalOutput};
pub use text_reader::TextReader;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{
    commands::{AppInfo, Nothing},
    failure::Failure,
};

/// How the app is started.
#[derive(Clone, Debug, Default)]
pub struct AppOptions {
    /// Prefix of every name (containers, networks, images), else `VIVARIUM_INSTANCE`: several
    /// apps on one computer, and tests.
    pub instance: Option<String>,
    /// Where settings and data lie, instead of the XDG folders.
    pub home: Option<PathBuf>,
    /// The machine that is meant where none is named, else `VIVARIUM_MACHINE`, else the first one.
    pub machine: Option<String>,
    /// Folder with the machine's template: `body/Dockerfile` and what its build needs.
    pub template: PathBuf,
    /// Working copy mounted at `/repo`, instead of a copy of the template.
    pub repo: Option<PathBuf>,
    /// The container engine, chosen by hand: an address, or the name of one of Docker's contexts.
    /// Else `VIVARIUM_ENGINE`, else the settings', else it is found by itself.
    pub engine: Option<String>,
}

/// A handle to the app; cheap to clone.
///
/// Its public futures are boxed: otherwise everything below them would be compiled again in each
/// program that awaits them.
#[derive(Clone)]
pub struct App {
    inner: Arc<Inner>,
}

struct Inner {
    /// Whether the container engine was chosen at the start: then the settings' is not taken.
    engine_is_told: bool,
    paths: lifecycle::Paths,
    settings: settings::SettingsFile,
    secrets: secrets::Secrets,
    shared: handle::Shared,
    handles: machines::Handles,
    /// Agents, once somebody asks for them.
    agents: agents::Slot,
    /// The server of this process, if it has one.
    serving: OnceLock<sandboxes::Serving>,
}

impl App {
    /// Binds the desktop's bridge and starts the app's tasks. Does not need a container engine.
    ///
    /// # Errors
    /// Where no loopback port can be bound.
    pub fn start(options: AppOptions) -> BoxFuture<'static, Result<Self, Failure>> {
        Box::pin(async move { Self::start_with(options, Vec::new()).await })
    }

    /// As [`start`](Self::start), with `key=value` pairs over the machine's spec.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(
        options: AppOptions,
        overrides: Vec<String>,
    ) -> BoxFuture<'static, Result<Self, Failure>> {
        Box::pin(async move {
            let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
            let told = options.engine.or_else(|| variable("VIVARIUM_ENGINE"));
            let options = MachineOptions {
                machine: options.machine.or_else(|| variable("VIVARIUM_MACHINE")),
                instance: options.instance.or_else(|| variable("VIVARIUM_INSTANCE")),
                home: options.home,
                template: options.template,
                repo: options.repo,
                overrides,
                as_written: false,
                engine: EngineChoice::new(told.clone()),
            };
            let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
            let paths =
                lifecycle::Paths::find(options.home.as_deref(), options.instance.as_deref());
            let settings = settings::SettingsFile::load(&paths.config_dir);
            if told.is_none() {
                options.engine.set(settings.get().settings.engine);
            }
            let shared = handle::Shared {
                options,
                journal: journal::Journal::new(),
                bridge: Arc::new(Bridge::start(&tasks, &stop).await?),
                tasks,
                stop,
                runs: runs::Runs::default(),
                sandboxes: sandboxes::Slot::default(),
            };
            let app = Self {
                inner: Arc::new(Inner {
                    engine_is_told: told.is_some(),
                    paths,
                    settings,
                    secrets: secrets::Secrets::of(&shared.options),
                    shared: shared.clone(),
                    handles: machines::Handles::default(),
                    agents: agents::Slot::default(),
                    serving: OnceLock::new(),
                }),
            };
            app.inner.shared.sandboxes.belongs_to(&app);
            let watching = machines::watch(shared.clone(), app.inner.handles.clone());
            shared.tasks.spawn(watching);
            Ok(app)
        })
    }

    /// Carries out one of [`APP_COMMANDS`] or [`MACHINE_COMMANDS`], these for the named machine, or
    /// for the one that is meant if none is named.
    ///
    /// # Errors
    /// The handler's; [`NotFound`](wire::failure::FailureCode::NotFound) for another command or
    /// machine, [`Invalid`](wire::failure::FailureCode::Invalid) for a request that can't be read.
    pub fn rpc<'a>(
        &'a self,
        machine: Option<&'a str>,
        command: &'a str,
        params: serde_json::Value,
    ) -> BoxFuture<'a, Result<serde_json::Value, Failure>> {
        if !MACHINE_COMMANDS.contains(&command) {
            return self.dispatch(command, params);
        }
        Box::pin(async move { self.machine(machine)?.dispatch(command, params).await })
    }

    /// Picks up runs that were cut off, and from then on carries out what machines ask for (evolves, calls
    /// for sandboxes), until the app stops. For those that stay: one command's app is gone too soon.
    pub fn carry_out_wishes(&self) {
        self.inner.handles.carry_out_wishes();
    }

    pub(crate) async fn connect(&self) -> Result<lifecycle::Engine, Failure> {
        machine::connect(&self.inner.shared.options).await
    }

    pub(crate) async fn app_info(&self, _: Nothing) -> Result<AppInfo, Failure> {
        Ok(AppInfo {
            version: wire::VERSION.into(),
            config_dir: self.config_dir().display().to_string(),
            data_dir: self.data_dir().display().to_string(),
        })
    }

    /// Events with `seq > after` that are still kept, then live ones.
    #[must_use]
    pub fn subscribe(&self, after: u64) -> Subscription {
        self.inner.shared.journal.subscribe(after)
    }

    /// Number of the newest event: `subscribe` from here to hear only what comes.
    #[must_use]
    pub fn last_seq(&self) -> u64 {
        self.inner.shared.journal.last_seq()
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
        self.inner.shared.bridge.port()
    }

    /// Cancels long work, ends the app's tasks and waits for them. Machines keep running.
    pub fn stop(self) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.inner.shared.stop.cancel();
            self.inner.shared.tasks.close();
            self.inner.shared.tasks.wait().await;
            self.inner.shared.journal.close();
        })
    }
}
