//! The time, for all of body. The wall clock says what is shown and what names begin with; it may jump
//! either way at any moment, so nothing is ever measured by it. What lasts (limits, leases, waits) is
//! measured on the monotonic clock.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use parking_lot::Mutex;
pub use tokio::time::Instant;
use ulid::Ulid;

/// A wall clock, however it is read.
type Wall = dyn Fn() -> SystemTime + Send + Sync;

/// Both clocks. Tests bring a wall clock of their own, and pause tokio's.
#[derive(Clone)]
pub struct Clock {
    wall: Arc<Wall>,
    /// The last ULID that was made.
    last: Arc<Mutex<Ulid>>,
}

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        Self::of(SystemTime::now)
    }

    /// One whose wall clock is this.
    pub fn of(wall: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            wall: Arc::new(wall),
            last: Arc::default(),
        }
    }

    /// Unix milliseconds on the wall clock, to be shown.
    pub fn unix_ms(&self) -> u64 {
        let since = (self.wall)().duration_since(UNIX_EPOCH);
        u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
    }

    /// The monotonic clock, to measure with.
    pub fn now(&self) -> Instant {
        Instant::now()
    }

    /// When this much time will have gone by; what is beyond all time is a century.
    pub fn after(&self, time: Duration) -> Instant {
        const CENTURY: Duration = Duration::from_secs(100 * 365 * 86_400);
        let now = self.now();
        now.checked_add(time).unwrap_or_else(|| now + CENTURY)
    }

    /// A new id, larger than all before it and than all that were seen, whatever the wall clock does.
    pub fn ulid(&self) -> Ulid {
        let fresh = Ulid::from_parts(self.unix_ms(), rand::random());
        let mut last = self.last.lock();
        *last = if fresh > *last {
            fresh
        } else {
            // At the end of a millisecond's numbers, which are 2^80, it is the last of them.
            last.increment().unwrap_or_else(|last| last)
        };
        *last
    }

    /// An id that was given out before, perhaps by a process before this one.
    pub fn seen(&self, id: &str) {
        if let Ok(id) = id.parse() {
            let mut last = self.last.lock();
            *last = (*last).max(id);
        }
    }
}

/// A wall clock that jumps at a test's word.
#[cfg(test)]
#[derive(Clone, Default)]
pub struct Jumping(Arc<std::sync::atomic::AtomicI64>);

#[cfg(test)]
impl Jumping {
    /// A clock that shows its time.
    pub fn clock(&self) -> Clock {
        let ahead_s = Arc::clone(&self.0);
        Clock::of(move || {
            let ahead_s = ahead_s.load(std::sync::atomic::Ordering::Relaxed);
            let by = Duration::from_secs(ahead_s.unsigned_abs());
            let now = SystemTime::now();
            if ahead_s < 0 { now - by } else { now + by }
        })
    }

    /// Sets the clock so many hours ahead of the right time.
    pub fn jump(&self, hours: i64) {
        self.0
            .store(hours * 3600, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YEAR: i64 = 365 * 24;

    #[test]
    fn ids_grow_while_the_clock_jumps() {
        let wall = Jumping::default();
        let clock = wall.clock();
        let jumps = [0, 0, YEAR, 0, -YEAR, -60 * YEAR, 2 * YEAR];
        let given: Vec<_> = jumps
            .map(|hours| {
                wall.jump(hours);
                clock.ulid().to_string()
            })
            .into();
        assert!(given.is_sorted_by(|one, next| one < next), "{given:?}");
        // A process before this one lived while the clock was ahead.
        let later = Clock::system();
        later.seen(&given[6]);
        later.seen("none");
        assert!(later.ulid().to_string() > given[6]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_measured_does_not_see_the_wall() {
        let wall = Jumping::default();
        let clock = wall.clock();
        let (begin, until) = (clock.now(), clock.after(Duration::from_secs(60)));
        wall.jump(5);
        assert_eq!(begin.elapsed(), Duration::ZERO);
        wall.jump(-5);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(clock.now(), until);
        assert!(clock.after(Duration::MAX) > until);
    }

    #[test]
    fn a_wall_before_1970_shows_its_beginning() {
        assert_eq!(
            Clock::of(|| UNIX_EPOCH - Duration::from_secs(9)).unix_ms(),
            0
        );
    }
}
