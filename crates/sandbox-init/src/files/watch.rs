//! What changes in a folder, as inotify tells it.

use std::{
    collections::BTreeMap,
    mem::MaybeUninit,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    rc::Rc,
};

use frames::{
    Name,
    credit::ENTRY_BYTES,
    message::{Change, ChangeKind, Event, RefusalCode},
};
use rustix::{
    fs::{
        Dir, Mode, OFlags,
        inotify::{CreateFlags, ReadFlags, Reader, WatchFlags, add_watch, init},
        openat,
    },
    io::Errno,
};

use super::roots::{Follow, Place, Roots, is_folder, os};
use crate::{
    channel::Channel,
    outbox::Outbox,
    refusal::Refusal,
    task::{Progress, Task, done},
};

/// The most folders of one watch.
const MOST_FOLDERS: usize = 1024;
/// The most changes of one event.
const MOST_CHANGES: usize = 32;
/// The most changes that wait to be told.
const MOST_HELD: usize = 4096;
/// The deepest folder that is watched.
const MOST_DEPTH: usize = 64;

/// A watch.
pub struct Watch {
    inotify: OwnedFd,
    roots: Rc<Roots>,
    /// The watched folder. It isn't held open: inotify tells the end of a folder only after its last
    /// descriptor is closed.
    place: Place,
    /// Paths below the watched folder by inotify's numbers; the folder's own is empty.
    folders: BTreeMap<i32, Vec<u8>>,
    recursive: bool,
    begun: bool,
    /// Found and not told yet.
    changes: Vec<Change>,
    missed: bool,
    is_gone: bool,
}

impl Watch {
    pub fn new(roots: Rc<Roots>, place: Place, recursive: bool) -> Result<Self, Refusal> {
        let mut watch = Self {
            inotify: init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?,
            roots,
            place,
            folders: BTreeMap::new(),
            recursive,
            begun: false,
            changes: Vec::new(),
            missed: false,
            is_gone: false,
        };
        watch.add(Vec::new(), false)?;
        Ok(watch)
    }

    /// Watches a folder, and if that is wanted those below. What is in a folder that appeared just now
    /// may have been made before it was watched.
    fn add(&mut self, path: Vec<u8>, is_new: bool) -> Result<(), Refusal> {
        let mut ahead = vec![path];
        while let Some(path) = ahead.pop() {
            if self.folders.len() >= MOST_FOLDERS {
                let words = format!("more than {MOST_FOLDERS} folders to watch");
                return Err(Refusal::new(RefusalCode::Limit, words));
            }
            let folder = match self.open(&path) {
                Ok(folder) => folder,
                // It vanished meanwhile, or is in the place of one that did.
                Err(_) if !path.is_empty() => continue,
                Err(refusal) => return Err(refusal),
            };
            let flags = WatchFlags::CREATE
                | WatchFlags::CLOSE_WRITE
                | WatchFlags::MODIFY
                | WatchFlags::ATTRIB
                | WatchFlags::DELETE
                | WatchFlags::MOVED_FROM
                | WatchFlags::MOVED_TO
                | WatchFlags::DELETE_SELF
                | WatchFlags::MOVE_SELF
                | WatchFlags::ONLYDIR;
            // By our own descriptor, since inotify takes no other than a path.
            let by = format!("/proc/self/fd/{}", folder.as_raw_fd());
            let number = add_watch(&self.inotify, by, flags)?;
            self.folders.insert(number, path.clone());
            if !self.recursive || path.split(|byte| *byte == b'/').count() > MOST_DEPTH {
                continue;
            }
            let mut entries = Dir::read_from(&folder)?;
            while let Some(Ok(found)) = entries.read() {
                let name = found.file_name().to_bytes();
                if name == b"." || name == b".." {
                    continue;
                }
                let below = joined(&path, name);
                if is_new {
                    self.note(below.clone(), ChangeKind::Created);
                }
                if is_folder(&folder, name) {
                    ahead.push(below);
                }
            }
        }
        Ok(())
    }

