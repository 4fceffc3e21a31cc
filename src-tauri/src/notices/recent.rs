//! How many notifications are shown.

use std::collections::VecDeque;

/// Notifications within [`PERIOD_MS`]: the inside can have as many cells fail, and ask for as many
/// evolves, as it likes.
const MOST: usize = 5;
const PERIOD_MS: u64 = 60_000;

/// When the last notifications were shown, in Unix milliseconds.
#[derive(Debug, Default)]
pub struct Recent(VecDeque<u64>);

impl Recent {
    /// Whether one more may be shown now; it counts as shown then.
    pub fn has_room(&mut self, now_ms: u64) -> bool {
        while self
            .0
            .front()
            .is_some_and(|shown| now_ms.saturating_sub(*shown) >= PERIOD_MS)
        {
            self.0.pop_front();
        }
        let has_room = self.0.len() < MOST;
        if has_room {
            self.0.push_back(now_ms);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_notifications_is_a_few() {
        let mut recent = Recent::default();
        let shown = (0..10_000).filter(|at| recent.has_room(at * 10)).count();
        // In 100 seconds.
        assert_eq!(shown, 2 * MOST);
        assert!(recent.has_room(10 * PERIOD_MS));
    }
}
