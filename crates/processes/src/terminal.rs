//! Terminals: the side that shows and types. The program has the other one.

use std::{
    fs::{File, OpenOptions},
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt, fs::OpenOptionsExt},
    },
    path::Path,
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

/// How many columns and rows programs can work with.
const FITTING: std::ops::RangeInclusive<u16> = 1..=1000;

/// A terminal's size; what doesn't fit is made to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

/// The side of a terminal that shows and types.
#[derive(Debug)]
pub struct Terminal {
    pty: OwnedFd,
}

impl Terminal {
    /// A new one, and the program's side of it.
    pub(crate) fn open(size: Size) -> std::io::Result<(Self, File)> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let pty = openpt(flags)?;
        grantpt(&pty)?;
        unlockpt(&pty)?;
        let path = ptsname(&pty, Vec::new())?;
        let path = Path::new(std::ffi::OsStr::from_bytes(path.as_bytes()));
        // Else it would become the terminal of this process if that leads a session and has none.
        let side = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OpenptFlags::NOCTTY.bits().cast_signed())
            .open(path)?;
        let terminal = Self { pty };
        terminal.resize(size)?;
        Ok((terminal, side))
    }

    /// Changes the size; the program is told by SIGWINCH.
    pub fn resize(&self, size: Size) -> std::io::Result<()> {
        let fit = |count: u16| count.clamp(*FITTING.start(), *FITTING.end());
        let size = Winsize {
            ws_row: fit(size.rows),
            ws_col: fit(size.cols),
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        Ok(tcsetwinsize(&self.pty, size)?)
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pty.as_fd()
    }
}
