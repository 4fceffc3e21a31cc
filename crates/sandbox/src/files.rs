//! Files of a sandbox, below its writable folders. Its first process reads and writes them, and
//! follows no link out of them.

use std::sync::Arc;

use bytes::Bytes;
use frames::{
    Name,
    message::{ChangeKind, Entry, EntryKind, Event, Links, RefusalCode, Request, TarLimits},
};
use futures_util::{StreamExt, stream, stream::BoxStream};
use init_client::{Call, Piece, Session, SessionEnd};
use wire::sandbox::{FileChange, FileChangeKind, FileEntry, FileKind};

use crate::{
    container::WRITABLE,
    error::{FileErrorKind, SandboxError},
    sandbox::Sandbox,
};

/// The most entries of a list.
const MOST_ENTRIES: u32 = 100_000;
/// Bytes of a file or an archive that may be under way.
const WINDOW: u64 = 2 << 20;
/// The most entries of an archive that is unpacked.
const MOST_ARCHIVED: u64 = 1_000_000;
/// How many times the size of its folders an archive may have, and how much more for each of them: names,
/// and what fills blocks.
const PACKED_TIMES: u64 = 2;
const PACKED_MORE: u64 = 32 << 20;

/// Files of one sandbox. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Files(pub(crate) Arc<Sandbox>);

/// Bytes of a file or an archive as they come.
pub type ByteStream = BoxStream<'static, Result<Bytes, SandboxError>>;

impl Files {
    /// What is in a folder, by name, down to `depth` levels (1 for the folder alone).
    ///
    /// # Errors
    /// [`SandboxError::File`].
    pub async fn list(&self, path: &str, depth: u32) -> Result<Vec<FileEntry>, SandboxError> {
        let request = Request::List {
            path: path.into(),
            depth,
            most: MOST_ENTRIES,
        };
        let call = self.call(request).await?;
        let mut listed = Vec::new();
        loop {
            match self.event(&call, path).await? {
                Event::Entries { entries } => {
                    listed.extend(entries.iter().map(|entry| shown(entry, Some(path))));
                }
                Event::Done { .. } => break,
                other => return Err(self.strange(&other)),
            }
        }
        listed.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(listed)
    }

    /// What a path is; a link itself, not what it leads to.
    ///
    /// # Errors
    /// [`SandboxError::File`].
    pub async fn stat(&self, path: &str) -> Result<FileEntry, SandboxError> {
        let call = self.call(Request::Stat { path: path.into() }).await?;
        match self.event(&call, path).await? {
            Event::Entry(entry) => Ok(shown(&entry, None)),
            other => Err(self.strange(&other)),
        }
    }

    /// A file's content. The entry's size is that of the beginning.
    ///
    /// # Errors
    /// [`SandboxError::File`].
    pub async fn read(&self, path: &str) -> Result<(FileEntry, ByteStream), SandboxError> {
        let request = Request::Read {
            path: path.into(),
            from: 0,
            length: None,
        };
        let session = self.0.session().await?;
        let call = Call::with_window(&session, request, WINDOW);
        let call = call.map_err(|end| self.0.unsent(&session, &end))?;
        match self.event(&call, path).await? {
            Event::File(entry) => {
                let content = self.bytes(call, path.to_owned());
                Ok((shown(&entry, None), content))
            }
            other => Err(self.strange(&other)),
        }
    }

    /// Writes a file as a whole, and the folders above it; what was there is replaced at the end.
    ///
    /// # Errors
    /// [`SandboxError::File`]; what was there stays then. An error of `content` is given back as it is.
    pub async fn write(&self, path: &str, content: ByteStream) -> Result<FileEntry, SandboxError> {
        let request = Request::Write {
            path: path.into(),
            mode: None,
            parents: true,
        };
        let call = self.call(request).await?;
        self.send(&call, content, path).await?;
        self.stat(path).await
    }

    /// Makes a folder, and those above it; false if it was there.
    ///
    /// # Errors
    /// [`SandboxError::File`].
    pub async fn make_dir(&self, path: &str) -> Result<bool, SandboxError> {
        let was_there = match self.stat(path).await {
            Ok(entry) => entry.kind == FileKind::Folder,
            Err(SandboxError::File {
                kind: FileErrorKind::NotFound,
                ..
            }) => false,
            Err(error) => return Err(error),
        };
        if !was_there {
            let request = Request::MakeDir {
                path: path.into(),
                parents: true,
            };
            self.done(request, path).await?;
        }
        Ok(!was_there)
    }

    /// Gives a file or folder another path; a file that is there is replaced.
    ///
    /// # Errors
    /// [`SandboxError::File`].
    pub async fn rename(&self, from: &str, to: &str) -> Result<FileEntry, SandboxError> {
        let request = Request::Move {
            from: from.into(),
            to: to.into(),
            replace: true,
        };
        self.done(request, from).await?;
        self.stat(to).await
    }

