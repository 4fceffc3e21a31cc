//! One-time codes, by which a page gets the token: the printed address carries one, and what a
//! browser keeps of it (history, session files, a synchronised list of addresses) opens nothing.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a code is good for.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
/// Codes that are good at one time; the oldest goes first.
const MOST: usize = 64;

/// Codes that were given out and not used.
#[derive(Debug, Default)]
pub(super) struct Codes {
    open: Mutex<HashMap<String, Instant>>,
}

impl Codes {
    /// A new one.
    pub(super) fn make(&self) -> String {
        self.make_at(Instant::now())
    }

    /// Whether it is good; it no longer is.
    pub(super) fn take(&self, code: &str) -> bool {
        self.take_at(code, Instant::now())
    }

    fn make_at(&self, now: Instant) -> String {
        let code = super::secret();
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, made| is_good(*made, now));
        if open.len() >= MOST
            && let Some(oldest) = open
                .iter()
                .min_by_key(|(_, made)| **made)
                .map(|(code, _)| code.clone())
        {
            open.remove(&oldest);
        }
        open.insert(code.clone(), now);
        code
    }

    fn take_at(&self, code: &str, now: Instant) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let made = open.remove(code);
        made.is_some_and(|made| is_good(made, now))
    }
}

fn is_good(made: Instant, now: Instant) -> bool {
    now.duration_since(made) < LIFETIME
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_once_and_for_a_while() {
        let codes = Codes::default();
        let now = Instant::now();
        let code = codes.make_at(now);
        assert!(codes.take_at(&code, now));
        assert!(!codes.take_at(&code, now));
        let old = codes.make_at(now);
        assert!(!codes.take_at(&old, now + LIFETIME));
        assert!(!codes.take_at("", now));
    }

    #[test]
    fn codes_that_nobody_uses_do_not_grow() {
        let codes = Codes::default();
        let now = Instant::now();
        let first = codes.make_at(now);
        let later = now + Duration::from_secs(1);
        let newest = (0..MOST).map(|_| codes.make_at(later)).last().unwrap();
        assert!(!codes.take_at(&first, later));
        assert!(codes.take_at(&newest, later));
    }
}
