//! The cell that a worker runs, and what time does to it.

use std::{sync::Arc, time::Duration};

use nix::time::{ClockId, clock_gettime};

use super::Execution;
use crate::clock::Instant;

/// The cell that runs.
pub struct Running {
    pub execution: Arc<Execution>,
    pub begin: Instant,
    /// When its time is over, until that is so. Interrupts before it don't change it.
    pub limit: Option<Instant>,
    pub alarm: Alarm,
}

/// What happens to the running cell when time goes by.
pub enum Alarm {
    None,
    /// It was interrupted: it is stuck.
    Interrupted {
        until: Instant,
        by_limit: bool,
    },
    Stuck {
        by_limit: bool,
    },
}

impl Alarm {
    fn at(&self) -> Option<Instant> {
        match self {
            Self::Interrupted { until, .. } => Some(*until),
            Self::None | Self::Stuck { .. } => None,
        }
    }

    /// Whether it was the limit that interrupted it.
    pub fn was_limit(&self) -> bool {
        matches!(
            self,
            Self::Interrupted { by_limit: true, .. } | Self::Stuck { by_limit: true }
        )
    }
}

impl Running {
    /// One that began then.
    pub fn new(execution: Arc<Execution>, begin: Instant) -> Self {
        let limit = execution.order.request.timeout_s;
        let limit = limit.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Self {
            execution,
            begin,
            // One beyond all time is none.
            limit: limit.and_then(|limit| begin.checked_add(limit)),
            alarm: Alarm::None,
        }
    }

    /// When the next thing happens.
    pub fn next(&self) -> Option<Instant> {
        [self.limit, self.alarm.at()].into_iter().flatten().min()
    }

    /// Whether that is its limit, which is over then.
    pub fn take_limit(&mut self) -> bool {
        let next = self.next();
        self.limit.take_if(|limit| Some(*limit) == next).is_some()
    }
}

/// When something began that the machine's monotonic clock, which `time.monotonic()` in Python reads
/// too, showed at so many seconds.
pub fn began(at_s: f64) -> Instant {
    let now_s = clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_or(at_s, |now| Duration::from(now).as_secs_f64());
    let ago = Duration::try_from_secs_f64(now_s - at_s).unwrap_or_default();
    let now = Instant::now();
    now.checked_sub(ago).unwrap_or(now)
}
