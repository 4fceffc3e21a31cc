//! What an agent is given: a bundle, from which its container makes a clone on a branch of its own.

use std::{
    collections::HashSet,
    fmt,
    fs::{self, File},
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use gix_hash::ObjectId;

use super::{
    error::GitError,
    import::{self, Commit},
    listing::{self, FileMode, TreeLimits},
    ref_name::RefName,
    refs::{self, Expected},
    repository::Repository,
    signature::Signature,
    tree_path::TreePath,
    whitelist::Workspace,
    work::Work,
    work_tree::{FolderLimits, LeftOut, Tracked, Wanted, WorkTree},
};

/// A stand-in for a large file is shorter than this, and begins like this.
const LONGEST_STAND_IN: u64 = 1024;
const STAND_IN: &[u8] = b"version https://git-lfs.github.com/spec/";
/// The longest file of attributes that is looked at.
const LONGEST_ATTRIBUTES: u64 = 1 << 20;
/// The most that is read of the person's own ignore rules; fewer are allowed.
const LONGEST_RULES: u64 = 1 << 20;
/// The name under which the bundle is stored.
const BUNDLE: &str = "start.bundle";

/// What is taken beside the commits.
#[derive(Clone, Debug, Default)]
pub struct Prepare {
    /// Changes of the commit's files that aren't committed.
    pub uncommitted: bool,
    /// New files that aren't ignored. For a folder without git all files are.
    pub untracked: bool,
    /// Who the commit with those is by.
    pub author: Signature,
    /// How much is taken.
    pub limits: FolderLimits,
}

/// What an agent's container needs to make its clone.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// A git bundle with the one branch; removed when the work is discarded, or earlier by the caller.
    pub bundle: PathBuf,
    /// The branch in it, `refs/heads/agent/<id>`.
    pub branch: RefName,
    /// The commit that the branch names.
    pub start: ObjectId,
    /// The person's commit that it is based on; none for a folder without git.
    pub base: Option<ObjectId>,
    /// Commits that the clone's `.git/shallow` must list before the bundle is fetched, if the person's
    /// repository is a shallow clone.
    pub shallow: Vec<ObjectId>,
    /// What the agent doesn't get, for the person to know.
    pub notes: Vec<Note>,
}

/// Something that the agent doesn't get as the person may expect it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The folder has no repository: it is copied, and the work comes back as a patch.
    Copied,
    /// The folder is part of the repository of a folder above, which isn't used.
    PartOf(PathBuf),
    /// The repository uses Git LFS: the agent gets stand-ins for the large files.
    LargeFiles,
    /// Submodules, whose folders are empty for the agent.
    Submodules(Vec<TreePath>),
    /// Repositories inside the folder, which weren't taken.
    Repositories(Vec<TreePath>),
    /// Files of variables such as `.env`, which weren't taken because they may hold secrets.
    Secrets(Vec<TreePath>),
    /// The work tree is sparse: files that aren't checked out count as unchanged.
    Sparse,
    /// The repository is a shallow clone, and so is the agent's.
    Shallow,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |f: &mut fmt::Formatter<'_>, what: &str, paths: &[TreePath]| {
            let shown: Vec<String> = paths.iter().take(5).map(ToString::to_string).collect();
            let more = match paths.len().saturating_sub(shown.len()) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            write!(f, "{what}: {}{more}.", shown.join(", "))
        };
        match self {
            Self::Copied => f.write_str(
                "The folder isn't a git repository: the agent has a copy, and its changes can be taken over as a patch.",
            ),
            Self::PartOf(above) => write!(
                f,
                "The folder is part of the repository in {}, which the agent doesn't have.",
                above.display()
            ),
            Self::LargeFiles => {
                f.write_str("Git LFS: the agent has the stand-ins of large files, not their contents.")
            }
            Self::Submodules(paths) => named(f, "Submodules are empty for the agent", paths),
            Self::Repositories(paths) => named(f, "Repositories inside were left out", paths),
            Self::Secrets(paths) => named(f, "Files that may hold secrets were left out", paths),
            Self::Sparse => {
                f.write_str("Sparse checkout: files that aren't checked out count as unchanged.")
            }
            Self::Shallow => f.write_str("The repository is a shallow clone, and so is the agent's."),
        }
    }
}

