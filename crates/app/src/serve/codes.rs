//! One-time codes, by which a page gets the token: the printed address carries one, and what a
//! browser keeps of it (history, session files, a synchronised list of addresses) opens nothing.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
/// How long a code is good for.
pub(super) const LIFETIME: Duration = Duration::from_secs(600);
/// How long a code that a page keeps is good after its first use: a page that is loaded again
/// before it heard the answer asks a second time.
const RELOAD: Duration = Duration::from_secs(5);
/// Codes that are good at one time; the oldest goes first.
const MOST: usize = 64;

/// Whom a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A person, who gives it to a browser: good once.
    Person,
    /// A page, for its next load.
    Page,
}

/// A code that was given out.
#[derive(Clone, Copy, Debug)]
struct Open {
    holder: Holder,
    made: Instant,
    used: Option<Instant>,
}

impl Open {
    fn is_good(&self, now: Instant) -> bool {
        let is_fresh = now.duration_since(self.made) < LIFETIME;
        let was_used_long_ago = self
            .used
            .is_some_and(|used| now.duration_since(used) >= RELOAD);
        is_fresh && !was_used_long_ago
    }
}

/// Codes that were given out and are good.
#[derive(Debug, Default)]
pub(super) struct Codes {
    open: Mutex<HashMap<String, Open>>,
}

impl Codes {
    /// A new one.
    pub(super) fn make(&self, holder: Holder) -> String {
        self.make_at(holder, Instant::now())
    }

    /// Whether it is good; it no longer is.
    pub(super) fn take(&self, code: &str) -> bool {
        self.take_at(code, Instant::now())
    }

    fn make_at(&self, holder: Holder, now: Instant) -> String {
        let code = super::secret();
        let mut open = self.open.lock();
        open.retain(|_, code| code.is_good(now));
        if open.len() >= MOST
            && let Some(oldest) = open
                .iter()
                .min_by_key(|(_, open)| open.made)
                .map(|(code, _)| code.clone())
        {
            open.remove(&oldest);
        }
        let entry = Open {
            holder,
            made: now,
            used: None,
        };
        open.insert(code.clone(), entry);
        code
    }

    fn take_at(&self, code: &str, now: Instant) -> bool {
        let mut open = self.open.lock();
        let Some(found) = open.get_mut(code) else {
            return false;
        };
        let is_good = found.is_good(now);
        if is_good && found.holder == Holder::Page {
            found.used.get_or_insert(now);
        } else {
            open.remove(code);
        }
        is_good
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_good_once_and_for_a_while() {
        let codes = Codes::default();
        let now = Instant::now();
        let code = codes.make_at(Holder::Person, now);
        assert!(codes.take_at(&code, now));
        assert!(!codes.take_at(&code, now));
        let old = codes.make_at(Holder::Person, now);
        assert!(!codes.take_at(&old, now + LIFETIME));
        assert!(!codes.take_at("", now));
    }

    #[test]
    fn a_page_that_is_loaded_twice_in_a_row_is_let_in() {
        let codes = Codes::default();
        let now = Instant::now();
        let code = codes.make_at(Holder::Page, now);
        assert!(codes.take_at(&code, now) && codes.take_at(&code, now + RELOAD / 2));
        assert!(!codes.take_at(&code, now + RELOAD));
        let old = codes.make_at(Holder::Page, now);
        assert!(!codes.take_at(&old, now + LIFETIME));
    }

    #[test]
    fn codes_that_nobody_uses_do_not_grow() {
        let codes = Codes::default();
        let now = Instant::now();
        let first = codes.make_at(Holder::Person, now);
        let later = now + Duration::from_secs(1);
        let newest = (0..MOST)
            .map(|_| codes.make_at(Holder::Person, later))
            .last()
            .unwrap();
        assert!(!codes.take_at(&first, later));
        assert!(codes.take_at(&newest, later));
    }
}
