//! Unpacking, of an archive that may be hostile: it writes nowhere but below the writable folders
//! and through no link, makes no devices, and is given up at its limits. What was unpacked before
//! that stays.

use std::{fs::File, io::Write, os::fd::OwnedFd};

use frames::message::{Links, RefusalCode, TarLimits};
use rustix::{
    fs::{
        AtFlags, Mode, OFlags, Timespec, Timestamps, chmodat, fchmod, futimens, linkat, openat,
        symlinkat, unlinkat,
    },
    io::Errno,
};
use tar::{EntryType, Header};

use super::{
    BLOCK_BYTES, padding,
    records::{self, Extension, MOST_NAME_BYTES, MOST_PAX_BYTES, invalid},
};
use crate::{
    channel::Channel,
    files::{
        Roots,
        roots::{Follow, Place, is_folder, os},
    },
    outbox::Outbox,
    refusal::Refusal,
    task::{Progress, Task, done},
};

/// What the owner needs of a folder, to unpack into it.
const OWNER_ALL: u32 = 0o700;

/// An archive that is being unpacked.
pub struct Unpack {
    roots: std::rc::Rc<Roots>,
    limits: TarLimits,
    links: Links,
    block: [u8; BLOCK_BYTES],
    filled: usize,
    part: Part,
    extension: Extension,
    /// Folders that may not be written into once all is there.
    closed: Vec<(Vec<u8>, u32)>,
    bytes: u64,
    entries: u64,
}

/// What the next bytes of the archive are.
enum Part {
    Header,
    /// Bytes of an entry, then its padding.
    Bytes {
        to: To,
        left: u64,
        padding: usize,
    },
    /// After the zeros at the end.
    End,
}

enum To {
    File { file: File, modified_s: u64 },
    Name { is_link: bool, bytes: Vec<u8> },
    Pax(Vec<u8>),
    Nothing,
}

impl Unpack {
    pub fn new(roots: std::rc::Rc<Roots>, limits: TarLimits, links: Links) -> Self {
        Self {
            roots,
            limits,
            links,
            block: [0; BLOCK_BYTES],
            filled: 0,
            part: Part::Header,
            extension: Extension::default(),
            closed: Vec::new(),
            bytes: 0,
            entries: 0,
        }
    }

    /// Takes some of the input; how much.
    fn take(&mut self, input: &[u8]) -> Result<usize, Refusal> {
        match &mut self.part {
            Part::End => Ok(input.len()),
            Part::Header => {
                let count = input.len().min(BLOCK_BYTES - self.filled);
                self.block[self.filled..][..count].copy_from_slice(&input[..count]);
                self.filled += count;
                if self.filled == BLOCK_BYTES {
                    self.filled = 0;
                    self.part = match records::read(&self.block)? {
                        Some(header) => self.header(&header)?,
                        None => Part::End,
                    };
                    self.finish_part()?;
                }
                Ok(count)
            }
            Part::Bytes { to, left, padding } => {
                let count = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(input.len());
                match to {
                    To::File { file, .. } => file.write_all(&input[..count])?,
                    To::Name { bytes, .. } | To::Pax(bytes) => {
                        bytes.extend_from_slice(&input[..count]);
                    }
                    To::Nothing => {}
                }
                *left -= count as u64;
                let skipped = match *left {
                    0 => (*padding).min(input.len() - count),
                    _ => 0,
                };
                *padding -= skipped;
                self.finish_part()?;
                Ok(count + skipped)
            }
        }
    }

    /// Ends an entry whose bytes are all there.
    fn finish_part(&mut self) -> Result<(), Refusal> {
        if !matches!(
            self.part,
            Part::Bytes {
                left: 0,
                padding: 0,
                ..
            }
        ) {
            return Ok(());
        }
        let Part::Bytes { to, .. } = std::mem::replace(&mut self.part, Part::Header) else {
            return Ok(());
        };
        match to {
            To::File { file, modified_s } => {
                let time = Timespec {
                    tv_sec: i64::try_from(modified_s).unwrap_or(0),
                    tv_nsec: 0,
                };
                let times = Timestamps {
                    last_access: time,
                    last_modification: time,
                };
                futimens(&file, &times)?;
            }
            To::Name { is_link, bytes } => self.extension.long(is_link, bytes),
            To::Pax(bytes) => self.extension.pax(&bytes)?,
            To::Nothing => {}
        }
        Ok(())
    }

