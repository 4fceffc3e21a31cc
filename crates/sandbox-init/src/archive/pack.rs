//! Packing folders.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Read,
    os::fd::{AsFd, OwnedFd},
};

use frames::{
    Kind, MOST_DATA_BYTES, Name,
    message::{Event, RefusalCode},
};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, fstat, openat, readlinkat, statat};
use tar::EntryType;

use super::{BLOCK_BYTES, padding, records};
use crate::{
    channel::Channel,
    files::{
        Roots,
        roots::{Follow, os},
    },
    outbox::Outbox,
    refusal::Refusal,
    task::{Progress, Task},
};

/// How many files with several names are known; further ones are packed once for each name.
const MOST_LINKED: usize = 1 << 16;
/// Deeper folders aren't packed: each level holds a descriptor.
const MOST_LEVELS: usize = 128;
/// How many entries are looked at in one step.
const AT_A_TIME: usize = 64;

/// Folders that are being packed.
pub struct Pack {
    /// Folders that follow, the next one last.
    ahead: Vec<(OwnedFd, Vec<u8>)>,
    levels: Vec<Level>,
    /// The first name of each file that has several.
    linked: BTreeMap<(u64, u64), Vec<u8>>,
    /// Made and not sent.
    made: Vec<u8>,
    file: Option<Packed>,
    bytes: u64,
    entries: u64,
    left_out: u64,
    ended: bool,
}

struct Level {
    folder: OwnedFd,
    entries: Dir,
    name: Vec<u8>,
}

struct Packed {
    file: File,
    left: u64,
    padding: usize,
}

impl Pack {
    /// Packs these folders, or all that are writable.
    pub fn new(roots: &Roots, paths: &[Name]) -> Result<Self, Refusal> {
        let paths: Vec<Vec<u8>> = match paths {
            [] => roots.paths().collect(),
            paths => paths.iter().map(|path| path.0.clone()).collect(),
        };
        let mut ahead = Vec::new();
        for path in paths.iter().rev() {
            let place = roots.locate(path)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let name = roots.path_of(&place).split_off(1);
            match roots.open(&place, flags, Follow::Inside) {
                Ok(folder) => ahead.push((folder, name)),
                // Not every image has all of the writable folders.
                Err(refusal) if refusal.code == RefusalCode::NotFound && place.is_root() => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(Self {
            ahead,
            levels: Vec::new(),
            linked: BTreeMap::new(),
            made: Vec::new(),
            file: None,
            bytes: 0,
            entries: 0,
            left_out: 0,
            ended: false,
        })
    }

    /// Makes the header of the next entry. Whether there is one.
    fn next(&mut self) -> Result<bool, Refusal> {
        let Some(level) = self.levels.last_mut() else {
            let Some((folder, name)) = self.ahead.pop() else {
                return Ok(false);
            };
            let found = fstat(&folder)?;
            self.header(&name, &found, None);
            self.enter(folder, name)?;
            return Ok(true);
        };
        let Some(Ok(found)) = level.entries.read() else {
            self.levels.pop();
            return Ok(true);
        };
        let name = found.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." && self.entry(&name)?.is_none() {
            self.left_out += 1;
        }
        Ok(true)
    }

    /// Packs an entry of the deepest level; none if it is left out: it vanished, can't be read, or
    /// is nothing that an archive holds.
    fn entry(&mut self, name: &[u8]) -> Result<Option<()>, Refusal> {
        let Some(level) = self.levels.last() else {
            return Ok(None);
        };
        let Ok(found) = statat(&level.folder, os(name), AtFlags::SYMLINK_NOFOLLOW) else {
            return Ok(None);
        };
        let whole = [&level.name[..], name].join(&b'/');
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = |more| openat(level.folder.as_fd(), os(name), flags | more, Mode::empty());
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => {
                let Ok(folder) = open(OFlags::DIRECTORY) else {
                    return Ok(None);
                };
                self.header(&whole, &found, None);
                if self.levels.len() == MOST_LEVELS {
                    return Ok(None);
                }
                self.enter(folder, whole)?;
            }
            FileType::Symlink => {
                let Ok(target) = readlinkat(&level.folder, os(name), Vec::new()) else {
                    return Ok(None);
                };
                self.header(
                    &whole,
                    &found,
                    Some((EntryType::Symlink, target.as_bytes())),
                );
            }
            FileType::RegularFile => {
                let key = (found.st_dev, found.st_ino);
                if let Some(first) = self.linked.get(&key) {
                    let first = first.clone();
                    self.header(&whole, &found, Some((EntryType::Link, &first)));
                    return Ok(Some(()));
                }
                let Ok(file) = open(OFlags::empty()) else {
                    return Ok(None);
                };
                // The one that was opened: it may be another by now.
                let found = fstat(&file)?;
                if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
                    return Ok(None);
                }
                if found.st_nlink > 1 && self.linked.len() < MOST_LINKED {
                    self.linked
                        .insert((found.st_dev, found.st_ino), whole.clone());
                }
                self.header(&whole, &found, None);
                let size = u64::try_from(found.st_size).unwrap_or(0);
                self.file = Some(Packed {
                    file: file.into(),
                    left: size,
                    padding: padding(size),
                });
            }
            _ => return Ok(None),
        }
        Ok(Some(()))
    }

    fn header(&mut self, name: &[u8], found: &Stat, link: Option<(EntryType, &[u8])>) {
        records::write(name, found, link, &mut self.made);
        self.entries += 1;
    }

    fn enter(&mut self, folder: OwnedFd, name: Vec<u8>) -> Result<(), Refusal> {
        self.levels.push(Level {
            entries: Dir::read_from(&folder)?,
            folder,
            name,
        });
        Ok(())
    }

    /// Makes bytes until there are so many, or no more.
    fn make(&mut self, wanted: usize) -> Result<(), Refusal> {
        let mut looks = 0;
        while self.made.len() < wanted && !self.ended && looks < AT_A_TIME {
            let Some(packed) = &mut self.file else {
                looks += 1;
                if !self.next()? {
                    self.made.resize(self.made.len() + 2 * BLOCK_BYTES, 0);
                    self.ended = true;
                }
                continue;
            };
            let room = (wanted - self.made.len()) as u64;
            let most = packed.left.min(room) as usize;
            let start = self.made.len();
            self.made.resize(start + most, 0);
            let count = match most {
                0 => 0,
                _ => packed.file.read(&mut self.made[start..])?,
            };
            if count == 0 {
                // All was read, or it became shorter: what is missing is zeros, which are there.
                packed.left -= most as u64;
            } else {
                self.made.truncate(start + count);
                packed.left -= count as u64;
            }
            if packed.left == 0 {
                self.made.resize(self.made.len() + packed.padding, 0);
                self.file = None;
            }
        }
        Ok(())
    }
}

impl Task for Pack {
    fn step(&mut self, channel: &mut Channel, outbox: &mut Outbox) -> Result<Progress, Refusal> {
        let room = channel.room(outbox).min(MOST_DATA_BYTES);
        if room == 0 {
            return Ok(Progress::Waits);
        }
        self.make(room)?;
        let count = self.made.len().min(room);
        if count > 0 {
            channel.send(outbox, Kind::Output, &self.made[..count]);
            self.made.drain(..count);
            self.bytes += count as u64;
        }
        if !self.ended || !self.made.is_empty() {
            return Ok(Progress::More);
        }
        Ok(Progress::Done(Event::Done {
            bytes: self.bytes,
            entries: self.entries,
            left_out: self.left_out,
        }))
    }
}
