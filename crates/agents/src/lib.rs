//! Agents: AI coding tools, each in a container of its own.
//!
//! - `catalogue`: which tools there are, and how each is installed and called
//! - `images`: the images that they run in: built here, or fetched from a registry and approved
//! - `git`: what an agent is given of a person's repository, and what comes back

pub mod catalogue;
pub mod git;
pub mod images;
