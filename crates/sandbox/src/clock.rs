//! Time: the monotonic clock for whatever lasts, the wall's for what is shown. The monotonic one is that
//! of the computer's boot, so that it means the same to the next process.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use nix::time::{ClockId, clock_gettime};

/// A moment on the monotonic clock, in milliseconds since the computer's boot.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub(crate) struct Moment(pub(crate) u64);

impl Moment {
    /// Now.
    pub(crate) fn now() -> Self {
        let time = clock_gettime(ClockId::CLOCK_MONOTONIC);
        let time = time.map(Duration::from).unwrap_or_default();
        Self(millis(time))
    }

    /// So much later.
    pub(crate) fn after(self, time: Duration) -> Self {
        Self(self.0.saturating_add(millis(time)))
    }

    /// How long until it comes; nothing if it is past.
    pub(crate) fn until(self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(Self::now().0))
    }

    /// How long ago it was.
    pub(crate) fn age(self) -> Duration {
        Duration::from_millis(Self::now().0.saturating_sub(self.0))
    }

    /// What a clock on the wall shows then, in Unix milliseconds, as far as can be said now.
    pub(crate) fn unix_ms(self) -> u64 {
        let now = Self::now().0;
        let wall = unix_ms();
        match self.0.checked_sub(now) {
            Some(later) => wall.saturating_add(later),
            None => wall.saturating_sub(now - self.0),
        }
    }
}

/// The wall's time.
pub(crate) fn unix_ms() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let time = millis(time.unwrap_or_default());
    #[cfg(test)]
    let time = time.saturating_add_signed(JUMPED_MS.get());
    time
}

#[cfg(test)]
thread_local! {
    /// How far the wall's clock has jumped, for what runs in this thread.
    pub(crate) static JUMPED_MS: std::cell::Cell<i64> = const { std::cell::Cell::new(0) };
}

/// Names the computer's present boot; a moment means nothing in another one.
pub(crate) fn boot_id() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.map(|id| id.trim().to_owned()).unwrap_or_default()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_to_come_is_shown_on_the_wall() {
        let soon = Moment::now().after(Duration::from_secs(60));
        assert!(soon.until() <= Duration::from_secs(60));
        let shown = soon.unix_ms();
        assert!(shown.abs_diff(unix_ms() + 60_000) < 5_000, "{shown}");
        assert_eq!(Moment(0).until(), Duration::ZERO);
        assert!(!boot_id().is_empty());
    }
}
