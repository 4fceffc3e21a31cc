//! Where things lie inside the machine. Tests move the run folder elsewhere.

use std::path::PathBuf;

/// The run folder: sockets, logs, secrets of this boot.
pub fn run_dir() -> PathBuf {
    std::env::var_os("VIVARIUM_RUN_DIR")
        .map_or_else(|| PathBuf::from("/run/vivarium"), PathBuf::from)
}

/// Where `init` listens to the supervisor.
pub fn init_socket() -> PathBuf {
    run_dir().join("init.sock")
}

/// The API for callers inside the machine, without a token.
pub fn body_socket() -> PathBuf {
    run_dir().join("body.sock")
}

/// Where services write.
pub fn logs_dir() -> PathBuf {
    run_dir().join("logs")
}

/// Secrets of this boot that only the machine's user reads: copied from where that user could not
/// read them, taken from the environment, or made.
pub fn secrets_dir() -> PathBuf {
    run_dir().join("secrets")
}

/// Secrets as they were mounted.
pub fn mounted_secrets_dir() -> PathBuf {
    std::env::var_os("VIVARIUM_SECRETS_DIR")
        .map_or_else(|| PathBuf::from("/run/secrets"), PathBuf::from)
}

/// Who has mouse and keyboard, for a supervisor that is started anew.
pub fn takeover_file() -> PathBuf {
    run_dir().join("takeover.json")
}

/// The shell's context and what it runs, for a supervisor that is started anew.
pub fn shell_dir() -> PathBuf {
    run_dir().join("shell")
}

/// A kernel's socket.
pub fn kernel_socket(name: &str) -> PathBuf {
    run_dir().join("kernels").join(format!("{name}.sock"))
}

/// Where the kernels' cells lie, a folder for each.
pub fn queues_dir() -> PathBuf {
    run_dir().join("queue")
}

/// Where a kernel's cells lie that are not over.
pub fn queue_dir(name: &str) -> PathBuf {
    queues_dir().join(name)
}

/// Where a machine's state lies that outlives its container.
pub fn data_dir() -> PathBuf {
    std::env::var_os("VIVARIUM_DATA_DIR").map_or_else(|| PathBuf::from("/data"), PathBuf::from)
}

/// Where snapshots lie.
pub fn cryo_dir() -> PathBuf {
    data_dir().join("cryo")
}

/// Where sessions of MCP clients lie, for a relay that is started anew, also in a machine that
/// replaces this one.
pub fn mcp_sessions_dir() -> PathBuf {
    data_dir().join("mcp-sessions")
}

/// The machine's home folder.
pub fn home() -> PathBuf {
    std::env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from)
}
