//! What the window's commands about sandboxes take and answer. A sandbox itself is described in
//! [`sandbox`](crate::sandbox): programs have routes of their own for it, where each sees what is its
//! own. These commands are the person's, who sees all of them.

use serde::{Deserialize, Serialize};

use crate::{
    nbformat::CellOutput,
    sandbox::{
        CodeRequest, ExecRequest, ExecView, FileEntry, NetworkMode, PtySize, SandboxId,
        SandboxLimits, SandboxView,
    },
};

wire! {
    /// Names a sandbox.
    pub struct SandboxName {
        /// Which one.
        pub sandbox_id: SandboxId,
    }

    /// Answer of `sandbox_list`.
    pub struct SandboxList {
        /// Newest first: those that are there, and those that ended within the last hour.
        pub sandboxes: Vec<SandboxView>,
        /// What a sandbox gets if its request doesn't say.
        pub defaults: SandboxDefaults,
        /// Where programs reach the sandboxes, such as `http://127.0.0.1:8000`; `None` if they are there
        /// for machines alone.
        pub address: Option<String>,
        /// Whether they need an access token there.
        pub needs_token: bool,
        /// Images that are being built or fetched now.
        pub images: Vec<SandboxImageWork>,
    }

    /// An image that is being built or fetched.
    pub struct SandboxImageWork {
        /// Its name.
        pub image: String,
        /// The step that runs, such as `[3/9] RUN apt-get …`, and its last line; empty at first.
        pub doing: String,
        /// Unix milliseconds of its beginning.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub since_ms: u64,
    }

    /// What a sandbox gets if its request doesn't say.
    pub struct SandboxDefaults {
        /// Image.
        pub image: String,
        /// What it may use.
        pub limits: SandboxLimits,
        /// What it may reach.
        pub network: NetworkMode,
        /// Seconds until it ends.
        pub ttl_s: f64,
        /// The longest that can be asked for, in seconds.
        pub longest_ttl_s: f64,
    }

    /// Asks for `sandbox_image`.
    pub struct SandboxImageRequest {
        /// Image; the sandboxes' own if `None`.
        pub image: Option<String>,
    }

    /// Asks for `sandbox_timeout`.
    pub struct SandboxTimeoutRequest {
        /// Which sandbox.
        pub sandbox_id: SandboxId,
        /// Seconds from now until it ends.
        pub ttl_s: f64,
    }

    /// Asks for `sandbox_exec`.
    pub struct SandboxExecRequest {
        /// Which sandbox.
        pub sandbox_id: SandboxId,
        /// What runs there. It always runs in the background: its output is asked for.
        pub request: ExecRequest,
    }

    /// Answer of `sandbox_execs`.
    pub struct SandboxExecs {
        /// Those that run and the last that did, oldest first.
        pub execs: Vec<ExecView>,
    }

    /// Names a command of a sandbox.
    pub struct SandboxExecName {
        /// Which sandbox.
        pub sandbox_id: SandboxId,
        /// Which command.
        pub exec_id: String,
    }

    /// Asks for `sandbox_output`.
    pub struct SandboxOutputRequest {
        /// Which sandbox.
        pub sandbox_id: SandboxId,
        /// Which command.
        pub exec_id: String,
        /// Number of the last event that was seen; 0 for all that is kept.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub after: u64,
    }

    /// Answer of `sandbox_output`, which comes as soon as there is something new, or after a while
    /// with nothing.
    pub struct SandboxOutput {
        /// What the command wrote to its terminal, or to stdout and stderr, in base64: a character may
        /// end in the next answer.
        pub base64: String,
        /// Number of the last event in it, for the next request.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub last: u64,
        /// Whether output before it is no longer kept.
        pub dropped: bool,
        /// Whether the command is over; nothing follows then.
        pub ended: bool,
        /// How it ended; `None` while it runs.
        pub exit_code: Option<i32>,
    }

    /// Asks for `sandbox_input`.
    pub struct SandboxInputRequest {
        /// Which sandbox.
        pub sandbox_id: SandboxId,
        /// Which command.
        pub exec_id: String,
        /// What its terminal reads, in base64.
        pub base64: String,
    }

    /// Asks for `sandbox_resize`.
    pub struct SandboxResizeRequest {
        /// Which sandbox.
        pub sandbox_id: SandboxId,
        /// Which command.
        pub exec_id: String,
        /// Its terminal's size from now on.
        pub size: PtySize,
    }

    /// Asks for `sandbox_code`.
    pub struct SandboxCodeRequest {
        /// Which sandbox.
        pub sandbox_id: SandboxId,
        /// What runs there.
        pub request: CodeRequest,
    }

    /// Answer of `sandbox_code`.
    pub struct SandboxCode {
        /// What it put out. A value of the last expression and an error are outputs, too.
        pub outputs: Vec<CellOutput>,
        /// Whether it put out more than is kept.
        pub truncated: bool,
        /// Whether it raised nothing and was not ended.
        pub succeeded: bool,
        /// `In [n]`.
        #[cfg_attr(feature = "ts", ts(type = "number | null"))]
        pub execution_count: Option<u64>,
        /// Milliseconds inside the kernel.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub timing_ms: u64,
    }

    /// Names a file or folder of a sandbox.
    pub struct SandboxPath {
        /// Which sandbox.
        pub sandbox_id: SandboxId,
        /// Absolute path.
        pub path: String,
    }

    /// Answer of `sandbox_files`.
    pub struct SandboxFiles {
        /// Folders first, then by name.
        pub entries: Vec<FileEntry>,
        /// How many more there are.
        pub left_out: u32,
    }

    /// Answer of `sandbox_file_read`.
    pub struct SandboxFile {
        /// What it is.
        pub entry: FileEntry,
        /// Its bytes, in base64.
        pub base64: String,
    }

    /// Asks for `sandbox_file_write`.
    pub struct SandboxFileWriteRequest {
        /// Which sandbox.
        pub sandbox_id: SandboxId,
        /// Absolute path; folders above it are made.
        pub path: String,
        /// Its bytes, in base64.
        pub base64: String,
    }
}
