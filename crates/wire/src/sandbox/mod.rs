//! Sandboxes over HTTP (port 8000): what `POST /sessions` and its routes take and answer.

mod code;
mod create;
mod event;
mod exec;
mod file;
mod id;
mod pool;
mod view;

pub use self::{
    code::{CodeAnswer, CodeContext, CodeContextRequest, CodeRequest},
    create::{
        CreateRequest, DiskKind, NetworkMode, NetworkRequest, OnTimeout, Pull, SandboxCreated,
        SandboxLimits, TimeoutRequest,
    },
    event::{SandboxEvent, SandboxEventKind},
    exec::{ExecAnswer, ExecRequest, ExecView, PtySize, SignalName, SignalRequest},
    file::{FileChange, FileChangeKind, FileEntry, FileKind},
    id::{CONTAINER_PREFIX, SandboxId, SandboxIdError},
    pool::{PoolShape, PoolView},
    view::{SandboxState, SandboxUsage, SandboxView},
};
