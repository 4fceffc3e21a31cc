//! The command line's shape.

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use jiff::Timestamp;
use wire::tokens::Scope;

use crate::{
    agent::AgentCommand,
    mcp::McpCommand,
    sandbox::SandboxCommand,
    since,
    task::{ScheduleCommand, TaskCommand},
    worker::WorkerArguments,
};

const COMPLETION: &str = "\
Examples:
  bash  vivarium completion bash > ~/.local/share/bash-completion/completions/vivarium
  zsh   vivarium completion zsh > \"${fpath[1]}/_vivarium\"
  fish  vivarium completion fish > ~/.config/fish/completions/vivarium.fish";

/// Manage machines: containers with a desktop, a browser, a Python kernel, a shell and MCP servers.
#[derive(Debug, Parser)]
#[command(
    name = "vivarium",
    version,
    after_help = "Exit codes: 0 ok, 1 failure, 2 usage, 3 machine not running, 4 no container engine, \
                  5 machine would be recreated. \
                  exec, shell, sandbox run and task run exit with the code of what they run."
)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Args, Debug)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Prefix of all names, for a second, separate Vivarium on this computer
    #[arg(long, global = true, env = "VIVARIUM_INSTANCE", value_parser = instance)]
    pub instance: Option<String>,
    /// Machine to use; defaults to os-host, or to the only one
    #[arg(long, global = true, env = "VIVARIUM_MACHINE", value_name = "NAME")]
    pub machine: Option<String>,
    /// Folder for settings and data, instead of the XDG folders
    #[arg(long, global = true, env = "VIVARIUM_HOME")]
    pub home: Option<PathBuf>,
    /// Working copy to mount at /repo, instead of a copy of the template
    #[arg(long, global = true, env = "VIVARIUM_REPO")]
    pub repo: Option<PathBuf>,
    /// Container engine: an address (unix://, tcp://, ssh://) or a Docker context
    #[arg(long, global = true, env = "VIVARIUM_ENGINE")]
    pub engine: Option<String>,
    /// Folder with body/Dockerfile; detected automatically inside a checkout
    #[arg(long, global = true, env = "VIVARIUM_TEMPLATE")]
    pub template: Option<PathBuf>,
    /// Override a setting of the machine for this run, such as limits.memory=4g; can be repeated
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Host port of the kernel API; 0 for any free port
    #[arg(long, global = true, env = "VIVARIUM_KERNEL_PORT", value_name = "PORT")]
    pub kernel_port: Option<u16>,
    /// Host port of the MCP endpoint; 0 for any free port
    #[arg(long, global = true, env = "VIVARIUM_MCP_PORT", value_name = "PORT")]
    pub mcp_port: Option<u16>,
    /// Host port of VNC; 0 for any free port
    #[arg(long, global = true, env = "VIVARIUM_VNC_PORT", value_name = "PORT")]
    pub vnc_port: Option<u16>,
    /// Print JSON on stdout, one object per line
    #[arg(long, global = true)]
    pub json: bool,
}

