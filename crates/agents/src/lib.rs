//! Agents: AI coding tools, each in a container of its own.
//!
//! - `git`: what an agent is given of a person's repository, and what comes back

pub mod git;
