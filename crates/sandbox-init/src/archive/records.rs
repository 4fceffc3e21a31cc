//! Headers of an archive, and what extends them: GNU's long names and the records of pax.

use std::borrow::Cow;

use frames::message::RefusalCode;
use rustix::fs::{FileType, Stat};
use tar::{EntryType, Header};

use super::{BLOCK_BYTES, padding};
use crate::refusal::Refusal;

/// How many bytes of a name a header holds.
const NAME_BYTES: usize = 100;
const LONG_NAME: &[u8] = b"././@LongLink";
/// Linux's own limit for a path, with the zero that ends it.
pub const MOST_NAME_BYTES: u64 = 4096;
/// More than two such names and a few numbers.
pub const MOST_PAX_BYTES: u64 = 64 << 10;

/// Appends an entry's header, with records for names that don't fit.
#[allow(clippy::unnecessary_cast)]
pub fn write(name: &[u8], found: &Stat, link: Option<(EntryType, &[u8])>, into: &mut Vec<u8>) {
    let mut header = Header::new_gnu();
    let kind = match link {
        Some((kind, _)) => kind,
        None => match FileType::from_raw_mode(found.st_mode) {
            FileType::Directory => EntryType::Directory,
            _ => EntryType::Regular,
        },
    };
    header.set_entry_type(kind);
    header.set_mode(found.st_mode & 0o7777);
    header.set_uid(found.st_uid.into());
    header.set_gid(found.st_gid.into());
    header.set_mtime(u64::try_from(found.st_mtime as i64).unwrap_or(0));
    let size = match kind {
        EntryType::Regular => u64::try_from(found.st_size).unwrap_or(0),
        _ => 0,
    };
    header.set_size(size);
    if let Some((_, target)) = link {
        if target.len() > NAME_BYTES {
            long(EntryType::GNULongLink, target, into);
        }
        if let Some(gnu) = header.as_gnu_mut() {
            put(&mut gnu.linkname, target);
        }
    }
    if name.len() > NAME_BYTES {
        long(EntryType::GNULongName, name, into);
    }
    if let Some(gnu) = header.as_gnu_mut() {
        put(&mut gnu.name, name);
    }
    header.set_cksum();
    into.extend_from_slice(header.as_bytes());
}

fn put(field: &mut [u8; NAME_BYTES], name: &[u8]) {
    let length = name.len().min(NAME_BYTES);
    field[..length].copy_from_slice(&name[..length]);
}

fn long(kind: EntryType, name: &[u8], into: &mut Vec<u8>) {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o644);
    let size = name.len() as u64 + 1;
    header.set_size(size);
    if let Some(gnu) = header.as_gnu_mut() {
        put(&mut gnu.name, LONG_NAME);
    }
    header.set_cksum();
    into.extend_from_slice(header.as_bytes());
    into.extend_from_slice(name);
    into.resize(into.len() + 1 + padding(size), 0);
}

/// Reads a header; none for a block of zeros, with which an archive ends.
pub fn read(block: &[u8; BLOCK_BYTES]) -> Result<Option<Header>, Refusal> {
    if block.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let header = Header::from_byte_slice(block);
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| match at {
            // The sum itself counts as blanks.
            148..156 => u32::from(b' '),
            _ => u32::from(*byte),
        })
        .sum();
    if !header.cksum().is_ok_and(|written| written == sum) {
        return Err(invalid("a header of the archive is damaged"));
    }
    Ok(Some(header.clone()))
}

/// What records before a header say of the entry.
#[derive(Debug, Default)]
pub struct Extension {
    pub name: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub size: Option<u64>,
}

impl Extension {
    /// Takes the bytes of a GNU long name.
    pub fn long(&mut self, is_link: bool, mut bytes: Vec<u8>) {
        let end = bytes.iter().position(|byte| *byte == 0);
        bytes.truncate(end.unwrap_or(bytes.len()));
        let field = if is_link {
            &mut self.link
        } else {
            &mut self.name
        };
        *field = Some(bytes);
    }

    /// Takes the records of pax: a length in digits, a blank, a key, an equals sign, a value and the
    /// end of the line; the length is that of all this.
    pub fn pax(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let wrong = || invalid("a pax record of the archive is invalid");
        let mut rest = bytes;
        while !rest.is_empty() {
            let blank = rest
                .iter()
                .position(|byte| *byte == b' ')
                .ok_or_else(wrong)?;
            let length = number(&rest[..blank]).ok_or_else(wrong)?;
            let length = usize::try_from(length).map_err(|_| wrong())?;
            if length <= blank + 1 || rest.len() < length || rest[length - 1] != b'\n' {
                return Err(wrong());
            }
            let record = &rest[blank + 1..length - 1];
            let equals = record
                .iter()
                .position(|byte| *byte == b'=')
                .ok_or_else(wrong)?;
            let value = &record[equals + 1..];
            match &record[..equals] {
                b"path" => self.name = Some(value.to_vec()),
                b"linkpath" => self.link = Some(value.to_vec()),
                b"size" => self.size = Some(number(value).ok_or_else(wrong)?),
                _ => {}
            }
            rest = &rest[length..];
        }
        Ok(())
    }

    /// The entry's name.
    pub fn name_of<'a>(&'a self, header: &'a Header) -> Cow<'a, [u8]> {
        match &self.name {
            Some(name) => Cow::Borrowed(name),
            None => header.path_bytes(),
        }
    }

    /// Where the entry's link leads to.
    pub fn link_of<'a>(&'a self, header: &'a Header) -> Cow<'a, [u8]> {
        match &self.link {
            Some(link) => Cow::Borrowed(link),
            None => header.link_name_bytes().unwrap_or_default(),
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

pub fn invalid(words: &str) -> Refusal {
    Refusal::new(RefusalCode::Invalid, words)
}
