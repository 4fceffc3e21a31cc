//! The tokens as the app's own HTTP API checks them: read again whenever the file is another one.

use std::{fs::File, os::unix::fs::MetadataExt, path::PathBuf, sync::Arc};

use lifecycle::Machines;
use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use wire::tokens::{Scope, allows};

use super::{Kept, Tokens, hash};
use crate::record_file::RecordFile;

/// Inode, length and time of change of a file.
type Stamp = (u64, u64, i64, i64);

/// The tokens of an instance, for many requests.
#[derive(Debug)]
pub(crate) struct KnownTokens {
    path: PathBuf,
    machines: Machines,
    read: Mutex<Option<(Stamp, Arc<Vec<Kept>>)>>,
}

/// Whose token a request brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bearer {
    /// Name of the token.
    pub(crate) name: String,
    scopes: Vec<Scope>,
    /// Names of the machines that it is for; all of them and the app if `None`.
    pub(crate) machines: Option<Vec<String>>,
}

impl Bearer {
    /// Whether it may do what needs this scope, at a machine or at the app itself.
    pub(crate) fn may(&self, needed: &Scope, machine: Option<&str>) -> bool {
        allows(&self.scopes, needed) && self.reaches(machine)
    }

    /// Whether it is for this machine, or for the app itself.
    pub(crate) fn reaches(&self, machine: Option<&str>) -> bool {
        match (&self.machines, machine) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(machines), Some(machine)) => machines.iter().any(|name| name == machine),
        }
    }
}

impl KnownTokens {
    pub(crate) fn of(tokens: Tokens) -> Self {
        Self {
            path: tokens.path(),
            machines: tokens.machines,
            read: Mutex::default(),
        }
    }

    /// Whose token this is, if it is one.
    pub(crate) fn find(&self, token: &str) -> Option<Bearer> {
        let hash = hash(token);
        let is_it = |kept: &&Kept| bool::from(kept.hash.as_bytes().ct_eq(hash.as_bytes()));
        let all = self.current()?;
        let kept = all.iter().find(is_it)?;
        let machines = match &kept.machines {
            None => None,
            // Names change; the ids don't.
            Some(ids) => {
                let known = self.machines.ids().ok()?;
                let named = known.into_iter().filter(|(_, id)| ids.contains(id));
                Some(named.map(|(name, _)| name).collect())
            }
        };
        Some(Bearer {
            name: kept.name.clone(),
            scopes: kept.scopes.clone(),
            machines,
        })
    }

    fn current(&self) -> Option<Arc<Vec<Kept>>> {
        let mut read = self.read.lock();
        let found = File::open(&self.path).and_then(|file| file.metadata());
        let Ok(found) = found else {
            *read = None;
            return None;
        };
        let stamp = (found.ino(), found.len(), found.ctime(), found.ctime_nsec());
        if let Some((last, tokens)) = &*read
            && *last == stamp
        {
            return Some(Arc::clone(tokens));
        }
        match RecordFile::read(&self.path) {
            Ok(file) => {
                let tokens = Arc::new(file.records);
                *read = Some((stamp, Arc::clone(&tokens)));
                Some(tokens)
            }
            Err(error) => {
                tracing::warn!(%error, "access tokens can't be read, and none of them counts");
                *read = None;
                None
            }
        }
    }
}
