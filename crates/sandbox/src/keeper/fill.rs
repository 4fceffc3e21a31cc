//! Fills the pool, and empties it while memory is short or its images are older than their names.

use std::{sync::Arc, time::Duration};

use tokio::time::MissedTickBehavior;

use super::Keeper;
use crate::{pressure::Memory, shape::Shape};

/// How often it is looked at without a reason.
const LOOK: Duration = Duration::from_secs(5);

impl Keeper {
    /// Works until `stopping`.
    pub(super) async fn fill(self: &Arc<Self>) {
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            for shape in self.pool.wanted() {
                let keeper = Arc::clone(self);
                self.tasks
                    .spawn(async move { keeper.start_one(&shape).await });
            }
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = self.pool.changed.notified() => continue,
                _ = look.tick() => {}
            }
            self.look_at_memory().await;
            self.look_at_images().await;
            let ended = self.pool.take_out(|started| started.session.is_over());
            self.throw_away(ended);
        }
    }

    async fn start_one(self: &Arc<Self>, shape: &Shape) {
        let launched = self.launcher.launch(shape).await;
        match launched {
            Ok(started) => {
                let surplus = match self.stopping.is_cancelled() {
                    true => Some(started),
                    false => self.pool.put(started),
                };
                self.throw_away(surplus.into_iter().collect());
            }
            Err(error) => {
                let reason = error.to_string();
                // The same one comes again and again, such as that the image isn't there.
                if self.pool.failed(shape, &reason) {
                    tracing::warn!(
                        image = shape.image,
                        reason,
                        "could not start a sandbox for the pool"
                    );
                }
            }
        }
    }

    async fn look_at_memory(&self) {
        // Memory of another computer is not known here.
        let Ok(engine) = self.launcher.engine.connect().await else {
            return;
        };
        let memory = if engine.is_local() {
            Memory::read()
        } else {
            None
        };
        let is_short = memory.is_some_and(|memory| memory.is_short(self.pool.is_short()));
        if is_short && !self.pool.is_short() {
            tracing::warn!("memory is short: no sandboxes are kept ready until there is more");
        }
        self.pool.set_short(is_short);
        if is_short {
            let waiting = self.pool.take_out(|_| true);
            self.throw_away(waiting);
        }
    }

    /// What was started of an image is of no use once its name means another one.
    async fn look_at_images(&self) {
        let images = self.pool.images();
        if images.is_empty() {
            return;
        }
        let Ok(engine) = self.launcher.engine.connect().await else {
            return;
        };
        for (name, id) in images {
            // A failure says nothing about it.
            if let Ok(found) = engine.image(&name).await
                && found.is_none_or(|found| found.id != id)
            {
                let old = self
                    .pool
                    .take_out(|started| started.shape.image == name && started.image_id == id);
                self.throw_away(old);
            }
        }
    }
}
