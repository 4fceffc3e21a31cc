//! What the MCP endpoint tells of itself: how servers stand, how they are configured, and what
//! was said to them. The protocol's own messages are not described here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::body::CompletedWord;

wire! {
    /// Where a server's configuration comes from.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum McpSource {
        /// The machine has it of itself.
        Builtin,
        /// `/repo/mcp.json`.
        Repo,
        /// `/data/mcp.json`.
        Data,
    }

    /// A server's entry in `mcp.json`: the form that clients share, and words of ours.
    #[derive(Eq, Default)]
    pub struct McpServerEntry {
        /// Program: a path, or a name looked up in `PATH`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(optional))]
        pub command: Option<String>,
        /// Its arguments; `${NAME}` and `${NAME:-word}` are replaced from the environment.
        #[serde(default)]
        pub args: Vec<String>,
        /// Variables of its environment. Secret ones are shown as `•••`, and `•••` keeps the value.
        #[serde(default)]
        pub env: BTreeMap<String, String>,
        /// Folder in which it runs; the home where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(optional))]
        pub cwd: Option<String>,
        /// Address of a server elsewhere, which speaks Streamable HTTP or HTTP+SSE.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(optional))]
        pub url: Option<String>,
        /// Headers of every request to it. Values are shown as `•••`, and `•••` keeps the value.
        #[serde(default)]
        pub headers: BTreeMap<String, String>,
        /// The transport's name, as clients write it: `stdio`, `http`, `sse`.
        #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(optional))]
        pub kind: Option<String>,
        /// Whether each session gets a process of its own.
        #[serde(default)]
        pub isolate: bool,
        /// Whether it is turned off.
        #[serde(default)]
        pub disabled: bool,
        /// Whether arguments and results are kept out of the traces.
        #[serde(default)]
        pub redact: bool,
        /// Tools that the endpoint over all servers shows, by their own names; `*` stands for
        /// any letters. All of them where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(optional))]
        pub tools: Option<Vec<String>>,
        /// Other names for tools at the endpoint over all servers, by their own names.
        #[serde(default)]
        pub rename: BTreeMap<String, String>,
    }

    /// A server in `GET /servers`.
    #[derive(Eq)]
    pub struct McpServerShown {
        /// Its name.
        pub name: String,
        /// Where the entry that counts comes from.
        pub source: McpSource,
        /// Whether it is turned on.
        pub enabled: bool,
        /// The entry that counts; secret values of its environment are not shown.
        pub entry: McpServerEntry,
    }

    /// A file that servers are read from.
    #[derive(Eq)]
    pub struct McpFile {
        /// Where it lies.
        pub path: String,
        /// Which one it is.
        pub source: McpSource,
        /// Whether it is there.
        pub found: bool,
        /// What is wrong with it; what it said when it was last sound goes on.
        pub error: Option<String>,
        /// What of it is not used, or not as it is written.
        #[serde(default)]
        pub problems: Vec<McpFileProblem>,
    }

    /// Something in a file that is not used, or not as it is written.
    #[derive(Eq)]
    pub struct McpFileProblem {
        /// Name of the server whose entry it is; none if it is about the file.
        pub server: Option<String>,
        /// Whether the entry is left out because of it.
        pub left_out: bool,
        /// The reason, in a sentence.
        pub problem: String,
    }

    /// Answer of `GET /servers`.
    #[derive(Eq)]
    pub struct McpServerList {
        /// By name.
        pub servers: Vec<McpServerShown>,
        /// The files they are read from; the last one counts most.
        pub files: Vec<McpFile>,
    }

    /// What a `DELETE /servers/{name}` came to.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum McpRemoval {
        /// There is no server of this name any more.
        Removed,
        /// The entry of `/data/mcp.json` is gone; that of the repo or of the machine counts again.
        Uncovered,
        /// It is built in or of the repo, and turned off now.
        Disabled,
    }

    /// Answer of `DELETE /servers/{name}`.
    #[derive(Eq)]
    pub struct McpRemoved {
        /// Always `completed`.
        pub status: CompletedWord,
        /// What was done.
        pub outcome: McpRemoval,
        /// The same in a sentence.
        pub message: String,
    }

    /// How a server stands.
    #[derive(Copy, Eq)]
    #[serde(tag = "state", rename_all = "snake_case")]
    pub enum McpServerState {
        /// Its program is not in the machine.
        Missing,
        /// It is turned off.
        Disabled,
        /// It starts when it is first used.
        Idle,
        /// Its process runs and has not answered `initialize` yet.
        Starting {
            /// Process id; none where the server is elsewhere.
            pid: Option<u32>,
            /// Since when it runs, in Unix milliseconds.
            #[cfg_attr(feature = "ts", ts(type = "number"))]
            since_ms: u64,
        },
        /// It takes calls.
        Ready {
            /// Process id; none where the server is elsewhere.
            pid: Option<u32>,
            /// Since when it runs, in Unix milliseconds.
            #[cfg_attr(feature = "ts", ts(type = "number"))]
            since_ms: u64,
        },
        /// It ended and starts again.
        Backoff {
            /// After how long.
            #[cfg_attr(feature = "ts", ts(type = "number"))]
            retry_in_ms: u64,
        },
    }

    /// A server in `GET /status`.
    pub struct McpServerStatus {
        /// Its name.
        pub name: String,
        /// How its shared process stands.
        #[serde(flatten)]
        pub state: McpServerState,
        /// Where its entry comes from.
        pub source: McpSource,
        /// Whether each session gets a process of its own.
        pub isolate: bool,
        /// How often the shared process was started again.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub restarts: u64,
        /// How it ended last: exit code, or 128 + the signal.
        pub last_exit: Option<i32>,
        /// What went wrong last, in a sentence.
        pub problem: Option<String>,
        /// Name, title and version that the server tells of itself.
        #[cfg_attr(feature = "ts", ts(type = "Record<string, unknown> | null"))]
        pub server_info: Option<Value>,
        /// Revision of the protocol spoken with it.
        pub protocol: Option<String>,
        /// Sessions of clients.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub sessions: u64,
        /// Processes that belong to one session each.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub own_processes: u64,
        /// Requests of clients so far.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub calls: u64,
        /// How many of them failed, or gave a tool's result that says `isError`.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub errors: u64,
        /// Requests that wait for their answer.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub in_flight: u64,
        /// Half of the last 512 calls took no longer, in milliseconds.
        pub p50_ms: Option<f64>,
        /// 95 of 100 of the last 512 calls took no longer, in milliseconds.
        pub p95_ms: Option<f64>,
        /// The last lines of its standard error.
        pub stderr: Vec<String>,
        /// What of its lists is not passed on as the server says it, in sentences.
        #[serde(default)]
        pub remarks: Vec<String>,
    }

    /// Answer of `GET /status`.
    pub struct McpStatus {
        /// By name.
        pub servers: Vec<McpServerStatus>,
        /// The files they are read from.
        pub files: Vec<McpFile>,
        /// Sessions of the endpoint over all servers.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub aggregate_sessions: u64,
        /// Number of the last trace.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub last_trace: u64,
        /// Version of the body.
        pub version: String,
    }

    /// Which way a message went.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum McpDirection {
        /// From the client, or from us in its name.
        ClientToServer,
        /// From the server.
        ServerToClient,
    }

    /// What a message is.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum McpKind {
        /// It wants an answer.
        Request,
        /// An answer.
        Response,
        /// Nothing answers it.
        Notification,
        /// An answer that is an error.
        Error,
    }

    /// One event of `GET /traces`: a message.
    pub struct McpTrace {
        /// Counts from 1, over all servers, since the supervisor started.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub seq: u64,
        /// When, in Unix milliseconds.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub at_ms: u64,
        /// Name of the server.
        pub server: String,
        /// The client's session; none where the relay itself asks, or all are told.
        pub session: Option<String>,
        /// Which way it went.
        pub direction: McpDirection,
        /// What it is.
        pub kind: McpKind,
        /// Its method; an answer's is its request's.
        pub method: Option<String>,
        /// Its id, as the client knows it.
        #[cfg_attr(feature = "ts", ts(type = "string | number | null"))]
        pub id: Option<Value>,
        /// Its length.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub bytes: u64,
        /// Of an answer: how long it took, in milliseconds.
        pub duration_ms: Option<f64>,
        /// Whether `message` is only its first 64 KiB, as a string.
        pub truncated: bool,
        /// The message: an object, or a string where it was cut.
        #[cfg_attr(feature = "ts", ts(type = "unknown"))]
        pub message: Value,
    }

    /// Answer of `GET /traces` to who accepts `application/json`.
    pub struct McpTracePage {
        /// Oldest first.
        pub events: Vec<McpTrace>,
        /// Number of the last one there is: the `after` of the next question.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub last: u64,
    }
}
