//! The one client of a machine's APIs, over loopback TCP or a Unix socket. What answers may be the
//! attacker's: every head, body, event and JSON text is bounded before it is kept.
//!
//! Start with [`Client`], and with [`RouteCall`] for a route of the list in `wire`. A machine without a network path is reached by `body call` instead, which
//! the container engine runs in it.

mod answer;
mod call;
mod client;
mod error;
mod events;
pub mod json;
mod ping;

pub use answer::{ANSWER_BYTES, Answer, WORD_BYTES};
pub use call::RouteCall;
pub use client::{Client, Request, segment};
pub use error::{ClientError, Refusal};
pub use events::{EventReader, EventTooLarge, StreamedEvent};
pub use ping::{Ping, ping};
pub use reqwest::{Method, StatusCode, header};

#[cfg(test)]
mod tests;
