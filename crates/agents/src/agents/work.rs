//! What an agent made of the person's files: fetched, compared with what it was given, merged, discarded.

use std::sync::Arc;

use init_client::Session;
use wire::agent::AgentId;

use super::Agents;
use crate::{
    agent::{Agent, Life},
    error::AgentError,
    git::{
        DiffLimits, GitError, IncomingLimits, MergeOutcome, MergeRequest, MergeStyle, Merged,
        MissingBranch, ObjectId, Part, RefName, Signature, TreeDiff,
    },
    inside_git::{self, Seen, Wanted},
    keeper::Keeper,
    works::Held,
};

/// The most of a patch.
const MOST_PATCH_BYTES: u64 = 64 << 20;

/// What an agent made, as a person looks at it.
#[derive(Clone, Debug)]
pub struct AgentWork {
    /// What it was given.
    pub start: ObjectId,
    /// What it made, with what it hasn't committed.
    pub reviewed: ObjectId,
    /// The tree of that.
    pub tree: ObjectId,
    /// Whether it hasn't committed some of it.
    pub has_uncommitted: bool,
    /// Whether there is a repository to merge into.
    pub can_merge: bool,
    /// The branch that the person has checked out.
    pub checked_out: Option<RefName>,
    /// What differs.
    pub diff: TreeDiff,
}

/// A merge to make.
#[derive(Clone, Debug)]
pub struct Merging {
    /// The commit that was reviewed.
    pub reviewed: ObjectId,
    /// The branch.
    pub into: RefName,
    /// What to do if it isn't there.
    pub missing: MissingBranch,
    /// How.
    pub style: MergeStyle,
    /// What the commit says; a sentence of ours if none.
    pub message: Option<String>,
}

impl Agents {
    /// Fetches what an agent made and compares it with what it was given. It needn't run.
    ///
    /// # Errors
    /// [`AgentError::NoClone`] for one that works in place or in an empty volume, [`AgentError::Command`] for
    /// a workspace that is no repository any more, [`AgentError::Git`] for what isn't taken.
    pub async fn diff(&self, id: &AgentId) -> Result<AgentWork, AgentError> {
        let agent = self.0.find(id)?;
        let held = fetched(&self.0, &agent).await?;
        blocking(move || compared(&held)).await
    }

    /// One file of what was fetched last, by its path as [`diff`](Self::diff) shows it, with more of it.
    ///
    /// # Errors
    /// As [`diff`](Self::diff); [`GitError::NotChanged`] for a file that isn't part of it.
    pub async fn diff_file(&self, id: &AgentId, path: &str) -> Result<AgentWork, AgentError> {
        let agent = self.0.find(id)?;
        let held = opened(&self.0, &agent).await?;
        let path = path.to_owned();
        blocking(move || {
            let mut work = compared(&held)?;
            let is_it = |file: &&crate::git::FileDiff| {
                file.path().is_some_and(|own| own.to_string() == path)
            };
            let Some(file) = work.diff.files.iter().find(is_it) else {
                return Err(GitError::NotChanged(crate::git::TreePath::new(path)).into());
            };
            let limits = DiffLimits::of_one_file();
            let file = held
                .work
                .diff_file(work.start, work.reviewed, file, &limits)?;
            work.diff.files = vec![file];
            Ok(work)
        })
        .await
    }

    /// Merges what was reviewed into a branch of the person's repository.
    ///
    /// # Errors
    /// As [`diff`](Self::diff), and [`GitError::RefMoved`] if another state was fetched since,
    /// [`GitError::CheckedOut`] for a branch that somebody works on, [`GitError::RefMissing`].
    pub async fn merge(&self, id: &AgentId, merging: Merging) -> Result<MergeOutcome, AgentError> {
        let agent = self.0.find(id)?;
        let held = opened(&self.0, &agent).await?;
        let id = id.clone();
        let title = agent.view().title;
        blocking(move || {
            let tips = held.work.tips()?;
            if Some(merging.reviewed) == tips.start {
                return Ok(MergeOutcome::UpToDate);
            }
            let part = match Some(merging.reviewed) == tips.uncommitted {
                true => Part::Uncommitted,
                false => Part::Commits,
            };
            let message = merging.message.unwrap_or_else(|| match title {
                Some(title) => format!("{title}\n\nMerged from agent {id}."),
                None => format!("Merge the work of agent {id}"),
            });
            let request = MergeRequest {
                part,
                reviewed: merging.reviewed,
                into: merging.into,
                missing: merging.missing,
                style: merging.style,
                author: Signature::default(),
                message,
            };
            Ok(held.work.merge(&request)?)
        })
        .await
    }

    /// Lets the branch name what it named before a merge.
    ///
    /// # Errors
    /// [`GitError::RefMoved`] if it has changed since, [`GitError::CheckedOut`].
    pub async fn undo_merge(&self, id: &AgentId, merged: Merged) -> Result<(), AgentError> {
        let agent = self.0.find(id)?;
        let held = opened(&self.0, &agent).await?;
        blocking(move || Ok(held.work.undo(&merged, &Signature::default())?)).await
    }

