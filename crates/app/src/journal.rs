//! The event stream's memory: a ring of the last events, numbered from 1, that a
//! view which comes back replays. Delivery is by pulling, so a slow view never
//! holds up the app; where it falls out of the ring it sees a gap in `seq`.

use std::{collections::VecDeque, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::watch;
use wire::stream::{Event, StreamEvent};

use crate::weight::weight;

/// How many events are kept.
const KEPT: usize = 10_000;
/// What they may take of the memory together, about. One that is larger is kept alone.
const KEPT_BYTES: usize = 128 << 20;

/// The last events, oldest first, with what each takes.
#[derive(Default)]
struct Ring {
    events: VecDeque<(StreamEvent, usize)>,
    bytes: usize,
}

impl Ring {
    fn push(&mut self, event: StreamEvent, limit_bytes: usize) {
        let bytes = weight(&event);
        while self.events.len() >= KEPT
            || (self.bytes + bytes > limit_bytes && !self.events.is_empty())
        {
            let oldest = self.events.pop_front().map_or(0, |(_, bytes)| bytes);
            self.bytes -= oldest;
        }
        self.bytes += bytes;
        self.events.push_back((event, bytes));
    }
}

/// The ring; cheap to clone.
#[derive(Clone)]
pub(crate) struct Journal {
    ring: Arc<Mutex<Ring>>,
    limit_bytes: usize,
    /// The last `seq`; [`u64::MAX`] once closed.
    last: watch::Sender<u64>,
    /// The machine that events of this handle are about.
    machine: Option<Arc<str>>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self::with_limit(KEPT_BYTES)
    }

    fn with_limit(limit_bytes: usize) -> Self {
        Self {
            ring: Arc::default(),
            limit_bytes,
            last: watch::Sender::new(0),
            machine: None,
        }
    }

    /// The same ring, for events about one machine.
    pub(crate) fn about(&self, machine: &str) -> Self {
        Self {
            machine: Some(machine.into()),
            ..self.clone()
        }
    }

    /// Appends an event and wakes who waits. After [`close`](Self::close) nothing is taken.
    pub(crate) fn publish(&self, event: Event) {
        let mut ring = self.ring.lock();
        let seq = match *self.last.borrow() {
            u64::MAX => return,
            last => last + 1,
        };
        let at_ms = lifecycle::now_ms();
        let machine = self.machine.as_deref().map(str::to_owned);
        let event = StreamEvent {
            seq,
            at_ms,
            machine,
            event,
        };
        ring.push(event, self.limit_bytes);
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
        self.ring
            .lock()
            .events
            .back()
            .map_or(0, |(event, _)| event.seq)
    }

    /// Whether anybody reads.
    pub(crate) fn has_listeners(&self) -> bool {
        self.last.receiver_count() > 0
    }

    /// Ends every subscription once it has read what is there.
    pub(crate) fn close(&self) {
        let _ring = self.ring.lock();
        self.last.send_replace(u64::MAX);
    }
}

/// A reader's place in the stream.
pub struct Subscription {
    ring: Arc<Mutex<Ring>>,
    last: watch::Receiver<u64>,
    after: u64,
}

impl Subscription {
    /// The next event; `None` once the app has stopped. Dropping the future loses nothing.
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
        let ring = self.ring.lock();
        let first = ring.events.front()?.0.seq;
        let newest = ring.events.back()?.0.seq;
        // A place beyond the end comes from an earlier app process: start over.
        if self.after > newest {
            self.after = 0;
        }
        let index = (self.after + 1).saturating_sub(first);
        let (event, _) = ring.events.get(usize::try_from(index).ok()?)?.clone();
        self.after = event.seq;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(run_id: &str) -> Event {
        Event::RunEnded {
            job_kind: wire::job::JobKind::Start,
            started_at: 0,
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
    async fn keeps_no_more_than_its_bytes() {
        let journal = Journal::with_limit(100_000);
        let output = |size: usize| Event::CellOutput {
            cell_id: "c".into(),
            run_id: String::new(),
            output: wire::nbformat::Output::Stream {
                name: "stdout".into(),
                text: wire::nbformat::MultilineText::Text("x".repeat(size)),
            }
            .into(),
        };
        for _ in 0..1000 {
            journal.publish(output(1000));
        }
        let kept = journal.ring.lock().events.len();
        assert!((50..100).contains(&kept), "{kept}");
        // A reader that fell behind goes on with the oldest that is there.
        let next = journal.subscribe(1).next().await.map(|event| event.seq);
        assert_eq!(next, Some(1001 - kept as u64));
        journal.publish(output(1_000_000));
        assert_eq!(journal.ring.lock().events.len(), 1);
        journal.publish(output(10));
        assert_eq!(journal.ring.lock().events.len(), 1);
        let mut bytes = 0;
        journal
            .ring
            .lock()
            .events
            .iter()
            .for_each(|(_, own)| bytes += own);
        assert_eq!(journal.ring.lock().bytes, bytes);
        assert_eq!(journal.last_seq(), 1002);
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
