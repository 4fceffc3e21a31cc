//! What the machine's MCP server `sandbox` asks of the host, and what comes back. The machine knows no
//! container engine: a call waits in it until the app or `vivarium serve` takes it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    error_code::ErrorCode,
    sandbox::{CodeAnswer, ExecAnswer, FileEntry, NetworkMode, SandboxId, SandboxView},
};

/// The most bytes of a file that is written or read by one call.
pub const CALL_FILE_BYTES: usize = 8 << 20;
/// The most bytes that a call, or its answer, has as JSON.
pub const CALL_BYTES: usize = 24 << 20;

wire! {
    /// `POST /sandbox/calls`: what is asked for.
    #[serde(tag = "action", rename_all = "snake_case")]
    pub enum SandboxCall {
        /// A command runs to its end.
        RunCommand(SandboxCommandCall),
        /// Python code runs to its end.
        RunCode(SandboxCodeCall),
        /// Which sandboxes of this machine there are.
        ListSandboxes,
        /// A file is written.
        WriteFile(SandboxFileWrite),
        /// A file is read.
        ReadFile(SandboxFileRead),
        /// A sandbox is removed.
        RemoveSandbox(SandboxRemoval),
    }

    /// Where a command or code runs.
    #[derive(Eq, Default)]
    pub struct SandboxPlace {
        /// A sandbox that was kept; a fresh one if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub sandbox: Option<SandboxId>,
        /// Whether a fresh one stays for later calls.
        #[serde(default)]
        pub keep: bool,
        /// What a fresh one reaches; nothing if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub network: Option<NetworkMode>,
    }

    /// Runs a command.
    #[derive(Default)]
    pub struct SandboxCommandCall {
        /// Where.
        #[serde(flatten)]
        pub place: SandboxPlace,
        /// A line for `bash -lc`.
        pub command: String,
        /// Seconds until it is ended; the sandbox's own limit if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub timeout_s: Option<f64>,
        /// Environment of this command.
        #[serde(default)]
        pub env: BTreeMap<String, String>,
    }

    /// Runs Python code.
    #[derive(Default)]
    pub struct SandboxCodeCall {
        /// Where.
        #[serde(flatten)]
        pub place: SandboxPlace,
        /// Source.
        pub code: String,
        /// Seconds until it is interrupted; the sandbox's own limit if `None`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pub timeout_s: Option<f64>,
    }

    /// Writes a file.
    #[derive(Eq)]
    pub struct SandboxFileWrite {
        /// In which sandbox.
        pub sandbox: SandboxId,
        /// Absolute path.
        pub path: String,
        /// All of it.
        pub content: SandboxFileContent,
    }

    /// Reads a file.
    #[derive(Eq)]
    pub struct SandboxFileRead {
        /// In which sandbox.
        pub sandbox: SandboxId,
        /// Absolute path.
        pub path: String,
    }

    /// Removes a sandbox with all that is in it.
    #[derive(Eq)]
    pub struct SandboxRemoval {
        /// Which one.
        pub sandbox: SandboxId,
    }

    /// What is in a file.
    #[derive(Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum SandboxFileContent {
        /// UTF-8.
        Text(String),
        /// Any bytes.
        Base64(String),
    }

    /// What came of a call.
    #[serde(tag = "outcome", rename_all = "snake_case")]
    pub enum SandboxAnswer {
        /// A command ended.
        Command {
            /// Where it ran, if that one is there still.
            sandbox: Option<SandboxId>,
            /// How it ended, and what it wrote.
            answer: ExecAnswer,
        },
        /// Code ended.
        Code {
            /// Where it ran, if that one is there still.
            sandbox: Option<SandboxId>,
            /// How it ended, and what it put out.
            answer: CodeAnswer,
        },
        /// The machine's sandboxes.
        Sandboxes {
            /// Newest first.
            sandboxes: Vec<SandboxView>,
        },
        /// A file was written.
        Written {
            /// What it is now.
            file: FileEntry,
        },
        /// A file was read.
        File {
            /// Size.
            #[cfg_attr(feature = "ts", ts(type = "number"))]
            size_bytes: u64,
            /// Text if it is UTF-8.
            content: SandboxFileContent,
        },
        /// A sandbox is gone.
        Removed {
            /// Whether it was there before.
            existed: bool,
        },
        /// It was refused, or failed.
        Failed {
            /// For programs.
            #[cfg_attr(feature = "ts", ts(type = "string"))]
            code: ErrorCode,
            /// For people: what, why, what next.
            message: String,
        },
    }

    /// Answer of `GET /sandbox/calls`.
    #[derive(Eq, Default)]
    pub struct SandboxCallList {
        /// Oldest first.
        pub calls: Vec<SandboxCallShown>,
    }

    /// A call that waits or is worked on.
    #[derive(Eq)]
    pub struct SandboxCallShown {
        /// Its id.
        pub id: String,
        /// The sandbox that it is about, if it names one.
        pub sandbox: Option<SandboxId>,
        /// The host that works on it.
        pub taken_by: Option<String>,
    }

    /// `POST /sandbox/calls/{id}/take` and `…/keep`.
    #[derive(Eq)]
    pub struct SandboxCallHost {
        /// Names the app or the server that works on it.
        pub host: String,
    }

    /// `POST /sandbox/calls/{id}/answer`.
    pub struct SandboxCallAnswer {
        /// The host that took it.
        pub host: String,
        /// What came of it.
        pub answer: SandboxAnswer,
    }

    /// What a machine may do with sandboxes of this computer, as its owner says.
    #[derive(Copy, Eq, Default)]
    pub struct SandboxAccess {
        /// Whether its programs may use sandboxes.
        pub allowed: bool,
        /// The most that such a sandbox may reach.
        #[serde(default)]
        pub network: NetworkMode,
    }

    /// Answer of `sandbox_access_get` and `sandbox_access_set`.
    #[derive(Default)]
    pub struct SandboxAccessState {
        /// What it may do.
        pub access: SandboxAccess,
        /// The sandboxes that it uses now.
        pub sandboxes: Vec<SandboxView>,
    }
}

