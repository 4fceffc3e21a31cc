//! What a command wrote, by number: the newest of it is kept for readers to come, and what a present
//! reader has not taken yet holds the command up.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use frames::credit::{OUTPUT_WINDOW, OverCredit, Receiving};

use super::{ExecEvent, ExecEventKind};

/// Kept for readers to come.
const KEPT_BYTES: usize = 512 << 10;
/// The same in events, since each takes more than its bytes.
const KEPT_EVENTS: usize = 8192;
/// Pieces of one kind become one up to this size, as long as nobody has read them.
const JOINED_BYTES: usize = 4 << 10;
/// The most that a reader takes at once.
const BATCH_BYTES: usize = 256 << 10;

/// Events of one command.
#[derive(Debug)]
pub(super) struct Log {
    events: VecDeque<ExecEvent>,
    bytes: usize,
    /// Number of the next event.
    next: u64,
    /// Everything before this number was taken by all readers.
    used: u64,
    /// The number that each reader wants next.
    readers: BTreeMap<u64, u64>,
    next_reader: u64,
    /// Whether the first reader is still to come, and nothing may be dropped before.
    waits_for_reader: bool,
    receiving: Receiving,
}

impl Log {
    pub(super) fn new(waits_for_reader: bool) -> Self {
        Self {
            events: VecDeque::new(),
            bytes: 0,
            next: 1,
            used: 1,
            readers: BTreeMap::new(),
            next_reader: 0,
            waits_for_reader,
            receiving: Receiving::new(0, OUTPUT_WINDOW),
        }
    }

    /// Takes output; the credit to send.
    pub(super) fn receive(
        &mut self,
        kind: fn(Bytes) -> ExecEventKind,
        data: Bytes,
    ) -> Result<Option<u64>, OverCredit> {
        self.receiving.receive(data.len())?;
        self.bytes += data.len();
        match self.events.back_mut() {
            Some(last)
                if last.seq >= self.used && !self.readers.values().any(|next| *next > last.seq) =>
            {
                match (joined(&last.kind, &data), kind(Bytes::new())) {
                    (Some(both), empty)
                        if std::mem::discriminant(&empty) == std::mem::discriminant(&last.kind) =>
                    {
                        last.kind = kind(both);
                    }
                    _ => self.push(kind(data)),
                }
            }
            _ => self.push(kind(data)),
        }
        Ok(self.settle())
    }

    /// Bytes of output that arrived.
    pub(super) fn received(&self) -> u64 {
        self.receiving.received()
    }

    /// The command's output goes on at this byte, in another conversation.
    pub(super) fn resume(&mut self, from: u64) {
        if from > self.receiving.received() {
            self.push(ExecEventKind::Dropped {
                to: self.next.saturating_sub(1),
            });
        }
        self.receiving = Receiving::new(from, OUTPUT_WINDOW);
        // What waits here for readers counts as taken in the new conversation.
        self.used = self.next;
    }

    /// So much output was dropped inside before it was sent; the credit to send.
    pub(super) fn dropped(&mut self, bytes: u64) -> Option<u64> {
        let credit = self.receiving.skip(bytes);
        let last = self.events.back().map(|event| &event.kind);
        if !matches!(last, Some(ExecEventKind::Dropped { .. })) {
            self.push(ExecEventKind::Dropped {
                to: self.next.saturating_sub(1),
            });
        }
        Some(self.settle().unwrap_or(credit))
    }

    /// Adds something other than output.
    pub(super) fn push(&mut self, kind: ExecEventKind) {
        let seq = self.next;
        self.next += 1;
        self.events.push_back(ExecEvent { seq, kind });
    }

    /// Takes a reader in, who wants what comes after a number.
    pub(super) fn enter(&mut self, after: u64) -> u64 {
        self.waits_for_reader = false;
        let reader = self.next_reader;
        self.next_reader += 1;
        self.readers.insert(reader, after.saturating_add(1));
        reader
    }

    /// A reader goes; the credit to send.
    pub(super) fn leave(&mut self, reader: u64) -> Option<u64> {
        self.readers.remove(&reader);
        self.settle()
    }

