//! Terminals: a shell on a PTY each, which goes on when its viewers go. A viewer that comes gets
//! what was shown last, then what comes.
//!
//! `set` has all of them.

mod set;

use std::{
    collections::VecDeque,
    os::fd::OwnedFd,
    os::unix::{fs::OpenOptionsExt, process::ExitStatusExt},
    process::Stdio,
    sync::OnceLock,
};

use parking_lot::Mutex;
use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcgetwinsize, tcsetwinsize},
};
use tokio::{
    net::unix::pipe,
    process::{Child, Command},
    sync::broadcast,
};
use tokio_util::{bytes::Bytes, sync::CancellationToken};

pub use self::set::Terminals;
use crate::shell::{Shell, Snapshot};

/// How much of what was shown is kept for a viewer that comes.
const KEPT_BYTES: usize = 256 << 10;
/// How many pieces a viewer may lag behind.
const LAG: usize = 1024;
const PIECE: usize = 16 << 10;
/// Terminals are processes: more would be a mistake.
const MOST: usize = 32;
/// Columns and rows before a viewer says how many it has.
const SIZE: (u16, u16) = (80, 24);
/// What programs can work with, of columns and of rows.
const FITTING: std::ops::RangeInclusive<u16> = 1..=1000;

/// A terminal can't be opened.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError {
    #[error("could not open a terminal: {0}")]
    Io(#[from] std::io::Error),
    #[error("the limit of {MOST} terminals is reached; close one first")]
    TooMany,
}

impl From<rustix::io::Errno> for TerminalError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

/// One terminal.
pub struct Terminal {
    pty: OwnedFd,
    typed: pipe::Sender,
    written: pipe::Receiver,
    shown: Mutex<VecDeque<u8>>,
    pieces: broadcast::Sender<Bytes>,
    ended: CancellationToken,
    /// Of its shell, known once it has ended.
    exit: OnceLock<i32>,
}

/// Hangs up, as when a window is closed: the shell passes it on to its jobs. Answers the exit status.
async fn end(child: &mut Child) -> Option<i32> {
    use nix::sys::signal::{Signal, killpg};
    let group = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(group) = group.map(nix::unistd::Pid::from_raw) {
        // One that has ended is no error.
        let _ = killpg(group, Signal::SIGHUP);
    }
    let grace = std::time::Duration::from_secs(1);
    if tokio::time::timeout(grace, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
    let status = child.try_wait().ok()??;
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
}

impl Terminal {
    fn start(shell: &Shell) -> Result<(Self, Child), TerminalError> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let pty = openpt(flags)?;
        grantpt(&pty)?;
        unlockpt(&pty)?;
        let path = ptsname(&pty, Vec::new())?;
        let path = path.to_str().map_err(std::io::Error::other)?;
        // Else it would become the terminal of this process where that leads a session and has none,
        // and the shell's end would hang up on the whole of it.
        let side = std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OpenptFlags::NOCTTY.bits().cast_signed())
            .open(path)?;
        tcsetwinsize(&pty, winsize(SIZE.0, SIZE.1))?;
        let Snapshot { cwd, env, .. } = shell.context.snapshot();
        // Where the supervisor was started by something that ignores interrupts, a shell and all
        // that it starts would too.
        // By their paths: a PATH of the user's may lead nowhere.
        let child = Command::new("/usr/bin/env")
            .args(["--default-signal=INT,QUIT", "/usr/bin/setsid", "--ctty"])
            .args(["/bin/bash", "-l"])
            .current_dir(cwd)
            .env("TERM", "xterm-256color")
            .envs(env)
            .env(crate::init::MARK, "terminal")
            .stdin(Stdio::from(side.try_clone()?))
            .stdout(Stdio::from(side.try_clone()?))
            .stderr(Stdio::from(side))
            .kill_on_drop(true)
            .spawn()?;
        rustix::fs::fcntl_setfl(&pty, rustix::fs::OFlags::NONBLOCK)?;
        let terminal = Self {
            typed: pipe::Sender::from_owned_fd_unchecked(pty.try_clone()?)?,
            written: pipe::Receiver::from_owned_fd_unchecked(pty.try_clone()?)?,
            pty,
            shown: Mutex::default(),
            pieces: broadcast::Sender::new(LAG),
            ended: CancellationToken::new(),
            exit: OnceLock::new(),
        };
        Ok((terminal, child))
    }

    /// What was shown last, and what comes from now on.
    pub fn view(&self) -> (Vec<u8>, broadcast::Receiver<Bytes>) {
        let shown = self.shown.lock();
        (shown.iter().copied().collect(), self.pieces.subscribe())
    }

    /// Waits for the shell's end.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// The shell's exit code, 128 and the signal's number if one ended it; `None` before its end.
    pub fn exit(&self) -> Option<i32> {
        self.exit.get().copied()
    }

    /// Types.
    pub async fn write(&self, bytes: &[u8]) -> std::io::Result<()> {
        let mut left = bytes;
        while !left.is_empty() {
            self.typed.writable().await?;
            match self.typed.try_write(left) {
                Ok(count) => left = &left[count..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Takes a viewer's size, or what fits of it: the last one counts. What it does not say stays.
    pub fn resize(&self, cols: Option<u16>, rows: Option<u16>) -> std::io::Result<()> {
        let now = tcgetwinsize(&self.pty)?;
        let size = winsize(cols.unwrap_or(now.ws_col), rows.unwrap_or(now.ws_row));
        Ok(tcsetwinsize(&self.pty, size)?)
    }

    /// Shows what the shell writes, until it ends.
    async fn show(&self, child: &mut Child) {
        let reading = async {
            let mut piece = vec![0; PIECE];
            while self.written.readable().await.is_ok() {
                match self.written.try_read(&mut piece) {
                    Ok(count @ 1..) => self.keep(&piece[..count]),
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    // The last process on it has closed it.
                    _ => return,
                }
            }
        };
        tokio::pin!(reading);
        tokio::select! {
            () = &mut reading => {}
            _ = child.wait() => {
                // What it wrote last is there already; what it left in the background may stay.
                let _ = tokio::time::timeout(std::time::Duration::from_millis(100), reading).await;
            }
        }
    }

    fn keep(&self, piece: &[u8]) {
        let mut shown = self.shown.lock();
        shown.extend(piece);
        let over = shown.len().saturating_sub(KEPT_BYTES);
        if over > 0 {
            // A line's end is where no escape sequence is cut in two.
            let cut = shown.iter().skip(over).position(|byte| *byte == b'\n');
            shown.drain(..over + cut.map_or(0, |at| at + 1));
        }
        // With the lock held: a viewer that comes now sees the piece once. Nobody may be there.
        let _ = self.pieces.send(Bytes::copy_from_slice(piece));
    }
}

fn winsize(cols: u16, rows: u16) -> Winsize {
    let fit = |count: u16| count.clamp(*FITTING.start(), *FITTING.end());
    Winsize {
        ws_row: fit(rows),
        ws_col: fit(cols),
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

#[cfg(test)]
mod tests;
