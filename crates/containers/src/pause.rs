//! Containers whose processes are frozen.

use futures_util::future::BoxFuture;

use crate::{connect::Engine, error::EngineError};

impl Engine {
    /// Freezes a container's processes; one that is paused already is no failure.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words.
    pub fn pause_container<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let paused = self.docker.pause_container(name).await;
            unless_so_already(
                paused.map_err(|error| {
                    EngineError::from_bollard(format!("pause the container {name}"), error)
                }),
                "already paused",
            )
        })
    }

    /// Lets them go on; one that isn't paused is no failure.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words.
    pub fn unpause_container<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let resumed = self.docker.unpause_container(name).await;
            unless_so_already(
                resumed.map_err(|error| {
                    EngineError::from_bollard(format!("resume the container {name}"), error)
                }),
                "not paused",
            )
        })
    }
}

/// Engines refuse what is so already, each with a status of its own.
fn unless_so_already(done: Result<(), EngineError>, words: &str) -> Result<(), EngineError> {
    match done {
        Err(EngineError::Api { message, .. }) if message.contains(words) => Ok(()),
        done => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_so_already_is_no_failure() {
        let refused = |message: &str| {
            Err(EngineError::Api {
                doing: "pause".into(),
                status: 409,
                message: message.into(),
            })
        };
        let already = "Container 1f is already paused";
        assert!(unless_so_already(refused(already), "already paused").is_ok());
        assert!(unless_so_already(refused("is not running"), "already paused").is_err());
    }
}
