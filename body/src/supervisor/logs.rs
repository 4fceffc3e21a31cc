//! What services write: read from any byte on, and kept from growing without end.
//!
//! A service holds its file open for appending, so the file's end is copied aside and the file
//! emptied, not renamed. How many bytes were before the file's first one stands beside it, so that a
//! reader's position stays true over rotations and over supervisors.

use std::{
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use wire::body::LogPage;

use super::keeper::log_file;
use crate::watch::{Of, Watch};

/// A file longer than this is rotated, and so much of its end kept.
const LONGEST: u64 = 8 << 20;
/// How much is copied at a time: whoever waits for the API has a turn in between.
const PIECE: u64 = 1 << 20;
/// How much one page holds.
const PAGE: u64 = 1 << 20;
/// From one look to the next. In a second a service can write more than a gigabyte.
const PAUSE: Duration = Duration::from_millis(100);
/// After a look that found a file too long: there is a flood.
const FLOOD_PAUSE: Duration = Duration::from_millis(30);

/// A page of a service's log, from byte `after` on. Of a log longer than a page the end is shown
/// to who asks for its beginning.
pub fn page(name: &str, after: u64) -> std::io::Result<LogPage> {
    page_of(&log_file(name), after)
}

/// Removes the log of a service that is no more.
pub fn remove(name: &str) {
    remove_of(&log_file(name));
}

fn remove_of(path: &Path) {
    for file in ["log", "log.1", "log.base"] {
        // Most were never rotated.
        let _ = std::fs::remove_file(path.with_extension(file));
    }
}

/// The last lines of a log, oldest first.
pub fn last_lines(path: &Path, most: usize) -> Vec<String> {
    const ENOUGH: u64 = 16 << 10;
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(ENOUGH)))?;
        let mut bytes = Vec::new();
        file.take(ENOUGH).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(most);
    lines[from..]
        .iter()
        .map(|line| (*line).to_owned())
        .collect()
}

/// Rotates a log that is too long; whether it was.
async fn rotate_long(path: &Path) -> bool {
    let long = std::fs::metadata(path).is_ok_and(|found| found.len() > LONGEST);
    if long && let Err(error) = rotate_one(path).await {
        tracing::warn!(%error, path = %path.display(), "the log could not be rotated");
        return false;
    }
    long
}

fn page_of(path: &Path, after: u64) -> std::io::Result<LogPage> {
    let base = base(path);
    let mut file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Ok(LogPage {
                text: String::new(),
                next: base,
                skipped_bytes: 0,
            });
        }
        opened => opened?,
    };
    let end = base + file.metadata()?.len();
    let oldest = if after == 0 {
        end.saturating_sub(PAGE)
    } else {
        0
    };
    // A position beyond the end is of a machine that was started anew since.
    let from = if after > end { base } else { after }.max(base).max(oldest);
    file.seek(SeekFrom::Start(from - base))?;
    let mut bytes = Vec::new();
    file.take(PAGE).read_to_end(&mut bytes)?;
    // A letter that is cut in two waits for its other half.
    if let Err(error) = std::str::from_utf8(&bytes)
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to());
    }
    Ok(LogPage {
        next: from + bytes.len() as u64,
        text: String::from_utf8_lossy(&bytes).into_owned(),
        skipped_bytes: from.saturating_sub(after),
    })
}

/// Rotates the logs of a folder until `stop`. While nobody writes, nobody looks.
pub async fn rotate(folder: PathBuf, stop: CancellationToken) {
    let mut watch = Watch::new([folder.as_path()], Of::Growth);
    let forever = async {
        loop {
            watch.changed().await;
            let mut pause = PAUSE;
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.extension().is_some_and(|end| end == "log") && rotate_long(&path).await {
                    pause = FLOOD_PAUSE;
                }
            }
            tokio::time::sleep(pause).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = forever => {}
    }
}

async fn rotate_one(path: &Path) -> std::io::Result<()> {
    let kept = path.with_extension("log.1");
    if let Err(error) = copy_end(path, &kept).await {
        // Where there is no room, a flood may have taken it: better lost than a machine that stands.
        tracing::warn!(%error, path = %path.display(), "the log's end could not be kept");
        let _ = std::fs::remove_file(&kept);
    }
    // From here on without a pause, so that nobody reads a page in between. What was written since
    // the copy is lost, and counted.
    let file = std::fs::OpenOptions::new().write(true).open(path)?;
    let moved = base(path) + file.metadata()?.len();
    file.set_len(0)?;
    // Over the number before, which is no longer: that takes no more room.
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path.with_extension("log.base"))?
        .write_all(moved.to_string().as_bytes())
}

