//! The work of one agent: a folder of ours with a bare repository, in which what the agent sends is
//! kept apart from that of all other agents.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use gix_hash::ObjectId;

use super::{
    bare::Bare,
    command::Git,
    error::GitError,
    ref_name::{RefName, WorkId},
    refs::{self, Expected},
    repository::Repository,
};

/// Where the agent's branch starts from in the person's repository.
const BASE: &str = "refs/vivarium/base";
/// The commit that the agent was given: the base, or one with uncommitted files on top of it.
const START: &str = "refs/vivarium/start";
/// The last commit that the agent sent, and what it hadn't committed then.
const WORK: &str = "refs/vivarium/work";
const WIP: &str = "refs/vivarium/wip";

/// What of an agent's work is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What it committed on its branch.
    Commits,
    /// What it hasn't committed, as one commit that the helper made.
    Uncommitted,
}

/// The commits that are known of an agent's work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tips {
    /// The person's commit that all began with; none for a folder without git.
    pub base: Option<ObjectId>,
    /// What the agent was given, against which its work is shown.
    pub start: Option<ObjectId>,
    /// What it committed.
    pub work: Option<ObjectId>,
    /// What it hadn't committed.
    pub uncommitted: Option<ObjectId>,
}

/// The work of one agent. Every call blocks, for as long as the limits of its [`Git`] let it:
/// asynchronous code makes it on a thread of its own (`spawn_blocking`), and cancels by the token
/// that was given to [`Git::cancelled_by`].
#[derive(Debug)]
pub struct Work {
    pub(super) git: Git,
    pub(super) id: WorkId,
    pub(super) folder: PathBuf,
    pub(super) repository: Option<Repository>,
    /// What the agent sent, once it has been checked.
    pub(super) store: Bare,
}

impl Work {
    /// Opens the work of an agent in a folder of ours, which belongs to this agent alone and is made
    /// if it isn't there. `repository` is the person's, if the workspace has one.
    ///
    /// # Errors
    /// [`GitError::File`] if the folder can't be made.
    pub fn open(
        git: Git,
        folder: &Path,
        id: WorkId,
        repository: Option<Repository>,
    ) -> Result<Self, GitError> {
        let objects = repository.as_ref().map(Repository::objects);
        let private = fs::Permissions::from_mode(0o700);
        fs::create_dir_all(folder)
            .and_then(|()| fs::set_permissions(folder, private))
            .map_err(GitError::file("create", folder))?;
        let store = Bare::make(&folder.join("work.git"))?.borrowing(objects);
        Ok(Self {
            git,
            id,
            folder: folder.to_owned(),
            repository,
            store,
        })
    }

    /// The person's repository.
    #[must_use]
    pub fn repository(&self) -> Option<&Repository> {
        self.repository.as_ref()
    }

    /// The same with another [`Git`], such as one with a token or limit for the next call.
    #[must_use]
    pub fn with_git(mut self, git: Git) -> Self {
        self.git = git;
        self
    }

    /// The commits that are known.
    ///
    /// # Errors
    /// [`GitError::File`] if they can't be read.
    pub fn tips(&self) -> Result<Tips, GitError> {
        Ok(Tips {
            base: self.tip(BASE)?,
            start: self.tip(START)?,
            work: self.tip(WORK)?,
            uncommitted: self.tip(WIP)?,
        })
    }

    /// The commit that the agent's work is shown against.
    pub(super) fn start(&self) -> Result<ObjectId, GitError> {
        self.tip(START)?.ok_or(GitError::NoWork)
    }

    pub(super) fn base(&self) -> Result<Option<ObjectId>, GitError> {
        self.tip(BASE)
    }

    /// The last commit of a part.
    pub(super) fn tip_of(&self, part: Part) -> Result<Option<ObjectId>, GitError> {
        self.tip(own_ref(part))
    }

    pub(super) fn set_begin(
        &self,
        base: Option<ObjectId>,
        start: ObjectId,
    ) -> Result<(), GitError> {
        self.set(BASE, base)?;
        self.set(START, Some(start))?;
        self.set(WORK, None)?;
        self.set(WIP, None)
    }

    /// Notes a commit that was taken from the agent, here and in the person's repository.
    pub(super) fn set_tip(&self, part: Part, tip: ObjectId) -> Result<(), GitError> {
        if let Some(repository) = &self.repository {
            let name = self.person_ref(part);
            let kept = self.install(repository, tip, self.base()?)?;
            repository.set_ref(&name, Expected::Anything, Some(tip), None)?;
            drop(kept);
        }
        self.set(own_ref(part), Some(tip))
    }

