//! Folders that a machine sees must not lie in others that it, or another machine, can write to. What
//! runs inside could put a link to any of the person's folders in the place of one; the engine follows
//! it at the container's next start, which it may do by itself, and so would everything that reads the
//! folder here.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use crate::{
    error::LifecycleError, machine::Machine, machines::Machines, paths::Paths, plan, spec::Spec,
};

/// A folder of this computer that a machine sees.
struct Seen {
    source: PathBuf,
    is_writable: bool,
    /// Vivarium trusts what is in it: it must not be the other folder either.
    is_trusted: bool,
}

impl Machine {
    /// Refuses a folder that lies in another that this machine can write to, or that another machine
    /// can; and a folder of this one in which another machine's lies that was started before.
    ///
    /// # Errors
    /// [`LifecycleError::NestedMount`], [`LifecycleError::NestedMachines`].
    pub(crate) fn check_nesting(&self) -> Result<(), LifecycleError> {
        if self.self_container.is_some() {
            return Ok(());
        }
        let mut seen = seen_by(&self.spec, &self.paths);
        seen.push(Seen {
            source: self.repo_dir(),
            is_writable: true,
            is_trusted: false,
        });
        if let Some((inner, outer)) = nested(&seen, &seen) {
            return Err(LifecycleError::NestedMount { inner, outer });
        }
        for other in Machines::specs(&self.paths) {
            // Of another instance's name, or renamed just now: its folder is what makes it this one.
            if other.id() != self.names.machine {
                self.check_apart(&seen, &other)?;
            }
        }
        Ok(())
    }

    fn check_apart(&self, own: &[Seen], other: &Spec) -> Result<(), LifecycleError> {
        let others = seen_by(other, &self.paths);
        if let Some((inner, outer)) = nested(own, &others) {
            return Err(LifecycleError::NestedMachines {
                inner,
                owner: self.names.name.clone(),
                outer,
                writer: other.name.clone(),
            });
        }
        // One that never ran has nothing to lose, and is refused itself once it is to run.
        if !self.paths.secrets_dir(other.id()).is_dir() {
            return Ok(());
        }
        match nested(&others, own) {
            Some((inner, outer)) => Err(LifecycleError::NestedMachines {
                inner,
                owner: other.name.clone(),
                outer,
                writer: self.names.name.clone(),
            }),
            None => Ok(()),
        }
    }
}

/// The mounts of a machine's spec, and what Vivarium keeps for the machine: its secrets, and the runs
/// and the history of its evolves.
fn seen_by(spec: &Spec, paths: &Paths) -> Vec<Seen> {
    let mounts = spec.mounts.iter().map(|mount| Seen {
        source: plan::expand(&mount.source, paths).into(),
        is_writable: !mount.read_only,
        is_trusted: false,
    });
    let ours = [
        paths.secrets_dir(spec.id()),
        paths.machine_dir(spec.id()).join("evolve"),
    ];
    let ours = ours.into_iter().map(|source| Seen {
        source,
        is_writable: false,
        is_trusted: true,
    });
    mounts.chain(ours).collect()
}

/// The first of these folders that lies in one of the others that can be written to, and that one.
fn nested(inner: &[Seen], outer: &[Seen]) -> Option<(PathBuf, PathBuf)> {
    let pairs = inner.iter().flat_map(|inner| {
        let writable = outer.iter().filter(|outer| outer.is_writable);
        writable.map(move |outer| (inner, outer))
    });
    let mut pairs = pairs.filter(|(inner, outer)| lies_in(inner, &outer.source));
    let (inner, outer) = pairs.next()?;
    Some((inner.source.clone(), outer.source.clone()))
}

