//! What the queue does on its own: how long it waits, how much it keeps.

use std::{collections::BTreeMap, time::Duration};

use wire::task::{RateLimit, TaskKind};

/// What a store does on its own. Processes that share a store should have the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// How long a worker has a task without being heard of.
    pub lease: Duration,
    /// Wait before the second attempt; it doubles with each further one.
    pub backoff: Duration,
    /// Longest wait before an attempt.
    pub longest_backoff: Duration,
    /// How long the record of a task is kept that ended, with its result.
    pub keep_ended: Duration,
    /// Most records of tasks that ended; beyond it the oldest go first.
    pub most_ended: u64,
    /// Bytes of log that are kept of a task, its end.
    pub log_bytes: u64,
    /// Bytes of the JSON of a result.
    pub result_bytes: usize,
    /// How many attempts of a kind may start in a time.
    pub rate_limits: BTreeMap<TaskKind, RateLimit>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            lease: Duration::from_secs(15),
            backoff: Duration::from_secs(2),
            longest_backoff: Duration::from_secs(3600),
            keep_ended: Duration::from_secs(7 * 24 * 3600),
            most_ended: 1_000_000,
            log_bytes: 256 << 10,
            result_bytes: 256 << 10,
            rate_limits: BTreeMap::new(),
        }
    }
}

impl Policy {
    /// How long to wait after so many attempts: exponential, and up to a quarter more at random, so that
    /// what failed together isn't tried again together.
    pub(crate) fn wait_after(&self, attempts: u32, chance: f64) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        let wait = self.backoff.saturating_mul(1 << doublings);
        wait.min(self.longest_backoff).mul_f64(1.0 + chance / 4.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_the_longest() {
        let policy = Policy::default();
        let seconds = |attempts, chance| policy.wait_after(attempts, chance).as_secs_f64();
        assert_eq!([1, 2, 3, 4].map(|n| seconds(n, 0.0)), [2.0, 4.0, 8.0, 16.0]);
        assert_eq!(seconds(1, 1.0), 2.5);
        assert_eq!(seconds(1000, 0.0), 3600.0);
    }
}
