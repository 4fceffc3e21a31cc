//! What a sandbox answers and reports.

use serde::{Deserialize, Serialize};

use super::{Change, Entry, ExecState, Exit, Usage};
use crate::Name;

/// An event on a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A process runs, or a watch sees everything from now on.
    Started {
        /// The process; none for a watch.
        pid: Option<i32>,
    },
    /// The output that a host asked for with `Resume` follows.
    Resumed {
        /// Its first byte: later than what was asked for if that isn't kept any more.
        from: u64,
        /// How many bytes of input arrived so far. A credit for more follows.
        input: u64,
    },
    /// The exec ended. All of its output was sent before.
    Exited(Exit),
    /// Output was dropped at this place, because nobody took it: the stream's bytes are counted as if
    /// it had been sent.
    Dropped {
        /// How much.
        bytes: u64,
    },
    /// Some of a folder's entries. Each counts as [`ENTRY_BYTES`](crate::credit::ENTRY_BYTES) of the
    /// stream's output, and so does each change.
    Entries {
        /// In the folder's own order.
        entries: Vec<Entry>,
    },
    /// The entry that was asked for.
    Entry(Entry),
    /// A file that is about to be sent.
    File(Entry),
    /// What changed in a watched folder.
    Changed {
        /// In the order of the changes.
        changes: Vec<Change>,
        /// Whether some were missed, so that the folder has to be listed again.
        missed: bool,
    },
    /// What the sandbox uses.
    Usage(Usage),
    /// Execs that weren't released.
    Execs {
        /// In the order of their streams.
        execs: Vec<ExecState>,
    },
    /// The answer to `Ping`.
    Pong,
    /// Something was carried out.
    Done {
        /// Bytes that were read, written, packed or unpacked.
        bytes: u64,
        /// Entries that were listed, removed, packed or unpacked.
        entries: u64,
        /// Entries that were left out.
        left_out: u64,
    },
    /// Something was not carried out, or not to its end.
    Refused {
        /// Why.
        code: RefusalCode,
        /// The same for a person.
        message: String,
    },
    /// A process in the sandbox wants a connection (on a stream that the sandbox opens). Nothing
    /// sends this yet.
    Connect {
        /// A name or an address, as the process gave it.
        host: Name,
        /// The port.
        port: u16,
    },
    /// An event of a newer sandbox.
    #[serde(other)]
    Unknown,
}

/// Why something isn't carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// The path leads out of the writable folders.
    Outside,
    /// The file, folder, program or stream doesn't exist.
    NotFound,
    /// There is one already.
    Exists,
    /// The permissions don't allow it.
    Permission,
    /// It needs a folder.
    NotAFolder,
    /// It needs a regular file.
    NotAFile,
    /// The folder isn't empty.
    NotEmpty,
    /// No space is left.
    NoSpace,
    /// A limit is reached: of execs, watches, processes, entries or bytes.
    Limit,
    /// The stream's id is in use, or isn't one that this side may choose.
    StreamInUse,
    /// The request, the name or the archive is invalid.
    Invalid,
    /// The sandbox can't do this.
    Unsupported,
    /// It was canceled.
    Canceled,
    /// The system failed.
    Io,
}
