//! Removing.

use std::os::fd::{AsFd, OwnedFd};

use frames::message::RefusalCode;
use rustix::{
    fs::{AtFlags, Dir, Mode, OFlags, openat, renameat, unlinkat},
    io::Errno,
};

use super::roots::{Follow, Place, Roots, is_folder, os};
use crate::{
    channel::Channel,
    outbox::Outbox,
    refusal::Refusal,
    task::{Progress, Task, done},
};

/// How many entries are removed at a time.
const AT_A_TIME: usize = 256;
/// Deeper folders are moved up before they are removed: each level holds a descriptor.
const MOST_LEVELS: usize = 32;

/// Something that is being removed.
pub struct Remove {
    folder: OwnedFd,
    name: Vec<u8>,
    recursive: bool,
    levels: Vec<Level>,
    removed: u64,
    moved_up: u64,
}

struct Level {
    folder: OwnedFd,
    entries: Dir,
    name: Vec<u8>,
    /// What was removed in this pass: a folder that isn't empty after it is read again.
    removed: u64,
}

impl Remove {
    pub fn new(roots: &Roots, place: &Place, recursive: bool) -> Result<Self, Refusal> {
        let (folder, name) = roots.parent(place, Follow::Inside)?;
        Ok(Self {
            folder,
            name,
            recursive,
            levels: Vec::new(),
            removed: 0,
            moved_up: 0,
        })
    }

    /// Removes what the request names, or enters it. Whether it is gone.
    fn begin(&mut self) -> Result<bool, Refusal> {
        if !is_folder(&self.folder, &self.name) {
            unlinkat(&self.folder, os(&self.name), AtFlags::empty())?;
            self.removed += 1;
            return Ok(true);
        }
        match unlinkat(&self.folder, os(&self.name), AtFlags::REMOVEDIR) {
            Ok(()) => {
                self.removed += 1;
                return Ok(true);
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) if self.recursive => {}
            Err(error) => return Err(error.into()),
        }
        let level = enter(&self.folder, &self.name)?;
        self.levels.push(level);
        Ok(false)
    }

    /// Removes one entry, or goes a level down or up. Whether all is gone.
    fn next(&mut self) -> Result<bool, Refusal> {
        let depth = self.levels.len();
        let Some(level) = self.levels.last_mut() else {
            return Ok(true);
        };
        let Some(found) = level.entries.read() else {
            return self.leave();
        };
        let found = found?;
        let name = found.file_name().to_bytes();
        if name == b"." || name == b".." {
            return Ok(false);
        }
        match unlinkat(&level.folder, os(name), AtFlags::empty()) {
            Ok(()) => {
                level.removed += 1;
                self.removed += 1;
            }
            Err(Errno::NOENT) => {}
            Err(Errno::ISDIR | Errno::PERM) if is_folder(&level.folder, name) => {
                if depth < MOST_LEVELS {
                    let below = enter(&level.folder, name)?;
                    self.levels.push(below);
                } else {
                    self.move_up(name.to_vec())?;
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(false)
    }

    /// Moves a folder that lies too deep to the topmost level, which will be read again.
    fn move_up(&mut self, name: Vec<u8>) -> Result<(), Refusal> {
        if let [top, .., level] = &mut self.levels[..] {
            let above = format!(".sandbox-removed-{}-{}", std::process::id(), self.moved_up);
            self.moved_up += 1;
            renameat(&level.folder, os(&name), &top.folder, os(above.as_bytes()))?;
            level.removed += 1;
            top.removed += 1;
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<bool, Refusal> {
        let Some(level) = self.levels.pop() else {
            return Ok(true);
        };
        let above = self.levels.last_mut();
        let folder = above.as_ref().map_or(&self.folder, |above| &above.folder);
        match unlinkat(folder, os(&level.name), AtFlags::REMOVEDIR) {
            Ok(()) => {
                self.removed += 1;
                if let Some(above) = above {
                    above.removed += 1;
                }
            }
            Err(Errno::NOENT) => {}
            // Some file systems skip entries while others are removed.
            Err(Errno::NOTEMPTY | Errno::EXIST) if level.removed > 0 => {
                let again = enter(folder, &level.name)?;
                self.levels.push(again);
                return Ok(false);
            }
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                let words = "something is being written into the folder";
                return Err(Refusal::new(RefusalCode::NotEmpty, words));
            }
            Err(error) => return Err(error.into()),
        }
        Ok(self.levels.is_empty())
    }
}

fn enter(folder: impl AsFd, name: &[u8]) -> Result<Level, Refusal> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = openat(folder, os(name), flags, Mode::empty())?;
    Ok(Level {
        entries: Dir::read_from(&folder)?,
        folder,
        name: name.to_vec(),
        removed: 0,
    })
}

impl Task for Remove {
    fn step(&mut self, _: &mut Channel, _: &mut Outbox) -> Result<Progress, Refusal> {
        let mut is_gone = self.levels.is_empty() && self.begin()?;
        for _ in 0..AT_A_TIME {
            if is_gone {
                return Ok(Progress::Done(done(0, self.removed)));
            }
            is_gone = self.next()?;
        }
        Ok(Progress::More)
    }
}
