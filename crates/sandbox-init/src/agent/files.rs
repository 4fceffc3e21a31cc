//! What is kept. The agent can change all of it, as it can change everything that is its own: so each file
//! is read with bounds and without waiting, and means nothing outside the container.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use agent_status::{HookEvent, Launch, MOST_LINE_BYTES, Run, Snapshot, read_line, write_line};
use rustix::fs::OFlags;

use super::{RUN_FILE, SOCKET_NAME};

const LAUNCH_FILE: &str = "launch.json";
const STATE_FILE: &str = "state.json";
const JOURNAL_FILE: &str = "journal.jsonl";
/// The journal before the current one.
const OLD_JOURNAL_FILE: &str = "journal-old.jsonl";
/// From here on another journal begins.
const JOURNAL_BYTES: u64 = 1 << 20;

/// Both folders.
pub struct Files {
    state: PathBuf,
    run: PathBuf,
}

impl Files {
    /// Makes them if they aren't there.
    pub fn open(state: PathBuf, run: PathBuf) -> io::Result<Self> {
        for folder in [&state, &run] {
            match DirBuilder::new().recursive(true).mode(0o700).create(folder) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    let words = format!("could not make {}: {error}", folder.display());
                    return Err(io::Error::new(error.kind(), words));
                }
                _ => {}
            }
        }
        Ok(Self { state, run })
    }

    /// Folder in memory.
    pub fn run_folder(&self) -> &Path {
        &self.run
    }

    /// Where the socket is. One of an earlier life is removed.
    pub fn socket(&self) -> io::Result<PathBuf> {
        let path = self.run.join(SOCKET_NAME);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(path),
        }
    }

    /// What is to run, if it was said in an earlier life.
    pub fn launch(&self) -> Option<Launch> {
        read_line(&read(&self.state.join(LAUNCH_FILE)).ok()?)
    }

    /// Keeps it for the next life.
    pub fn keep_launch(&self, launch: &Launch) -> io::Result<()> {
        replace(&self.state, LAUNCH_FILE, &write_line(launch)?)
    }

    /// Where the agent stood in an earlier life.
    pub fn snapshot(&self) -> Option<Snapshot> {
        let read: Snapshot = read_line(&read(&self.state.join(STATE_FILE)).ok()?)?;
        Some(read.within_bounds())
    }

    /// Keeps where it stands, for a host that comes when it has ended.
    pub fn keep_snapshot(&self, snapshot: &Snapshot) -> io::Result<()> {
        replace(&self.state, STATE_FILE, &write_line(snapshot)?)
    }

    /// Says what runs now.
    pub fn keep_run(&self, run: &Run) -> io::Result<()> {
        replace(&self.run, RUN_FILE, &write_line(run)?)
    }

    /// Adds an event to the journal.
    pub fn journal(&self, event: &HookEvent) -> io::Result<()> {
        let path = self.state.join(JOURNAL_FILE);
        let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
        let mut options = OpenOptions::new();
        options
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(flags);
        let mut journal = options.open(&path)?;
        let found = journal.metadata()?;
        if !found.is_file() {
            return Err(io::Error::other("the journal isn't a file"));
        }
        if found.len() >= JOURNAL_BYTES {
            fs::rename(&path, self.state.join(OLD_JOURNAL_FILE))?;
            journal = options.open(&path)?;
        }
        journal.write_all(&write_line(event)?)
    }
}

/// Reads a file of at most a line. Somebody may have put anything in its place.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let flags = (OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed();
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut bytes = Vec::new();
    file.take(MOST_LINE_BYTES as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file beside its place, then puts it there.
fn replace(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let aside = folder.join(format!("{name}.new"));
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = File::create_new(&aside)?;
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    fs::rename(&aside, folder.join(name))
}
