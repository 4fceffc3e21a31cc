//! Ids of executions, which order them: each is larger than all before it, also those of supervisors
//! before this one, whatever the wall clock does meanwhile.

use std::{
    sync::Mutex,
    time::{SystemTime, UNIX_EPOCH},
};

use ulid::Ulid;

use super::lock;

/// Gives them out.
#[derive(Default)]
pub struct Ids(Mutex<Ulid>);

impl Ids {
    /// The next one.
    pub fn next(&self) -> String {
        self.at(SystemTime::now())
    }

    /// One that was given out by a supervisor before this one.
    pub fn seen(&self, id: &str) {
        if let Ok(id) = id.parse() {
            let mut last = lock(&self.0);
            *last = (*last).max(id);
        }
    }

    fn at(&self, now: SystemTime) -> String {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let ms = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
        let fresh = Ulid::from_parts(ms, rand::random());
        let mut last = lock(&self.0);
        *last = if fresh > *last {
            fresh
        } else {
            // At the end of a millisecond's numbers, which are 2^80, it is the last of them.
            last.increment().unwrap_or_else(|last| last)
        };
        last.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ids_grow_while_the_clock_jumps() {
        let (ids, now) = (Ids::default(), SystemTime::now());
        let year = Duration::from_secs(365 * 86400);
        let clock = [
            now,
            now,
            now + year,
            now,
            now - year,
            UNIX_EPOCH - year,
            now + 2 * year,
        ];
        let given: Vec<_> = clock.iter().map(|now| ids.at(*now)).collect();
        assert!(given.is_sorted_by(|one, next| one < next), "{given:?}");
        // A supervisor before this one lived while the clock was ahead.
        let later = Ids::default();
        later.seen(&given[6]);
        later.seen("none");
        assert!(later.at(now) > given[6]);
    }
}
