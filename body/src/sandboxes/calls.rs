//! Calls that wait for the host. One host takes a call, tells now and then that it still works on it,
//! and answers it. Whoever made the call hears if there is no host, or if the host went away.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    sync::{oneshot, watch},
    time::Instant,
};
use wire::{
    body::Change,
    sandbox_call::{
        CALL_BYTES, SandboxAnswer, SandboxCall, SandboxCallAnswer, SandboxCallList,
        SandboxCallShown,
    },
};

use crate::{changes::Changes, clock::Clock};

/// Why a call came to nothing, or can't be taken or answered.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    #[error(
        "Vivarium is not connected to this machine, so there are no sandboxes: start its app or `vivarium serve` on the computer that runs this machine, then try again"
    )]
    NoHost,
    #[error(
        "Vivarium stopped responding while it worked on this call: its app or `vivarium serve` ended, or lost its connection to this machine. The call may have had an effect; list_sandboxes shows what is there"
    )]
    HostGone,
    #[error("the call was cancelled after {0} s, the longest that one may take")]
    TooLong(u64),
    #[error("{0} calls for sandboxes are already waiting or running: wait until one of them ends")]
    TooMany(usize),
    #[error("the call has {bytes} bytes, more than the limit of {limit}")]
    TooLarge { bytes: usize, limit: usize },
    #[error("call {0:?} not found: it was answered, or its caller no longer waits")]
    NotFound(String),
    #[error("another host works on this call")]
    Taken,
    #[error("the call could not be read: {0}")]
    Unreadable(String),
}

/// What bounds the calls.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// How long a call waits for a host.
    patience: Duration,
    /// How long a host that took a call may be silent.
    lease: Duration,
    /// How long a call may take in all.
    longest: Duration,
    /// How many there may be.
    most: usize,
    /// Bytes of all of them together.
    bytes: usize,
}

const LIMITS: Limits = Limits {
    patience: Duration::from_secs(5),
    lease: Duration::from_secs(20),
    longest: Duration::from_secs(3600),
    most: 16,
    bytes: 64 << 20,
};

/// A call that waits or is worked on.
struct Entry {
    call: Arc<SandboxCall>,
    bytes: usize,
    host: Option<String>,
    /// When it is given up, unless somebody takes or keeps it before.
    until: watch::Sender<Instant>,
    answer: oneshot::Sender<SandboxAnswer>,
}

/// All calls of this machine.
pub struct Calls {
    clock: Clock,
    changes: Changes,
    limits: Limits,
    entries: Mutex<BTreeMap<String, Entry>>,
}

/// Takes its call out, whoever waited for it is gone or has its answer.
struct Place<'a> {
    calls: &'a Calls,
    id: String,
}

/// A call as who waits for it sees it.
struct Entered<'a> {
    place: Place<'a>,
    until: watch::Receiver<Instant>,
    answer: oneshot::Receiver<SandboxAnswer>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let left = self.calls.entries.lock().remove(&self.id);
        if left.is_some() {
            // A host that works on it hears that nobody waits any more.
            self.calls.changes.tell(|| Change::SandboxCalls);
        }
    }
}

impl Calls {
    /// None yet.
    pub fn new(clock: Clock, changes: Changes) -> Self {
        Self {
            clock,
            changes,
            limits: LIMITS,
            entries: Mutex::default(),
        }
    }

