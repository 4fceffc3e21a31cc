//! An execution as it was handed in: what the worker keeps, and what the queue's spool holds.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use wire::{body::CommKind, job::JobOwner, kernel::ExecRequest};

use super::outputs::size;

/// An execution as it was handed in: what the worker keeps, and what the queue's spool holds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct QueuedExecution {
    /// Ours, unique, later ones larger.
    pub execution_id: String,
    /// The client's request.
    #[serde(flatten)]
    pub request: ExecRequest,
    /// Who handed it in.
    #[serde(default, skip_serializing_if = "is_machine")]
    pub owner: JobOwner,
    /// In place of the request's code: a client's message for a comm, which takes its turn as code does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comm: Option<Message>,
}

fn is_machine(owner: &JobOwner) -> bool {
    *owner == JobOwner::Machine
}

impl QueuedExecution {
    /// Bytes of it that clients choose.
    pub(super) fn bytes(&self) -> usize {
        let comm = self.comm.as_ref().map_or(0, |message| {
            let values = message.data.iter().chain(&message.metadata);
            let values: usize = values.map(|(name, value)| name.len() + size(value)).sum();
            values + message.buffers.iter().map(String::len).sum::<usize>()
        });
        let words = [&self.request.id, &self.request.tag];
        let words: usize = words.into_iter().flatten().map(String::len).sum();
        self.request.code.len() + words + comm
    }
}

/// A client's message for a comm.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Message {
    pub msg_type: CommKind,
    pub comm_id: String,
    /// Of one that opens it.
    pub target_name: Option<String>,
    pub data: BTreeMap<String, Value>,
    pub metadata: BTreeMap<String, Value>,
    /// Base64.
    pub buffers: Vec<String>,
}
