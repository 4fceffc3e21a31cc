use super::*;

fn put(folder: &Path, name: &str, created_at_s: f64, objects: &[&str]) {
    let objects: Vec<_> = objects.iter().map(|one| json!({"object": one})).collect();
    let json = json!({
        "schema": 1, "name": name, "created_at_s": created_at_s, "python": "3.13", "size_bytes": 7,
        "values": [{"name": "x", "type": "int", "size_bytes": 3}], "skipped": [], "objects": objects,
    })
    .to_string();
    let text = format!("{}\n{json}", blake3::hash(json.as_bytes()).to_hex());
    std::fs::create_dir_all(folder.join("objects")).unwrap();
    std::fs::write(folder.join(format!("{name}.json")), text).unwrap();
}

fn objects(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder.join("objects")).unwrap().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn what_no_snapshot_holds_goes_with_the_last_that_did() {
    let folder = tempfile::tempdir().unwrap();
    let cryo = Cryo::new(folder.path().to_owned(), Clock::system());
    assert!(cryo.list().unwrap().is_empty());
    put(folder.path(), "a", 1.0, &["one", "shared"]);
    put(folder.path(), "b", 2.0, &["shared"]);
    for name in ["one", "shared", "new-17", "lost"] {
        std::fs::write(folder.path().join("objects").join(name), "").unwrap();
    }
    let names: Vec<_> = cryo
        .list()
        .unwrap()
        .into_iter()
        .map(|line| line.name)
        .collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!(cryo.one("a").unwrap().values[0].kind, "int");

    cryo.remove("a").await.unwrap();
    assert_eq!(objects(folder.path()), ["shared"]);
    assert!(matches!(cryo.remove("a").await, Err(CryoError::Unknown(_))));
    assert!(matches!(cryo.one("../b"), Err(CryoError::BadName(_))));
}

#[tokio::test]
async fn beside_a_damaged_snapshot_nothing_is_cleared() {
    let folder = tempfile::tempdir().unwrap();
    let cryo = Cryo::new(folder.path().to_owned(), Clock::system());
    put(folder.path(), "a", 1.0, &["one"]);
    put(folder.path(), "b", 2.0, &["two"]);
    for name in ["one", "two"] {
        std::fs::write(folder.path().join("objects").join(name), "").unwrap();
    }
    let damaged = folder.path().join("a.json");
    let text = std::fs::read_to_string(&damaged).unwrap();
    std::fs::write(&damaged, text.replace("int", "str")).unwrap();
    let lines = cryo.list().unwrap();
    assert!(lines[1].damaged.as_ref().unwrap().contains("checksum"));
    cryo.remove("b").await.unwrap();
    assert_eq!(objects(folder.path()), ["one", "two"]);
    // It can be removed itself, and then the rest goes.
    cryo.remove("a").await.unwrap();
    assert!(objects(folder.path()).is_empty());
}

#[tokio::test]
async fn only_the_newest_of_those_without_a_name_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let cryo = Cryo::new(folder.path().to_owned(), Clock::system());
    let unnamed = |number: u128| format!("{UNNAMED}{}", ulid::Ulid(number)).to_lowercase();
    for number in 0..15_u8 {
        put(
            folder.path(),
            &unnamed(number.into()),
            f64::from(number),
            &[],
        );
    }
    // Somebody's own, though they look like ours.
    for name in ["named", "auto-save", "a.json.new-1"] {
        put(folder.path(), name, 0.5, &[]);
    }
    for file in ["a.json.new-17", "b.json.new-x", "my notes.json"] {
        std::fs::write(folder.path().join(file), "").unwrap();
    }
    cryo.clear_up().await;
    let mut names: Vec<_> = cryo
        .list()
        .unwrap()
        .into_iter()
        .map(|line| line.name)
        .collect();
    assert_eq!(names[..10], (5..15).rev().map(unnamed).collect::<Vec<_>>());
    names[10..].sort();
    assert_eq!(names[10..], ["a.json.new-1", "auto-save", "named"]);
    let is_there = |file: &str| folder.path().join(file).exists();
    assert!(!is_there("a.json.new-17"));
    assert!(is_there("b.json.new-x") && is_there("my notes.json"));
}

#[tokio::test]
async fn while_a_worker_writes_one_is_removed_and_what_it_held_goes_later() {
    let folder = tempfile::tempdir().unwrap();
    let cryo = Cryo::new(folder.path().to_owned(), Clock::system());
    put(folder.path(), "a", 1.0, &["one"]);
    put(folder.path(), "b", 2.0, &[]);
    // What is written now no snapshot holds yet.
    for name in ["one", "new-17", "written"] {
        std::fs::write(folder.path().join("objects").join(name), "").unwrap();
    }
    let worker = File::create(folder.path().join(".lock")).unwrap();
    worker.lock().unwrap();
    cryo.remove("a").await.unwrap();
    assert!(matches!(cryo.one("a"), Err(CryoError::Unknown(_))));
    assert_eq!(objects(folder.path()), ["new-17", "one", "written"]);

    put(folder.path(), "c", 3.0, &["written"]);
    drop(worker);
    cryo.remove("b").await.unwrap();
    assert_eq!(objects(folder.path()), ["written"]);
}
