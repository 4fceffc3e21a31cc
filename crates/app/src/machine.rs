//! The machine's handlers: each reads the spec anew and asks the container engine;
//! nothing is remembered that the engine itself could tell.

use std::path::PathBuf;

use lifecycle::{Engine, LifecycleError, Machine, MachineOptions, UpOptions};
use wire::{
    commands::RunStarted,
    failure::Failure,
    machine::{MachineStatus, Progress},
    stream::{self, Event},
};

use crate::MachineHandle;

/// Reads the spec off the async threads' way: it hashes nothing but touches the disk.
pub(crate) fn load(options: &MachineOptions) -> Result<Machine, Failure> {
    Ok(Machine::load(options)?)
}

pub(crate) async fn connect(options: &MachineOptions) -> Result<Engine, Failure> {
    Ok(options
        .engine
        .connect()
        .await
        .map_err(LifecycleError::from)?)
}

/// What long work does.
#[derive(Clone, Copy, Debug)]
enum Work {
    Build { rebuild: bool },
    Up(UpOptions),
}

impl MachineHandle {
    pub(crate) async fn connect(&self) -> Result<Engine, Failure> {
        connect(&self.inner.options).await
    }

    /// Its state, once a run of evolve that was cut off is finished or undone.
    pub(crate) async fn status(&self) -> Result<MachineStatus, Failure> {
        self.recover().await?;
        self.status_now().await
    }

    pub(crate) async fn status_now(&self) -> Result<MachineStatus, Failure> {
        Ok(self.machine()?.status(&self.connect().await?).await?)
    }

    /// Begins to bring the machine up; goes on as events.
    pub(crate) fn up(&self, options: UpOptions) -> Result<RunStarted, Failure> {
        self.run(Work::Up(options))
    }

    /// Begins to build the image, without touching the container; goes on as events.
    ///
    /// # Errors
    /// Where the spec is not valid.
    pub fn build(&self, rebuild: bool) -> Result<RunStarted, Failure> {
        self.run(Work::Build { rebuild })
    }

    fn run(&self, work: Work) -> Result<RunStarted, Failure> {
        let machine = self.machine()?;
        let kind = match work {
            Work::Build { .. } => stream::Work::Build,
            Work::Up(_) => stream::Work::Up,
        };
        let (run_id, cancel) = self.inner.runs.begin(&self.inner.stop);
        let (handle, id) = (self.clone(), run_id.clone());
        self.inner.tasks.spawn(async move {
            let journal = &handle.inner.journal;
            let mut tell = |progress: Progress| {
                journal.publish(Event::RunProgress {
                    run_id: id.clone(),
                    progress,
                });
            };
            let ended = async {
                let engine = handle.connect().await?;
                if matches!(work, Work::Up(_)) {
                    handle.know_tokens(&machine).await?;
                }
                match work {
                    Work::Build { rebuild } => {
                        machine.build(&engine, rebuild, &cancel, &mut tell).await?;
                        Ok(machine.status(&engine).await?)
                    }
                    Work::Up(options) => {
                        Ok::<_, Failure>(machine.up(&engine, options, &cancel, &mut tell).await?)
                    }
                }
            }
            .await;
            let failure = match ended {
                Ok(status) => {
                    journal.publish(Event::Machine { status });
                    None
                }
                Err(failure) => {
                    tracing::warn!(run_id = id, %failure, "a run failed");
                    Some(failure)
                }
            };
            handle.inner.runs.end(&id);
            journal.publish(Event::RunEnded {
                run_id: id,
                work: kind,
                failure,
            });
        });
        Ok(RunStarted { run_id })
    }

    pub(crate) async fn down(&self) -> Result<MachineStatus, Failure> {
        let status = self.machine()?.down(&self.connect().await?).await?;
        Ok(self.told(status))
    }

    pub(crate) async fn restart(&self) -> Result<MachineStatus, Failure> {
        let status = self
            .machine()?
            .restart(&self.connect().await?, &self.inner.stop)
            .await?;
        Ok(self.told(status))
    }

    pub(crate) async fn remove(&self, home: bool) -> Result<MachineStatus, Failure> {
        let status = self.machine()?.remove(&self.connect().await?, home).await?;
        Ok(self.told(status))
    }

    pub(crate) async fn logs(&self, tail: u32) -> Result<Vec<String>, Failure> {
        Ok(self.machine()?.logs(&self.connect().await?, tail).await?)
    }

    pub(crate) fn cancel(&self, run_id: &str) -> Result<(), Failure> {
        self.inner.runs.cancel(run_id)
    }

    /// Refuses while long work goes on: another process of this computer may do it too.
    pub(crate) fn check_idle(&self) -> Result<(), Failure> {
        Ok(self.machine()?.check_idle()?)
    }

    /// Where the kernel API's token lies.
    ///
    /// # Errors
    /// Where the spec is not valid.
    pub fn token_file(&self) -> Result<PathBuf, Failure> {
        Ok(self.machine()?.token_file())
    }

    pub(crate) fn machine(&self) -> Result<Machine, Failure> {
        load(&self.inner.options)
    }

    fn told(&self, status: MachineStatus) -> MachineStatus {
        self.inner.journal.publish(Event::Machine {
            status: status.clone(),
        });
        status
    }
}
