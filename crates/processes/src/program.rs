//! Starting a program.

use std::{
    ffi::OsString,
    io,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    path::PathBuf,
    process::Command,
};

use nix::{
    libc,
    sys::{prctl, signal::SigSet},
    unistd::{Pid, getppid, setsid},
};

use crate::{
    Signal,
    outlive::Score,
    terminal::{Size, Terminal},
};

/// A program to start. It leads a session of its own and has no signal blocked or ignored.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program, looked for in the `PATH` of its own environment, and its arguments.
    pub argv: Vec<OsString>,
    /// All of its environment.
    pub env: Vec<(OsString, OsString)>,
    /// The folder that it starts in.
    pub cwd: PathBuf,
    /// What it reads and writes.
    pub stdio: Stdio,
    /// Whether the kernel kills it if the thread that starts it ends. PID 1 doesn't need that:
    /// with it all of the container ends.
    pub ends_with_parent: bool,
}

/// What a program reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdio {
    /// Pipes; its standard input is empty if there is none for it.
    Pipes {
        /// Whether there is one for its standard input.
        input: bool,
    },
    /// A terminal of this size, which is the session's own.
    Terminal(Size),
}

/// A process that was started.
#[derive(Debug)]
pub struct Process {
    /// It leads a session and a group of this number.
    pub pid: Pid,
    /// Our ends of what it reads and writes. They block.
    pub channels: Channels,
}

/// Our ends of what a process reads and writes.
#[derive(Debug)]
pub enum Channels {
    /// Pipes.
    Pipes {
        /// To its standard input.
        input: Option<OwnedFd>,
        /// From its standard output.
        output: OwnedFd,
        /// From its standard error.
        error: OwnedFd,
    },
    /// A terminal.
    Terminal(Terminal),
}

/// A program can't be started.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// There is nothing to start.
    #[error("no program was named")]
    NoProgram,
    /// Linux ends arguments and variables with a zero byte.
    #[error("an argument or a variable has a zero byte in it")]
    ZeroByte,
    /// A variable's name is empty or has an equals sign in it.
    #[error("invalid name of a variable")]
    Variable,
    /// It can't start in this folder.
    #[error("could not start in {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// No pipe or terminal can be had.
    #[error("could not open a pipe or terminal: {0}")]
    Channels(io::Error),
    /// The system can't execute it, or has no room for one more process.
    #[error("could not start {}: {source}", program.display())]
    Program {
        /// The program.
        program: OsString,
        /// What the system says.
        source: io::Error,
    },
}

impl Program {
    /// Starts it.
    pub fn spawn(&self) -> Result<Process, SpawnError> {
        let (program, arguments) = self.argv.split_first().ok_or(SpawnError::NoProgram)?;
        self.check()?;
        let folder = |source| SpawnError::Folder {
            path: self.cwd.clone(),
            source,
        };
        let metadata = std::fs::metadata(&self.cwd).map_err(folder)?;
        if !metadata.is_dir() {
            return Err(folder(io::ErrorKind::NotADirectory.into()));
        }
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.cwd);
        let terminal = self.connect(&mut command).map_err(SpawnError::Channels)?;
        self.prepare(&mut command, terminal.is_some());
        let score = Score::kept();
        if let Some(score) = score {
            score.raise();
        }
        let spawned = command.spawn();
        // The child did it, if there is one.
        if let Some(score) = score {
            score.lower();
        }
        // The program's side of a terminal: while we had it too, its end wouldn't be seen.
        drop(command);
        let mut child = spawned.map_err(|source| SpawnError::Program {
            program: program.clone(),
            source,
        })?;
        let channels = match (terminal, child.stdout.take(), child.stderr.take()) {
            (Some(terminal), ..) => Channels::Terminal(terminal),
            (None, Some(output), Some(error)) => Channels::Pipes {
                input: child.stdin.take().map(Into::into),
                output: output.into(),
                error: error.into(),
            },
            // Both were asked for, and the standard library gives them.
            (None, ..) => return Err(SpawnError::Channels(io::ErrorKind::BrokenPipe.into())),
        };
        Ok(Process {
            pid: Pid::from_raw(child.id().cast_signed()),
            channels,
        })
    }

    fn check(&self) -> Result<(), SpawnError> {
        let variables = self.env.iter().flat_map(|(name, value)| [name, value]);
        let mut all = self.argv.iter().chain(variables);
        if all.any(|word| word.as_bytes().contains(&0)) {
            return Err(SpawnError::ZeroByte);
        }
        let wrong = |name: &OsString| name.is_empty() || name.as_bytes().contains(&b'=');
        if self.env.iter().any(|(name, _)| wrong(name)) {
            return Err(SpawnError::Variable);
        }
        Ok(())
    }

    fn connect(&self, command: &mut Command) -> io::Result<Option<Terminal>> {
        use std::process::Stdio as Side;
        match self.stdio {
            Stdio::Pipes { input } => {
                let side = if input { Side::piped() } else { Side::null() };
                command
                    .stdin(side)
                    .stdout(Side::piped())
                    .stderr(Side::piped());
                Ok(None)
            }
            Stdio::Terminal(size) => {
                let (terminal, side) = Terminal::open(size)?;
                command
                    .stdin(side.try_clone()?)
                    .stdout(side.try_clone()?)
                    .stderr(side);
                Ok(Some(terminal))
            }
        }
    }

    #[allow(unsafe_code)]
    fn prepare(&self, command: &mut Command, has_terminal: bool) {
        let (ends_with_parent, parent) = (self.ends_with_parent, nix::unistd::getpid());
        let score = Score::kept();
        let prepare = move || {
            if let Some(score) = score {
                score.lower();
            }
            setsid()?;
            if has_terminal {
                // SAFETY: the standard input is open here: it was put there before.
                let input = unsafe { BorrowedFd::borrow_raw(0) };
                rustix::process::ioctl_tiocsctty(input)?;
            }
            if ends_with_parent {
                prctl::set_pdeathsig(Signal::SIGKILL)?;
                // It may have ended in between, and the kernel tells only of what comes.
                if getppid() != parent {
                    return Err(io::ErrorKind::NotFound.into());
                }
            }
            heed_all_signals();
            Ok(SigSet::all().thread_unblock()?)
        };
        // SAFETY: between fork and exec this makes only system calls that are async-signal-safe,
        // and neither allocates nor touches what another thread of the parent may have locked.
        unsafe { command.pre_exec(prepare) };
    }
}

/// What was ignored when we were started stays so through fork and exec: a program started by a
/// shell's `&` ignores interrupts, and then Ctrl-C would end nothing in our terminals.
#[allow(unsafe_code)]
fn heed_all_signals() {
    // The kernel's own structure, larger on no architecture: all zero is the default disposition.
    let default = [0_u64; 4];
    for number in 1..=64_i64 {
        // SAFETY: a disposition of the child's alone is changed, to the one without a handler. The
        // C library's function would refuse two signals that it uses itself. The kernel refuses
        // SIGKILL and SIGSTOP, which nobody can ignore.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                number,
                default.as_ptr(),
                std::ptr::null_mut::<u64>(),
                size_of::<u64>(),
            )
        };
    }
}