    /// What a reader has not seen, as much as is handed out at once; the credit to send.
    pub(super) fn take(&mut self, reader: u64) -> (VecDeque<ExecEvent>, Option<u64>) {
        let mut taken = VecDeque::new();
        let Some(&next) = self.readers.get(&reader) else {
            return (taken, None);
        };
        let oldest = self.events.front().map_or(self.next, |event| event.seq);
        if next < oldest {
            taken.push_back(ExecEvent {
                seq: oldest - 1,
                kind: ExecEventKind::Dropped { to: oldest - 1 },
            });
        }
        let mut bytes = 0;
        let skipped = usize::try_from(next.saturating_sub(oldest)).unwrap_or(usize::MAX);
        for event in self.events.iter().skip(skipped) {
            if bytes >= BATCH_BYTES {
                break;
            }
            bytes += event.kind.size();
            taken.push_back(event.clone());
        }
        if let Some(last) = taken.back() {
            self.readers.insert(reader, last.seq + 1);
        }
        let credit = self.settle();
        (taken, credit)
    }

    /// Counts what all readers have taken, and drops the oldest of it.
    fn settle(&mut self) -> Option<u64> {
        let slowest = match self.waits_for_reader {
            true => self.used,
            false => self.readers.values().copied().min().unwrap_or(self.next),
        };
        let slowest = slowest.min(self.next);
        let mut taken = 0;
        if slowest > self.used {
            let new = self
                .events
                .iter()
                .rev()
                .take_while(|event| event.seq >= self.used)
                .filter(|event| event.seq < slowest);
            taken = new.map(|event| event.kind.size()).sum();
            self.used = slowest;
        }
        while let Some(oldest) = self.events.front() {
            let is_full = self.bytes > KEPT_BYTES || self.events.len() > KEPT_EVENTS;
            // The end is what every later reader needs.
            if !is_full || oldest.seq >= self.used || self.events.len() == 1 {
                break;
            }
            self.bytes -= oldest.kind.size();
            self.events.pop_front();
        }
        self.receiving.use_up(taken)
    }
}

/// Two pieces as one, if that is small.
fn joined(last: &ExecEventKind, data: &Bytes) -> Option<Bytes> {
    let last = last.data()?;
    (last.len() + data.len() <= JOINED_BYTES)
        .then(|| [last.as_ref(), data.as_ref()].concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECE: usize = 64 << 10;

    fn piece() -> Bytes {
        vec![b'x'; PIECE].into()
    }

    #[test]
    fn a_reader_that_takes_nothing_holds_the_command_up() {
        let mut log = Log::new(false);
        let slow = log.enter(0);
        for _ in 0..OUTPUT_WINDOW / PIECE as u64 {
            assert_eq!(log.receive(ExecEventKind::Stdout, piece()).unwrap(), None);
        }
        assert!(log.receive(ExecEventKind::Stdout, piece()).is_err());
        let (taken, credit) = log.take(slow);
        assert_eq!(taken.len(), 4);
        assert_eq!(credit, Some(2 * OUTPUT_WINDOW));
    }

    #[test]
    fn without_a_reader_the_newest_is_kept() {
        let mut log = Log::new(false);
        for _ in 0..100 {
            log.receive(ExecEventKind::Stdout, piece()).unwrap();
        }
        log.push(ExecEventKind::Dropped { to: 0 });
        let late = log.enter(0);
        let (first, _) = log.take(late);
        assert_eq!(first[0].kind, ExecEventKind::Dropped { to: 92 });
        assert_eq!(first[1].seq, 93);
        let (later, _) = log.take(late);
        assert_eq!(later[0].seq, first.back().unwrap().seq + 1);
    }

    #[test]
    fn the_first_reader_misses_nothing() {
        let mut log = Log::new(true);
        log.receive(ExecEventKind::Stdout, piece()).unwrap();
        let reader = log.enter(0);
        let (taken, _) = log.take(reader);
        assert_eq!(taken[0].seq, 1);
        assert_eq!(log.leave(reader), None);
    }

    #[test]
    fn small_pieces_are_joined_until_somebody_has_read_them() {
        let mut log = Log::new(true);
        for text in ["a", "b"] {
            log.receive(ExecEventKind::Stdout, text.into()).unwrap();
        }
        log.receive(ExecEventKind::Stderr, "c".into()).unwrap();
        let reader = log.enter(0);
        let (taken, _) = log.take(reader);
        let kinds: Vec<_> = taken.into_iter().map(|event| event.kind).collect();
        let expected = [
            ExecEventKind::Stdout("ab".into()),
            ExecEventKind::Stderr("c".into()),
        ];
        assert_eq!(kinds, expected);
        log.receive(ExecEventKind::Stderr, "d".into()).unwrap();
        let (taken, _) = log.take(reader);
        assert_eq!(taken[0].kind, ExecEventKind::Stderr("d".into()));
    }
}
