//! Work that waits for the disk, off the async threads' way.

use wire::failure::{Failure, FailureCode};

/// Does it on a thread for blocking work.
pub(crate) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Failure> + Send + 'static,
) -> Result<T, Failure> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(
                Failure::new(FailureCode::Internal, "The file operation was aborted")
                    .because(error.to_string()),
            )
        })
}
