//! Sandboxes as the machine sees them. It has none itself and knows no container engine: `body sandbox`
//! is an MCP server whose calls wait here ([`calls`]) until the host, which hears of them over the
//! stream that it holds, has carried them out.

pub mod calls;
mod error;
mod server;
mod tools;

pub use server::run;
