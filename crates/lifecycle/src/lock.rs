//! One run at a time works on a machine, over all processes of this host.

use std::{
    fs::{File, TryLockError},
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
};

use crate::{
    error::LifecycleError,
    machine::Machine,
    paths::{make_dir_like_above, own_like_folder},
    plan,
};

impl Machine {
    /// Locks it, or says who holds it.
    pub(crate) fn lock(&self) -> Result<Lock, LifecycleError> {
        let is_shared =
            self.self_container.is_none() && plan::data_source(&self.spec, &self.paths).is_some();
        let dir = if self.self_container.is_some() || is_shared {
            self.evolve_dir()
        } else {
            self.paths.machine_dir(&self.names.machine)
        };
        if is_shared {
            plan::make_sources(&self.spec, &self.paths)?;
        }
        make_dir_like_above(&dir)?;
        let path = dir.join("lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path);
        let mut file = file.map_err(LifecycleError::file("create", &path))?;
        own_like_folder(&path)?;
        match file.try_lock() {
            Ok(()) => {
                // Who holds it, for the sentence of those who may not. A full disk keeps nobody
                // from bringing a machine back.
                let held = file
                    .set_len(0)
                    .and_then(|()| writeln!(file, "{}", std::process::id()));
                if let Err(error) = held {
                    tracing::debug!(%error, "who holds the machine can't be written");
                }
                Ok(Lock(file))
            }
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                Err(LifecycleError::Busy {
                    name: self.names.container.clone(),
                    holder: holder.trim().parse().ok(),
                })
            }
            Err(TryLockError::Error(error)) => Err(LifecycleError::file("lock", &path)(error)),
        }
    }
}

/// Held as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock(File);

impl Drop for Lock {
    /// By itself it would go with the last copy of the file, and a process that is just being
    /// started has one for a moment.
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::MachineOptions;

    #[test]
    fn a_second_run_is_told_who_holds_the_machine() {
        let home = tempfile::tempdir().unwrap();
        let options = MachineOptions {
            home: Some(home.path().into()),
            ..Default::default()
        };
        let machine = Machine::load(&options).unwrap();
        let held = machine.lock().unwrap();
        let refused = machine.lock().unwrap_err();
        let us = Some(std::process::id());
        assert!(matches!(refused, LifecycleError::Busy { holder, .. } if holder == us));
        drop(held);
        machine.lock().unwrap();
    }
}
