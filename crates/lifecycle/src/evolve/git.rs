//! The machine's repo, through the system's `git`. Nothing here touches the branch that is
//! checked out, its index or, but for [`Repo::restore`], the files: what is committed goes from an
//! index of our own onto a branch of the run.

use std::{
    ffi::OsStr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Stdio,
};

use tokio::process::Command;
use wire::evolve::{ChangedFile, FileChange, RepoDiff};

use crate::error::LifecycleError;

/// The longest patch that is shown.
const LONGEST_PATCH: usize = 400_000;
/// The tree without files.
const EMPTY_TREE: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// A git repository.
#[derive(Clone, Debug)]
pub(crate) struct Repo {
    folder: PathBuf,
}

impl Repo {
    /// The one of this folder.
    ///
    /// # Errors
    /// [`LifecycleError::NoGit`], [`LifecycleError::NoRepo`].
    pub(crate) async fn open(folder: &Path) -> Result<Self, LifecycleError> {
        let repo = Self {
            folder: folder.into(),
        };
        match repo.run(&["rev-parse", "--show-toplevel"]).await {
            // A folder inside somebody else's repository is not one.
            Ok(top) if same_place(Path::new(top.trim()), folder) => Ok(repo),
            Ok(_) | Err(LifecycleError::Git { .. }) => Err(LifecycleError::NoRepo {
                path: folder.into(),
            }),
            Err(error) => Err(error),
        }
    }

    /// Makes one of a folder, with all its files in a first commit.
    ///
    /// # Errors
    /// [`LifecycleError::NoGit`], [`LifecycleError::Git`].
    pub(crate) async fn init(folder: &Path) -> Result<Self, LifecycleError> {
        let repo = Self {
            folder: folder.into(),
        };
        repo.run(&["init", "--quiet", "--initial-branch=main"])
            .await?;
        repo.run(&["add", "--all"]).await?;
        let message = "The template of this machine";
        repo.run(&["commit", "--quiet", "--allow-empty", "-m", message])
            .await?;
        repo.give_back()?;
        Ok(repo)
    }

    /// A commit of the files as they are: HEAD where nothing changed, else one on the branch.
    pub(crate) async fn commit(
        &self,
        branch: &str,
        message: &str,
    ) -> Result<String, LifecycleError> {
        let index = self.index().await?;
        let env = [("GIT_INDEX_FILE", index.path().as_os_str())];
        self.run_with(&["add", "--all"], &env).await?;
        let tree = self.run_with(&["write-tree"], &env).await?;
        let head = self.head().await?;
        if let Some(head) = &head {
            let of_head = self
                .run(&["rev-parse", &format!("{head}^{{tree}}")])
                .await?;
            if of_head == tree {
                self.give_back()?;
                return Ok(head.clone());
            }
        }
        let mut words = vec!["commit-tree", tree.trim(), "-m", message];
        if let Some(head) = &head {
            words.extend(["-p", head]);
        }
        let commit = self.run(&words).await?.trim().to_owned();
        let name = format!("refs/heads/{branch}");
        self.run(&["update-ref", &name, &commit]).await?;
        self.give_back()?;
        Ok(commit)
    }

    /// Keeps a commit from being collected, under a generation's name.
    pub(crate) async fn pin(&self, number: u32, commit: &str) -> Result<(), LifecycleError> {
        self.run(&["update-ref", &pin(number), commit]).await?;
        self.give_back()
    }

    /// Forgets a generation's commit and the branches of runs that led nowhere else.
    pub(crate) async fn unpin(&self, number: u32) -> Result<(), LifecycleError> {
        self.run(&["update-ref", "-d", &pin(number)]).await?;
        self.give_back()
    }

    /// Removes branches of runs but those named.
    pub(crate) async fn drop_branches(&self, keep: &[String]) -> Result<(), LifecycleError> {
        let found = self
            .run(&[
                "for-each-ref",
                "--format=%(refname)",
                "refs/heads/vivarium/",
            ])
            .await?;
        let current = self.run(&["symbolic-ref", "-q", "HEAD"]).await;
        let current = current.unwrap_or_default();
        for name in found.lines().filter(|name| {
            *name != current.trim() && !keep.iter().any(|keep| name.ends_with(keep.as_str()))
        }) {
            self.run(&["update-ref", "-d", name]).await?;
        }
        self.give_back()
    }

