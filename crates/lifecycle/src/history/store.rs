//! Objects in git's own format, one file each, in a folder that is ours alone. Reading and writing
//! them looks at no configuration and runs nothing.

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    str::FromStr,
};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use gix_hash::ObjectId;
use gix_object::Kind;

use super::error::HistoryError;
use crate::{
    atomic_file::{self, Durability},
    paths::{give_like_folder, make_private_dir},
};

/// The hash of all ids.
pub(super) const HASH: gix_hash::Kind = gix_hash::Kind::Sha1;

/// The folder `objects` of a bare repository.
#[derive(Clone, Debug)]
pub(super) struct Store {
    folder: PathBuf,
}

impl Store {
    pub(super) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn file(&self, id: &ObjectId) -> PathBuf {
        let hex = id.to_string();
        let (folder, name) = hex.split_at(2);
        self.folder.join(folder).join(name)
    }

    /// Whether an object is there. One that a power cut left empty isn't.
    pub(super) fn has(&self, id: &ObjectId) -> bool {
        fs::metadata(self.file(id)).is_ok_and(|found| found.len() > 0)
    }

    /// The id that content has; `None` if it was made to collide with another's.
    pub(super) fn id_of(kind: Kind, bytes: &[u8]) -> Option<ObjectId> {
        gix_object::compute_hash(HASH, kind, bytes).ok()
    }

    /// Stores an object under its id; answers whether it wasn't there before.
    pub(super) fn write(
        &self,
        id: &ObjectId,
        kind: Kind,
        bytes: &[u8],
    ) -> Result<bool, HistoryError> {
        if self.has(id) {
            return Ok(false);
        }
        let path = self.file(id);
        let failed = |error| HistoryError::file("write", &path)(error);
        let folder = path.parent().unwrap_or(&self.folder);
        make_private_dir(folder).map_err(failed)?;
        // One that a power cut left damaged is noticed by its id, and stored again.
        let written = atomic_file::put(&path, Durability::Replaceable, |file, place| {
            let mut packed = ZlibEncoder::new(file, Compression::fast());
            packed.write_all(&gix_object::encode::loose_header(kind, bytes.len() as u64))?;
            packed.write_all(bytes)?;
            packed.finish()?;
            give_like_folder(place)
        });
        written.map_err(failed)?;
        Ok(true)
    }

    /// Reads an object of this kind.
    pub(super) fn read(&self, id: &ObjectId, kind: Kind) -> Result<Vec<u8>, HistoryError> {
        match self.read_any(id)? {
            (found, bytes) if found == kind => Ok(bytes),
            _ => Err(HistoryError::Damaged { id: *id }),
        }
    }

    /// Reads an object of any kind. One that is damaged is removed, so that it is stored again.
    pub(super) fn read_any(&self, id: &ObjectId) -> Result<(Kind, Vec<u8>), HistoryError> {
        let path = self.file(id);
        unpack(self.open(id)?, id).ok_or_else(|| {
            if let Err(error) = fs::remove_file(&path) {
                tracing::debug!(%error, %id, "a damaged object can't be removed");
            }
            HistoryError::Damaged { id: *id }
        })
    }

    /// Reads the beginning of a file's content, up to so many bytes, and whether that is all of it.
    pub(super) fn read_start(
        &self,
        id: &ObjectId,
        most: usize,
    ) -> Result<(Vec<u8>, bool), HistoryError> {
        let damaged = || HistoryError::Damaged { id: *id };
        let (kind, size, content) = header(self.open(id)?).ok_or_else(damaged)?;
        if kind != Kind::Blob {
            return Err(damaged());
        }
        if size <= most as u64 {
            return Ok((self.read(id, Kind::Blob)?, true));
        }
        let mut bytes = Vec::new();
        let mut content = content.take(most as u64);
        let read = content.read_to_end(&mut bytes);
        read.map_err(HistoryError::file("read", &self.file(id)))?;
        Ok((bytes, false))
    }

    fn open(&self, id: &ObjectId) -> Result<fs::File, HistoryError> {
        let path = self.file(id);
        fs::File::open(&path).map_err(|error| match error.kind() {
            ErrorKind::NotFound => HistoryError::Missing { id: id.to_string() },
            _ => HistoryError::file("read", &path)(error),
        })
    }

    /// Removes all objects but those that `stays` says yes to; answers how many went.
    pub(super) fn sweep(&self, stays: impl Fn(&ObjectId) -> bool) -> Result<usize, HistoryError> {
        let mut gone = 0;
        for (folder, start) in children(&self.folder)? {
            if start.len() != 2 {
                continue;
            }
            for (path, rest) in children(&folder)? {
                // What isn't named like one was left by a write that was cut off.
                let id = ObjectId::from_str(&format!("{start}{rest}")).ok();
                if id.is_some_and(|id| stays(&id)) {
                    continue;
                }
                fs::remove_file(&path).map_err(HistoryError::file("remove", &path))?;
                gone += 1;
            }
        }
        Ok(gone)
    }
}

/// No object that was stored is larger unpacked; a damaged one might be.
const LARGEST: u64 = 256 << 20;

fn unpack(packed: fs::File, id: &ObjectId) -> Option<(Kind, Vec<u8>)> {
    let (kind, size, content) = header(packed)?;
    // In memory once, and not twice while it grows.
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(LARGEST)).ok()?);
    content.take(LARGEST).read_to_end(&mut bytes).ok()?;
    let is_whole = size == bytes.len() as u64 && Store::id_of(kind, &bytes).as_ref() == Some(id);
    is_whole.then_some((kind, bytes))
}

/// What an object is and how long; its content can be read on.
fn header(packed: fs::File) -> Option<(Kind, u64, impl Read)> {
    /// A kind, a number and a zero byte.
    const LONGEST: u64 = 32;
    let mut unpacked = BufReader::new(ZlibDecoder::new(packed));
    let mut words = Vec::new();
    let mut start = unpacked.by_ref().take(LONGEST);
    start.read_until(0, &mut words).ok()?;
    let (kind, size, _) = gix_object::decode::loose_header(&words).ok()?;
    Some((kind, size, unpacked))
}

fn children(folder: &Path) -> Result<Vec<(PathBuf, String)>, HistoryError> {
    let failed = |error| HistoryError::file("read", folder)(error);
    let mut found = Vec::new();
    for child in fs::read_dir(folder).map_err(failed)? {
        let child = child.map_err(failed)?;
        found.push((
            child.path(),
            child.file_name().to_string_lossy().into_owned(),
        ));
    }
    Ok(found)
}
