//! Long work that can be cancelled, of all machines, by the run's id.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio_util::sync::CancellationToken;
use wire::failure::{Failure, FailureCode};

/// What goes on now; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runs {
    going: Arc<Mutex<HashMap<String, CancellationToken>>>,
}

impl Runs {
    /// Begins a run with an id of its own, cancelled with `stop` too; [`end`](Self::end) forgets it.
    pub(crate) fn begin(&self, stop: &CancellationToken) -> (String, CancellationToken) {
        let run_id = ulid::Ulid::generate().to_string();
        let cancel = self.begin_named(&run_id, stop);
        (run_id, cancel)
    }

    /// Begins a run that has an id already.
    pub(crate) fn begin_named(&self, run_id: &str, stop: &CancellationToken) -> CancellationToken {
        let cancel = stop.child_token();
        self.lock().insert(run_id.to_owned(), cancel.clone());
        cancel
    }

    pub(crate) fn end(&self, run_id: &str) {
        self.lock().remove(run_id);
    }

    pub(crate) fn cancel(&self, run_id: &str) -> Result<(), Failure> {
        match self.lock().get(run_id) {
            Some(cancel) => {
                cancel.cancel();
                Ok(())
            }
            None => Err(Failure::new(
                FailureCode::NotFound,
                "The run was not found or has already finished",
            )
            .next("Check the machine's state.")),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, CancellationToken>> {
        self.going.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
