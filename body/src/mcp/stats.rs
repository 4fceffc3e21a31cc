//! Counts of one server: calls, errors, how long the last ones took.

use std::{collections::VecDeque, time::Duration};

use parking_lot::Mutex;
/// Calls whose time is kept.
const KEPT: usize = 512;

/// What was counted.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub calls: u64,
    pub errors: u64,
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
}

#[derive(Default)]
struct Inner {
    calls: u64,
    errors: u64,
    took: VecDeque<Duration>,
}

/// The counter.
#[derive(Default)]
pub struct Stats(Mutex<Inner>);

impl Stats {
    /// A call went out.
    pub fn call(&self) {
        self.inner().calls += 1;
    }

    /// It was answered.
    pub fn answered(&self, took: Duration, failed: bool) {
        let mut inner = self.inner();
        inner.errors += u64::from(failed);
        if inner.took.len() == KEPT {
            inner.took.pop_front();
        }
        inner.took.push_back(took);
    }

    /// It failed without an answer.
    pub fn failed(&self) {
        self.inner().errors += 1;
    }

    pub fn counts(&self) -> Counts {
        let inner = self.inner();
        let mut took: Vec<Duration> = inner.took.iter().copied().collect();
        took.sort_unstable();
        let share = |hundredths: usize| {
            let place = (took.len() * hundredths).div_ceil(100).saturating_sub(1);
            took.get(place).map(|took| took.as_secs_f64() * 1e3)
        };
        Counts {
            calls: inner.calls,
            errors: inner.errors,
            p50_ms: share(50),
            p95_ms: share(95),
        }
    }

    fn inner(&self) -> parking_lot::MutexGuard<'_, Inner> {
        self.0.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_last_calls() {
        let stats = Stats::default();
        assert_eq!(stats.counts().p50_ms, None);
        for number in 1..=1000 {
            stats.call();
            stats.answered(Duration::from_millis(number), number % 100 == 0);
        }
        let counts = stats.counts();
        assert_eq!((counts.calls, counts.errors), (1000, 10));
        assert_eq!(counts.p50_ms, Some(744.0));
        assert_eq!(counts.p95_ms, Some(975.0));
    }
}