impl Work {
    /// Makes the bundle. What was known of earlier work is forgotten.
    ///
    /// # Errors
    /// [`GitError::NoCommit`] if the repository has none, [`GitError::TooMuch`] and
    /// [`GitError::Rules`] for files that can't be taken, and what reading and git may fail with.
    pub fn prepare(&self, workspace: &Workspace, wanted: &Prepare) -> Result<Prepared, GitError> {
        let mut notes = Vec::new();
        let branch = self.id.branch();
        refs::exchange(&self.store.folder()?, &branch, Expected::Anything, None)?;
        let (base, start) = match &self.repository {
            Some(repository) => {
                let (base, _) = repository.head()?;
                (
                    Some(base),
                    self.commit_files(workspace, repository, base, wanted, &mut notes)?,
                )
            }
            None => (None, self.copy_folder(workspace, wanted, &mut notes)?),
        };
        let folder = self.store.folder()?;
        refs::exchange(&folder, &branch, Expected::Anything, Some(start))?;
        self.set_begin(base, start)?;
        let bundle = self.folder.join(BUNDLE);
        let _ = fs::remove_file(&bundle);
        self.store
            .call(&self.git, "bundle")
            .args(["create", "--quiet", "--version=2"])
            .arg(&bundle)
            .arg(branch.as_str())
            .bytes(1024)?;
        let shallow = match &self.repository {
            Some(repository) => repository.shallow()?,
            None => Vec::new(),
        };
        Ok(Prepared {
            bundle,
            branch,
            start,
            base,
            shallow,
            notes,
        })
    }

    /// The commit to start from: the base, or one on top of it with what isn't committed.
    fn commit_files(
        &self,
        workspace: &Workspace,
        repository: &Repository,
        base: ObjectId,
        wanted: &Prepare,
        notes: &mut Vec<Note>,
    ) -> Result<ObjectId, GitError> {
        let shallow = repository.shallow()?;
        if !shallow.is_empty() {
            notes.push(Note::Shallow);
        }
        self.store.set_shallow(&shallow)?;
        if !self.store.is_commit(&self.git, base)? {
            return Err(GitError::CommitMissing(base));
        }
        let mut tracked = Tracked::new();
        listing::each(
            &self.store,
            &self.git,
            base,
            TreeLimits::default(),
            |file| {
                tracked.insert(file.path, (file.mode, file.id));
            },
        )?;
        let submodules = paths_of(&tracked, |_, mode| mode == FileMode::Submodule);
        if !submodules.is_empty() {
            notes.push(Note::Submodules(submodules));
        }
        let stand_ins = self.stand_ins(&tracked)?;
        if stand_ins.is_some() {
            notes.push(Note::LargeFiles);
        }
        if !wanted.uncommitted && !wanted.untracked {
            return Ok(base);
        }
        let is_sparse = repository.is_sparse();
        if is_sparse && wanted.uncommitted {
            notes.push(Note::Sparse);
        }
        let tree = WorkTree {
            git: &self.git,
            root: workspace.folder(),
            tracked: &tracked,
            stand_ins: &stand_ins.unwrap_or_default(),
            rules: &rules_of(Some(repository))?,
            limits: wanted.limits,
        };
        let parts = Wanted {
            uncommitted: wanted.uncommitted,
            gone: !is_sparse,
            untracked: wanted.untracked,
        };
        let commit = Commit {
            branch: &self.id.branch(),
            parent: Some(base),
            author: &wanted.author,
            message: "Uncommitted changes when the agent started",
        };
        let (made, left_out) = import::commit(&self.store, &self.git, &tree, parts, commit)?;
        tell(left_out, notes);
        Ok(made.unwrap_or(base))
    }

