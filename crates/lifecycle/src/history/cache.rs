//! Which content files had when they were read last, so that a look at `/repo` reads only what
//! changed since. A file of ours beside the objects; without it all is read again.

use std::{collections::HashMap, fs, io::Write, path::Path, str::FromStr};

use gix_hash::ObjectId;

use super::{error::HistoryError, path::RepoPath, stamp::Stamp};
use crate::{
    atomic_file::{self, Durability},
    paths::give_like_folder,
};

/// The first line; another one is another format.
const FORMAT: &[u8] = b"vivarium files 1";

/// Contents by path.
#[derive(Debug, Default)]
pub(super) struct Cache {
    known: HashMap<RepoPath, (Stamp, ObjectId)>,
}

impl Cache {
    /// Reads it; one that can't be read knows nothing.
    pub(super) fn read(path: &Path) -> Self {
        let bytes = fs::read(path).unwrap_or_default();
        // Paths have no zero bytes.
        let mut lines = bytes.split(|byte| *byte == 0);
        let mut cache = Self::default();
        if lines.next() != Some(FORMAT) {
            return cache;
        }
        while let (Some(path), Some(words)) = (lines.next(), lines.next()) {
            if let Some(known) = parse(words) {
                cache.known.insert(RepoPath::new(path), known);
            }
        }
        cache
    }

    /// The content of a file that has not changed since.
    pub(super) fn get(&self, path: &RepoPath, stamp: &Stamp) -> Option<ObjectId> {
        let (known, id) = self.known.get(path)?;
        (known == stamp).then_some(*id)
    }

    /// Notes what a file has.
    pub(super) fn note(&mut self, path: RepoPath, stamp: Stamp, id: ObjectId) {
        self.known.insert(path, (stamp, id));
    }

    /// Writes it.
    pub(super) fn write(&self, path: &Path) -> Result<(), HistoryError> {
        let failed = |error| HistoryError::file("write", path)(error);
        let mut bytes = FORMAT.to_vec();
        for (name, (stamp, id)) in &self.known {
            bytes.push(0);
            bytes.extend_from_slice(name.as_bytes());
            let Stamp {
                device,
                inode,
                size,
                modified_ns,
                changed_ns,
            } = stamp;
            let words = format!("{device} {inode} {size} {modified_ns} {changed_ns} {id}");
            bytes.push(0);
            bytes.extend_from_slice(words.as_bytes());
        }
        let written = atomic_file::put(path, Durability::Replaceable, |file, place| {
            file.write_all(&bytes)?;
            give_like_folder(place)
        });
        written.map_err(failed)
    }
}

fn parse(words: &[u8]) -> Option<(Stamp, ObjectId)> {
    let mut words = std::str::from_utf8(words).ok()?.split(' ');
    let stamp = Stamp {
        device: words.next()?.parse().ok()?,
        inode: words.next()?.parse().ok()?,
        size: words.next()?.parse().ok()?,
        modified_ns: words.next()?.parse().ok()?,
        changed_ns: words.next()?.parse().ok()?,
    };
    Some((stamp, ObjectId::from_str(words.next()?).ok()?))
}
