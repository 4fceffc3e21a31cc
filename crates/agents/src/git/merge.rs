//! Merges an agent's commits into a branch of the person's repository: the result is computed from
//! the commits alone, and the one thing that changes is the branch's ref. No work tree is touched, so
//! a branch that one has checked out isn't merged into.

use std::{collections::BTreeMap, str::FromStr};

use gix_hash::ObjectId;

use super::{
    command::write,
    error::GitError,
    ref_name::RefName,
    refs::Expected,
    repository::Repository,
    signature::Signature,
    tree_path::{TreePath, readable},
    work::{Part, Work},
};

/// The most that git says about a merge.
const LONGEST: usize = 64 << 20;
/// The most conflicts that are named.
const MOST_CONFLICTS: usize = 10_000;

/// A merge to make.
#[derive(Clone, Debug)]
pub struct MergeRequest {
    /// What of the agent's work.
    pub part: Part,
    /// The commit that was reviewed: if the agent sent another one since, nothing is merged.
    pub reviewed: ObjectId,
    /// The branch to merge into, such as `main`.
    pub into: RefName,
    /// What to do if there is no such branch.
    pub missing: MissingBranch,
    /// How.
    pub style: MergeStyle,
    /// Who the commit is by.
    pub author: Signature,
    /// What the commit says.
    pub message: String,
}

/// What to do if a branch doesn't exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MissingBranch {
    /// Nothing: it is an error.
    Refuse,
    /// Make it, at the agent's commit.
    Create,
}

/// How commits are merged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeStyle {
    /// By moving the branch, if it has nothing of its own; else with a commit.
    FastForward,
    /// With a merge commit in any case.
    Commit,
    /// As one commit on top of the branch, which doesn't name the agent's.
    Squash,
}

/// What became of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeOutcome {
    /// The branch has it.
    Merged(Merged),
    /// The branch had it before.
    UpToDate,
    /// Both sides changed the same. Nothing was written.
    Conflicts(Vec<Conflict>),
}

/// A merge that was made, by which it can be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The branch.
    pub into: RefName,
    /// What it named; none if it was made.
    pub old: Option<ObjectId>,
    /// What it names.
    pub new: ObjectId,
}

/// A file that can't be merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Which one.
    pub path: TreePath,
    /// Git's name for the kind, such as `CONFLICT (contents)`.
    pub kinds: Vec<String>,
    /// Git's sentences about it, with names that the agent chose.
    pub messages: Vec<String>,
}

impl Work {
    /// Merges the agent's work into a branch.
    ///
    /// # Errors
    /// [`GitError::CheckedOut`] for a branch that a work tree is on, [`GitError::RefMoved`] if the
    /// branch or the agent's work is another one than was reviewed, [`GitError::RefMissing`] if there
    /// is no such branch. The repository is then as it was.
    pub fn merge(&self, request: &MergeRequest) -> Result<MergeOutcome, GitError> {
        let repository = self.person()?;
        let into = &request.into;
        if !into.is_branch() {
            return Err(GitError::Invalid {
                what: "branch",
                value: into.to_string(),
            });
        }
        let tip = self.tip_of(request.part)?.ok_or(GitError::NoWork)?;
        if tip != request.reviewed {
            return Err(GitError::RefMoved {
                name: self.person_ref(request.part),
                now: Some(tip),
            });
        }
        self.not_checked_out(repository, into, request.part)?;
        let Some(old) = repository.commit_of(into)? else {
            return match request.missing {
                MissingBranch::Refuse => Err(GitError::RefMissing(into.clone())),
                MissingBranch::Create => self.write(repository, request, None, tip),
            };
        };
        if !self.store.is_commit(&self.git, old)? {
            return Err(GitError::CommitMissing(old));
        }
        if self.is_ancestor(tip, old)? {
            return Ok(MergeOutcome::UpToDate);
        }
        if request.style == MergeStyle::FastForward && self.is_ancestor(old, tip)? {
            return self.write(repository, request, Some(old), tip);
        }
        let tree = match self.merge_trees(old, tip)? {
            Ok(tree) => tree,
            Err(conflicts) => return Ok(MergeOutcome::Conflicts(conflicts)),
        };
        let parents = match request.style {
            MergeStyle::Squash => vec![old],
            MergeStyle::FastForward | MergeStyle::Commit => vec![old, tip],
        };
        let new = self.commit_tree(tree, &parents, request)?;
        self.write(repository, request, Some(old), new)
    }

