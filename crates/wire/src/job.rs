//! Long work as all lists show it: cells, commands, terminals, builds, starts, evolves. Each kind keeps
//! its own store and its own states; a [`Job`] is what they have in common.

use serde::{Deserialize, Serialize};

use crate::{
    evolve::{Asker, EvolveRun, RunKind, RunState, StepName},
    failure::{Failure, FailureCode},
};

wire! {
    /// What a job does.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum JobKind {
        /// Builds the machine's image.
        Build,
        /// Builds if needed, creates and starts the machine.
        Start,
        /// Builds a new machine and puts it in the old one's place.
        Evolve,
        /// Puts an earlier generation in place.
        Rollback,
        /// Runs code in a kernel.
        Cell,
        /// Runs a command in the machine's shell.
        Command,
        /// Is a shell on a PTY, for as long as that lives.
        Terminal,
    }

    /// Who asked for a job.
    #[derive(Eq, Default)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum JobOwner {
        /// Something inside the machine.
        #[default]
        Machine,
        /// A person at the app or the command line, or a program with the machine's own token.
        Person,
        /// A program with an access token.
        Token {
            /// The token's name.
            name: String,
        },
    }

    /// Where a job stands, and at its end how it ended.
    #[derive(Eq)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum JobState {
        /// It waits for its turn.
        Queued,
        /// It waits until a person approves it.
        AwaitsApproval,
        /// It is being done.
        Running,
        /// It did what it was for. A command did so whatever its exit status is.
        Succeeded,
        /// It did not.
        Failed {
            /// Why, in one line.
            why: String,
        },
        /// Somebody ended it or declined it.
        Cancelled,
        /// What carried it out ended under it.
        Interrupted,
    }

    /// One piece of long work.
    #[derive(Eq)]
    pub struct Job {
        /// Unique over all kinds and machines.
        pub id: String,
        /// What it does.
        pub kind: JobKind,
        /// Who asked for it.
        pub owner: JobOwner,
        /// The machine; `None` in a machine's own API, which doesn't know its name.
        #[serde(default)]
        pub machine: Option<String>,
        /// What it is about: the first line of a cell or a command, a terminal's name, a note. Empty if
        /// its kind says all.
        pub title: String,
        /// Where it stands.
        pub state: JobState,
        /// When it was asked for, in Unix milliseconds.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub created_at: u64,
        /// When it began to run, in Unix milliseconds.
        #[cfg_attr(feature = "ts", ts(type = "number | null"))]
        pub started_at: Option<u64>,
        /// When it ended, in Unix milliseconds.
        #[cfg_attr(feature = "ts", ts(type = "number | null"))]
        pub ended_at: Option<u64>,
        /// Exit status of a command or a terminal's shell, or 128 + the signal that ended it.
        pub exit: Option<i32>,
        /// Whether `job_log` has what it printed.
        pub has_log: bool,
        /// Whether `job_cancel` can end it now.
        pub can_cancel: bool,
    }

    /// Jobs of a machine: answer of `job_list`, and of the machine's `GET /jobs` for those inside it.
    #[derive(Eq, Default)]
    pub struct JobList {
        /// Newest first.
        pub jobs: Vec<Job>,
        /// How many more there are: of very many, those that go on are shown first.
        pub left_out: u32,
        /// Why those inside the machine are missing, if they could not be asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(optional))]
        pub missing: Option<String>,
    }

    /// What a job printed: answer of `job_log`, and of the machine's `GET /jobs/{id}/log`.
    #[derive(Eq, Default)]
    pub struct JobLog {
        /// As it was printed.
        pub text: String,
        /// Where to go on reading; the number that was asked with if nothing came since.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub next: u64,
    }

    /// Names a job.
    #[derive(Eq)]
    pub struct JobId {
        /// As `job_list` has it.
        pub id: String,
    }

    /// Asks for `job_log`.
    #[derive(Eq)]
    pub struct JobLogRequest {
        /// Which job.
        pub id: String,
        /// From here on: 0, or the last answer's `next`.
        #[serde(default)]
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub after: u64,
    }
}

impl JobState {
    /// Whether the job is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(
            self,
            Self::Succeeded | Self::Failed { .. } | Self::Cancelled | Self::Interrupted
        )
    }

    /// How work ended that failed for this reason, or did not fail.
    #[must_use]
    pub fn ended(failure: Option<&Failure>) -> Self {
        match failure {
            None => Self::Succeeded,
            Some(failure) if failure.code == FailureCode::Cancelled => Self::Cancelled,
            Some(failure) => Self::Failed {
                why: Job::line_of(&failure.to_string()),
            },
        }
    }
}

impl Job {
    /// Letters of a title, and of why a job failed.
    pub const LONGEST_LINE: usize = 200;
    /// Jobs in a list.
    pub const MOST: usize = 200;
    /// Bytes of a log that one answer carries, about.
    pub const LOG_PAGE: usize = 1 << 20;

