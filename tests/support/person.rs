//! Whoever uses the computer that a hostile machine runs on: their files, a repository of theirs, what
//! runs as them, and how much memory it takes.

use std::{
    collections::BTreeMap,
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::{
        ffi::OsStrExt,
        fs::{MetadataExt, PermissionsExt},
    },
    path::{Path, PathBuf},
    process::Command,
};

/// Marks the processes that belong to a test, and all that they start.
const MARK: &str = "VIVARIUM_TEST_PERSON";

/// Their folders; gone when dropped.
pub struct Person {
    folder: tempfile::TempDir,
}

impl Person {
    /// With a home, a repository in it, and a `git` that notes each use.
    pub fn new() -> Self {
        let person = Self {
            folder: tempfile::tempdir().expect("a folder"),
        };
        for folder in ["home/.ssh", "home/project", "canary", "bin", "programs"] {
            fs::create_dir_all(person.path(folder)).expect("a folder");
        }
        for (name, text) in [
            (
                "home/.gitconfig",
                "[user]\n\tname = Ada\n\temail = ada@example.org\n",
            ),
            ("home/.bashrc", "# nothing\n"),
            ("home/.ssh/id_ed25519", "a private key\n"),
            ("home/project/file", "theirs\n"),
        ] {
            fs::write(person.path(name), text).expect("written");
        }
        let private = fs::Permissions::from_mode(0o600);
        fs::set_permissions(person.path("home/.ssh/id_ed25519"), private).expect("a mode");
        for words in [
            &["init", "-q"][..],
            &["add", "-A"],
            &["commit", "-q", "-m", "x"],
        ] {
            let mut git = Command::new("git");
            git.current_dir(person.path("home/project"));
            git.env("HOME", person.path("home")).args(words);
            assert!(git.status().expect("git runs").success());
        }
        let real = which("git").expect("git");
        let noted = format!(
            "#!/bin/sh\necho \"$PWD: $*\" >> {}\nexec {} \"$@\"\n",
            person.path("uses-of-git").display(),
            real.display()
        );
        let program = person.path("bin/git");
        fs::write(&program, noted).expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
        person
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where a command that ran on the host leaves a file.
    pub fn canary(&self) -> PathBuf {
        self.path("canary")
    }

    /// The git folder of their repository.
    pub fn repository(&self) -> PathBuf {
        self.path("home/project/.git")
    }

    /// What everything of theirs finds in its environment.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let text = |path: PathBuf| path.display().to_string();
        let path = std::env::var("PATH").unwrap_or_default();
        vec![
            ("HOME", text(self.path("home"))),
            ("PATH", format!("{}:{path}", self.path("bin").display())),
            ("XDG_CACHE_HOME", text(self.path("programs/cache"))),
            ("XDG_CONFIG_HOME", text(self.path("programs/config"))),
            ("XDG_STATE_HOME", text(self.path("programs/state"))),
            // What is logged is read too; its own colours are not the inside's.
            ("VIVARIUM_LOG", "debug".into()),
            ("RUST_LOG", "debug".into()),
            ("NO_COLOR", "1".into()),
            (MARK, self.mark()),
        ]
    }

    fn mark(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// Every file of theirs: what it is, and a hash of what is in it.
    pub fn files(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        for folder in ["home", "canary"] {
            list(&self.path(folder), &mut found);
        }
        found
    }

    /// How git was used since the last call.
    pub fn uses_of_git(&self) -> String {
        let place = self.path("uses-of-git");
        let uses = fs::read_to_string(&place).unwrap_or_default();
        let _ = fs::remove_file(place);
        uses
    }

    /// What runs of theirs: process ids with their programs.
    pub fn processes(&self) -> BTreeMap<u32, String> {
        let mark = format!("{MARK}={}", self.mark());
        let mut found = BTreeMap::new();
        for entry in fs::read_dir("/proc").expect("/proc").flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
            let mut variables = environment.split(|byte| *byte == 0);
            if variables.any(|one| one == mark.as_bytes()) {
                found.insert(pid, program(pid));
            }
        }
        found
    }
}

/// A process's program.
fn program(pid: u32) -> String {
    let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let name = program.file_name().unwrap_or_default();
    String::from_utf8_lossy(name.as_bytes()).into_owned()
}

/// The most memory that a process had so far, in MiB.
pub fn peak_mib(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let words = line.unwrap_or_default().trim().trim_end_matches(" kB");
    words.parse::<u64>().unwrap_or_default() >> 10
}

/// All below a folder, links as links.
pub fn list(folder: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        let mut hasher = DefaultHasher::new();
        if meta.is_file() {
            fs::read(&path).unwrap_or_default().hash(&mut hasher);
        } else if meta.is_symlink() {
            fs::read_link(&path).unwrap_or_default().hash(&mut hasher);
        }
        let what = format!(
            "mode {:o} of {}:{}, {} bytes, changed {}.{}, {:x}",
            meta.mode(),
            meta.uid(),
            meta.gid(),
            if meta.is_dir() { 0 } else { meta.len() },
            meta.ctime(),
            meta.ctime_nsec(),
            hasher.finish()
        );
        found.insert(path.clone(), what);
        if meta.is_dir() {
            list(&path, found);
        }
    }
}

fn which(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}
