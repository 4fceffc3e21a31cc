//! Long work of a machine as one list: this process's runs, the record of evolves, and what the machine
//! says of its cells, commands and terminals. Each keeps its own store; a job is ended by whoever has it.
//!
//! `inside` reads what the machine says, `news` tells views that the list is another.

mod inside;
mod news;

use std::collections::HashSet;

use wire::{
    commands::Nothing,
    evolve::{EvolveAnswer, EvolveRun, RunState},
    failure::{Failure, FailureCode},
    job::{Job, JobId, JobKind, JobList, JobLog, JobLogRequest, JobState},
    routes::EndJob,
};

pub(crate) use self::news::News;
use crate::MachineHandle;

impl MachineHandle {
    /// Jobs that go on, and those that ended lately.
    pub(crate) async fn job_list(&self, _: Nothing) -> Result<JobList, Failure> {
        let (evolves, inside) = tokio::join!(self.evolve_jobs(), self.jobs_inside());
        let jobs = merged([evolves?, self.inner.runs.jobs(self.name()), inside.jobs]);
        let list = JobList::of(jobs);
        Ok(JobList {
            left_out: list.left_out.saturating_add(inside.left_out),
            missing: inside.missing,
            ..list
        })
    }

    /// Ends one.
    pub(crate) async fn job_cancel(&self, job: JobId) -> Result<Nothing, Failure> {
        self.end_job(&job.id).await?;
        Ok(Nothing {})
    }

    async fn end_job(&self, id: &str) -> Result<(), Failure> {
        if let Some(job) = self.inner.runs.job(self.name(), id) {
            return match job.kind {
                _ if job.state.is_over() => Err(over()),
                JobKind::Evolve | JobKind::Rollback => self.cancel_evolve(id),
                _ => self.cancel(id),
            };
        }
        let Some(run) = self.evolve_run(id).await? else {
            self.call::<EndJob>(id, &()).await?;
            return Ok(());
        };
        match run.state {
            RunState::Running => self.cancel_evolve(id),
            // Nothing was begun: it is declined.
            RunState::Asked | RunState::AwaitsYes => {
                let no = EvolveAnswer {
                    run_id: run.run_id,
                    yes: false,
                    tree: None,
                };
                self.evolve_answer(no).await?;
                Ok(())
            }
            _ => Err(over()),
        }
    }

    /// What one printed, from a place on.
    pub(crate) async fn job_log(&self, request: JobLogRequest) -> Result<JobLog, Failure> {
        let (id, after) = (request.id.as_str(), request.after);
        let here = self.inner.runs.job(self.name(), id).map(|job| job.kind);
        if let Some(JobKind::Build | JobKind::Start) = here
            && let Some(log) = self.inner.runs.log(id, after)
        {
            return Ok(log);
        }
        if here.is_none() && self.evolve_run(id).await?.is_none() {
            return self.job_log_inside(id, after).await;
        }
        let log = self.machine()?.run_log(id, after)?;
        let mut text = log.lines.join("\n");
        if !text.is_empty() {
            text.push('\n');
        }
        Ok(JobLog {
            text,
            next: log.next,
        })
    }

    /// Evolves and rollbacks, those that the machine asks for too.
    async fn evolve_jobs(&self) -> Result<Vec<Job>, Failure> {
        let is_interrupted = self.machine()?.is_interrupted();
        let runs = self.evolve_runs(Nothing {}).await?.runs;
        let here = self.inner.runs.jobs(self.name());
        let is_here = |id: &str| here.iter().any(|job| job.id == id);
        Ok(runs
            .iter()
            .map(|run| evolve_job(run, self.name(), is_interrupted, is_here(&run.run_id)))
            .collect())
    }

    async fn evolve_run(&self, id: &str) -> Result<Option<EvolveRun>, Failure> {
        let runs = self.evolve_runs(Nothing {}).await?.runs;
        Ok(runs.into_iter().find(|run| run.run_id == id))
    }
}

/// A run of evolve: one that was cut off goes on no more, and one that goes on elsewhere can't be
/// cancelled here.
fn evolve_job(run: &EvolveRun, machine: &str, is_interrupted: bool, is_here: bool) -> Job {
    let mut job = Job::of_run(run, Some(machine));
    if job.state == JobState::Running {
        job.can_cancel &= is_here;
        if is_interrupted && !is_here {
            job.state = JobState::Interrupted;
        }
    }
    job
}

/// Each job once: what an earlier list says of one counts.
fn merged(lists: [Vec<Job>; 3]) -> Vec<Job> {
    let mut known = HashSet::new();
    let mut jobs: Vec<Job> = lists.into_iter().flatten().collect();
    jobs.retain(|job| known.insert(job.id.clone()));
    jobs
}

fn over() -> Failure {
    Failure::new(FailureCode::NotFound, "The job has already finished")
}

/// Whether a job is one of those inside the machine.
fn is_inside(kind: JobKind) -> bool {
    matches!(kind, JobKind::Cell | JobKind::Command | JobKind::Terminal)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::evolve::{Asker, RunKind};

    fn run(state: RunState) -> EvolveRun {
        EvolveRun {
            state,
            ..EvolveRun::new("r".into(), RunKind::Evolve, Asker::Person, 1)
        }
    }

    #[test]
    fn an_evolve_is_cancelled_where_it_runs_and_one_that_was_cut_off_runs_nowhere() {
        let job = |interrupted, here| {
            let job = evolve_job(&run(RunState::Running), "work", interrupted, here);
            (job.state, job.can_cancel)
        };
        assert_eq!(job(false, true), (JobState::Running, true));
        assert_eq!(job(false, false), (JobState::Running, false));
        assert_eq!(job(true, false), (JobState::Interrupted, false));
        let waits = evolve_job(&run(RunState::AwaitsYes), "work", false, false);
        assert_eq!(
            (waits.state, waits.can_cancel),
            (JobState::AwaitsApproval, true)
        );
    }

    #[test]
    fn a_machine_can_not_put_a_job_of_its_own_in_the_place_of_an_evolve() {
        let ours = evolve_job(&run(RunState::Running), "work", false, true);
        let theirs = Job {
            title: "another".into(),
            kind: JobKind::Cell,
            ..ours.clone()
        };
        assert_eq!(
            merged([vec![ours.clone()], Vec::new(), vec![theirs]]),
            [ours]
        );
    }
}
