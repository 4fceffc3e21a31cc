//! Who may read what a machine leaves on this computer: its owner alone. Logs, settings, runs and
//! snapshots may hold keys.

use std::{fs::Permissions, io::ErrorKind, os::unix::fs::PermissionsExt, path::Path};

use crate::{
    atomic_file,
    error::LifecycleError,
    history::Folder,
    machine::Machine,
    plan::{data_folder, data_source},
    self_container::DATA_EVOLVE,
};

/// The most files of runs that are looked at.
const MOST: usize = 20_000;

impl Machine {
    /// Takes others' permissions from what an older Vivarium left readable. What can't be changed
    /// keeps no machine from its start.
    pub(crate) fn make_private(&self) {
        let paths = &self.paths;
        let folders = [
            Some(paths.config_dir.clone()),
            Some(paths.specs_dir()),
            Some(paths.spec_file(&self.names.name)),
            Some(paths.data_dir.clone()),
            Some(paths.machine_dir(&self.names.machine)),
            data_folder(&self.spec, paths),
        ];
        for path in folders.iter().flatten() {
            log(path, restrict(path));
        }
        // What the machine can write to is gone through without following its links.
        let evolve = match data_source(&self.spec, paths) {
            Some(data) => Folder::open(&data).and_then(|data| data.enter(DATA_EVOLVE.as_bytes())),
            None => Folder::open(&self.evolve_dir()),
        };
        let mut most = MOST;
        let done = evolve.and_then(|folder| folder.make_private(&mut most));
        log(&self.evolve_dir(), done);
    }
}

fn log(path: &Path, done: std::io::Result<()>) {
    match done {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            tracing::warn!(%error, path = %path.display(), "others may be able to read this");
        }
        _ => {}
    }
}

/// Takes others' permissions from a file or folder that only its owner can replace.
fn restrict(path: &Path) -> std::io::Result<()> {
    let mode = std::fs::metadata(path)?.permissions().mode();
    if mode & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(mode & 0o700))
}

/// Writes a file that its owner alone may read, as a whole.
pub(crate) fn replace(path: &Path, text: &str) -> Result<(), LifecycleError> {
    atomic_file::write(path, text.as_bytes()).map_err(LifecycleError::file("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::MachineOptions;

    #[test]
    fn what_an_older_version_left_readable_is_mended() {
        let home = tempfile::tempdir().unwrap();
        let options = MachineOptions {
            home: Some(home.path().into()),
            ..Default::default()
        };
        let machine = Machine::load(&options).unwrap();
        let runs = machine.evolve_dir().join("runs");
        let data = data_folder(&machine.spec, &machine.paths).unwrap();
        std::fs::create_dir_all(&runs).unwrap();
        std::fs::create_dir_all(&data).unwrap();
        let log = runs.join("a.log");
        std::fs::write(&log, "KEY=x").unwrap();
        let outside = home.path().join("outside");
        std::fs::write(&outside, "").unwrap();
        std::os::unix::fs::symlink(&outside, runs.join("link")).unwrap();
        let spec = machine.paths.spec_file("os-host");
        let all = [
            &spec,
            &machine.paths.config_dir,
            &data,
            &runs,
            &log,
            &outside,
        ];
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for path in all {
            let open = Permissions::from_mode(if path.is_dir() { 0o755 } else { 0o644 });
            std::fs::set_permissions(path, open).unwrap();
        }
        machine.make_private();
        let modes = all.map(|path| mode(path));
        assert_eq!(modes, [0o600, 0o700, 0o700, 0o700, 0o600, 0o644]);
    }
}
