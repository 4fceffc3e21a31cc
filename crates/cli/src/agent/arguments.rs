//! The shape of `vivarium agent`.

use clap::{Args, Subcommand};
use wire::agent::{AgentLimits, AgentWorkspace, StartAgent};

/// What `vivarium agent` does.
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Start an agent and attach to its terminal; Ctrl-B D detaches, and the agent keeps running
    Run(RunArguments),
    /// List agents
    #[command(visible_alias = "list")]
    Ls,
    /// Attach to an agent's terminal; Ctrl-B D detaches
    Attach {
        /// Agent
        id: String,
        /// Only watch: keys and the terminal's size don't reach the agent
        #[arg(short, long)]
        read_only: bool,
    },
    /// Send a prompt to an agent
    Send {
        /// Agent
        id: String,
        /// Prompt; - reads it from stdin
        #[arg(required = true)]
        text: Vec<String>,
    },
    /// Show what happened to an agent: started, prompts sent, states, exit
    Logs {
        /// Agent
        id: String,
        /// Number of lines from the end
        #[arg(short = 'n', long, default_value_t = 100)]
        tail: u32,
    },
    /// Stop agents; they can be resumed
    Stop {
        /// Agents
        #[arg(required = true)]
        ids: Vec<String>,
        /// Also remove them with all that is in them
        #[arg(long)]
        rm: bool,
    },
    /// Resume an agent that was stopped or paused, or whose container is missing
    Resume {
        /// Agent
        id: String,
    },
    /// Remove agents with all that is in them
    Rm {
        /// Agents
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Remove all agents and their network
    Clean,
}

/// What `vivarium agent run` takes.
#[derive(Args, Debug)]
pub struct RunArguments {
    /// Tool
    #[arg(default_value = "shell")]
    tool: String,
    /// Image, instead of the tool's own
    #[arg(long)]
    image: Option<String>,
    /// Prompt to start with, if the tool takes one
    #[arg(long)]
    prompt: Option<String>,
    /// Name for people
    #[arg(long)]
    title: Option<String>,
    /// Memory in MiB
    #[arg(long, default_value_t = AgentLimits::default().memory_mb)]
    memory: u32,
    /// Processors
    #[arg(long, default_value_t = AgentLimits::default().cpus)]
    cpus: f64,
    /// Network to join, beside the agents' own
    #[arg(long)]
    network: Vec<String>,
    /// Let host.docker.internal lead to this computer
    #[arg(long)]
    host_access: bool,
    /// Print the agent's id and don't attach
    #[arg(short, long)]
    pub detach: bool,
}

impl From<RunArguments> for StartAgent {
    fn from(asked: RunArguments) -> Self {
        Self {
            tool: asked.tool,
            image: asked.image,
            workspace: AgentWorkspace::Volume,
            prompt: asked.prompt,
            title: asked.title,
            limits: Some(AgentLimits {
                memory_mb: asked.memory,
                cpus: asked.cpus,
                ..AgentLimits::default()
            }),
            networks: asked.network,
            host_access: asked.host_access,
            mounts: Vec::new(),
        }
    }
}