/// Copies what a file of this length may keep, piece by piece.
async fn copy_end(path: &Path, kept: &Path) -> std::io::Result<()> {
    let mut file = std::fs::File::open(path)?;
    let mut kept = std::fs::File::create(kept)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LONGEST)))?;
    let mut left = length.min(LONGEST);
    while left > 0 {
        match std::io::copy(&mut (&file).take(left.min(PIECE)), &mut kept)? {
            // Somebody else emptied it.
            0 => break,
            count => left -= count,
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

fn base(path: &Path) -> u64 {
    let text = std::fs::read_to_string(path.with_extension("log.base")).unwrap_or_default();
    text.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn positions_hold_over_a_rotation_and_long_logs_come_in_pages() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        assert_eq!(page_of(&path, 0).unwrap().text, "");
        let mut service = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap();
        service.write_all("one ä".as_bytes()).unwrap();
        let page = page_of(&path, 0).unwrap();
        assert_eq!((page.text.as_str(), page.next), ("one ä", 6));
        rotate_one(&path).await.unwrap();
        service.write_all(b"two").unwrap();
        let page = page_of(&path, 6).unwrap();
        assert_eq!((page.text.as_str(), page.next), ("two", 9));
        assert_eq!(page_of(&path, 2).unwrap().skipped_bytes, 4);
        assert_eq!(page_of(&path, 99).unwrap().text, "two");

        service.write_all(&vec![b'x'; 3 << 20]).unwrap();
        let page = page_of(&path, 0).unwrap();
        assert_eq!(page.text.len(), 1 << 20);
        assert_eq!(page.next, 9 + (3 << 20));
        assert_eq!(page_of(&path, 9).unwrap().next, 9 + (1 << 20));

        remove_of(&path);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// A service's log, and how the service writes to it.
    fn log(folder: &Path) -> (PathBuf, std::fs::File) {
        let path = folder.join("a.log");
        let mut options = std::fs::OpenOptions::new();
        let service = options.create(true).append(true).open(&path).unwrap();
        (path, service)
    }

    fn length(path: &Path) -> u64 {
        std::fs::metadata(path).unwrap().len()
    }

    #[tokio::test]
    async fn of_a_flood_the_end_is_kept_and_others_have_their_turn_meanwhile() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut service) = log(folder.path());
        service.write_all(&vec![b'x'; 30 << 20]).unwrap();
        service.write_all(b"end").unwrap();
        let read = page_of(&path, 1).unwrap().next;
        assert!(page_of(&path, 0).unwrap().text.ends_with("end"));
        {
            let mut rotating = std::pin::pin!(rotate_one(&path));
            assert!(futures_util::poll!(&mut rotating).is_pending());
            // What is read and what is written meanwhile holds nothing up.
            assert_eq!(page_of(&path, read).unwrap().next, read + PAGE);
            service.write_all(b"late").unwrap();
            rotating.await.unwrap();
        }
        let kept = path.with_extension("log.1");
        assert_eq!((length(&path), length(&kept)), (0, LONGEST));
        assert_eq!(last_lines(&kept, 1)[0].trim_start_matches('x'), "end");
        // Who follows goes on with what is new, and hears how much was dropped.
        service.write_all(b"new").unwrap();
        let page = page_of(&path, read).unwrap();
        let end = (30 << 20) + 7;
        assert_eq!((page.text.as_str(), page.next), ("new", end + 3));
        assert_eq!(page.skipped_bytes, end - read);
        assert_eq!(page_of(&path, page.next).unwrap().text, "");
    }

    #[tokio::test]
    async fn where_nothing_can_be_kept_the_log_is_emptied_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut service) = log(folder.path());
        let kept = path.with_extension("log.1");
        // No room is left.
        std::os::unix::fs::symlink("/dev/full", &kept).unwrap();
        service.write_all(b"flood").unwrap();
        rotate_one(&path).await.unwrap();
        assert!(kept.symlink_metadata().is_err());
        assert_eq!(length(&path), 0);
        service.write_all(b"new").unwrap();
        assert_eq!(page_of(&path, 5).unwrap().text, "new");
    }

    /// tokio's clock is paused: it goes on to the next timer as soon as nothing else is to do.
    #[tokio::test(start_paused = true)]
    async fn a_log_that_grows_fast_is_looked_at_again_soon() {
        let folder = tempfile::tempdir().unwrap();
        let (path, mut service) = log(folder.path());
        let stop = CancellationToken::new();
        let rotating = tokio::spawn(rotate(folder.path().to_owned(), stop.clone()));
        let mut begin = tokio::time::Instant::now();
        for round in 0..3 {
            service.write_all(&vec![b'x'; 9 << 20]).unwrap();
            let emptied = async {
                while length(&path) > 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            let minute = Duration::from_secs(60);
            tokio::time::timeout(minute, emptied).await.unwrap();
            let took = begin.elapsed();
            assert!(round == 0 || took < Duration::from_secs(1), "{took:?}");
            begin = tokio::time::Instant::now();
        }
        stop.cancel();
        rotating.await.unwrap();
    }
}
