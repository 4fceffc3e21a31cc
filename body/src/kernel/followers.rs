//! How far behind the clients of a cell are: one that floods is held up while they read, but not by
//! one that reads no more.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use tokio::sync::Notify;

/// How far the one that reads fastest may be behind.
const LAG_BYTES: u64 = 4 << 20;
/// One that takes nothing for so long is waited for no more.
const PATIENCE: Duration = Duration::from_secs(1);

/// All clients that follow one cell.
#[derive(Default)]
pub struct Followers {
    count: AtomicUsize,
    /// Bytes of output that came, and that the fastest has read.
    came: AtomicU64,
    read: AtomicU64,
    given_up: AtomicBool,
    moved: Notify,
}

impl Followers {
    /// Whether there is one.
    pub fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// So much output has come in all.
    pub fn came(&self, bytes: u64) {
        self.came.store(bytes, Ordering::Relaxed);
    }

    /// Whether those who read are so far behind that more is better waited with.
    pub fn are_behind(&self) -> bool {
        self.any() && !self.given_up.load(Ordering::Relaxed) && self.lag() > LAG_BYTES
    }

    /// Waits until they have caught up, are gone, or read no more.
    pub async fn catch_up(&self) {
        while self.any() && self.lag() > LAG_BYTES / 2 {
            if tokio::time::timeout(PATIENCE, self.moved.notified())
                .await
                .is_err()
            {
                self.given_up.store(true, Ordering::Relaxed);
                return;
            }
        }
    }

    /// One more follows.
    pub fn begin(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// One follows no more.
    pub fn end(&self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
        self.moved.notify_one();
    }

    /// One has read so much; answers how much it can read now.
    pub fn has_read(&self, bytes: u64) -> u64 {
        self.read.fetch_max(bytes, Ordering::Relaxed);
        self.given_up.store(false, Ordering::Relaxed);
        self.moved.notify_one();
        self.came.load(Ordering::Relaxed)
    }

    fn lag(&self) -> u64 {
        let came = self.came.load(Ordering::Relaxed);
        came.saturating_sub(self.read.load(Ordering::Relaxed))
    }
}
