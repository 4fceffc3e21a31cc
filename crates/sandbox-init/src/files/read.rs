//! Reading a file.

use std::{fs::File, os::unix::fs::FileExt};

use frames::{
    Kind, MOST_DATA_BYTES, Name,
    message::{EntryKind, Event, RefusalCode},
};
use rustix::fs::{OFlags, fstat};

use super::{
    entry,
    roots::{Follow, Place, Roots},
};
use crate::{
    channel::Channel,
    outbox::Outbox,
    refusal::Refusal,
    task::{Progress, Task, done},
};

/// A file that is being read.
pub struct Read {
    file: File,
    at: u64,
    left: u64,
    read: u64,
    /// What the host is told first.
    about: Option<Event>,
}

impl Read {
    pub fn new(
        roots: &Roots,
        place: &Place,
        path: Name,
        from: u64,
        length: Option<u64>,
    ) -> Result<Self, Refusal> {
        // A pipe without a writer would wait, and a device do something.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let file = roots.open(place, flags, Follow::Inside)?;
        let about = entry::of(&fstat(&file)?, path);
        if about.kind != EntryKind::File {
            return Err(Refusal::new(
                RefusalCode::NotAFile,
                "this isn't a regular file",
            ));
        }
        Ok(Self {
            file: file.into(),
            at: from,
            left: length.unwrap_or(u64::MAX),
            read: 0,
            about: Some(Event::File(about)),
        })
    }
}

impl Task for Read {
    fn step(&mut self, channel: &mut Channel, outbox: &mut Outbox) -> Result<Progress, Refusal> {
        if let Some(about) = self.about.take() {
            outbox.event(channel.stream, about);
        }
        if self.left == 0 {
            return Ok(Progress::Done(done(self.read, 0)));
        }
        let room = channel.room(outbox).min(MOST_DATA_BYTES);
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(room);
        if most == 0 {
            return Ok(Progress::Waits);
        }
        let mut piece = vec![0; most];
        let count = self.file.read_at(&mut piece, self.at)?;
        if count == 0 {
            return Ok(Progress::Done(done(self.read, 0)));
        }
        self.at += count as u64;
        self.left -= count as u64;
        self.read += count as u64;
        channel.send(outbox, Kind::Output, &piece[..count]);
        Ok(Progress::More)
    }
}
