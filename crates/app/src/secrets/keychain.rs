//! The keychain of the operating system: on Linux whatever offers the Secret Service on the session's
//! D-Bus (GNOME Keyring, KWallet, KeePassXC), spoken to without a system library.
//! <https://specifications.freedesktop.org/secret-service/latest/>

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use keyring_core::{CredentialStore, Entry, Error};

use super::{error::SecretError, no_keychain::NoKeychain};

/// Somebody may have to be started first, and may not come up at all.
const OPENS: Duration = Duration::from_secs(10);
/// A person may be asked for the keychain's password.
const ANSWERS: Duration = Duration::from_secs(120);

/// An open keychain.
pub(super) struct Keychain {
    store: Arc<CredentialStore>,
}

impl Keychain {
    /// Opens it, or says why there is none.
    pub(super) fn open() -> Result<Self, NoKeychain> {
        if std::env::var("VIVARIUM_KEYCHAIN").is_ok_and(|word| word == "off") {
            return Err(NoKeychain::TurnedOff);
        }
        let opened = within(OPENS, system_store).map_err(|TimedOut| NoKeychain::NoAnswer)?;
        opened.map(|store| Self { store })
    }

    #[cfg(test)]
    pub(super) fn of(store: Arc<CredentialStore>) -> Self {
        Self { store }
    }

    pub(super) fn set(&self, service: &str, name: &str, value: &str) -> Result<(), SecretError> {
        let value = value.to_owned();
        self.ask(service, name, move |entry| entry.set_password(&value))
    }

    pub(super) fn get(&self, service: &str, name: &str) -> Result<String, SecretError> {
        self.ask(service, name, |entry| entry.get_password())
    }

    /// One that is gone is removed.
    pub(super) fn remove(&self, service: &str, name: &str) -> Result<(), SecretError> {
        self.ask(service, name, |entry| match entry.delete_credential() {
            Err(Error::NoEntry) => Ok(()),
            ended => ended,
        })
    }

    fn ask<T: Send + 'static>(
        &self,
        service: &str,
        name: &str,
        work: impl FnOnce(Entry) -> keyring_core::Result<T> + Send + 'static,
    ) -> Result<T, SecretError> {
        let failed = |cause: String| SecretError::Keychain {
            name: name.to_owned(),
            cause,
        };
        let (store, service, user) = (self.store.clone(), service.to_owned(), name.to_owned());
        let asked = within(ANSWERS, move || {
            Entry::new_in_store(&store, &service, &user).and_then(work)
        });
        asked
            .map_err(|_| failed("it didn't respond in time".into()))?
            .map_err(|error| failed(words(&error)))
    }
}

/// In words that repeat no value: some errors carry what was read.
fn words(error: &Error) -> String {
    match error {
        Error::PlatformFailure(cause) | Error::NoStorageAccess(cause) => cause.to_string(),
        Error::NoEntry => "it has no such entry".into(),
        Error::BadEncoding(_) | Error::BadDataFormat(..) => "what it has isn't text".into(),
        Error::Ambiguous(_) => "it has several entries of this name".into(),
        _ => "it refused".into(),
    }
}

/// The work timed out.
struct TimedOut;

/// Does something that may never end, such as waiting for a dialog that nobody sees. A thread that is
/// late ends with its D-Bus call, or with the process.
fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, TimedOut> {
    let (tell, told) = mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name("keychain".into());
    let started = thread.spawn(move || {
        let _ = tell.send(work());
    });
    started.map_err(|_| TimedOut)?;
    told.recv_timeout(limit).map_err(|_| TimedOut)
}

#[cfg(target_os = "linux")]
fn system_store() -> Result<Arc<CredentialStore>, NoKeychain> {
    match zbus_secret_service_keyring_store::Store::new() {
        Ok(store) => Ok(store),
        Err(error) => Err(NoKeychain::NoService(words(&error))),
    }
}

#[cfg(not(target_os = "linux"))]
fn system_store() -> Result<Arc<CredentialStore>, NoKeychain> {
    Err(NoKeychain::NotOnThisSystem)
}