    /// A commit of all files of a folder without git.
    fn copy_folder(
        &self,
        workspace: &Workspace,
        wanted: &Prepare,
        notes: &mut Vec<Note>,
    ) -> Result<ObjectId, GitError> {
        notes.push(Note::Copied);
        let above = workspace.path().ancestors().skip(1);
        let mut above = above.filter(|folder| folder.join(".git").symlink_metadata().is_ok());
        notes.extend(above.next().map(|folder| Note::PartOf(folder.to_owned())));
        let tree = WorkTree {
            git: &self.git,
            root: workspace.folder(),
            tracked: &Tracked::new(),
            stand_ins: &HashSet::new(),
            rules: &rules_of(None)?,
            limits: wanted.limits,
        };
        let parts = Wanted {
            untracked: true,
            ..Wanted::default()
        };
        let commit = Commit {
            branch: &self.id.branch(),
            parent: None,
            author: &wanted.author,
            message: "Files when the agent started",
        };
        let (made, left_out) = import::commit(&self.store, &self.git, &tree, parts, commit)?;
        tell(left_out, notes);
        made.ok_or_else(|| GitError::damaged("git made no commit of the folder's files"))
    }

    /// Which blobs stand in for large files; `None` if the repository doesn't use Git LFS.
    fn stand_ins(&self, tracked: &Tracked) -> Result<Option<HashSet<ObjectId>>, GitError> {
        let is_attributes = |path: &TreePath| path.file_name() == b".gitattributes";
        let attributes: Vec<ObjectId> = tracked
            .iter()
            .filter(|(path, (mode, _))| is_attributes(path) && *mode == FileMode::Plain)
            .map(|(_, (_, id))| *id)
            .collect();
        let texts = self
            .store
            .contents(&self.git, &attributes, LONGEST_ATTRIBUTES)?;
        let names_lfs = |text: &Vec<u8>| {
            let words = b"filter=lfs";
            text.windows(words.len()).any(|part| part == words)
        };
        if !texts.values().any(names_lfs) {
            return Ok(None);
        }
        let files = tracked
            .values()
            .filter(|(mode, _)| *mode != FileMode::Submodule);
        let ids: Vec<ObjectId> = files.map(|(_, id)| *id).collect();
        let small = self.store.contents(&self.git, &ids, LONGEST_STAND_IN)?;
        let stand_ins = small
            .into_iter()
            .filter(|(_, text)| text.starts_with(STAND_IN));
        Ok(Some(stand_ins.map(|(id, _)| id).collect()))
    }
}

fn paths_of(tracked: &Tracked, wanted: impl Fn(&TreePath, FileMode) -> bool) -> Vec<TreePath> {
    let found = tracked
        .iter()
        .filter(|(path, (mode, _))| wanted(path, *mode));
    found.map(|(path, _)| path.clone()).collect()
}

fn tell(left_out: LeftOut, notes: &mut Vec<Note>) {
    if !left_out.repositories.is_empty() {
        notes.push(Note::Repositories(left_out.repositories));
    }
    if !left_out.secrets.is_empty() {
        notes.push(Note::Secrets(left_out.secrets));
    }
}

/// Ignore rules of the person's own, where git looks for them if no setting says otherwise.
fn own_rules() -> Result<Option<Vec<u8>>, GitError> {
    let home = std::env::var_os("XDG_CONFIG_HOME").filter(|home| !home.is_empty());
    let home = match (home, std::env::var_os("HOME")) {
        (Some(home), _) => PathBuf::from(home),
        (None, Some(home)) => Path::new(&home).join(".config"),
        (None, None) => return Ok(None),
    };
    let place = home.join("git/ignore");
    let failed = |error| GitError::file("read", &place)(error);
    // It may be a link: nobody else writes there.
    let file = match File::open(&place) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut rules = Vec::new();
    let read = file.take(LONGEST_RULES + 1).read_to_end(&mut rules);
    read.map_err(failed)?;
    Ok(Some(rules))
}

/// All rules that hold in a whole folder, weakest first. Those that are too long are refused later.
fn rules_of(repository: Option<&Repository>) -> Result<Vec<Vec<u8>>, GitError> {
    let excludes = match repository {
        Some(repository) => repository.excludes()?,
        None => None,
    };
    Ok(own_rules()?.into_iter().chain(excludes).collect())
}
