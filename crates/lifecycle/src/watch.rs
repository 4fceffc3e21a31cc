//! What becomes stale about a machine: told by the engine's events, over its comings and goings,
//! so that nobody has to ask again and again.

use std::time::Duration;

use containers::{ContainerAction, Engine, EngineError, EngineEvent};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc::Sender;

use crate::machine::Machine;

/// Between two tries to reach an engine that is away.
const RETRY: Duration = Duration::from_secs(1);
/// How long the engine may be silent until it is asked whether it still is there.
const SILENCE: Duration = Duration::from_secs(30);

/// What became stale.
#[derive(Debug)]
pub enum Change {
    /// The engine answers, for the first time or again: anything may have happened.
    EngineHere,
    /// The engine no longer answers, or does not yet. Told once until it is back.
    EngineGone(EngineError),
    /// Something happened to the machine's container.
    Container(ContainerAction),
    /// An image got a name, or lost it: perhaps the machine's.
    Image,
}

impl Machine {
    /// Tells changes until nobody hears them any more; drop the future to end it sooner.
    pub fn watch<'a>(&'a self, changes: Sender<Change>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            let mut chosen = self.engine.subscribe();
            let mut gone = false;
            loop {
                chosen.mark_unchanged();
                match self.engine.connect().await {
                    Ok(engine) => {
                        gone = false;
                        if changes.send(Change::EngineHere).await.is_err() {
                            return;
                        }
                        tokio::select! {
                            // Another one is heard from now on.
                            _ = chosen.changed() => {}
                            heard = self.hear(&engine, &changes) => if !heard { return },
                        }
                    }
                    Err(error) => {
                        if !gone && changes.send(Change::EngineGone(error)).await.is_err() {
                            return;
                        }
                        gone = true;
                        tokio::select! {
                            () = tokio::time::sleep(RETRY) => {}
                            _ = chosen.changed() => {}
                            () = changes.closed() => return,
                        }
                    }
                }
            }
        })
    }

    /// Passes events on until the engine is silent for good (true) or nobody hears (false).
    async fn hear(&self, engine: &Engine, changes: &Sender<Change>) -> bool {
        let mut events = std::pin::pin!(engine.events());
        loop {
            let event = tokio::select! {
                () = changes.closed() => return false,
                event = tokio::time::timeout(SILENCE, events.next()) => event,
            };
            let change = match event {
                Err(_) if engine.answers().await => continue,
                Err(_) | Ok(None) => return true,
                Ok(Some(Err(error))) => {
                    tracing::debug!(%error, "the engine's events ended");
                    return true;
                }
                Ok(Some(Ok(EngineEvent::Image { .. }))) => Change::Image,
                Ok(Some(Ok(EngineEvent::Container { name, action })))
                    if name == self.names.container =>
                {
                    Change::Container(action)
                }
                Ok(Some(Ok(EngineEvent::Container { .. }))) => continue,
            };
            if changes.send(change).await.is_err() {
                return false;
            }
        }
    }
}
