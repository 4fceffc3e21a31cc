//! Writable folders on the container engine's disk: a volume each, made for one sandbox and removed with
//! it. Most engines can't limit a volume; `keeper`'s `weigh` watches how much is in those.

use std::collections::BTreeMap;

use bytes::Bytes;
use containers::{ContainerSpec, Engine, EngineError};
use init_client::INIT_PROGRAM;
use wire::sandbox::SandboxId;

use crate::{
    container::{Labels, WRITABLE},
    error::SandboxError,
};

/// Where the volumes are seen while they are given to the sandbox's user.
const FOLDER: &str = "/vivarium-disk";
/// What the container that does so is named with, behind the sandbox's.
const HELPER: &str = "-disk";

/// The volumes of a sandbox, each by its folder.
pub(crate) fn volumes(id: &SandboxId) -> BTreeMap<String, String> {
    let named = |folder: &str| {
        (
            folder.to_owned(),
            format!("{}-{}", id.container(), last(folder)),
        )
    };
    WRITABLE.into_iter().map(named).collect()
}

/// The sandbox that a volume or a helping container of ours belongs to, by its name.
pub(crate) fn id_of(name: &str) -> Option<SandboxId> {
    let (id, _) = name
        .strip_prefix(wire::sandbox::CONTAINER_PREFIX)?
        .split_once('-')?;
    id.parse().ok()
}

/// Makes the volumes, and gives them to the sandbox's user; whether the engine limits each to so many
/// MiB. What was made stays if that fails: [`remove`] removes it. `image` is any image that the engine
/// has.
pub(crate) async fn make(
    engine: &Engine,
    labels: &Labels,
    owner: &str,
    image: &str,
    id: &SandboxId,
    disk_mb: u32,
) -> Result<bool, SandboxError> {
    let (volumes, of_disks) = (volumes(id), labels.of_disks(owner));
    let mut is_limited = true;
    for name in volumes.values() {
        let limit_bytes = u64::from(disk_mb) << 20;
        let made = engine.create_limited_volume(name, &of_disks, limit_bytes);
        is_limited &= made.await?;
    }
    // The root of a new volume is root's, and nothing in a sandbox is root.
    let helper = format!("{}{HELPER}", id.container());
    let seen = |(folder, name): (String, String)| (format!("{FOLDER}/{}", last(&folder)), name);
    let spec = ContainerSpec {
        name: helper.clone(),
        image: image.to_owned(),
        entrypoint: Some(vec![INIT_PROGRAM.into()]),
        command: Some(Vec::new()),
        labels: labels.owned(owner),
        network: Some("none".into()),
        volumes: volumes.into_iter().map(seen).collect(),
        ..ContainerSpec::default()
    };
    engine.create_container(&spec).await?;
    let archive = folders().map_err(|error| SandboxError::Init {
        reason: error.to_string(),
    })?;
    let given = engine.upload_archive(&helper, FOLDER, archive).await;
    let removed = engine.remove_container(&helper).await;
    given?;
    removed?;
    Ok(is_limited)
}

/// Removes the volumes of a sandbox whose container is gone, and what is left of making them.
pub(crate) async fn remove(engine: &Engine, id: &SandboxId) -> Result<(), EngineError> {
    let helper = format!("{}{HELPER}", id.container());
    engine.remove_container(&helper).await?;
    for name in volumes(id).values() {
        engine.remove_volume(name).await?;
    }
    Ok(())
}

/// A tar archive of the folders alone, as their user has them.
fn folders() -> std::io::Result<Bytes> {
    let mut archive = tar::Builder::new(Vec::new());
    for folder in WRITABLE {
        let is_shared = folder == "/tmp";
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_size(0);
        header.set_mode(if is_shared { 0o1777 } else { 0o755 });
        header.set_uid(1000);
        header.set_gid(1000);
        archive.append_data(&mut header, format!("{}/", last(folder)), std::io::empty())?;
    }
    Ok(archive.into_inner()?.into())
}

fn last(folder: &str) -> &str {
    folder.rsplit('/').next().unwrap_or(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_folder_has_a_volume_whose_name_says_whose_it_is() {
        let id: SandboxId = "x1".parse().unwrap();
        let volumes = volumes(&id);
        assert_eq!(volumes.len(), WRITABLE.len());
        assert_eq!(volumes["/workspace"], "sandbox-session-x1-workspace");
        for name in volumes.values() {
            assert_eq!(id_of(name).as_ref(), Some(&id));
        }
        assert_eq!(id_of("sandbox-session-x1-disk"), Some(id));
        assert_eq!(id_of("sandbox-session-x1"), None);
        assert_eq!(id_of("a-sandbox-init-0123"), None);
    }

    #[test]
    fn the_folders_are_the_users() {
        let archive = folders().unwrap();
        let mut archive = tar::Archive::new(&archive[..]);
        let entries = archive.entries().unwrap().map(Result::unwrap);
        let found: Vec<_> = entries
            .map(|entry| {
                let header = entry.header();
                let path = entry.path().unwrap().display().to_string();
                (path, header.uid().unwrap(), header.mode().unwrap())
            })
            .collect();
        let expected = [
            ("sandboxuser/", 0o755),
            ("user/", 0o755),
            ("workspace/", 0o755),
            ("tmp/", 0o1777),
        ];
        assert_eq!(
            found,
            expected.map(|(path, mode)| (path.to_owned(), 1000, mode))
        );
    }
}