    /// Lets a branch name what it named before a merge, or removes it if the merge made it.
    ///
    /// # Errors
    /// [`GitError::RefMoved`] if the branch has changed since, [`GitError::CheckedOut`] if a work tree
    /// is on it by now.
    pub fn undo(&self, merged: &Merged, who: &Signature) -> Result<(), GitError> {
        let repository = self.person()?;
        self.not_checked_out(repository, &merged.into, Part::Commits)?;
        let log = (who, "vivarium: undo the merge");
        let expected = Expected::Is(merged.new);
        repository
            .set_ref(&merged.into, expected, merged.old, Some(log))
            .map(drop)
    }

    fn person(&self) -> Result<&Repository, GitError> {
        self.repository.as_ref().ok_or(GitError::Invalid {
            what: "request",
            value: "a folder without git has no branches".into(),
        })
    }

    fn not_checked_out(
        &self,
        repository: &Repository,
        branch: &RefName,
        part: Part,
    ) -> Result<(), GitError> {
        match repository.checked_out(branch)? {
            Some(path) => Err(GitError::CheckedOut {
                branch: branch.clone(),
                path,
                work: self.person_ref(part),
            }),
            None => Ok(()),
        }
    }

    /// Gives the person's repository what it lacks, then moves the branch.
    fn write(
        &self,
        repository: &Repository,
        request: &MergeRequest,
        old: Option<ObjectId>,
        new: ObjectId,
    ) -> Result<MergeOutcome, GitError> {
        let without = match old {
            Some(old) => Some(old),
            None => self.base()?,
        };
        let kept = self.install(repository, new, without)?;
        let expected = match old {
            Some(old) => Expected::Is(old),
            None => Expected::Missing,
        };
        let why = format!("vivarium: merge agent {}", self.id);
        repository.set_ref(
            &request.into,
            expected,
            Some(new),
            Some((&request.author, &why)),
        )?;
        drop(kept);
        Ok(MergeOutcome::Merged(Merged {
            into: request.into.clone(),
            old,
            new,
        }))
    }

    fn is_ancestor(&self, one: ObjectId, other: ObjectId) -> Result<bool, GitError> {
        let call = self.store.call(&self.git, "merge-base").answering(&[0, 1]);
        let call = call.args(["--is-ancestor", &one.to_string(), &other.to_string()]);
        let (_, code) = call.fed(|_| Ok(()), |_| Ok(()))?;
        Ok(code == 0)
    }

    fn merge_trees(
        &self,
        ours: ObjectId,
        theirs: ObjectId,
    ) -> Result<Result<ObjectId, Vec<Conflict>>, GitError> {
        let call = self
            .store
            .call(&self.git, "merge-tree")
            .narrow()
            .answering(&[0, 1]);
        let call = call.args(["--write-tree", "-z", "--messages"]);
        let call = call.args([ours.to_string(), theirs.to_string()]);
        let (told, code) = call.fed(
            |_| Ok(()),
            |output| {
                let mut told = Vec::new();
                std::io::Read::read_to_end(
                    &mut std::io::Read::take(output, LONGEST as u64),
                    &mut told,
                )
                .map_err(GitError::file("read", std::path::Path::new("git's output")))?;
                Ok(told)
            },
        )?;
        let unreadable = || GitError::damaged("git's answer to a merge can't be read");
        if code == 1 {
            return conflicts(&told).map(Err).ok_or_else(unreadable);
        }
        let tree = told.split(|byte| *byte == 0).next().unwrap_or_default();
        let tree = std::str::from_utf8(tree).ok();
        let tree = tree.and_then(|tree| ObjectId::from_str(tree.trim()).ok());
        tree.map(Ok).ok_or_else(unreadable)
    }

