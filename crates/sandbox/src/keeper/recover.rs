//! Connections that end: the sandbox is spoken to again, or lost. And pausing, after which a
//! connection may or may not hold.

use std::{sync::Arc, time::Duration};

use containers::{ContainerState, Engine};
use wire::sandbox::SandboxEventKind;

use super::Keeper;
use init_client::{Opening, Session, Transport};

use crate::{
    clock::Moment,
    error::SandboxError,
    sandbox::{Life, Sandbox},
};

/// How often a container that runs is spoken to again, before it is given up.
const TRIES: u32 = 4;
const BETWEEN: Duration = Duration::from_millis(250);

impl Keeper {
    /// Watches a connection to its end.
    pub(crate) fn watch(self: &Arc<Self>, sandbox: &Arc<Sandbox>, session: Session) {
        let keeper = Arc::clone(self);
        let sandbox = Arc::clone(sandbox);
        self.tasks.spawn(async move {
            let end = tokio::select! {
                end = session.over() => end,
                () = keeper.stopping.cancelled() => {
                    // One that was spoken to again, or made, while this process ends is no exception.
                    session.close().await;
                    return;
                }
            };
            let is_this = |life: &Life| match life {
                Life::Running(now) => now.is_over(),
                _ => false,
            };
            if sandbox.set_life_if(Life::Detached, is_this) {
                tracing::info!(id = %sandbox.id, reason = %end, "the connection to a sandbox ended; it is made again");
                keeper.recover(&sandbox).await;
            }
        });
    }

    /// Speaks with a detached sandbox again, or finds that it is lost. While the engine does not
    /// answer, it stays detached; the next sweep tries again.
    pub(super) async fn recover(self: &Arc<Self>, sandbox: &Arc<Sandbox>) {
        let changing = sandbox.change.lock().await;
        let mut reason = String::new();
        for again in 0..TRIES {
            if !matches!(sandbox.life(), Life::Detached) {
                return;
            }
            if again > 0 {
                tokio::select! {
                    () = tokio::time::sleep(BETWEEN * again) => {}
                    () = self.stopping.cancelled() => return,
                }
            }
            let Ok(engine) = self.launcher.engine.connect().await else {
                return;
            };
            let found = engine.container(&sandbox.id.container()).await;
            let words = match found {
                Err(_) => return,
                Ok(None) => "its container was removed from outside".to_owned(),
                Ok(Some(found)) if !found.is_running() => ended(&found.state),
                Ok(Some(_)) => match self.attach(&engine, sandbox).await {
                    Ok(()) => return,
                    Err(error) => {
                        reason = error.to_string();
                        continue;
                    }
                },
            };
            return self.lose(sandbox, &words).await;
        }
        drop(changing);
        let reason = format!("its first process is not responding: {reason}");
        self.lose(sandbox, &reason).await;
    }

    /// Begins a new conversation; its commands go on in it.
    async fn attach(
        self: &Arc<Self>,
        engine: &Engine,
        sandbox: &Arc<Sandbox>,
    ) -> Result<(), SandboxError> {
        let attached = match engine.attach(&sandbox.id.container()).await {
            // The engine attaches nobody to one that is paused.
            Err(error) if error.is_conflict() => {
                sandbox.set_life_if(Life::Paused(None), |life| matches!(life, Life::Detached));
                return Ok(());
            }
            attached => attached?,
        };
        let key = sandbox.with_record(|record| record.key);
        let opened = Session::open(Transport::from(attached), Opening::Back(key)).await;
        let (session, execs) = opened.map_err(|end| SandboxError::Session {
            id: sandbox.id.clone(),
            reason: end.to_string(),
        })?;
        sandbox.with_record(|record| record.key = session.key());
        self.persist(sandbox).await?;
        sandbox.take_up_execs(&session, &execs);
        sandbox.kernels.take_over(&sandbox.all_execs());
        let is_detached = |life: &Life| matches!(life, Life::Detached);
        if sandbox.set_life_if(Life::Running(session.clone()), is_detached) {
            self.weigh(sandbox, &session);
            self.watch(sandbox, session);
            tracing::info!(id = %sandbox.id, commands = execs.len(), "a sandbox is spoken to again");
        } else {
            session.close().await;
        }
        Ok(())
    }

