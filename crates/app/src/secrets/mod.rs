//! Keys of services: stored once, in the keychain or in files, and handed to the machines that the
//! person chose, as files of their secrets folders. Start reading at [`Secrets::set`].
//!
//! `secrets/index.json` in the data folder says which keys there are, where each is stored and which
//! machines have it, by their ids. No value is in it. Processes take turns by a lock file.
//!
//! - `name`, `index`, `error`: what a key may be called, which there are, and what goes wrong
//! - `store`, `keychain`, `no_keychain`: where values are

mod error;
mod index;
mod keychain;
mod name;
mod no_keychain;
mod store;
#[cfg(test)]
mod tests;

use std::{path::PathBuf, sync::Arc};

use lifecycle::{MachineOptions, Machines, Paths};
use wire::{
    commands::Nothing,
    failure::Failure,
    secrets::{
        SecretEntry, SecretHandRequest, SecretList, SecretName, SecretPlace, SecretSetRequest,
        SecretValue,
    },
};

use crate::{App, blocking::on_disk};
use error::SecretError;
use index::{Index, Record};
use store::Store;

/// A value may have so many bytes: certificates are the longest that people store.
const LONGEST: usize = 64 << 10;

/// The keys of an instance. Its methods block: on the disk, and on the keychain, which may ask the
/// person for a password.
#[derive(Clone)]
pub(crate) struct Secrets {
    paths: Paths,
    machines: Machines,
    store: Arc<Store>,
}

impl Secrets {
    pub(crate) fn of(options: &MachineOptions) -> Self {
        let paths = Paths::find(options.home.as_deref(), options.instance.as_deref());
        // Another instance's keys have the same names.
        let is_first = options.home.is_none()
            && options.instance.is_none()
            && std::env::var_os("VIVARIUM_HOME").is_none();
        let service = if is_first {
            "vivarium".to_owned()
        } else {
            format!("vivarium {}", paths.data_dir.display())
        };
        let store = Store::new(paths.data_dir.join("secrets/values"), service);
        Self::with(options, paths, store)
    }

    fn with(options: &MachineOptions, paths: Paths, store: Store) -> Self {
        Self {
            paths,
            machines: Machines::of(options),
            store: Arc::new(store),
        }
    }

    /// What is stored.
    fn list(&self) -> Result<SecretList, SecretError> {
        let index = Index::read(&self.folder())?;
        self.shown(&index)
    }

    /// Stores a key and hands it to these machines; to those that have it already if none are given.
    fn set(
        &self,
        name: &str,
        value: &SecretValue,
        machines: Option<&[String]>,
    ) -> Result<SecretList, SecretError> {
        name::check(name)?;
        let value = value.reveal().trim_end_matches(['\r', '\n']);
        check_value(name, value)?;
        let ids = machines.map(|names| self.ids(names)).transpose()?;
        let mut index = Index::lock(&self.folder())?;
        let before = index.get(name).cloned();
        let place = self.store.write(name, value, before.as_ref())?;
        let had = before.map(|record| record.machines).unwrap_or_default();
        let machines = ids.unwrap_or_else(|| had.clone());
        index.put(Record {
            name: name.to_owned(),
            place,
            machines: machines.clone(),
        })?;
        self.hand(name, value, &had, &machines)?;
        self.shown(&index)
    }

    /// Stores what the environment says for one machine, unless it has just that; whether it didn't.
    fn adopt(&self, machine: &str, name: &str, value: &SecretValue) -> Result<bool, SecretError> {
        let ids = self.ids(&[machine.to_owned()])?;
        let record = Index::read(&self.folder())?.get(name).cloned();
        let has = |id: &String| {
            let file = self.paths.secret(id, &name.to_lowercase());
            file.is_ok_and(|now| now == value.reveal().trim())
        };
        let mut machines = record.map(|record| record.machines).unwrap_or_default();
        if ids.iter().all(|id| machines.contains(id) && has(id)) {
            return Ok(false);
        }
        machines.extend(
            ids.into_iter()
                .filter(|id| !machines.contains(id))
                .collect::<Vec<_>>(),
        );
        let names = self.names(&machines)?;
        self.set(name, value, Some(&names))?;
        Ok(true)
    }

    /// The value of a key; `None` if there is none of that name.
    pub(crate) fn value(&self, name: &str) -> Result<Option<String>, Failure> {
        let index = Index::read(&self.folder())?;
        let record = index.get(name).cloned();
        Ok(record.map(|record| self.store.read(&record)).transpose()?)
    }

    /// Chooses the machines that have a key.
    fn hand_to(&self, name: &str, machines: &[String]) -> Result<SecretList, SecretError> {
        let ids = self.ids(machines)?;
        let mut index = Index::lock(&self.folder())?;
        let record = index.get(name).cloned().ok_or_else(|| unknown(name))?;
        let is_new = |id: &String| !record.machines.contains(id);
        if ids.iter().any(is_new) {
            let value = self.store.read(&record)?;
            self.hand(name, &value, &record.machines, &ids)?;
        } else {
            self.hand(name, "", &record.machines, &ids)?;
        }
        index.put(Record {
            machines: ids,
            ..record
        })?;
        self.shown(&index)
    }

