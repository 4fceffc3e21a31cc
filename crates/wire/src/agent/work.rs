//! What an agent made of the person's files: its changes, and what becomes of them.

use serde::{Deserialize, Serialize};

use super::AgentId;

wire! {
    /// Asks for `agent_diff`.
    pub struct AgentDiffRequest {
        /// Which agent.
        pub id: AgentId,
        /// One file alone, by its path in the list, with more of it than the list shows.
        #[serde(default)]
        pub path: Option<String>,
    }
    /// What an agent changed, since it was given the files.
    pub struct AgentDiff {
        /// The commit that was looked at. A merge wants it back, so that nothing is merged that wasn't
        /// seen.
        pub reviewed: String,
        /// Its tree: the same files have the same one.
        pub tree: String,
        /// The commit that the agent was given.
        pub start: String,
        /// Whether `reviewed` has changes in it that the agent didn't commit.
        pub has_uncommitted: bool,
        /// Whether it can be merged: a folder without git takes a patch.
        pub can_merge: bool,
        /// The branch that the person has checked out, which can't be merged into; none if there is none.
        pub checked_out: Option<String>,
        /// By path.
        pub files: Vec<AgentFileDiff>,
        /// Files that changed and aren't listed.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub more_files: u64,
        /// Lines added in all files.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub added: u64,
        /// Lines removed in all files.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub removed: u64,
    }
    /// What an agent changed in a file. Names and lines are the agent's: text, and nothing else.
    pub struct AgentFileDiff {
        /// Its path, or that it had. Characters that can't be shown are written with a backslash.
        pub path: String,
        /// Its earlier path, if it was renamed.
        pub old_path: Option<String>,
        /// How it changed.
        pub status: AgentFileStatus,
        /// Lines added, those too that aren't shown.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub added: u64,
        /// Lines removed, those too that aren't shown.
        #[cfg_attr(feature = "ts", ts(type = "number"))]
        pub removed: u64,
        /// What a reviewer should look at, in sentences.
        pub risks: Vec<String>,
        /// What can be shown of it.
        pub content: AgentFileContent,
    }
    /// How a file changed.
    #[derive(Copy, Eq)]
    #[serde(rename_all = "snake_case")]
    pub enum AgentFileStatus {
        /// It is new.
        Added,
        /// It is gone.
        Removed,
        /// Its content or mode changed.
        Modified,
        /// It became something else, such as a link.
        Retyped,
        /// It has another path.
        Renamed,
    }
    /// What can be shown of a file's changes.
    #[derive(Eq)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum AgentFileContent {
        /// Hunks of a patch: `@@ -1,2 +1,3 @@`, then lines that begin with a space, `+`, `-` or `\`. Empty
        /// if only the mode or the path changed.
        Patch {
            /// The text.
            text: String,
        },
        /// It isn't text.
        Binary {
            /// Size as it was.
            #[cfg_attr(feature = "ts", ts(type = "number | null"))]
            old_bytes: Option<u64>,
            /// Size as it is.
            #[cfg_attr(feature = "ts", ts(type = "number | null"))]
            new_bytes: Option<u64>,
        },
        /// There are too many lines. Unless the file is too large to be compared at all, it is shown when
        /// it is asked for alone.
        Truncated {
            /// Whether it can be asked for alone.
            can_open: bool,
        },
    }
    /// Asks for `agent_merge`.
    pub struct AgentMergeRequest {
        /// Which agent.
        pub id: AgentId,
        /// The branch; `agent/<id>` if none.
        #[serde(default)]
        pub into: Option<String>,
        /// The commit that was reviewed: if the agent sent another one since, nothing is merged.
        pub reviewed: String,
        /// Makes the branch if it isn't there.
        #[serde(default)]
        pub create: bool,
        /// How.
        #[serde(default)]
        pub style: AgentMergeStyle,
        /// What the commit says; a sentence of ours if none.
        #[serde(default)]
        pub message: Option<String>,
    }
    /// How commits are merged.
    #[derive(Copy, Eq, Default)]
    #[serde(rename_all = "snake_case")]
    pub enum AgentMergeStyle {
        /// By moving the branch, if it has nothing of its own; else with a commit.
        #[default]
        FastForward,
        /// With a merge commit in any case.
        Commit,
        /// As one commit on top of the branch.
        Squash,
    }
    /// What became of a merge.
    #[derive(Eq)]
    #[serde(tag = "kind", rename_all = "snake_case")]
    pub enum AgentMergeOutcome {
        /// The branch has it.
        Merged {
            /// By which it can be undone.
            merge: AgentMerge,
        },
        /// The branch had it before.
        UpToDate,
        /// Both sides changed the same. Nothing was written.
        Conflicts {
            /// By path.
            files: Vec<AgentConflict>,
        },
        /// Somebody has the branch checked out. Nothing was written: a merge would leave the files there out
        /// of step with it.
        CheckedOut {
            /// The branch.
            branch: String,
            /// The folder that has it checked out.
            path: String,
            /// What can be merged there by hand: `git merge <this>`.
            work: String,
        },
    }
    /// A merge that was made.
    #[derive(Eq)]
    pub struct AgentMerge {
        /// The branch.
        pub into: String,
        /// What it named; none if it was made.
        pub old: Option<String>,
        /// What it names.
        pub new: String,
    }
    /// A file that can't be merged.
    #[derive(Eq)]
    pub struct AgentConflict {
        /// Its path.
        pub path: String,
        /// Git's sentences about it.
        pub messages: Vec<String>,
    }
    /// Asks for `agent_merge_undo`.
    pub struct AgentMergeUndoRequest {
        /// Whose work was merged.
        pub id: AgentId,
        /// The merge.
        pub merge: AgentMerge,
    }
    /// Answer of `agent_patch`.
    pub struct AgentPatch {
        /// The patch, in base64: files can have any bytes in them.
        pub base64: String,
    }
}
