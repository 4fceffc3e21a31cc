//! Waits until a machine that was started answers.

use std::time::Duration;

use containers::{CancellationToken, ContainerState, Engine};
use machine_client::{Ping, ping};
use wire::machine::Progress;

use crate::{
    error::LifecycleError,
    machine::{Machine, OnProgress},
    plan::{KERNEL_PORT, STOP_S},
};

/// How long the kernel may take to answer.
pub(crate) const READY: Duration = Duration::from_secs(90);
/// How long somebody waits without being told for what.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two looks at a machine that starts.
const LOOK: Duration = Duration::from_millis(50);

impl Machine {
    /// Waits until its kernel answers; after a while it tells for what.
    pub(crate) async fn wait_ready(
        &self,
        engine: &Engine,
        cancel: &CancellationToken,
        tell: OnProgress<'_>,
    ) -> Result<(), LifecycleError> {
        self.wait_ready_telling(engine, cancel, READY, tell).await
    }

    /// Waits so long until its kernel answers; one that ended is stopped for good.
    pub(crate) async fn wait_ready_for(
        &self,
        engine: &Engine,
        cancel: &CancellationToken,
        limit: Duration,
    ) -> Result<(), LifecycleError> {
        let nobody: OnProgress<'_> = &mut |_| {};
        self.wait_ready_telling(engine, cancel, limit, nobody).await
    }

    async fn wait_ready_telling(
        &self,
        engine: &Engine,
        cancel: &CancellationToken,
        limit: Duration,
        tell: OnProgress<'_>,
    ) -> Result<(), LifecycleError> {
        let begin = tokio::time::Instant::now();
        let deadline = begin + limit;
        let mut told = None;
        let mut first_life_ms = None;
        let cause = loop {
            let container = engine.container(&self.names.container).await?;
            let Some(container) = container else {
                break "its container was removed".into();
            };
            self.check_paused(&container)?;
            let cause = match container.state {
                // The restart policy brings it back a moment later; a boot that ends is a failure now.
                ContainerState::Stopped { exit_code }
                | ContainerState::Restarting { exit_code } => {
                    self.keep_down(engine).await;
                    break format!("it exited with code {exit_code}");
                }
                // Podman has it back before anybody could look.
                ContainerState::Running { started_at_ms }
                    if *first_life_ms.get_or_insert(started_at_ms) != started_at_ms =>
                {
                    self.keep_down(engine).await;
                    break "it exited and was restarted".into();
                }
                ContainerState::Running { .. } if self.self_container.is_some() => {
                    if self.inside(engine, &container.id).answers().await {
                        return Ok(());
                    }
                    "its kernel is not responding".into()
                }
                ContainerState::Running { .. } => match container.ports.get(&KERNEL_PORT) {
                    Some(&port) => match ping(port).await {
                        Ping::Ready { .. } => return Ok(()),
                        Ping::NotYet { cause } => cause,
                    },
                    None => "its kernel port is not published".into(),
                },
            };
            if tokio::time::Instant::now() >= deadline {
                break format!("after {} s: {cause}", limit.as_secs());
            }
            if begin.elapsed() >= PATIENCE && told.as_ref() != Some(&cause) {
                let text = format!("waiting for the machine's kernel: {cause}");
                tell(Progress::Line { text });
                told = Some(cause);
            }
            tokio::select! {
                () = cancel.cancelled() => return Err(LifecycleError::Cancelled),
                () = tokio::time::sleep(LOOK) => {}
            }
        };
        Err(LifecycleError::Unhealthy {
            name: self.names.container.clone(),
            cause,
            log: engine
                .logs(&self.names.container, 40)
                .await
                .unwrap_or_default(),
        })
    }

    /// Stops one that ended by itself, or it would be started for ever.
    async fn keep_down(&self, engine: &Engine) {
        let stopped = engine.stop_container(&self.names.container, STOP_S).await;
        if let Err(error) = stopped {
            tracing::warn!(%error, "a machine that ended could not be kept from its next life");
        }
    }
}
