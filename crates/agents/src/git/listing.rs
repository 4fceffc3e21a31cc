//! The files of a tree, bounded: a small tree can have more files than fit into any memory, folders
//! without end and names that no file system takes.

use std::{
    io::{BufRead, Read},
    path::Path,
    str::FromStr,
};

use gix_hash::ObjectId;

use super::{bare::Bare, command::Git, error::GitError, tree_path::TreePath};

/// How a file is kept in a tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileMode {
    /// A file that nobody runs.
    Plain,
    /// A file that its owner may run.
    Executable,
    /// A symbolic link; its content is where it leads.
    Link,
    /// A commit of another repository.
    Submodule,
}

impl FileMode {
    pub(super) fn parse(mode: &[u8]) -> Option<Self> {
        match mode {
            b"120000" => Some(Self::Link),
            b"160000" => Some(Self::Submodule),
            // Old tools made files with other permissions, which git takes for one of two.
            mode if mode.starts_with(b"100") => match mode.get(3) {
                Some(b'1' | b'3' | b'5' | b'7') => Some(Self::Executable),
                _ => Some(Self::Plain),
            },
            _ => None,
        }
    }

    /// As git writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "100644",
            Self::Executable => "100755",
            Self::Link => "120000",
            Self::Submodule => "160000",
        }
    }
}

/// A file of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub path: TreePath,
    pub mode: FileMode,
    pub id: ObjectId,
}

/// How large a tree may be.
#[derive(Clone, Copy, Debug)]
pub struct TreeLimits {
    /// Files.
    pub files: usize,
    /// Bytes of a path.
    pub path_bytes: usize,
    /// Bytes of a name.
    pub name_bytes: usize,
    /// Folders in folders.
    pub depth: usize,
}

impl Default for TreeLimits {
    fn default() -> Self {
        Self {
            files: 1_000_000,
            path_bytes: 4000,
            name_bytes: 255,
            depth: 128,
        }
    }
}

impl TreeLimits {
    fn check(&self, path: &TreePath) -> Result<(), GitError> {
        let exceeded = |what, limit: usize, unit| {
            Err(GitError::TooMuch {
                what,
                limit: format!("{limit} {unit}"),
            })
        };
        if path.as_bytes().len() > self.path_bytes {
            return exceeded("the length of a path", self.path_bytes, "bytes");
        }
        if path.names().any(|name| name.len() > self.name_bytes) {
            return exceeded("the length of a file name", self.name_bytes, "bytes");
        }
        if path.names().count() > self.depth {
            return exceeded("the depth of folders", self.depth, "levels");
        }
        Ok(())
    }
}

/// Goes through the files of a commit or tree.
pub(super) fn each(
    bare: &Bare,
    git: &Git,
    of: ObjectId,
    limits: TreeLimits,
    mut found: impl FnMut(Listed) + Send,
) -> Result<(), GitError> {
    let call = bare.call(git, "ls-tree").args(["-r", "-z", "--full-tree"]);
    let call = call.arg(of.to_string()).narrow();
    call.fed(
        |_| Ok(()),
        move |output| {
            let mut files = 0;
            while let Some(entry) = record(output, limits.path_bytes)? {
                files += 1;
                if files > limits.files {
                    return Err(GitError::TooMuch {
                        what: "the number of files",
                        limit: limits.files.to_string(),
                    });
                }
                limits.check(&entry.path)?;
                found(entry);
            }
            Ok(())
        },
    )?;
    Ok(())
}

/// One record: `<mode> <kind> <id>\t<path>\0`.
fn record(output: &mut dyn BufRead, path_bytes: usize) -> Result<Option<Listed>, GitError> {
    const BEFORE_PATH: usize = 64;
    let most = (path_bytes + BEFORE_PATH) as u64;
    let mut line = Vec::new();
    let read = output.take(most).read_until(0, &mut line);
    read.map_err(GitError::file("read", Path::new("git's output")))?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop() != Some(0) {
        return Err(GitError::TooMuch {
            what: "the length of a path",
            limit: format!("{path_bytes} bytes"),
        });
    }
    parse(&line)
        .map(Some)
        .ok_or_else(|| GitError::damaged("git's list of files can't be read"))
}

fn parse(line: &[u8]) -> Option<Listed> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    let (before, path) = (&line[..tab], &line[tab + 1..]);
    let mut words = before.split(|byte| *byte == b' ');
    let mode = FileMode::parse(words.next()?)?;
    let id = std::str::from_utf8(words.nth(1)?).ok()?;
    Some(Listed {
        path: TreePath::new(path),
        mode,
        id: ObjectId::from_str(id).ok()?,
    })
}
