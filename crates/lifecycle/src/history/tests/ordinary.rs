//! What a machine's owner sees.

use wire::evolve::FileChange;

use super::*;

#[test]
fn files_are_committed_and_exported() {
    let repo = Repo::new();
    let history = repo.history();
    let origin = history.set_origin(&repo.path(), "first").unwrap();
    let same = history.commit("vivarium/run-1", None, "x").unwrap();
    assert_eq!(same.commit, origin);
    assert_eq!(history.tip("vivarium/run-1").unwrap(), None);
    repo.write("a", "changed\n");
    repo.write("d/new", "new\n");
    std::os::unix::fs::symlink("../a", repo.path().join("d/link")).unwrap();
    let commit = repo.commit("1");
    assert_ne!(commit, origin);
    assert_eq!(history.tip("vivarium/run-1").unwrap(), Some(commit.clone()));
    let out = tempfile::tempdir().unwrap();
    history.export(&commit, out.path(), |_| true).unwrap();
    let read = |path: &str| fs::read_to_string(out.path().join(path)).unwrap();
    assert_eq!(
        (read("a").as_str(), read("d/new").as_str()),
        ("changed\n", "new\n")
    );
    assert_eq!(
        fs::read_link(out.path().join("d/link")).unwrap(),
        Path::new("../a")
    );
    let some = tempfile::tempdir().unwrap();
    history
        .export(&commit, some.path(), |path| path == b"b")
        .unwrap();
    assert!(some.path().join("b").is_file() && !some.path().join("a").exists());
}

#[test]
fn git_reads_the_history_and_finds_it_sound() {
    let repo = Repo::new();
    let origin = repo.history().set_origin(&repo.path(), "first").unwrap();
    repo.write("a-b", "between a and a/\n");
    fs::remove_file(repo.path().join("a")).unwrap();
    repo.write("a/c", "x\n");
    repo.write("a.d", "x\n");
    let commit = repo.commit("1");
    let bare = repo.outside("history.git");
    git_in(&bare, &["fsck", "--strict"]);
    git_in(&bare, &["gc", "--prune=now", "--quiet"]);
    assert!(repo.history().has(&commit));
    let log = git_in(&bare, &["log", "--format=%H", "vivarium/run-1"]);
    assert_eq!(log, format!("{commit}\n{origin}\n"));
    let files = git_in(&bare, &["ls-tree", "-r", "--name-only", &commit]);
    assert_eq!(files, "a-b\na.d\na/c\nb\n");
}

#[test]
fn a_diff_names_files_lines_and_the_tree() {
    let repo = Repo::new();
    let first = repo.commit("1");
    let history = repo.history();
    repo.write("a", "one\nmore\n");
    fs::remove_file(repo.path().join("b")).unwrap();
    let tree = history.look().unwrap();
    let diff = history.diff(Some(&first), &tree).unwrap();
    let told: Vec<_> = diff
        .files
        .iter()
        .map(|file| (file.path.as_str(), file.change, file.added, file.removed))
        .collect();
    assert_eq!(
        told,
        [
            ("a", FileChange::Changed, Some(1), Some(0)),
            ("b", FileChange::Removed, Some(0), Some(1)),
        ]
    );
    assert_eq!(diff.files[0].patch, "@@ -1 +1,2 @@\n one\n+more\n");
    assert!(diff.patch.contains("+more") && !diff.cut);
    assert_eq!(diff.tree, tree);
    // What is committed now has the tree that was looked at; after a change it has another.
    let committed = history.commit("vivarium/run-2", None, "x").unwrap();
    assert_eq!(committed.tree, tree);
    repo.write("a", "other\n");
    let committed = history.commit("vivarium/run-3", None, "x").unwrap();
    assert_ne!(committed.tree, tree);
}

#[test]
fn a_change_of_mode_or_kind_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let repo = Repo::new();
    let first = repo.commit("1");
    let run = fs::Permissions::from_mode(0o755);
    fs::set_permissions(repo.path().join("a"), run).unwrap();
    fs::remove_file(repo.path().join("b")).unwrap();
    std::os::unix::fs::symlink("/etc/shadow", repo.path().join("b")).unwrap();
    let history = repo.history();
    let diff = history
        .diff(Some(&first), &history.look().unwrap())
        .unwrap();
    let modes: Vec<_> = diff
        .files
        .iter()
        .map(|file| (file.old_mode.as_deref(), file.mode.as_deref()))
        .collect();
    assert_eq!(
        modes,
        [
            (Some("100644"), Some("100755")),
            (Some("100644"), Some("120000")),
        ]
    );
    assert!(diff.files[1].patch.contains("+/etc/shadow"));
}

#[test]
fn a_change_is_seen_whatever_its_time_says() {
    let repo = Repo::new();
    let path = repo.path().join("a");
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let written_then = |text: &str| {
        fs::write(&path, text).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(then).unwrap();
    };
    written_then("one\n");
    let first = repo.history().look().unwrap();
    written_then("two\n");
    assert_ne!(repo.history().look().unwrap(), first);
}

#[test]
fn ignored_files_are_left_out_as_git_leaves_them_out() {
    let repo = Repo::new();
    repo.write(".gitignore", "*.log\n/target\n!keep.log\nsub/*.tmp\n");
    for path in [
        "x.log",
        "keep.log",
        "target/big",
        "sub/target",
        "sub/x.tmp",
        "sub/deep/y.log",
    ] {
        repo.write(path, "x");
    }
    repo.write("sub/.gitignore", "!deep/y.log\nown\n");
    repo.write("sub/own", "x");
    repo.write("own", "x");
    repo.git(&["init", "-q"]);
    repo.git(&["add", "-A"]);
    let mut tracked: Vec<String> = git_in(&repo.path(), &["ls-files"])
        .lines()
        .map(str::to_owned)
        .collect();
    tracked.sort();
    assert_eq!(repo.stored(), tracked);
    assert!(tracked.contains(&"sub/deep/y.log".to_owned()));
}

#[test]
fn what_nothing_needs_is_removed() {
    let repo = Repo::new();
    let objects = || contents(&repo.outside("history.git/objects")).len();
    let history = repo.history();
    history.set_origin(&repo.path(), "first").unwrap();
    let few = objects();
    for round in 0..20 {
        repo.write("a", &format!("{round}\n"));
        history.look().unwrap();
    }
    // A content and a tree of the last look.
    assert_eq!(objects(), few + 2);
    let commit = repo.commit("1");
    history.pin(4, &commit).unwrap();
    history.keep(&[], &[4]).unwrap();
    assert!(history.has(&commit));
    repo.write("a", "other\n");
    history.look().unwrap();
    history.keep(&[], &[]).unwrap();
    assert!(!history.has(&commit));
    git_in(&repo.outside("history.git"), &["fsck", "--strict"]);
}

#[test]
fn what_a_power_cut_damaged_is_stored_again() {
    let repo = Repo::new();
    let tree = repo.history().look().unwrap();
    for (path, bytes) in contents(&repo.outside("history.git/objects")) {
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    }
    let history = repo.history();
    // Told once, for each object that is read.
    for _ in 0..8 {
        let _ = history.export(&tree, tempfile::tempdir().unwrap().path(), |_| true);
        assert_eq!(history.look().unwrap(), tree);
    }
    history
        .export(&tree, tempfile::tempdir().unwrap().path(), |_| true)
        .unwrap();
}
