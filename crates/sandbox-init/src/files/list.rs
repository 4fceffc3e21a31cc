//! Listing a folder.

use std::os::fd::{AsFd, OwnedFd};

use frames::{
    Name,
    credit::ENTRY_BYTES,
    message::{Entry, Event},
};
use rustix::fs::{Dir, Mode, OFlags, openat};

use super::{
    entry::entry,
    roots::{Follow, Place, Roots, os},
};
use crate::{
    channel::Channel,
    outbox::Outbox,
    refusal::Refusal,
    task::{Progress, Task},
};

/// The most entries of one event.
const MOST_IN_EVENT: usize = 128;
/// The most bytes of names in one event: each may become six in JSON.
const MOST_NAME_BYTES: usize = 16 << 10;
/// The most levels: each holds a descriptor.
const MOST_DEPTH: u32 = 32;

/// A folder that is being listed.
pub struct List {
    levels: Vec<Level>,
    depth: usize,
    /// How many more entries are wanted.
    most: u64,
    listed: u64,
    left_out: u64,
}

struct Level {
    folder: OwnedFd,
    entries: Dir,
    path: Vec<u8>,
}

impl Level {
    fn new(folder: OwnedFd, path: Vec<u8>) -> Result<Self, Refusal> {
        let entries = Dir::read_from(&folder)?;
        Ok(Self {
            folder,
            entries,
            path,
        })
    }
}

impl List {
    pub fn new(roots: &Roots, place: &Place, depth: u32, most: u32) -> Result<Self, Refusal> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let folder = roots.open(place, flags, Follow::Inside)?;
        Ok(Self {
            levels: vec![Level::new(folder, Vec::new())?],
            depth: depth.clamp(1, MOST_DEPTH) as usize,
            most: most.into(),
            listed: 0,
            left_out: 0,
        })
    }

    /// The next entry, of which nothing is known yet if it vanished.
    fn next(&mut self) -> Option<Option<Entry>> {
        let depth = self.levels.len();
        let level = self.levels.last_mut()?;
        let Some(Ok(found)) = level.entries.read() else {
            self.levels.pop();
            return Some(None);
        };
        let name = found.file_name().to_bytes();
        if name == b"." || name == b".." {
            return Some(None);
        }
        let path = match level.path.is_empty() {
            true => name.to_vec(),
            false => [&level.path[..], name].join(&b'/'),
        };
        let entry = entry(&level.folder, name, Name(path.clone())).ok()?;
        if depth < self.depth && entry.kind == frames::message::EntryKind::Folder {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            // One that can't be read is listed, and nothing in it.
            let below = openat(level.folder.as_fd(), os(name), flags, Mode::empty());
            if let Ok(below) = below
                .map_err(Refusal::from)
                .and_then(|it| Level::new(it, path))
            {
                self.levels.push(below);
            }
        }
        Some(Some(entry))
    }
}

impl Task for List {
    fn step(&mut self, channel: &mut Channel, outbox: &mut Outbox) -> Result<Progress, Refusal> {
        let room = (channel.room(outbox) / ENTRY_BYTES).min(MOST_IN_EVENT);
        if room == 0 {
            return Ok(Progress::Waits);
        }
        let (mut entries, mut name_bytes, mut looks) = (Vec::new(), 0, 0);
        while entries.len() < room && name_bytes < MOST_NAME_BYTES && looks < 4 * MOST_IN_EVENT {
            looks += 1;
            match self.next() {
                None if self.levels.is_empty() => break,
                None | Some(None) => {}
                Some(Some(_)) if self.listed == self.most => self.left_out += 1,
                Some(Some(entry)) => {
                    let target = entry.target.as_ref().map_or(0, |target| target.0.len());
                    name_bytes += entry.path.0.len() + target;
                    self.listed += 1;
                    entries.push(entry);
                }
            }
        }
        if !entries.is_empty() {
            channel.send_entries(outbox, entries.len(), Event::Entries { entries });
        }
        if !self.levels.is_empty() {
            return Ok(Progress::More);
        }
        Ok(Progress::Done(Event::Done {
            bytes: 0,
            entries: self.listed,
            left_out: self.left_out,
        }))
    }
}
