//! The machine's handlers: each reads the spec anew and asks the container engine;
//! nothing is remembered that the engine itself could tell.

use std::path::PathBuf;

use lifecycle::{
    CancellationToken, Engine, LifecycleError, LogRange, Machine, MachineOptions, UpOptions,
};
use wire::{
    commands::{BuildRequest, Nothing, RemoveRequest, RunStarted, UpRequest},
    failure::Failure,
    job::{JobKind, JobOwner},
    log::{LogLines, LogsRequest},
    machine::{MachineStatus, Progress},
    stream::Event,
};

use crate::{MachineHandle, runs::NewRun};

/// Reads the spec, a small file, in the calling task: it waits for the disk, but hashes nothing.
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

fn range(request: LogsRequest) -> LogRange {
    LogRange {
        tail: request.tail,
        since_s: request.since_s,
    }
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
    pub(crate) async fn machine_status(&self, _: Nothing) -> Result<MachineStatus, Failure> {
        self.recover().await?;
        self.status_now().await
    }

    pub(crate) async fn status_now(&self) -> Result<MachineStatus, Failure> {
        Ok(self.machine()?.status(&self.connect().await?).await?)
    }

    /// Begins to bring the machine up; goes on as events.
    pub(crate) async fn machine_up(&self, request: UpRequest) -> Result<RunStarted, Failure> {
        self.run(Work::Up(UpOptions {
            rebuild: request.rebuild,
            recreate: request.recreate,
        }))
    }

    /// Begins to build the image, without touching the container; goes on as events.
    ///
    /// # Errors
    /// Where the spec is not valid.
    pub fn build(&self, rebuild: bool) -> Result<RunStarted, Failure> {
        self.run(Work::Build { rebuild })
    }

    pub(crate) async fn machine_build(&self, request: BuildRequest) -> Result<RunStarted, Failure> {
        self.build(request.rebuild)
    }

    fn run(&self, work: Work) -> Result<RunStarted, Failure> {
        let machine = self.machine()?;
        let kind = match work {
            Work::Build { .. } => JobKind::Build,
            Work::Up(_) => JobKind::Start,
        };
        let run_id = ulid::Ulid::generate().to_string();
        let cancel = self.begin_run(&run_id, kind, JobOwner::Person);
        let (handle, id) = (self.clone(), run_id.clone());
        self.inner.tasks.spawn(async move {
            let journal = &handle.inner.journal;
            let mut tell = |progress: Progress| {
                handle.inner.runs.note(&id, &progress);
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
            handle.end_run(id, kind, failure);
        });
        Ok(RunStarted { run_id })
    }

    /// A run that can be cancelled from now on, and is among the machine's jobs.
    pub(crate) fn begin_run(
        &self,
        run_id: &str,
        kind: JobKind,
        owner: JobOwner,
    ) -> CancellationToken {
        let run = NewRun {
            run_id,
            kind,
            machine: Some(self.name()),
            owner,
        };
        let cancel = self.inner.runs.begin(run, &self.inner.stop);
        self.inner.jobs.changed();
        cancel
    }

    /// It ended so, which the stream is told.
    pub(crate) fn end_run(&self, run_id: String, job_kind: JobKind, failure: Option<Failure>) {
        let started_at = self.inner.runs.end(&run_id, failure.as_ref());
        self.inner.jobs.changed();
        self.inner.journal.publish(Event::RunEnded {
            run_id,
            job_kind,
            started_at,
            failure,
        });
    }

    pub(crate) async fn machine_down(&self, _: Nothing) -> Result<MachineStatus, Failure> {
        let status = self.machine()?.down(&self.connect().await?).await?;
        Ok(self.told(status))
    }

    pub(crate) async fn machine_restart(&self, _: Nothing) -> Result<MachineStatus, Failure> {
        let status = self
            .machine()?
            .restart(&self.connect().await?, &self.inner.stop)
            .await?;
        Ok(self.told(status))
    }

    pub(crate) async fn machine_remove(
        &self,
        request: RemoveRequest,
    ) -> Result<MachineStatus, Failure> {
        let status = self
            .machine()?
            .remove(&self.connect().await?, request.home)
            .await?;
        Ok(self.told(status))
    }

    pub(crate) async fn machine_logs(&self, request: LogsRequest) -> Result<LogLines, Failure> {
        let lines = self
            .machine()?
            .logs(&self.connect().await?, range(request))
            .await?;
        Ok(LogLines { lines })
    }

    /// Tells the last lines of the container's log, then each new one, until the machine stops.
    /// Dropping the future ends it.
    ///
    /// # Errors
    /// [`wire::failure::FailureCode::NotRunning`], or what the container engine said.
    pub async fn follow_logs(
        &self,
        request: LogsRequest,
        tell: &mut (dyn FnMut(String) + Send),
    ) -> Result<(), Failure> {
        let machine = self.machine()?;
        let engine = self.connect().await?;
        Ok(machine.follow_logs(&engine, range(request), tell).await?)
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