    /// Removes a file, or a folder with all that is in it.
    ///
    /// # Errors
    /// [`SandboxError::File`].
    pub async fn remove(&self, path: &str) -> Result<(), SandboxError> {
        let request = Request::Remove {
            path: path.into(),
            recursive: true,
        };
        self.done(request, path).await
    }

    /// Changes in a folder from now on; dropping the stream ends it.
    ///
    /// # Errors
    /// [`SandboxError::File`].
    pub async fn watch(
        &self,
        path: &str,
        recursive: bool,
    ) -> Result<BoxStream<'static, Result<FileChange, SandboxError>>, SandboxError> {
        let request = Request::Watch {
            path: path.into(),
            recursive,
        };
        let call = self.call(request).await?;
        match self.event(&call, path).await? {
            Event::Started { .. } => {}
            other => return Err(self.strange(&other)),
        }
        let state = Some((self.clone(), call, path.to_owned()));
        let batches = stream::unfold(state, |state| async move {
            let (files, call, path) = state?;
            Some(match files.event(&call, &path).await {
                Ok(Event::Changed { changes, missed }) => {
                    let mut batch: Vec<_> =
                        changes.iter().map(|change| Ok(changed(change))).collect();
                    if missed {
                        batch.push(Ok(FileChange {
                            name: String::new(),
                            kind: FileChangeKind::Missed,
                        }));
                    }
                    (batch, Some((files, call, path)))
                }
                Ok(Event::Done { .. }) => (Vec::new(), None),
                Ok(other) => (vec![Err(files.strange(&other))], None),
                Err(error) => (vec![Err(error)], None),
            })
        });
        Ok(batches.flat_map(stream::iter).boxed())
    }

    /// A tar archive of all writable folders.
    pub(crate) async fn pack(&self) -> Result<ByteStream, SandboxError> {
        let session = self.0.session().await?;
        let request = Request::TarOut { paths: Vec::new() };
        let call = Call::with_window(&session, request, WINDOW);
        let call = call.map_err(|end| self.0.unsent(&session, &end))?;
        let most = PACKED_TIMES * self.folders_bytes() + PACKED_MORE * WRITABLE.len() as u64;
        Ok(bounded(self.bytes(call, "/".into()), most))
    }

    /// What all of its writable folders may hold.
    fn folders_bytes(&self) -> u64 {
        let disk_mb = self.0.with_record(|record| record.shape.limits.disk_mb);
        (u64::from(disk_mb) << 20) * WRITABLE.len() as u64
    }

    /// Unpacks such an archive.
    pub(crate) async fn unpack(&self, archive: ByteStream) -> Result<(), SandboxError> {
        let request = Request::TarIn {
            limits: TarLimits {
                entries: MOST_ARCHIVED,
                bytes: self.folders_bytes(),
            },
            links: Links::Any,
        };
        let call = self.call(request).await?;
        self.send(&call, archive, "/").await
    }

    async fn call(&self, request: Request) -> Result<Call, SandboxError> {
        let session: Session = self.0.session().await?;
        Call::new(&session, request).map_err(|end| self.0.unsent(&session, &end))
    }

    /// Asks for something that is done or refused.
    async fn done(&self, request: Request, path: &str) -> Result<(), SandboxError> {
        let call = self.call(request).await?;
        match self.event(&call, path).await? {
            Event::Done { .. } => Ok(()),
            other => Err(self.strange(&other)),
        }
    }

    /// Sends input to its end, and waits until it is used.
    async fn send(
        &self,
        call: &Call,
        mut content: ByteStream,
        path: &str,
    ) -> Result<(), SandboxError> {
        while let Some(piece) = content.next().await {
            // If it takes no more, its answer says why.
            if !call.send(&piece?).await {
                break;
            }
        }
        call.close_input();
        match self.event(call, path).await? {
            Event::Done { .. } => Ok(()),
            other => Err(self.strange(&other)),
        }
    }

    /// The data of a stream up to its last event.
    fn bytes(&self, call: Call, path: String) -> ByteStream {
        let state = Some((self.clone(), call, path));
        stream::unfold(state, |state| async move {
            let (files, call, path) = state?;
            let piece = match call.next().await {
                Ok(Some(Piece::Data(data))) => return Some((Ok(data), Some((files, call, path)))),
                Ok(Some(Piece::Event(Event::Done { .. }))) => return None,
                Ok(Some(Piece::Event(Event::Refused { code, message }))) => {
                    refused(&path, code, message)
                }
                Ok(Some(Piece::Event(other))) => files.strange(&other),
                Ok(None) => files
                    .0
                    .broken(&SessionEnd("the response was interrupted".into())),
                Err(end) => files.0.broken(&end),
            };
            Some((Err(piece), None))
        })
        .boxed()
    }

    /// The next event; a refusal as what it is.
    async fn event(&self, call: &Call, path: &str) -> Result<Event, SandboxError> {
        match call.event().await {
            Ok(Event::Refused { code, message }) => Err(refused(path, code, message)),
            Ok(event) => Ok(event),
            Err(end) => Err(self.0.broken(&end)),
        }
    }

    fn strange(&self, event: &Event) -> SandboxError {
        tracing::warn!(id = %self.0.id, ?event, "unexpected response of a sandbox");
        let words = "unexpected response";
        self.0.broken(&SessionEnd(words.into()))
    }
}

