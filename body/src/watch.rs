//! Folders that are watched: who waits is woken when a file in one of them changed, and not before.

use std::{path::Path, time::Duration};

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use tokio::net::unix::pipe;

/// Some file systems do not tell what others change in them, such as a folder that an engine in a
/// virtual machine shares: so often it is worth a look all the same.
const ANYWAY: Duration = Duration::from_secs(30);

/// What of a file is of interest.
#[derive(Clone, Copy)]
pub enum Of {
    /// That it is another now: written to its end, put in place, or gone.
    Content,
    /// Every piece that is written to it.
    Growth,
}

/// The folders.
pub struct Watch(Option<pipe::Receiver>);

impl Watch {
    /// Watches those that are there.
    pub fn new<'a>(folders: impl IntoIterator<Item = &'a Path>, of: Of) -> Self {
        let flags = match of {
            Of::Content => {
                WatchFlags::CLOSE_WRITE
                    | WatchFlags::MOVED_TO
                    | WatchFlags::MOVED_FROM
                    | WatchFlags::DELETE
            }
            Of::Growth => WatchFlags::MODIFY,
        };
        let open = || -> std::io::Result<pipe::Receiver> {
            let inotify = init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
            for folder in folders {
                match add_watch(&inotify, folder, flags) {
                    Ok(_) => {}
                    Err(rustix::io::Errno::NOENT) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            pipe::Receiver::from_owned_fd_unchecked(inotify)
        };
        match open() {
            Ok(events) => Self(Some(events)),
            Err(error) => {
                tracing::warn!(%error, "folders can't be watched; they are looked at now and then");
                Self(None)
            }
        }
    }

    /// Waits until something changed since the last time, or until it is worth a look all the same.
    pub async fn changed(&mut self) {
        let told = async {
            match &self.0 {
                Some(events) => {
                    // It never fails for what is open.
                    let _ = events.readable().await;
                    let mut read = [0; 4096];
                    while events.try_read(&mut read).is_ok_and(|count| count > 0) {}
                }
                None => std::future::pending().await,
            }
        };
        // Over or not: either way it is looked.
        let _ = tokio::time::timeout(ANYWAY, told).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_change_wakes_once_and_quiet_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let (file, aside) = (folder.path().join("a"), folder.path().join("b"));
        let missing = folder.path().join("missing");
        let mut watch = Watch::new([folder.path(), &missing], Of::Content);
        let deadline = Duration::from_secs(120);
        for round in 0..3 {
            match round {
                0 => std::fs::write(&aside, "x").unwrap(),
                1 => std::fs::rename(&aside, &file).unwrap(),
                _ => std::fs::remove_file(&file).unwrap(),
            }
            tokio::time::timeout(deadline, watch.changed())
                .await
                .unwrap();
            let now = std::pin::pin!(watch.changed());
            assert!(futures_util::poll!(now).is_pending(), "round {round}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_tells_nothing_is_looked_at_now_and_then() {
        let begin = tokio::time::Instant::now();
        Watch(None).changed().await;
        assert_eq!(begin.elapsed(), ANYWAY);
    }
}
