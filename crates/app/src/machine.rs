//! The machine's handlers: each reads the spec anew and asks the container engine;
//! nothing is remembered that the engine itself could tell.

use std::path::PathBuf;

use lifecycle::{Engine, LifecycleError, Machine, MachineOptions, UpOptions};
use wire::{
    commands::RunStarted,
    failure::{Failure, FailureCode},
    machine::{EngineInfo, MachineStatus, Progress},
    stream::Event,
};

use crate::App;

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

impl App {
    pub(crate) async fn connect(&self) -> Result<Engine, Failure> {
        connect(&self.inner.options).await
    }

    pub(crate) async fn info(&self) -> Result<EngineInfo, Failure> {
        Ok(self.connect().await?.info().clone())
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
        let (run_id, cancel) = self.begin_run();
        let (app, id) = (self.clone(), run_id.clone());
        self.inner.tasks.spawn(async move {
            let journal = &app.inner.journal;
            let mut tell = |progress: Progress| {
                journal.publish(Event::RunProgress {
                    run_id: id.clone(),
                    progress,
                });
            };
            let ended = async {
                let engine = app.connect().await?;
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
            app.end_run(&id);
            journal.publish(Event::RunEnded {
                run_id: id,
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
        match self.runs().get(run_id) {
            Some(cancel) => {
                cancel.cancel();
                Ok(())
            }
            None => Err(Failure::new(
                FailureCode::NotFound,
                "There is no such run, or it has ended",
            )
            .next("There is nothing to cancel: vivarium status says how the machine stands.")),
        }
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