    /// Removes a key from the store and from all machines.
    fn remove(&self, name: &str) -> Result<SecretList, SecretError> {
        let mut index = Index::lock(&self.folder())?;
        let record = index.get(name).cloned().ok_or_else(|| unknown(name))?;
        self.hand(name, "", &record.machines, &[])?;
        self.store.remove(&record)?;
        index.remove(name)?;
        self.shown(&index)
    }

    /// Takes all keys from a machine that is removed.
    fn forget_machine(&self, id: &str) -> Result<(), SecretError> {
        let mut index = Index::lock(&self.folder())?;
        for record in index.all().to_vec() {
            if record.machines.iter().any(|known| known == id) {
                self.paths.take_back(id, &record.name.to_lowercase())?;
                let machines = record.machines.iter().filter(|known| *known != id);
                let machines = machines.cloned().collect();
                index.put(Record { machines, ..record })?;
            }
        }
        Ok(())
    }

    /// Puts a value into the folders of these machines, and takes it from those that had it and
    /// aren't among them. An empty value is put nowhere.
    fn hand(
        &self,
        name: &str,
        value: &str,
        had: &[String],
        machines: &[String],
    ) -> Result<(), SecretError> {
        let file = name.to_lowercase();
        for id in had.iter().filter(|id| !machines.contains(id)) {
            self.paths.take_back(id, &file)?;
        }
        if !value.is_empty() {
            for id in machines {
                self.paths.hand_over(id, &file, value)?;
            }
        }
        Ok(())
    }

    fn folder(&self) -> PathBuf {
        self.paths.data_dir.join("secrets")
    }

    /// Ids of machines by their names.
    fn ids(&self, names: &[String]) -> Result<Vec<String>, SecretError> {
        let known = self.machines.ids()?;
        let id = |name: &String| match known.iter().find(|(known, _)| known == name) {
            Some((_, id)) => Ok(id.clone()),
            None => Err(SecretError::NoMachine {
                name: name.clone(),
                known: known.iter().map(|(name, _)| name.clone()).collect(),
            }),
        };
        let mut ids: Vec<String> = names.iter().map(id).collect::<Result<_, _>>()?;
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    /// Names of machines by their ids; those that are gone have none.
    fn names(&self, ids: &[String]) -> Result<Vec<String>, SecretError> {
        let known = self.machines.ids()?;
        let named = known.into_iter().filter(|(_, id)| ids.contains(id));
        Ok(named.map(|(name, _)| name).collect())
    }

    fn shown(&self, index: &Index) -> Result<SecretList, SecretError> {
        let entry = |record: &Record| {
            Ok(SecretEntry {
                name: record.name.clone(),
                machines: self.names(&record.machines)?,
                place: record.place,
            })
        };
        let without_keychain = self.store.keychain().err().map(ToString::to_string);
        Ok(SecretList {
            secrets: index
                .all()
                .iter()
                .map(entry)
                .collect::<Result<_, SecretError>>()?,
            place: match without_keychain {
                None => SecretPlace::Keychain,
                Some(_) => SecretPlace::File,
            },
            without_keychain,
            folder: self.store.folder().display().to_string(),
        })
    }
}

fn check_value(name: &str, value: &str) -> Result<(), SecretError> {
    let name = name.to_owned();
    match value {
        _ if value.trim().is_empty() => Err(SecretError::Empty { name }),
        _ if value.contains('\0') => Err(SecretError::NotText { name }),
        _ if value.len() > LONGEST => Err(SecretError::TooLong { name }),
        _ => Ok(()),
    }
}

fn unknown(name: &str) -> SecretError {
    SecretError::Unknown { name: name.into() }
}

impl App {
    pub(crate) async fn secret_list(&self, _: Nothing) -> Result<SecretList, Failure> {
        self.with_secrets(Secrets::list).await
    }

    pub(crate) async fn secret_set(
        &self,
        request: SecretSetRequest,
    ) -> Result<SecretList, Failure> {
        let set = move |secrets: &Secrets| {
            secrets.set(&request.name, &request.value, request.machines.as_deref())
        };
        self.with_secrets(set).await
    }

    pub(crate) async fn secret_hand(
        &self,
        request: SecretHandRequest,
    ) -> Result<SecretList, Failure> {
        let hand = move |secrets: &Secrets| secrets.hand_to(&request.name, &request.machines);
        self.with_secrets(hand).await
    }

    pub(crate) async fn secret_remove(&self, key: SecretName) -> Result<SecretList, Failure> {
        self.with_secrets(move |secrets| secrets.remove(&key.name))
            .await
    }

    /// Stores a key that was given for one machine, unless that machine has it already; whether it
    /// was stored.
    ///
    /// # Errors
    /// As `secret_set`.
    pub async fn adopt_secret(
        &self,
        machine: &str,
        name: &str,
        value: SecretValue,
    ) -> Result<bool, Failure> {
        let (machine, name) = (machine.to_owned(), name.to_owned());
        self.with_secrets(move |secrets| secrets.adopt(&machine, &name, &value))
            .await
    }

    /// Takes everything from a machine that is removed.
    pub(crate) async fn forget_secrets_of(&self, id: String) -> Result<(), Failure> {
        self.with_secrets(move |secrets| secrets.forget_machine(&id))
            .await
    }

    /// Works on them off the async threads' way.
    async fn with_secrets<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Secrets) -> Result<T, SecretError> + Send + 'static,
    ) -> Result<T, Failure> {
        let secrets = self.inner.secrets.clone();
        let work = move || work(&secrets).map_err(Failure::from);
        on_disk(work).await
    }
}
