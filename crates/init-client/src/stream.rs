//! Streams of a conversation: who hears what comes on one, and how much may be sent.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use frames::{
    StreamId,
    credit::{INPUT_WINDOW, Sending},
    message::Event,
};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::SessionEnd;

/// All streams of a conversation that are open.
#[derive(Debug)]
pub(crate) struct Streams {
    /// Number of the next one.
    pub(crate) next: u32,
    pub(crate) open: HashMap<StreamId, Open>,
    /// Why it is over.
    pub(crate) end: Option<SessionEnd>,
}

/// A stream that is open.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) receiver: Arc<dyn Receive>,
    pub(crate) input: Arc<Input>,
}

/// Who hears what comes on a stream. Called by the session's reader, so it must not wait.
pub trait Receive: Send + Sync + std::fmt::Debug {
    /// Output; the credit to send, or that more came than there was credit for.
    fn data(&self, is_error: bool, data: Bytes) -> Result<Option<u64>, SessionEnd>;
    /// An event; true if it is the stream's last.
    fn event(&self, event: Event) -> Result<bool, SessionEnd>;
    /// The other side has no more data.
    fn closed(&self) {}
    /// The session is over.
    fn over(&self, end: &SessionEnd);
}

/// The sending side of a stream.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) sending: Mutex<Sending>,
    pub(crate) changed: Notify,
}

impl Input {
    /// Of which so many bytes were sent.
    pub(crate) fn new(sent: u64) -> Arc<Self> {
        Arc::new(Self {
            sending: Mutex::new(Sending::new(sent, INPUT_WINDOW)),
            changed: Notify::new(),
        })
    }
}
