//! What the host asks a sandbox for.

use serde::{Deserialize, Serialize};

use super::{Exec, Links, RefusalCode, Size, TarLimits};
use crate::Name;

/// A request. Paths are absolute, or relative to the first of the writable folders.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Starts a process.
    Exec(Exec),
    /// Sends a signal to the stream's process. An exec that has ended ignores it.
    Signal {
        /// Linux's number.
        signal: i32,
        /// Whether all of its process group get it.
        group: bool,
    },
    /// Changes the size of the stream's terminal.
    Resize(Size),
    /// Asks a host that attached for the stream's output from this byte on, or from the oldest
    /// one that is kept.
    Resume {
        /// How many bytes the host has seen.
        after: u64,
    },
    /// The exec's output and exit are needed no longer. One that runs goes on, unseen.
    Release,
    /// Ends whatever the stream does: an exec is killed, a file that is written is left as it was.
    Cancel,
    /// Lists a folder: [`Event::Entries`](super::Event::Entries), then `Done`.
    List {
        /// The folder.
        path: Name,
        /// How many levels: 1 for the folder's own entries.
        depth: u32,
        /// The most entries; what is more is left out, and `Done` says so.
        most: u32,
    },
    /// One entry, without following a link: [`Event::Entry`](super::Event::Entry).
    Stat {
        /// The file, folder or link.
        path: Name,
    },
    /// Reads a file: [`Event::File`](super::Event::File), output, `Done`.
    Read {
        /// The file.
        path: Name,
        /// The first byte wanted.
        from: u64,
        /// How many; all if none.
        length: Option<u64>,
    },
    /// Writes a file from the stream's input, up to its close: first beside it, then renamed into
    /// place, so that it is there as a whole or not at all. A link is replaced.
    Write {
        /// The file.
        path: Name,
        /// Permissions; those of the file that is replaced, or 0644, if none.
        mode: Option<u32>,
        /// Whether missing folders are made.
        parents: bool,
    },
    /// Renames an entry.
    Move {
        /// What is moved.
        from: Name,
        /// Its new path.
        to: Name,
        /// Whether a file that is there is replaced.
        replace: bool,
    },
    /// Removes an entry.
    Remove {
        /// The file, folder or link.
        path: Name,
        /// Whether a folder is removed with all that is in it.
        recursive: bool,
    },
    /// Makes a folder.
    MakeDir {
        /// The folder.
        path: Name,
        /// Whether missing folders above it are made, and one that is there is no error.
        parents: bool,
    },
    /// Reports what changes in a folder, until it is canceled:
    /// [`Event::Started`](super::Event::Started) once it sees everything, then
    /// [`Event::Changed`](super::Event::Changed).
    Watch {
        /// The folder.
        path: Name,
        /// Whether folders below it are watched too.
        recursive: bool,
    },
    /// Sends a tar archive of folders as the stream's output.
    TarOut {
        /// What is packed; all writable folders if empty.
        paths: Vec<Name>,
    },
    /// Unpacks the stream's input, a tar archive whose names begin with those of writable folders.
    TarIn {
        /// When to give up.
        limits: TarLimits,
        /// Which links are made.
        links: Links,
    },
    /// How much is in a folder, down to its last level: `Done` with the bytes that its files take on
    /// their disk, and their number. What couldn't be counted, since it lies too deep or can't be
    /// read, is left out, and said to be.
    Weigh {
        /// The folder.
        path: Name,
        /// The most entries that are counted.
        most: u64,
    },
    /// What the sandbox uses: [`Event::Usage`](super::Event::Usage).
    Usage,
    /// All execs that weren't released: [`Event::Execs`](super::Event::Execs).
    Execs,
    /// Is answered at once: [`Event::Pong`](super::Event::Pong).
    Ping,
    /// The connection that [`Event::Connect`](super::Event::Connect) asked for is there: from now
    /// on the stream's input and output are its bytes.
    Connected,
    /// The connection that [`Event::Connect`](super::Event::Connect) asked for isn't made.
    Refused {
        /// Why.
        code: RefusalCode,
        /// The same for a person.
        message: String,
    },
    /// Ends the sandbox: all processes get SIGTERM, and after this long SIGKILL.
    Shutdown {
        /// Milliseconds between the two.
        grace_ms: u64,
    },
    /// A request of a newer host: it is refused as unsupported.
    #[serde(other)]
    Unknown,
}
