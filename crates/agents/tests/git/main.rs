//! The git side of agents with real git: what an agent is given, what comes back, and everything by
//! which a repository or a bundle could make git run something, or read or write elsewhere.

#![allow(clippy::unwrap_used)]

mod diff;
mod hostile_bundle;
mod hostile_repository;
mod merge;
mod prepare;
mod process;
mod receive;
mod side_by_side;
mod whitelist;
mod world;
