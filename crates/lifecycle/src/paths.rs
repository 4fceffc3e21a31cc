//! Where an instance keeps its settings and data, and a machine its secrets.

use std::{
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use rand::RngExt;

use crate::{
    atomic_file::{self, Durability},
    error::LifecycleError,
};

/// Uid and gid of the machine's user where the host's user is root.
pub(crate) const MACHINE_UID: u32 = 1000;

/// An instance's folders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// Settings and the machines' specs.
    pub config_dir: PathBuf,
    /// Data: secrets, working copies, locks.
    pub data_dir: PathBuf,
    /// What `~` means in mounts: the user's home, or the given one.
    pub user_home: PathBuf,
}

impl Paths {
    /// `home`, else `VIVARIUM_HOME`, holds everything; else the XDG folders. An instance has
    /// folders of its own in them.
    #[must_use]
    pub fn find(home: Option<&Path>, instance: Option<&str>) -> Self {
        let variable = |name| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        let given = home
            .map(Path::to_owned)
            .or_else(|| variable("VIVARIUM_HOME"));
        let (config, data, user_home) = if let Some(home) = given {
            let home = std::path::absolute(&home).unwrap_or(home);
            (home.join("config"), home.join("data"), home)
        } else {
            let home = variable("HOME").unwrap_or_else(|| PathBuf::from("/root"));
            let config = variable("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
            let data = variable("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share"));
            (config.join("vivarium"), data.join("vivarium"), home)
        };
        match instance {
            None => Self {
                config_dir: config,
                data_dir: data,
                user_home,
            },
            Some(instance) => {
                let data_dir = data.join("instances").join(instance);
                Self {
                    config_dir: config.join("instances").join(instance),
                    // Two instances never share the folders that machines write to.
                    user_home: data_dir.join("home"),
                    data_dir,
                }
            }
        }
    }

    /// Where each machine's spec lies.
    #[must_use]
    pub fn specs_dir(&self) -> PathBuf {
        self.config_dir.join("machines")
    }

    /// A machine's spec.
    #[must_use]
    pub fn spec_file(&self, name: &str) -> PathBuf {
        self.specs_dir().join(format!("{name}.toml"))
    }

    /// The only machine's spec of versions up to 0.1.
    pub(crate) fn earlier_spec_file(&self) -> PathBuf {
        self.config_dir.join("machine.toml")
    }

    /// A machine's own folder.
    #[must_use]
    pub fn machine_dir(&self, name: &str) -> PathBuf {
        self.data_dir.join("machines").join(name)
    }

    /// A machine's secrets, mounted at `/run/secrets`.
    #[must_use]
    pub fn secrets_dir(&self, name: &str) -> PathBuf {
        self.machine_dir(name).join("secrets")
    }

    /// Where the kernel API's token lies.
    #[must_use]
    pub fn token_file(&self, name: &str) -> PathBuf {
        self.secrets_dir(name).join("os_token")
    }

    /// Makes the secrets that are missing: `os_token`, `vnc_password`.
    ///
    /// # Errors
    /// [`LifecycleError::File`].
    pub fn ensure_secrets(&self, name: &str) -> Result<PathBuf, LifecycleError> {
        let dir = self.secrets_dir(name);
        make_dir(&dir, 0o700)?;
        own(&dir)?;
        ensure_secret(&dir.join("os_token"), 43)?;
        // RFB's password scheme reads eight characters and no more.
        ensure_secret(&dir.join("vnc_password"), 8)?;
        Ok(dir)
    }

    /// Puts a file into a machine's secrets folder, as a whole; what runs in the machine sees it at
    /// once. The folder is made if it is missing.
    ///
    /// # Errors
    /// [`LifecycleError::File`].
    pub fn hand_over(&self, machine: &str, file: &str, text: &str) -> Result<(), LifecycleError> {
        let dir = self.secrets_dir(machine);
        make_dir(&dir, 0o700)?;
        own(&dir)?;
        let path = dir.join(file);
        let written = atomic_file::put(&path, Durability::Durable, |file, place| {
            file.write_all(text.as_bytes())?;
            // Before it is in place: the machine's user may look at it at once.
            give_to_machine(place)
        });
        written.map_err(LifecycleError::file("write", &path))
    }

