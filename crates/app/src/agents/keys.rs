//! Where the values of agents' keys come from: the store of keys, by their names.

use std::fmt;

use ::agents::KeySource;

use crate::secrets::Secrets;

/// The stored keys.
pub(super) struct StoredKeys(pub(super) Secrets);

impl fmt::Debug for StoredKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoredKeys")
    }
}

impl KeySource for StoredKeys {
    fn value(&self, name: &str) -> Option<String> {
        match self.0.value(name) {
            Ok(value) => value,
            Err(failure) => {
                tracing::warn!(%failure, name, "a key could not be read");
                None
            }
        }
    }
}
