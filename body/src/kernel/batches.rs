//! Cells that were handed in together: behind one of them that does not complete, or that says
//! `sys.exit()`, none runs.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::{Execution, Kernel, Work, ending::Ending};

/// How many batches are known to be broken: cells of an older one come no more.
const KEPT: usize = 64;

/// The batches that a cell ended.
#[derive(Default)]
pub struct Broken(Mutex<VecDeque<String>>);

impl Broken {
    fn add(&self, batch: &str) {
        let mut broken = self.0.lock();
        if broken.len() == KEPT {
            broken.pop_front();
        }
        broken.push_back(batch.to_owned());
    }

    fn has(&self, batch: &str) -> bool {
        self.0.lock().iter().any(|one| one == batch)
    }
}

impl Kernel {
    /// Ends a cell that was just queued, where its batch is broken already.
    pub(super) fn heed_batch(&self, execution: &Execution) {
        if let Some(batch) = &execution.order.request.batch
            && self.broken.has(batch)
        {
            self.end_waiting(batch);
        }
    }

    /// Ends what waits behind a cell that ran and is the last of its batch to do so.
    pub(super) fn end_batch(&self, execution: &Execution) {
        if let Some(batch) = &execution.order.request.batch
            && execution.has_begun()
        {
            // In this order: one that is queued meanwhile looks after it was queued.
            self.broken.add(batch);
            self.end_waiting(batch);
        }
    }

    fn end_waiting(&self, batch: &str) {
        let is_of = |work: &Work| matches!(work, Work::Execution(execution) if execution.order.request.batch.as_deref() == Some(batch));
        let left: Vec<Work> = {
            let mut queue = self.queue.lock();
            let (left, stay): (Vec<_>, Vec<_>) = queue.drain(..).partition(is_of);
            *queue = VecDeque::from(stay);
            left
        };
        for work in left {
            if let Work::Execution(execution) = work {
                self.end(&execution, Ending::interrupted_in_queue());
            }
        }
    }
}
