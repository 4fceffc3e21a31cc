//! A bare repository of ours, in a folder that is ours alone. What it borrows of the person's
//! repository are objects: settings, hooks and attributes there are never read.

use std::{
    collections::HashMap,
    fs,
    io::{BufRead, Read, Write},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use gix_hash::ObjectId;
use lifecycle::history::folder::Folder;

use super::{
    command::{Call, Git, write},
    error::GitError,
};

/// What makes a folder a bare repository. Its HEAD names no commit: git takes attributes of a bare
/// repository from there.
const FILES: [(&str, &str); 2] = [
    ("HEAD", "ref: refs/heads/none\n"),
    (
        "config",
        "[core]\n\trepositoryformatversion = 0\n\tfilemode = true\n\tbare = true\n\
         \tlogAllRefUpdates = false\n[gc]\n\tauto = 0\n",
    ),
];

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectKind {
    Commit,
    Tree,
    Blob,
    Tag,
}

/// A bare repository.
#[derive(Clone, Debug)]
pub(super) struct Bare {
    path: PathBuf,
    borrowed: Vec<PathBuf>,
}

impl Bare {
    /// Makes one, if it isn't there, which only its owner may enter.
    pub(super) fn make(path: &Path) -> Result<Self, GitError> {
        let made = |path: &Path| {
            let made = fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path);
            made.map_err(GitError::file("create", path))
        };
        made(path)?;
        for needed in ["objects/pack", "objects/info", "refs/heads"] {
            made(&path.join(needed))?;
        }
        for (name, text) in FILES {
            let place = path.join(name);
            if !place.exists() {
                fs::write(&place, text).map_err(GitError::file("write", &place))?;
            }
        }
        Ok(Self::at(path))
    }

    /// One that is there.
    pub(super) fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            borrowed: Vec::new(),
        }
    }

    /// The same, with objects of other repositories too.
    pub(super) fn borrowing(mut self, objects: impl IntoIterator<Item = PathBuf>) -> Self {
        self.borrowed.extend(objects);
        self
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn objects(&self) -> PathBuf {
        self.path.join("objects")
    }

    pub(super) fn borrowed(&self) -> &[PathBuf] {
        &self.borrowed
    }

    /// Its folder, for refs.
    pub(super) fn folder(&self) -> Result<Folder, GitError> {
        Folder::open(&self.path).map_err(GitError::file("open", &self.path))
    }

    /// A git process in it.
    pub(super) fn call<'a>(&self, git: &'a Git, verb: &'static str) -> Call<'a> {
        Call::new(git, &self.path, verb).borrowing(&self.borrowed)
    }

    /// Commits at which the history of a shallow clone ends.
    pub(super) fn set_shallow(&self, commits: &[ObjectId]) -> Result<(), GitError> {
        let path = self.path.join("shallow");
        if commits.is_empty() {
            return Ok(());
        }
        let text: String = commits.iter().map(|id| format!("{id}\n")).collect();
        fs::write(&path, text).map_err(GitError::file("write", &path))
    }

    /// Kinds and sizes of objects; `None` for those that aren't there.
    pub(super) fn kinds(
        &self,
        git: &Git,
        ids: &[ObjectId],
    ) -> Result<Vec<Option<(ObjectKind, u64)>>, GitError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let count = ids.len();
        let call = self.call(git, "cat-file").arg("--batch-check");
        let (found, _) = call.fed(
            |stdin| ask(stdin, ids),
            move |output| {
                let mut found = Vec::with_capacity(count);
                for _ in 0..count {
                    found.push(header(output)?.map(|(_, kind, size)| (kind, size)));
                }
                Ok(found)
            },
        )?;
        Ok(found)
    }

    /// Whether it is a commit that is there.
    pub(super) fn is_commit(&self, git: &Git, id: ObjectId) -> Result<bool, GitError> {
        let found = self.kinds(git, &[id])?;
        Ok(matches!(found.first(), Some(Some((ObjectKind::Commit, _)))))
    }

    /// Contents of the blobs among these that have at most so many bytes.
    pub(super) fn contents(
        &self,
        git: &Git,
        ids: &[ObjectId],
        most: u64,
    ) -> Result<HashMap<ObjectId, Vec<u8>>, GitError> {
        let kinds = self.kinds(git, ids)?;
        let small: Vec<ObjectId> = std::iter::zip(ids, kinds)
            .filter(|(_, kind)| matches!(kind, Some((ObjectKind::Blob, size)) if *size <= most))
            .map(|(id, _)| *id)
            .collect();
        if small.is_empty() {
            return Ok(HashMap::new());
        }
        let count = small.len();
        let call = self.call(git, "cat-file").arg("--batch");
        let (found, _) = call.fed(
            |stdin| ask(stdin, &small),
            move |output| {
                let mut found = HashMap::with_capacity(count);
                for _ in 0..count {
                    let Some((id, _, size)) = header(output)? else {
                        continue;
                    };
                    let mut bytes = Vec::new();
                    let read = Read::take(&mut *output, size.min(most) + 1).read_to_end(&mut bytes);
                    read.map_err(GitError::file("read", Path::new("git's output")))?;
                    bytes.pop();
                    found.insert(id, bytes);
                }
                Ok(found)
            },
        )?;
        Ok(found)
    }
}

fn ask(stdin: &mut impl Write, ids: &[ObjectId]) -> Result<(), GitError> {
    let text: String = ids.iter().map(|id| format!("{id}\n")).collect();
    write(stdin, text.as_bytes())
}

/// A line of `cat-file`: `<id> <kind> <size>`, or `<id> missing`.
fn header(output: &mut dyn BufRead) -> Result<Option<(ObjectId, ObjectKind, u64)>, GitError> {
    let mut line = Vec::new();
    let read = output.take(256).read_until(b'\n', &mut line);
    read.map_err(GitError::file("read", Path::new("git's output")))?;
    let unreadable = || GitError::damaged("git's answer about an object can't be read");
    let text = std::str::from_utf8(&line).map_err(|_| unreadable())?;
    let mut words = text.split_ascii_whitespace();
    let id = words.next().and_then(|id| ObjectId::from_str(id).ok());
    let id = id.ok_or_else(unreadable)?;
    let kind = match words.next() {
        Some("commit") => ObjectKind::Commit,
        Some("tree") => ObjectKind::Tree,
        Some("blob") => ObjectKind::Blob,
        Some("tag") => ObjectKind::Tag,
        Some("missing") => return Ok(None),
        _ => return Err(unreadable()),
    };
    let size = words.next().and_then(|size| size.parse().ok());
    Ok(Some((id, kind, size.ok_or_else(unreadable)?)))
}