    fn header(&mut self, header: &Header) -> Result<Part, Refusal> {
        let damaged = |_| invalid("a header of the archive is damaged");
        let size = header.entry_size().map_err(damaged)?;
        let part = |to, size| {
            let padding = padding(size);
            let left = size;
            Ok(Part::Bytes { to, left, padding })
        };
        let kind = header.entry_type();
        let bounded = |most| match size {
            size if size <= most => Ok(Vec::new()),
            _ => Err(invalid("a name in the archive is too long")),
        };
        match kind {
            EntryType::GNULongName | EntryType::GNULongLink => {
                let is_link = kind == EntryType::GNULongLink;
                let bytes = bounded(MOST_NAME_BYTES)?;
                return part(To::Name { is_link, bytes }, size);
            }
            EntryType::XHeader => return part(To::Pax(bounded(MOST_PAX_BYTES)?), size),
            EntryType::XGlobalHeader => {
                bounded(MOST_PAX_BYTES)?;
                return part(To::Nothing, size);
            }
            _ => {}
        }
        let extension = std::mem::take(&mut self.extension);
        let size = extension.size.unwrap_or(size);
        self.count(size)?;
        let path = checked(&extension.name_of(header))?;
        let link = extension.link_of(header);
        match kind {
            EntryType::Directory => {
                self.folder(&path, header.mode().map_err(damaged)?)?;
                part(To::Nothing, size)
            }
            EntryType::Symlink => {
                self.symlink(&path, &link)?;
                part(To::Nothing, size)
            }
            EntryType::Link => {
                self.hard_link(&path, &checked(&link)?)?;
                part(To::Nothing, size)
            }
            EntryType::Regular | EntryType::Continuous => {
                let mode = header.mode().map_err(damaged)?;
                let modified_s = header.mtime().map_err(damaged)?;
                let file = self.file(&path, mode)?;
                part(To::File { file, modified_s }, size)
            }
            EntryType::Block | EntryType::Char | EntryType::Fifo => {
                Err(invalid("the archive has a device or a pipe in it"))
            }
            _ => Err(Refusal::new(
                RefusalCode::Unsupported,
                "the archive has an entry of an unknown kind",
            )),
        }
    }

    fn count(&mut self, size: u64) -> Result<(), Refusal> {
        self.entries += 1;
        self.bytes = self.bytes.saturating_add(size);
        let words = if self.entries > self.limits.entries {
            format!("the archive has more than {} entries", self.limits.entries)
        } else if self.bytes > self.limits.bytes {
            format!("the archive has more than {} bytes", self.limits.bytes)
        } else {
            return Ok(());
        };
        Err(Refusal::new(RefusalCode::Limit, words))
    }

