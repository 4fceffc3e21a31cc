//! What comes from the host, and whether there is a conversation at all.

use std::os::fd::OwnedFd;

use frames::{
    Body, Decoded, Decoder, Frame, FrameError, Mark, Nonce, PROTOCOL, StreamId,
    message::{Attach, ExecState, Goodbye, Hello, Reason},
};
use rustix::{
    io::Errno,
    rand::{GetRandomFlags, getrandom},
};

use crate::outbox::Outbox;

/// How much is read at a time.
const READ_BYTES: usize = 64 << 10;

/// The host's side of the conversation.
pub struct Conversation {
    input: OwnedFd,
    decoder: Decoder,
    /// What a host that attaches has to know. It stays the same: a host that wasn't heard at once
    /// asks again.
    key: Nonce,
    epoch: u32,
    /// What was read and isn't decoded yet.
    read: Vec<u8>,
    used: usize,
    is_over: bool,
}

/// What came.
pub enum Incoming {
    /// A frame of the conversation.
    Frame(Frame),
    /// A host attaches.
    Attach(Attach),
    /// The conversation has an error in it, and is over.
    Wrong(FrameError),
}

impl Conversation {
    /// Opens the first conversation.
    pub fn open(input: OwnedFd, outbox: &mut Outbox) -> Result<Self, Errno> {
        let key = nonce()?;
        let mut conversation = Self {
            input,
            decoder: Decoder::open(1, Mark::new(key)),
            key,
            epoch: 0,
            read: Vec::new(),
            used: 0,
            is_over: false,
        };
        conversation.hello(Nonce::FIRST, Vec::new(), outbox);
        Ok(conversation)
    }

    /// Opens another conversation, for a host that attached.
    pub fn attach(&mut self, attach: &Attach, execs: Vec<ExecState>, outbox: &mut Outbox) {
        self.hello(attach.nonce, execs, outbox);
        self.decoder = Decoder::open(self.epoch, Mark::new(self.key));
        if attach.protocol != PROTOCOL {
            let message = format!(
                "the sandbox speaks protocol {PROTOCOL}, the host {}",
                attach.protocol
            );
            let reason = Reason::Version;
            self.end(Goodbye { reason, message }, outbox);
        }
    }

    fn hello(&mut self, to: Nonce, execs: Vec<ExecState>, outbox: &mut Outbox) {
        self.epoch += 1;
        outbox.begin(self.epoch, Mark::new(to));
        let hello = Hello {
            protocol: PROTOCOL,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            epoch: self.epoch,
            key: self.key,
            execs,
        };
        outbox.frame(StreamId::CONNECTION, &Body::Hello(hello));
    }

    /// Ends the conversation: everything up to the next mark is skipped.
    pub fn end(&mut self, goodbye: Goodbye, outbox: &mut Outbox) {
        outbox.end(goodbye);
        self.decoder.lose();
    }

    /// Where it comes from.
    pub fn input(&self) -> &OwnedFd {
        &self.input
    }

    /// Whether what was read is decoded, so that more may be read.
    pub fn is_drained(&self) -> bool {
        self.used == self.read.len()
    }

    /// Whether the input ended.
    pub fn is_over(&self) -> bool {
        self.is_over && self.is_drained()
    }

    /// Why it ended: within a frame or not.
    pub fn ended(&self) -> Goodbye {
        match self.decoder.end() {
            Err(error) => (&error).into(),
            Ok(()) => Goodbye {
                reason: Reason::EndOfInput,
                message: "the sandbox's input ended".to_owned(),
            },
        }
    }

    /// Reads what is there.
    pub fn read(&mut self) {
        self.read.resize(READ_BYTES, 0);
        self.used = 0;
        let count = match rustix::io::read(&self.input, &mut self.read[..]) {
            Ok(count) => {
                self.is_over = count == 0;
                count
            }
            Err(Errno::AGAIN | Errno::INTR) => 0,
            Err(_) => {
                self.is_over = true;
                0
            }
        };
        self.read.truncate(count);
    }

    /// What comes next of what was read.
    pub fn next(&mut self) -> Option<Incoming> {
        loop {
            let mut rest = &self.read[self.used..];
            let decoded = self.decoder.read(&mut rest);
            self.used = self.read.len() - rest.len();
            match decoded {
                // What follows it says who attaches.
                Ok(Some(Decoded::Mark)) => {}
                Ok(Some(Decoded::Frame(Frame {
                    body: Body::Attach(attach),
                    ..
                }))) => return Some(Incoming::Attach(attach)),
                Ok(Some(Decoded::Frame(frame))) => return Some(Incoming::Frame(frame)),
                Ok(None) => return None,
                Err(error) => return Some(Incoming::Wrong(error)),
            }
        }
    }
}

fn nonce() -> Result<Nonce, Errno> {
    let mut bytes = [0; 16];
    getrandom(&mut bytes, GetRandomFlags::empty())?;
    Ok(Nonce(bytes))
}
