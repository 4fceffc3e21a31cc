//! The command line's shape.

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use wire::tokens::Scope;

/// Keeps a machine: a container with a desktop, a browser, a Python kernel, a shell and MCP servers.
#[derive(Debug, Parser)]
#[command(
    name = "vivarium",
    version,
    after_help = "Exit codes: 0 ok, 1 failure, 2 usage, 3 the machine does not run, 4 no container engine, \
                  5 the machine would be recreated."
)]
pub struct Arguments {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Args, Debug)]
pub struct Global {
    /// Prefix of every name: a second, separate Vivarium on this computer
    #[arg(long, global = true, env = "VIVARIUM_INSTANCE", value_parser = instance)]
    pub instance: Option<String>,
    /// The machine that is meant; os-host or the only one if left out
    #[arg(long, global = true, env = "VIVARIUM_MACHINE", value_name = "NAME")]
    pub machine: Option<String>,
    /// Where settings and data lie, instead of the XDG folders
    #[arg(long, global = true, env = "VIVARIUM_HOME")]
    pub home: Option<PathBuf>,
    /// Working copy mounted at /repo, instead of a copy of the template
    #[arg(long, global = true, env = "VIVARIUM_REPO")]
    pub repo: Option<PathBuf>,
    /// Container engine: an address (unix://, tcp://, ssh://), or one of Docker's contexts
    #[arg(long, global = true, env = "VIVARIUM_ENGINE")]
    pub engine: Option<String>,
    /// Folder with body/Dockerfile; found by itself inside a checkout
    #[arg(long, global = true, env = "VIVARIUM_TEMPLATE")]
    pub template: Option<PathBuf>,
    /// Over the machine's spec for this call, such as limits.memory=4g; may repeat
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Host port of the kernel API; 0 for any free one
    #[arg(long, global = true, env = "VIVARIUM_KERNEL_PORT", value_name = "PORT")]
    pub kernel_port: Option<u16>,
    /// Host port of the MCP endpoint; 0 for any free one
    #[arg(long, global = true, env = "VIVARIUM_MCP_PORT", value_name = "PORT")]
    pub mcp_port: Option<u16>,
    /// Host port of VNC; 0 for any free one
    #[arg(long, global = true, env = "VIVARIUM_VNC_PORT", value_name = "PORT")]
    pub vnc_port: Option<u16>,
    /// Answers as JSON on stdout, one object per line
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
    /// Builds the image
    Build {
        /// Also where it is current
        #[arg(long)]
        rebuild: bool,
    },
    /// Builds where needed, creates, starts, and waits until the machine answers
    Up {
        /// Build also where the image is current
        #[arg(long)]
        rebuild: bool,
        /// Replaces a machine that runs if image or settings changed; without it, up asks first
        #[arg(long)]
        recreate: bool,
    },
    /// Stops the machine; it can be started again
    Down,
    /// Stops and starts it
    Restart,
    /// Removes container and network; files in mounts and the home volume stay
    Rm {
        /// The home volume too: logins, files in /root
        #[arg(long)]
        home_volume: bool,
    },
    /// State and addresses; exit code 3 where it does not run
    Status,
    /// Last lines of the container's log
    Logs {
        /// How many
        #[arg(short = 'n', long, default_value_t = 200)]
        tail: u32,
    },
    /// Runs Python in the machine's kernel; exit code 1 where it fails
    Exec {
        /// The code; read from stdin where left out or `-`
        code: Option<String>,
        /// Seconds
        #[arg(long, value_name = "SECONDS")]
        timeout: Option<f64>,
    },
    /// Runs a command in the machine's shell; its exit code is this one's
    Shell {
        /// One argument is a line for bash; several are a program and its arguments, passed on as they are
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
    /// Builds a new machine from the repo, proves it, and puts it in the old one's place
    Evolve {
        /// Why; it stands beside the generation
        #[arg(long)]
        note: Option<String>,
        /// Only shows what changed in the repo since the machine's generation
        #[arg(long)]
        diff: bool,
        /// Only evolves if the repo is still what --diff showed, whose last line names this
        #[arg(long, value_name = "HASH", conflicts_with_all = ["diff", "watch"])]
        tree: Option<String>,
        /// Interrupts cells that run, instead of waiting for them
        #[arg(long, conflicts_with = "refuse_cells")]
        interrupt_cells: bool,
        /// Gives up where a cell runs
        #[arg(long)]
        refuse_cells: bool,
        /// Seconds to wait for cells that run
        #[arg(long, value_name = "SECONDS", default_value_t = 60)]
        cell_limit: u32,
        /// Stays, and carries out what is asked for from inside, until Ctrl-C
        #[arg(long, conflicts_with_all = ["note", "diff"])]
        watch: bool,
    },
    /// Lists the generations of the machine, or changes one
    Generations {
        /// Keeps this one whatever their number
        #[arg(long, value_name = "N")]
        keep: Option<u32>,
        /// Keeps this one no longer
        #[arg(long, value_name = "N")]
        release: Option<u32>,
        /// Gives one a name (an empty one takes it away)
        #[arg(long, num_args = 2, value_names = ["N", "NAME"])]
        name: Option<Vec<String>>,
        /// Removes this one and its image
        #[arg(long, value_name = "N")]
        remove: Option<u32>,
    },
    /// Puts an earlier generation in place: its image and the repo's files
    Rollback {
        /// Which; the good one before the current one where left out
        number: Option<u32>,
        /// Leaves the repo's files as they are
        #[arg(long)]
        keep_repo: bool,
        /// Brings the namespaces back with which it was left, instead of taking the present ones along
        #[arg(long)]
        state: bool,
        /// Interrupts cells that run, instead of waiting for them
        #[arg(long)]
        interrupt_cells: bool,
    },
    /// The machine's MCP servers
    #[command(subcommand)]
    Mcp(McpCommand),
    /// Lists, creates, renames and removes machines
    #[command(subcommand)]
    Machine(MachineCommand),
    /// Keys of services: stores them, and hands them to machines
    #[command(subcommand)]
    Secret(SecretCommand),
    /// Access tokens for programs: creates, lists and removes them
    #[command(subcommand)]
    Token(TokenCommand),
    /// Lists the container engines of this computer, and which of them answer
    Engines,
    /// Looks at what is needed on this computer, and says what to do
    Doctor,
    /// Serves the app's API to programs, until Ctrl-C; with --ui, its pages to a browser
    Serve {
        /// Also the window's pages, at a port of their own on 127.0.0.1
        #[arg(long)]
        ui: bool,
        /// Port of the API; 0 for any free one
        #[arg(long, default_value_t = 8000)]
        port: u16,
        /// IP address that the API listens on
        #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
        listen: IpAddr,
        /// Port of the pages; any free one if left out
        #[arg(long, default_value_t = 0, value_name = "PORT", requires = "ui")]
        ui_port: u16,
        /// More names by which programs call the API, with commas between
        #[arg(
            long,
            env = "VIVARIUM_ALLOWED_HOSTS",
            value_name = "NAMES",
            default_value = ""
        )]
        allowed_hosts: String,
        /// Asks programs for no token; only on loopback, or inside a container
        #[arg(long)]
        no_token: bool,
    },
}

