//! The machines of an instance: a spec each, `machines/<name>.toml` in the config folder. Which there
//! are, and how one is added, renamed and taken away. What a machine is, `machine` knows.

mod create;
mod renamed;
#[cfg(test)]
mod tests;

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

pub use create::NewMachine;

use crate::{
    error::LifecycleError,
    machine::MachineOptions,
    paths::{Paths, make_dir},
    private,
    spec::{FIRST_MACHINE, SandboxesSpec, Spec, is_name},
};

/// The machines of an instance. Cheap: nothing is remembered.
#[derive(Clone, Debug)]
pub struct Machines {
    paths: Paths,
    /// Whether the machines keep the usual ports, paths and names.
    first_instance: bool,
}

impl Machines {
    /// Those of the instance that the options name.
    #[must_use]
    pub fn of(options: &MachineOptions) -> Self {
        Self {
            paths: Paths::find(options.home.as_deref(), options.instance.as_deref()),
            first_instance: options.instance.is_none(),
        }
    }

    /// Their names: the one that is meant if none is named first, then by the alphabet. There always
    /// is one: the spec of `os-host` is written on first use, and that of an earlier version taken over.
    ///
    /// # Errors
    /// [`LifecycleError::File`]; [`LifecycleError::Spec`] if an earlier version's spec can't be read.
    pub fn list(&self) -> Result<Vec<String>, LifecycleError> {
        let mut names = self.found()?;
        if names.is_empty() {
            self.begin()?;
            names = self.found()?;
        }
        names.sort_by_key(|name| (name != FIRST_MACHINE, name.clone()));
        Ok(names)
    }

    /// Their names, each with the machine's id, which stays when it is renamed: its folder and its
    /// secrets are found by it. A machine whose spec can't be read is left out: it can't be started.
    ///
    /// # Errors
    /// As [`list`](Self::list).
    pub fn ids(&self) -> Result<Vec<(String, String)>, LifecycleError> {
        let with_id = |name: String| {
            let file = self.paths.spec_file(&name);
            let spec = Spec::parse(&read(&file).ok()?, &file, &[]).ok()?;
            Some((name, spec.id().to_owned()))
        };
        Ok(self.list()?.into_iter().filter_map(with_id).collect())
    }

    /// The spec's file of a machine, and its name: of the named one, or of the one that is meant if
    /// none is named, which is `os-host` or the only one.
    ///
    /// # Errors
    /// [`LifecycleError::NoMachine`], [`LifecycleError::WhichMachine`], and those of
    /// [`list`](Self::list).
    pub fn find(&self, name: Option<&str>) -> Result<(String, PathBuf), LifecycleError> {
        let known = self.list()?;
        let found = match name {
            Some(name) => known.iter().find(|known| *known == name),
            None if known.len() > 1 && known[0] != FIRST_MACHINE => {
                return Err(LifecycleError::WhichMachine { known });
            }
            None => known.first(),
        };
        match found {
            Some(found) => Ok((found.clone(), self.paths.spec_file(found))),
            None => Err(LifecycleError::NoMachine {
                name: name.unwrap_or(FIRST_MACHINE).to_owned(),
                known,
            }),
        }
    }

    /// The specs of all machines as they are written. One that can't be read is left out: its machine
    /// can't be started either.
    pub(crate) fn specs(paths: &Paths) -> Vec<Spec> {
        let entries = std::fs::read_dir(paths.specs_dir()).into_iter().flatten();
        let spec = |entry: std::io::Result<std::fs::DirEntry>| {
            let file = entry.ok()?.path();
            name_of(&file)?;
            Spec::parse(&read(&file).ok()?, &file, &[]).ok()
        };
        entries.filter_map(spec).collect()
    }

    /// Gives a machine another name. Its volume, folder and images keep theirs, which its spec then
    /// says in `id` and `image`; its container is renamed when it is looked at next.
    ///
    /// The spec is rewritten first and its file renamed then: what is killed in between is finished by
    /// the next [`list`](Self::list).
    ///
    /// # Errors
    /// [`LifecycleError::NoMachine`], [`LifecycleError::MachineExists`],
    /// [`LifecycleError::MachineName`], [`LifecycleError::File`].
    pub fn rename(&self, name: &str, new: &str) -> Result<(), LifecycleError> {
        check_name(new)?;
        let (_, file) = self.find(Some(name))?;
        if name == new {
            return Ok(());
        }
        let text = read(&file)?;
        let spec = Spec::parse(&text, &file, &[])?;
        // Its own id is nobody else's name.
        if spec.id() != new {
            self.check_free(new)?;
        }
        let mut document = text
            .parse::<toml_edit::DocumentMut>()
            .map_err(|error| unreadable(&file, &error))?;
        if spec.id() == new {
            document.remove("id");
        } else {
            document["id"] = toml_edit::value(spec.id());
        }
        document["name"] = toml_edit::value(new);
        private::replace(&file, &document.to_string())?;
        self.rename_file(&file, new)
    }

