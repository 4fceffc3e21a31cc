//! Files into a container's folders and volumes as tar archives: the engine unpacks them, so that it
//! works at engines on other computers too.

use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::{connect::Engine, error::EngineError};

impl Engine {
    /// Unpacks a tar archive into a folder of a container, which need not run.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words.
    pub fn upload_archive<'a>(
        &'a self,
        container: &'a str,
        folder: &'a str,
        archive: Bytes,
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let options = UploadToContainerOptionsBuilder::new().path(folder).build();
            let body = bollard::body_full(archive);
            let uploaded = self
                .docker
                .upload_to_container(container, Some(options), body)
                .await;
            uploaded.map_err(|error| {
                EngineError::from_bollard(format!("copy files into {container}"), error)
            })
        })
    }

    /// Size of a file in a container, which need not run; `None` if there is no such file.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words.
    pub fn file_size<'a>(
        &'a self,
        container: &'a str,
        path: &'a str,
    ) -> BoxFuture<'a, Result<Option<u64>, EngineError>> {
        Box::pin(async move {
            let options = ContainerArchiveInfoOptionsBuilder::new().path(path).build();
            let found = self
                .docker
                .get_container_archive_info(container, Some(options))
                .await;
            match found {
                Ok(found) => Ok(u64::try_from(found.size).ok()),
                Err(error) => {
                    let doing = format!("look for {path} in {container}");
                    match EngineError::from_bollard(doing, error) {
                        error if error.is_not_found() => Ok(None),
                        error => Err(error),
                    }
                }
            }
        })
    }
}