    /// Fetches what an agent made, as a patch for `git apply`.
    ///
    /// # Errors
    /// As [`diff`](Self::diff); [`GitError::TooMuch`] for one above 64 MiB.
    pub async fn patch(&self, id: &AgentId) -> Result<Vec<u8>, AgentError> {
        let agent = self.0.find(id)?;
        let held = fetched(&self.0, &agent).await?;
        blocking(move || {
            let (start, reviewed, _) = ends(&held)?;
            let mut patch = Vec::new();
            held.work
                .patch(start, reviewed, MOST_PATCH_BYTES, &mut patch)?;
            Ok(patch)
        })
        .await
    }

    /// Removes an agent with its work, and the refs by which the person's repository has it. What was merged
    /// stays.
    ///
    /// # Errors
    /// [`AgentError::NotFound`], [`AgentError::Engine`], [`GitError::RefLocked`].
    pub async fn discard(&self, id: &AgentId) -> Result<(), AgentError> {
        let agent = self.0.find(id)?;
        match opened(&self.0, &agent).await {
            Ok(held) => blocking(move || Ok(held.work.discard()?)).await?,
            // There is nothing of it outside, or the repository is gone, and its refs with it.
            Err(AgentError::NoClone(_) | AgentError::Git(GitError::File { .. })) => {}
            Err(error) => return Err(error),
        }
        self.remove(id).await
    }
}

/// Brings what an agent made into what is kept of it here.
async fn fetched(keeper: &Arc<Keeper>, agent: &Arc<Agent>) -> Result<Held, AgentError> {
    let held = opened(keeper, agent).await?;
    let life = agent.life.borrow().clone();
    match life {
        Life::Removed => return Err(AgentError::NotFound(agent.about.id.clone())),
        Life::Running(link) => return receive(&link.session, agent, held).await,
        Life::Detached => {
            if let Ok(link) = agent.link().await {
                return receive(&link.session, agent, held).await;
            }
        }
        Life::Paused(_) | Life::Exited | Life::Missing => {}
    }
    let beside = keeper.beside(agent).await?;
    let received = receive(&beside.session, agent, held).await;
    beside.close().await;
    received
}

async fn receive(session: &Session, agent: &Agent, held: Held) -> Result<Held, AgentError> {
    let id = &agent.about.id;
    let Seen { head, wip } = inside_git::look(session, id).await?;
    let tips = held.work.tips()?;
    let start = tips.start.ok_or(GitError::NoWork)?;
    let mut held = held;
    for (part, wanted, tip, known) in [
        (
            Part::Commits,
            Wanted::Head,
            Some(head).filter(|head| *head != start),
            tips.work,
        ),
        (Part::Uncommitted, Wanted::Wip, wip, tips.uncommitted),
    ] {
        held = match tip {
            Some(tip) if known == Some(tip) => held,
            Some(_) => take(session, id, held, part, wanted, start).await?,
            None => {
                blocking(move || {
                    held.work.withdraw(part)?;
                    Ok(held)
                })
                .await?
            }
        };
    }
    Ok(held)
}

/// Takes a part, which is in a file of ours until it was checked.
async fn take(
    session: &Session,
    id: &AgentId,
    held: Held,
    part: Part,
    wanted: Wanted,
    start: ObjectId,
) -> Result<Held, AgentError> {
    let aside = tempfile::Builder::new()
        .prefix("fetched-")
        .tempfile_in(&held.folder)
        .map_err(GitError::file("create", &held.folder))?;
    inside_git::bundle(session, id, wanted, start, aside.path()).await?;
    blocking(move || {
        let failed = GitError::file("read", aside.path());
        let mut file = std::fs::File::open(aside.path()).map_err(failed)?;
        let limits = IncomingLimits::default();
        held.work.receive(part, &mut file, &limits)?;
        Ok(held)
    })
    .await
}

/// What is kept of its work.
async fn opened(keeper: &Arc<Keeper>, agent: &Agent) -> Result<Held, AgentError> {
    let (works, about) = (keeper.works(), agent.about.clone());
    blocking(move || {
        let held = works.open(&about.id, &about.made.workspace)?;
        held.ok_or(AgentError::NoClone(about.id))
    })
    .await
}

fn compared(held: &Held) -> Result<AgentWork, AgentError> {
    let work = &held.work;
    let (start, reviewed, has_uncommitted) = ends(held)?;
    let repository = work.repository();
    Ok(AgentWork {
        start,
        reviewed,
        tree: work.tree_of(reviewed)?,
        has_uncommitted,
        can_merge: repository.is_some(),
        checked_out: match repository {
            Some(repository) => repository.head()?.1,
            None => None,
        },
        diff: work.diff(start, reviewed, &DiffLimits::default())?,
    })
}

/// What it was given, what it made, and whether that has uncommitted files in it.
fn ends(held: &Held) -> Result<(ObjectId, ObjectId, bool), AgentError> {
    let tips = held.work.tips()?;
    let start = tips.start.ok_or(GitError::NoWork)?;
    let reviewed = tips.uncommitted.or(tips.work).unwrap_or(start);
    Ok((start, reviewed, tips.uncommitted.is_some()))
}

/// Git and the disk block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AgentError> + Send + 'static,
) -> Result<T, AgentError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| AgentError::Stopping)?
}
