//! Agents: AI coding tools, each in a container of its own.
//!
//! - `catalogue`: which tools there are, and how each is installed and called
//! - `images`: the images that they run in: built here, or fetched from a registry and approved

pub mod catalogue;
pub mod images;
