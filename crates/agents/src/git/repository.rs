//! The person's repository. No git runs in it: whatever can write to it could make git run commands
//! as the person (docs/decisions/0005). Its `.git` is opened as a real folder, its refs are read and
//! written by this crate, and git itself, in a repository of ours, reads its objects alone.

use std::{
    ffi::OsStr,
    fs::File,
    io::{self, ErrorKind, Write},
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use gix_hash::ObjectId;
use lifecycle::history::folder::{Folder, Kind};

use super::{
    error::GitError,
    object_folder,
    ref_name::RefName,
    refs::{self, Expected, Target},
    signature::Signature,
    whitelist::Workspace,
};

/// The longest file that names a folder, and the longest list of commits.
const LONGEST_NAME: u64 = 8 << 10;
const LONGEST_SHALLOW: u64 = 8 << 20;
const LONGEST_CONFIG: u64 = 1 << 20;
const LONGEST_RULES: u64 = 1 << 20;
/// The most work trees that are looked at.
const MOST_WORK_TREES: usize = 1000;

/// A repository of the person's, with a work tree.
#[derive(Debug)]
pub struct Repository {
    root: PathBuf,
    /// What belongs to this work tree: its HEAD.
    own: Folder,
    /// What all work trees share: refs and objects.
    common: Folder,
    objects: PathBuf,
}

impl Repository {
    /// Opens the repository whose work tree a workspace is; `None` if it is none. Repositories of
    /// folders above aren't looked for.
    ///
    /// # Errors
    /// [`GitError::Unsupported`] for a `.git` that leads elsewhere and for formats that aren't known
    /// here, [`GitError::File`] for what can't be read.
    pub fn open(workspace: &Workspace) -> Result<Option<Self>, GitError> {
        let root = workspace.path();
        let failed = |error| GitError::file("open", &root.join(".git"))(error);
        let folder = workspace.folder();
        let kind = match folder.look(b".git") {
            Ok(found) => found.kind,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return refuse_bare(workspace).map(|()| None);
            }
            Err(error) => return Err(failed(error)),
        };
        let (own, common, git_dir) = match kind {
            Kind::Folder => {
                // By its whole path, so that what root makes in it is its owner's.
                let place = root.join(".git");
                let common = Folder::open_resolved(&place).map_err(failed)?;
                (common.again().map_err(failed)?, common, place)
            }
            Kind::File { .. } => linked(workspace)?,
            Kind::Link | Kind::Other => {
                let reason = "its .git is neither a folder nor a file";
                return Err(unsupported(root, reason, ELSEWHERE));
            }
        };
        refuse_formats(root, &common)?;
        let objects = git_dir.join("objects");
        object_folder::check(&objects, workspace)?;
        Ok(Some(Self {
            root: root.to_owned(),
            own,
            common,
            objects,
        }))
    }

    /// Where its work tree is.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The commit that is checked out, and the branch, unless it is detached.
    ///
    /// # Errors
    /// [`GitError::NoCommit`] if there is none yet.
    pub fn head(&self) -> Result<(ObjectId, Option<RefName>), GitError> {
        let none = || GitError::NoCommit {
            path: self.root.clone(),
        };
        let mut target = refs::read_file(&self.own, b"HEAD")?.ok_or_else(none)?;
        let mut branch = None;
        for _ in 0..5 {
            match target {
                Target::Object(id) => return Ok((id, branch)),
                Target::Ref(name) => {
                    let name = RefName::parse(&name)?;
                    target = refs::read(&self.common, &name)?.ok_or_else(none)?;
                    branch = Some(name);
                }
            }
        }
        Err(none())
    }

    /// The commit of a ref, if there is one.
    ///
    /// # Errors
    /// [`GitError::File`] if it can't be read.
    pub fn commit_of(&self, name: &RefName) -> Result<Option<ObjectId>, GitError> {
        refs::id(&self.common, name)
    }

    /// Where a branch is checked out, if it is; a branch that is being rebased counts.
    ///
    /// # Errors
    /// [`GitError::File`] if it can't be known.
    pub fn checked_out(&self, branch: &RefName) -> Result<Option<PathBuf>, GitError> {
        let common_path = self.common.path_of(b"");
        let main = common_path.parent().unwrap_or(&common_path).to_owned();
        if holds(&self.common, branch)? {
            return Ok(Some(main));
        }
        let failed = |error| GitError::file("read", &self.common.path_of(b"worktrees"))(error);
        let trees = match self.common.enter(b"worktrees") {
            Ok(trees) => trees,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let names = trees.names(MOST_WORK_TREES).map_err(failed)?;
        let names = names.ok_or_else(|| GitError::TooMuch {
            what: "the number of work trees",
            limit: MOST_WORK_TREES.to_string(),
        })?;
        for name in names {
            // One of that name that is no folder is no work tree.
            let Ok(tree) = trees.enter(&name) else {
                continue;
            };
            if holds(&tree, branch)? {
                let place = read_path(&tree, b"gitdir")?.unwrap_or_default();
                return Ok(Some(place.parent().unwrap_or(&place).to_owned()));
            }
        }
        Ok(None)
    }

    /// Commits at which the history ends, if this is a shallow clone.
    pub(super) fn shallow(&self) -> Result<Vec<ObjectId>, GitError> {
        let failed = |error| GitError::file("read", &self.common.path_of(b"shallow"))(error);
        let bytes = match self.common.read(b"shallow", LONGEST_SHALLOW) {
            Ok(Some((bytes, _))) => bytes,
            Ok(None) => return Err(failed(ErrorKind::InvalidData.into())),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let text = String::from_utf8_lossy(&bytes);
        let ids = text.lines().map(|line| ObjectId::from_str(line.trim()));
        ids.collect::<Result<_, _>>()
            .map_err(|_| failed(ErrorKind::InvalidData.into()))
    }

    /// Whether only some folders of the work tree are checked out.
    pub(super) fn is_sparse(&self) -> bool {
        let info = self.own.enter(b"info");
        info.is_ok_and(|info| info.look(b"sparse-checkout").is_ok())
    }

    /// Rules of its own for what is ignored. If they can't be read, ignored files would be given away.
    pub(super) fn excludes(&self) -> Result<Option<Vec<u8>>, GitError> {
        let is_absent = |error: &io::Error| error.kind() == ErrorKind::NotFound;
        let place = || self.common.path_of(b"info/exclude");
        let info = match self.common.enter(b"info") {
            Ok(info) => info,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(GitError::file("read", &place())(error)),
        };
        match info.read(b"exclude", LONGEST_RULES) {
            Ok(Some((rules, _))) => Ok(Some(rules)),
            // A link, or too long.
            Ok(None) => Err(GitError::file("read", &place())(
                ErrorKind::InvalidData.into(),
            )),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(GitError::file("read", &place())(error)),
        }
    }

    /// The folder of its objects.
    pub(super) fn objects(&self) -> PathBuf {
        self.objects.clone()
    }

    /// Lets a ref name a commit, or removes it, if it is as expected; answers what it named. If git
    /// keeps a log of the ref, it gets a line.
    pub(super) fn set_ref(
        &self,
        name: &RefName,
        expected: Expected,
        new: Option<ObjectId>,
        log: Option<(&Signature, &str)>,
    ) -> Result<Option<ObjectId>, GitError> {
        let old = refs::exchange(&self.common, name, expected, new)?;
        if let (Some(new), Some((who, why))) = (new, log)
            && let Err(error) = self.log(name, old, new, who, why)
        {
            tracing::warn!(%error, %name, "git's log of the ref can't be written");
        }
        Ok(old)
    }

    fn log(
        &self,
        name: &RefName,
        old: Option<ObjectId>,
        new: ObjectId,
        who: &Signature,
        why: &str,
    ) -> io::Result<()> {
        let mut folder = self.common.enter(b"logs")?;
        let (folders, leaf) = name
            .as_str()
            .rsplit_once('/')
            .unwrap_or(("", name.as_str()));
        for part in folders.split('/') {
            folder = match folder.enter(part.as_bytes()) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
                entered => entered?,
            };
        }
        let Some(mut log) = folder.append_to(leaf.as_bytes())? else {
            return Ok(());
        };
        let old = old.unwrap_or_else(|| ObjectId::null(gix_hash::Kind::Sha1));
        writeln!(log, "{old} {new} {}\t{why}", who.line())
    }

    /// Copies a pack of ours among its objects: first the pack, then its index, by which git finds
    /// it. The mark that is answered keeps `git gc` from it until it is dropped.
    pub(super) fn add_pack(&self, pack: &Path) -> Result<PackKept, GitError> {
        let failed = |error| GitError::file("write", &self.objects.join("pack"))(error);
        let folder = self.common.enter(b"objects").map_err(failed)?;
        let folder = folder.enter_or_make(b"pack").map_err(failed)?;
        let stem = pack.file_stem().unwrap_or_default().as_bytes().to_vec();
        let named = |end: &[u8]| [stem.as_slice(), end].concat();
        let keep = named(b".keep");
        match folder.create(&keep, 0o444) {
            // The same objects, which somebody keeps: so do they.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            made => drop(made.map_err(failed)?),
        }
        let kept = PackKept {
            folder: folder.again().map_err(failed)?,
            name: keep,
        };
        for end in ["pack", "idx"] {
            let name = named(format!(".{end}").as_bytes());
            if folder.look(&name).is_ok() {
                continue;
            }
            let from = pack.with_extension(end);
            // `git gc` removes old ones of that name.
            let aside = format!("tmp_{end}_{:016x}", rand::random::<u64>()).into_bytes();
            let written = copy(&from, &folder, &aside).and_then(|()| folder.rename(&aside, &name));
            if let Err(error) = written {
                let _ = folder.remove(&aside);
                return Err(failed(error));
            }
        }
        Ok(kept)
    }
}

/// A pack that `git gc` leaves alone for as long as this lives.
#[derive(Debug)]
pub(super) struct PackKept {
    folder: Folder,
    name: Vec<u8>,
}

impl Drop for PackKept {
    fn drop(&mut self) {
        if let Err(error) = self.folder.remove(&self.name) {
            tracing::warn!(%error, "a mark that keeps a pack can't be removed");
        }
    }
}

fn copy(from: &Path, folder: &Folder, name: &[u8]) -> io::Result<()> {
    let mut source = File::open(from)?;
    let mut file = folder.create(name, 0o444)?;
    io::copy(&mut source, &mut file)?;
    file.sync_all()
}

const ELSEWHERE: &str = "Choose the main folder of the repository.";

fn unsupported(root: &Path, reason: impl Into<String>, next: &'static str) -> GitError {
    GitError::Unsupported {
        path: root.to_owned(),
        reason: reason.into(),
        next,
    }
}

/// The folders of a linked work tree, whose `.git` is a file that names one. Both must name each
/// other, and be on the whitelist: else any repository of the person could be named.
fn linked(workspace: &Workspace) -> Result<(Folder, Folder, PathBuf), GitError> {
    let root = workspace.path();
    let refused = || unsupported(root, "its .git file names another repository", ELSEWHERE);
    let failed = |error| GitError::file("read", &root.join(".git"))(error);
    let named = workspace
        .folder()
        .read(b".git", LONGEST_NAME)
        .map_err(failed)?;
    let (bytes, _) = named.ok_or_else(refused)?;
    let named = bytes.strip_prefix(b"gitdir:").ok_or_else(refused)?;
    let named = root.join(OsStr::from_bytes(named.trim_ascii()));
    let own_path = named.canonicalize().map_err(|_| refused())?;
    let trees = own_path.parent().ok_or_else(refused)?;
    let common_path = trees.parent().ok_or_else(refused)?.to_owned();
    if trees.file_name() != Some(OsStr::new("worktrees")) || !workspace.allows(&common_path) {
        return Err(refused());
    }
    let own = Folder::open_resolved(&own_path).map_err(failed)?;
    let common = Folder::open_resolved(&common_path).map_err(failed)?;
    let back = read_path(&own, b"gitdir")?.ok_or_else(refused)?;
    let names_us = own_path
        .join(back)
        .canonicalize()
        .is_ok_and(|back| back == root.join(".git"));
    let shared = read_path(&own, b"commondir")?.ok_or_else(refused)?;
    let shared = own_path.join(shared).canonicalize();
    if !names_us || !shared.is_ok_and(|shared| shared == common_path) {
        return Err(refused());
    }
    Ok((own, common, common_path))
}

/// Git's own folder isn't taken for one with files of the person.
fn refuse_bare(workspace: &Workspace) -> Result<(), GitError> {
    let is_there = |name: &[u8]| workspace.folder().look(name).is_ok();
    if is_there(b"HEAD") && is_there(b"objects") && is_there(b"refs") {
        return Err(unsupported(
            workspace.path(),
            "it is a bare repository",
            "Choose a clone of it.",
        ));
    }
    Ok(())
}

fn refuse_formats(root: &Path, common: &Folder) -> Result<(), GitError> {
    if common.look(b"reftable").is_ok() {
        return Err(unsupported(
            root,
            "it stores refs as reftable",
            "Convert it with “git refs migrate --ref-format=files”.",
        ));
    }
    let failed = |error| GitError::file("read", &common.path_of(b"config"))(error);
    let config = match common.read(b"config", LONGEST_CONFIG) {
        Ok(config) => config.map(|(bytes, _)| bytes).unwrap_or_default(),
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(failed(error)),
    };
    let is_sha256 = config.split(|byte| *byte == b'\n').any(|line| {
        let line = String::from_utf8_lossy(line).to_ascii_lowercase();
        line.trim().starts_with("objectformat") && line.contains("sha256")
    });
    if is_sha256 {
        return Err(unsupported(
            root,
            "its objects are named by SHA-256",
            "Choose a repository that uses SHA-1.",
        ));
    }
    Ok(())
}

/// A file with a path in it.
fn read_path(folder: &Folder, name: &[u8]) -> Result<Option<PathBuf>, GitError> {
    match folder.read(name, LONGEST_NAME) {
        Ok(read) => Ok(read.map(|(bytes, _)| OsStr::from_bytes(bytes.trim_ascii()).into())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(GitError::file("read", &folder.path_of(name))(error)),
    }
}

/// Whether a work tree is on a branch, or is rebasing it.
fn holds(tree: &Folder, branch: &RefName) -> Result<bool, GitError> {
    if refs::read_file(tree, b"HEAD")? == Some(Target::Ref(branch.as_str().to_owned())) {
        return Ok(true);
    }
    for folder in [b"rebase-merge", b"rebase-apply"] {
        // None is there most of the time.
        let Ok(state) = tree.enter(folder) else {
            continue;
        };
        let name = read_path(&state, b"head-name")?.unwrap_or_default();
        if name.as_os_str() == branch.as_str() {
            return Ok(true);
        }
    }
    Ok(false)
}
