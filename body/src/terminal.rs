//! Terminals: a shell on a PTY each, which goes on when its viewers go. A viewer that comes gets
//! what was shown last, then what comes.

use std::{
    collections::{BTreeMap, VecDeque},
    os::fd::OwnedFd,
    os::unix::fs::OpenOptionsExt,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcgetwinsize, tcsetwinsize},
};
use tokio::{
    net::unix::pipe,
    process::{Child, Command},
    sync::broadcast,
};
use tokio_util::{bytes::Bytes, sync::CancellationToken, task::TaskTracker};

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

/// All terminals, by name.
#[derive(Default)]
pub struct Terminals(Mutex<BTreeMap<String, Arc<Terminal>>>);

/// One terminal.
pub struct Terminal {
    pty: OwnedFd,
    typed: pipe::Sender,
    written: pipe::Receiver,
    shown: Mutex<VecDeque<u8>>,
    pieces: broadcast::Sender<Bytes>,
    ended: CancellationToken,
}

impl Terminals {
    /// The terminal of this name; started in the shell's folder and environment where there is none.
    pub fn open(
        self: &Arc<Self>,
        name: &str,
        shell: &Shell,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Arc<Terminal>, TerminalError> {
        let mut terminals = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(terminal) = terminals.get(name) {
            return Ok(Arc::clone(terminal));
        }
        if terminals.len() >= MOST {
            return Err(TerminalError::TooMany);
        }
        let (terminal, mut child) = Terminal::start(shell)?;
        let terminal = Arc::new(terminal);
        terminals.insert(name.to_owned(), Arc::clone(&terminal));
        let (of, name, stop) = (Arc::downgrade(self), name.to_owned(), stop.clone());
        let task = Arc::clone(&terminal);
        tasks.spawn(async move {
            tokio::select! {
                () = task.show(&mut child) => {}
                () = stop.cancelled() => {}
            }
            // A hang-up, as when a window is closed; the shell passes it on to its jobs.
            end(&mut child).await;
            task.ended.cancel();
            forget(&of, &name);
        });
        Ok(terminal)
    }
}

fn forget(of: &Weak<Terminals>, name: &str) {
    if let Some(terminals) = of.upgrade() {
        let mut terminals = terminals.0.lock().unwrap_or_else(PoisonError::into_inner);
        terminals.remove(name);
    }
}

async fn end(child: &mut Child) {
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
        };
        Ok((terminal, child))
    }

    /// What was shown last, and what comes from now on.
    pub fn view(&self) -> (Vec<u8>, broadcast::Receiver<Bytes>) {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        (shown.iter().copied().collect(), self.pieces.subscribe())
    }

    /// Waits for the shell's end.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
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
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
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
mod tests {
    use std::time::Duration;

    use super::*;

    struct Room {
        terminals: Arc<Terminals>,
        shell: Shell,
        tasks: TaskTracker,
        stop: CancellationToken,
    }

    impl Room {
        fn new() -> Self {
            let shell = Shell::new("/".into());
            shell.context.set("PS1", "$ ").unwrap();
            shell.context.set("HOME", "/nowhere").unwrap();
            Self {
                terminals: Arc::default(),
                shell,
                tasks: TaskTracker::new(),
                stop: CancellationToken::new(),
            }
        }

        fn open(&self, name: &str) -> Arc<Terminal> {
            let opened = self
                .terminals
                .open(name, &self.shell, &self.tasks, &self.stop);
            opened.unwrap()
        }

        async fn end(self) {
            self.stop.cancel();
            self.tasks.close();
            tokio::time::timeout(DEADLINE, self.tasks.wait())
                .await
                .unwrap();
        }
    }

    const DEADLINE: Duration = Duration::from_secs(120);

    /// Reads as a viewer does, until it has seen this.
    async fn sees(view: (Vec<u8>, broadcast::Receiver<Bytes>), wanted: &str) {
        shows(view, wanted, |seen| seen.contains(wanted)).await;
    }

    async fn shows(
        view: (Vec<u8>, broadcast::Receiver<Bytes>),
        what: &str,
        is_there: impl Fn(&str) -> bool,
    ) {
        let (mut seen, mut pieces) = view;
        let reading = async {
            while !is_there(&String::from_utf8_lossy(&seen)) {
                seen.extend_from_slice(&pieces.recv().await.unwrap());
            }
        };
        let read = tokio::time::timeout(DEADLINE, reading).await;
        read.unwrap_or_else(|_| panic!("no {what:?} in {:?}", String::from_utf8_lossy(&seen)));
    }

    #[tokio::test]
    async fn several_viewers_see_the_same_and_it_goes_on_without_them() {
        let room = Room::new();
        let terminal = room.open("a");
        let (first, second) = (terminal.view(), room.open("a").view());
        terminal.resize(Some(91), Some(33)).unwrap();
        terminal
            .write(b"echo size $(stty size) in $PWD\n")
            .await
            .unwrap();
        sees(first, "size 33 91 in /").await;
        sees(second, "size 33 91 in /").await;
        // Nobody looks now; the next one sees what there was and can interrupt it.
        terminal
            .write(b"PS1='ready> '; x=kept; bash -c 'echo on $(tty); exec sleep 600'\n")
            .await
            .unwrap();
        drop(terminal);
        let terminal = room.open("a");
        sees(terminal.view(), "on /dev/pts/").await;
        terminal.write(b"\x03").await.unwrap();
        // What is typed before the shell has taken the interrupt in goes with it: its prompt says
        // that it has.
        let prompt = |seen: &str| {
            let after = seen.rsplit_once("^C");
            after.is_some_and(|(_, after)| after.contains("ready> "))
        };
        shows(terminal.view(), "prompt after the interrupt", prompt).await;
        // Known for what it is, as all that it starts.
        terminal
            .write(b"echo it is $x $VIVARIUM_SERVICE\n")
            .await
            .unwrap();
        sees(terminal.view(), "it is kept terminal").await;
        room.end().await;
    }

    #[tokio::test]
    async fn a_size_is_one_that_fits_from_the_beginning() {
        let room = Room::new();
        room.shell.context.set("PATH", "/nowhere").unwrap();
        let terminal = room.open("a");
        let size = || {
            let size = tcgetwinsize(&terminal.pty).unwrap();
            (size.ws_col, size.ws_row)
        };
        assert_eq!(size(), SIZE);
        terminal.resize(Some(0), Some(0)).unwrap();
        assert_eq!(size(), (1, 1));
        terminal.resize(Some(u16::MAX), Some(40)).unwrap();
        assert_eq!(size(), (1000, 40));
        // A second viewer that has none of its own.
        terminal.resize(None, None).unwrap();
        terminal.resize(None, Some(50)).unwrap();
        assert_eq!(size(), (1000, 50));
        let view = terminal.view();
        terminal.write(b"echo star''ted\n").await.unwrap();
        sees(view, "started").await;
        room.end().await;
    }

    #[tokio::test]
    async fn a_shell_that_ends_makes_room_for_another() {
        let room = Room::new();
        let terminal = room.open("a");
        let view = terminal.view();
        terminal.write(b"echo by''e; exit 3\n").await.unwrap();
        sees(view, "bye").await;
        tokio::time::timeout(DEADLINE, terminal.ended())
            .await
            .unwrap();
        let again = room.open("a");
        assert!(!Arc::ptr_eq(&terminal, &again));
        room.end().await;
    }
}
