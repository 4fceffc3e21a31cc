//! How long a service waits before it starts again: not at all after a sound life, longer with
//! each early death.

use std::time::Duration;

use rand::RngExt as _;

const FIRST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(3);
/// A death counts as early within this time of being ready.
pub const SOUND: Duration = Duration::from_secs(10);

/// Counts early deaths.
#[derive(Debug, Default)]
pub struct Backoff {
    early: u32,
}

impl Backoff {
    /// What to wait after a death; `sound` is how long the service had been ready, if it ever was.
    pub fn after(&mut self, sound: Option<Duration>) -> Duration {
        if sound.is_some_and(|ready| ready >= SOUND) {
            self.early = 0;
            return Duration::ZERO;
        }
        let wait = FIRST.saturating_mul(1 << self.early.min(16)).min(LONGEST);
        self.early += 1;
        wait.mul_f64(rand::rng().random_range(0.8..1.2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_deaths_wait_longer_and_a_sound_life_forgives_them() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.after(None)).collect();
        assert!(waits[0] < Duration::from_millis(250) && waits[1] > waits[0]);
        assert!(waits[7] <= LONGEST.mul_f64(1.2));
        assert_eq!(backoff.after(Some(SOUND)), Duration::ZERO);
        assert!(backoff.after(Some(Duration::from_secs(1))) < Duration::from_millis(250));
    }
}