    /// Opens a folder below, whose path has no link in it.
    fn open(&self, path: &[u8]) -> Result<OwnedFd, Refusal> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut folder = self.roots.open(&self.place, flags, Follow::Inside)?;
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for name in path
            .split(|byte| *byte == b'/')
            .filter(|name| !name.is_empty())
        {
            folder = openat(&folder, os(name), flags, Mode::empty())?;
        }
        Ok(folder)
    }

    fn note(&mut self, path: Vec<u8>, kind: ChangeKind) {
        if self.changes.len() >= MOST_HELD {
            self.missed = true;
            return;
        }
        let change = Change {
            path: Name(path),
            kind,
        };
        // Of a file that is written piece by piece it is told once.
        if self.changes.last() != Some(&change) {
            self.changes.push(change);
        }
    }

    /// Takes in what inotify has, as far as there is room for it.
    fn read(&mut self) -> Result<(), Refusal> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let inotify = self.inotify.try_clone()?;
        let mut reader = Reader::new(inotify, &mut buffer);
        // All that was read has to be used: the reader goes with the buffer.
        while self.changes.len() < MOST_CHANGES || !reader.is_buffer_empty() {
            let (number, what, name) = match reader.next() {
                Ok(event) => {
                    let name = event.file_name().map(|name| name.to_bytes().to_vec());
                    (event.wd(), event.events(), name)
                }
                Err(Errno::INTR) => continue,
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            self.take(number, what, name)?;
        }
        Ok(())
    }

    fn take(&mut self, number: i32, what: ReadFlags, name: Option<Vec<u8>>) -> Result<(), Refusal> {
        if what.contains(ReadFlags::QUEUE_OVERFLOW) {
            self.missed = true;
            return Ok(());
        }
        if what.contains(ReadFlags::IGNORED) {
            self.folders.remove(&number);
            return Ok(());
        }
        let Some(folder) = self.folders.get(&number) else {
            return Ok(());
        };
        let Some(name) = name else {
            if folder.is_empty() && what.intersects(ReadFlags::DELETE_SELF | ReadFlags::MOVE_SELF) {
                self.is_gone = true;
            }
            return Ok(());
        };
        let path = joined(folder, &name);
        let kinds = [
            (ReadFlags::CREATE, ChangeKind::Created),
            (ReadFlags::MODIFY, ChangeKind::Written),
            (ReadFlags::CLOSE_WRITE, ChangeKind::Written),
            (ReadFlags::ATTRIB, ChangeKind::Attributes),
            (ReadFlags::DELETE, ChangeKind::Removed),
            (ReadFlags::MOVED_FROM, ChangeKind::MovedFrom),
            (ReadFlags::MOVED_TO, ChangeKind::MovedTo),
        ];
        for (flag, kind) in kinds {
            if what.contains(flag) {
                self.note(path.clone(), kind);
            }
        }
        if !self.recursive || !what.contains(ReadFlags::ISDIR) {
            return Ok(());
        }
        if what.contains(ReadFlags::MOVED_FROM) {
            // What is below it is known by paths that are no more.
            let below = joined(&path, b"");
            self.folders
                .retain(|_, known| *known != path && !known.starts_with(&below));
        }
        if what.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
            self.add(path, what.contains(ReadFlags::CREATE))?;
        }
        Ok(())
    }
}

fn joined(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() {
        return name.to_vec();
    }
    [folder, name].join(&b'/')
}

impl Task for Watch {
    fn step(&mut self, channel: &mut Channel, outbox: &mut Outbox) -> Result<Progress, Refusal> {
        if !self.begun {
            self.begun = true;
            outbox.event(channel.stream, Event::Started { pid: None });
        }
        let room = channel.room(outbox) / ENTRY_BYTES;
        if room == 0 {
            return Ok(Progress::Waits);
        }
        if self.changes.is_empty() {
            self.read()?;
        }
        if self.changes.is_empty() && !self.missed {
            return Ok(match self.is_gone {
                true => Progress::Done(done(0, 0)),
                false => Progress::Waits,
            });
        }
        let count = self.changes.len().min(room).min(MOST_CHANGES);
        let changes: Vec<Change> = self.changes.drain(..count).collect();
        let missed = std::mem::take(&mut self.missed);
        channel.send_entries(outbox, count.max(1), Event::Changed { changes, missed });
        Ok(Progress::More)
    }

    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        Some(self.inotify.as_fd())
    }
}
