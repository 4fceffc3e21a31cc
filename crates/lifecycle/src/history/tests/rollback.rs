//! A way back that loses nothing.

use super::*;

#[test]
fn files_go_back_and_come_again() {
    let repo = Repo::new();
    let first = repo.commit("1");
    repo.write("a", "changed\n");
    fs::remove_file(repo.path().join("b")).unwrap();
    repo.write("d/e/new", "new\n");
    let second = repo.commit("2");
    let history = repo.history();
    let restored = history
        .restore(&first, &second, "vivarium/run-3", "x")
        .unwrap();
    assert_eq!((restored.changed, restored.kept.len()), (3, 0));
    assert_eq!(
        (repo.read("a"), repo.read("b")),
        ("one\n".into(), "two\n".into())
    );
    assert!(!repo.has("d"));
    history
        .restore(&second, &first, "vivarium/run-4", "x")
        .unwrap();
    assert!(!repo.has("b") && repo.has("d/e/new"));
    assert_eq!(history.tip("vivarium/run-3").unwrap(), None);
}

#[test]
fn a_file_and_a_folder_change_places() {
    let repo = Repo::new();
    let first = repo.commit("1");
    fs::remove_file(repo.path().join("a")).unwrap();
    repo.write("a/b/c", "x\n");
    let second = repo.commit("2");
    let history = repo.history();
    history
        .restore(&first, &second, "vivarium/run-3", "x")
        .unwrap();
    assert_eq!(repo.read("a"), "one\n");
    history
        .restore(&second, &first, "vivarium/run-4", "x")
        .unwrap();
    assert_eq!(repo.read("a/b/c"), "x\n");
}

#[test]
fn what_changed_after_the_commit_is_committed_before_it_goes() {
    let repo = Repo::new();
    let first = repo.commit("1");
    repo.write("a", "changed\n");
    let before = repo.commit("2");
    repo.write("a", "meanwhile\n");
    let history = repo.history();
    history
        .restore(&first, &before, "vivarium/run-2", "x")
        .unwrap();
    assert_eq!(repo.read("a"), "one\n");
    let tip = history.tip("vivarium/run-2").unwrap().unwrap();
    assert_ne!(tip, before);
    let out = tempfile::tempdir().unwrap();
    history.export(&tip, out.path(), |_| true).unwrap();
    assert_eq!(
        fs::read_to_string(out.path().join("a")).unwrap(),
        "meanwhile\n"
    );
    // Taken up again after a crash, when some files are those of the generation already.
    history
        .restore(&first, &before, "vivarium/run-2", "x")
        .unwrap();
    assert_eq!(history.tip("vivarium/run-2").unwrap().unwrap(), tip);
}

#[test]
fn what_is_ignored_stays() {
    let repo = Repo::new();
    repo.write("out/file", "of a generation\n");
    let first = repo.commit("1");
    fs::remove_dir_all(repo.path().join("out")).unwrap();
    repo.write(".gitignore", "out\ncache\n");
    repo.write("d/x", "x\n");
    let second = repo.commit("2");
    repo.write("out/file", "ignored now\n");
    repo.write("cache/y", "ignored\n");
    repo.write("d/cache", "ignored\n");
    let restored = repo
        .history()
        .restore(&first, &second, "vivarium/run-3", "x")
        .unwrap();
    assert_eq!(repo.read("out/file"), "ignored now\n");
    assert_eq!(repo.read("cache/y"), "ignored\n");
    assert_eq!(repo.read("d/cache"), "ignored\n");
    assert!(!repo.has("d/x") && !repo.has(".gitignore"));
    assert_eq!(restored.kept.len(), 1);
}