    fn commit_tree(
        &self,
        tree: ObjectId,
        parents: &[ObjectId],
        request: &MergeRequest,
    ) -> Result<ObjectId, GitError> {
        let mut call = self
            .store
            .call(&self.git, "commit-tree")
            .arg(tree.to_string());
        for parent in parents {
            call = call.args(["-p", &parent.to_string()]);
        }
        for role in ["AUTHOR", "COMMITTER"] {
            call = call
                .env(&format!("GIT_{role}_NAME"), request.author.name())
                .env(&format!("GIT_{role}_EMAIL"), request.author.email());
        }
        let message = request.message.replace('\0', " ");
        let (told, _) = call.fed(
            |stdin| write(stdin, message.as_bytes()),
            |output| {
                std::io::read_to_string(std::io::Read::take(output, 1024))
                    .map_err(GitError::file("read", std::path::Path::new("git's output")))
            },
        )?;
        ObjectId::from_str(told.trim())
            .map_err(|_| GitError::damaged("git's answer about a commit can't be read"))
    }
}

/// What `merge-tree -z` says of conflicts: the tree, then `<mode> <id> <stage>\t<path>` of each file,
/// an empty word, then messages: how many paths, those, the kind, the sentence.
fn conflicts(told: &[u8]) -> Option<Vec<Conflict>> {
    let mut words = told.split(|byte| *byte == 0);
    words.next()?;
    let mut found: BTreeMap<TreePath, Conflict> = BTreeMap::new();
    for word in words.by_ref() {
        if word.is_empty() {
            break;
        }
        let tab = word.iter().position(|byte| *byte == b'\t')?;
        let path = TreePath::new(&word[tab + 1..]);
        if found.len() < MOST_CONFLICTS {
            note(&mut found, path);
        }
    }
    while let Some(count) = words.next() {
        let Ok(count) = std::str::from_utf8(count).ok()?.parse::<usize>() else {
            break;
        };
        let mut paths = Vec::new();
        for _ in 0..count.min(1000) {
            paths.push(TreePath::new(words.next()?));
        }
        let kind = readable(words.next()?);
        let message = readable(words.next()?.trim_ascii_end());
        if !kind.starts_with("CONFLICT") {
            continue;
        }
        for path in paths {
            if found.len() < MOST_CONFLICTS || found.contains_key(&path) {
                let conflict = note(&mut found, path);
                conflict.kinds.push(kind.clone());
                conflict.messages.push(message.clone());
            }
        }
    }
    Some(found.into_values().collect())
}

fn note(found: &mut BTreeMap<TreePath, Conflict>, path: TreePath) -> &mut Conflict {
    found.entry(path.clone()).or_insert_with(|| Conflict {
        path,
        kinds: Vec::new(),
        messages: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conflicts_are_told_per_file() {
        let told = [
            "6788a5e6247fb94b270c215e71b69b94e7c925b3|100644 f76d 2\tbin|100644 d004 3\tbin|",
            "100644 7898 1\tf||",
            "1|bin|Auto-merging|Auto-merging bin\n|",
            "1|bin|CONFLICT (contents)|CONFLICT (add/add): Merge conflict in bin\n|",
            "1|f|CONFLICT (modify/delete)|CONFLICT (modify/delete): f deleted\n|",
        ];
        let told = told.concat().replace('|', "\0");
        let found = conflicts(told.as_bytes()).unwrap();
        let paths: Vec<String> = found
            .iter()
            .map(|conflict| conflict.path.to_string())
            .collect();
        assert_eq!(paths, ["bin", "f"]);
        assert_eq!(found[0].kinds, ["CONFLICT (contents)"]);
        assert_eq!(found[1].messages, ["CONFLICT (modify/delete): f deleted"]);
    }
}
