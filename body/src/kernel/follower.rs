//! Clients that read a cell's events as they come, and how far behind they are: a cell that floods is
//! held up while they read, but not by one that reads no more.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::{Event, Execution};
use wire::kernel::ExecAnswer;

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

    fn lag(&self) -> u64 {
        let came = self.came.load(Ordering::Relaxed);
        came.saturating_sub(self.read.load(Ordering::Relaxed))
    }
}

/// A client that reads a cell's events as they come.
pub struct Follower(Arc<Execution>);

impl Follower {
    /// Counts until it is dropped.
    pub fn new(execution: &Arc<Execution>) -> Self {
        execution.followers.count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(execution))
    }

    /// Events with a seq larger than `after`, and the answer once there is one. Who asks has read all before.
    pub fn since(&self, after: u64, read_bytes: &mut u64) -> (Vec<Event>, Option<ExecAnswer>) {
        let followers = &self.0.followers;
        followers.read.fetch_max(*read_bytes, Ordering::Relaxed);
        followers.given_up.store(false, Ordering::Relaxed);
        followers.moved.notify_one();
        *read_bytes = followers.came.load(Ordering::Relaxed);
        self.0.since(after)
    }

    /// How long ago the kernel began with the cell; `None` while it waits.
    pub fn began_ago(&self) -> Option<Duration> {
        self.0.began_ago()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let followers = &self.0.followers;
        followers.count.fetch_sub(1, Ordering::Relaxed);
        followers.moved.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::execution::Order;

    #[tokio::test(start_paused = true)]
    async fn a_flood_waits_for_who_reads_and_not_for_who_does_not() {
        let execution = Arc::new(Execution::new("main", Order::default()));
        let followers = &execution.followers;
        followers.came(100 << 20);
        assert!(!followers.are_behind(), "nobody follows");
        let follower = Follower::new(&execution);
        assert!(followers.are_behind());
        let mut read = 0;
        follower.since(0, &mut read);
        assert!(followers.are_behind(), "it has only asked");
        let reading = async { follower.since(0, &mut read) };
        tokio::join!(followers.catch_up(), reading);
        assert!(!followers.are_behind());

        followers.came(200 << 20);
        followers.catch_up().await;
        assert!(!followers.are_behind(), "it reads no more");
        drop(follower);
        assert!(!followers.any());
    }
}
