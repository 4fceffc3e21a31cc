use wire::sandbox::{DiskKind, NetworkMode, OnTimeout, SandboxLimits, SandboxState, SandboxView};

/// A sandbox as it is shown.
pub(crate) fn view(id: &str, created_at_ms: u64) -> SandboxView {
    let sandbox_id: wire::sandbox::SandboxId = id.parse().unwrap();
    SandboxView {
        container: sandbox_id.container(),
        sandbox_id,
        state: SandboxState::Running,
        reason: None,
        image: "aios-sandbox".into(),
        owner: None,
        machine: None,
        limits: SandboxLimits {
            memory_mb: 512,
            cpus: 1.0,
            pids: 256,
            disk_mb: 256,
        },
        network: NetworkMode::None,
        gpu: false,
        runtime: None,
        metadata: std::collections::BTreeMap::new(),
        responding: true,
        disk: DiskKind::Memory,
        env_names: Vec::new(),
        from_pool: true,
        created_at_ms,
        age_s: 0.0,
        last_used_at_ms: created_at_ms,
        ends_at_ms: created_at_ms + 1000,
        on_timeout: OnTimeout::Kill,
        auto_resume: false,
        usage: None,
        notes: Vec::new(),
    }
}
