//! A client that reads a cell's events as they come.

use std::{sync::Arc, time::Duration};

use wire::kernel::{CellEnd, ExecAnswer};

use super::{Event, Execution};

/// A client that reads a cell's events as they come.
pub struct Follower(Arc<Execution>);

impl Follower {
    /// Counts until it is dropped.
    pub fn new(execution: &Arc<Execution>) -> Self {
        execution.followers.begin();
        Self(Arc::clone(execution))
    }

    /// Events with a seq larger than `after`, and how the cell ended, once it has. Who asks has read
    /// all before.
    pub fn since(&self, after: u64, read_bytes: &mut u64) -> (Vec<Event>, Option<CellEnd>) {
        *read_bytes = self.0.followers.has_read(*read_bytes);
        self.0.since(after)
    }

    /// The cell's answer, once it has one.
    pub fn answer(&self) -> Option<ExecAnswer> {
        self.0.answer_now()
    }

    /// The kernel's id of the cell.
    pub fn execution_id(&self) -> &str {
        &self.0.order.execution_id
    }

    /// How long ago the kernel began with the cell; `None` while it waits.
    pub fn began_ago(&self) -> Option<Duration> {
        self.0.began_ago()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.followers.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::QueuedExecution;

    #[tokio::test(start_paused = true)]
    async fn a_flood_waits_for_who_reads_and_not_for_who_does_not() {
        let execution = Arc::new(Execution::new("main", QueuedExecution::default()));
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
