//! A task on its way: as it is accepted, as a worker has it, and as an attempt ends.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wire::task::{AttemptOutcome, LogStream, TaskId, TaskKind, TaskProgress, TaskRequest};

use crate::{TaskError, time};

/// Bytes of the JSON of a payload.
const PAYLOAD_BYTES: usize = 1 << 20;
/// Bytes of a queue's name, and of an idempotency key.
const NAME_BYTES: usize = 64;
const KEY_BYTES: usize = 255;
/// Most attempts of a task.
const MOST_ATTEMPTS: u32 = 1000;
/// Longest time that an attempt may take.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);
/// Files of one task.
const MOST_FILES: usize = 100;

/// The queue of a task that names none.
pub const DEFAULT_QUEUE: &str = "default";

/// A task to accept: a request that was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTask {
    /// Whose it is: the name of a token, or nobody's for the person's.
    pub owner: Option<String>,
    /// What it does.
    pub kind: TaskKind,
    /// With what.
    pub work: Work,
    /// Its queue.
    pub queue: String,
    /// What is larger runs first.
    pub priority: i32,
    /// How often it is started at most.
    pub max_attempts: u32,
    /// Time that an attempt may take.
    pub timeout: Duration,
    /// Time between asking an attempt to end and ending it.
    pub grace: Duration,
    /// Unix milliseconds before which it isn't started.
    pub run_at_ms: Option<i64>,
    /// Unix milliseconds after which it isn't started.
    pub expires_at_ms: Option<i64>,
    /// A second task with the same key of the same owner is the first one.
    pub idempotency_key: Option<String>,
}

/// What a worker needs to know of a task to run it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Work {
    /// Fields that the kind says.
    pub payload: Value,
    /// Files of this computer that it gets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

impl NewTask {
    /// Checks a request.
    ///
    /// # Errors
    /// [`TaskError::Invalid`] with the field's name.
    pub fn of(request: TaskRequest, owner: Option<String>) -> Result<Self, TaskError> {
        let queue = request.queue.unwrap_or_else(|| DEFAULT_QUEUE.into());
        check_name("queue", &queue)?;
        let priority = request.priority.unwrap_or_default();
        if !(-100..=100).contains(&priority) {
            return Err(TaskError::invalid(
                "priority",
                "a number from -100 to 100 is expected",
            ));
        }
        let max_attempts = request.max_attempts.unwrap_or(3);
        if !(1..=MOST_ATTEMPTS).contains(&max_attempts) {
            return Err(TaskError::invalid(
                "max_attempts",
                format!("a number from 1 to {MOST_ATTEMPTS} is expected"),
            ));
        }
        if request.files.len() > MOST_FILES {
            return Err(TaskError::invalid(
                "files",
                format!("{MOST_FILES} at most are expected"),
            ));
        }
        let payload = match request.payload {
            Value::Null => Value::Object(serde_json::Map::new()),
            payload @ Value::Object(_) => payload,
            _ => return Err(TaskError::invalid("payload", "an object is expected")),
        };
        let work = Work {
            payload,
            files: request.files,
        };
        if json(&work).len() > PAYLOAD_BYTES {
            return Err(TaskError::invalid(
                "payload",
                format!("{PAYLOAD_BYTES} bytes of JSON at most are expected"),
            ));
        }
        if let Some(key) = &request.idempotency_key
            && !(1..=KEY_BYTES).contains(&key.len())
        {
            return Err(TaskError::invalid(
                "idempotency_key",
                format!("1 to {KEY_BYTES} bytes are expected"),
            ));
        }
        Ok(Self {
            owner,
            kind: request.kind,
            work,
            queue,
            priority,
            max_attempts,
            timeout: seconds("timeout_s", request.timeout_s, 300.0)?,
            grace: seconds("grace_s", request.grace_s, 5.0)?,
            run_at_ms: time::read("run_at", request.run_at.as_ref())?,
            expires_at_ms: time::read("expires_at", request.expires_at.as_ref())?,
            idempotency_key: request.idempotency_key,
        })
    }
}

