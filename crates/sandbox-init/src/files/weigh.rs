//! How much is in a folder, on a disk that has no limit of its own.

use std::{
    collections::HashSet,
    os::fd::{AsFd, OwnedFd},
};

use frames::message::Event;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, fstat, openat, statat};

use super::roots::{Follow, Place, Roots, os};
use crate::{
    channel::Channel,
    outbox::Outbox,
    refusal::Refusal,
    task::{Progress, Task},
};

/// How many entries are looked at at a time.
const AT_A_TIME: usize = 256;
/// The most levels: each holds a descriptor.
const MOST_LEVELS: usize = 128;
/// Bytes of one of the blocks that the system counts in.
const BLOCK_BYTES: u64 = 512;

/// A folder that is being weighed.
pub struct Weigh {
    levels: Vec<Level>,
    /// The file system that is meant: what is mounted in it is another one's.
    device: u64,
    /// Files with several names, which are counted once.
    seen: HashSet<u64>,
    bytes: u64,
    entries: u64,
    most: u64,
    left_out: u64,
}

struct Level {
    folder: OwnedFd,
    entries: Dir,
}

impl Level {
    fn new(folder: OwnedFd) -> Result<Self, Refusal> {
        let entries = Dir::read_from(&folder)?;
        Ok(Self { folder, entries })
    }
}

impl Weigh {
    pub fn new(roots: &Roots, place: &Place, most: u64) -> Result<Self, Refusal> {
        let folder = roots.open(place, OFlags::RDONLY | OFlags::DIRECTORY, Follow::Inside)?;
        let about = fstat(&folder)?;
        Ok(Self {
            levels: vec![Level::new(folder)?],
            device: about.st_dev,
            seen: HashSet::new(),
            bytes: u64::try_from(about.st_blocks).unwrap_or(0) * BLOCK_BYTES,
            entries: 0,
            most,
            left_out: 0,
        })
    }

    /// Counts one entry, and enters it if it is a folder; or leaves one.
    fn next(&mut self) {
        let depth = self.levels.len();
        let Some(level) = self.levels.last_mut() else {
            return;
        };
        let name = match level.entries.read() {
            None => {
                self.levels.pop();
                return;
            }
            Some(Err(_)) => {
                self.left_out += 1;
                self.levels.pop();
                return;
            }
            Some(Ok(found)) => found.file_name().to_bytes().to_vec(),
        };
        if name == b"." || name == b".." {
            return;
        }
        // One that vanished weighs nothing.
        let Ok(about) = statat(&level.folder, os(&name), AtFlags::SYMLINK_NOFOLLOW) else {
            return;
        };
        if about.st_dev != self.device {
            return;
        }
        self.entries += 1;
        if about.st_nlink < 2 || self.seen.insert(about.st_ino) {
            let bytes = u64::try_from(about.st_blocks).unwrap_or(0) * BLOCK_BYTES;
            self.bytes = self.bytes.saturating_add(bytes);
        }
        if FileType::from_raw_mode(about.st_mode) != FileType::Directory {
            return;
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let below = openat(level.folder.as_fd(), os(&name), flags, Mode::empty());
        match below.map_err(Refusal::from).and_then(Level::new) {
            Ok(below) if depth < MOST_LEVELS => self.levels.push(below),
            _ => self.left_out += 1,
        }
    }
}

impl Task for Weigh {
    fn step(&mut self, _: &mut Channel, _: &mut Outbox) -> Result<Progress, Refusal> {
        for _ in 0..AT_A_TIME {
            self.next();
        }
        if self.entries > self.most {
            self.left_out += 1;
            self.levels.clear();
        }
        if !self.levels.is_empty() {
            return Ok(Progress::More);
        }
        Ok(Progress::Done(Event::Done {
            bytes: self.bytes,
            entries: self.entries,
            left_out: self.left_out,
        }))
    }
}
