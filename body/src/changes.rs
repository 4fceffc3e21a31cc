//! What changed in the machine, told to whoever listens: small events that say what became stale.

use tokio::sync::broadcast;
use wire::body::Change;

/// How many events a slow listener may be behind before it misses some.
const KEPT: usize = 256;

/// Where changes are told and heard.
#[derive(Clone, Debug)]
pub struct Changes(broadcast::Sender<Change>);

impl Changes {
    /// Nobody listens yet.
    pub fn new() -> Self {
        Self(broadcast::Sender::new(KEPT))
    }

    /// Tells a change, which is put together only where somebody listens.
    pub fn tell(&self, change: impl FnOnce() -> Change) {
        if self.0.receiver_count() > 0 {
            // The last listener may have gone meanwhile.
            let _ = self.0.send(change());
        }
    }

    /// Hears of every change from now on.
    pub fn listen(&self) -> broadcast::Receiver<Change> {
        self.0.subscribe()
    }
}