    /// Freezes it; false if it is paused. Its caller holds `change`.
    pub(crate) async fn freeze(
        self: &Arc<Self>,
        sandbox: &Arc<Sandbox>,
    ) -> Result<bool, SandboxError> {
        let session = match sandbox.life() {
            Life::Paused(_) => return Ok(false),
            Life::Gone(gone) => return Err(sandbox.gone_error(gone)),
            Life::Running(session) => Some(session),
            Life::Detached => None,
        };
        let engine = self.launcher.engine.connect().await?;
        // Nobody may wait for an answer of one that can't give any.
        sandbox.set_life(Life::Paused(session.clone()));
        if let Some(session) = &session {
            session.set_frozen(true);
        }
        if let Err(error) = engine.pause_container(&sandbox.id.container()).await {
            if let Some(session) = &session {
                session.set_frozen(false);
            }
            sandbox.set_life(session.map_or(Life::Detached, Life::Running));
            self.sweep_now.notify_one();
            return Err(error.into());
        }
        self.tell(sandbox, SandboxEventKind::Paused);
        Ok(true)
    }

    /// Lets it go on; false if it wasn't paused. Its caller holds `change`.
    pub(crate) async fn thaw(
        self: &Arc<Self>,
        sandbox: &Arc<Sandbox>,
    ) -> Result<bool, SandboxError> {
        let session = match sandbox.life() {
            Life::Paused(session) => session,
            Life::Gone(gone) => return Err(sandbox.gone_error(gone)),
            Life::Running(_) | Life::Detached => return Ok(false),
        };
        let engine = self.launcher.engine.connect().await?;
        engine.unpause_container(&sandbox.id.container()).await?;
        let ttl = self.settings().ttl;
        sandbox.with_record(|record| {
            // Time stood still, and may be over by now.
            if record.ends.until().is_zero() {
                record.ends = Moment::now().after(ttl);
            }
        });
        match session {
            Some(session) if !session.is_over() => {
                session.set_frozen(false);
                sandbox.set_life(Life::Running(session.clone()));
                // The task that watched it may have found it paused at its end.
                self.watch(sandbox, session);
            }
            _ => {
                sandbox.set_life(Life::Detached);
                let (keeper, sandbox) = (Arc::clone(self), Arc::clone(sandbox));
                self.tasks
                    .spawn(async move { keeper.recover(&sandbox).await });
            }
        }
        self.end_time_changed();
        self.persist(sandbox).await?;
        self.tell(sandbox, SandboxEventKind::Resumed);
        Ok(true)
    }
}

/// How a container ended, for a person.
fn ended(state: &ContainerState) -> String {
    const KILLED_INSIDE: i64 = frames::KILLED_STATUS as i64;
    match *state {
        ContainerState::Stopped {
            exit_code: KILLED_INSIDE,
        } => "all of its processes were killed, by a command in it or for using too much memory"
            .into(),
        ContainerState::Stopped { exit_code: 0 } => {
            "it was stopped from outside, or with its container engine".into()
        }
        ContainerState::Stopped { exit_code: 137 } => {
            "it was killed from outside, with its container engine, or for using too much memory"
                .into()
        }
        // What Docker writes down for a container that ran when it was last heard of.
        ContainerState::Stopped { exit_code: 255 } => {
            "it ended with its container engine, which does not know how".into()
        }
        ContainerState::Stopped { exit_code } | ContainerState::Restarting { exit_code } => {
            format!("its first process ended with status {exit_code}")
        }
        ContainerState::Running { .. } => "it is running".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_its_engine_lost_says_so() {
        // 0 and 137: the engine ended it. 255: it was gone when the engine came back.
        for exit_code in [0, 137, 255] {
            let said = ended(&ContainerState::Stopped { exit_code });
            assert!(said.contains("container engine"), "{exit_code}: {said}");
        }
        let said = ended(&ContainerState::Stopped { exit_code: 3 });
        assert_eq!(said, "its first process ended with status 3");
    }
}
