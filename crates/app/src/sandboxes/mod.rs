//! Sandboxes over HTTP, beside the app's commands at the API's port. What a sandbox is, the crate
//! `sandbox` knows; here its answers get routes, statuses and streams. Start reading at `routes`;
//! [`Service`] is what every route works with. The window has commands of its own for the same
//! (`commands`).

mod code;
mod commands;
mod execs;
mod file_transfer;
mod files;
mod follow;
mod health;
mod image_work;
mod images;
mod machine;
mod operation;
mod output;
mod refusal;
mod request;
mod routes;
mod service;
mod serving;
mod sessions;
mod settings;
mod slot;

pub(crate) use files::{attachment, pieces};
pub(crate) use machine::{is_living, owner as machine_owner};
pub(crate) use operation::{Operation, operation};
pub(crate) use refusal::Refusal;
pub(crate) use request::{Asked, Asking, Given, Named, json};
pub(crate) use routes::{closed, open};
pub(crate) use service::{DefaultNetwork, Service, init_binary};
pub(crate) use serving::Serving;
pub(crate) use sessions::{idempotency_key, seconds};
pub(crate) use slot::Slot;
