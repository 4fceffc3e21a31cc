//! Time: the wall's clock for what is shown and for the times that a person names, the monotonic one for
//! whatever lasts. A store gets its clock when it is opened, so that tests can let it jump.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::time::{ClockId, clock_gettime};

/// Where a store gets its time from.
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// What a clock on the wall shows, in Unix milliseconds. It may jump.
    fn wall_ms(&self) -> i64;

    /// Milliseconds since the computer's boot, without the time for which it slept. It means the same to
    /// every process of that boot.
    fn moment_ms(&self) -> i64;

    /// Names the computer's present boot; a moment means nothing in another one.
    fn boot(&self) -> &str;
}

/// The computer's own.
#[derive(Debug)]
pub struct SystemClock {
    boot: String,
}

impl Default for SystemClock {
    fn default() -> Self {
        let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let boot = id.map(|id| id.trim().to_owned()).unwrap_or_default();
        Self { boot }
    }
}

impl Clock for SystemClock {
    fn wall_ms(&self) -> i64 {
        let time = SystemTime::now().duration_since(UNIX_EPOCH);
        millis(time.unwrap_or_default())
    }

    fn moment_ms(&self) -> i64 {
        let time = clock_gettime(ClockId::CLOCK_MONOTONIC);
        millis(time.map(Duration::from).unwrap_or_default())
    }

    fn boot(&self) -> &str {
        &self.boot
    }
}

/// A length of time in milliseconds, as stores count them.
pub(crate) fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
