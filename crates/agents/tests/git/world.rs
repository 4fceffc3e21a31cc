//! A person's folder with a repository, folders of ours, and a stand-in for an agent's container.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use agents::git::{
    Git, IncomingLimits, ObjectId, Part, Prepare, Prepared, Received, Repository, Whitelist, Work,
    WorkId, Workspace,
};

/// Folders that go with it.
pub struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// With a repository of two commits in an allowed folder.
    pub fn new() -> Self {
        let world = Self::without_repository();
        world.git(&["init", "-q", "-b", "main"]);
        world.write("a", "one\n");
        world.write("b", "two\n");
        world.commit("first");
        world.write("sub/c", "three\n");
        world.commit("second");
        world
    }

    /// With an empty folder in an allowed one.
    pub fn without_repository() -> Self {
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(world.repo()).unwrap();
        world
    }

    /// A path beside everything, resolved.
    pub fn outside(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    pub fn allowed(&self) -> PathBuf {
        self.outside("allowed")
    }

    pub fn repo(&self) -> PathBuf {
        self.outside("allowed/repo")
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.repo().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Git as the person runs it.
    pub fn git(&self, words: &[&str]) -> String {
        git_in(&self.repo(), words)
    }

    pub fn commit(&self, message: &str) -> ObjectId {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
        self.commit_of("HEAD").unwrap()
    }

    /// What a name in the person's repository names.
    pub fn commit_of(&self, name: &str) -> Option<ObjectId> {
        commit_of(&self.repo(), name)
    }

    pub fn whitelist(&self) -> Whitelist {
        Whitelist::new([self.allowed()])
    }

    pub fn workspace(&self) -> Workspace {
        self.whitelist().open(&self.repo()).unwrap()
    }

    /// The folder of an agent's work.
    pub fn place(&self, id: &str) -> PathBuf {
        self.outside("ours").join(id)
    }

    pub fn work(&self, id: &str) -> Work {
        let repository = Repository::open(&self.workspace()).unwrap();
        let id_of = WorkId::parse(id).unwrap();
        fs::create_dir_all(self.outside("ours")).unwrap();
        Work::open(Git::find().unwrap(), &self.place(id), id_of, repository).unwrap()
    }

    /// Begins an agent's work with nothing but commits; answers it and its clone.
    pub fn begin(&self, id: &str) -> (Work, Inside) {
        let work = self.work(id);
        let prepared = work
            .prepare(&self.workspace(), &Prepare::default())
            .unwrap();
        let inside = Inside::clone_of(self.outside(&format!("inside-{id}")), &prepared);
        (work, inside)
    }

    /// All files of the person's repository with their contents, to see that nothing changed.
    pub fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        contents(&self.repo())
    }
}

/// What an agent's container does, in a folder.
pub struct Inside {
    pub folder: PathBuf,
    pub branch: String,
    pub start: ObjectId,
}

impl Inside {
    /// Makes a clone of what an agent is given.
    pub fn clone_of(folder: PathBuf, prepared: &Prepared) -> Self {
        let bundle = prepared.bundle.to_str().unwrap();
        let branch = prepared.branch.short().to_owned();
        let above = folder.parent().unwrap().to_owned();
        git_in(
            &above,
            &[
                "clone",
                "-q",
                "-b",
                &branch,
                bundle,
                folder.to_str().unwrap(),
            ],
        );
        Self {
            folder,
            branch,
            start: prepared.start,
        }
    }

    pub fn write(&self, path: &str, text: &str) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn git(&self, words: &[&str]) -> String {
        git_in(&self.folder, words)
    }

    pub fn commit(&self, message: &str) -> ObjectId {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
        commit_of(&self.folder, "HEAD").unwrap()
    }

    /// The commits since the start, as bytes.
    pub fn bundle(&self) -> Vec<u8> {
        self.bundle_of(&self.branch)
    }

    /// A ref's objects that the start doesn't have.
    pub fn bundle_of(&self, name: &str) -> Vec<u8> {
        let without = format!("^{}", self.start);
        let output = command(&self.folder)
            .args(["bundle", "create", "-q", "-", name, &without])
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    /// Stores an object without any check.
    pub fn object(&self, kind: &str, bytes: &[u8]) -> String {
        let words = ["hash-object", "-w", "--literally", "--stdin", "-t", kind];
        let mut child = command(&self.folder)
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(bytes).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Stores a tree of these entries (mode, name, id) as they are.
    pub fn tree(&self, entries: &[(&str, &[u8], &str)]) -> String {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend(mode.as_bytes());
            bytes.push(b' ');
            bytes.extend(*name);
            bytes.push(0);
            let id: ObjectId = id.parse().unwrap();
            bytes.extend(id.as_slice());
        }
        self.object("tree", &bytes)
    }

    /// Lets the branch name a commit of a tree.
    pub fn commit_tree(&self, tree: &str) -> ObjectId {
        let start = self.start.to_string();
        let commit = self.git(&["commit-tree", "-p", &start, "-m", "x", tree]);
        let commit = commit.trim();
        self.git(&["update-ref", &format!("refs/heads/{}", self.branch), commit]);
        commit.parse().unwrap()
    }
}

/// Takes a bundle as the agent's commits.
pub fn receive(work: &Work, bytes: &[u8]) -> Result<Received, agents::git::GitError> {
    let mut bytes = bytes;
    work.receive(Part::Commits, &mut bytes, &IncomingLimits::default())
}

pub fn git_in(folder: &Path, words: &[&str]) -> String {
    let output = command(folder).args(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn commit_of(folder: &Path, name: &str) -> Option<ObjectId> {
    let words = ["rev-parse", "-q", "--verify", name];
    let output = command(folder).args(words).output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .trim()
        .parse()
        .ok()
}

/// Git with settings of nobody but the repository's.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command
        .args([
            "-c",
            "user.name=someone",
            "-c",
            "user.email=someone@localhost",
            "-c",
            "safe.directory=*",
            "-c",
            "protocol.file.allow=always",
            "-c",
            "advice.detachedHead=false",
        ])
        .current_dir(folder)
        .env("HOME", "/nonexistent")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    command
}

/// All files below a folder with their contents; links by where they lead.
pub fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for child in fs::read_dir(folder).into_iter().flatten() {
        let path = child.unwrap().path();
        let kind = path.symlink_metadata().unwrap();
        if kind.is_dir() {
            found.extend(contents(&path));
        } else if kind.is_symlink() {
            let target = fs::read_link(&path).unwrap();
            found.push((path, target.into_os_string().into_encoded_bytes()));
        } else if kind.is_file() {
            found.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// What each trap runs: it leaves a trace outside the repository.
pub fn trap(world: &World, name: &str) -> String {
    let program = world.outside(&format!("{name}.sh"));
    let trace = world.outside("traces").join(name);
    fs::create_dir_all(trace.parent().unwrap()).unwrap();
    let script = format!("#!/bin/sh\necho ran > '{}'\ncat\n", trace.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program.display().to_string()
}

/// The traps that something ran into.
pub fn traces(world: &World) -> Vec<String> {
    let found = contents(&world.outside("traces"));
    let names = found.iter().map(|(path, _)| path.file_name().unwrap());
    names
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}
