//! Frames over a container's stdio: what the host and the first process of a sandbox say to each
//! other. This crate encodes and decodes; whoever uses it owns the pipes, the threads and the time.
//!
//! A **conversation** has an *epoch*. It begins with a [`Mark`], then a [`Hello`](message::Hello),
//! and each frame after it carries the epoch and its number within it, so that a frame that was
//! lost, repeated or kept from an earlier conversation is noticed. A host that comes back (its
//! process was killed, or the connection to the engine broke) doesn't know how much of a frame is
//! still on its way in either direction: it sends the mark that the sandbox told to it, then
//! [`Attach`](message::Attach) with a nonce of its own. Each side skips everything up to its mark.
//!
//! A frame belongs to a **stream**: an exec, a file that is read, a connection. Streams that the
//! host opens have odd numbers, those that the sandbox opens even ones; [`StreamId::CONNECTION`] is
//! the conversation itself. Data is raw bytes, control messages are JSON. Data is sent only as far
//! as the other side's [`credit`] reaches, stream by stream, so that an endless output neither fills
//! a memory nor delays another stream.
//!
//! Start with [`Encoder`] and [`Decoder`]. [`message`] has all that can be said.

pub mod credit;
mod decoder;
mod encoder;
mod error;
mod frame;
mod header;
mod hex;
mod mark;
pub mod message;
mod name;

pub use decoder::{Decoded, Decoder};
pub use encoder::Encoder;
pub use error::FrameError;
pub use frame::{Body, Frame, StreamId};
pub use header::{HEADER_BYTES, Kind, MOST_CONTROL_BYTES, MOST_DATA_BYTES};
pub use mark::{MARK_BYTES, Mark, Nonce};
pub use name::Name;

/// The version of what this crate says; another one is refused in the hello.
pub const PROTOCOL: u32 = 1;

/// Status with which the first process of a sandbox ends when the one that speaks frames was killed: only
/// a process of the sandbox can do that, or the kernel for want of memory.
pub const KILLED_STATUS: i32 = 120;
