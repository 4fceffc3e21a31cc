//! A server that runs, as other commands of the same user find it: a file in the data folder that only
//! its owner can read.

use std::{
    fs, io,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use lifecycle::atomic_file;
use serde::{Deserialize, Serialize};
use wire::secrets::SecretValue;

/// Its name.
const FILE: &str = "serve.json";

/// A server that runs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// Port of its API on 127.0.0.1.
    pub port: u16,
    /// The token of its life.
    pub token: SecretValue,
}

/// A file that says where a server is, as long as this lives.
#[derive(Debug)]
pub(super) struct Announced(PathBuf);

impl Running {
    /// The server that was announced last in a data folder. It may have ended since.
    #[must_use]
    pub fn find(data_dir: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(data_dir.join(FILE)).ok()?).ok()
    }

    /// Says where a server is, if it can be reached on loopback. Without the file it is found by nobody
    /// but serves all the same.
    pub(super) fn announce(data_dir: &Path, address: SocketAddr, token: &str) -> Option<Announced> {
        let ip = address.ip();
        if !ip.is_ipv4() || !(ip.is_loopback() || ip.is_unspecified()) {
            return None;
        }
        let running = Self {
            pid: std::process::id(),
            port: address.port(),
            token: SecretValue::new(token.to_owned()),
        };
        match running.write(data_dir) {
            Ok(announced) => Some(announced),
            Err(error) => {
                tracing::warn!(%error, "other commands won't find this server");
                None
            }
        }
    }

    fn write(&self, data_dir: &Path) -> io::Result<Announced> {
        let mut folder = fs::DirBuilder::new();
        folder.recursive(true).mode(0o700).create(data_dir)?;
        let path = data_dir.join(FILE);
        atomic_file::write(&path, &serde_json::to_vec(self)?)?;
        Ok(Announced(path))
    }
}

impl Drop for Announced {
    /// Another server may have taken the place.
    fn drop(&mut self) {
        let known = fs::read(&self.0).ok();
        let known = known.and_then(|text| serde_json::from_slice::<Running>(&text).ok());
        if known.is_some_and(|known| known.pid == std::process::id()) {
            let _ = fs::remove_file(&self.0);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_server_is_found_as_long_as_it_runs_and_by_its_owner_alone() {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        let announced = Running::announce(&data, ([127, 0, 0, 1], 8000).into(), "t").unwrap();
        let found = Running::find(&data).unwrap();
        assert_eq!((found.port, found.token.reveal()), (8000, "t"));
        let mode = fs::metadata(data.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(announced);
        assert!(Running::find(&data).is_none());
    }

    #[test]
    fn another_servers_place_is_left_alone() {
        let data = tempfile::tempdir().unwrap();
        let address = ([127, 0, 0, 1], 8000).into();
        let announced = Running::announce(data.path(), address, "t").unwrap();
        let other = Running {
            pid: 1,
            port: 9000,
            token: SecretValue::new(String::from("u")),
        };
        std::mem::forget(other.write(data.path()).unwrap());
        drop(announced);
        assert_eq!(Running::find(data.path()).unwrap().port, 9000);
        // One that can't be reached on loopback is not announced.
        assert!(Running::announce(data.path(), ([192, 0, 2, 1], 1).into(), "t").is_none());
    }
}
