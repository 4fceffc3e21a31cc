//! What a container wrote to stdout and stderr.

use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt;

use crate::{connect::Dock, error::DockError};

impl Dock {
    /// The last lines of a container's log, stdout and stderr, oldest first.
    ///
    /// # Errors
    /// [`DockError`] with the engine's words.
    pub async fn logs(&self, name: &str, tail: u32) -> Result<Vec<String>, DockError> {
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(&tail.to_string())
            .build();
        let mut stream = std::pin::pin!(self.docker.logs(name, Some(options)));
        let mut text = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| {
                DockError::from_bollard(format!("read the log of {name}"), error)
            })?;
            text.extend_from_slice(chunk.as_ref());
        }
        Ok(String::from_utf8_lossy(&text)
            .lines()
            .map(str::to_owned)
            .collect())
    }
}