impl Global {
    /// All that goes over the spec's file.
    pub fn overrides(&self) -> Vec<String> {
        let ports = [
            ("kernel", self.kernel_port),
            ("mcp", self.mcp_port),
            ("vnc", self.vnc_port),
        ];
        let ports = ports
            .into_iter()
            .filter_map(|(name, port)| Some(format!("ports.{name}={}", port?)));
        self.set.iter().cloned().chain(ports).collect()
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build the image
    Build {
        /// Build even if the image is up to date
        #[arg(long)]
        rebuild: bool,
    },
    /// Build if needed, create and start the machine, and wait until it is ready
    #[command(visible_alias = "start")]
    Up {
        /// Build even if the image is up to date
        #[arg(long)]
        rebuild: bool,
        /// Replace a running machine without asking if its image or settings changed
        #[arg(long)]
        recreate: bool,
    },
    /// Stop the machine; it can be started again
    #[command(visible_alias = "stop")]
    Down,
    /// Stop and start the machine
    Restart,
    /// Remove the container and its network; mounted folders and the home volume are kept
    Rm {
        /// Also delete the home volume: logins and files in /root
        #[arg(long)]
        home_volume: bool,
    },
    /// Show state and addresses; exit code 3 if the machine is not running
    Status,
    /// List the machines and their states
    #[command(visible_alias = "ps")]
    Ls,
    /// Show the last lines of the container's log
    Logs {
        /// Number of lines
        #[arg(short = 'n', long, default_value_t = 200)]
        tail: u32,
        /// Keep printing new lines until the machine stops, or until Ctrl-C
        #[arg(short, long)]
        follow: bool,
        /// Only lines since then: a duration such as 10m or 1h30m, or a time such as 2026-11-30T12:00:00Z
        #[arg(long, value_name = "TIME", value_parser = since::parse)]
        since: Option<Timestamp>,
    },
    /// Run Python code in the machine's kernel
    Exec {
        /// Code to run; read from stdin if omitted or `-`
        code: Option<String>,
        /// File on this computer with the code to run; `-` for stdin
        #[arg(short, long, value_name = "FILE", conflicts_with = "code")]
        file: Option<PathBuf>,
        /// Time limit in seconds
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<f64>,
    },
    /// Open a shell in the machine, or run a command in it
    Shell {
        /// A single argument is run by bash; several are a program and its arguments; without one, bash opens in this terminal
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Build a new machine from the repo, test it, and replace the old one with it
    Evolve {
        /// Note to show beside the generation
        #[arg(long)]
        note: Option<String>,
        /// Only show what changed in the repo since the machine's generation
        #[arg(long)]
        diff: bool,
        /// Only evolve if the repo still has this hash, which is the last line of --diff
        #[arg(long, value_name = "HASH", conflicts_with_all = ["diff", "watch"])]
        tree: Option<String>,
        /// Interrupt running cells instead of waiting for them
        #[arg(long, conflicts_with = "refuse_cells")]
        interrupt_cells: bool,
        /// Fail if a cell is running
        #[arg(long)]
        refuse_cells: bool,
        /// Seconds to wait for running cells
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        cell_limit: u32,
        /// Keep running and carry out evolves requested from inside, until Ctrl-C
        #[arg(long, conflicts_with_all = ["note", "diff"])]
        watch: bool,
    },
    /// List the generations of the machine, or change one
    Generations {
        /// Pin a generation
        #[arg(long, value_name = "N")]
        keep: Option<u32>,
        /// Unpin a generation
        #[arg(long, value_name = "N")]
        release: Option<u32>,
        /// Name a generation; an empty name removes it
        #[arg(long, num_args = 2, value_names = ["N", "NAME"])]
        name: Option<Vec<String>>,
        /// Delete a generation and its image
        #[arg(long, value_name = "N")]
        remove: Option<u32>,
    },
    /// Roll back to an earlier generation: its image and the repo's files
    Rollback {
        /// Generation to roll back to; defaults to the last successful one before the current one
        number: Option<u32>,
        /// Don't change the repo's files
        #[arg(long)]
        keep_repo: bool,
        /// Restore the variables that generation had when it was replaced, instead of carrying over the current ones
        #[arg(long)]
        state: bool,
        /// Interrupt running cells instead of waiting for them
        #[arg(long)]
        interrupt_cells: bool,
    },
    /// Show and use the machine's MCP servers
    #[command(subcommand)]
    Mcp(McpCommand),
    /// List, create, rename and remove machines
    #[command(subcommand)]
    Machine(MachineCommand),
    /// List, cancel and follow long work: builds, starts, evolves, cells, commands, terminals
    #[command(subcommand, visible_alias = "jobs")]
    Job(JobCommand),
    /// Store API keys and hand them to machines
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Create, list and remove access tokens for programs
    #[command(subcommand)]
    Token(TokenCommand),
    /// Run untrusted code and commands in sandboxes
    #[command(subcommand)]
    Sandbox(SandboxCommand),
    /// Queue commands and code that run in sandboxes, and follow them
    #[command(subcommand)]
    Task(TaskCommand),
    /// Queue tasks at the times of cron expressions
    #[command(subcommand)]
    Schedule(ScheduleCommand),
    /// Run queued tasks until Ctrl-C
    Worker(WorkerArguments),
    /// Run AI coding tools, each in a container of its own
    #[command(subcommand)]
    Agent(AgentCommand),
    /// List the container engines on this computer and whether they are running
    Engines,
    /// Check what Vivarium needs on this computer and how to fix problems
    Doctor,
    /// Print the completions of this command line for a shell
    #[command(after_help = COMPLETION)]
    Completion {
        /// Shell that reads them
        shell: clap_complete::Shell,
    },
    /// Print this command line's man page
    #[command(after_help = "Example: vivarium man | man -l -")]
    Man,
    /// Serve the app's API to programs until Ctrl-C; with --ui also its pages to a browser
    Serve {
        /// Also serve the window's pages, on their own port on 127.0.0.1
        #[arg(long)]
        ui: bool,
        /// Port of the API; 0 for any free port
        #[arg(long, default_value_t = 8000)]
        port: u16,
        /// IP address that the API listens on
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
        listen: IpAddr,
        /// Port of the pages; defaults to any free port
        #[arg(long, default_value_t = 0, value_name = "PORT", requires = "ui")]
        ui_port: u16,
        /// Additional host names of the API, comma-separated
        #[arg(
            long,
            env = "VIVARIUM_ALLOWED_HOSTS",
            value_name = "NAMES",
            default_value = ""
        )]
        allowed_hosts: String,
        /// Don't require a token; only on loopback or inside a container
        #[arg(long)]
        no_token: bool,
    },
}

