//! The shape of `vivarium sandbox`.

use clap::{Args, Subcommand};
use wire::sandbox::NetworkMode;

/// What `vivarium sandbox` does.
#[derive(Debug, Subcommand)]
pub enum SandboxCommand {
    #[command(flatten)]
    Use(UseCommand),
    /// Let programs and AI clients in the machine use sandboxes, through its MCP server "sandbox"
    Allow {
        /// The most that these sandboxes can reach: none, isolated or internet
        #[arg(long, value_parser = network, default_value = "none")]
        network: NetworkMode,
    },
    /// No longer let programs in the machine use sandboxes
    Deny,
}

/// What it does with sandboxes.
#[derive(Debug, Subcommand)]
pub enum UseCommand {
    /// Run a command in a new sandbox, which is removed when it ends; exits with its exit code
    Run(RunArguments),
    /// List sandboxes
    #[command(visible_alias = "list")]
    Ls {
        /// Also those that ended or were lost within the last hour
        #[arg(short, long)]
        all: bool,
    },
    /// Run a command in a sandbox; exits with its exit code
    Exec(ExecArguments),
    /// Copy a file between this computer and a sandbox
    Cp {
        /// A file, ID:/path in a sandbox, or - for stdin
        from: String,
        /// A file, ID:/path in a sandbox, or - for stdout
        to: String,
    },
    /// Show the output of a command of a sandbox, the last one unless named
    Logs {
        /// Sandbox
        id: String,
        /// Command
        exec: Option<String>,
        /// Follow it until it ends
        #[arg(short, long)]
        follow: bool,
    },
    /// Remove sandboxes with all that is in them
    Rm {
        /// Sandboxes
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Show the started sandboxes that wait
    Pool,
}

/// `vivarium sandbox run`.
#[derive(Args, Debug)]
pub struct RunArguments {
    #[command(flatten)]
    pub how: How,
    /// Image; defaults to the sandboxes' own
    #[arg(long)]
    pub image: Option<String>,
    /// Memory in MiB; files count against it, unless they are in volumes
    #[arg(long, value_name = "MIB")]
    pub memory: Option<u32>,
    /// Number of CPUs, such as 1.5
    #[arg(long)]
    pub cpus: Option<f64>,
    /// Most processes and threads
    #[arg(long)]
    pub pids: Option<u32>,
    /// Size of each writable folder in MiB
    #[arg(long, value_name = "MIB")]
    pub disk: Option<u32>,
    /// Keep the writable folders in volumes on the container engine's disk instead of in memory
    #[arg(long)]
    pub volume: bool,
    /// What it can reach: none, isolated or internet
    #[arg(long, value_parser = network)]
    pub network: Option<NetworkMode>,
    /// Another runtime of the container engine, such as runsc
    #[arg(long)]
    pub runtime: Option<String>,
    /// Give it the engine's graphics cards
    #[arg(long)]
    pub gpu: bool,
    /// Keep the sandbox when the command ends, and print its id
    #[arg(long)]
    pub keep: bool,
    /// Command and arguments; a single argument is run by bash; a shell if left out
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// `vivarium sandbox exec`.
#[derive(Args, Debug)]
pub struct ExecArguments {
    #[command(flatten)]
    pub how: How,
    /// Don't wait for its end; prints its id
    #[arg(short, long, conflicts_with_all = ["interactive", "tty"])]
    pub detach: bool,
    /// Sandbox
    pub id: String,
    /// Command and arguments; a single argument is run by bash; a shell if left out
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// How a command runs.
#[derive(Args, Debug)]
pub struct How {
    /// Pass stdin on to the command
    #[arg(short, long)]
    pub interactive: bool,
    /// Give the command a terminal
    #[arg(short, long)]
    pub tty: bool,
    /// Environment variable; can be repeated
    #[arg(short, long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    pub env: Vec<(String, String)>,
    /// Working folder
    #[arg(short, long, value_name = "FOLDER")]
    pub workdir: Option<String>,
    /// Time limit in seconds; 0 for none. With a terminal there is none unless given
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<f64>,
}

/// What a sandbox can reach, as an option says it.
pub fn network(text: &str) -> Result<NetworkMode, String> {
    serde_json::from_value(text.into()).map_err(|_| "use none, isolated or internet".into())
}

/// An environment variable, as an option says it.
pub fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("use NAME=VALUE".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked_before_anything_starts() {
        assert_eq!(network("internet"), Ok(NetworkMode::Internet));
        assert!(network("lan").is_err() && network("Internet").is_err());
        assert_eq!(variable("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert!(variable("=b").is_err() && variable("A").is_err());
    }
}
