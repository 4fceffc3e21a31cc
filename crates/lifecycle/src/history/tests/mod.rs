//! The history against a `/repo` whose inside does its worst, and against an ordinary one.

mod hostile;
mod limits;
mod ordinary;
mod rollback;
mod secret;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::History;

/// A repo, and a history of it.
struct Repo {
    folder: tempfile::TempDir,
}

impl Repo {
    fn new() -> Self {
        let repo = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(repo.path()).unwrap();
        repo.write("a", "one\n");
        repo.write("b", "two\n");
        repo
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    /// A file beside the repo, which nothing in the repo has a say in.
    fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap()
    }

    fn has(&self, path: &str) -> bool {
        self.path().join(path).symlink_metadata().is_ok()
    }

    fn history(&self) -> History {
        History::open(&self.outside("history.git"), &self.path()).unwrap()
    }

    /// Commits the files as they are; answers the commit.
    fn commit(&self, run: &str) -> String {
        let branch = format!("vivarium/run-{run}");
        self.history().commit(&branch, None, "x").unwrap().commit
    }

    /// Paths of the files as they are stored now.
    fn stored(&self) -> Vec<String> {
        let history = self.history();
        let tree = history.look().unwrap();
        let diff = history.diff(None, &tree).unwrap();
        diff.files.into_iter().map(|file| file.path).collect()
    }

    /// Runs git in the repo, as the inside may.
    fn git(&self, words: &[&str]) {
        git_in(&self.path(), words);
    }
}

/// Runs git somewhere, with settings of nobody.
fn git_in(folder: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=inside",
            "-c",
            "user.email=inside@localhost",
            "-c",
            "safe.directory=*",
            "-c",
            "protocol.file.allow=always",
        ])
        .args(words)
        .current_dir(folder)
        .env("HOME", "/nonexistent")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// All files below a folder with their contents, to see that nothing touched them.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for child in fs::read_dir(folder).unwrap() {
        let path = child.unwrap().path();
        let kind = path.symlink_metadata().unwrap();
        if kind.is_dir() {
            found.extend(contents(&path));
        } else if kind.is_file() {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}
