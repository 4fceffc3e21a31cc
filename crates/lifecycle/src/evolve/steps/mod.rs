//! The steps of a run, in the order in which they come:
//!
//! - `build`: prepare and build, which change nothing about the machine
//! - `swap`: carry, swap and settle, in which the machine changes
//! - `finish`: tidy after a good run, undo after any other

pub(super) mod build;
mod finish;
mod swap;