    /// Says whether a machine's programs may use sandboxes. All else in its spec stays as it is written.
    ///
    /// # Errors
    /// [`LifecycleError::NoMachine`], [`LifecycleError::Spec`], [`LifecycleError::File`].
    pub fn allow_sandboxes(&self, name: &str, access: SandboxesSpec) -> Result<(), LifecycleError> {
        let (_, file) = self.find(Some(name))?;
        let text = read(&file)?;
        if Spec::parse(&text, &file, &[])?.sandboxes == access {
            return Ok(());
        }
        let mut document = text
            .parse::<toml_edit::DocumentMut>()
            .map_err(|error| unreadable(&file, &error))?;
        let table = document.entry("sandboxes").or_insert_with(toml_edit::table);
        table["allowed"] = toml_edit::value(access.allowed);
        table["network"] = toml_edit::value(access.network.as_str());
        private::replace(&file, &document.to_string())
    }

    /// Takes a machine's spec out of the list; it stays as `machines/removed/<name>.toml`. Its
    /// container, volume and folders are its own affair.
    ///
    /// # Errors
    /// [`LifecycleError::NoMachine`], [`LifecycleError::File`].
    pub fn forget(&self, name: &str) -> Result<(), LifecycleError> {
        let (_, file) = self.find(Some(name))?;
        let removed = self.paths.specs_dir().join("removed");
        make_dir(&removed, 0o700)?;
        let kept = removed.join(format!("{name}.toml"));
        std::fs::rename(&file, &kept).map_err(LifecycleError::file("move", &file))
    }

    /// Names of the specs that are there. A file that says another name than its own is renamed.
    fn found(&self) -> Result<Vec<String>, LifecycleError> {
        let dir = self.paths.specs_dir();
        let entries = match std::fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(LifecycleError::file("read", &dir)(error)),
        };
        let mut names = Vec::new();
        for entry in entries.flatten() {
            let file = entry.path();
            let Some(name) = name_of(&file) else { continue };
            match said_name(&file) {
                Some(said)
                    if said != name && is_name(&said) && !self.paths.spec_file(&said).exists() =>
                {
                    self.rename_file(&file, &said)?;
                    names.push(said);
                }
                _ => names.push(name),
            }
        }
        Ok(names)
    }

    /// The first spec: that of an earlier version, of which a copy is kept, or the default one.
    fn begin(&self) -> Result<(), LifecycleError> {
        let earlier = self.paths.earlier_spec_file();
        let text = match std::fs::read_to_string(&earlier) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(LifecycleError::file("read", &earlier)(error)),
        };
        make_dir(&self.paths.specs_dir(), 0o700)?;
        let Some(text) = text else {
            let text = Spec::default_text(self.first_instance);
            return private::replace(&self.paths.spec_file(FIRST_MACHINE), &text);
        };
        let spec = Spec::parse(&text, &earlier, &[])?;
        private::replace(&self.paths.spec_file(&spec.name), &text)?;
        let copy = self.paths.config_dir.join("machine.toml.old");
        std::fs::rename(&earlier, &copy).map_err(LifecycleError::file("move", &earlier))
    }

    fn check_free(&self, name: &str) -> Result<(), LifecycleError> {
        // Ids count too: a machine's folder and volume are called by them.
        let taken = self.list()?.into_iter().any(|known| {
            let id = read(&self.paths.spec_file(&known))
                .ok()
                .and_then(|text| toml::from_str::<toml::Table>(&text).ok())
                .and_then(|table| Some(table.get("id")?.as_str()?.to_owned()));
            known == name || id.is_some_and(|id| id == name)
        });
        if taken {
            return Err(LifecycleError::MachineExists { name: name.into() });
        }
        Ok(())
    }

    fn rename_file(&self, file: &Path, name: &str) -> Result<(), LifecycleError> {
        std::fs::rename(file, self.paths.spec_file(name))
            .map_err(LifecycleError::file("rename", file))
    }
}

/// The name of the machine whose spec this is; `None` for any other file.
fn name_of(file: &Path) -> Option<String> {
    let name = file.file_name()?.to_str()?.strip_suffix(".toml")?;
    (is_name(name) && file.is_file()).then(|| name.to_owned())
}

/// The name that a spec says; `None` if it can't be read or says none.
fn said_name(file: &Path) -> Option<String> {
    let table: toml::Table = toml::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
    Some(table.get("name")?.as_str()?.to_owned())
}

fn check_name(name: &str) -> Result<(), LifecycleError> {
    if is_name(name) {
        return Ok(());
    }
    Err(LifecycleError::MachineName { name: name.into() })
}

fn read(file: &Path) -> Result<String, LifecycleError> {
    std::fs::read_to_string(file).map_err(LifecycleError::file("read", file))
}

fn unreadable(file: &Path, error: &toml_edit::TomlError) -> LifecycleError {
    let source = std::io::Error::new(ErrorKind::InvalidData, error.to_string());
    LifecycleError::file("read", file)(source)
}
