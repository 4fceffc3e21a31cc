//! The machine's kernels, by name. `main` is always there; others come and go.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use nix::sys::signal::Signal;
use parking_lot::Mutex;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{
    body::{Change, KernelShown},
    table::TableEntry,
};

use super::{Execution, Kernel};
use crate::{
    changes::Changes,
    clock::Clock,
    paths,
    shell::Shell,
    supervisor::{keeper::Keeper, service::Service},
};

/// The kernel that is meant where none is named.
pub const MAIN: &str = "main";
/// A kernel's service is called so, and then by the kernel's name.
const PREFIX: &str = "kernel-";
const LONGEST_NAME: usize = 32;
/// Kernels are processes: more would be a mistake.
const MOST: usize = 32;

/// A kernel can't be made, or found.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    #[error("kernel {0:?} not found")]
    Unknown(String),
    #[error("kernel {0:?} already exists")]
    Exists(String),
    #[error("invalid kernel name {0:?}: use 1 to 32 letters, digits, - and _")]
    BadName(String),
    #[error("the main kernel can't be stopped; use POST /restart to restart it")]
    Main,
    #[error("the limit of {MOST} kernels is reached; stop one first")]
    TooMany,
}

struct Slot {
    kernel: Arc<Kernel>,
    stop: CancellationToken,
    /// It goes for good; its name is free once it has.
    ends: bool,
}

/// All of them.
pub struct Kernels {
    slots: Mutex<BTreeMap<String, Slot>>,
    main: Arc<Kernel>,
    keeper: Arc<Keeper>,
    shell: Arc<Shell>,
    changes: Changes,
    clock: Clock,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Kernels {
    /// Takes on `main`, whose service is kept already, and whatever other kernel there was, also
    /// where its process is gone.
    pub fn new(
        keeper: Arc<Keeper>,
        shell: Arc<Shell>,
        changes: Changes,
        clock: Clock,
        tasks: TaskTracker,
        stop: CancellationToken,
        known: &[TableEntry],
    ) -> Arc<Self> {
        let slot = slot(MAIN, &shell, &keeper, &changes, &clock, &tasks, &stop);
        let main = Arc::clone(&slot.kernel);
        let kernels = Arc::new(Self {
            slots: Mutex::new(BTreeMap::from([(MAIN.to_owned(), slot)])),
            main,
            keeper,
            shell,
            changes,
            clock,
            tasks,
            stop,
        });
        for name in names(&paths::queues_dir()) {
            let process = known.iter().find(|entry| entry.name == service_name(&name));
            kernels.add(&name, process.cloned());
        }
        kernels
    }

    /// The kernel `main`.
    pub fn main(&self) -> &Arc<Kernel> {
        &self.main
    }

    /// The kernel of this name; `main` where none is given.
    pub fn get(&self, name: Option<&str>) -> Result<Arc<Kernel>, KernelError> {
        let name = name.unwrap_or(MAIN);
        if name == MAIN {
            return Ok(Arc::clone(&self.main));
        }
        let slots = self.slots.lock();
        let slot = slots.get(name).filter(|slot| !slot.ends);
        slot.map(|slot| Arc::clone(&slot.kernel))
            .ok_or_else(|| KernelError::Unknown(name.to_owned()))
    }

    /// All of them, `main` first.
    pub fn all(&self) -> Vec<Arc<Kernel>> {
        let slots = self.slots.lock();
        let others = slots.values().filter(|slot| !slot.ends);
        let others = others.map(|slot| Arc::clone(&slot.kernel));
        let others = others.filter(|kernel| !Arc::ptr_eq(kernel, &self.main));
        std::iter::once(Arc::clone(&self.main))
            .chain(others)
            .collect()
    }

    /// How `GET /kernels` shows them.
    pub fn shown(&self) -> Vec<KernelShown> {
        self.all().iter().map(|kernel| kernel.shown()).collect()
    }

    /// The name of the kernel that this service is, where it is one.
    pub fn of_service<'a>(&self, service: &'a str) -> Option<&'a str> {
        let name = service.strip_prefix(PREFIX)?;
        self.get(Some(name)).is_ok().then_some(name)
    }

    /// A cell of whichever kernel.
    pub fn execution(&self, execution_id: &str) -> Option<(Arc<Kernel>, Arc<Execution>)> {
        self.all().into_iter().find_map(|kernel| {
            let execution = kernel.execution(execution_id)?;
            Some((kernel, execution))
        })
    }

    /// Starts one more.
    pub fn start(&self, name: &str) -> Result<Arc<Kernel>, KernelError> {
        let fine = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        if name.is_empty() || name.len() > LONGEST_NAME || !name.chars().all(fine) {
            return Err(KernelError::BadName(name.to_owned()));
        }
        let (exists, count) = {
            let slots = self.slots.lock();
            (slots.contains_key(name), slots.len())
        };
        if !exists && count >= MOST {
            return Err(KernelError::TooMany);
        }
        self.add(name, None)
            .ok_or_else(|| KernelError::Exists(name.to_owned()))
    }

    /// Ends one for good, also where nobody waits for it any more.
    pub async fn end(self: &Arc<Self>, name: &str) -> Result<(), KernelError> {
        if name == MAIN {
            return Err(KernelError::Main);
        }
        match self.slots.lock().get_mut(name) {
            Some(slot) if !slot.ends => slot.ends = true,
            _ => return Err(KernelError::Unknown(name.to_owned())),
        }
        let (kernels, name) = (Arc::clone(self), name.to_owned());
        // Who waits may go away, and half an end would leave a process that is nobody's.
        let ending = self.tasks.spawn(async move {
            kernels.keeper.remove(&service_name(&name)).await;
            if let Some(slot) = kernels.slots.lock().remove(&name) {
                slot.stop.cancel();
                slot.kernel.close();
            }
            kernels.changes.tell(|| Change::KernelEnded { name });
        });
        if let Err(error) = ending.await {
            tracing::error!(%error, "a kernel's end failed");
        }
        Ok(())
    }

    /// Gives a kernel a new process, and waits until it takes cells.
    pub async fn restart(&self, name: &str) -> Result<(), KernelError> {
        let kernel = self.get(Some(name))?;
        let before = kernel.pid();
        let _restarts = Restarts::of(&kernel);
        if !self.keeper.restart(&service_name(name)).await {
            return Err(KernelError::Unknown(name.to_owned()));
        }
        kernel.ready(before).await;
        Ok(())
    }

    fn add(&self, name: &str, known: Option<TableEntry>) -> Option<Arc<Kernel>> {
        let mut slots = self.slots.lock();
        if slots.contains_key(name) {
            return None;
        }
        let slot = slot(
            name,
            &self.shell,
            &self.keeper,
            &self.changes,
            &self.clock,
            &self.tasks,
            &self.stop,
        );
        let kernel = Arc::clone(&slot.kernel);
        slots.insert(name.to_owned(), slot);
        self.keeper.keep(service(name), known);
        Some(kernel)
    }
}

