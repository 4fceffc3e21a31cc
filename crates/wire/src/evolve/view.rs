//! What views ask of an evolve, and what changed in the repo.

use serde::{Deserialize, Serialize};

use super::{EvolveRun, ExecutorKind, RunningCell};

/// Asks for `evolve_start`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EvolveRequest {
    /// Why.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub note: Option<String>,
    /// What to do about cells that run or wait.
    #[serde(default)]
    pub running_cell: RunningCell,
    /// How long to wait for them, in seconds; 60 where it is 0.
    #[serde(default)]
    pub cell_limit_s: u32,
    /// The `tree` of the preview that was approved: the run fails if the files are others by then.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub tree: Option<String>,
}

/// How a file of the repo changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum FileChange {
    /// It is new.
    Added,
    /// It is another.
    Changed,
    /// It is gone.
    Removed,
}

/// A file of the repo that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct ChangedFile {
    /// From the repo's root. A byte that is no UTF-8 is written `\\xff`, a backslash `\\\\`; other
    /// characters are as the machine chose them, control characters too.
    pub path: String,
    /// How.
    pub change: FileChange,
    /// Lines added; `None` for what is no text.
    pub added: Option<u32>,
    /// Lines removed; `None` for what is no text.
    pub removed: Option<u32>,
    /// As git writes it, such as `100644`, `100755` (may be run) or `120000` (a link, whose text is
    /// where it leads); `None` for one that is gone.
    pub mode: Option<String>,
    /// The same before; `None` for one that is new.
    pub old_mode: Option<String>,
    /// This file's own lines of the unified diff, from its first `@@` on; empty for what is no text.
    pub patch: String,
    /// Whether more lines changed than are told.
    pub cut: bool,
}

/// Answer of `evolve_preview` and `generation_diff`: what changed in the repo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct RepoDiff {
    /// The commit that it is against; `None` where there is none, so that all is new.
    pub from_commit: Option<String>,
    /// The generation of that commit.
    pub from_generation: Option<u32>,
    /// Names the files that it is about: an approval that names it holds for these files alone.
    pub tree: String,
    /// The changed files.
    pub files: Vec<ChangedFile>,
    /// How many more files changed than are listed.
    pub more_files: u32,
    /// All files' lines as one unified diff, for programs; names are quoted as git quotes them.
    pub patch: String,
    /// Whether lines or files were left out, since there are very many.
    pub cut: bool,
    /// Whether sources of `body` changed, so that it is compiled: that takes minutes.
    pub compiles: bool,
}

/// Answer of `evolve_status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EvolveStatus {
    /// The newest run, of the host's history or one that the machine asks for.
    pub latest_run: Option<EvolveRun>,
    /// A run that was cut off and that nobody carries on yet.
    pub interrupted: bool,
    /// Who carries runs out.
    pub executor: ExecutorKind,
    /// Whether runs that the machine asks for wait for a person's yes.
    pub needs_yes: bool,
    /// The repo's folder on this computer.
    pub repo: String,
}

/// Names a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EvolveRunId {
    /// Which.
    pub run_id: String,
}

/// Asks for `evolve_log`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EvolveLogRequest {
    /// Which run.
    pub run_id: String,
    /// From here on: 0, or the last answer's `next`.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub after: u64,
}

/// Asks for `evolve_answer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS))]
pub struct EvolveAnswer {
    /// The run that waits for it.
    pub run_id: String,
    /// Whether it may go on.
    pub yes: bool,
    /// Of a yes: the `tree` of the preview that was approved. The run fails if the files are others
    /// by then.
    #[serde(default)]
    #[cfg_attr(feature = "ts", ts(optional))]
    pub tree: Option<String>,
}