    /// What changed from a commit (all, where there is none) to another, or to the files as they
    /// are where that is `None`.
    pub(crate) async fn diff(
        &self,
        from: Option<&str>,
        to: Option<&str>,
    ) -> Result<RepoDiff, LifecycleError> {
        let index;
        let tree = match to {
            Some(to) => to.to_owned(),
            None => {
                index = self.index().await?;
                let env = [("GIT_INDEX_FILE", index.path().as_os_str())];
                self.run_with(&["add", "--all"], &env).await?;
                let tree = self.run_with(&["write-tree"], &env).await?;
                self.give_back()?;
                tree.trim().to_owned()
            }
        };
        let base = from.unwrap_or(EMPTY_TREE);
        let listed = |how: &'static str| {
            let words = [
                "diff",
                "--no-renames",
                "--no-ext-diff",
                "-z",
                how,
                base,
                &tree,
            ]
            .map(str::to_owned);
            async move {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                self.run(&words).await
            }
        };
        let changes = listed("--name-status").await?;
        let numbers = listed("--numstat").await?;
        let mut files = changed(&changes);
        for line in numbers.split('\0') {
            let mut parts = line.splitn(3, '\t');
            if let (Some(added), Some(removed), Some(path)) =
                (parts.next(), parts.next(), parts.next())
                && let Some(file) = files.iter_mut().find(|file| file.path == path)
            {
                file.added = added.parse().ok();
                file.removed = removed.parse().ok();
            }
        }
        let mut patch = self
            .run(&[
                "diff",
                "--no-renames",
                "--no-ext-diff",
                "--no-color",
                base,
                &tree,
            ])
            .await?;
        let cut = patch.len() > LONGEST_PATCH;
        if cut {
            let end = (0..=LONGEST_PATCH)
                .rev()
                .find(|at| patch.is_char_boundary(*at));
            patch.truncate(end.unwrap_or(0));
        }
        Ok(RepoDiff {
            from_commit: from.map(str::to_owned),
            files,
            patch,
            cut,
            ..Default::default()
        })
    }

    /// Writes a commit's files into an empty folder.
    pub(crate) async fn export(&self, commit: &str, folder: &Path) -> Result<(), LifecycleError> {
        let index = empty_index()?;
        let env = [("GIT_INDEX_FILE", index.path().as_os_str())];
        self.run_with(&["read-tree", commit], &env).await?;
        let prefix = format!("--prefix={}/", folder.display());
        self.run_with(&["checkout-index", "--all", "--quiet", &prefix], &env)
            .await?;
        Ok(())
    }

    /// Turns the files from what one commit says (as they are now) into what another says.
    pub(crate) async fn restore(&self, from: &str, to: &str) -> Result<(), LifecycleError> {
        let index = empty_index()?;
        let env = [("GIT_INDEX_FILE", index.path().as_os_str())];
        self.run_with(&["read-tree", from], &env).await?;
        self.run_with(&["update-index", "-q", "--refresh"], &env)
            .await?;
        self.run_with(&["read-tree", "-u", "-m", from, to], &env)
            .await?;
        self.give_back_all()
    }

    /// The commit that is checked out; `None` where there is none yet.
    pub(crate) async fn head(&self) -> Result<Option<String>, LifecycleError> {
        match self.run(&["rev-parse", "--verify", "-q", "HEAD"]).await {
            Ok(commit) => Ok(Some(commit.trim().to_owned())),
            Err(LifecycleError::Git { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The commit that all began with.
    pub(crate) async fn first(&self) -> Result<Option<String>, LifecycleError> {
        match self.run(&["rev-list", "--max-parents=0", "HEAD"]).await {
            Ok(commits) => Ok(commits.lines().last().map(str::to_owned)),
            Err(LifecycleError::Git { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a commit is there.
    pub(crate) async fn has(&self, commit: &str) -> bool {
        let words = ["cat-file", "-e", &format!("{commit}^{{commit}}")];
        self.run(&words).await.is_ok()
    }

    /// An index to work with: a copy of the repository's own, which knows the files' times.
    async fn index(&self) -> Result<tempfile::NamedTempFile, LifecycleError> {
        let own = self.run(&["rev-parse", "--git-path", "index"]).await?;
        let own = self.folder.join(own.trim());
        let index = empty_index()?;
        if own.is_file() {
            let copied = || -> std::io::Result<()> {
                std::fs::copy(&own, index.path())?;
                // By its time git knows which files may have changed within that same second.
                let modified = std::fs::metadata(&own)?.modified()?;
                std::fs::File::options()
                    .write(true)
                    .open(index.path())?
                    .set_modified(modified)
            };
            copied().map_err(LifecycleError::file("copy", &own))?;
        }
        Ok(index)
    }

    async fn run(&self, words: &[&str]) -> Result<String, LifecycleError> {
        self.run_with(words, &[]).await
    }

    async fn run_with(
        &self,
        words: &[&str],
        env: &[(&str, &OsStr)],
    ) -> Result<String, LifecycleError> {
        // Settings of ours alone: the folder may be another user's, and a person's own settings
        // (signing, hooks, templates) are for what that person commits.
        let home =
            tempfile::tempdir().map_err(LifecycleError::file("create", Path::new("/tmp")))?;
        let settings = home.path().join(".gitconfig");
        std::fs::write(
            &settings,
            "[safe]\n\tdirectory = *\n[user]\n\tname = Vivarium\n\temail = vivarium@localhost\n\
             [core]\n\thooksPath = /dev/null\n\tquotePath = false\n[gc]\n\tauto = 0\n",
        )
        .map_err(LifecycleError::file("write", &settings))?;
        let mut command = Command::new("git");
        for name in [
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_INDEX_FILE",
            "XDG_CONFIG_HOME",
        ] {
            command.env_remove(name);
        }
        let output = command
            .arg("-C")
            .arg(&self.folder)
            .args(words)
            .env("HOME", home.path())
            .env("GIT_CONFIG_GLOBAL", &settings)
            .env("LC_ALL", "C")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await;
        let output = output.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => LifecycleError::NoGit,
            _ => LifecycleError::file("run", Path::new("git"))(error),
        })?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            Err(LifecycleError::Git {
                doing: words.first().copied().unwrap_or_default().to_owned(),
                words: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            })
        }
    }

    /// What root wrote into another user's repository becomes that user's.
    fn give_back(&self) -> Result<(), LifecycleError> {
        self.own(&self.folder.join(".git"))
    }

    fn give_back_all(&self) -> Result<(), LifecycleError> {
        self.own(&self.folder)
    }

    fn own(&self, path: &Path) -> Result<(), LifecycleError> {
        if !nix::unistd::geteuid().is_root() {
            return Ok(());
        }
        let found = std::fs::metadata(&self.folder)
            .map_err(LifecycleError::file("look at", &self.folder))?;
        if found.uid() == 0 {
            return Ok(());
        }
        own_below(path, found.uid(), found.gid())
    }
}

fn own_below(path: &Path, uid: u32, gid: u32) -> Result<(), LifecycleError> {
    let found = std::fs::symlink_metadata(path).map_err(LifecycleError::file("look at", path))?;
    if found.uid() == 0 {
        std::os::unix::fs::lchown(path, Some(uid), Some(gid))
            .map_err(LifecycleError::file("change the owner of", path))?;
    }
    if found.is_dir() {
        for child in std::fs::read_dir(path).map_err(LifecycleError::file("read", path))? {
            let child = child.map_err(LifecycleError::file("read", path))?;
            own_below(&child.path(), uid, gid)?;
        }
    }
    Ok(())
}

fn pin(number: u32) -> String {
    format!("refs/vivarium/gen-{number}")
}

/// A file that is not there: git takes an index that is missing, and none that is empty.
fn empty_index() -> Result<tempfile::NamedTempFile, LifecycleError> {
    let failed = |error| LifecycleError::file("create", &std::env::temp_dir())(error);
    let file = tempfile::Builder::new()
        .prefix("vivarium-index")
        .tempfile()
        .map_err(failed)?;
    std::fs::remove_file(file.path()).map_err(failed)?;
    Ok(file)
}

fn same_place(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Reads `--name-status -z`.
fn changed(text: &str) -> Vec<ChangedFile> {
    let mut parts = text.split('\0');
    let mut files = Vec::new();
    while let (Some(letter), Some(path)) = (parts.next(), parts.next()) {
        let change = match letter {
            "A" => FileChange::Added,
            "D" => FileChange::Removed,
            _ => FileChange::Changed,
        };
        files.push(ChangedFile {
            path: path.to_owned(),
            change,
            added: None,
            removed: None,
        });
    }
    files
}

#[cfg(test)]
mod tests;
