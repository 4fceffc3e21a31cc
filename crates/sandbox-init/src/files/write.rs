//! Writing a file: beside it, then in its place.

use std::{
    fs::File,
    io::Write as _,
    os::fd::OwnedFd,
    sync::atomic::{AtomicU64, Ordering},
};

use frames::message::RefusalCode;
use rustix::{
    fs::{AtFlags, FileType, Mode, OFlags, fchmod, openat, renameat, statat, unlinkat},
    io::Errno,
};

use super::roots::{Follow, Place, Roots, os};
use crate::{
    channel::Channel,
    outbox::Outbox,
    refusal::Refusal,
    task::{Progress, Task, done},
};

/// Permissions of a new file.
const NEW_FILE: u32 = 0o644;

/// A file that is being written.
pub struct Write {
    folder: OwnedFd,
    name: Vec<u8>,
    aside: Vec<u8>,
    file: File,
    mode: Mode,
    written: u64,
    /// Whether it is in its place; if not, nothing of it stays.
    in_place: bool,
}

impl Write {
    pub fn new(
        roots: &Roots,
        place: &Place,
        mode: Option<u32>,
        parents: bool,
    ) -> Result<Self, Refusal> {
        let (folder, name) = if parents {
            roots.made_parent(place, Follow::Inside)?
        } else {
            roots.parent(place, Follow::Inside)?
        };
        let mode = mode_of(&folder, &name, mode)?;
        let (aside, file) = create(&folder)?;
        Ok(Self {
            folder,
            name,
            aside,
            file: file.into(),
            mode,
            written: 0,
            in_place: false,
        })
    }
}

/// The permissions that are asked for, or those of the file that is replaced.
fn mode_of(folder: &OwnedFd, name: &[u8], mode: Option<u32>) -> Result<Mode, Refusal> {
    let there = statat(folder, os(name), AtFlags::SYMLINK_NOFOLLOW);
    let kept = match there.map(|it| (FileType::from_raw_mode(it.st_mode), it.st_mode)) {
        Ok((FileType::Directory, _)) => {
            return Err(Refusal::new(
                RefusalCode::NotAFile,
                "there is a folder of this name",
            ));
        }
        Ok((FileType::RegularFile, mode)) => mode,
        Ok(_) | Err(_) => NEW_FILE,
    };
    Ok(Mode::from_raw_mode(mode.unwrap_or(kept) & 0o777))
}

fn create(folder: &OwnedFd) -> Result<(Vec<u8>, OwnedFd), Refusal> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let aside = format!(".sandbox-{}-{count}.part", std::process::id()).into_bytes();
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(folder, os(&aside), flags, Mode::from_raw_mode(0o600)) {
            Ok(file) => return Ok((aside, file)),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl Task for Write {
    fn step(&mut self, channel: &mut Channel, outbox: &mut Outbox) -> Result<Progress, Refusal> {
        if let Some(piece) = channel.input() {
            self.file.write_all(piece)?;
            let length = piece.len();
            self.written += length as u64;
            channel.use_input(length, outbox);
        }
        if channel.has_input() {
            return Ok(Progress::More);
        }
        if !channel.is_over() {
            return Ok(Progress::Waits);
        }
        fchmod(&self.file, self.mode)?;
        renameat(&self.folder, os(&self.aside), &self.folder, os(&self.name))?;
        self.in_place = true;
        Ok(Progress::Done(done(self.written, 1)))
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        if !self.in_place {
            let _ = unlinkat(&self.folder, os(&self.aside), AtFlags::empty());
        }
    }
}