/// What `vivarium machine` does.
#[derive(Debug, Subcommand)]
pub enum MachineCommand {
    /// Lists the machines and their states
    #[command(visible_alias = "list")]
    Ls,
    /// Adds a machine; `vivarium --machine NAME up` builds and starts it
    Create {
        /// Letters, digits, _ . and -
        name: String,
        /// `default`, or `locked`: no capabilities, no new privileges, read-only root
        #[arg(long)]
        profile: Option<String>,
        /// Base image; debian:trixie-slim if left out
        #[arg(long, value_name = "IMAGE")]
        base: Option<String>,
        /// A folder of this computer that it sees: SOURCE:TARGET or SOURCE:TARGET:ro; may repeat
        #[arg(long = "mount", value_name = "SOURCE:TARGET")]
        mounts: Vec<String>,
        /// Memory limit, such as 4g
        #[arg(long, value_name = "SIZE")]
        memory: Option<String>,
        /// Processors, such as 1.5
        #[arg(long)]
        cpus: Option<f64>,
    },
    /// Gives a machine another name; its home volume, files and images stay
    Rename {
        /// Its name now
        name: String,
        /// Its new name
        new_name: String,
    },
    /// Removes a machine's container and takes it out of the list; its files stay
    Rm {
        /// Which
        name: String,
        /// The home volume too: logins, files in /root
        #[arg(long)]
        home_volume: bool,
        /// Doesn't ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// What `vivarium secret` does.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Stores a key, which is asked for on the terminal or read from stdin
    Set {
        /// Such as OPENAI_API_KEY
        name: String,
        /// A machine that gets it, and no others; may repeat. Left out: those that have it, or for a
        /// new key the machine that is meant
        #[arg(long = "for", value_name = "MACHINE")]
        machines: Vec<String>,
    },
    /// Lists the keys, the machines that have them, and where they are stored
    #[command(visible_alias = "list")]
    Ls,
    /// Hands a stored key to these machines and takes it from all others
    Hand {
        /// Which key
        name: String,
        /// The machines; none if left out
        machines: Vec<String>,
    },
    /// Removes a key, also from the machines that have it
    Rm {
        /// Which key
        name: String,
    },
}

/// What `vivarium token` does.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Creates a token and prints it, this once
    Create {
        /// Names it in lists: letters, digits, _ . and -
        name: String,
        /// What it may do: read, exec, admin, mcp:SERVER or mcp:*; may repeat
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<Scope>,
        /// A machine that it is for; may repeat. Left out: all machines, and the API of `vivarium serve`
        #[arg(long = "for", value_name = "MACHINE")]
        machines: Vec<String>,
    },
    /// Lists the tokens and what they may do
    #[command(visible_alias = "list")]
    Ls,
    /// Removes a token: nothing accepts it any more
    Rm {
        /// Which token
        name: String,
    },
}

/// What `vivarium mcp` does.
#[derive(Debug, Subcommand)]
pub enum McpCommand {
    /// How the servers stand
    List,
    /// Tools of a server, or of all of them
    Tools {
        /// Its name; all of them, with tools named server__tool, where left out
        server: Option<String>,
    },
    /// Calls a tool and prints what it answers; exit code 1 where the tool says that it failed
    Call {
        /// Its name; server__tool where no server is given
        tool: String,
        /// A JSON object, `-` for one on stdin, or name=value pairs
        arguments: Vec<String>,
        /// The server that has it
        #[arg(long)]
        server: Option<String>,
    },
    /// Prints what servers and their clients said to each other
    Trace {
        /// Of this server alone
        server: Option<String>,
        /// Goes on with what they say, until Ctrl-C
        #[arg(short, long)]
        follow: bool,
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
        Err("an instance is named with small letters, digits and dashes".into())
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
