//! What changed as a patch that `git apply` takes, for folders without git and for elsewhere.

use std::{
    io::{self, Read, Write},
    path::Path,
};

use gix_hash::ObjectId;

use super::{error::GitError, work::Work};

impl Work {
    /// Writes the difference between two commits as text, binary files included; at most so many
    /// bytes. Answers how many they were.
    ///
    /// # Errors
    /// [`GitError::TooMuch`] for a larger patch, of which the beginning was written then.
    pub fn patch(
        &self,
        from: ObjectId,
        to: ObjectId,
        most: u64,
        out: &mut (impl Write + Send),
    ) -> Result<u64, GitError> {
        for commit in [from, to] {
            if !self.store.is_commit(&self.git, commit)? {
                return Err(GitError::CommitMissing(commit));
            }
        }
        let call = self.store.call(&self.git, "diff-tree").narrow().args([
            "-r",
            "-M",
            "-p",
            "--binary",
            "--full-index",
            "--no-color",
            "--no-ext-diff",
            "--no-textconv",
            "--src-prefix=a/",
            "--dst-prefix=b/",
        ]);
        let call = call.args([from.to_string(), to.to_string()]);
        let (written, _) = call.fed(
            |_| Ok(()),
            |output| {
                let copied = io::copy(&mut output.take(most + 1), out);
                let copied = copied.map_err(GitError::file("write", Path::new("the patch")))?;
                if copied > most {
                    return Err(GitError::TooMuch {
                        what: "the size of the patch",
                        limit: format!("{} MiB", most >> 20),
                    });
                }
                Ok(copied)
            },
        )?;
        Ok(written)
    }
}
