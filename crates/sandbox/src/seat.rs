//! Which process owns which sandboxes. A seat is a folder of records with a lock that the kernel takes
//! from a process that ends, however it ends; its name is the owner's label of the containers. So two
//! processes at one engine never take each other's, and the next one takes over what a dead one left.

use std::{
    fs::{self, File, TryLockError},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use crate::{
    error::SandboxError,
    record::{Records, failed},
};

/// A folder that this process holds.
#[derive(Debug)]
pub(crate) struct Seat {
    /// The owner's label.
    pub(crate) name: String,
    pub(crate) records: Records,
    _lock: File,
}

impl Seat {
    /// Takes all seats that nobody holds: the first is for new sandboxes too. Where there is none, one
    /// is made.
    pub(crate) fn take_all(folder: &Path) -> Result<Vec<Self>, SandboxError> {
        let mut builder = fs::DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(folder);
        made.map_err(failed("create", folder))?;
        let mut seats = Vec::new();
        for name in names(folder)? {
            seats.extend(Self::take(folder, &name)?);
        }
        if seats.is_empty() {
            let name = random_name();
            // Nobody else can know the name.
            seats.extend(Self::take(folder, &name)?);
        }
        Ok(seats)
    }

    /// Takes those that are dead now, without their sandboxes becoming this process's: to see whether
    /// something in them is over.
    pub(crate) fn take_dead(folder: &Path, own: &[&str]) -> Result<Vec<Self>, SandboxError> {
        let mut seats = Vec::new();
        for name in names(folder)? {
            if !own.contains(&name.as_str()) {
                seats.extend(Self::take(folder, &name)?);
            }
        }
        Ok(seats)
    }

    fn take(folder: &Path, name: &str) -> Result<Option<Self>, SandboxError> {
        let path = folder.join(name);
        let records = Records::new(path.clone())?;
        let lock_path: PathBuf = path.join("lock");
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options
            .open(&lock_path)
            .map_err(failed("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(Self {
                name: name.to_owned(),
                records,
                _lock: lock,
            })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed("lock", &lock_path)(error)),
        }
    }
}

/// Names of all seats, held or not, in order.
fn names(folder: &Path) -> Result<Vec<String>, SandboxError> {
    let entries = fs::read_dir(folder).map_err(failed("read", folder))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(failed("read", folder))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir())
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Letters and digits that nobody can guess; a part of a host's name.
pub(crate) fn random_name() -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut number: u128 = rand::random();
    let digit = |_| {
        let digit = DIGITS[usize::try_from(number % 36).unwrap_or_default()];
        number /= 36;
        char::from(digit)
    };
    (0..20).map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_process_takes_over_what_nobody_holds() {
        let folder = tempfile::tempdir().unwrap();
        let first = Seat::take_all(folder.path()).unwrap();
        assert_eq!(first.len(), 1);
        // A process beside it has a seat of its own.
        let second = Seat::take_all(folder.path()).unwrap();
        assert_eq!(second.len(), 1);
        assert_ne!(first[0].name, second[0].name);
        let (first_name, second_name) = (first[0].name.clone(), second[0].name.clone());
        drop(first);
        let dead = Seat::take_dead(folder.path(), &[&second_name]).unwrap();
        assert_eq!(dead[0].name, first_name);
        drop((dead, second));
        let mut both: Vec<_> = Seat::take_all(folder.path())
            .unwrap()
            .into_iter()
            .map(|seat| seat.name)
            .collect();
        both.sort();
        let mut names = [first_name, second_name];
        names.sort();
        assert_eq!(both, names);
    }

    #[test]
    fn names_are_different_each_time() {
        let names: std::collections::BTreeSet<_> = (0..100).map(|_| random_name()).collect();
        assert_eq!(names.len(), 100);
        assert!(names.iter().all(|name| name.len() == 20));
    }
}
