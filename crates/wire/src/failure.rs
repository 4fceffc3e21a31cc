//! The error shape that a person sees: what failed, why, and what to do next.

use serde::{Deserialize, Serialize};

use crate::{advice::Advice, error_code::ErrorCode};

/// A closed set of causes a consumer acts on. Add one only if a consumer uses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// No container engine answers.
    EngineMissing,
    /// The engine answers, but this user may not use it.
    EngineDenied,
    /// A published port is held by something else.
    PortTaken,
    /// The engine's, the host's or the machine's disk is full.
    DiskFull,
    /// A build step failed; `detail` has its last lines.
    BuildFailed,
    /// A container that runs would be replaced, which nobody approved.
    WouldRecreate,
    /// The machine does not run.
    NotRunning,
    /// There is no such thing (machine, run, execution).
    NotFound,
    /// The machine came up but did not become healthy in time.
    Unhealthy,
    /// The request or a settings file is not valid.
    Invalid,
    /// A file is not what it was when it was read.
    Changed,
    /// Somebody asked for it.
    Cancelled,
    /// The access token doesn't have the scope for it.
    Forbidden,
    /// Another run holds the machine.
    Busy,
    /// Everything else; the log has more.
    Internal,
}

/// A failure: what failed and why in words, and what can be done next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct Failure {
    /// Cause, for programs.
    pub code: FailureCode,
    /// The code of the machine's own refusal, if the machine refused a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "ts", ts(optional, type = "string"))]
    pub error_code: Option<Box<ErrorCode>>,
    /// What failed, one sentence.
    pub message: String,
    /// Why, in the words of whoever knows.
    pub cause: Option<String>,
    /// What to do next, which each face puts into its own words.
    #[serde(default, deserialize_with = "crate::advice::lenient")]
    pub next: Option<Box<Advice>>,
    /// Longer text, such as a failing step's last lines.
    pub detail: Option<String>,
}

impl Failure {
    /// A failure with nothing but its code and sentence.
    pub fn new(code: FailureCode, message: impl Into<String>) -> Self {
        Self {
            code,
            error_code: None,
            message: message.into(),
            cause: None,
            next: None,
            detail: None,
        }
    }

    /// Adds the code with which the machine refused.
    #[must_use]
    pub fn refused(mut self, error_code: ErrorCode) -> Self {
        self.error_code = Some(Box::new(error_code));
        self
    }

    /// Adds why it failed.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn next(mut self, next: Advice) -> Self {
        self.next = Some(Box::new(next));
        self
    }

    /// Adds longer text.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)?;
        if let Some(cause) = &self.cause {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
