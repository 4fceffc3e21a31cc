//! What a view asks of the machine's MCP endpoint: its servers, their configuration, and sessions
//! of the engine's own, in which it says what an MCP client says.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{mcp::McpServerEntry, secrets::SecretValue};

wire! {
    /// Names an MCP server.
    #[derive(Eq)]
    pub struct McpServerName {
        /// As `mcp_status` has it.
        pub name: String,
    }

    /// What is to be done with a server.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum McpOrder {
        /// Ends its process and starts it again.
        Restart,
        /// Turns it on.
        Enable,
        /// Turns it off and ends its process.
        Disable,
    }

    /// Asks for `mcp_server_order`.
    #[derive(Eq)]
    pub struct McpServerOrder {
        /// As `mcp_status` has it.
        pub name: String,
        /// What to do.
        pub order: McpOrder,
    }

    /// Asks for `mcp_server_save`.
    #[derive(Eq)]
    pub struct McpServerSave {
        /// A new name, or that of a server whose entry is written over.
        pub name: String,
        /// Goes into the machine's `/data/mcp.json`.
        pub entry: McpServerEntry,
    }

    /// Asks for `mcp_traces`.
    #[derive(Eq)]
    pub struct McpTraceQuery {
        /// Number of the last trace that is known.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub after: u64,
        /// Of this server alone.
        #[serde(default)]
        pub server: Option<String>,
    }

    /// How other clients reach the endpoint.
    #[derive(Eq)]
    pub struct McpAccess {
        /// `http://127.0.0.1:<port>`; `/mcp` there is the endpoint over all servers.
        pub url: String,
    }

    /// A program that can become a client of the endpoint.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "kebab-case")]
    pub enum McpClient {
        /// Anthropic's in a terminal.
        ClaudeCode,
        /// Anthropic's with a window.
        ClaudeDesktop,
        /// OpenAI's in a terminal.
        Codex,
        /// The editor.
        Cursor,
        /// Google's in a terminal.
        GeminiCli,
        /// The editor.
        Vscode,
        /// The editor.
        Windsurf,
        /// The editor.
        Zed,
        /// Any that takes an address with the token in it.
        Address,
    }

    /// Asks for `mcp_configuration`.
    #[derive(Eq)]
    pub struct McpConfigurationRequest {
        /// For which program.
        pub client: McpClient,
        /// A server's name; the endpoint over all of them where left out.
        #[serde(default)]
        pub server: Option<String>,
    }

    /// Asks for `mcp_open`.
    #[derive(Eq)]
    pub struct McpOpenRequest {
        /// A server's name; the endpoint over all of them where left out.
        #[serde(default)]
        pub server: Option<String>,
        /// Whether the view answers sampling, elicitation and roots. The server gets a process of
        /// its own for it then.
        #[serde(default)]
        pub answers: bool,
    }

    /// A session is open.
    pub struct McpSession {
        /// Names it in other commands and in the stream's events.
        pub session: String,
        /// The server's answer to `initialize`.
        #[cfg_attr(feature = "ts", ts(type = "Record<string, unknown>"))]
        pub initialized: Value,
    }

    /// Names a session.
    #[derive(Eq)]
    pub struct McpSessionName {
        /// From `mcp_open`.
        pub session: String,
    }

    /// Asks for `mcp_request`.
    pub struct McpRequest {
        /// From `mcp_open`.
        pub session: String,
        /// The request's id, for `notifications/cancelled`; the view counts.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub id: u64,
        /// Such as `tools/call`.
        pub method: String,
        /// Its parameters.
        #[serde(default)]
        #[cfg_attr(feature = "ts", ts(type = "unknown"))]
        pub params: Value,
        /// The same as a JSON text, in place of `params`: numbers reach the server as they are written in it.
        #[serde(default)]
        pub params_text: Option<String>,
        /// Whether the server's answer is wanted as a JSON text, in place of `result` and `error`.
        #[serde(default)]
        pub as_text: bool,
    }

    /// Answer of `mcp_request`: what the server answered, be it an error.
    pub struct McpAnswer {
        /// Its result.
        #[cfg_attr(feature = "ts", ts(type = "unknown"))]
        pub result: Value,
        /// Its error: `code`, `message`, `data`; none where it answered well.
        #[cfg_attr(feature = "ts", ts(type = "{ code: number; message: string; data?: unknown } | null"))]
        pub error: Option<Value>,
        /// How long it took, in milliseconds.
        pub duration_ms: f64,
        /// The whole message as the server wrote it, if it was wanted as text.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "ts", ts(optional))]
        pub text: Option<String>,
    }

    /// Asks for `mcp_tell`: a notification to the server, or the answer to what it asked.
    pub struct McpTell {
        /// From `mcp_open`.
        pub session: String,
        /// A JSON-RPC message without `jsonrpc`.
        #[cfg_attr(feature = "ts", ts(type = "Record<string, unknown>"))]
        pub message: Value,
    }
}

/// What makes a program a client, with a token that was made for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct McpConfiguration {
    /// Text in the program's own form. Nobody can show its token again.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub text: SecretValue,
    /// Where it goes: a file, or a place.
    pub place: String,
    /// Name of the token.
    pub token: String,
}
