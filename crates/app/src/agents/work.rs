//! What an agent made, as a page shows it: compared, merged, as a patch, discarded.

use std::fmt::Write as _;

use ::agents::{
    AgentError, AgentWork, Merging,
    git::{
        Change, Content, FileDiff, Fold, GitError, Hunk, LineKind, MergeOutcome, MergeStyle,
        Merged, MissingBranch, ObjectId, RefName, Risk, WorkId,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use wire::{
    agent::*,
    commands::Nothing,
    failure::{Failure, FailureCode},
};

use crate::App;

impl App {
    pub(crate) async fn agent_diff(&self, request: AgentDiffRequest) -> Result<AgentDiff, Failure> {
        let agents = self.agents().await?;
        let work = match &request.path {
            None => agents.diff(&request.id).await?,
            Some(path) => agents.diff_file(&request.id, path).await?,
        };
        Ok(shown(&work))
    }

    pub(crate) async fn agent_merge(
        &self,
        request: AgentMergeRequest,
    ) -> Result<AgentMergeOutcome, Failure> {
        // A branch of the agent's own name is made if the person named none.
        let own = request.into.is_none();
        let into = match &request.into {
            Some(name) => RefName::branch(name)?,
            None => WorkId::parse(request.id.as_str())?.branch(),
        };
        let merging = Merging {
            reviewed: commit(&request.reviewed)?,
            into,
            missing: match request.create || own {
                true => MissingBranch::Create,
                false => MissingBranch::Refuse,
            },
            style: match request.style {
                AgentMergeStyle::FastForward => MergeStyle::FastForward,
                AgentMergeStyle::Commit => MergeStyle::Commit,
                AgentMergeStyle::Squash => MergeStyle::Squash,
            },
            message: request.message,
        };
        match self.agents().await?.merge(&request.id, merging).await {
            Ok(outcome) => Ok(outcome_of(outcome)),
            Err(AgentError::Git(GitError::CheckedOut { branch, path, work })) => {
                Ok(AgentMergeOutcome::CheckedOut {
                    branch: branch.short().to_owned(),
                    path: path.display().to_string(),
                    work: work.to_string(),
                })
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(crate) async fn agent_merge_undo(
        &self,
        request: AgentMergeUndoRequest,
    ) -> Result<Nothing, Failure> {
        let AgentMerge { into, old, new } = &request.merge;
        let merged = Merged {
            into: RefName::branch(into)?,
            old: old.as_deref().map(commit).transpose()?,
            new: commit(new)?,
        };
        self.agents().await?.undo_merge(&request.id, merged).await?;
        Ok(Nothing {})
    }

    pub(crate) async fn agent_patch(&self, request: AgentName) -> Result<AgentPatch, Failure> {
        let patch = self.agents().await?.patch(&request.id).await?;
        Ok(AgentPatch {
            base64: BASE64.encode(patch),
        })
    }

    pub(crate) async fn agent_discard(&self, request: AgentName) -> Result<Nothing, Failure> {
        self.agents().await?.discard(&request.id).await?;
        Ok(Nothing {})
    }
}

fn commit(text: &str) -> Result<ObjectId, Failure> {
    text.parse().map_err(|_| {
        Failure::new(FailureCode::Invalid, "Invalid commit")
            .because("40 hexadecimal digits are expected")
    })
}

fn outcome_of(outcome: MergeOutcome) -> AgentMergeOutcome {
    match outcome {
        MergeOutcome::UpToDate => AgentMergeOutcome::UpToDate,
        MergeOutcome::Merged(merged) => AgentMergeOutcome::Merged {
            merge: AgentMerge {
                into: merged.into.short().to_owned(),
                old: merged.old.map(|old| old.to_string()),
                new: merged.new.to_string(),
            },
        },
        MergeOutcome::Conflicts(conflicts) => AgentMergeOutcome::Conflicts {
            files: conflicts
                .into_iter()
                .map(|conflict| AgentConflict {
                    path: conflict.path.to_string(),
                    messages: conflict.messages,
                })
                .collect(),
        },
    }
}

fn shown(work: &AgentWork) -> AgentDiff {
    let diff = &work.diff;
    AgentDiff {
        reviewed: work.reviewed.to_string(),
        tree: work.tree.to_string(),
        start: work.start.to_string(),
        has_uncommitted: work.has_uncommitted,
        can_merge: work.can_merge,
        checked_out: work
            .checked_out
            .as_ref()
            .map(|branch| branch.short().to_owned()),
        files: diff.files.iter().map(file).collect(),
        more_files: diff.more_files as u64,
        added: diff.added,
        removed: diff.removed,
    }
}

fn file(file: &FileDiff) -> AgentFileDiff {
    let path = file.path().map(ToString::to_string).unwrap_or_default();
    let old_path = file.old.as_ref().map(|side| side.path.to_string());
    AgentFileDiff {
        old_path: old_path.filter(|old| *old != path),
        path,
        status: match file.change {
            Change::Added => AgentFileStatus::Added,
            Change::Removed => AgentFileStatus::Removed,
            Change::Modified => AgentFileStatus::Modified,
            Change::Retyped => AgentFileStatus::Retyped,
            Change::Renamed(_) => AgentFileStatus::Renamed,
        },
        added: file.added,
        removed: file.removed,
        risks: file
            .risks
            .iter()
            .map(|risk| Risk::reason(*risk).to_owned())
            .collect(),
        content: content(&file.content),
    }
}

fn content(content: &Content) -> AgentFileContent {
    match content {
        Content::Lines(hunks) => {
            let mut text = String::new();
            hunks.iter().for_each(|hunk| add(&mut text, hunk));
            AgentFileContent::Patch { text }
        }
        Content::Binary {
            old_bytes,
            new_bytes,
        } => AgentFileContent::Binary {
            old_bytes: *old_bytes,
            new_bytes: *new_bytes,
        },
        Content::Folded(fold) => AgentFileContent::Truncated {
            can_open: !matches!(fold, Fold::LargeFile { .. }),
        },
    }
}

/// As a patch has it. No line has a line's end in it, so that none can pass for another.
fn add(text: &mut String, hunk: &Hunk) {
    let Hunk {
        old_start,
        old_lines,
        new_start,
        new_lines,
        heading,
        lines,
    } = hunk;
    let heading = match heading.as_str() {
        "" => String::new(),
        heading => format!(" {heading}"),
    };
    // A string takes it.
    let _ = writeln!(
        text,
        "@@ -{old_start},{old_lines} +{new_start},{new_lines} @@{heading}"
    );
    for line in lines {
        let sign = match line.kind {
            LineKind::Context => ' ',
            LineKind::Added => '+',
            LineKind::Removed => '-',
        };
        let _ = writeln!(text, "{sign}{}", line.text);
        if line.is_unended {
            text.push_str("\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use ::agents::git::Line;

    use super::*;

    #[test]
    fn hunks_are_shown_as_a_patch_has_them() {
        let line = |kind, text: &str, is_unended| Line {
            kind,
            text: text.into(),
            is_unended,
        };
        let hunk = Hunk {
            old_start: 1,
            old_lines: 2,
            new_start: 1,
            new_lines: 2,
            heading: "fn x".into(),
            lines: vec![
                line(LineKind::Context, "a", false),
                line(LineKind::Removed, "b", false),
                line(LineKind::Added, "+c", true),
            ],
        };
        let AgentFileContent::Patch { text } = content(&Content::Lines(vec![hunk])) else {
            panic!("not lines");
        };
        assert_eq!(
            text,
            "@@ -1,2 +1,2 @@ fn x\n a\n-b\n++c\n\\ No newline at end of file\n"
        );
    }

    #[test]
    fn what_is_too_large_says_whether_it_can_be_opened() {
        let large = Fold::LargeFile {
            old_bytes: None,
            new_bytes: Some(1 << 30),
        };
        for (fold, expected) in [
            (Fold::LargeChange, true),
            (Fold::LargeDiff, true),
            (large, false),
        ] {
            let told = content(&Content::Folded(fold));
            assert_eq!(told, AgentFileContent::Truncated { can_open: expected });
        }
    }
}
