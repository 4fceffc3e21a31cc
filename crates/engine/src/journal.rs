//! The event stream's memory: a ring of the last events, numbered from 1, that a
//! view which comes back replays. Delivery is by pulling, so a slow view never
//! holds up the engine; where it falls out of the ring it sees a gap in `seq`.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;
use wire::stream::{Event, StreamEvent};

/// How many events are kept.
const KEPT: usize = 10_000;

/// The ring; cheap to clone.
#[derive(Clone)]
pub(crate) struct Journal {
    ring: Arc<Mutex<VecDeque<StreamEvent>>>,
    /// The last `seq`; [`u64::MAX`] once closed.
    last: watch::Sender<u64>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self {
            ring: Arc::default(),
            last: watch::Sender::new(0),
        }
    }

    /// Appends an event and wakes who waits. After [`close`](Self::close) nothing is taken.
    pub(crate) fn publish(&self, event: Event) {
        let mut ring = lock(&self.ring);
        let seq = match *self.last.borrow() {
            u64::MAX => return,
            last => last + 1,
        };
        if ring.len() == KEPT {
            ring.pop_front();
        }
        let at_ms = lifecycle::now_ms();
        ring.push_back(StreamEvent { seq, at_ms, event });
        self.last.send_replace(seq);
    }

    pub(crate) fn subscribe(&self, after: u64) -> Subscription {
        Subscription {
            ring: self.ring.clone(),
            last: self.last.subscribe(),
            after,
        }
    }

    /// Number of the newest event, 0 where there is none.
    pub(crate) fn last_seq(&self) -> u64 {
        lock(&self.ring).back().map_or(0, |event| event.seq)
    }

    /// Whether anybody reads.
    pub(crate) fn has_listeners(&self) -> bool {
        self.last.receiver_count() > 0
    }

    /// Ends every subscription once it has read what is there.
    pub(crate) fn close(&self) {
        let _ring = lock(&self.ring);
        self.last.send_replace(u64::MAX);
    }
}

fn lock(ring: &Mutex<VecDeque<StreamEvent>>) -> MutexGuard<'_, VecDeque<StreamEvent>> {
    ring.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A reader's place in the stream.
pub struct Subscription {
    ring: Arc<Mutex<VecDeque<StreamEvent>>>,
    last: watch::Receiver<u64>,
    after: u64,
}

impl Subscription {
    /// The next event; `None` once the engine has stopped. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<StreamEvent> {
        loop {
            let last = *self.last.borrow_and_update();
            if let Some(event) = self.take() {
                return Some(event);
            }
            if last == u64::MAX || self.last.changed().await.is_err() {
                return self.take();
            }
        }
    }

    fn take(&mut self) -> Option<StreamEvent> {
        let ring = lock(&self.ring);
        let first = ring.front()?.seq;
        let newest = ring.back()?.seq;
        // A place beyond the end comes from an earlier engine: start over.
        if self.after > newest {
            self.after = 0;
        }
        let index = (self.after + 1).saturating_sub(first);
        let event = ring.get(usize::try_from(index).ok()?)?.clone();
        self.after = event.seq;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(run_id: &str) -> Event {
        Event::RunEnded {
            run_id: run_id.into(),
            failure: None,
        }
    }

    #[tokio::test]
    async fn replays_then_goes_on_live() {
        let journal = Journal::new();
        journal.publish(ended("a"));
        journal.publish(ended("b"));
        let mut events = journal.subscribe(1);
        assert_eq!(events.next().await.map(|event| event.seq), Some(2));
        let waiting = tokio::spawn(async move { (events.next().await, events.next().await) });
        tokio::task::yield_now().await;
        journal.publish(ended("c"));
        journal.close();
        let (live, end) = waiting.await.unwrap();
        assert_eq!(live.map(|event| event.seq), Some(3));
        assert_eq!(end, None);
    }

    #[tokio::test]
    async fn keeps_the_newest_and_shows_a_gap() {
        let journal = Journal::new();
        for _ in 0..KEPT + 5 {
            journal.publish(ended("x"));
        }
        let mut events = journal.subscribe(0);
        assert_eq!(events.next().await.map(|event| event.seq), Some(6));
        assert_eq!(journal.last_seq(), KEPT as u64 + 5);
    }

    #[tokio::test]
    async fn a_place_from_an_earlier_engine_starts_over() {
        let journal = Journal::new();
        journal.publish(ended("a"));
        assert_eq!(
            journal.subscribe(99).next().await.map(|event| event.seq),
            Some(1)
        );
    }
}
