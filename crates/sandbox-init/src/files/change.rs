//! What is done to a file in one step: a look, a move, a new folder.

use frames::{
    Name,
    message::{Event, RefusalCode},
};
use rustix::{
    fs::{OFlags, RenameFlags, fstat, mkdirat, renameat, renameat_with},
    io::Errno,
};

use super::{
    entry,
    roots::{Follow, NEW_FOLDER, Place, Roots, is_folder, os},
};
use crate::{refusal::Refusal, task::done};

/// What is at a path.
pub fn stat(roots: &Roots, place: &Place, path: Name) -> Result<Event, Refusal> {
    if place.is_root() {
        let folder = roots.open(place, OFlags::PATH, Follow::Inside)?;
        return Ok(Event::Entry(entry::of(&fstat(&folder)?, path)));
    }
    let (folder, name) = roots.parent(place, Follow::Inside)?;
    Ok(Event::Entry(entry::entry(&folder, &name, path)?))
}

/// Renames.
pub fn rename(roots: &Roots, from: &Place, to: &Place, replace: bool) -> Result<Event, Refusal> {
    let (from_folder, from_name) = roots.parent(from, Follow::Inside)?;
    let (to_folder, to_name) = roots.parent(to, Follow::Inside)?;
    let (from_name, to_name) = (os(&from_name), os(&to_name));
    let renamed = if replace {
        renameat(&from_folder, from_name, &to_folder, to_name)
    } else {
        let flags = RenameFlags::NOREPLACE;
        renameat_with(&from_folder, from_name, &to_folder, to_name, flags)
    };
    match renamed {
        Ok(()) => Ok(done(0, 1)),
        Err(Errno::XDEV) => {
            let words = "the two folders have file systems of their own: copy, then remove";
            Err(Refusal::new(RefusalCode::Unsupported, words))
        }
        Err(error) => Err(error.into()),
    }
}

/// Makes a folder.
pub fn make_folder(roots: &Roots, place: &Place, parents: bool) -> Result<Event, Refusal> {
    if parents {
        roots.made(place, Follow::Inside)?;
        return Ok(done(0, 1));
    }
    if place.is_root() {
        return Err(Errno::EXIST.into());
    }
    let (folder, name) = roots.parent(place, Follow::Inside)?;
    match mkdirat(&folder, os(&name), NEW_FOLDER) {
        Ok(()) => Ok(done(0, 1)),
        Err(Errno::EXIST) if is_folder(&folder, &name) => Err(Refusal::new(
            RefusalCode::Exists,
            "the folder already exists",
        )),
        Err(error) => Err(error.into()),
    }
}
