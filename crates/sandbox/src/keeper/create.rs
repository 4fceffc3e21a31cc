//! From a request to a sandbox that is somebody's, once for each idempotency key.

use std::sync::Arc;

use tokio::sync::OnceCell;
use wire::sandbox::SandboxId;

use super::Keeper;
use crate::{
    error::SandboxError,
    owner::Owner,
    sandbox::Sandbox,
    shape::{Wanted, invalid},
};

/// The longest idempotency key.
const KEY_BYTES: usize = 256;

impl Keeper {
    /// Makes one; the second call with a key of the same owner finds what the first one made.
    pub(crate) async fn make_once(
        self: &Arc<Self>,
        owner: &Owner,
        wanted: Wanted,
        key: &str,
    ) -> Result<Arc<Sandbox>, SandboxError> {
        if key.is_empty() || key.len() > KEY_BYTES {
            let words = format!("1 to {KEY_BYTES} bytes are allowed");
            return Err(invalid("Idempotency-Key", words));
        }
        let named = (owner.clone(), key.to_owned());
        let made = Arc::clone(self.keys.lock().entry(named.clone()).or_default());
        // Of calls at the same time one makes it, and the others wait for that.
        let id = made.get_or_try_init(|| async {
            let sandbox = self.make(owner, wanted, Some(key)).await?;
            Ok(sandbox.id.clone())
        });
        match id.await {
            Ok(id) => self.find(owner, id),
            Err(error) => {
                let is_unused = |kept: &mut Arc<OnceCell<SandboxId>>| kept.get().is_none();
                self.keys
                    .lock()
                    .retain(|name, kept| *name != named || !is_unused(kept));
                Err(error)
            }
        }
    }

    /// Makes one, also if its caller goes meanwhile: then it is in the owner's list.
    pub(crate) async fn make(
        self: &Arc<Self>,
        owner: &Owner,
        wanted: Wanted,
        idempotency_key: Option<&str>,
    ) -> Result<Arc<Sandbox>, SandboxError> {
        let keeper = Arc::clone(self);
        let (owner, key) = (owner.clone(), idempotency_key.map(str::to_owned));
        let making = self.tasks.spawn(async move {
            let _place = keeper.place()?;
            let (started, from_pool) = keeper.take(&wanted).await?;
            keeper
                .hand_over(started, from_pool, &owner, wanted, key.as_deref())
                .await
        });
        making.await.map_err(|_| SandboxError::Stopping)?
    }
}
