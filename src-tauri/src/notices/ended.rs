//! Jobs as the stream tells of them: those that ended, and those that wait for the person.

use std::collections::{HashMap, VecDeque};

use wire::{
    evolve::{EvolveRun, RunState},
    failure::Failure,
    job::{Job, JobKind, JobOwner, JobState},
    kernel::{CellEnd, ExecStatus},
    stream::{Event, StreamEvent},
};

/// States of evolves that are remembered, so that each is told once.
const KNOWN: usize = 64;

/// What is known of jobs that go on.
#[derive(Debug, Default)]
pub struct Jobs {
    /// Cells that wait or run, and when they were handed in or began, in Unix milliseconds.
    cells: HashMap<String, u64>,
    /// Runs of evolve that were told of, and where they stood.
    known: VecDeque<(String, RunState)>,
}

/// A job that ended or waits for the person.
#[derive(Debug, PartialEq)]
pub struct EndedJob {
    pub job: Job,
    /// What there is to say of it: why it failed, how long it took, what it is for.
    pub detail: String,
    /// How many more of its kind wait or run.
    pub others: usize,
}

impl Jobs {
    /// The job that an event is about, if that ended or waits for the person now.
    pub fn take(&mut self, told: &StreamEvent) -> Option<EndedJob> {
        let at_ms = told.at_ms;
        let job = |id: &str, kind, created_at, state| Job {
            id: id.to_owned(),
            kind,
            owner: JobOwner::Person,
            machine: told.machine.clone(),
            title: String::new(),
            state,
            created_at,
            started_at: Some(created_at),
            ended_at: Some(at_ms),
            exit: None,
            has_log: false,
            can_cancel: false,
        };
        match &told.event {
            Event::CellQueued { cell_id, .. } => {
                self.cells.insert(cell_id.clone(), at_ms);
                None
            }
            // One that ran before this window looked.
            Event::CellStarted {
                cell_id, ran_ms, ..
            } => {
                let began = at_ms.saturating_sub(*ran_ms);
                let cell = self.cells.entry(cell_id.clone()).or_insert(began);
                *cell = began.min(*cell);
                None
            }
            Event::CellEnded {
                cell_id,
                answer,
                failure,
                ..
            } => {
                let began = self.cells.remove(cell_id).unwrap_or(at_ms);
                let (state, detail) = how_a_cell_ended(answer.as_ref(), failure.as_ref())?;
                Some(EndedJob {
                    job: job(cell_id, JobKind::Cell, began, state),
                    detail,
                    others: self.cells.len(),
                })
            }
            Event::RunEnded {
                run_id,
                job_kind,
                started_at,
                failure,
            } => {
                // How an evolve ended its own event has said, unless it failed before it had a record.
                let is_evolve = matches!(job_kind, JobKind::Evolve | JobKind::Rollback);
                if is_evolve && self.known.iter().any(|(known, _)| known == run_id) {
                    return None;
                }
                let state = JobState::ended(failure.as_ref());
                Some(EndedJob {
                    job: job(run_id, *job_kind, *started_at, state),
                    detail: failure
                        .as_ref()
                        .map_or_else(String::new, Failure::to_string),
                    others: 0,
                })
            }
            Event::Evolve { run } => self.evolve(run, told.machine.as_deref()),
            _ => None,
        }
    }

    fn evolve(&mut self, run: &EvolveRun, machine: Option<&str>) -> Option<EndedJob> {
        let now = (run.run_id.clone(), run.state);
        if self.known.contains(&now) {
            return None;
        }
        if self.known.len() >= KNOWN {
            self.known.pop_front();
        }
        self.known.push_back(now);
        let job = Job::of_run(run, machine);
        let is_told = job.state.is_over() || job.state == JobState::AwaitsApproval;
        let detail = run.error.as_ref().or(run.note.as_ref());
        is_told.then(|| EndedJob {
            job,
            detail: detail.cloned().unwrap_or_default(),
            others: 0,
        })
    }
}

fn how_a_cell_ended(
    end: Option<&CellEnd>,
    failure: Option<&Failure>,
) -> Option<(JobState, String)> {
    if let Some(failure) = failure {
        // Nothing more was heard of it.
        return Some((JobState::Interrupted, failure.to_string()));
    }
    let end = end?;
    let why = end.error.as_ref().map_or_else(String::new, |error| {
        format!("{}: {}", error.kind, error.message)
    });
    Some(match end.status {
        ExecStatus::Completed => {
            let took = format!("It took {} s.", end.timing_ms / 1000);
            (JobState::Succeeded, took)
        }
        ExecStatus::Failed | ExecStatus::Timeout => {
            let line = Job::line_of(&why);
            (JobState::Failed { why: line }, why)
        }
        ExecStatus::Interrupted => (JobState::Cancelled, why),
        ExecStatus::Died => (JobState::Interrupted, why),
    })
}

#[cfg(test)]
mod tests {
    use wire::failure::FailureCode;

    use super::*;

    fn at(at_ms: u64, event: Event) -> StreamEvent {
        StreamEvent {
            seq: 1,
            at_ms,
            machine: Some("work".into()),
            event,
        }
    }

    fn run(state: &str) -> StreamEvent {
        let run = serde_json::json!({
            "run_id": "r", "kind": "evolve", "state": state, "asked_by": "machine", "note": "ripgrep",
            "started_at": 1, "ended_at": null, "steps": [], "error": null, "failure": null,
            "generation": null, "from_generation": null, "commit": null, "report": {"proof": null, "downtime_ms": null},
        });
        let run = serde_json::from_value(run).unwrap();
        at(1, Event::Evolve { run })
    }

    fn ended(job_kind: JobKind) -> StreamEvent {
        let failure = Failure::new(FailureCode::EngineMissing, "The engine is away");
        at(
            20_000,
            Event::RunEnded {
                run_id: "r".into(),
                job_kind,
                started_at: 5_000,
                failure: Some(failure),
            },
        )
    }

    #[test]
    fn an_evolve_is_told_in_each_state_that_matters_and_once() {
        let mut jobs = Jobs::default();
        let told = jobs.take(&run("awaits_yes")).unwrap();
        assert_eq!(told.job.state, JobState::AwaitsApproval);
        assert_eq!(told.job.machine.as_deref(), Some("work"));
        assert_eq!(told.detail, "ripgrep");
        assert_eq!(jobs.take(&run("awaits_yes")), None);
        assert_eq!(jobs.take(&run("running")), None);
        assert!(jobs.take(&run("undone")).is_some());
        assert_eq!(jobs.take(&ended(JobKind::Evolve)), None);
    }

    #[test]
    fn an_evolve_that_has_no_record_is_told_as_an_evolve() {
        let told = Jobs::default().take(&ended(JobKind::Evolve)).unwrap();
        assert_eq!(told.job.kind, JobKind::Evolve);
        assert_eq!(
            (told.job.created_at, told.job.ended_at),
            (5_000, Some(20_000))
        );
        assert_eq!(told.detail, "The engine is away");
        let told = Jobs::default().take(&ended(JobKind::Start)).unwrap();
        assert_eq!(told.job.kind, JobKind::Start);
    }

    #[test]
    fn evolves_without_an_end_are_remembered_in_a_few_places() {
        let mut jobs = Jobs::default();
        for at in 0..1000 {
            let mut told = run("awaits_yes");
            if let Event::Evolve { run } = &mut told.event {
                run.run_id = at.to_string();
            }
            jobs.take(&told);
        }
        assert_eq!(jobs.known.len(), KNOWN);
    }
}
