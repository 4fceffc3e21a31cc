//! Routes of comms: messages between what cells made, such as widgets, and clients that show it.
//! A client's message takes its turn as a cell does, and answers as one.

use axum::{Json, extract::State, http::HeaderMap, response::Response};
use serde_json::Value;
use wire::{
    body::{CommKind, CommList, CommOpen, CommRequest, KernelChoice},
    job::JobOwner,
    kernel::ExecRequest,
};

use super::{
    Parts,
    cells::{answer, limit},
    error::ApiError,
    jobs::Owner,
    json::{Body, MaybeBody, Name, Params},
    kernels::{asked, chosen},
};
use crate::kernel::Message;

/// `GET /comms`.
pub async fn list(
    State(parts): State<Parts>,
    Params(choice): Params<KernelChoice>,
) -> Result<Json<CommList>, ApiError> {
    asked(&*chosen(&parts, &choice)?, "comms", Value::Null).await
}

/// `POST /comms`.
pub async fn open(
    State(parts): State<Parts>,
    Owner(owner): Owner,
    headers: HeaderMap,
    Body(open): Body<CommOpen>,
) -> Result<Response, ApiError> {
    let message = Message {
        msg_type: CommKind::CommOpen,
        comm_id: open.comm_id,
        target_name: Some(open.target_name),
        ..Message::default()
    };
    send(&parts, owner, &headers, message, open.message).await
}

/// `POST /comms/{id}`.
pub async fn say(
    State(parts): State<Parts>,
    Name(comm_id): Name,
    Owner(owner): Owner,
    headers: HeaderMap,
    MaybeBody(request): MaybeBody<CommRequest>,
) -> Result<Response, ApiError> {
    let message = Message {
        comm_id,
        ..Message::default()
    };
    send(&parts, owner, &headers, message, request).await
}

/// `DELETE /comms/{id}`.
pub async fn close(
    State(parts): State<Parts>,
    Name(comm_id): Name,
    Owner(owner): Owner,
    headers: HeaderMap,
    Params(choice): Params<KernelChoice>,
) -> Result<Response, ApiError> {
    let message = Message {
        msg_type: CommKind::CommClose,
        comm_id,
        ..Message::default()
    };
    let request = CommRequest {
        kernel: choice.kernel,
        ..CommRequest::default()
    };
    send(&parts, owner, &headers, message, request).await
}

async fn send(
    parts: &Parts,
    owner: JobOwner,
    headers: &HeaderMap,
    message: Message,
    request: CommRequest,
) -> Result<Response, ApiError> {
    limit(request.timeout_s)?;
    let kernel = parts.kernels.get(request.kernel.as_deref())?;
    let message = Message {
        data: request.data,
        metadata: request.metadata,
        buffers: request.buffers,
        ..message
    };
    let order = ExecRequest {
        timeout_s: request.timeout_s,
        kernel: request.kernel,
        ..ExecRequest::default()
    };
    Ok(answer(&kernel.send(order, owner, message)?, headers).await)
}
