//! Credit: how far a stream's data may be sent. Both sides count the stream's bytes from its
//! beginning (of a stream's outputs all together), and a credit names a byte, not a difference: so
//! one that is repeated does no harm.

/// How many bytes of a new stream's output the sandbox may send without having been told.
pub const OUTPUT_WINDOW: u64 = 256 << 10;
/// How many bytes of a new stream's input the host may send without having been told.
pub const INPUT_WINDOW: u64 = 128 << 10;
/// As how many bytes of output an entry of a folder or a change in one counts.
pub const ENTRY_BYTES: usize = 256;

/// More was sent than there was credit for.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{received} bytes were sent with credit for {limit}")]
pub struct OverCredit {
    /// Up to which byte was sent.
    pub received: u64,
    /// Up to which it was allowed.
    pub limit: u64,
}

/// The sender's side of a stream.
#[derive(Debug, Clone, Copy)]
pub struct Sending {
    sent: u64,
    limit: u64,
}

impl Sending {
    /// A stream whose bytes up to `sent` are known to the other side, or of no interest to it.
    pub fn new(sent: u64, window: u64) -> Self {
        Self {
            sent,
            limit: sent.saturating_add(window),
        }
    }

    /// How many bytes may be sent now.
    pub fn room(&self) -> usize {
        usize::try_from(self.limit.saturating_sub(self.sent)).unwrap_or(usize::MAX)
    }

    /// Up to which byte was sent.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Notes that so many bytes are sent; it is the caller's to send no more than there is room.
    pub fn advance(&mut self, bytes: usize) {
        self.sent = self.sent.saturating_add(bytes as u64);
    }

    /// Counts what is dropped instead of being sent.
    pub fn skip(&mut self, bytes: u64) {
        for count in [&mut self.sent, &mut self.limit] {
            *count = count.saturating_add(bytes);
        }
    }

    /// Takes a credit. One that is lower than an earlier one changes nothing.
    pub fn allow(&mut self, limit: u64) {
        self.limit = self.limit.max(limit);
    }
}

/// The receiver's side of a stream.
#[derive(Debug, Clone, Copy)]
pub struct Receiving {
    received: u64,
    used: u64,
    limit: u64,
    window: u64,
}

impl Receiving {
    /// A stream that begins at this byte, of which so many bytes may be under way.
    pub fn new(from: u64, window: u64) -> Self {
        Self {
            received: from,
            used: from,
            limit: from.saturating_add(window),
            window,
        }
    }

    /// Counts what arrived.
    pub fn receive(&mut self, bytes: usize) -> Result<(), OverCredit> {
        self.received = self.received.saturating_add(bytes as u64);
        if self.received > self.limit {
            return Err(OverCredit {
                received: self.received,
                limit: self.limit,
            });
        }
        Ok(())
    }

    /// Counts what was used up; the credit to send, once that is half a window more than before.
    pub fn use_up(&mut self, bytes: usize) -> Option<u64> {
        self.used = self.used.saturating_add(bytes as u64);
        let limit = self.used.saturating_add(self.window);
        if limit.saturating_sub(self.limit) < self.window / 2 {
            return None;
        }
        self.limit = limit;
        Some(limit)
    }

    /// Counts what the sender dropped: all that it counts from here is later by as much. The credit to
    /// send: one that was under way when the sender dropped something has come too low to count.
    #[must_use]
    pub fn skip(&mut self, bytes: u64) -> u64 {
        for count in [&mut self.received, &mut self.used, &mut self.limit] {
            *count = count.saturating_add(bytes);
        }
        self.limit
    }

    /// Up to which byte the sender may send.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Up to which byte arrived.
    pub fn received(&self) -> u64 {
        self.received
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_stops_at_its_limit_and_a_credit_lets_it_go_on() {
        let (mut sending, mut receiving) = (Sending::new(5, 100), Receiving::new(5, 100));
        assert_eq!(sending.room(), 100);
        sending.advance(100);
        receiving.receive(100).unwrap();
        assert_eq!(sending.room(), 0);
        assert_eq!(receiving.use_up(49), None);
        let limit = receiving.use_up(1).unwrap();
        sending.allow(limit);
        sending.allow(limit - 1);
        assert_eq!(sending.room(), 50);
        assert_eq!(sending.sent(), 105);
    }

    #[test]
    fn more_than_was_allowed_is_noticed() {
        let mut receiving = Receiving::new(0, 10);
        receiving.receive(10).unwrap();
        let over = receiving.receive(1).unwrap_err();
        assert_eq!((over.received, over.limit), (11, 10));
    }

    #[test]
    fn what_is_dropped_is_counted_on_both_sides() {
        let (mut sending, mut receiving) = (Sending::new(0, 10), Receiving::new(0, 10));
        sending.skip(1000);
        assert_eq!(receiving.skip(1000), receiving.limit());
        sending.advance(10);
        receiving.receive(10).unwrap();
        assert_eq!((sending.room(), sending.sent()), (0, 1010));
        assert!(receiving.receive(1).is_err());
    }

    #[test]
    fn no_number_makes_it_overflow() {
        let mut sending = Sending::new(u64::MAX, u64::MAX);
        sending.allow(u64::MAX);
        sending.advance(usize::MAX);
        assert_eq!(sending.room(), 0);
        let mut receiving = Receiving::new(u64::MAX, u64::MAX);
        receiving.receive(usize::MAX).unwrap();
        receiving.use_up(usize::MAX);
    }
}
