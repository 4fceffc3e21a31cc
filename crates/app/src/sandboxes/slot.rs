//! The one [`Service`] of a process: `vivarium serve` starts it at once, the window when a machine first
//! asks for a sandbox.

use std::sync::{Arc, OnceLock, Weak};

use tokio::sync::OnceCell;
use wire::failure::{Failure, FailureCode};

use super::Service;
use crate::{App, Inner};

/// Where the service is, once it is started. Cheap to clone; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<Parts>);

#[derive(Default)]
struct Parts {
    /// The app that it is started for.
    app: OnceLock<Weak<Inner>>,
    service: OnceCell<Service>,
}

impl Slot {
    /// From now on the service can be started.
    pub(crate) fn belongs_to(&self, app: &App) {
        // The first app is the only one.
        let _ = self.0.app.set(Arc::downgrade(&app.inner));
    }

    /// The service, if it is started.
    pub(crate) fn started(&self) -> Option<&Service> {
        self.0.service.get()
    }

    /// The service, which is started if it isn't yet. Whoever starts it says whether it keeps a pool.
    ///
    /// # Errors
    /// As [`Service::start`]; the next call tries again.
    pub(crate) async fn start(&self, keeps_pool: bool) -> Result<&Service, Failure> {
        let starting = || async {
            let app = self.0.app.get().and_then(Weak::upgrade);
            let app = app
                .map(|inner| App { inner })
                .ok_or_else(|| Failure::new(FailureCode::Cancelled, "Vivarium is stopping"))?;
            Service::start(&app, keeps_pool).await
        };
        self.0.service.get_or_try_init(starting).await
    }
}
