//! Keys are in no object, export or rollback, and nobody else reads what is kept.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::context::Context;

const KEYS: [&str; 4] = [
    ".env",
    ".env.production",
    "sub/.env",
    "body/build-ca/given.crt",
];

fn with_keys() -> Repo {
    let repo = Repo::new();
    repo.write("body/Dockerfile", "FROM x\n");
    repo.write(".env.example", "KEY=\n");
    for path in KEYS {
        repo.write(path, "KEY=first\n");
    }
    repo
}

#[test]
fn keys_are_in_no_object_and_in_no_context() {
    let repo = with_keys();
    let left_out = repo
        .history()
        .commit("vivarium/run-1", None, "x")
        .unwrap()
        .left_out;
    let left_out: Vec<String> = left_out.iter().map(ToString::to_string).collect();
    assert_eq!(left_out.len(), KEYS.len(), "{left_out:?}");
    assert_eq!(repo.stored(), [".env.example", "a", "b", "body/Dockerfile"]);
    let bare = repo.outside("history.git");
    let all = git_in(&bare, &["cat-file", "--batch", "--batch-all-objects"]);
    assert!(!all.contains("first"), "{all}");
    let copy = tempfile::tempdir().unwrap();
    Context::whole(&repo.path())
        .unwrap()
        .copy_to(copy.path())
        .unwrap();
    assert!(copy.path().join(".env.example").is_file());
    for path in KEYS {
        assert!(!copy.path().join(path).exists(), "{path}");
    }
}

#[test]
fn a_rollback_neither_removes_a_key_nor_brings_an_old_one_back() {
    let repo = with_keys();
    let first = repo.commit("1");
    repo.write("a", "changed\n");
    for path in KEYS {
        repo.write(path, "KEY=second\n");
    }
    let second = repo.commit("2");
    let history = repo.history();
    let restored = history
        .restore(&first, &second, "vivarium/run-3", "x")
        .unwrap();
    assert!(restored.kept.is_empty());
    assert_eq!(repo.read("a"), "one\n");
    for path in KEYS {
        assert_eq!(repo.read(path), "KEY=second\n");
    }
}

#[test]
fn nobody_else_reads_the_history() {
    let repo = Repo::new();
    repo.commit("1");
    let bare = repo.outside("history.git");
    let mode = |path: &Path| path.symlink_metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&bare), 0o700);
    for (path, _) in contents(&bare) {
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
}
