//! Whether the first process of a sandbox still answers. What runs in the sandbox can keep it from
//! that for as long as it likes (`splice` holds a pipe's lock), so nobody waits for it without end:
//! whoever has waited for a while asks for a sign of life.

use std::time::Duration;

use bytes::Bytes;
use frames::message::Event;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::{Receive, SessionEnd};

/// How long an answer is waited for before a sign of life is asked for.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
/// How long that sign may take. A sandbox may have a hundredth of a processor, and 256 processes that
/// want it too.
const SIGN: Duration = Duration::from_secs(20);

/// What is known of it.
#[derive(Debug)]
pub(crate) struct Answering {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug)]
struct State {
    heard: Instant,
    /// When the sign of life was asked for that hasn't come.
    asked: Option<Instant>,
    /// Whether it is paused, and can't answer.
    is_frozen: bool,
}

/// What to do for a sign of life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    /// Nothing: it came, or can't come now.
    Here,
    /// Ask for it.
    Wanted,
    /// It was asked for; wait.
    Asked,
}

impl Answering {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                heard: Instant::now(),
                asked: None,
                is_frozen: false,
            }),
            changed: Notify::new(),
        }
    }

    /// It said something.
    pub(crate) fn heard(&self) {
        let mut state = self.state.lock();
        state.heard = Instant::now();
        let was_asked = state.asked.take().is_some();
        drop(state);
        if was_asked {
            self.changed.notify_waiters();
        }
    }

    /// It is paused, or goes on.
    pub(crate) fn set_frozen(&self, is_frozen: bool) {
        let mut state = self.state.lock();
        state.is_frozen = is_frozen;
        let now = Instant::now();
        state.heard = now;
        // What it was asked for before it was paused, it has time for from now on.
        state.asked = state.asked.map(|_| now);
        drop(state);
        self.changed.notify_waiters();
    }

    /// What to do to learn whether it answers. Of several that ask at once one is told to.
    pub(crate) fn sign(&self) -> Sign {
        let mut state = self.state.lock();
        if state.is_frozen {
            Sign::Here
        } else if state.asked.is_some() {
            Sign::Asked
        } else if state.heard.elapsed() < PATIENCE {
            Sign::Here
        } else {
            state.asked = Some(Instant::now());
            Sign::Wanted
        }
    }

    /// The same, also if something was heard just now.
    pub(crate) fn doubt(&self) -> Sign {
        let mut state = self.state.lock();
        if state.is_frozen {
            return Sign::Here;
        }
        let before = state.asked;
        state.asked = Some(before.unwrap_or_else(Instant::now));
        match before {
            Some(_) => Sign::Asked,
            None => Sign::Wanted,
        }
    }

    /// Whether a sign of life is waited for.
    pub(crate) fn is_asked(&self) -> bool {
        self.state.lock().asked.is_some()
    }

    /// For how long it has said nothing, if that is too long.
    pub(crate) fn silent_for(&self) -> Option<Duration> {
        let state = self.state.lock();
        let asked = state.asked.filter(|_| !state.is_frozen)?;
        (asked.elapsed() >= SIGN).then(|| state.heard.elapsed())
    }

    /// Waits until the sign of life that was asked for is there; false if it doesn't come in time.
    pub(crate) async fn comes(&self) -> bool {
        loop {
            let changed = self.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            let asked = {
                let state = self.state.lock();
                state.asked.filter(|_| !state.is_frozen)
            };
            let Some(asked) = asked else { return true };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(asked + SIGN) => return false,
            }
        }
    }
}

/// Who asked for a sign of life: any frame is one.
#[derive(Debug)]
pub(crate) struct Pinged;

impl Receive for Pinged {
    fn data(&self, _is_error: bool, _data: Bytes) -> Result<Option<u64>, SessionEnd> {
        Err(SessionEnd("it answered a ping with data".into()))
    }

    fn event(&self, _event: Event) -> Result<bool, SessionEnd> {
        Ok(true)
    }

    fn over(&self, _end: &SessionEnd) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_begins_when_a_sign_of_life_does_not_come() {
        let answering = Answering::new();
        assert_eq!(answering.sign(), Sign::Here);
        tokio::time::advance(PATIENCE).await;
        assert_eq!(
            [answering.sign(), answering.sign()],
            [Sign::Wanted, Sign::Asked]
        );
        assert_eq!(answering.silent_for(), None);
        assert!(!answering.comes().await);
        assert_eq!(answering.silent_for(), Some(PATIENCE + SIGN));
        answering.heard();
        assert!(answering.comes().await && answering.silent_for().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_is_paused_is_not_asked_for_anything() {
        let answering = Answering::new();
        assert_eq!(
            [answering.doubt(), answering.doubt()],
            [Sign::Wanted, Sign::Asked]
        );
        answering.set_frozen(true);
        tokio::time::advance(100 * SIGN).await;
        assert!(answering.comes().await && answering.silent_for().is_none());
        assert_eq!([answering.sign(), answering.doubt()], [Sign::Here; 2]);
        answering.set_frozen(false);
        assert_eq!(
            (answering.sign(), answering.silent_for()),
            (Sign::Asked, None)
        );
        assert!(!answering.comes().await);
    }
}
