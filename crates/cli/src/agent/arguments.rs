//! The shape of `vivarium agent`.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use wire::agent::AgentMergeStyle;

use super::run::RunArguments;

/// What `vivarium agent` does.
#[derive(Debug, Subcommand)]
pub enum AgentCommand {
    /// Start an agent and attach to its terminal; Ctrl-B D detaches, and the agent keeps running
    Run(RunArguments),
    /// List the tools that agents can run, with their permission modes
    Tools,
    /// List the tools' images, build one, or approve one that came from a registry
    Images {
        /// What to do; lists them if left out
        #[command(subcommand)]
        command: Option<ImageCommand>,
    },
    /// List the folders that agents may be given, or change them
    Workspace {
        /// What to do; lists them if left out
        #[command(subcommand)]
        command: Option<WorkspaceCommand>,
    },
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
    /// Allow or deny what an agent asks for
    Answer {
        /// Agent
        id: String,
        /// allow or deny
        answer: Answer,
        /// Number of the question; the oldest if left out
        #[arg(long)]
        ask: Option<u64>,
        /// What the agent is told when it is denied
        #[arg(long)]
        message: Option<String>,
    },
    /// Show what an agent changed in its clone
    Diff {
        /// Agent
        id: String,
        /// Only name the files
        #[arg(long)]
        stat: bool,
    },
    /// Merge what an agent changed into a branch; no files are touched
    Merge {
        /// Agent
        id: String,
        /// Branch to merge into; makes the branch agent/ID if left out
        #[arg(long, value_name = "BRANCH")]
        into: Option<String>,
        /// Make the branch if it doesn't exist
        #[arg(long, requires = "into")]
        create: bool,
        /// How to merge
        #[arg(long, default_value = "fast-forward")]
        style: Style,
        /// Commit message
        #[arg(short, long)]
        message: Option<String>,
        /// Commit that you reviewed, as diff prints it; nothing is merged if the agent changed more since
        #[arg(long, value_name = "COMMIT")]
        reviewed: Option<String>,
        /// Merge without asking
        #[arg(short, long)]
        yes: bool,
    },
    /// Print what an agent changed as a patch for git apply
    Patch {
        /// Agent
        id: String,
        /// File to write it to
        #[arg(short, long)]
        output: Option<PathBuf>,
    },
    /// Remove agents with their work, also what was fetched of it
    Discard {
        /// Agents
        #[arg(required = true)]
        ids: Vec<String>,
        /// Discard without asking
        #[arg(short, long)]
        yes: bool,
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

/// What `vivarium agent images` does.
#[derive(Debug, Subcommand)]
pub enum ImageCommand {
    /// Build the images of tools, or fetch them if AI_IMAGE_SOURCE=registry
    Build {
        /// Tools
        #[arg(required = true)]
        tools: Vec<String>,
        /// Build also what is up to date
        #[arg(long)]
        rebuild: bool,
    },
    /// Approve the image of a tool that came from a registry
    Approve {
        /// Tool
        tool: String,
        /// Digest that you looked at; asks if left out
        #[arg(long)]
        digest: Option<String>,
    },
}

/// What `vivarium agent workspace` does.
#[derive(Debug, Subcommand)]
pub enum WorkspaceCommand {
    /// Allow agents to be given a folder and all that is inside it
    Add {
        /// Folder
        path: PathBuf,
    },
    /// Allow it no longer
    Remove {
        /// Folder
        path: PathBuf,
    },
}

/// An answer to what an agent asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Answer {
    /// It may.
    Allow,
    /// It may not.
    Deny,
}

/// How to merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Style {
    /// Move the branch if it has nothing of its own, else with a commit
    FastForward,
    /// With a merge commit in any case
    Commit,
    /// As one commit
    Squash,
}

impl From<Style> for AgentMergeStyle {
    fn from(style: Style) -> Self {
        match style {
            Style::FastForward => Self::FastForward,
            Style::Commit => Self::Commit,
            Style::Squash => Self::Squash,
        }
    }
}
