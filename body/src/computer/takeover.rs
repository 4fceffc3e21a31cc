//! Whether the person has taken mouse and keyboard.

use std::time::{Duration, Instant};

use wire::routes::GetTakeover;

use super::{Computer, error::ComputerError};

const LOOK_EVERY: Duration = Duration::from_millis(200);

impl Computer {
    /// An error while the person has them.
    pub(super) async fn not_taken_over(&self) -> Result<(), ComputerError> {
        let takeover = self.client.call::<GetTakeover>(&()).await?;
        if takeover.on {
            Err(ComputerError::TakenOver { by: takeover.by })
        } else {
            Ok(())
        }
    }

    /// Whether they were given back within the limit.
    pub(super) async fn handed_back(&self, limit: Duration) -> Result<bool, ComputerError> {
        let begin = Instant::now();
        loop {
            match self.not_taken_over().await {
                Ok(()) => return Ok(true),
                Err(ComputerError::TakenOver { .. }) => {}
                Err(error) => return Err(error),
            }
            if begin.elapsed() >= limit {
                return Ok(false);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}
