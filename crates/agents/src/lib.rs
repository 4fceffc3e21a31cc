//! Agents: AI coding tools, each in a container of its own, in a terminal that outlives whoever looks at it.
//! Start reading at `agents`.
//!
//! - `agents`: what callers can do; `settings`, `tool`, `error` are its words
//! - `keeper`: all of them, and the tasks behind: reconciling with the engine, connections
//! - `agent`: one of them, as far as this process knows it
//! - `link`: the conversation with one's helper; `viewer` and `terminal` are what it is for
//! - `labels`, `container`, `workspace`: from a request to a container, and back
//! - `tool_of_catalogue`, `hook_files`, `home_files`: from an entry of the catalogue to what runs
//! - `works`, `inside_git`, `transfer`: what one is given of a repository, and what comes back of it
//! - `catalogue`: which tools there are, and how each is installed and called
//! - `images`: the images that they run in: built here, or fetched from a registry and approved
//! - `git`: what an agent is given of a person's repository, and what comes back
//!
//! The engine's labels and the agent's volumes are the only store: what isn't there, isn't known after a
//! restart of this process.

mod agent;
mod agents;
pub mod catalogue;
mod container;
mod error;
pub mod git;
mod home_files;
mod hook_files;
pub mod images;
mod inside_git;
mod keeper;
mod labels;
mod link;
mod settings;
mod terminal;
mod tool;
mod tool_of_catalogue;
mod transfer;
mod viewer;
mod works;
mod workspace;

pub use agents::{AgentWork, Agents, Merging};
pub use error::AgentError;
pub use settings::{AllowedFolders, KeySource, NoKeys, Options};
pub use terminal::Output;
pub use tool::{PROMPT, ToolSpec};
pub use tool_of_catalogue::{modes, takes_prompt};
pub use viewer::{Look, Viewer};
