//! The stream of events to the page. What is sent waits in this process until the page takes it, so a
//! page that is slow or hangs is sent no more: what it misses meanwhile stays in the app's journal, as
//! long as that has room.

use std::collections::VecDeque;

use app::Subscription;
use parking_lot::Mutex;
use tauri::ipc::{Channel, InvokeResponseBody};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// So much may be on its way. A larger event is sent alone.
const UNHEARD_BYTES: usize = 16 << 20;
const UNHEARD_EVENTS: usize = 4000;

/// The stream of the one window; a new one ends the one before.
#[derive(Debug, Default)]
pub struct Stream {
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    stop: CancellationToken,
    /// Number of the last event that the page has heard.
    heard: watch::Sender<u64>,
}

impl Stream {
    /// Ends the stream that is open, and begins another.
    pub fn begin(&self) -> (CancellationToken, watch::Receiver<u64>) {
        let mut open = self.open.lock();
        std::mem::take(&mut *open).stop.cancel();
        (open.stop.clone(), open.heard.subscribe())
    }

    /// Ends it.
    pub fn end(&self) {
        self.open.lock().stop.cancel();
    }

    /// The page has heard all up to this event.
    pub fn hear(&self, seq: u64) {
        self.open.lock().heard.send_if_modified(|heard| {
            let is_news = seq > *heard;
            *heard = seq.max(*heard);
            is_news
        });
    }
}

/// Sends events as they come, until the stream ends or the page is gone.
pub async fn send(
    mut events: Subscription,
    channel: Channel<InvokeResponseBody>,
    stop: CancellationToken,
    mut heard: watch::Receiver<u64>,
) {
    let mut unheard = Unheard::default();
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            news = heard.changed() => {
                if news.is_err() {
                    return;
                }
                unheard.heard(*heard.borrow_and_update());
            }
            event = events.next(), if unheard.has_room() => {
                let Some(event) = event else { return };
                let Ok(text) = serde_json::to_string(&event) else { continue };
                unheard.sent(event.seq, text.len());
                // A channel that can't take more belongs to a page that is gone.
                if channel.send(InvokeResponseBody::Json(text)).is_err() {
                    return;
                }
            }
        }
    }
}

/// Events that were sent and not heard yet: their numbers and sizes.
#[derive(Debug, Default)]
struct Unheard {
    events: VecDeque<(u64, usize)>,
    bytes: usize,
}

impl Unheard {
    fn has_room(&self) -> bool {
        self.bytes < UNHEARD_BYTES && self.events.len() < UNHEARD_EVENTS
    }

    fn sent(&mut self, seq: u64, bytes: usize) {
        self.events.push_back((seq, bytes));
        self.bytes += bytes;
    }

    fn heard(&mut self, seq: u64) {
        while let Some((_, bytes)) = self.events.pop_front_if(|(sent, _)| *sent <= seq) {
            self.bytes -= bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_sent_than_is_heard() {
        let mut unheard = Unheard::default();
        let mut seq = 0;
        while unheard.has_room() {
            seq += 1;
            unheard.sent(seq, 1 << 20);
        }
        assert_eq!(seq, 16);
        unheard.heard(3);
        assert!(unheard.has_room());
        assert_eq!((unheard.bytes, unheard.events.len()), (13 << 20, 13));
        unheard.heard(seq);
        // One that is larger than all goes alone.
        unheard.sent(17, 1 << 30);
        assert!(!unheard.has_room());
        unheard.heard(17);
        assert_eq!(unheard.bytes, 0);
        for seq in 18.. {
            if !unheard.has_room() {
                assert_eq!(seq as usize, 18 + UNHEARD_EVENTS);
                break;
            }
            unheard.sent(seq, 1);
        }
    }

    #[tokio::test]
    async fn a_new_stream_ends_the_one_before() {
        let stream = Stream::default();
        let (first, _) = stream.begin();
        let (second, mut heard) = stream.begin();
        assert!(first.is_cancelled() && !second.is_cancelled());
        stream.hear(7);
        stream.hear(3);
        heard.changed().await.unwrap();
        assert_eq!(*heard.borrow_and_update(), 7);
        stream.end();
        assert!(second.is_cancelled());
    }
}