fn seconds(field: &'static str, given: Option<f64>, usual: f64) -> Result<Duration, TaskError> {
    let time = Duration::try_from_secs_f64(given.unwrap_or(usual));
    match time {
        Ok(time) if time <= LONGEST && (field != "timeout_s" || !time.is_zero()) => Ok(time),
        _ => Err(TaskError::invalid(
            field,
            format!("seconds up to {} are expected", LONGEST.as_secs()),
        )),
    }
}

/// Refuses what can't be the name of a queue.
pub(crate) fn check_name(field: &'static str, name: &str) -> Result<(), TaskError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    if (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(plain) {
        return Ok(());
    }
    Err(TaskError::invalid(
        field,
        format!("1 to {NAME_BYTES} letters, digits, _ . and - are expected"),
    ))
}

/// JSON of what always can be written.
pub(crate) fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// What became of a task that was to be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub id: TaskId,
    /// Whether it is a task of an earlier request with the same key.
    pub is_known: bool,
}

/// A worker's right to an attempt. What it says about the attempt counts as long as the store knows the
/// token; another attempt has another one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Which task.
    pub id: TaskId,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// What nobody else knows.
    pub token: i64,
}

/// A task that a worker has.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimedTask {
    /// The right to it.
    pub lease: Lease,
    /// Whose it is.
    pub owner: Option<String>,
    /// What it does.
    pub kind: TaskKind,
    /// With what.
    pub work: Work,
    /// Its queue.
    pub queue: String,
    /// How often it is started at most.
    pub max_attempts: u32,
    /// Time that the attempt may take.
    pub timeout: Duration,
    /// Time between asking it to end and ending it.
    pub grace: Duration,
}

/// Tasks that a worker wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its name.
    pub worker: String,
    /// Queues that it takes from; all if empty.
    pub queues: Vec<String>,
    /// Kinds that it can run.
    pub kinds: Vec<TaskKind>,
    /// So many at most.
    pub count: usize,
}

/// What a worker got.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claimed {
    /// Most important first.
    pub tasks: Vec<ClaimedTask>,
    /// When a rate limit lets more start, if it is one that stops them.
    pub again_in: Option<Duration>,
}

/// What a worker says of a task that runs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What it wrote.
    pub lines: Vec<ReportLine>,
    /// How far it is, if that changed.
    pub progress: Option<TaskProgress>,
}

impl Report {
    /// Whether it says nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.progress.is_none()
    }
}

/// A piece of log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportLine {
    /// What wrote it.
    pub stream: LogStream,
    /// Text with its line ends.
    pub text: String,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// In a word; never [`AttemptOutcome::Lost`], which only the store says.
    pub outcome: AttemptOutcome,
    /// Why it failed.
    pub error: Option<String>,
    /// What it put out.
    pub result: Option<Value>,
    /// Whether another attempt would fail too.
    pub is_final: bool,
}

impl Ending {
    /// It did what it was to do.
    #[must_use]
    pub fn done(result: Value) -> Self {
        Self {
            outcome: AttemptOutcome::Done,
            error: None,
            result: Some(result),
            is_final: true,
        }
    }

    /// It failed, and another attempt may do better.
    #[must_use]
    pub fn failed(error: impl Into<String>) -> Self {
        Self {
            outcome: AttemptOutcome::Failed,
            error: Some(error.into()),
            result: None,
            is_final: false,
        }
    }

    /// It failed, and so would every other attempt.
    #[must_use]
    pub fn failed_for_good(error: impl Into<String>) -> Self {
        Self {
            is_final: true,
            ..Self::failed(error)
        }
    }

    /// It ended otherwise.
    #[must_use]
    pub fn other(outcome: AttemptOutcome, error: impl Into<String>) -> Self {
        Self {
            outcome,
            ..Self::failed(error)
        }
    }
}
