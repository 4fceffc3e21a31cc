//! What waits for a client's event stream of its own (the GET of Streamable HTTP): numbered, kept
//! for a client that comes back with the last number it saw, and bounded.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::{
    queue::{Full, Outgoing, Sink},
    resume::Answering,
};

/// For a stream that is read: one who is this far behind is stuck.
const MOST: usize = 16 << 10;
const MOST_BYTES: usize = 16 << 20;
/// For one that may come, or come back.
const KEPT: usize = 512;
const KEPT_BYTES: usize = 1 << 20;
/// Streams of POSTs that may be taken up again.
const STREAMS: usize = 16;
/// Requests of servers that may wait for a POST that carries them.
const HELD: usize = 64;

/// The mailbox.
pub struct Mailbox {
    inner: Mutex<Inner>,
    news: Notify,
    /// POSTs are counted from here on: not as in an earlier life of the session.
    first_post: u64,
}

impl Default for Mailbox {
    fn default() -> Self {
        let first_post = rand::random::<u32>().into();
        let inner = Inner {
            next_post: first_post,
            ..Inner::default()
        };
        Self {
            inner: Mutex::new(inner),
            news: Notify::new(),
            first_post,
        }
    }
}

#[derive(Default)]
struct Inner {
    kept: VecDeque<(u64, Bytes)>,
    bytes: usize,
    last: u64,
    /// The last one that was handed to a stream.
    seen: u64,
    /// Counts streams; only the newest reads.
    readers: u64,
    reading: bool,
    /// POSTs that are being answered: they carry what a client without a stream must get.
    posts: Vec<Open>,
    next_post: u64,
    /// Requests of servers that no POST could carry.
    held: VecDeque<Bytes>,
    /// Streams of POSTs that may be taken up again.
    answering: VecDeque<Arc<Answering>>,
}

/// A POST that is being answered.
struct Open {
    number: u64,
    since: Instant,
    sink: Sink,
    /// Whether a server's request may be its answer.
    asks: bool,
}

impl Mailbox {
    /// Puts a message: for the stream where there is one, else onto the answer of a POST.
    pub fn put(&self, text: Bytes) -> Result<(), Full> {
        let mut inner = self.inner();
        if !inner.reading
            && let Some(post) = inner.posts.last()
        {
            return post.sink.put(Outgoing::Note(text));
        }
        inner.last += 1;
        inner.bytes += text.len();
        let number = inner.last;
        inner.kept.push_back((number, text));
        while inner.kept.len() > KEPT || (inner.bytes > KEPT_BYTES && inner.kept.len() > 1) {
            let unread = inner
                .kept
                .front()
                .is_some_and(|(number, _)| *number > inner.seen);
            if inner.reading && unread {
                if inner.kept.len() > MOST || (inner.bytes > MOST_BYTES && inner.kept.len() > 1) {
                    return Err(Full::Stuck);
                }
                break;
            }
            if let Some((_, gone)) = inner.kept.pop_front() {
                inner.bytes -= gone.len();
            }
        }
        drop(inner);
        self.news.notify_waiters();
        Ok(())
    }

    /// Puts a server's request to a client without a session: onto the answer of a POST that may
    /// carry one, now or later.
    pub fn put_request(&self, text: Bytes) -> Result<(), Full> {
        let mut inner = self.inner();
        if let Some(post) = inner.posts.iter().rfind(|post| post.asks) {
            return post.sink.put(Outgoing::Note(text));
        }
        if inner.held.len() >= HELD {
            return Err(Full::Stuck);
        }
        inner.held.push_back(text);
        Ok(())
    }

    /// Takes the requests that wait while a POST that can't carry them has waited for so long: its
    /// server may answer it only once they are answered.
    pub fn overdue(&self, patience: Duration) -> Vec<Bytes> {
        let mut inner = self.inner();
        let late = |post: &Open| post.since.elapsed() >= patience;
        if !inner.posts.iter().any(late) {
            return Vec::new();
        }
        std::mem::take(&mut inner.held).into()
    }

    /// A POST is being answered, until the number is given back.
    pub fn post(&self, sink: Sink, asks: bool) -> u64 {
        let mut inner = self.inner();
        if asks {
            for text in std::mem::take(&mut inner.held) {
                // A new queue has room.
                let _ = sink.put(Outgoing::Note(text));
            }
        }
        inner.next_post += 1;
        let number = inner.next_post;
        let since = Instant::now();
        inner.posts.push(Open {
            number,
            since,
            sink,
            asks,
        });
        number
    }

    /// It is answered.
    pub fn posted(&self, number: u64) {
        self.inner().posts.retain(|post| post.number != number);
    }

    /// A POST is answered by a stream, which may be taken up again.
    pub fn answering(&self, answering: &Arc<Answering>) {
        let mut inner = self.inner();
        inner.answering.push_back(Arc::clone(answering));
        let many = inner.answering.len().saturating_sub(STREAMS);
        // One that is still read goes on.
        let gone: Vec<_> = inner.answering.drain(..many).collect();
        drop(inner);
        drop(gone);
    }

