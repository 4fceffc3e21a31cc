//! Who goes first when memory runs out. The kernel kills by size, and by a score that a child inherits:
//! one that has just begun is smaller than the process that started it, which would go in its place.
//!
//! A process that others can't look into can't open its own score, and neither can a child of it before it
//! executes a program. So it is opened in time and kept; it is raised while a child is made, which lowers
//! it again, as its first act, for the parent that the descriptor belongs to.

use std::{fs::OpenOptions, io, os::fd::OwnedFd, sync::OnceLock};

/// That of what is killed first.
const FIRST: &[u8] = b"1000";

/// This process's own score.
#[derive(Debug)]
pub(crate) struct Score {
    own: OwnedFd,
    /// What it was.
    before: Vec<u8>,
}

static SCORE: OnceLock<Score> = OnceLock::new();

/// Has the kernel kill programs that are started from now on before this process, when memory runs out.
/// To be called before this process closes itself to others. Without a `/proc` it does nothing.
///
/// # Errors
/// What the system says if the score can't be opened.
pub fn outlive_programs() -> io::Result<()> {
    let path = "/proc/self/oom_score_adj";
    let opened = OpenOptions::new().write(true).open(path);
    let own = match opened {
        Ok(own) => own.into(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let before = std::fs::read(path)?;
    // A second call finds the same.
    let _ = SCORE.set(Score { own, before });
    Ok(())
}

impl Score {
    /// That of this process, if it was kept.
    pub(crate) fn kept() -> Option<&'static Self> {
        SCORE.get()
    }

    /// Raises it, for a child to inherit.
    pub(crate) fn raise(&self) {
        // It may always be raised.
        let _ = rustix::io::write(&self.own, FIRST);
    }

    /// Lowers it again. It makes one system call and allocates nothing.
    pub(crate) fn lower(&self) {
        // What it was before is never too low.
        let _ = rustix::io::write(&self.own, &self.before);
    }
}
