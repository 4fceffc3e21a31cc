//! Single requests of a process that HTTP carries: one fails alone, or is asked again of the life
//! to come where the server did not take it.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::{
    message::{Answer, code},
    upstream::Upstream,
};

/// A request that the server did not take: it knows the session no more.
pub struct Again {
    pub number: u64,
    pub text: Bytes,
}

impl Upstream {
    /// So many bytes went out.
    pub(super) fn sent(&self, bytes: usize) {
        self.unsent.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether somebody waits for an answer.
    pub(super) fn waits(&self, number: u64) -> bool {
        self.table().pending.contains_key(&number)
    }

    /// A request comes to nothing.
    pub(super) fn fail(&self, number: u64, problem: &str) {
        let Some(pending) = self.table().pending.remove(&number) else {
            return;
        };
        if pending.session_id.is_some() {
            self.core.stats.failed();
        }
        let answer = Answer::refusal(&pending.id, code::SERVER_GONE, problem);
        self.answer(pending, answer);
    }

    /// A request waits for the next life; once, so that a server that forgets each session gets
    /// no second one for ever.
    pub(super) fn ask_again(&self, again: Again) {
        let mut table = self.table();
        if let Some(pending) = table.pending.get_mut(&again.number)
            && !std::mem::replace(&mut pending.again, true)
        {
            table.again.push((again.number, again.text));
            self.wanted.notify_one();
        }
    }
}
