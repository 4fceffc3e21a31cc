//! A new machine's spec, from what a person chose.

use std::path::{Path, PathBuf};

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::{Machines, check_name, read, unreadable};
use crate::{
    error::LifecycleError,
    paths::{Paths, make_dir, own},
    plan::expand,
    private,
    spec::{MountSpec, Profile, Spec},
};

/// What a person chooses for a new machine; everything else is as in the first one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewMachine {
    /// Letters, digits, `_`, `.`, `-`.
    pub name: String,
    /// The default one if `None`.
    pub profile: Option<Profile>,
    /// Base image; the default one if `None`.
    pub base: Option<String>,
    /// Folders of this computer, besides its own `/data` and `/root/host`.
    pub mounts: Vec<MountSpec>,
    /// Such as `4g`.
    pub memory: Option<String>,
    /// Processors, such as 1.5.
    pub cpus: Option<f64>,
}

impl Machines {
    /// Adds a machine: its spec is written, and the folders behind its `/data` and `/root/host` are
    /// made in Vivarium's data folder. Ports are any free ones. Nothing is built or started.
    ///
    /// # Errors
    /// [`LifecycleError::MachineName`], [`LifecycleError::MachineExists`],
    /// [`LifecycleError::NoSource`] for a mount that isn't there, [`LifecycleError::Covered`] if
    /// another machine would see the new one's folders, [`LifecycleError::Spec`],
    /// [`LifecycleError::File`].
    pub fn create(&self, new: &NewMachine) -> Result<(), LifecycleError> {
        check_name(&new.name)?;
        self.check_free(&new.name)?;
        let folder = self.paths.machine_dir(&new.name);
        self.check_uncovered(&folder)?;
        let mut new = new.clone();
        for mount in &mut new.mounts {
            if let Some(mounted) = of_windows(&mount.source, Path::new("/mnt")) {
                mount.source = mounted.display().to_string();
            }
            let source = PathBuf::from(expand(&mount.source, &self.paths));
            if !source.exists() {
                return Err(LifecycleError::NoSource {
                    path: source,
                    target: mount.target.clone(),
                });
            }
        }
        let text = text(&new, &folder)?;
        let file = self.paths.spec_file(&new.name);
        Spec::parse(&text, &file, &[])?;
        for (name, mode) in [("data", 0o700), ("files", 0o755)] {
            let dir = folder.join(name);
            make_dir(&folder, 0o700)?;
            if make_dir(&dir, mode)? {
                own(&dir)?;
            }
        }
        private::replace(&file, &text)
    }

    /// What a machine writes, no other machine may see.
    fn check_uncovered(&self, folder: &Path) -> Result<(), LifecycleError> {
        for name in self.list()? {
            let file = self.paths.spec_file(&name);
            // One that can't be read can't be started either.
            let Ok(spec) = Spec::parse(&read(&file)?, &file, &[]) else {
                continue;
            };
            if let Some(mount) = covering(&spec, &self.paths, folder) {
                return Err(LifecycleError::Covered {
                    folder: folder.to_owned(),
                    machine: name,
                    mount,
                });
            }
        }
        Ok(())
    }
}

/// Where a path of Windows such as `C:\Users\me` lies in the Linux beside it, which mounts drives below
/// this folder (`/mnt/c/Users/me`); `None` for every other path.
fn of_windows(source: &str, drives: &Path) -> Option<PathBuf> {
    let (drive, rest) = source.split_once(':')?;
    let letter = drive.chars().next().filter(char::is_ascii_alphabetic)?;
    if drive.len() != 1 || !rest.starts_with(['\\', '/']) {
        return None;
    }
    let mut path = drives.join(letter.to_ascii_lowercase().to_string());
    path.extend(rest.split(['\\', '/']).filter(|name| !name.is_empty()));
    Some(path)
}

/// The mount of a machine in which this folder lies.
fn covering(spec: &Spec, paths: &Paths, folder: &Path) -> Option<PathBuf> {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = real(folder.parent()?).join(folder.file_name()?);
    let mut mounts = spec.mounts.iter();
    let mount =
        mounts.find(|mount| folder.starts_with(real(Path::new(&expand(&mount.source, paths)))))?;
    Some(expand(&mount.source, paths).into())
}

fn text(new: &NewMachine, folder: &Path) -> Result<String, LifecycleError> {
    let mut document = Spec::default_text(false)
        .parse::<DocumentMut>()
        .map_err(|error| unreadable(Path::new("the default machine.toml"), &error))?;
    document["name"] = value(&new.name);
    let image = format!("os-{}", new.name);
    // After the name and before the first comment of the others: at the place of the name.
    document.insert("image", value(image));
    if let Some(profile) = new.profile {
        document["profile"] = value(match profile {
            Profile::Default => "default",
            Profile::Locked => "locked",
        });
    }
    if let Some(base) = &new.base {
        document["base"] = value(base);
    }
    if let Some(memory) = &new.memory {
        document["limits"]["memory"] = value(memory);
    }
    if let Some(cpus) = new.cpus {
        document["limits"]["cpus"] = value(cpus);
    }
    let own = |name: &str, target: &str| MountSpec {
        source: folder.join(name).display().to_string(),
        target: target.into(),
        read_only: false,
    };
    let mut mounts = ArrayOfTables::new();
    let chosen = [own("files", "/root/host"), own("data", "/data")];
    for mount in chosen.iter().chain(&new.mounts) {
        let mut table = Table::new();
        table["source"] = value(&mount.source);
        table["target"] = value(&mount.target);
        if mount.read_only {
            table["read_only"] = value(true);
        }
        mounts.push(table);
    }
    document["mounts"] = Item::ArrayOfTables(mounts);
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_windows_is_found_among_its_mounted_drives() {
        let found = |source: &str| of_windows(source, Path::new("/mnt"));
        assert_eq!(
            found(r"C:\Users\Ann Lee\Downloads"),
            Some("/mnt/c/Users/Ann Lee/Downloads".into())
        );
        assert_eq!(found("d:/data/"), Some("/mnt/d/data".into()));
        for other in ["/home/a:b", "~/Downloads", "C:relative", "work:/x", ""] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