    /// Takes a file out of a machine's secrets folder.
    ///
    /// # Errors
    /// [`LifecycleError::File`] if it is there and stays.
    pub fn take_back(&self, machine: &str, file: &str) -> Result<(), LifecycleError> {
        let path = self.secrets_dir(machine).join(file);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(LifecycleError::file("remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Reads one of a machine's secrets.
    ///
    /// # Errors
    /// [`LifecycleError::File`].
    pub fn secret(&self, machine: &str, secret: &str) -> Result<String, LifecycleError> {
        let path = self.secrets_dir(machine).join(secret);
        let text = std::fs::read_to_string(&path).map_err(LifecycleError::file("read", &path))?;
        Ok(text.trim().to_owned())
    }
}

fn ensure_secret(path: &Path, length: usize) -> Result<(), LifecycleError> {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
    let made = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(mut file) => {
            let mut random = rand::rng();
            let secret: Vec<u8> = (0..length)
                .map(|_| LETTERS[random.random_range(0..LETTERS.len())])
                .collect();
            file.write_all(&secret)
                .map_err(LifecycleError::file("write", path))?;
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let mode = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(path, mode).map_err(LifecycleError::file("protect", path))?;
        }
        Err(error) => return Err(LifecycleError::file("create", path)(error)),
    }
    own(path)
}

/// Makes a folder with its parents; answers whether it was missing.
pub(crate) fn make_dir(path: &Path, mode: u32) -> Result<bool, LifecycleError> {
    if path.is_dir() {
        return Ok(false);
    }
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path);
    made.map_err(LifecycleError::file("create", path))?;
    Ok(true)
}

/// Makes a folder with its parents, which nobody else may enter; each belongs to whoever the one
/// above it belongs to.
pub(crate) fn make_dir_like_above(path: &Path) -> Result<(), LifecycleError> {
    make_private_dir(path).map_err(LifecycleError::file("create", path))
}

/// The same, for those with errors of their own.
pub(crate) fn make_private_dir(path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        make_private_dir(above)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        // Another process was quicker.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(()),
        made => made?,
    }
    give_like_folder(path)
}

/// What root makes in a folder of the machine's user is that user's too, who goes on with it.
pub(crate) fn own_like_folder(path: &Path) -> Result<(), LifecycleError> {
    give_like_folder(path).map_err(LifecycleError::file("change the owner of", path))
}

/// The same, for those with errors of their own.
pub(crate) fn give_like_folder(path: &Path) -> std::io::Result<()> {
    let Some(folder) = path.parent().filter(|_| nix::unistd::geteuid().is_root()) else {
        return Ok(());
    };
    let above = std::fs::metadata(folder)?;
    match above.uid() {
        0 => Ok(()),
        uid => std::os::unix::fs::lchown(path, Some(uid), Some(above.gid())),
    }
}

/// The machine's user and group: the host's. Where that is root, 1000, or what VIVARIUM_MACHINE_UID says.
pub(crate) fn machine_ids() -> (u32, u32) {
    let uid = nix::unistd::geteuid();
    if uid.is_root() {
        let chosen = std::env::var("VIVARIUM_MACHINE_UID").ok();
        let uid = chosen.and_then(|text| text.parse().ok().filter(|uid| *uid != 0));
        let uid = uid.unwrap_or(MACHINE_UID);
        (uid, uid)
    } else {
        (uid.as_raw(), nix::unistd::getegid().as_raw())
    }
}

/// Gives a path to the machine's user where the host's user is root; nothing to do otherwise,
/// since the machine's user then has the host user's uid.
pub(crate) fn own(path: &Path) -> Result<(), LifecycleError> {
    give_to_machine(path).map_err(LifecycleError::file("change the owner of", path))
}

/// The same, for those with errors of their own.
fn give_to_machine(path: &Path) -> std::io::Result<()> {
    if nix::unistd::geteuid().is_root() {
        let (uid, gid) = machine_ids();
        std::os::unix::fs::lchown(path, Some(uid), Some(gid))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_made_once_and_private() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::find(Some(home.path()), None);
        let dir = paths.ensure_secrets("os-host").unwrap();
        let token = paths.secret("os-host", "os_token").unwrap();
        assert_eq!(token.len(), 43);
        assert_eq!(paths.secret("os-host", "vnc_password").unwrap().len(), 8);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&dir.join("os_token")), 0o600);
        paths.ensure_secrets("os-host").unwrap();
        assert_eq!(paths.secret("os-host", "os_token").unwrap(), token);
    }

    #[test]
    fn what_a_machine_is_handed_is_private_and_can_be_taken_back() {
        let home = tempfile::tempdir().unwrap();
        let paths = Paths::find(Some(home.path()), None);
        for text in ["first", "second"] {
            paths.hand_over("os-host", "a_api_key", text).unwrap();
            assert_eq!(paths.secret("os-host", "a_api_key").unwrap(), text);
        }
        let dir = paths.secrets_dir("os-host");
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&dir), 0o700);
        assert_eq!(mode(&dir.join("a_api_key")), 0o600);
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
        paths.take_back("os-host", "a_api_key").unwrap();
        paths.take_back("os-host", "a_api_key").unwrap();
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    }

    #[test]
    fn an_instance_has_folders_of_its_own() {
        let plain = Paths::find(Some(Path::new("/h")), None);
        let other = Paths::find(Some(Path::new("/h")), Some("blue"));
        assert_eq!(plain.spec_file("a"), Path::new("/h/config/machines/a.toml"));
        assert_eq!(other.config_dir, Path::new("/h/config/instances/blue"));
        assert_ne!(plain.user_home, other.user_home);
    }
}
