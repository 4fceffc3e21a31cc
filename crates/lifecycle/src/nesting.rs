//! Folders that a machine sees must not lie in others that it can write to. What runs inside could put
//! a link to any of the person's folders in the place of one; the engine follows it at the container's
//! next start, which it may do by itself, and so would everything that reads the folder here.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{error::LifecycleError, machine::Machine, plan};

/// A folder of this computer that a machine sees.
struct Seen {
    source: PathBuf,
    is_writable: bool,
}

impl Machine {
    /// Refuses a folder that lies in another that the machine can write to.
    ///
    /// # Errors
    /// [`LifecycleError::NestedMount`].
    pub(crate) fn check_nesting(&self) -> Result<(), LifecycleError> {
        if self.seat.is_some() {
            return Ok(());
        }
        let mut seen: Vec<Seen> = self
            .spec
            .mounts
            .iter()
            .map(|mount| Seen {
                source: plan::expand(&mount.source, &self.paths).into(),
                is_writable: !mount.read_only,
            })
            .collect();
        seen.push(Seen {
            source: self.repo_dir(),
            is_writable: true,
        });
        // Its secrets and its history are here, and its own copy of the repo.
        seen.push(Seen {
            source: self.paths.machine_dir(&self.names.machine),
            is_writable: false,
        });
        check(&seen)
    }
}

fn check(seen: &[Seen]) -> Result<(), LifecycleError> {
    for inner in seen {
        for outer in seen.iter().filter(|outer| outer.is_writable) {
            if lies_in(&inner.source, &outer.source) {
                return Err(LifecycleError::NestedMount {
                    inner: inner.source.clone(),
                    outer: outer.source.clone(),
                });
            }
        }
    }
    Ok(())
}

/// Whether a folder above the path is this one, by whatever name. The path's own last name isn't
/// followed: it may be a link by now.
fn lies_in(path: &Path, folder: &Path) -> bool {
    let known = |path: &Path| {
        Some((
            fs::metadata(path).ok()?.dev(),
            fs::metadata(path).ok()?.ino(),
        ))
    };
    let Some(folder) = known(folder) else {
        return false;
    };
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    absolute
        .ancestors()
        .skip(1)
        .any(|above| known(above) == Some(folder))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::machine::MachineOptions;

    fn seen(source: &Path, is_writable: bool) -> Seen {
        Seen {
            source: source.to_owned(),
            is_writable,
        }
    }

    #[test]
    fn a_folder_in_one_that_the_machine_writes_to_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let (outer, inner) = (home.path().join("outer"), home.path().join("outer/a/inner"));
        fs::create_dir_all(&inner).unwrap();
        let other = home.path().join("outer2");
        fs::create_dir(&other).unwrap();
        assert!(check(&[seen(&outer, true), seen(&other, true)]).is_ok());
        assert!(check(&[seen(&outer, false), seen(&inner, true)]).is_ok());
        assert!(check(&[seen(&outer, true), seen(&outer, true)]).is_ok());
        let refused = check(&[seen(&outer, true), seen(&inner, false)]);
        assert!(matches!(refused, Err(LifecycleError::NestedMount { .. })));
        // By another name, and once the inside has put a link there.
        let name = home.path().join("name");
        symlink(&outer, &name).unwrap();
        assert!(check(&[seen(&name, true), seen(&inner, false)]).is_err());
        fs::remove_dir(&inner).unwrap();
        symlink("/etc", &inner).unwrap();
        assert!(check(&[seen(&outer, true), seen(&inner, false)]).is_err());
    }

    #[test]
    fn so_is_a_mount_of_what_holds_vivarium_itself() {
        let home = tempfile::tempdir().unwrap();
        let machine = |set: &str| {
            let options = MachineOptions {
                home: Some(home.path().into()),
                overrides: vec![set.into()],
                ..Default::default()
            };
            Machine::load(&options).unwrap()
        };
        let with = |source: &Path| {
            let mut machine = machine("name=os-host");
            machine.spec.mounts[0].source = source.display().to_string();
            machine
        };
        let usual = machine("name=os-host");
        plan::make_sources(&usual.spec, &usual.paths).unwrap();
        fs::create_dir_all(usual.paths.machine_dir("os-host")).unwrap();
        usual.check_nesting().unwrap();
        assert!(with(home.path()).check_nesting().is_err());
        let mut read_only = with(home.path());
        read_only.spec.mounts[0].read_only = true;
        read_only.check_nesting().unwrap();
    }
}