/// A kernel that is given a new process, until this is dropped.
struct Restarts<'a>(&'a Kernel);

impl<'a> Restarts<'a> {
    fn of(kernel: &'a Kernel) -> Self {
        kernel.restarts.fetch_add(1, Ordering::Relaxed);
        Self(kernel)
    }
}

impl Drop for Restarts<'_> {
    fn drop(&mut self) {
        self.0.restarts.fetch_sub(1, Ordering::Relaxed);
    }
}

fn slot(
    name: &str,
    shell: &Arc<Shell>,
    keeper: &Arc<Keeper>,
    changes: &Changes,
    clock: &Clock,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> Slot {
    let stop = stop.child_token();
    let (kernel, driving) = Kernel::new(
        name,
        paths::kernel_socket(name),
        paths::queue_dir(name),
        Arc::clone(shell),
        changes.clone(),
        clock.clone(),
        stop.clone(),
    );
    tasks.spawn(driving);
    let watching = Arc::clone(&kernel).watch(Arc::clone(keeper), service_name(name));
    let end = stop.clone();
    tasks.spawn(async move {
        tokio::select! {
            () = end.cancelled() => {}
            () = watching => {}
        }
    });
    Slot {
        kernel,
        stop,
        ends: false,
    }
}

/// The kernels that a supervisor before this one had, but for `main`.
fn names(queues: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(queues).into_iter().flatten().flatten();
    let folders = folders.filter(|entry| entry.path().is_dir());
    let names = folders.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<_> = names.filter(|name| name != MAIN).collect();
    names.sort();
    names
}

fn service_name(name: &str) -> String {
    format!("{PREFIX}{name}")
}

/// A kernel's service. Its driver knows best when it takes cells; a probe would be one more client.
pub fn service(name: &str) -> Service {
    let of = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let socket = paths::kernel_socket(name);
    let argv = [
        of("KERNEL_PYTHON", "/opt/venv/kernel/bin/python"),
        "-m".to_owned(),
        "vivarium_kernel".to_owned(),
        "--socket".to_owned(),
        socket.display().to_string(),
    ];
    let env = BTreeMap::from([
        (
            "PYTHONPATH".to_owned(),
            of("KERNEL_PATH", "/opt/vivarium/kernel"),
        ),
        ("DISPLAY".to_owned(), ":99".to_owned()),
    ]);
    Service {
        env,
        secrets: crate::secrets::kernel_keys,
        leftovers: vec![socket],
        stop_signal: Signal::SIGTERM,
        is_watched: false,
        takes_all: true,
        ..Service::new(service_name(name), argv.into())
    }
}