    /// Puts a call and waits for its answer. Dropped, it takes the call back.
    ///
    /// # Errors
    /// [`CallError::TooLarge`], [`CallError::TooMany`], [`CallError::NoHost`], [`CallError::HostGone`],
    /// [`CallError::TooLong`].
    pub async fn put(&self, call: SandboxCall) -> Result<SandboxAnswer, CallError> {
        let Entered {
            place,
            mut until,
            mut answer,
        } = self.enter(call)?;
        self.changes.tell(|| Change::SandboxCalls);
        let end = Instant::now() + self.limits.longest;
        loop {
            let now_until = (*until.borrow_and_update()).min(end);
            tokio::select! {
                biased;
                // An entry goes with its answer, or with us.
                answered = &mut answer => return answered.map_err(|_| CallError::HostGone),
                changed = until.changed() => if changed.is_err() {
                    // It was just answered.
                    return answer.await.map_err(|_| CallError::HostGone);
                },
                () = tokio::time::sleep_until(now_until) => {
                    if let Some(error) = self.given_up(&place.id, end) {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Why a call is given up now, unless a host was quicker.
    fn given_up(&self, id: &str, end: Instant) -> Option<CallError> {
        let entries = self.entries.lock();
        let entry = entries.get(id)?;
        let now = Instant::now();
        if now >= end {
            return Some(CallError::TooLong(self.limits.longest.as_secs()));
        }
        let is_over = *entry.until.borrow() <= now;
        is_over.then_some(match entry.host {
            None => CallError::NoHost,
            Some(_) => CallError::HostGone,
        })
    }

    fn enter(&self, call: SandboxCall) -> Result<Entered<'_>, CallError> {
        let written = serde_json::to_vec(&call);
        let bytes = written
            .map_err(|error| CallError::Unreadable(error.to_string()))?
            .len();
        if bytes > CALL_BYTES {
            return Err(CallError::TooLarge {
                bytes,
                limit: CALL_BYTES,
            });
        }
        let id = self.clock.ulid().to_string();
        let (send, answer) = oneshot::channel();
        let until = watch::Sender::new(Instant::now() + self.limits.patience);
        let followed = until.subscribe();
        let mut entries = self.entries.lock();
        let together: usize = entries.values().map(|entry| entry.bytes).sum();
        if entries.len() >= self.limits.most || together + bytes > self.limits.bytes {
            return Err(CallError::TooMany(entries.len()));
        }
        let entry = Entry {
            call: Arc::new(call),
            bytes,
            host: None,
            until,
            answer: send,
        };
        entries.insert(id.clone(), entry);
        Ok(Entered {
            place: Place { calls: self, id },
            until: followed,
            answer,
        })
    }

    /// Those that wait or are worked on, oldest first.
    pub fn list(&self) -> SandboxCallList {
        let entries = self.entries.lock();
        let shown = |(id, entry): (&String, &Entry)| SandboxCallShown {
            id: id.clone(),
            sandbox: entry.call.sandbox().cloned(),
            taken_by: entry.host.clone(),
        };
        SandboxCallList {
            calls: entries.iter().map(shown).collect(),
        }
    }

    /// Takes a call for a host. The same host may ask again, if it did not hear the answer.
    ///
    /// # Errors
    /// [`CallError::NotFound`], [`CallError::Taken`].
    pub fn take(&self, id: &str, host: &str) -> Result<Arc<SandboxCall>, CallError> {
        self.with(id, |entry| {
            match &entry.host {
                Some(other) if other != host => return Err(CallError::Taken),
                _ => entry.host = Some(host.to_owned()),
            }
            entry.until.send_replace(Instant::now() + self.limits.lease);
            Ok(Arc::clone(&entry.call))
        })
    }

    /// A host still works on a call.
    ///
    /// # Errors
    /// [`CallError::NotFound`] once nobody waits for it, [`CallError::Taken`] by another host.
    pub fn keep(&self, id: &str, host: &str) -> Result<(), CallError> {
        self.with(id, |entry| {
            check(entry, host)?;
            entry.until.send_replace(Instant::now() + self.limits.lease);
            Ok(())
        })
    }

    /// A host answers a call that it took.
    ///
    /// # Errors
    /// [`CallError::NotFound`] once nobody waits for it, [`CallError::Taken`] by another host.
    pub fn answer(&self, id: &str, answer: SandboxCallAnswer) -> Result<(), CallError> {
        let mut entries = self.entries.lock();
        let not_found = || CallError::NotFound(id.to_owned());
        check(entries.get(id).ok_or_else(not_found)?, &answer.host)?;
        let entry = entries.remove(id).ok_or_else(not_found)?;
        drop(entries);
        entry.answer.send(answer.answer).map_err(|_| not_found())
    }

    fn with<T>(
        &self,
        id: &str,
        work: impl FnOnce(&mut Entry) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let mut entries = self.entries.lock();
        let entry = entries.get_mut(id);
        work(entry.ok_or_else(|| CallError::NotFound(id.to_owned()))?)
    }
}

fn check(entry: &Entry, host: &str) -> Result<(), CallError> {
    match &entry.host {
        Some(taken_by) if taken_by == host => Ok(()),
        _ => Err(CallError::Taken),
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast;
    use wire::sandbox_call::{SandboxCodeCall, SandboxRemoval};

    use super::*;

    struct Fixture {
        calls: Arc<Calls>,
        told: broadcast::Receiver<Change>,
    }

    impl Fixture {
        fn new() -> Self {
            let changes = Changes::new();
            let told = changes.listen();
            let calls = Arc::new(Calls::new(Clock::system(), changes));
            Self { calls, told }
        }

        fn put(
            &self,
            call: SandboxCall,
        ) -> tokio::task::JoinHandle<Result<SandboxAnswer, CallError>> {
            let calls = Arc::clone(&self.calls);
            tokio::spawn(async move { calls.put(call).await })
        }

        /// The id of the newest call, once it waits.
        async fn waiting(&mut self) -> String {
            assert_eq!(self.told.recv().await.unwrap(), Change::SandboxCalls);
            self.calls.list().calls.last().unwrap().id.clone()
        }
    }

    fn answer(host: &str) -> SandboxCallAnswer {
        SandboxCallAnswer {
            host: host.into(),
            answer: SandboxAnswer::Removed { existed: true },
        }
    }

    #[tokio::test]
    async fn a_call_is_taken_by_one_host_and_answered_by_that_one_alone() {
        let mut fixture = Fixture::new();
        let removal = SandboxCall::RemoveSandbox(SandboxRemoval {
            sandbox: "a1".parse().unwrap(),
        });
        let put = fixture.put(removal.clone());
        let id = fixture.waiting().await;
        let calls = &fixture.calls;
        assert_eq!(calls.keep(&id, "one"), Err(CallError::Taken));
        assert_eq!(calls.answer(&id, answer("one")), Err(CallError::Taken));
        assert_eq!(*calls.take(&id, "one").unwrap(), removal);
        assert_eq!(calls.take(&id, "two").unwrap_err(), CallError::Taken);
        assert_eq!(*calls.take(&id, "one").unwrap(), removal);
        let listed = calls.list().calls;
        assert_eq!(listed[0].taken_by.as_deref(), Some("one"));
        assert_eq!(listed[0].sandbox.as_ref().unwrap().as_str(), "a1");
        assert_eq!(calls.keep(&id, "two"), Err(CallError::Taken));
        assert_eq!(calls.answer(&id, answer("two")), Err(CallError::Taken));
        calls.answer(&id, answer("one")).unwrap();
        assert_eq!(put.await.unwrap().unwrap(), answer("one").answer);
        let again = calls.answer(&id, answer("one"));
        assert_eq!(again, Err(CallError::NotFound(id)));
        assert_eq!(calls.list(), SandboxCallList::default());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_host_a_call_says_so() {
        let fixture = Fixture::new();
        let error = fixture.calls.put(SandboxCall::ListSandboxes).await;
        assert_eq!(error, Err(CallError::NoHost));
        assert!(CallError::NoHost.to_string().contains("`vivarium serve`"));
        assert_eq!(fixture.calls.list(), SandboxCallList::default());
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_goes_ends_its_calls_and_one_that_stays_does_not() {
        let mut fixture = Fixture::new();
        let put = fixture.put(SandboxCall::ListSandboxes);
        let id = fixture.waiting().await;
        fixture.calls.take(&id, "one").unwrap();
        // Longer than a lease, in all.
        for _ in 0..4 {
            tokio::time::sleep(LIMITS.lease / 2).await;
            fixture.calls.keep(&id, "one").unwrap();
        }
        assert_eq!(put.await.unwrap(), Err(CallError::HostGone));
        let late = fixture.calls.answer(&id, answer("one"));
        assert_eq!(late, Err(CallError::NotFound(id)));
    }

    #[tokio::test(start_paused = true)]
    async fn no_call_lasts_for_ever() {
        let mut fixture = Fixture::new();
        let put = fixture.put(SandboxCall::ListSandboxes);
        let id = fixture.waiting().await;
        fixture.calls.take(&id, "one").unwrap();
        while fixture.calls.keep(&id, "one").is_ok() {
            tokio::time::sleep(LIMITS.lease / 2).await;
        }
        let error = put.await.unwrap();
        assert_eq!(error, Err(CallError::TooLong(LIMITS.longest.as_secs())));
    }

    #[tokio::test(start_paused = true)]
    async fn who_stops_waiting_takes_the_call_back() {
        let mut fixture = Fixture::new();
        let put = fixture.put(SandboxCall::ListSandboxes);
        let id = fixture.waiting().await;
        fixture.calls.take(&id, "one").unwrap();
        put.abort();
        assert!(put.await.unwrap_err().is_cancelled());
        // The host is told, and finds nothing to keep.
        assert_eq!(fixture.told.recv().await.unwrap(), Change::SandboxCalls);
        let kept = fixture.calls.keep(&id, "one");
        assert_eq!(kept, Err(CallError::NotFound(id)));
    }

    /// Time stands still: those that wait do so however long it takes to make all of them.
    #[tokio::test(start_paused = true)]
    async fn their_number_and_their_bytes_are_bounded() {
        let mut fixture = Fixture::new();
        let code = |bytes: usize| {
            SandboxCall::RunCode(SandboxCodeCall {
                code: "x".repeat(bytes),
                ..Default::default()
            })
        };
        let large = fixture.calls.put(code(CALL_BYTES)).await.unwrap_err();
        assert!(matches!(large, CallError::TooLarge { .. }), "{large}");
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..2 {
            let calls = Arc::clone(&fixture.calls);
            waiting.spawn(async move { calls.put(code(CALL_BYTES - 1000)).await });
            fixture.waiting().await;
        }
        let third = fixture.calls.put(code(CALL_BYTES - 1000)).await;
        assert_eq!(third, Err(CallError::TooMany(2)));
        for _ in 2..LIMITS.most {
            let calls = Arc::clone(&fixture.calls);
            waiting.spawn(async move { calls.put(SandboxCall::ListSandboxes).await });
            fixture.waiting().await;
        }
        let last = fixture.calls.put(SandboxCall::ListSandboxes).await;
        assert_eq!(last, Err(CallError::TooMany(LIMITS.most)));
    }
}
