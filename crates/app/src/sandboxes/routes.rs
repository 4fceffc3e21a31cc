//! All routes of sandboxes, in one list.

use axum::{Router, extract::DefaultBodyLimit, http::Method};
use wire::{
    sandbox::{
        CodeAnswer, CodeContext, CodeContextRequest, CodeRequest, CreateRequest, ExecAnswer,
        ExecRequest, ExecView, FileEntry, PoolView, PtySize, SandboxCreated, SandboxView,
        SignalRequest, TimeoutRequest,
    },
    tokens::Scope,
};

use super::{
    Service, code, execs, files, health, images,
    operation::{Operation, open as without_token, operation, routers},
    sessions,
};

/// Every operation, with what it takes and answers.
pub(super) fn operations() -> Vec<Operation> {
    let mut operations = own();
    operations.extend(crate::tasks::operations());
    operations
}

fn own() -> Vec<Operation> {
    let (get, post, put, delete) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
    let bytes = "application/octet-stream";
    let events = "text/event-stream";
    vec![
        without_token(
            get.clone(),
            "/health",
            "Whether the engine and the store work",
            health::health,
        )
        .answers::<health::HealthAnswer>(),
        operation(
            get.clone(),
            "/pool",
            Scope::Read,
            "Started sandboxes that wait",
            health::pool,
        )
        .answers::<PoolView>(),
        operation(
            get.clone(),
            "/metrics",
            Scope::Read,
            "Metrics for Prometheus",
            health::metrics,
        )
        .answers_with("text/plain"),
        operation(
            get.clone(),
            "/openapi.json",
            Scope::Read,
            "This document",
            health::openapi,
        ),
        operation(
            post.clone(),
            "/images",
            Scope::Exec,
            "Fetch an image from its registry, or build the sandboxes' own",
            images::pull,
        )
        .may_take::<images::Pull>()
        .streams(),
        operation(
            post.clone(),
            "/sessions",
            Scope::Exec,
            "Create a sandbox",
            sessions::create,
        )
        .may_take::<CreateRequest>()
        .answers::<SandboxCreated>()
        .status(201),
        operation(
            get.clone(),
            "/sessions",
            Scope::Read,
            "List the sandboxes",
            sessions::list,
        )
        .answers::<sessions::Sessions>(),
        operation(
            get.clone(),
            "/sessions/{id}",
            Scope::Read,
            "Show a sandbox",
            sessions::get,
        )
        .answers::<SandboxView>(),
        operation(
            delete.clone(),
            "/sessions/{id}",
            Scope::Exec,
            "Remove a sandbox",
            sessions::remove,
        )
        .answers::<sessions::Message>(),
        operation(
            post.clone(),
            "/sessions/{id}/pause",
            Scope::Exec,
            "Freeze its processes",
            sessions::pause,
        )
        .answers::<sessions::Changed>(),
        operation(
            post.clone(),
            "/sessions/{id}/resume",
            Scope::Exec,
            "Continue its processes",
            sessions::resume,
        )
        .answers::<sessions::Changed>(),
        operation(
            post.clone(),
            "/sessions/{id}/timeout",
            Scope::Exec,
            "Set how long it lives from now on",
            sessions::timeout,
        )
        .takes::<TimeoutRequest>()
        .answers::<SandboxView>(),
        operation(
            post.clone(),
            "/sessions/{id}/snapshot",
            Scope::Exec,
            "A tar archive of its writable folders",
            sessions::snapshot,
        )
        .answers_with("application/x-tar"),
        operation(
            post.clone(),
            "/sessions/{id}/restore",
            Scope::Exec,
            "Put a tar archive into its writable folders",
            sessions::restore,
        )
        .takes_bytes()
        .answers::<sessions::Message>(),
        operation(
            post.clone(),
            "/sessions/{id}/fork",
            Scope::Exec,
            "Create another one with the same files",
            sessions::fork,
        )
        .may_take::<sessions::Fork>()
        .answers::<SandboxCreated>()
        .status(201),
        operation(
            put.clone(),
            "/sessions/{id}/network",
            Scope::Exec,
            "Change its network rules (not supported yet)",
            sessions::network,
        ),
        operation(
            get.clone(),
            "/sessions/{id}/network/log",
            Scope::Read,
            "What was let through and refused (not supported yet)",
            sessions::network,
        ),
        operation(
            post.clone(),
            "/sessions/{id}/exec",
            Scope::Exec,
            "Run a command",
            execs::exec,
        )
        .takes::<ExecRequest>()
        .answers::<ExecAnswer>()
        .streams()
        .query("encoding", "string"),
        operation(
            get.clone(),
            "/sessions/{id}/exec",
            Scope::Read,
            "Commands that run and the last that did",
            execs::list,
        )
        .answers::<execs::Execs>(),
        operation(
            get.clone(),
            "/sessions/{id}/exec/{exec_id}",
            Scope::Read,
            "Show a command",
            execs::get,
        )
        .answers::<ExecView>(),
        operation(
            get.clone(),
            "/sessions/{id}/exec/{exec_id}/events",
            Scope::Read,
            "Its output",
            execs::events,
        )
        .answers_with(events)
        .query("after", "integer")
        .query("encoding", "string"),
        operation(
            post.clone(),
            "/sessions/{id}/exec/{exec_id}/stdin",
            Scope::Exec,
            "Write to its stdin or end it",
            execs::stdin,
        )
        .takes::<execs::Input>()
        .answers::<execs::Done>(),
        operation(
            post.clone(),
            "/sessions/{id}/exec/{exec_id}/signal",
            Scope::Exec,
            "Send it a signal",
            execs::signal,
        )
        .takes::<SignalRequest>()
        .answers::<execs::Done>(),
        operation(
            post.clone(),
            "/sessions/{id}/exec/{exec_id}/resize",
            Scope::Exec,
            "Give its terminal another size",
            execs::resize,
        )
        .takes::<PtySize>()
        .answers::<execs::Done>(),
        operation(
            post.clone(),
            "/sessions/{id}/code",
            Scope::Exec,
            "Run code; variables stay",
            code::run,
        )
        .takes::<CodeRequest>()
        .answers::<CodeAnswer>()
        .streams(),
        operation(
            get.clone(),
            "/sessions/{id}/contexts",
            Scope::Read,
            "List its code contexts",
            code::contexts,
        )
        .answers::<code::Contexts>(),
        operation(
            post.clone(),
            "/sessions/{id}/contexts",
            Scope::Exec,
            "Create a code context",
            code::create_context,
        )
        .may_take::<CodeContextRequest>()
        .answers::<CodeContext>()
        .status(201),
        operation(
            post,
            "/sessions/{id}/contexts/{context}/restart",
            Scope::Exec,
            "Clear a context's variables",
            code::restart_context,
        ),
        operation(
            delete.clone(),
            "/sessions/{id}/contexts/{context}",
            Scope::Exec,
            "Remove a code context",
            code::remove_context,
        ),
        operation(
            get.clone(),
            "/sessions/{id}/files",
            Scope::Read,
            "List a folder",
            files::list,
        )
        .answers::<files::Listed>()
        .query("path", "string")
        .query("depth", "integer"),
        operation(
            put.clone(),
            "/sessions/{id}/files",
            Scope::Exec,
            "Write or move a file, or make a folder",
            files::put,
        )
        .may_take::<files::Put>()
        .answers::<FileEntry>()
        .query("path", "string"),
        operation(
            delete,
            "/sessions/{id}/files",
            Scope::Exec,
            "Remove a file or folder",
            files::remove,
        )
        .query("path", "string"),
        operation(
            get.clone(),
            "/sessions/{id}/files/content",
            Scope::Read,
            "A file's bytes",
            files::read,
        )
        .answers_with(bytes)
        .query("path", "string"),
        operation(
            put,
            "/sessions/{id}/files/content",
            Scope::Exec,
            "Write a file's bytes",
            files::write,
        )
        .takes_bytes()
        .answers::<FileEntry>()
        .query("path", "string"),
        operation(
            get,
            "/sessions/{id}/files/watch",
            Scope::Read,
            "Changes in a folder",
            files::watch,
        )
        .answers_with(events)
        .query("path", "string")
        .query("recursive", "boolean"),
    ]
}

/// Routes for those with a token. Files and archives may be of any length: they are never held as a
/// whole.
pub(crate) fn closed(service: Service) -> Router {
    routers(operations()).0.with_state(service)
}

/// Routes for everybody who is let in at all.
pub(crate) fn open(service: Service) -> Router {
    routers(operations())
        .1
        .layer(DefaultBodyLimit::max(0))
        .with_state(service)
}
