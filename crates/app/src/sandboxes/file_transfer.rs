//! Files of a sandbox as the window lists, reads and writes them: whole, and no more than a page can
//! hold.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use sandbox::{ByteStream, Files};
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
    sandbox::{FileEntry, FileKind},
    sandbox_commands::{SandboxFile, SandboxFiles},
};

use super::files::exact;

/// How many entries of a folder are told.
const MOST_ENTRIES: usize = 2000;
/// Largest file that is read as a whole.
const MOST_BYTES: u64 = 64 << 20;

/// Bytes of a request.
pub(super) fn decoded(base64: &str) -> Result<Bytes, Failure> {
    let bytes = BASE64_STANDARD.decode(base64).map_err(|error| {
        Failure::new(FailureCode::Invalid, "The request has no valid base64")
            .because(error.to_string())
    })?;
    Ok(bytes.into())
}

/// A file's content as the crate `sandbox` takes it.
pub(super) fn stream(content: Bytes) -> ByteStream {
    stream::iter([Ok(content)]).boxed()
}

/// A folder: other folders first, each part by name.
pub(super) fn listed(mut entries: Vec<FileEntry>) -> SandboxFiles {
    entries.sort_by(|a, b| {
        let is_file = |entry: &FileEntry| entry.kind != FileKind::Folder;
        (is_file(a), &a.name).cmp(&(is_file(b), &b.name))
    });
    let left_out = entries.len().saturating_sub(MOST_ENTRIES);
    entries.truncate(MOST_ENTRIES);
    SandboxFiles {
        entries,
        left_out: u32::try_from(left_out).unwrap_or(u32::MAX),
    }
}

/// A whole file. What grows while it is read is cut at the size that it had.
pub(super) async fn read(files: &Files, path: &str) -> Result<SandboxFile, Failure> {
    let (entry, content) = files.read(path).await?;
    let size = entry.size_bytes;
    if size > MOST_BYTES {
        let failure = Failure::new(FailureCode::Invalid, "The file is too large for this page");
        return Err(failure
            .because(format!(
                "it has {} MiB, and the limit is {}",
                size >> 20,
                MOST_BYTES >> 20
            ))
            .next(Advice::CopySandboxFile));
    }
    let mut content = exact(size, content);
    let mut whole = BytesMut::new();
    while let Some(piece) = content.next().await {
        whole.extend_from_slice(&piece?);
    }
    Ok(SandboxFile {
        entry,
        base64: BASE64_STANDARD.encode(&whole),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, kind: FileKind) -> FileEntry {
        FileEntry {
            name: name.into(),
            path: format!("/tmp/{name}"),
            is_lossy: false,
            kind,
            size_bytes: 0,
            mode: 0o644,
            uid: 1000,
            gid: 1000,
            modified_at_ms: 0,
            target: None,
        }
    }

    #[test]
    fn folders_come_first_and_no_list_is_endless() {
        let given = vec![
            entry("b", FileKind::File),
            entry("z", FileKind::Folder),
            entry("a", FileKind::Symlink),
        ];
        let listed = listed(given);
        let names: Vec<_> = listed.entries.iter().map(|one| one.name.as_str()).collect();
        assert_eq!((names, listed.left_out), (vec!["z", "a", "b"], 0));
        let many = (0..MOST_ENTRIES + 3).map(|at| entry(&format!("{at}"), FileKind::File));
        let listed = super::listed(many.collect());
        assert_eq!((listed.entries.len(), listed.left_out), (MOST_ENTRIES, 3));
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        assert_eq!(decoded("AP8=").unwrap().as_ref(), [0, 255]);
        assert_eq!(decoded("?").unwrap_err().code, FailureCode::Invalid);
    }
}