    /// The folder that an entry goes into, with its name; what is there and isn't a folder is removed.
    fn make_room(&self, path: &[u8]) -> Result<(OwnedFd, Vec<u8>), Refusal> {
        let place = self.roots.locate(path)?;
        let (folder, name) = self.roots.made_parent(&place, Follow::Never)?;
        match unlinkat(&folder, os(&name), AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok((folder, name)),
            Err(Errno::ISDIR | Errno::PERM) if is_folder(&folder, &name) => {
                Err(invalid("the archive has a file where a folder is"))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn file(&self, path: &[u8], mode: u32) -> Result<File, Refusal> {
        let (folder, name) = self.make_room(path)?;
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&folder, os(&name), flags, Mode::from_raw_mode(0o600))?;
        fchmod(&file, Mode::from_raw_mode(mode & 0o777))?;
        Ok(file.into())
    }

    fn folder(&mut self, path: &[u8], mode: u32) -> Result<(), Refusal> {
        if self.roots.is_above(path) {
            // The writable folders are there, and keep what they are.
            return Ok(());
        }
        let place = self.roots.locate(path)?;
        let (parent, name) = self.roots.made_parent(&place, Follow::Never)?;
        if !is_folder(&parent, &name) {
            match unlinkat(&parent, os(&name), AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.roots.made(&place, Follow::Never)?;
        let mode = mode & 0o777;
        if mode & OWNER_ALL == OWNER_ALL {
            return change_mode(&parent, &name, mode);
        }
        change_mode(&parent, &name, mode | OWNER_ALL)?;
        self.closed.push((path.to_vec(), mode));
        Ok(())
    }

    fn symlink(&self, path: &[u8], target: &[u8]) -> Result<(), Refusal> {
        if target.is_empty() || target.contains(&0) {
            return Err(invalid("the archive has a link that leads nowhere"));
        }
        if self.links == Links::Inside {
            let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
            let whole = match target[0] {
                b'/' => target.to_vec(),
                _ => [&path[..end], target].join(&b'/'),
            };
            self.roots.locate(&whole).map_err(|_| {
                let words = "the archive has a link out of the writable folders";
                Refusal::new(RefusalCode::Outside, words)
            })?;
        }
        let (folder, name) = self.make_room(path)?;
        Ok(symlinkat(os(target), &folder, os(&name))?)
    }

    fn hard_link(&self, path: &[u8], target: &[u8]) -> Result<(), Refusal> {
        let place = |path| -> Result<Place, Refusal> { self.roots.locate(path) };
        let (from, from_name) = self.roots.parent(&place(target)?, Follow::Never)?;
        if place(path)? == place(target)? {
            return Err(invalid("the archive has a link that leads to itself"));
        }
        let (folder, name) = self.make_room(path)?;
        let (from_name, name) = (os(&from_name), os(&name));
        Ok(linkat(&from, from_name, &folder, name, AtFlags::empty())?)
    }

    fn finish(&mut self) -> Result<Progress, Refusal> {
        let is_whole = match self.part {
            Part::End => true,
            // Some programs leave out the zeros.
            Part::Header => self.filled == 0,
            Part::Bytes { .. } => false,
        };
        if !is_whole {
            return Err(invalid("the archive is cut"));
        }
        // From the inside out: those that hold others come before them.
        while let Some((path, mode)) = self.closed.pop() {
            let (parent, name) = self
                .roots
                .parent(&self.roots.locate(&path)?, Follow::Never)?;
            if is_folder(&parent, &name) {
                change_mode(&parent, &name, mode)?;
            }
        }
        Ok(Progress::Done(done(self.bytes, self.entries)))
    }
}

/// Changes the permissions of a folder. A link that took its place meanwhile leads, for whoever put
/// it there, only to what that one may change too.
fn change_mode(parent: &OwnedFd, name: &[u8], mode: u32) -> Result<(), Refusal> {
    let mode = Mode::from_raw_mode(mode);
    Ok(chmodat(parent, os(name), mode, AtFlags::empty())?)
}

/// An entry's absolute path, if its name is one that an honest archive has.
fn checked(name: &[u8]) -> Result<Vec<u8>, Refusal> {
    if name.first() == Some(&b'/') {
        return Err(invalid("the archive has an absolute name in it"));
    }
    if name.split(|byte| *byte == b'/').any(|part| part == b"..") {
        return Err(invalid("the archive has a name with .. in it"));
    }
    Ok([b"/", name].concat())
}

impl Task for Unpack {
    fn step(&mut self, channel: &mut Channel, outbox: &mut Outbox) -> Result<Progress, Refusal> {
        let Some(piece) = channel.input() else {
            return if channel.is_over() {
                self.finish()
            } else {
                Ok(Progress::Waits)
            };
        };
        let mut used = 0;
        while used < piece.len() {
            used += self.take(&piece[used..])?;
        }
        channel.use_input(used, outbox);
        Ok(Progress::More)
    }
}
