//! Which keys there are: `index.json`, without a value in it.

use std::path::Path;

use serde::{Deserialize, Serialize};
use wire::secrets::SecretPlace;

use super::error::SecretError;
use crate::record_file::RecordFile;

/// A key as the index has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) place: SecretPlace,
    /// Ids of the machines that have it.
    pub(super) machines: Vec<String>,
}

/// The index as it was read.
#[derive(Debug)]
pub(super) struct Index(RecordFile<Vec<Record>>);

impl Index {
    /// Reads it, to look.
    pub(super) fn read(folder: &Path) -> Result<Self, SecretError> {
        Ok(Self(RecordFile::read(&folder.join("index.json"))?))
    }

    /// Reads it, to change it; waits until no other process does.
    pub(super) fn lock(folder: &Path) -> Result<Self, SecretError> {
        Ok(Self(RecordFile::lock(&folder.join("index.json"))?))
    }

    pub(super) fn all(&self) -> &[Record] {
        &self.0.records
    }

    pub(super) fn get(&self, name: &str) -> Option<&Record> {
        self.all().iter().find(|record| record.name == name)
    }

    pub(super) fn put(&mut self, record: Record) -> Result<(), SecretError> {
        let records = &mut self.0.records;
        records.retain(|known| known.name != record.name);
        records.push(record);
        records.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(self.0.write()?)
    }

    pub(super) fn remove(&mut self, name: &str) -> Result<(), SecretError> {
        self.0.records.retain(|known| known.name != name);
        Ok(self.0.write()?)
    }
}
