//! What the machine says of its own jobs. Whatever runs inside may say anything, so that all of it is
//! bounded and no kind of ours is taken from it.

use std::time::Duration;

use machine_client::RouteCall;
use wire::{
    failure::{Failure, FailureCode},
    job::{Job, JobList, JobLog, JobOwner, JobState},
    routes::{AfterQuery, ListJobs, ReadJobLog},
};

use super::is_inside;
use crate::{
    MachineHandle,
    body::{failed, within},
};

/// How long the machine may take: a list without its jobs is better than none.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of a list, and of a page of a log as JSON.
const LIST_BYTES: usize = 1 << 20;
const LOG_BYTES: usize = 8 << 20;
/// Bytes of an id.
const LONGEST_ID: usize = 128;

impl MachineHandle {
    /// Cells, commands and terminals; of a machine that isn't running none.
    pub(super) async fn jobs_inside(&self) -> JobList {
        let asked = async {
            let call = RouteCall::<ListJobs>::new((), &()).map_err(failed)?;
            self.call_up_to(LIST_BYTES, &call).await
        };
        told(within(PATIENCE, asked).await, self.name())
    }

    pub(super) async fn job_log_inside(&self, id: &str, after: u64) -> Result<JobLog, Failure> {
        let call = RouteCall::<ReadJobLog>::new(id, &()).map_err(failed)?;
        let call = call.query(&AfterQuery { after }).map_err(failed)?;
        self.call_up_to(LOG_BYTES, &call).await
    }
}

/// The list as the app passes it on.
fn told(answer: Result<JobList, Failure>, machine: &str) -> JobList {
    match answer {
        Ok(list) => {
            let now_ms = lifecycle::now_ms();
            let mut jobs = list.jobs;
            jobs.truncate(Job::MOST);
            JobList {
                jobs: jobs
                    .into_iter()
                    .filter_map(|job| taken(job, machine, now_ms))
                    .collect(),
                left_out: list.left_out,
                missing: None,
            }
        }
        Err(failure) if failure.code == FailureCode::NotRunning => JobList::default(),
        Err(failure) => JobList {
            missing: Some(match failure.code {
                // A machine of an earlier version.
                FailureCode::NotFound => {
                    "this version of the machine doesn't list its cells, commands and terminals"
                        .to_owned()
                }
                _ => Job::line_of(&failure.to_string()),
            }),
            ..JobList::default()
        },
    }
}

/// A job as far as a machine has a say in it.
fn taken(job: Job, machine: &str, now_ms: u64) -> Option<Job> {
    let is_fine = is_inside(job.kind) && (1..=LONGEST_ID).contains(&job.id.len());
    is_fine.then(|| Job {
        machine: Some(machine.to_owned()),
        title: Job::line_of(&job.title),
        owner: match job.owner {
            JobOwner::Token { name } => JobOwner::Token {
                name: Job::line_of(&name),
            },
            owner => owner,
        },
        state: match job.state {
            JobState::Failed { why } => JobState::Failed {
                why: Job::line_of(&why),
            },
            // Only what this computer carries out waits for a person.
            JobState::AwaitsApproval => JobState::Queued,
            state => state,
        },
        created_at: job.created_at.min(now_ms),
        started_at: job.started_at.map(|at| at.min(now_ms)),
        ended_at: job.ended_at.map(|at| at.min(now_ms)),
        ..job
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::job::JobKind;

    fn job(kind: JobKind, id: &str) -> Job {
        Job {
            id: id.to_owned(),
            kind,
            owner: JobOwner::Token {
                name: "x".repeat(100_000),
            },
            machine: Some("another".to_owned()),
            title: "one\ntwo".repeat(100_000),
            state: JobState::Failed {
                why: "why ".repeat(100_000),
            },
            created_at: 1,
            started_at: None,
            ended_at: None,
            exit: None,
            has_log: true,
            can_cancel: true,
        }
    }

    #[test]
    fn a_machine_speaks_of_its_own_jobs_alone_and_briefly() {
        let jobs = vec![
            job(JobKind::Evolve, "a"),
            job(JobKind::Cell, ""),
            job(JobKind::Cell, &"i".repeat(LONGEST_ID + 1)),
            job(JobKind::Terminal, "b"),
        ];
        let said = JobList {
            jobs,
            ..JobList::default()
        };
        let list = told(Ok(said), "work");
        assert_eq!(list.jobs.len(), 1);
        let job = &list.jobs[0];
        assert_eq!((&*job.id, job.machine.as_deref()), ("b", Some("work")));
        assert_eq!(job.title, "one");
        let bytes = serde_json::to_vec(&list).unwrap().len();
        assert!(bytes < 2000, "{bytes}");
        let waits = Job {
            state: JobState::AwaitsApproval,
            created_at: u64::MAX,
            ..job.clone()
        };
        let waits = taken(waits, "work", 7).unwrap();
        assert_eq!((waits.state, waits.created_at), (JobState::Queued, 7));
        let flood = JobList {
            jobs: (0..1000)
                .map(|at| Job {
                    id: at.to_string(),
                    ..job.clone()
                })
                .collect(),
            ..JobList::default()
        };
        assert_eq!(told(Ok(flood), "work").jobs.len(), Job::MOST);
    }

    #[test]
    fn a_machine_that_is_not_running_has_none_and_one_that_is_silent_is_said_to_be() {
        let missing = |code, message| told(Err(Failure::new(code, message)), "work").missing;
        assert_eq!(missing(FailureCode::NotRunning, "stopped"), None);
        let silent = missing(FailureCode::Unhealthy, "The machine is not responding");
        assert_eq!(silent.as_deref(), Some("The machine is not responding"));
        let old = missing(FailureCode::NotFound, "Not found in the machine");
        assert!(old.is_some_and(|old| old.contains("version")));
    }
}
