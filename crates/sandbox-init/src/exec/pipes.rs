//! Our ends of what an exec reads and writes.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use frames::Kind;
use processes::{Channels, Terminal};
use rustix::io::Errno;

use crate::setup::set_nonblocking;

/// All of them; none of them waits.
pub struct Connected {
    /// What it reads; none if nothing.
    pub input: Option<Input>,
    /// What it writes.
    pub sources: Vec<Source>,
    pub terminal: Option<Terminal>,
}

/// Something that it writes to.
pub struct Source {
    pub kind: Kind,
    pub descriptor: OwnedFd,
    /// How much is read of it yet; all if none.
    pub left: Option<usize>,
}

/// What it reads from.
pub enum Input {
    Pipe(OwnedFd),
    Terminal(OwnedFd),
}

impl Connected {
    pub fn new(channels: Channels, with_input: bool) -> io::Result<Self> {
        match channels {
            Channels::Pipes {
                input,
                output,
                error,
            } => {
                if let Some(input) = &input {
                    set_nonblocking(input)?;
                }
                let sources = vec![
                    Source::new(Kind::Output, output)?,
                    Source::new(Kind::ErrorOutput, error)?,
                ];
                Ok(Self {
                    input: input.map(Input::Pipe),
                    sources,
                    terminal: None,
                })
            }
            Channels::Terminal(terminal) => {
                let shown = terminal.as_fd().try_clone_to_owned()?;
                let typed = terminal.as_fd().try_clone_to_owned()?;
                Ok(Self {
                    input: with_input.then_some(Input::Terminal(typed)),
                    sources: vec![Source::new(Kind::Output, shown)?],
                    terminal: Some(terminal),
                })
            }
        }
    }
}

impl Source {
    fn new(kind: Kind, descriptor: OwnedFd) -> io::Result<Self> {
        set_nonblocking(&descriptor)?;
        Ok(Self {
            kind,
            descriptor,
            left: None,
        })
    }
}

impl Input {
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Self::Pipe(descriptor) | Self::Terminal(descriptor) => descriptor.as_fd(),
        }
    }
}

/// What a read came to.
pub enum Read {
    Some(usize),
    Nothing,
    Over,
}

/// Reads what is there, of a source of which so much is left.
pub fn read(descriptor: &OwnedFd, buffer: &mut [u8], left: Option<usize>) -> Read {
    if left == Some(0) {
        return Read::Over;
    }
    loop {
        return match rustix::io::read(descriptor, &mut *buffer) {
            Ok(0) => Read::Over,
            Ok(count) => Read::Some(count),
            Err(Errno::INTR) => continue,
            Err(Errno::AGAIN) if left.is_none() => Read::Nothing,
            // Of a terminal whose last program has gone it is an error.
            Err(_) => Read::Over,
        };
    }
}
