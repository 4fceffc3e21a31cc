//! `sandbox-init join SOCKET`: joins a Unix socket in the sandbox with its own standard input and output.
//! So what listens there can be spoken to as an exec, and outlives whoever speaks with it.

use std::{
    ffi::OsStr,
    io::{self, ErrorKind, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    thread,
    time::{Duration, Instant},
};

/// How long it may take until somebody listens.
const LISTENS: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Joins them until the socket ends.
pub fn join(socket: &OsStr) -> io::Result<()> {
    let mut socket = connect(socket)?;
    let mut input = socket.try_clone()?;
    let reads = move || {
        // Whatever ends it: nothing more comes from this side.
        let _ = carry(io::stdin().lock(), &mut input);
        let _ = input.shutdown(Shutdown::Write);
    };
    // It ends with the process.
    thread::Builder::new().spawn(reads)?;
    let output = std::fs::File::from(rustix::io::fcntl_dupfd_cloexec(io::stdout(), 3)?);
    carry(&mut socket, output)
}

/// Passes on what comes, at once. `io::copy` would splice, and while that waits for the socket, Linux
/// keeps whoever reads our pipe from what is in it already.
fn carry(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    let mut piece = [0; 16 << 10];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&piece[..count])?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn connect(socket: &OsStr) -> io::Result<UnixStream> {
    let deadline = Instant::now() + LISTENS;
    loop {
        match UnixStream::connect(socket) {
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused
                ) && Instant::now() < deadline =>
            {
                thread::sleep(LOOK_AGAIN);
            }
            connected => return connected,
        }
    }
}
