//! The tokens that the machine's owner made: a file of hashes and scopes in the mounted secrets
//! folder. It is looked at with each request that brings another token than the machine's own, so a
//! token counts from when it is made, and no longer than until it is removed.

use std::{
    fs::{File, Metadata},
    io::Read,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::Arc,
};

use parking_lot::Mutex;
use subtle::ConstantTimeEq;
use wire::tokens::{TokenFile, TokenRecord};

/// A file may have so many bytes; a larger one counts as empty.
const LARGEST: u64 = 1 << 20;

/// What tells one file from another at the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp(u64, u64, i64, i64);

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self(found.ino(), found.len(), found.ctime(), found.ctime_nsec())
    }
}

/// The file, and what it said last.
pub struct Tokens {
    path: PathBuf,
    read: Mutex<Option<(Stamp, Arc<TokenFile>)>>,
}

impl Tokens {
    /// Those of this file, which need not be there.
    pub fn of(path: PathBuf) -> Self {
        Self {
            path,
            read: Mutex::default(),
        }
    }

    /// What is known of a token.
    pub fn find(&self, token: &str) -> Option<TokenRecord> {
        let hash = blake3::hash(token.as_bytes()).to_hex();
        let is_it = |record: &&TokenRecord| {
            bool::from(record.hash.as_bytes().ct_eq(hash.as_str().as_bytes()))
        };
        self.current()?.tokens.iter().find(is_it).cloned()
    }

    /// What the file says now; nothing if it isn't there or can't be read.
    fn current(&self) -> Option<Arc<TokenFile>> {
        let mut read = self.read.lock();
        let Ok(file) = File::open(&self.path) else {
            *read = None;
            return None;
        };
        let stamp = Stamp::of(&file.metadata().ok()?);
        if let Some((last, tokens)) = &*read
            && *last == stamp
        {
            return Some(Arc::clone(tokens));
        }
        let tokens = parsed(file).unwrap_or_else(|error| {
            tracing::warn!(%error, "the file of access tokens can't be read, and none of them counts");
            TokenFile::default()
        });
        let tokens = Arc::new(tokens);
        *read = Some((stamp, Arc::clone(&tokens)));
        Some(tokens)
    }
}

fn parsed(file: File) -> std::io::Result<TokenFile> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        return Err(std::io::ErrorKind::FileTooLarge.into());
    }
    Ok(serde_json::from_slice(&bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(folder: &tempfile::TempDir, text: &str) {
        let aside = folder.path().join("aside");
        std::fs::write(&aside, text).unwrap();
        std::fs::rename(aside, folder.path().join("tokens.json")).unwrap();
    }

    #[test]
    fn a_token_counts_as_long_as_its_hash_is_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::of(folder.path().join("tokens.json"));
        let name = |token: &str| tokens.find(token).map(|record| record.name);
        assert_eq!(name("e2b_a"), None);
        // `printf e2b_a | b3sum`: as the app writes it.
        let hash = blake3::hash(b"e2b_a").to_hex();
        let line = format!(r#"{{"tokens":[{{"name":"a","hash":"{hash}","scopes":["read"]}}]}}"#);
        written(&folder, &line);
        assert_eq!(name("e2b_a").as_deref(), Some("a"));
        assert_eq!(name("e2b_b"), None);
        // A hash opens nothing.
        assert_eq!(name(&hash), None);
        for broken in ["", "{", r#"{"tokens":[{"name":"a","scopes":["all"]}]}"#] {
            written(&folder, broken);
            assert_eq!(name("e2b_a"), None, "{broken}");
            written(&folder, &line);
            assert_eq!(name("e2b_a").as_deref(), Some("a"));
        }
        written(&folder, &(line.clone() + &" ".repeat(1 << 20)));
        assert_eq!(name("e2b_a"), None);
        written(&folder, &line);
        std::fs::remove_file(folder.path().join("tokens.json")).unwrap();
        assert_eq!(name("e2b_a"), None);
    }
}
