//! Where values are: in the keychain if there is one, else in files of mode 0600 in a folder of
//! mode 0700. A key that is set anew goes to where keys are stored now.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use wire::secrets::SecretPlace;

use super::{error::SecretError, index::Record, keychain::Keychain, no_keychain::NoKeychain};
use crate::record_file::{FileError, make_private_folder, replace};

/// Opens the keychain, or says why there is none.
type Open = fn() -> Result<Keychain, NoKeychain>;

/// The values of an instance's keys.
pub(super) struct Store {
    folder: PathBuf,
    /// What the keychain's entries are filed under.
    service: String,
    open: Open,
    keychain: OnceLock<Result<Keychain, NoKeychain>>,
}

impl Store {
    pub(super) fn new(folder: PathBuf, service: String) -> Self {
        Self::opened_by(folder, service, Keychain::open)
    }

    pub(super) fn opened_by(folder: PathBuf, service: String, open: Open) -> Self {
        Self {
            folder,
            service,
            open,
            keychain: OnceLock::new(),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The keychain, which is opened when it is first asked for.
    pub(super) fn keychain(&self) -> Result<&Keychain, &NoKeychain> {
        self.keychain.get_or_init(self.open).as_ref()
    }

    /// Stores a value, and removes it from where it was before.
    pub(super) fn write(
        &self,
        name: &str,
        value: &str,
        before: Option<&Record>,
    ) -> Result<SecretPlace, SecretError> {
        let was = before.map(|record| record.place);
        match self.keychain() {
            Ok(keychain) => {
                keychain.set(&self.service, name, value)?;
                if was == Some(SecretPlace::File) {
                    self.remove_file(name)?;
                }
                Ok(SecretPlace::Keychain)
            }
            Err(_) => {
                make_private_folder(&self.folder)?;
                replace(&self.file(name), value)?;
                Ok(SecretPlace::File)
            }
        }
    }

    pub(super) fn read(&self, record: &Record) -> Result<String, SecretError> {
        match record.place {
            SecretPlace::Keychain => self.opened(&record.name)?.get(&self.service, &record.name),
            SecretPlace::File => {
                let path = self.file(&record.name);
                Ok(fs::read_to_string(&path).map_err(FileError::at(&path))?)
            }
        }
    }

    pub(super) fn remove(&self, record: &Record) -> Result<(), SecretError> {
        match record.place {
            SecretPlace::Keychain => self
                .opened(&record.name)?
                .remove(&self.service, &record.name),
            SecretPlace::File => self.remove_file(&record.name),
        }
    }

    fn opened(&self, name: &str) -> Result<&Keychain, SecretError> {
        self.keychain().map_err(|cause| SecretError::Keychain {
            name: name.to_owned(),
            cause: cause.to_string(),
        })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn remove_file(&self, name: &str) -> Result<(), SecretError> {
        let path = self.file(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(FileError::at(&path)(error).into())
            }
            _ => Ok(()),
        }
    }
}
