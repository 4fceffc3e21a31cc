use super::*;
use std::fs;

async fn repo() -> (tempfile::TempDir, Repo) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "one\n").unwrap();
    fs::write(folder.path().join("b"), "two\n").unwrap();
    let repo = Repo::init(folder.path()).await.unwrap();
    (folder, repo)
}

#[tokio::test]
async fn files_are_committed_beside_the_branch() {
    let (folder, repo) = repo().await;
    let head = repo.head().await.unwrap().unwrap();
    assert_eq!(repo.commit("vivarium/run-1", "x").await.unwrap(), head);
    fs::write(folder.path().join("a"), "changed\n").unwrap();
    fs::write(folder.path().join("new"), "new\n").unwrap();
    let status = repo.run(&["status", "--porcelain"]).await.unwrap();
    let commit = repo.commit("vivarium/run-1", "x").await.unwrap();
    assert_ne!(commit, head);
    assert_eq!(repo.head().await.unwrap().unwrap(), head);
    assert_eq!(repo.run(&["status", "--porcelain"]).await.unwrap(), status);
    let out = tempfile::tempdir().unwrap();
    repo.export(&commit, out.path()).await.unwrap();
    assert_eq!(
        fs::read_to_string(out.path().join("a")).unwrap(),
        "changed\n"
    );
    assert!(out.path().join("new").is_file());
}

#[tokio::test]
async fn a_change_within_the_same_second_is_seen_later_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    // File and index are of one second, an hour ago: nothing but the index's time tells of it.
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let written_then = |text: &str| {
        fs::write(&path, text).unwrap();
        set_modified(&path, then);
    };
    written_then("one\n");
    let repo = Repo::init(folder.path()).await.unwrap();
    repo.run(&["config", "core.trustctime", "false"])
        .await
        .unwrap();
    set_modified(&folder.path().join(".git/index"), then);
    let head = repo.head().await.unwrap().unwrap();
    written_then("two\n");
    assert_ne!(repo.commit("vivarium/run-3", "x").await.unwrap(), head);
}

fn set_modified(path: &Path, to: std::time::SystemTime) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(to).unwrap();
}

#[tokio::test]
async fn a_diff_names_files_and_lines() {
    let (folder, repo) = repo().await;
    let head = repo.head().await.unwrap().unwrap();
    fs::write(folder.path().join("a"), "one\nmore\n").unwrap();
    fs::remove_file(folder.path().join("b")).unwrap();
    let diff = repo.diff(Some(&head), None).await.unwrap();
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
    assert!(diff.patch.contains("+more") && !diff.cut);
    assert_eq!(repo.diff(None, Some(&head)).await.unwrap().files.len(), 2);
}

#[tokio::test]
async fn files_go_back_and_come_again() {
    let (folder, repo) = repo().await;
    let first = repo.head().await.unwrap().unwrap();
    fs::write(folder.path().join("a"), "changed\n").unwrap();
    fs::remove_file(folder.path().join("b")).unwrap();
    fs::create_dir(folder.path().join("d")).unwrap();
    fs::write(folder.path().join("d/new"), "new\n").unwrap();
    let second = repo.commit("vivarium/run-2", "x").await.unwrap();
    repo.restore(&second, &first).await.unwrap();
    assert_eq!(
        fs::read_to_string(folder.path().join("a")).unwrap(),
        "one\n"
    );
    assert!(folder.path().join("b").is_file() && !folder.path().join("d").exists());
    repo.restore(&first, &second).await.unwrap();
    assert!(!folder.path().join("b").exists() && folder.path().join("d/new").is_file());
    assert_eq!(repo.head().await.unwrap().unwrap(), first);
}

#[tokio::test]
async fn a_folder_without_a_repository_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let opened = Repo::open(folder.path()).await;
    assert!(matches!(opened, Err(LifecycleError::NoRepo { .. })));
}