/// An archive up to so many bytes. The holes of a file are bytes in it, and what a sandbox calls a file
/// may have more of them than there are disks.
fn bounded(archive: ByteStream, most: u64) -> ByteStream {
    stream::unfold(Some((archive, most)), move |state| async move {
        let (mut archive, left) = state?;
        let piece = archive.next().await?;
        let bytes = piece.as_ref().map_or(0, Bytes::len) as u64;
        Some(match (piece, left.checked_sub(bytes)) {
            (Ok(piece), Some(left)) => (Ok(piece), Some((archive, left))),
            (Ok(_), None) => {
                let reason = format!("the archive has more than {} MiB", most >> 20);
                (Err(refused("/", RefusalCode::Limit, reason)), None)
            }
            (Err(error), _) => (Err(error), None),
        })
    })
    .boxed()
}

fn refused(path: &str, code: RefusalCode, reason: String) -> SandboxError {
    let kind = match code {
        RefusalCode::Outside => FileErrorKind::Outside,
        RefusalCode::NotFound => FileErrorKind::NotFound,
        RefusalCode::Exists | RefusalCode::NotEmpty => FileErrorKind::Exists,
        RefusalCode::Permission => FileErrorKind::Denied,
        RefusalCode::NotAFolder | RefusalCode::NotAFile | RefusalCode::Invalid => {
            FileErrorKind::WrongKind
        }
        RefusalCode::NoSpace | RefusalCode::Limit => FileErrorKind::Full,
        _ => FileErrorKind::Other,
    };
    SandboxError::File {
        path: path.to_owned(),
        kind,
        reason,
    }
}

/// An entry as it is shown: below a folder that was listed, or by itself.
fn shown(entry: &Entry, folder: Option<&str>) -> FileEntry {
    let text = |name: &Name| {
        (
            name.shown().into_owned(),
            std::str::from_utf8(name.bytes()).is_err(),
        )
    };
    let (below, is_lossy) = text(&entry.path);
    let path = match folder {
        None => below,
        Some(folder) => format!("{}/{below}", folder.trim_end_matches('/')),
    };
    let name = path.trim_end_matches('/').rsplit('/').next();
    FileEntry {
        name: name.unwrap_or_default().to_owned(),
        is_lossy,
        kind: match entry.kind {
            EntryKind::File => FileKind::File,
            EntryKind::Folder => FileKind::Folder,
            EntryKind::Link => FileKind::Symlink,
            EntryKind::Other => FileKind::Other,
        },
        size_bytes: entry.size,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        modified_at_ms: u64::try_from(entry.modified_ms).unwrap_or_default(),
        target: entry.target.as_ref().map(|target| text(target).0),
        path,
    }
}

fn changed(change: &frames::message::Change) -> FileChange {
    FileChange {
        name: change.path.shown().into_owned(),
        kind: match change.kind {
            ChangeKind::Created | ChangeKind::MovedTo => FileChangeKind::Created,
            ChangeKind::Written => FileChangeKind::Written,
            ChangeKind::Attributes => FileChangeKind::Attributes,
            ChangeKind::Removed => FileChangeKind::Removed,
            ChangeKind::MovedFrom => FileChangeKind::Renamed,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_archive_without_end_ends_at_its_limit() {
        let endless = stream::repeat_with(|| Ok(Bytes::from_static(&[0; 1000]))).boxed();
        let mut archive = bounded(endless, 2500);
        for _ in 0..2 {
            assert_eq!(archive.next().await.unwrap().unwrap().len(), 1000);
        }
        let last = archive.next().await.unwrap();
        assert!(
            matches!(
                last,
                Err(SandboxError::File {
                    kind: FileErrorKind::Full,
                    ..
                })
            ),
            "{last:?}"
        );
        assert!(archive.next().await.is_none());
    }

    #[test]
    fn a_name_that_is_no_text_is_shown_and_marked() {
        let entry = Entry {
            path: Name(vec![b'a', 0xff]),
            kind: EntryKind::File,
            size: 3,
            mode: 0o644,
            uid: 1000,
            gid: 1000,
            modified_ms: -5,
            target: None,
        };
        let shown = shown(&entry, Some("/workspace/"));
        assert_eq!(shown.path, "/workspace/a\u{fffd}");
        assert_eq!(shown.name, "a\u{fffd}");
        assert!(shown.is_lossy);
        assert_eq!(shown.modified_at_ms, 0);
    }
}
