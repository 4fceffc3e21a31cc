//! Sandboxes that only remember what was done with them.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;
use sandbox::{Owner, SandboxError};
use serde_json::json;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use wire::{
    kernel::{ExecStatus, ShellCommand},
    sandbox::{
        CodeAnswer, CodeRequest, CreateRequest, DiskKind, ExecAnswer, ExecRequest, FileEntry,
        FileKind, NetworkMode, NetworkRequest, OnTimeout, SandboxId, SandboxLimits, SandboxState,
        SandboxView,
    },
    sandbox_call::CALL_FILE_BYTES,
};

use super::super::runner::{FileRead, Runner};

#[derive(Clone, Default)]
pub(super) struct FakeRunner {
    state: Arc<Mutex<State>>,
    waits: Arc<Notify>,
}

#[derive(Default)]
struct State {
    living: BTreeMap<SandboxId, Owner>,
    networks: Vec<NetworkMode>,
    /// How often anything was asked of them.
    asked: usize,
    says: String,
    file: Vec<u8>,
}

impl FakeRunner {
    pub(super) fn living(&self) -> usize {
        self.state.lock().living.len()
    }

    pub(super) fn asked(&self) -> usize {
        self.state.lock().asked
    }

    /// Of all that were made.
    pub(super) fn networks(&self) -> Vec<NetworkMode> {
        self.state.lock().networks.clone()
    }

    /// What `say` prints from now on.
    pub(super) fn says(&self, text: String) {
        self.state.lock().says = text;
    }

    /// What every file has from now on.
    pub(super) fn holds(&self, content: Vec<u8>) {
        self.state.lock().file = content;
    }

    /// Until a command waits.
    pub(super) async fn waits(&self) {
        self.waits.notified().await;
    }

    fn find(&self, owner: &Owner, id: &SandboxId) -> Result<String, SandboxError> {
        let mut state = self.state.lock();
        state.asked += 1;
        let found = state.living.get(id).filter(|of| owner.sees(of));
        found.ok_or_else(|| SandboxError::NotFound(id.clone()))?;
        Ok(state.says.clone())
    }
}

impl Runner for FakeRunner {
    async fn create(
        &self,
        owner: &Owner,
        request: CreateRequest,
    ) -> Result<SandboxId, SandboxError> {
        let Some(NetworkRequest::Mode(network)) = request.network else {
            panic!("the network is left to the settings");
        };
        let mut state = self.state.lock();
        state.asked += 1;
        state.networks.push(network);
        let id: SandboxId = format!("s{}", state.networks.len()).parse().unwrap();
        state.living.insert(id.clone(), owner.clone());
        Ok(id)
    }

    fn list(&self, owner: &Owner) -> Vec<SandboxView> {
        let state = self.state.lock();
        let mine = state.living.iter().filter(|(_, of)| owner.sees(of));
        mine.map(|(id, _)| view(id)).collect()
    }

    async fn command(
        &self,
        owner: &Owner,
        id: &SandboxId,
        request: ExecRequest,
        cancelled: &CancellationToken,
    ) -> Result<Option<ExecAnswer>, SandboxError> {
        let says = self.find(owner, id)?;
        let ShellCommand::Line(line) = request.command else {
            panic!("a line was asked for");
        };
        if line == "wait" {
            self.waits.notify_one();
            cancelled.cancelled().await;
            return Ok(None);
        }
        Ok(Some(ExecAnswer {
            exec_id: "e".into(),
            stdout: if line == "say" { says } else { line },
            stderr: String::new(),
            exit_code: Some(0),
            timed_out: false,
            truncated: false,
            timing_ms: 1,
        }))
    }

    async fn code(
        &self,
        owner: &Owner,
        id: &SandboxId,
        _: CodeRequest,
        _: &CancellationToken,
    ) -> Result<Option<CodeAnswer>, SandboxError> {
        let says = self.find(owner, id)?;
        let output = json!({"output_type": "stream", "name": "stdout", "text": says});
        Ok(Some(CodeAnswer {
            context: "default".into(),
            status: ExecStatus::Completed,
            result: Some(says),
            error: None,
            execution_count: Some(1),
            timing_ms: 1,
            outputs: vec![output; 4],
            truncated: false,
        }))
    }

    async fn write(
        &self,
        owner: &Owner,
        id: &SandboxId,
        path: &str,
        content: Vec<u8>,
    ) -> Result<FileEntry, SandboxError> {
        self.find(owner, id)?;
        Ok(FileEntry {
            name: "x".into(),
            path: path.into(),
            is_lossy: false,
            kind: FileKind::File,
            size_bytes: content.len() as u64,
            mode: 0o644,
            uid: 1000,
            gid: 1000,
            modified_at_ms: 0,
            target: None,
        })
    }

    async fn read(&self, owner: &Owner, id: &SandboxId, _: &str) -> Result<FileRead, SandboxError> {
        self.find(owner, id)?;
        let file = self.state.lock().file.clone();
        Ok(if file.len() > CALL_FILE_BYTES {
            FileRead::TooLarge
        } else {
            FileRead::Whole(file)
        })
    }

    async fn remove(&self, owner: &Owner, id: &SandboxId) -> Result<bool, SandboxError> {
        if self.find(owner, id).is_err() {
            return Ok(false);
        }
        Ok(self.state.lock().living.remove(id).is_some())
    }
}

fn view(id: &SandboxId) -> SandboxView {
    SandboxView {
        container: id.container(),
        sandbox_id: id.clone(),
        state: SandboxState::Running,
        reason: None,
        image: "aios-sandbox".into(),
        owner: None,
        machine: Some("lab".into()),
        limits: SandboxLimits {
            memory_mb: 512,
            cpus: 1.0,
            pids: 256,
            disk_mb: 256,
        },
        network: NetworkMode::None,
        gpu: false,
        runtime: None,
        metadata: BTreeMap::new(),
        responding: true,
        disk: DiskKind::Memory,
        env_names: Vec::new(),
        from_pool: true,
        created_at_ms: 1,
        age_s: 0.0,
        last_used_at_ms: 1,
        ends_at_ms: 1000,
        on_timeout: OnTimeout::Kill,
        auto_resume: false,
        usage: None,
        notes: Vec::new(),
    }
}
