//! Room for the supervisor: where the machine's limit of processes lets none live, the service that
//! has the most processes is ended. It is the supervisor that could otherwise be asked to.

use std::time::Duration;

/// A supervisor that ends within this time could not work.
const EARLY: Duration = Duration::from_secs(1);
/// So many failures in a row are no accident.
const MOST: u32 = 3;
/// Who has fewer processes and threads is not why: a supervisor may fail for other reasons.
const FEWEST: usize = 100;

/// Counts the failures of supervisors, in a row.
#[derive(Debug, Default)]
pub struct Failures(u32);

impl Failures {
    /// One ended after this time, or could not be started at all. True where room is to be made.
    pub fn count(&mut self, lived: Option<Duration>) -> bool {
        if lived.is_some_and(|lived| lived >= EARLY) {
            self.0 = 0;
            return false;
        }
        self.0 = (self.0 + 1) % MOST;
        self.0 == 0
    }
}

/// Ends the service that has the most processes, if it has many. It starts again as after any end.
pub fn make() {
    if let Some((name, count)) = super::tree::largest().filter(|(_, count)| *count >= FEWEST) {
        eprintln!(
            "body init: no supervisor lives; {name} is ended, which has {count} processes and \
             threads, more than any other service, so that there is room for one"
        );
        let left = super::tree::end(&name);
        if left > 0 {
            eprintln!("body init: could not stop all processes of {name}, still running: {left}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_made_after_three_failures_in_a_row() {
        let mut failures = Failures::default();
        let (early, sound) = (Some(EARLY / 2), Some(EARLY));
        let lives = [early, None, sound, early, None, early, early, early, None];
        let made: Vec<bool> = lives.map(|lived| failures.count(lived)).into();
        let expected = [false, false, false, false, false, true, false, false, true];
        assert_eq!(made, expected);
    }
}
