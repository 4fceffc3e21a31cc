//! The machines that the app holds: a handle for each spec that is there, also for those that the
//! command line or another window made meanwhile.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use lifecycle::{Machines, MountSpec, NewMachine, Profile};
use parking_lot::Mutex;
use wire::{
    advice::Advice,
    commands::{Nothing, RemoveRequest},
    failure::{Failure, FailureCode},
    machines::{
        MachineCreateRequest, MachineDeleteRequest, MachineEntry, MachineList, MachineRenameRequest,
    },
    stream::Event,
};

use crate::{App, MachineHandle, handle::Shared};

/// Between two looks at which specs are there.
const LOOK: Duration = Duration::from_secs(1);

/// The handles, by the machines' names; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Handles {
    all: Arc<Mutex<BTreeMap<String, MachineHandle>>>,
    /// Whether the app carries out what machines ask for.
    carries_out: Arc<AtomicBool>,
}

impl Handles {
    /// The handle of a machine whose spec is there.
    fn of(&self, shared: &Shared, name: &str) -> MachineHandle {
        let mut all = self.all.lock();
        if let Some(handle) = all.get(name) {
            return handle.clone();
        }
        let handle = MachineHandle::start(shared, name);
        if self.carries_out.load(Ordering::Relaxed) {
            carry_out(&handle);
        }
        all.insert(name.to_owned(), handle.clone());
        handle
    }

    /// Starts those that are missing, and ends those whose spec is gone.
    fn keep(&self, shared: &Shared, names: &[String]) {
        self.all.lock().retain(|name, handle| {
            let stays = names.contains(name);
            if !stays {
                handle.end();
            }
            stays
        });
        for name in names {
            self.of(shared, name);
        }
    }

    /// From now on, runs that machines ask for are carried out here.
    pub(crate) fn carry_out_wishes(&self) {
        if self.carries_out.swap(true, Ordering::Relaxed) {
            return;
        }
        for handle in self.all.lock().values() {
            carry_out(handle);
        }
    }
}

/// Carries out what a machine asks for, from now on.
fn carry_out(handle: &MachineHandle) {
    handle.carry_out_wishes();
    handle.answer_sandbox_calls();
}

/// Notices machines that come and go, as long as anybody listens.
pub(crate) async fn watch(shared: Shared, handles: Handles) {
    let specs = Machines::of(&shared.options);
    let mut last: Option<Vec<String>> = None;
    loop {
        if shared.journal.has_listeners() || handles.carries_out.load(Ordering::Relaxed) {
            let specs = specs.clone();
            if let Ok(Ok(names)) = tokio::task::spawn_blocking(move || specs.list()).await {
                handles.keep(&shared, &names);
                if last.as_ref().is_some_and(|last| *last != names) {
                    shared.journal.publish(Event::Machines {
                        machines: list(&names),
                    });
                }
                last = Some(names);
            }
        }
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn list(names: &[String]) -> MachineList {
    MachineList {
        machines: names
            .iter()
            .map(|name| MachineEntry { name: name.clone() })
            .collect(),
    }
}

impl App {
    /// A machine: the named one, else the one that the app was started for, else the first one.
    ///
    /// # Errors
    /// [`FailureCode::NotFound`] if there is none of that name; [`FailureCode::Invalid`] if none was
    /// named and several are there, or if an earlier version's spec can't be read.
    pub fn machine(&self, name: Option<&str>) -> Result<MachineHandle, Failure> {
        let shared = &self.inner.shared;
        let name = name.or(shared.options.machine.as_deref());
        let (name, _) = Machines::of(&shared.options).find(name)?;
        Ok(self.inner.handles.of(shared, &name))
    }

    /// All machines that there are, the first one first.
    ///
    /// # Errors
    /// If the folder of their settings files can't be read.
    pub fn machines(&self) -> Result<MachineList, Failure> {
        Ok(list(&Machines::of(&self.inner.shared.options).list()?))
    }

    pub(crate) async fn machine_list(&self, _: Nothing) -> Result<MachineList, Failure> {
        self.machines()
    }

    pub(crate) async fn machine_create(
        &self,
        request: MachineCreateRequest,
    ) -> Result<MachineList, Failure> {
        let profile = match request.profile.as_deref() {
            None | Some("") => None,
            Some("default") => Some(Profile::Default),
            Some("locked") => Some(Profile::Locked),
            Some(other) => {
                return Err(Failure::new(
                    FailureCode::Invalid,
                    format!("Invalid profile: {other:?}"),
                )
                .next(Advice::ChooseProfile));
            }
        };
        let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
        Machines::of(&self.inner.shared.options).create(&NewMachine {
            name: request.name,
            profile,
            base: filled(request.base),
            mounts: request
                .mounts
                .into_iter()
                .map(|mount| MountSpec {
                    source: mount.source,
                    target: mount.target,
                    read_only: mount.read_only,
                })
                .collect(),
            memory: filled(request.memory),
            cpus: request.cpus,
        })?;
        self.changed_machines()
    }

    pub(crate) async fn machine_rename(
        &self,
        request: MachineRenameRequest,
    ) -> Result<MachineList, Failure> {
        // What it does now would go on under the old name.
        self.machine(Some(&request.name))?.check_idle()?;
        Machines::of(&self.inner.shared.options).rename(&request.name, &request.new_name)?;
        self.changed_machines()
    }

    pub(crate) async fn machine_delete(
        &self,
        request: MachineDeleteRequest,
    ) -> Result<MachineList, Failure> {
        let MachineDeleteRequest { name, home } = request;
        let machine = self.machine(Some(&name))?;
        machine.machine_remove(RemoveRequest { home }).await?;
        machine.end_sandboxes(&machine.machine()?).await;
        let machines = Machines::of(&self.inner.shared.options);
        let id = machines
            .ids()?
            .into_iter()
            .find(|(known, _)| *known == name);
        machines.forget(&name)?;
        if let Some((_, id)) = id {
            self.forget_secrets_of(id.clone()).await?;
            self.forget_tokens_of(id).await?;
        }
        self.changed_machines()
    }

    /// Tells which machines there are now.
    fn changed_machines(&self) -> Result<MachineList, Failure> {
        let machines = self.machines()?;
        let names: Vec<String> = machines
            .machines
            .iter()
            .map(|entry| entry.name.clone())
            .collect();
        self.inner.handles.keep(&self.inner.shared, &names);
        self.inner.shared.journal.publish(Event::Machines {
            machines: machines.clone(),
        });
        Ok(machines)
    }
}