    /// Forgets a part that the agent doesn't have any more.
    ///
    /// # Errors
    /// [`GitError::File`] and [`GitError::RefLocked`] if its ref can't be removed.
    pub fn withdraw(&self, part: Part) -> Result<(), GitError> {
        if self.tip_of(part)?.is_none() {
            return Ok(());
        }
        if let Some(repository) = &self.repository {
            let name = self.person_ref(part);
            if repository.commit_of(&name)?.is_some() {
                repository.set_ref(&name, Expected::Anything, None, None)?;
            }
        }
        self.set(own_ref(part), None)
    }

    /// The tree of a commit: the same files have the same one.
    ///
    /// # Errors
    /// [`GitError::CommitMissing`] if it isn't there.
    pub fn tree_of(&self, commit: ObjectId) -> Result<ObjectId, GitError> {
        if !self.store.is_commit(&self.git, commit)? {
            return Err(GitError::CommitMissing(commit));
        }
        let call = self.store.call(&self.git, "rev-parse");
        let told = call.arg(format!("{commit}^{{tree}}")).bytes(1024)?;
        let tree = std::str::from_utf8(&told).ok();
        let tree = tree.and_then(|tree| tree.trim().parse().ok());
        tree.ok_or_else(|| GitError::damaged("git's answer about a tree can't be read"))
    }

    /// The ref of a part in the person's repository.
    #[must_use]
    pub fn person_ref(&self, part: Part) -> RefName {
        match part {
            Part::Commits => self.id.work(),
            Part::Uncommitted => self.id.wip(),
        }
    }

    /// Copies a commit and all that it needs among the person's objects, but for what `without` has.
    pub(super) fn install(
        &self,
        repository: &Repository,
        tip: ObjectId,
        without: Option<ObjectId>,
    ) -> Result<Option<super::repository::PackKept>, GitError> {
        // What is left out must be theirs: nothing of ours counts.
        let theirs = Bare::make(&self.folder.join("empty.git"))?.borrowing([repository.objects()]);
        if let Some(without) = without
            && !theirs.is_commit(&self.git, without)?
        {
            return Err(GitError::CommitMissing(without));
        }
        if theirs.is_commit(&self.git, tip)? && Some(tip) == without {
            return Ok(None);
        }
        let aside = tempfile::Builder::new()
            .prefix("outgoing-")
            .tempdir_in(&self.folder)
            .map_err(GitError::file("create", &self.folder))?;
        let mut revisions = format!("{tip}\n");
        if let Some(without) = without {
            revisions += &format!("^{without}\n");
        }
        let call = self.store.call(&self.git, "pack-objects");
        let words = ["-q", "--revs", "--non-empty", "--delta-base-offset"];
        let (named, _) = call.args(words).arg(aside.path().join("pack")).fed(
            |stdin| super::command::write(stdin, revisions.as_bytes()),
            |output| {
                let mut text = String::new();
                let read = std::io::Read::take(output, 1024);
                std::io::read_to_string(read)
                    .map(|read| text.push_str(read.trim()))
                    .map_err(GitError::file("read", Path::new("git's output")))?;
                Ok(text)
            },
        )?;
        if named.is_empty() {
            return Ok(None);
        }
        let pack = aside.path().join(format!("pack-{named}.pack"));
        let kept = repository.add_pack(&pack)?;
        // A file of that name may have been there, with something else in it.
        if !theirs.is_commit(&self.git, tip)? {
            return Err(GitError::Unsupported {
                path: repository.root().to_owned(),
                reason: "a pack in it has other objects than its name says".into(),
                next: "Run “git fsck” in it.",
            });
        }
        Ok(Some(kept))
    }

    /// Forgets the agent's work: its refs in the person's repository, and everything of ours. The
    /// objects stay in the person's repository until git tidies it up.
    ///
    /// # Errors
    /// [`GitError::File`] and [`GitError::RefLocked`] if something can't be removed.
    pub fn discard(self) -> Result<(), GitError> {
        if let Some(repository) = &self.repository {
            for part in [Part::Commits, Part::Uncommitted] {
                let name = self.person_ref(part);
                if repository.commit_of(&name)?.is_some() {
                    repository.set_ref(&name, Expected::Anything, None, None)?;
                }
            }
        }
        fs::remove_dir_all(&self.folder).map_err(GitError::file("remove", &self.folder))
    }

    fn tip(&self, name: &str) -> Result<Option<ObjectId>, GitError> {
        refs::id(&self.store.folder()?, &RefName::parse(name)?)
    }

    fn set(&self, name: &str, id: Option<ObjectId>) -> Result<(), GitError> {
        let name = RefName::parse(name)?;
        refs::exchange(&self.store.folder()?, &name, Expected::Anything, id).map(drop)
    }
}

fn own_ref(part: Part) -> &'static str {
    match part {
        Part::Commits => WORK,
        Part::Uncommitted => WIP,
    }
}
