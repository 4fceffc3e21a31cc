//! One window for one set of folders: a second start brings the first window to the front.
//!
//! The lock is held by the process that has it, so nothing is left to clean up when it is killed.

use std::{fs, io, path::Path};

/// Held while this app is the one.
#[derive(Debug)]
pub struct Only {
    _lock: fs::File,
    #[cfg(unix)]
    listener: Option<std::os::unix::net::UnixListener>,
}

/// Takes the place of the only app of this data folder. `None` where another has it; that one has
/// been asked to come to the front.
pub fn take(data_dir: &Path) -> io::Result<Option<Only>> {
    fs::create_dir_all(data_dir)?;
    let path = data_dir.join("window.lock");
    let lock = fs::File::options().create(true).append(true).open(&path)?;
    make_private(&path)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            call(data_dir);
            return Ok(None);
        }
        Err(fs::TryLockError::Error(error)) => return Err(error),
    }
    Ok(Some(Only {
        _lock: lock,
        #[cfg(unix)]
        listener: listen(data_dir),
    }))
}

/// Takes others' permissions from a file of ours.
fn make_private(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}

#[cfg(unix)]
fn listen(data_dir: &Path) -> Option<std::os::unix::net::UnixListener> {
    let path = data_dir.join("window.sock");
    // We hold the lock, so whoever made it is gone.
    let _ = fs::remove_file(&path);
    std::os::unix::net::UnixListener::bind(&path)
        .and_then(|listener| make_private(&path).map(|()| listener))
        .inspect_err(|error| tracing::warn!(%error, "a second start will not find this window"))
        .ok()
}

#[cfg(unix)]
fn call(data_dir: &Path) {
    if let Err(error) = std::os::unix::net::UnixStream::connect(data_dir.join("window.sock")) {
        tracing::warn!(%error, "Vivarium runs already, and could not be called to the front");
    }
}

#[cfg(not(unix))]
fn call(_: &Path) {
    tracing::warn!("Vivarium runs already");
}

impl Only {
    /// Calls `front` whenever somebody starts the app again, from a thread that lives as long as
    /// the process.
    #[cfg(unix)]
    pub fn on_second_start(&mut self, front: impl Fn() + Send + 'static) {
        if let Some(listener) = self.listener.take() {
            std::thread::spawn(move || {
                for _ in listener.incoming().flatten() {
                    front();
                }
            });
        }
    }

    /// A second start is only told.
    #[cfg(not(unix))]
    pub fn on_second_start(&mut self, _front: impl Fn() + Send + 'static) {}
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_second_calls_the_first_and_the_place_is_free_afterwards() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = take(folder.path()).unwrap().expect("free");
        let (called, calls) = std::sync::mpsc::channel();
        first.on_second_start(move || called.send(()).unwrap());
        assert!(take(folder.path()).unwrap().is_none());
        calls.recv().unwrap();
        drop(first);
        assert!(take(folder.path()).unwrap().is_some());
    }
}
