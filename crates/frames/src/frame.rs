//! A frame: a stream's id and what is said on it.

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    FrameError, Kind,
    message::{Attach, Event, Goodbye, Hello, Request},
};

/// Which stream a frame belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(pub u32);

impl StreamId {
    /// The conversation itself.
    pub const CONNECTION: Self = Self(0);

    /// Whether the host opens streams with this number; the sandbox opens the even ones.
    pub fn is_of_host(self) -> bool {
        self.0 % 2 == 1
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One frame, without what the coders check (epoch, number, length).
#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    /// Where it belongs.
    pub stream: StreamId,
    /// What it says.
    pub body: Body,
}

/// What a frame says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// The sandbox's first frame of an epoch.
    Hello(Hello),
    /// The first frame of a host that comes back.
    Attach(Attach),
    /// What the host asks for.
    Request(Request),
    /// What the sandbox answers and reports.
    Event(Event),
    /// The last frame of a conversation.
    Goodbye(Goodbye),
    /// Data towards the stream's process or file.
    Input(Vec<u8>),
    /// Data from it: standard output, a terminal, a file, a tar archive.
    Output(Vec<u8>),
    /// Data from a process's standard error.
    ErrorOutput(Vec<u8>),
    /// The sender has no more data for this stream.
    Close,
    /// Up to which byte of the stream the other side may send, counted from the stream's beginning.
    Credit(u64),
}

impl Body {
    /// The kind that a header names.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Hello(_) => Kind::Hello,
            Self::Attach(_) => Kind::Attach,
            Self::Request(_) => Kind::Request,
            Self::Event(_) => Kind::Event,
            Self::Goodbye(_) => Kind::Goodbye,
            Self::Input(_) => Kind::Input,
            Self::Output(_) => Kind::Output,
            Self::ErrorOutput(_) => Kind::ErrorOutput,
            Self::Close => Kind::Close,
            Self::Credit(_) => Kind::Credit,
        }
    }

    /// Appends the bytes of the body.
    pub(crate) fn write(&self, into: &mut Vec<u8>) -> Result<(), FrameError> {
        let kind = self.kind();
        let failed = |source| FrameError::Malformed { kind, source };
        match self {
            Self::Hello(said) => serde_json::to_writer(into, said).map_err(failed),
            Self::Attach(said) => serde_json::to_writer(into, said).map_err(failed),
            Self::Request(said) => serde_json::to_writer(into, said).map_err(failed),
            Self::Event(said) => serde_json::to_writer(into, said).map_err(failed),
            Self::Goodbye(said) => serde_json::to_writer(into, said).map_err(failed),
            Self::Input(data) | Self::Output(data) | Self::ErrorOutput(data) => {
                into.extend_from_slice(data);
                Ok(())
            }
            Self::Close => Ok(()),
            Self::Credit(limit) => {
                into.extend_from_slice(&limit.to_be_bytes());
                Ok(())
            }
        }
    }

    /// Reads what [`Body::write`] wrote.
    pub(crate) fn read(kind: Kind, bytes: Vec<u8>) -> Result<Self, FrameError> {
        Ok(match kind {
            Kind::Hello => Self::Hello(json(kind, &bytes)?),
            Kind::Attach => Self::Attach(json(kind, &bytes)?),
            Kind::Request => Self::Request(json(kind, &bytes)?),
            Kind::Event => Self::Event(json(kind, &bytes)?),
            Kind::Goodbye => Self::Goodbye(json(kind, &bytes)?),
            Kind::Input => Self::Input(bytes),
            Kind::Output => Self::Output(bytes),
            Kind::ErrorOutput => Self::ErrorOutput(bytes),
            Kind::Close => Self::Close,
            Kind::Credit => {
                let length = bytes.len();
                let limit: Result<[u8; 8], Vec<u8>> = bytes.try_into();
                Self::Credit(u64::from_be_bytes(
                    limit.map_err(|_| FrameError::Credit { length })?,
                ))
            }
        })
    }
}

fn json<T: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Result<T, FrameError> {
    serde_json::from_slice(bytes).map_err(|source| FrameError::Malformed { kind, source })
}