    /// A run of evolve as a job.
    #[must_use]
    pub fn of_run(run: &EvolveRun, machine: Option<&str>) -> Self {
        let state = match run.state {
            RunState::Asked => JobState::Queued,
            RunState::AwaitsYes => JobState::AwaitsApproval,
            RunState::Running => JobState::Running,
            RunState::Good => JobState::Succeeded,
            RunState::Undone | RunState::Failed => {
                let failure = run.failure.as_ref().map(ToString::to_string);
                let why = run.error.clone().or(failure).unwrap_or_default();
                JobState::Failed {
                    why: Self::line_of(&why),
                }
            }
            RunState::Refused | RunState::Cancelled => JobState::Cancelled,
        };
        let is_waiting = matches!(state, JobState::Queued | JobState::AwaitsApproval);
        let is_committed = run.steps.last().is_some_and(|step| {
            let late = [
                StepName::Swap,
                StepName::Settle,
                StepName::Tidy,
                StepName::Undo,
            ];
            late.contains(&step.name)
        });
        Self {
            id: run.run_id.clone(),
            kind: match run.kind {
                RunKind::Evolve => JobKind::Evolve,
                RunKind::Rollback => JobKind::Rollback,
            },
            owner: match run.asked_by {
                Asker::Person => JobOwner::Person,
                Asker::Machine => JobOwner::Machine,
            },
            machine: machine.map(str::to_owned),
            title: Self::line_of(run.note.as_deref().unwrap_or_default()),
            created_at: run.started_at,
            started_at: (!is_waiting).then_some(run.started_at),
            ended_at: run.ended_at,
            exit: None,
            has_log: !is_waiting,
            can_cancel: !state.is_over() && !is_committed,
            state,
        }
    }

    /// The first line of a text that is not empty, cut.
    #[must_use]
    pub fn line_of(text: &str) -> String {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty());
        let line = line.unwrap_or_default();
        match line.char_indices().nth(Self::LONGEST_LINE) {
            None => line.to_owned(),
            Some(_) => {
                let letters = line.chars().take(Self::LONGEST_LINE - 1);
                letters.chain(['…']).collect()
            }
        }
    }
}

impl JobList {
    /// A list of these: no more than [`Job::MOST`], of which those that are over are left out first,
    /// the oldest of them before others.
    #[must_use]
    pub fn of(mut jobs: Vec<Job>) -> Self {
        let newest_first = |job: &Job| std::cmp::Reverse((job.created_at, job.id.clone()));
        jobs.sort_by_cached_key(|job| (job.state.is_over(), newest_first(job)));
        let left_out = jobs.len().saturating_sub(Job::MOST);
        jobs.truncate(Job::MOST);
        jobs.sort_by_cached_key(newest_first);
        Self {
            jobs,
            left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
            missing: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evolve::{EvolveStep, StepState};

    fn job(created_at: u64, state: JobState) -> Job {
        Job {
            id: format!("{created_at:06}"),
            kind: JobKind::Cell,
            owner: JobOwner::default(),
            machine: None,
            title: String::new(),
            state,
            created_at,
            started_at: None,
            ended_at: None,
            exit: None,
            has_log: true,
            can_cancel: false,
        }
    }

    #[test]
    fn of_too_many_jobs_those_that_go_on_are_kept() {
        let over = (0..1000).map(|at| job(at + 10, JobState::Succeeded));
        let oldest = [job(1, JobState::Running), job(2, JobState::Queued)];
        let list = JobList::of(over.chain(oldest).collect());
        assert_eq!((list.jobs.len(), list.left_out), (Job::MOST, 802));
        let created: Vec<_> = list.jobs.iter().map(|job| job.created_at).collect();
        assert!(created.is_sorted_by(|one, next| one > next));
        assert_eq!(created[..2], [1009, 1008]);
        assert_eq!(created[Job::MOST - 2..], [2, 1]);
    }

    #[test]
    fn a_title_is_one_short_line() {
        assert_eq!(Job::line_of("\n  import os \nos.nice(1)"), "import os");
        assert_eq!(Job::line_of(""), "");
        let long = "ä".repeat(1000);
        let line = Job::line_of(&long);
        assert_eq!(line.chars().count(), Job::LONGEST_LINE);
        assert!(line.ends_with("ä…"));
        let fits = "ä".repeat(Job::LONGEST_LINE);
        assert_eq!(Job::line_of(&fits), fits);
    }

    #[test]
    fn an_evolve_is_a_job_in_each_of_its_states() {
        let mut run = EvolveRun::new("r".into(), RunKind::Evolve, Asker::Machine, 7);
        run.note = Some("ripgrep\nand fd".into());
        let waits = Job::of_run(&run, Some("work"));
        assert_eq!(
            (waits.kind, waits.state),
            (JobKind::Evolve, JobState::Queued)
        );
        assert_eq!((waits.started_at, waits.has_log), (None, false));
        assert_eq!(waits.title, "ripgrep");
        run.state = RunState::Running;
        assert!(Job::of_run(&run, None).can_cancel);
        run.steps.push(EvolveStep {
            name: StepName::Swap,
            state: StepState::Running,
            started_at: 8,
            ended_at: None,
            note: None,
        });
        let late = Job::of_run(&run, None);
        assert_eq!((late.started_at, late.can_cancel), (Some(7), false));
        (run.state, run.error) = (RunState::Undone, Some("the tests failed".into()));
        let failed = JobState::Failed {
            why: "the tests failed".into(),
        };
        assert_eq!(Job::of_run(&run, None).state, failed);
        for state in [RunState::Refused, RunState::Cancelled] {
            run.state = state;
            assert_eq!(Job::of_run(&run, None).state, JobState::Cancelled);
        }
    }

    #[test]
    fn a_failure_says_how_work_ended() {
        assert_eq!(JobState::ended(None), JobState::Succeeded);
        let cancelled = Failure::new(FailureCode::Cancelled, "Cancelled");
        assert_eq!(JobState::ended(Some(&cancelled)), JobState::Cancelled);
        let broken = Failure::new(FailureCode::BuildFailed, "Step 3 failed").because("no space");
        let state = serde_json::to_value(JobState::ended(Some(&broken))).unwrap();
        let expected = serde_json::json!({"kind": "failed", "why": "Step 3 failed: no space"});
        assert_eq!(state, expected);
    }
}