    /// The stream of a POST.
    pub fn answered(&self, post: u64) -> Option<Arc<Answering>> {
        let inner = self.inner();
        let found = inner
            .answering
            .iter()
            .find(|one| one.number() == Some(post) && !one.is_spent());
        found.cloned()
    }

    /// Whether a POST of this number was one of this life.
    pub fn has_begun(&self, post: u64) -> bool {
        (self.first_post + 1..=self.inner().next_post).contains(&post)
    }

    /// Forgets streams that nobody came back to.
    pub fn tidy(&self, patience: Duration) {
        let mut inner = self.inner();
        let all = std::mem::take(&mut inner.answering);
        let (over, stay): (Vec<_>, Vec<_>) = all.into_iter().partition(|one| one.is_over(patience));
        inner.answering = stay.into();
        drop(inner);
        // Their calls are cancelled, which asks this mailbox.
        drop(over);
    }

    /// Forgets all of them.
    pub fn forget(&self) {
        let gone = std::mem::take(&mut self.inner().answering);
        drop(gone);
    }

    /// A stream reads from now on, from after this number or where the last one stopped.
    pub fn read(&self, after: Option<u64>) -> u64 {
        let mut inner = self.inner();
        inner.readers += 1;
        inner.reading = true;
        if let Some(after) = after {
            inner.seen = after.min(inner.last);
        }
        let reader = inner.readers;
        drop(inner);
        // The one before ends.
        self.news.notify_waiters();
        reader
    }

    /// The stream ended.
    pub fn unread(&self, reader: u64) {
        let mut inner = self.inner();
        if inner.readers == reader {
            inner.reading = false;
        }
    }

    pub fn is_read(&self) -> bool {
        self.inner().reading
    }

    /// The next message of a stream; none when a newer stream took its place.
    pub async fn next(&self, reader: u64) -> Option<(u64, Bytes)> {
        loop {
            let news = self.news.notified();
            tokio::pin!(news);
            news.as_mut().enable();
            {
                let mut inner = self.inner();
                if inner.readers != reader {
                    return None;
                }
                let seen = inner.seen;
                let place = inner.kept.partition_point(|(number, _)| *number <= seen);
                if let Some((number, text)) = inner.kept.get(place).cloned() {
                    inner.seen = number;
                    return Some((number, text));
                }
            }
            news.await;
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::queue;
    use super::*;

    #[tokio::test]
    async fn a_stream_that_comes_back_gets_what_it_missed() {
        let mailbox = Mailbox::default();
        for word in ["a", "b", "c"] {
            mailbox.put(Bytes::from_static(word.as_bytes())).unwrap();
        }
        let first = mailbox.read(None);
        assert_eq!(mailbox.next(first).await.unwrap().1, "a");
        assert_eq!(mailbox.next(first).await.unwrap().1, "b");
        let second = mailbox.read(Some(1));
        assert_eq!(mailbox.next(first).await, None);
        assert_eq!(
            mailbox.next(second).await,
            Some((2, Bytes::from_static(b"b")))
        );
        mailbox.unread(first);
        assert!(mailbox.is_read());
        mailbox.unread(second);
        assert!(!mailbox.is_read());
    }

    #[tokio::test]
    async fn a_servers_request_waits_for_a_post_that_may_carry_it() {
        let mailbox = Mailbox::default();
        let text = Bytes::from_static(b"asked");
        let (list, mut listed) = queue();
        let listing = mailbox.post(list, false);
        mailbox.put_request(text.clone()).unwrap();
        let (call, mut called) = queue();
        let calling = mailbox.post(call, true);
        assert_eq!(called.next().await.unwrap().text(), text);
        mailbox.posted(calling);
        mailbox.put_request(text.clone()).unwrap();
        assert!(mailbox.overdue(Duration::from_secs(600)).is_empty());
        assert_eq!(mailbox.overdue(Duration::ZERO).len(), 1);
        mailbox.posted(listing);
        assert!(listed.next().await.is_none());
        // Nobody waits: it is asked with the next call.
        mailbox.put_request(text).unwrap();
        assert!(mailbox.overdue(Duration::ZERO).is_empty());
    }

    #[tokio::test]
    async fn without_a_stream_a_post_carries_it_and_with_a_stuck_one_it_ends() {
        let mailbox = Mailbox::default();
        let (sink, mut outbox) = queue();
        let post = mailbox.post(sink, true);
        mailbox.put(Bytes::from_static(b"x")).unwrap();
        assert_eq!(outbox.next().await.unwrap().text(), b"x");
        mailbox.posted(post);
        for _ in 0..2 * MOST {
            mailbox.put(Bytes::from_static(b"dropped")).unwrap();
        }
        mailbox.read(None);
        let mut put = Ok(());
        for _ in 0..2 * MOST {
            put = put.and_then(|()| mailbox.put(Bytes::from_static(b"y")));
        }
        assert_eq!(put, Err(Full::Stuck));
    }
}