impl SandboxCall {
    /// The sandbox that it is about, if it names one.
    #[must_use]
    pub fn sandbox(&self) -> Option<&SandboxId> {
        match self {
            Self::RunCommand(call) => call.place.sandbox.as_ref(),
            Self::RunCode(call) => call.place.sandbox.as_ref(),
            Self::ListSandboxes => None,
            Self::WriteFile(call) => Some(&call.sandbox),
            Self::ReadFile(call) => Some(&call.sandbox),
            Self::RemoveSandbox(call) => Some(&call.sandbox),
        }
    }
}

impl SandboxAnswer {
    /// A call that was refused or failed.
    pub fn failed(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Failed {
            code,
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_call_is_flat_and_what_is_left_out_reaches_nothing() {
        let read = |value| serde_json::from_value::<SandboxCall>(value);
        let call = read(json!({"action": "run_command", "command": "true"})).unwrap();
        let SandboxCall::RunCommand(command) = &call else {
            panic!("{call:?}");
        };
        assert_eq!(command.place, SandboxPlace::default());
        assert_eq!(call.sandbox(), None);
        let call = json!({"action": "run_code", "code": "1", "sandbox": "a1", "keep": true, "network": "internet"});
        let call = read(call).unwrap();
        assert_eq!(call.sandbox().unwrap().as_str(), "a1");
        let written = serde_json::to_value(&call).unwrap();
        assert_eq!(written["network"], "internet");
        assert_eq!(read(written).unwrap(), call);
        for odd in [
            json!({"action": "run_command"}),
            json!({"action": "read_file", "sandbox": "../x", "path": "/"}),
            json!({"action": "run_code", "code": "1", "network": "lan"}),
            json!({"action": "create_image"}),
        ] {
            assert!(read(odd.clone()).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_content_is_text_or_bytes() {
        let write = json!({"action": "write_file", "sandbox": "a", "path": "/workspace/x", "content": {"base64": "AA=="}});
        let call: SandboxCall = serde_json::from_value(write.clone()).unwrap();
        assert_eq!(serde_json::to_value(&call).unwrap(), write);
    }
}
