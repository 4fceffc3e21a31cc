//! Which jobs a person is told of, and in which words: one rule for all kinds.
//!
//! Told are a job that waits for the person, and one of the machine's (build, start, evolve, rollback)
//! that failed or was interrupted. What did what it was for is told if it took long, an evolve always.
//! Of cells those that took long, and of many that were run at once the last that succeeded. What somebody
//! cancelled they know; commands and terminals have a client who sees their end.

use wire::job::{JobKind, JobState};

use super::{ended::EndedJob, notice::Notice};

/// Shorter work ends before anybody looks away.
const LONG_MS: u64 = 10_000;

/// The words for a job, if a person is told of it.
pub fn notice(told: &EndedJob) -> Option<Notice> {
    use JobKind::{Build, Cell, Command, Evolve, Rollback, Start, Terminal};
    let job = &told.job;
    let took_ms = job.ended_at.map(|at| at.saturating_sub(job.created_at));
    let is_long = took_ms.is_some_and(|took| took >= LONG_MS);
    let is_told = match (job.kind, &job.state) {
        (_, JobState::Queued | JobState::Running | JobState::Cancelled) => false,
        (Command | Terminal, _) => false,
        (Cell, JobState::Succeeded) => is_long && told.others == 0,
        (Cell, _) => is_long,
        (Build | Start, JobState::Succeeded) => is_long,
        (Build | Start | Evolve | Rollback, _) => true,
    };
    if !is_told {
        return None;
    }
    let has_succeeded = job.state == JobState::Succeeded;
    let title = match job.kind {
        Evolve | Rollback if job.state == JobState::AwaitsApproval => {
            "Evolve requested from inside the machine"
        }
        Build if has_succeeded => "The image is built",
        Build => "The image could not be built",
        Start if has_succeeded => "The machine is ready",
        Start => "The machine failed to start",
        Evolve if has_succeeded => "The machine has evolved",
        Evolve => "Evolve failed. The old machine was kept.",
        Rollback if has_succeeded => "The machine was rolled back",
        Rollback => "Rollback failed. The old machine was kept.",
        Cell if has_succeeded => "Cell finished",
        Cell if job.state == JobState::Interrupted => "Cell did not finish",
        Cell => "Cell failed",
        Command | Terminal => return None,
    };
    let body = match job.kind {
        Start if has_succeeded => "Its image is built and it is running.",
        _ => &told.detail,
    };
    Some(Notice::new(title, body))
}

#[cfg(test)]
mod tests {
    use wire::{
        failure::{Failure, FailureCode},
        job::{Job, JobOwner},
        stream::{Event, StreamEvent},
    };

    use super::{super::ended::Jobs, *};

    fn told(kind: JobKind, state: JobState, took_ms: u64) -> Option<&'static str> {
        let job = Job {
            id: "j".into(),
            kind,
            owner: JobOwner::Person,
            machine: None,
            title: String::new(),
            state,
            created_at: 1000,
            started_at: None,
            ended_at: Some(1000 + took_ms),
            exit: None,
            has_log: false,
            can_cancel: false,
        };
        let told = EndedJob {
            job,
            detail: String::new(),
            others: 0,
        };
        notice(&told).map(|notice| notice.title)
    }

    #[test]
    fn each_kind_is_told_in_its_own_words() {
        use JobKind::{Build, Cell, Command, Evolve, Rollback, Start, Terminal};
        let all = [Build, Start, Evolve, Rollback, Cell, Command, Terminal];
        let titles = |state: JobState| all.map(|kind| told(kind, state.clone(), LONG_MS));
        let failed = titles(JobState::Failed { why: String::new() });
        assert_eq!(
            failed,
            [
                Some("The image could not be built"),
                Some("The machine failed to start"),
                Some("Evolve failed. The old machine was kept."),
                Some("Rollback failed. The old machine was kept."),
                Some("Cell failed"),
                None,
                None,
            ]
        );
        assert_eq!(
            titles(JobState::Succeeded),
            [
                Some("The image is built"),
                Some("The machine is ready"),
                Some("The machine has evolved"),
                Some("The machine was rolled back"),
                Some("Cell finished"),
                None,
                None,
            ]
        );
        assert_eq!(titles(JobState::Cancelled), [None; 7]);
        assert_eq!(titles(JobState::Running), [None; 7]);
    }

    #[test]
    fn short_work_is_told_if_it_failed_or_the_machine_is_another() {
        let failed = || JobState::Failed { why: String::new() };
        let short = LONG_MS - 1;
        assert_eq!(told(JobKind::Start, JobState::Succeeded, short), None);
        assert!(told(JobKind::Start, failed(), short).is_some());
        assert_eq!(told(JobKind::Cell, failed(), short), None);
        assert!(told(JobKind::Evolve, JobState::Succeeded, short).is_some());
        assert!(told(JobKind::Evolve, JobState::AwaitsApproval, 0).is_some());
    }

    fn at(at_ms: u64, event: Event) -> StreamEvent {
        StreamEvent {
            seq: 1,
            at_ms,
            machine: None,
            event,
        }
    }

    #[test]
    fn long_work_and_failures_are_told() {
        let mut jobs = Jobs::default();
        let mut ended = |at_ms, failure| {
            let event = Event::RunEnded {
                run_id: "r".into(),
                job_kind: JobKind::Start,
                started_at: 0,
                failure,
            };
            jobs.take(&at(at_ms, event)).as_ref().and_then(notice)
        };
        assert_eq!(ended(9_000, None), None);
        assert!(ended(10_000, None).is_some());
        let broken = Failure::new(FailureCode::BuildFailed, "Step 3 failed");
        assert_eq!(ended(1, Some(broken)).unwrap().body, "Step 3 failed");
        let cancelled = Failure::new(FailureCode::Cancelled, "Cancelled");
        assert_eq!(ended(1, Some(cancelled)), None);
    }

    #[test]
    fn of_cells_that_were_run_at_once_the_last_is_told_and_each_that_fails() {
        let mut jobs = Jobs::default();
        let mut take = |at_ms, event| jobs.take(&at(at_ms, event)).as_ref().and_then(notice);
        let queued = |cell: &str| Event::CellQueued {
            cell_id: cell.to_owned(),
            run_id: String::new(),
            execution_id: None,
        };
        let started = |cell: &str, ran_ms| Event::CellStarted {
            cell_id: cell.to_owned(),
            run_id: String::new(),
            execution_id: None,
            ran_ms,
        };
        let ended = |cell: &str, status: &str| {
            let answer = serde_json::json!({
                "id": cell, "execution_id": "e", "status": status, "stdout": "", "stderr": "",
                "result": null, "error": null, "timing_ms": 2000, "execution_count": 1, "outputs": [],
            });
            Event::CellEnded {
                cell_id: cell.to_owned(),
                run_id: String::new(),
                answer: Some(serde_json::from_value(answer).unwrap()),
                failure: None,
            }
        };
        for cell in ["a", "b", "c"] {
            take(0, queued(cell));
        }
        assert_eq!(take(20_000, ended("a", "completed")), None);
        assert_eq!(
            take(21_000, ended("b", "failed")).unwrap().title,
            "Cell failed"
        );
        assert_eq!(
            take(22_000, ended("c", "completed")).unwrap().body,
            "It took 2 s."
        );
        // Nobody is told of what they ended themselves.
        take(30_000, queued("d"));
        assert_eq!(take(50_000, ended("d", "interrupted")), None);

        // One that this window takes up late.
        take(60_000, queued("e"));
        take(60_001, started("e", 50_000));
        assert!(take(61_000, ended("e", "completed")).is_some());
    }
}
