//! Tasks over HTTP, beside the sandboxes in which they run. What a queue promises, the crate `tasks` knows;
//! here it gets its file, routes, and an executor. Start reading at `routes`; [`Queue`] is what every route
//! works with.
//!
//! - `queue`, `settings`: the queue of this computer, its worker, and what the settings say of them
//! - `handlers`, `crew`, `schedules`: tasks, queues and workers, schedules
//! - `executor`, `output`, `files`: what runs a task in a sandbox, its output, and the files that it gets
//! - `refusal`, `metrics`: failures, and numbers for Prometheus

mod crew;
mod executor;
mod files;
mod handlers;
mod metrics;
mod output;
mod queue;
mod refusal;
mod routes;
mod schedules;
mod settings;

pub(crate) use queue::Queue;
pub use queue::WorkOptions;
pub(crate) use routes::operations;
