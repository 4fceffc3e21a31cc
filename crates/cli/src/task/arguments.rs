//! The shape of `vivarium task` and `vivarium schedule`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use wire::{
    sandbox::NetworkMode,
    task::{MissedRuns, TaskKind, TaskState},
};

use crate::sandbox::{network, variable};

/// What `vivarium task` does.
#[derive(Debug, Subcommand)]
pub enum TaskCommand {
    /// Queue a command or code, follow its output, and exit with its exit code
    Run(Box<RunTask>),
    /// List tasks, newest first
    #[command(visible_alias = "list")]
    Ls(ListTasks),
    /// Show a task: state, attempts, result
    Show {
        /// Task
        id: String,
    },
    /// Show a task's log
    Logs {
        /// Task
        id: String,
        /// Follow it until the task ends
        #[arg(short, long)]
        follow: bool,
    },
    /// Queue tasks again that failed, were cancelled, expired or were lost
    Retry(Which),
    /// Cancel tasks
    Cancel(Which),
    /// List queues
    Queues,
    /// List workers
    Workers,
}

/// `vivarium task run`.
#[derive(Args, Debug)]
pub struct RunTask {
    #[command(flatten)]
    pub what: What,
    /// Don't wait for its end; prints its id
    #[arg(short, long)]
    pub detach: bool,
    /// Don't start it before this time, such as 2026-12-01T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// Don't start it after this time
    #[arg(long, value_name = "TIME")]
    pub expires: Option<String>,
    /// A second run with the same key is the first one's task
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Command and arguments; a single argument is run by bash
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

/// What a task does, and how.
#[derive(Args, Debug)]
pub struct What {
    /// Run this file of Python code instead of a command; - for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "command")]
    pub python: Option<PathBuf>,
    /// Queue
    #[arg(long, default_value = "default")]
    pub queue: String,
    /// Priority from -100 to 100; higher runs first
    #[arg(long, default_value_t = 0, allow_hyphen_values = true)]
    pub priority: i32,
    /// How often it is started at most
    #[arg(long, default_value_t = 3)]
    pub attempts: u32,
    /// Seconds that an attempt may take
    #[arg(long, value_name = "SECONDS", default_value_t = 300.0)]
    pub timeout: f64,
    /// File on the serving computer to copy into /workspace; can be repeated
    #[arg(long = "file", value_name = "PATH")]
    pub files: Vec<String>,
    /// Environment variable; can be repeated
    #[arg(short, long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    pub env: Vec<(String, String)>,
    /// Image of its sandbox; defaults to the sandboxes' own
    #[arg(long)]
    pub image: Option<String>,
    /// What its sandbox can reach: none, isolated or internet
    #[arg(long, value_parser = network)]
    pub network: Option<NetworkMode>,
    /// Memory of its sandbox in MiB
    #[arg(long, value_name = "MIB")]
    pub memory: Option<u32>,
}

/// Which tasks are meant.
#[derive(Args, Debug)]
pub struct Filter {
    /// Only in this state: scheduled, queued, running, retrying, done, failed, cancelled, expired, lost
    #[arg(long)]
    pub state: Option<TaskState>,
    /// Only of this kind: exec or code
    #[arg(long)]
    pub kind: Option<TaskKind>,
    /// Only of this queue
    #[arg(long)]
    pub queue: Option<String>,
    /// Only those whose id, payload or error contains this text
    #[arg(long)]
    pub text: Option<String>,
}

/// `vivarium task ls`.
#[derive(Args, Debug)]
pub struct ListTasks {
    #[command(flatten)]
    pub filter: Filter,
    /// Number of tasks
    #[arg(short = 'n', long, default_value_t = 50)]
    pub limit: usize,
}

/// Tasks by id, or all that match.
#[derive(Args, Debug)]
pub struct Which {
    /// Tasks; if omitted, all that match the options, of which at least one is required
    pub ids: Vec<String>,
    #[command(flatten)]
    pub filter: Filter,
}

/// What `vivarium schedule` does.
#[derive(Debug, Subcommand)]
pub enum ScheduleCommand {
    /// List schedules
    #[command(visible_alias = "list")]
    Ls,
    /// Queue a task at the times of a cron expression
    Create(Box<CreateSchedule>),
    /// Make no tasks until it is resumed
    Pause {
        /// Schedule
        id: String,
    },
    /// Make tasks again, from the next time on
    Resume {
        /// Schedule
        id: String,
    },
    /// Make its task now
    Run {
        /// Schedule
        id: String,
    },
    /// Remove schedules; tasks that they made are kept
    Rm {
        /// Schedules
        #[arg(required = true)]
        ids: Vec<String>,
    },
}

/// `vivarium schedule create`.
#[derive(Args, Debug)]
pub struct CreateSchedule {
    #[command(flatten)]
    pub what: What,
    /// Times, such as "0 9 * * 1-5" (minute, hour, day, month, weekday) or @hourly
    #[arg(long)]
    pub cron: String,
    /// Time zone, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub time_zone: String,
    /// What happens to times that passed while nothing was running: once (one task for all), skip or all
    #[arg(long, value_parser = missed, default_value = "once")]
    pub missed: MissedRuns,
    /// Command and arguments; a single argument is run by bash
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<String>,
}

fn missed(text: &str) -> Result<MissedRuns, String> {
    serde_json::from_value(text.into()).map_err(|_| "use once, skip or all".into())
}
