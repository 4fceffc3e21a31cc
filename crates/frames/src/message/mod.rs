//! All that can be said, as JSON. Fields may be added; what is unknown is ignored, so that an older
//! sandbox and a newer host understand each other.
//!
//! Each request that isn't about an existing stream opens one, named by the frame's stream id, and
//! is answered on it: by one event, or by several and data. The last is [`Event::Exited`] for an
//! exec, and for everything else the event that answers it, [`Event::Done`] or [`Event::Refused`].

mod conversation;
mod event;
mod exec;
mod files;
mod request;
mod usage;

pub use conversation::{Attach, Goodbye, Hello, Reason};
pub use event::{Event, RefusalCode};
pub use exec::{Command, Exec, ExecState, Exit, MOST_LABEL_BYTES, Overflow, Size};
pub use files::{Change, ChangeKind, Entry, EntryKind, Links, TarLimits};
pub use request::Request;
pub use usage::{FolderUsage, Usage};
