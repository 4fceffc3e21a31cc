//! Work on files: done a little at a time, so that a large archive delays no exec.

use std::os::fd::BorrowedFd;

use frames::message::Event;

use crate::{channel::Channel, outbox::Outbox, refusal::Refusal};

/// What a step came to.
pub enum Progress {
    /// There is more to do at once.
    More,
    /// It waits for credit, input or its descriptor.
    Waits,
    /// It is over, and this is said last.
    Done(Event),
}

/// A request that takes more than one step.
pub trait Task {
    /// Does a little of it. After an error it isn't called again.
    fn step(&mut self, channel: &mut Channel, outbox: &mut Outbox) -> Result<Progress, Refusal>;

    /// What it waits for, beside credit and input.
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// The last event of what was carried out.
pub fn done(bytes: u64, entries: u64) -> Event {
    Event::Done {
        bytes,
        entries,
        left_out: 0,
    }
}
