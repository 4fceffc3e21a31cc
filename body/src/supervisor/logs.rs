//! What services write: read from any byte on, and kept from growing without end.
//!
//! A service holds its file open for appending, so the file is copied aside and emptied, not
//! renamed. How many bytes were before the file's first one stands beside it, so that a reader's
//! position stays true over rotations and over supervisors.

use std::{
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use wire::body::LogPage;

use super::keeper::log_file;
use crate::watch::{Of, Watch};

/// A file longer than this is rotated.
const LONGEST: u64 = 8 << 20;
/// How much one page holds.
const PAGE: u64 = 1 << 20;
/// From one look to the next.
const PAUSE: Duration = Duration::from_secs(5);

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

/// Rotates a log that is too long.
fn rotate_long(path: &Path) {
    let long = std::fs::metadata(path).is_ok_and(|found| found.len() > LONGEST);
    if long && let Err(error) = rotate_one(path) {
        tracing::warn!(%error, path = %path.display(), "the log could not be rotated");
    }
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
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.extension().is_some_and(|end| end == "log") {
                    rotate_long(&path);
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = forever => {}
    }
}

fn rotate_one(path: &Path) -> std::io::Result<()> {
    let copied = std::fs::copy(path, path.with_extension("log.1"))?;
    let moved = base(path) + copied;
    // What was written since the copy goes with it: a few lines, and never the position.
    std::fs::OpenOptions::new()
        .write(true)
        .open(path)?
        .set_len(0)?;
    std::fs::write(path.with_extension("log.base"), moved.to_string())
}

fn base(path: &Path) -> u64 {
    let text = std::fs::read_to_string(path.with_extension("log.base")).unwrap_or_default();
    text.parse().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn positions_hold_over_a_rotation_and_long_logs_come_in_pages() {
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
        rotate_one(&path).unwrap();
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
}
