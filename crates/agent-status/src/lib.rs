//! Where an agent stands, as its tool's own hooks tell it, and what the helper in its container and the
//! host say to each other about it. Used on both sides; nothing here waits, opens or starts anything.
//!
//! - `hook`: what a tool tells its hook, read with bounds
//! - `tracker`: from events to a state
//! - `asks`: what the tool asks permission for
//! - `message`, `launch`: what helper and host say, in lines of JSON, and what is to run
//! - `text`: text from inside, for people
//!
//! Whatever comes from a tool is somebody else's: it is cut to a length, and control characters are taken
//! out before it is shown.

mod asks;
mod hook;
mod launch;
mod message;
mod text;
mod tracker;

pub use asks::MOST_ASKS;
pub use hook::{HookEvent, MOST_HOOK_BYTES, read_hook};
pub use launch::{CONVERSATION, Launch, Run};
pub use message::{
    HookAnswer, HookMessage, MOST_LINE_BYTES, Snapshot, Started, ToHelper, ToolEnd, read_line,
    write_line,
};
pub use text::{bounded, paste, shown};
pub use tracker::{Outcome, Tracker};
