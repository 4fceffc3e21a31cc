//! Asks git what differs between two commits, and marks what a reviewer should look at.

use gix_hash::ObjectId;

use super::{
    file_diff::{Content, FileDiff, Fold},
    limits::DiffLimits,
    lines::Lines,
    output,
};
use crate::git::{
    command::{BIG_FILE, Call},
    error::GitError,
    risk,
    tree_path::TreePath,
    work::Work,
};

/// More changed files than any comparison goes through.
const MOST_FILES: usize = 1_000_000;
/// How git is asked. Neither settings nor attributes say otherwise: there are none.
const WORDS: [&str; 10] = [
    "-r",
    "-M",
    "--raw",
    "-p",
    "--full-index",
    "--no-abbrev",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--submodule=short",
];

/// What differs between two commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeDiff {
    /// The commit that it is against.
    pub from: ObjectId,
    /// The commit that it is about.
    pub to: ObjectId,
    /// The files, by path.
    pub files: Vec<FileDiff>,
    /// Files that changed and aren't listed; none of them has a mark.
    pub more_files: usize,
    /// Lines added in all files, also those that aren't listed.
    pub added: u64,
    /// Lines removed in all files, also those that aren't listed.
    pub removed: u64,
}

impl Work {
    /// Compares two commits of the person's repository or of the agent, tree to tree; usually
    /// [`Tips::start`](super::super::Tips::start) with a tip.
    ///
    /// # Errors
    /// [`GitError::CommitMissing`] for a commit that isn't there, and what git may fail with.
    pub fn diff(
        &self,
        from: ObjectId,
        to: ObjectId,
        limits: &DiffLimits,
    ) -> Result<TreeDiff, GitError> {
        self.compare(from, to, &[], limits)
    }

    /// The difference of one file, such as one that was folded, with limits of its own.
    ///
    /// # Errors
    /// [`GitError::NotChanged`] if it didn't change, and those of [`Work::diff`].
    pub fn diff_file(
        &self,
        from: ObjectId,
        to: ObjectId,
        file: &FileDiff,
        limits: &DiffLimits,
    ) -> Result<FileDiff, GitError> {
        let sides = [&file.old, &file.new].into_iter().flatten();
        let paths: Vec<&TreePath> = sides.map(|side| &side.path).collect();
        let diff = self.compare(from, to, &paths, limits)?;
        let mut found = diff.files.into_iter();
        let path = file.path().cloned().unwrap_or_default();
        found
            .find(|found| found.path() == Some(&path))
            .ok_or(GitError::NotChanged(path))
    }

    fn compare(
        &self,
        from: ObjectId,
        to: ObjectId,
        paths: &[&TreePath],
        limits: &DiffLimits,
    ) -> Result<TreeDiff, GitError> {
        for commit in [from, to] {
            if !self.store.is_commit(&self.git, commit)? {
                return Err(GitError::CommitMissing(commit));
            }
        }
        let call = self.store.call(&self.git, "diff-tree").args(WORDS).narrow();
        let call = call.args([from.to_string(), to.to_string()]);
        let (mut files, _) = only(call, paths).fed(
            |_| Ok(()),
            |output| {
                let mut lines = Lines::new(output);
                let mut files = output::files(&mut lines, MOST_FILES)?;
                output::contents(&mut lines, &mut files, limits)?;
                Ok(files)
            },
        )?;
        risk::mark(&self.store, &self.git, &mut files)?;
        let (added, removed) = files.iter().fold((0, 0), |(added, removed), file| {
            (added + file.added, removed + file.removed)
        });
        let all = files.len();
        let mut number = 0;
        files.retain(|file| {
            number += 1;
            number <= limits.files || !file.risks.is_empty()
        });
        self.add_sizes(&mut files)?;
        Ok(TreeDiff {
            from,
            to,
            more_files: all - files.len(),
            files,
            added,
            removed,
        })
    }

    /// Sizes of what isn't text; what is larger than git compares isn't known to be binary.
    fn add_sizes(&self, files: &mut [FileDiff]) -> Result<(), GitError> {
        let sides = |file: &FileDiff| {
            let id = |side: &Option<super::Side>| side.as_ref().map(|side| side.id);
            (id(&file.old), id(&file.new))
        };
        let is_binary = |file: &&mut FileDiff| matches!(file.content, Content::Binary { .. });
        let binary: Vec<&mut FileDiff> = files.iter_mut().filter(is_binary).collect();
        let ids: Vec<ObjectId> = binary
            .iter()
            .flat_map(|file| {
                let (old, new) = sides(file);
                [old, new].into_iter().flatten()
            })
            .collect();
        let mut sizes = self.store.kinds(&self.git, &ids)?.into_iter();
        let mut size = |id: Option<ObjectId>| {
            let found = id.and_then(|_| sizes.next().flatten());
            found.map(|(_, size)| size)
        };
        for file in binary {
            let (old, new) = sides(file);
            let (old_bytes, new_bytes) = (size(old), size(new));
            let is_large = [old_bytes, new_bytes]
                .into_iter()
                .flatten()
                .any(|size| size > BIG_FILE);
            file.content = match is_large {
                true => Content::Folded(Fold::LargeFile {
                    old_bytes,
                    new_bytes,
                }),
                false => Content::Binary {
                    old_bytes,
                    new_bytes,
                },
            };
        }
        Ok(())
    }
}

/// Of these files alone.
fn only<'a>(call: Call<'a>, paths: &[&TreePath]) -> Call<'a> {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};
    let paths = paths.iter().map(|path| OsStr::from_bytes(path.as_bytes()));
    call.arg("--").args(paths)
}