/// What `vivarium machine` does.
#[derive(Debug, Subcommand)]
pub enum MachineCommand {
    /// List the machines and their states
    #[command(visible_alias = "list")]
    Ls,
    /// Create a machine; `vivarium --machine NAME up` builds and starts it
    Create {
        /// Letters, digits, _ . and -
        name: String,
        /// `default`, or `locked`: no capabilities, no new privileges, read-only root
        #[arg(long)]
        profile: Option<String>,
        /// Base image; defaults to debian:trixie-slim
        #[arg(long, value_name = "IMAGE")]
        base: Option<String>,
        /// Folder on this computer to mount: SOURCE:TARGET or SOURCE:TARGET:ro; can be repeated
        #[arg(long = "mount", value_name = "SOURCE:TARGET")]
        mounts: Vec<String>,
        /// Memory limit, such as 4g
        #[arg(long, value_name = "SIZE")]
        memory: Option<String>,
        /// Number of CPUs, such as 1.5
        #[arg(long)]
        cpus: Option<f64>,
    },
    /// Rename a machine; its home volume, files and images are kept
    Rename {
        /// Current name
        name: String,
        /// New name
        new_name: String,
    },
    /// Remove a machine and its container; its files are kept
    Rm {
        /// Machine to remove
        name: String,
        /// Also delete the home volume: logins and files in /root
        #[arg(long)]
        home_volume: bool,
        /// Don't ask for confirmation
        #[arg(short, long)]
        yes: bool,
    },
}

/// What `vivarium job` does.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// List jobs that are running or waiting, and recent ones, newest first
    #[command(visible_alias = "list")]
    Ls {
        /// Only jobs that are running or waiting
        #[arg(long)]
        running: bool,
        /// Jobs of all machines
        #[arg(long)]
        all_machines: bool,
    },
    /// Cancel jobs: stop a build or an evolve, interrupt a cell, end a command or a terminal
    Cancel {
        /// Ids, as `vivarium job ls` prints them
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Print what a job printed
    Logs {
        /// Id, as `vivarium job ls` prints it
        id: String,
        /// Follow new output until the job ends, or until Ctrl-C
        #[arg(short, long)]
        follow: bool,
    },
}

/// What `vivarium secret` does.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Store a key; prompts for the value, or reads it from stdin
    Set {
        /// Key name, such as OPENAI_API_KEY
        name: String,
        /// Only for this machine; can be repeated. Defaults to the machines that have the key, and for a
        /// new key to the current machine
        #[arg(long = "for", value_name = "MACHINE")]
        machines: Vec<String>,
    },
    /// List the keys, the machines that have them, and where they are stored
    #[command(visible_alias = "list")]
    Ls,
    /// Give a stored key to these machines and no others
    Hand {
        /// Key name
        name: String,
        /// Machine names; if omitted, no machine has it
        machines: Vec<String>,
    },
    /// Remove a key, also from the machines that have it
    Rm {
        /// Key name
        name: String,
    },
}

/// What `vivarium token` does.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Create a token and print it; it can't be shown again
    Create {
        /// Token name: letters, digits, _ . and -
        name: String,
        /// Scope: read, exec, admin, mcp:SERVER or mcp:*; can be repeated
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<Scope>,
        /// Only for this machine; can be repeated. Defaults to all machines and `vivarium serve`
        #[arg(long = "for", value_name = "MACHINE")]
        machines: Vec<String>,
    },
    /// List the tokens and their scopes
    #[command(visible_alias = "list")]
    Ls,
    /// Revoke a token
    Rm {
        /// Token name
        name: String,
    },
}

fn instance(text: &str) -> Result<String, String> {
    let ok = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    if ok {
        Ok(text.into())
    } else {
        Err(
            "use only lower-case letters, digits and dashes; the first must be a letter or a digit"
                .into(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_shape_is_sound() {
        Arguments::command().debug_assert();
    }
}
