//! Lines of git's output, of which the next one can be looked at.

use std::{
    io::{BufRead, Read},
    path::Path,
};

use crate::git::{command::BIG_FILE, error::GitError};

/// No file with a longer line is compared.
const LONGEST: u64 = BIG_FILE + 4096;

/// Lines without their ends.
pub(super) struct Lines<'a> {
    from: &'a mut dyn BufRead,
    line: Vec<u8>,
    is_read: bool,
}

impl<'a> Lines<'a> {
    pub(super) fn new(from: &'a mut dyn BufRead) -> Self {
        Self {
            from,
            line: Vec::new(),
            is_read: false,
        }
    }

    /// The next line, which stays the next one; `None` at the end.
    pub(super) fn peek(&mut self) -> Result<Option<&[u8]>, GitError> {
        if !self.is_read {
            self.line.clear();
            let read = Read::take(&mut *self.from, LONGEST).read_until(b'\n', &mut self.line);
            read.map_err(GitError::file("read", Path::new("git's output")))?;
            if self.line.is_empty() {
                return Ok(None);
            }
            if self.line.pop() != Some(b'\n') {
                return Err(GitError::damaged(
                    "git's output ends in the middle of a line",
                ));
            }
            self.is_read = true;
        }
        Ok(Some(&self.line))
    }

    /// Goes on to the line after that.
    pub(super) fn pass(&mut self) {
        self.is_read = false;
    }
}
