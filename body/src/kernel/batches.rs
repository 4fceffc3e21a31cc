//! Cells that were handed in together: behind one of them that does not complete, none runs.

use std::{collections::VecDeque, sync::Mutex};

use wire::kernel::ExecStatus;

use super::{Execution, Kernel, Work, execution::Ending, lock};

/// How many batches are known to be broken: cells of an older one come no more.
const KEPT: usize = 64;

/// The batches of which a cell did not complete.
#[derive(Default)]
pub struct Broken(Mutex<VecDeque<String>>);

impl Broken {
    fn add(&self, batch: &str) {
        let mut broken = lock(&self.0);
        if broken.len() == KEPT {
            broken.pop_front();
        }
        broken.push_back(batch.to_owned());
    }

    fn has(&self, batch: &str) -> bool {
        lock(&self.0).iter().any(|one| one == batch)
    }
}

impl Kernel {
    /// Ends a cell that was just queued, where its batch is broken already.
    pub(super) fn heed_batch(&self, cell: &Execution) {
        if let Some(batch) = &cell.order.request.batch
            && self.broken.has(batch)
        {
            self.end_waiting(batch);
        }
    }

    /// Ends what waits behind a cell that ran and ended.
    pub(super) fn end_batch(&self, cell: &Execution, status: ExecStatus) {
        if let Some(batch) = &cell.order.request.batch
            && status != ExecStatus::Completed
            && cell.has_begun()
        {
            // In this order: one that is queued meanwhile looks after it was queued.
            self.broken.add(batch);
            self.end_waiting(batch);
        }
    }

    fn end_waiting(&self, batch: &str) {
        let is_of = |work: &Work| matches!(work, Work::Cell(cell) if cell.order.request.batch.as_deref() == Some(batch));
        let left: Vec<Work> = {
            let mut queue = lock(&self.queue);
            let (left, stay): (Vec<_>, Vec<_>) = queue.drain(..).partition(is_of);
            *queue = VecDeque::from(stay);
            left
        };
        for work in left {
            if let Work::Cell(cell) = work {
                self.end(&cell, Ending::interrupted_in_queue());
            }
        }
    }
}