/// Whether a folder above this one is the other, by whatever name; if it is trusted, also whether it is
/// the other itself. The path's own last name isn't followed: it may be a link by now.
fn lies_in(inner: &Seen, folder: &Path) -> bool {
    let known = |path: &Path| {
        let found = fs::metadata(path).ok()?;
        Some((found.dev(), found.ino()))
    };
    let Some(folder) = known(folder) else {
        return false;
    };
    let absolute = std::path::absolute(&inner.source).unwrap_or_else(|_| inner.source.clone());
    let above = absolute.ancestors().skip(usize::from(!inner.is_trusted));
    above.map(known).any(|above| above == Some(folder))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::{machine::MachineOptions, machines::NewMachine, spec::MountSpec};

    fn seen(source: &Path, is_writable: bool) -> Seen {
        Seen {
            source: source.to_owned(),
            is_writable,
            is_trusted: false,
        }
    }

    #[test]
    fn a_folder_in_one_that_the_machine_writes_to_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let (outer, inner) = (home.path().join("outer"), home.path().join("outer/a/inner"));
        fs::create_dir_all(&inner).unwrap();
        let other = home.path().join("outer2");
        fs::create_dir(&other).unwrap();
        let check = |seen: &[Seen]| nested(seen, seen);
        assert_eq!(check(&[seen(&outer, true), seen(&other, true)]), None);
        assert_eq!(check(&[seen(&outer, false), seen(&inner, true)]), None);
        assert_eq!(check(&[seen(&outer, true), seen(&outer, true)]), None);
        let refused = check(&[seen(&outer, true), seen(&inner, false)]);
        assert_eq!(refused, Some((inner.clone(), outer.clone())));
        // By another name, and once the inside has put a link there.
        let name = home.path().join("name");
        symlink(&outer, &name).unwrap();
        assert!(check(&[seen(&name, true), seen(&inner, false)]).is_some());
        fs::remove_dir(&inner).unwrap();
        symlink("/etc", &inner).unwrap();
        assert!(check(&[seen(&outer, true), seen(&inner, false)]).is_some());
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
        let refused = with(home.path()).check_nesting();
        assert!(matches!(refused, Err(LifecycleError::NestedMount { .. })));
        let mut read_only = with(home.path());
        read_only.spec.mounts[0].read_only = true;
        read_only.check_nesting().unwrap();
    }
    /// Adds a machine that mounts this folder, and loads it.
    fn mounting(home: &Path, name: &str, source: &Path, read_only: bool) -> Machine {
        let options = MachineOptions {
            home: Some(home.into()),
            machine: Some(name.into()),
            ..Default::default()
        };
        let new = NewMachine {
            name: name.into(),
            mounts: vec![MountSpec {
                source: source.display().to_string(),
                target: "/mounted".into(),
                read_only,
            }],
            ..Default::default()
        };
        Machines::of(&options).create(&new).unwrap();
        Machine::load(&options).unwrap()
    }

    /// Who owns the inner folder, and who can write to the outer one.
    fn refused(machine: &Machine) -> (String, String) {
        match machine.check_nesting().unwrap_err() {
            LifecycleError::NestedMachines { owner, writer, .. } => (owner, writer),
            other => panic!("{other}"),
        }
    }

    #[test]
    fn no_machine_starts_in_a_folder_that_another_can_write_to() {
        let home = tempfile::tempdir().unwrap();
        let outer = home.path().join("projects");
        let inner = outer.join("site");
        fs::create_dir_all(&inner).unwrap();
        let (below, above) = (
            mounting(home.path(), "below", &inner, true),
            mounting(home.path(), "above", &outer, false),
        );
        let pair = ("below".to_owned(), "above".to_owned());
        // The one that has never run keeps nobody from a start, and does not start itself.
        above.check_nesting().unwrap();
        assert_eq!(refused(&below), pair);
        below.paths.ensure_secrets("below").unwrap();
        assert_eq!(refused(&above), pair);
    }

    #[test]
    fn machines_may_share_a_folder_and_one_may_read_the_others() {
        let home = tempfile::tempdir().unwrap();
        let outer = home.path().join("projects");
        let inner = outer.join("site");
        fs::create_dir_all(&inner).unwrap();
        let machines = [
            mounting(home.path(), "first", &inner, false),
            mounting(home.path(), "second", &inner, false),
            mounting(home.path(), "reader", &outer, true),
        ];
        for machine in &machines {
            machine.paths.ensure_secrets(machine.spec.id()).unwrap();
        }
        for machine in &machines {
            machine.check_nesting().unwrap();
        }
    }

    #[test]
    fn a_machines_secrets_are_in_no_folder_that_another_can_write_to() {
        let home = tempfile::tempdir().unwrap();
        let read = home.path().join("read");
        fs::create_dir(&read).unwrap();
        let mut first = mounting(home.path(), "first", &read, true);
        let secrets = first.paths.ensure_secrets("first").unwrap();
        let second = mounting(home.path(), "second", &secrets, false);
        let pair = ("first".to_owned(), "second".to_owned());
        assert_eq!(refused(&second), pair);
        assert_eq!(refused(&first), pair);
        // Nor in one of its own.
        let options = MachineOptions {
            home: Some(home.path().into()),
            ..Default::default()
        };
        Machines::of(&options).forget("second").unwrap();
        first.check_nesting().unwrap();
        first.spec.mounts[0].source = first.paths.machine_dir("first").display().to_string();
        let own = first.check_nesting().unwrap_err();
        assert!(matches!(own, LifecycleError::NestedMount { .. }), "{own}");
    }
}
