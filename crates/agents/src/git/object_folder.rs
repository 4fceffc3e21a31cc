//! The folder `objects` of the person's repository, before git reads it: whoever can write to the
//! repository could have it lead to objects of any other repository of the person.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

use lifecycle::history::folder::{Folder, Kind};

use super::{error::GitError, whitelist::Workspace};

/// The most files of objects.
const MOST_FILES: usize = 4_000_000;
/// The longest list of other folders, and how far they lead.
const LONGEST_LIST: u64 = 64 << 10;
const DEEPEST: usize = 5;
const NEXT: &str = "Run “git repack -a -d” in it and remove objects/info/alternates.";

/// Refuses links, and objects that are borrowed from outside the whitelist.
pub(super) fn check(path: &Path, workspace: &Workspace) -> Result<(), GitError> {
    let mut left = MOST_FILES;
    check_at(path, workspace, DEEPEST, &mut left)
}

fn check_at(
    path: &Path,
    workspace: &Workspace,
    depth: usize,
    left: &mut usize,
) -> Result<(), GitError> {
    let refused = |reason: &str| GitError::Unsupported {
        path: workspace.path().to_owned(),
        reason: reason.to_owned(),
        next: NEXT,
    };
    let failed = |error| GitError::file("read", path)(error);
    let folder = Folder::open_resolved(path).map_err(failed)?;
    no_links(&folder, 1, left, &refused).map_err(|error| error.unwrap_or_else(failed))?;
    let info = match folder.enter(b"info") {
        Ok(info) => info,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    let list = match info.read(b"alternates", LONGEST_LIST) {
        Ok(Some((list, _))) => list,
        Ok(None) => return Err(refused("its list of borrowed objects can't be read")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
    };
    for line in list.split(|byte| *byte == b'\n') {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        if depth == 0 || line.starts_with(b"\"") {
            return Err(refused("its list of borrowed objects can't be followed"));
        }
        let other = path.join(OsStr::from_bytes(line)).canonicalize();
        match other {
            Ok(other) if workspace.allows(&other) => check_at(&other, workspace, depth - 1, left)?,
            _ => {
                return Err(refused(
                    "it borrows objects of a repository outside the allowed folders",
                ));
            }
        }
    }
    Ok(())
}

/// Goes through a folder and those in it.
fn no_links(
    folder: &Folder,
    depth: usize,
    left: &mut usize,
    refused: &impl Fn(&str) -> GitError,
) -> Result<(), Refusal> {
    let names = folder.names(*left).map_err(Refusal::File)?;
    let names = names.ok_or_else(|| Refusal::Other(refused("it has too many objects")))?;
    *left -= names.len();
    for name in names {
        let found = match folder.look(&name) {
            Ok(found) => found,
            // Git is at work there.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(Refusal::File(error)),
        };
        match found.kind {
            Kind::File { .. } => {}
            Kind::Folder if depth > 0 => {
                let child = folder.enter(&name).map_err(Refusal::File)?;
                no_links(&child, depth - 1, left, refused)?;
            }
            // Such as `info/commit-graphs`, which isn't read.
            Kind::Folder => {}
            Kind::Link | Kind::Other => {
                return Err(Refusal::Other(refused("its folder of objects has links")));
            }
        }
    }
    Ok(())
}

enum Refusal {
    File(std::io::Error),
    Other(GitError),
}

impl Refusal {
    fn unwrap_or_else(self, failed: impl FnOnce(std::io::Error) -> GitError) -> GitError {
        match self {
            Self::File(error) => failed(error),
            Self::Other(error) => error,
        }
    }
}
