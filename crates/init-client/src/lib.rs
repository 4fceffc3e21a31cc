//! The host's side of `sandbox-init`: how it gets into a container, and what is said with it in frames.
//! What is asked of it, and whose the container is, sandboxes and agents know.
//!
//! - `init_volume`: the volume that brings the program into containers
//! - `session`: a conversation; `transport`, `source`, `outbox` are its two directions
//! - `call`, `stream`: a stream with one answer, and what all streams have
//! - `answering`: whether the other side still does

mod answering;
mod call;
mod init_volume;
mod outbox;
mod session;
mod source;
mod stream;
mod transport;

pub use call::{Call, Piece};
pub use init_volume::{
    INIT_FOLDER, INIT_PROGRAM, InitError, InitFiles, InitVolume, is_image_missing,
};
pub use session::{Opening, Session, SessionEnd};
pub use stream::Receive;
pub use transport::Transport;
