//! What `vivarium mcp` is asked with.

use clap::{Subcommand, ValueEnum};
use wire::inspector::McpClient;

/// What `vivarium mcp` does.
#[derive(Debug, Subcommand)]
pub enum McpCommand {
    /// Show server status
    List,
    /// List the tools of one server or of all servers
    Tools {
        /// Server name; if omitted, all servers, with tools named server__tool
        server: Option<String>,
    },
    /// Call a tool and print its result; exit code 1 if the tool returns an error
    Call {
        /// TOOL, SERVER TOOL or SERVER__TOOL, then the arguments: a JSON object, `-` to read one
        /// from stdin, or name=value pairs. A tool's name is enough if only one server has it
        #[arg(required = true, value_names = ["TOOL", "ARGUMENTS"])]
        words: Vec<String>,
        /// Server that provides the tool
        #[arg(long)]
        server: Option<String>,
    },
    /// Create a token for another program and print the configuration that makes it a client
    Config {
        /// The program
        client: ConfiguredClient,
        /// Only this server; if omitted, all servers at one address
        #[arg(long)]
        server: Option<String>,
    },
    /// Print the messages between servers and their clients
    Trace {
        /// Only messages of this server
        server: Option<String>,
        /// Follow new messages until Ctrl-C
        #[arg(short, long)]
        follow: bool,
    },
}

/// Programs for which there is a configuration.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum ConfiguredClient {
    ClaudeCode,
    ClaudeDesktop,
    Codex,
    Cursor,
    #[value(alias = "gemini")]
    GeminiCli,
    Vscode,
    Windsurf,
    Zed,
    /// An address that contains the token
    Address,
}

impl From<ConfiguredClient> for McpClient {
    fn from(client: ConfiguredClient) -> Self {
        match client {
            ConfiguredClient::ClaudeCode => Self::ClaudeCode,
            ConfiguredClient::ClaudeDesktop => Self::ClaudeDesktop,
            ConfiguredClient::Codex => Self::Codex,
            ConfiguredClient::Cursor => Self::Cursor,
            ConfiguredClient::GeminiCli => Self::GeminiCli,
            ConfiguredClient::Vscode => Self::Vscode,
            ConfiguredClient::Windsurf => Self::Windsurf,
            ConfiguredClient::Zed => Self::Zed,
            ConfiguredClient::Address => Self::Address,
        }
    }
}
