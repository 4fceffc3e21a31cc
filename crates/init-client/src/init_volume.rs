//! The volume with PID 1, and with the names that a sandbox without a network knows: one for each digest
//! of them, filled once, read-only in every sandbox. It is filled by the engine's archive API, since
//! folders of this computer mean nothing to an engine elsewhere.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use containers::{Bind, ContainerSpec, Engine, EngineError};
use tokio::sync::Mutex;

/// Where the volume with the program is seen.
pub const INIT_FOLDER: &str = "/.vivarium";
/// The program itself.
pub const INIT_PROGRAM: &str = "/.vivarium/sandbox-init";
/// How long another process may take to fill it, before its container is taken for left over.
const FILLING: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// The file with the names.
const HOSTS_FILE: &str = "hosts";
const HOSTS: &str = "127.0.0.1\tlocalhost sandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n";

/// What a container has of the volume.
#[derive(Clone, Debug)]
pub struct InitFiles {
    /// The volume.
    pub volume: String,
    /// Path of the file with the names on the engine's computer, if it can be bound.
    pub hosts: Option<String>,
}

/// The program can't be brought into containers.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The program can't be read, or didn't arrive.
    #[error("could not use the program sandbox-init: {reason}")]
    Program {
        /// Why.
        reason: String,
    },
    /// The container engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The program, and which volumes have it.
#[derive(Debug)]
pub struct InitVolume {
    program: PathBuf,
    read: Mutex<Option<Arc<Program>>>,
    /// What engines whose volume is known to be whole have, by their addresses.
    filled: Mutex<HashMap<String, InitFiles>>,
}

#[derive(Debug)]
struct Program {
    digest: String,
    bytes: Bytes,
}

impl InitVolume {
    /// Of the program in this file, which is read when it is first needed.
    pub fn new(program: PathBuf) -> Self {
        Self {
            program,
            read: Mutex::new(None),
            filled: Mutex::default(),
        }
    }

    /// Forgets what is known of the engine's volumes: one may have been removed.
    pub async fn look_again(&self) {
        self.filled.lock().await.clear();
    }

    /// Remembers that an engine can't bind the file with the names: Docker Desktop has its volumes on a
    /// computer of its own.
    pub async fn forget_hosts(&self, engine: &Engine) {
        if let Some(files) = self.filled.lock().await.get_mut(&engine.info().endpoint) {
            files.hosts = None;
        }
    }

    /// What a container has of the volume, whose name is `name` and the files' digest, once it is there and
    /// whole. `image` is any image that the engine has: a container of it, which never starts, takes the
    /// files.
    ///
    /// # Errors
    /// [`InitError`]; [`is_image_missing`] if the engine has no such image.
    pub async fn ensure(
        &self,
        engine: &Engine,
        name: &str,
        labels: BTreeMap<String, String>,
        image: &str,
    ) -> Result<InitFiles, InitError> {
        let program = self.program().await?;
        // Held while it is filled: what is asked for meanwhile needs the same one.
        let mut filled = self.filled.lock().await;
        let endpoint = &engine.info().endpoint;
        if let Some(files) = filled.get(endpoint) {
            return Ok(files.clone());
        }
        let volume = format!("{name}-{}", program.digest);
        engine.ensure_volume(&volume, &labels).await?;
        fill(engine, &program, &volume, labels, image).await?;
        // Podman takes no longer with a network.
        let folder = match engine.is_podman() {
            true => None,
            false => engine.volume_folder(&volume).await?,
        };
        let files = InitFiles {
            hosts: folder.map(|folder| format!("{folder}/{HOSTS_FILE}")),
            volume,
        };
        filled.insert(endpoint.clone(), files.clone());
        Ok(files)
    }

    async fn program(&self) -> Result<Arc<Program>, InitError> {
        let mut read = self.read.lock().await;
        if let Some(program) = &*read {
            return Ok(Arc::clone(program));
        }
        let bytes = tokio::fs::read(&self.program).await;
        let bytes = bytes.map_err(|error| InitError::Program {
            reason: format!("{}: {error}", self.program.display()),
        })?;
        let mut digest = blake3::Hasher::new();
        digest.update(&bytes).update(HOSTS.as_bytes());
        let digest = digest.finalize().to_hex();
        let program = Arc::new(Program {
            digest: digest[..16].to_owned(),
            bytes: bytes.into(),
        });
        *read = Some(Arc::clone(&program));
        Ok(program)
    }
}

/// Puts the program into the volume unless it is there already, as a whole. The container's name is
/// the lock: two processes may want the same volume at once.
async fn fill(
    engine: &Engine,
    program: &Program,
    volume: &str,
    labels: BTreeMap<String, String>,
    image: &str,
) -> Result<(), InitError> {
    let name = format!("{volume}-fill");
    let spec = ContainerSpec {
        name: name.clone(),
        image: image.to_owned(),
        entrypoint: Some(vec![INIT_PROGRAM.into()]),
        command: Some(Vec::new()),
        labels,
        network: Some("none".into()),
        binds: vec![Bind {
            source: volume.to_owned(),
            target: INIT_FOLDER.into(),
            read_only: false,
        }],
        ..ContainerSpec::default()
    };
    let began = std::time::Instant::now();
    loop {
        match engine.create_container(&spec).await {
            Ok(_) => break,
            Err(error) if error.is_conflict() => {
                if began.elapsed() > FILLING {
                    engine.remove_container(&name).await?;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let put = put(engine, program, &name).await;
    let removed = engine.remove_container(&name).await;
    put?;
    Ok(removed?)
}

async fn put(engine: &Engine, program: &Program, container: &str) -> Result<(), InitError> {
    let size = program.bytes.len() as u64;
    if engine.file_size(container, INIT_PROGRAM).await? == Some(size) {
        return Ok(());
    }
    let archive = archive(&program.bytes).map_err(|error| InitError::Program {
        reason: error.to_string(),
    })?;
    engine
        .upload_archive(container, INIT_FOLDER, archive)
        .await?;
    match engine.file_size(container, INIT_PROGRAM).await? {
        Some(found) if found == size => Ok(()),
        found => Err(InitError::Program {
            reason: format!(
                "{} of its {size} bytes arrived in the volume",
                found.unwrap_or_default()
            ),
        }),
    }
}

/// A tar archive with the names and the program, which comes last: if it is whole, all is there.
fn archive(program: &[u8]) -> std::io::Result<Bytes> {
    let mut archive = tar::Builder::new(Vec::with_capacity(program.len() + 8192));
    let files = [
        (HOSTS_FILE, HOSTS.as_bytes(), 0o644),
        ("sandbox-init", program, 0o755),
    ];
    for (name, bytes, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(mode);
        header.set_entry_type(tar::EntryType::Regular);
        archive.append_data(&mut header, name, bytes)?;
    }
    Ok(archive.into_inner()?.into())
}

/// Whether an engine refused since the image isn't there.
pub fn is_image_missing(error: &EngineError) -> bool {
    match error {
        EngineError::Api {
            status: 404,
            message,
            ..
        } => message.to_lowercase().contains("image"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_archive_has_the_names_and_then_the_program_and_its_rights() {
        let archive = archive(b"program").unwrap();
        let mut archive = tar::Archive::new(&archive[..]);
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            (path, entry.header().mode().unwrap())
        });
        let expected = [("hosts", 0o644), ("sandbox-init", 0o755)];
        assert!(entries.eq(expected.map(|(name, mode)| (name.to_owned(), mode))));
    }
}
