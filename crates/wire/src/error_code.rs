//! Why a machine's API refused a request, for programs: the `code` of every error that it answers.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest code that is kept of a machine that this version doesn't know.
const LONGEST_OTHER: usize = 64;

/// Declares the codes, each with its name on the wire, so that none is written twice.
macro_rules! error_codes {
    ($($(#[$doc:meta])* $code:ident = $name:literal,)*) => {
        /// The `code` of an error of a machine's API. Clients compare it; the message is for people
        /// and may change. On the wire it is a string in snake_case.
        #[derive(Clone, Debug, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $code,)*
            /// A code that this version doesn't know: the machine's image may be newer.
            Other(String),
        }

        impl ErrorCode {
            /// All codes that this version knows.
            pub const ALL: &[ErrorCode] = &[$(Self::$code,)*];

            /// The code as it is on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$code => $name,)*
                    Self::Other(code) => code,
                }
            }

            fn known(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$code),)*
                    _ => None,
                }
            }
        }
    };
}

error_codes! {
    /// The request could not be read: its path, its query, or its body.
    BadRequest = "bad_request",
    /// The body is not JSON.
    MalformedJson = "malformed_json",
    /// The body is JSON, but not what the route takes; or a value is out of its range.
    InvalidRequest = "invalid_request",
    /// The body is larger than a request may be.
    BodyTooLarge = "body_too_large",
    /// A header that decides about access was sent more than once.
    RepeatedHeader = "repeated_header",
    /// The `Host` is not one of the machine's names.
    ForeignHost = "foreign_host",
    /// Web pages of this `Origin` may not use the machine.
    ForeignOrigin = "foreign_origin",
    /// The token is missing or wrong.
    Unauthorized = "unauthorized",
    /// The token doesn't have the scope that the route needs.
    InsufficientScope = "insufficient_scope",
    /// There is no such route, kernel, cell, service, snapshot, run or server.
    NotFound = "not_found",
    /// The route doesn't take that method.
    MethodNotAllowed = "method_not_allowed",
    /// The route answers with an event stream only.
    NotAcceptable = "not_acceptable",
    /// The route is a WebSocket.
    UpgradeRequired = "upgrade_required",
    /// Something failed inside the supervisor; its log has more.
    Internal = "internal",
    /// The kernel is starting and takes no cells yet.
    KernelStarting = "kernel_starting",
    /// A kernel of that name is already running.
    KernelExists = "kernel_exists",
    /// The main kernel can't be deleted.
    KernelIsMain = "kernel_is_main",
    /// The machine runs as many kernels as it may.
    TooManyKernels = "too_many_kernels",
    /// The kernel's process ended before it answered.
    KernelDied = "kernel_died",
    /// The kernel could not do what was asked.
    KernelFailed = "kernel_failed",
    /// The kernel is held up by the cell that it runs.
    KernelBusy = "kernel_busy",
    /// As many cells are queued as may be.
    QueueFull = "queue_full",
    /// The cell asks for no input.
    NoInputWanted = "no_input_wanted",
    /// The machine is being replaced; the new one takes cells soon.
    Evolving = "evolving",
    /// The shell's working directory doesn't exist.
    NoSuchFolder = "no_such_folder",
    /// The shell could not be started.
    ShellNotStarted = "shell_not_started",
    /// The terminal could not be started.
    TerminalNotStarted = "terminal_not_started",
    /// As many terminals are open as may be.
    TooManyTerminals = "too_many_terminals",
    /// The service is not ready yet.
    ServiceStarting = "service_starting",
    /// The MCP server is not ready yet.
    ServerNotReady = "server_not_ready",
    /// The MCP server's file can't be read, so that it is not overwritten.
    BrokenFile = "broken_file",
    /// The snapshot's checksum is wrong.
    SnapshotDamaged = "snapshot_damaged",
    /// The machine's disk could not be read or written.
    DiskFailed = "disk_failed",
    /// The machine's disk is full.
    DiskFull = "disk_full",
    /// A run of evolve is requested or running.
    EvolveInProgress = "evolve_in_progress",
    /// Another executor carries the run out.
    EvolveTaken = "evolve_taken",
    /// The run has ended.
    EvolveOver = "evolve_over",
    /// CRIU isn't available in this machine.
    CriuUnavailable = "criu_unavailable",
    /// The sandbox is paused: resume it first.
    SandboxPaused = "sandbox_paused",
    /// The sandbox was removed by somebody else, or ended with the container engine.
    SandboxLost = "sandbox_lost",
    /// As many sandboxes are there as may be.
    TooManySandboxes = "too_many_sandboxes",
    /// Neither the app nor `vivarium serve` is connected to the machine, or it went while it worked.
    NoSandboxHost = "no_sandbox_host",
    /// As many calls for sandboxes wait as may.
    TooManySandboxCalls = "too_many_sandbox_calls",
    /// Another host works on that call.
    SandboxCallTaken = "sandbox_call_taken",
    /// The machine's owner doesn't allow it sandboxes, or not such a one.
    SandboxDenied = "sandbox_denied",
    /// The container engine doesn't have the image.
    ImageMissing = "image_missing",
    /// The task has ended, or hasn't, so that it can't be cancelled or retried.
    TaskState = "task_state",
    /// There is a file of that name already.
    FileExists = "file_exists",
    /// The file is outside the writable folders, or permission to it is denied.
    FileDenied = "file_denied",
    /// This version can't do that.
    NotSupported = "not_supported",
    /// The container engine or the sandbox doesn't answer; the same request may work later.
    Unavailable = "unavailable",
}

impl ErrorCode {
    /// Reads a code. One that isn't known is cut to a bounded length, as it may come from a machine
    /// that somebody else has taken over.
    #[must_use]
    pub fn read(name: &str) -> Self {
        Self::known(name).unwrap_or_else(|| Self::Other(name.chars().take(LONGEST_OTHER).collect()))
    }
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ErrorCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = std::borrow::Cow::<str>::deserialize(deserializer)?;
        Ok(Self::read(&name))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ErrorCode {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ErrorCode".into()
    }

    /// A string with examples, not a closed list: a client reads codes of later versions too.
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let known: Vec<&str> = Self::ALL.iter().map(Self::as_str).collect();
        schemars::json_schema!({
            "type": "string",
            "description": "The error for programs, in snake_case. Later versions may add codes.",
            "examples": known,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_read_as_it_is_written() {
        for code in ErrorCode::ALL {
            let text = serde_json::to_string(code).unwrap();
            assert_eq!(serde_json::from_str::<ErrorCode>(&text).unwrap(), *code);
            let name = code.as_str();
            let snake = |letter: char| letter.is_ascii_lowercase() || letter == '_';
            assert!(name.chars().all(snake), "{name}");
        }
        let names: std::collections::HashSet<&str> =
            ErrorCode::ALL.iter().map(ErrorCode::as_str).collect();
        assert_eq!(names.len(), ErrorCode::ALL.len());
    }

    #[test]
    fn a_code_of_a_later_version_is_kept_but_never_a_long_one() {
        let read = |text: &str| serde_json::from_str::<ErrorCode>(text).unwrap();
        assert_eq!(read("\"too_hot\""), ErrorCode::Other("too_hot".into()));
        assert_eq!(read("\"kernel\\u005fexists\""), ErrorCode::KernelExists);
        let long = serde_json::to_string(&"ä".repeat(100_000)).unwrap();
        assert_eq!(read(&long).as_str().chars().count(), LONGEST_OTHER);
    }
}
