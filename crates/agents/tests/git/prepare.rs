//! What an agent is given.

use std::{fs, os::unix::fs::symlink};

use agents::git::{FolderLimits, GitError, Note, Prepare, Repository, TreePath, Whitelist};

use crate::world::{Inside, World, commit_of, git_in};

fn all() -> Prepare {
    Prepare {
        uncommitted: true,
        untracked: true,
        ..Prepare::default()
    }
}

/// Paths of the files that a clone has.
fn files(inside: &Inside) -> Vec<String> {
    let listed = inside.git(&["ls-files", "-z"]);
    let names = listed.split('\0').filter(|name| !name.is_empty());
    names.map(str::to_owned).collect()
}

/// What an agent with this much is given.
fn given(world: &World, id: &str, wanted: &Prepare) -> (Inside, Vec<Note>) {
    let prepared = world.work(id).prepare(&world.workspace(), wanted).unwrap();
    let inside = Inside::clone_of(world.outside(&format!("inside-{id}")), &prepared);
    (inside, prepared.notes)
}

#[test]
fn a_clone_has_the_commits_on_a_branch_of_its_own() {
    let world = World::new();
    let before = world.contents();
    let work = world.work("one");
    let prepared = work
        .prepare(&world.workspace(), &Prepare::default())
        .unwrap();
    assert_eq!(prepared.base, world.commit_of("main"));
    assert_eq!(Some(prepared.start), prepared.base);
    assert!(prepared.notes.is_empty() && prepared.shallow.is_empty());
    let inside = Inside::clone_of(world.outside("inside"), &prepared);
    assert_eq!(
        inside.git(&["rev-parse", "--abbrev-ref", "HEAD"]).trim(),
        "agent/one"
    );
    assert_eq!(inside.git(&["rev-list", "--count", "HEAD"]).trim(), "2");
    assert_eq!(files(&inside), ["a", "b", "sub/c"]);
    assert_eq!(world.contents(), before);
    assert_eq!(work.tips().unwrap().work, None);
}

#[test]
fn what_is_not_committed_is_given_only_if_asked_and_what_is_ignored_never() {
    let world = World::new();
    world.write(".gitignore", "*.log\nbuild/\n");
    world.write("tracked.log", "in the commit\n");
    world.git(&["add", "-f", "tracked.log"]);
    world.commit("third");
    world.write(".git/info/exclude", "mine\n");
    world.write("a", "changed\n");
    world.write("tracked.log", "changed too\n");
    fs::remove_file(world.repo().join("b")).unwrap();
    world.write("new", "new\n");
    world.write("odd \"name\"\n\u{e9}", "odd\n");
    world.write("x.log", "ignored\n");
    world.write("build/out", "ignored\n");
    world.write("mine", "ignored\n");
    world.write("sub/.env", "KEY=secret\n");
    let before = world.contents();

    let (none, _) = given(&world, "none", &Prepare::default());
    assert_eq!(
        files(&none),
        [".gitignore", "a", "b", "sub/c", "tracked.log"]
    );
    assert_eq!(fs::read_to_string(none.folder.join("a")).unwrap(), "one\n");

    let uncommitted = Prepare {
        uncommitted: true,
        ..Prepare::default()
    };
    let (changed, _) = given(&world, "changed", &uncommitted);
    assert_eq!(files(&changed), [".gitignore", "a", "sub/c", "tracked.log"]);
    let text = |name: &str| fs::read_to_string(changed.folder.join(name)).unwrap();
    assert_eq!(
        (text("a").as_str(), text("tracked.log").as_str()),
        ("changed\n", "changed too\n")
    );

    let (whole, notes) = given(&world, "whole", &all());
    let odd = "odd \"name\"\n\u{e9}";
    assert_eq!(
        files(&whole),
        [".gitignore", "a", "new", odd, "sub/c", "tracked.log"]
    );
    assert_eq!(notes, [Note::Secrets(vec![TreePath::new("sub/.env")])]);
    assert_eq!(whole.git(&["rev-list", "--count", "HEAD"]).trim(), "4");
    assert_eq!(world.contents(), before);
}

#[test]
fn rules_that_can_not_be_read_give_nothing_away() {
    let world = World::new();
    world.write("mine", "ignored\n");
    let exclude = world.repo().join(".git/info/exclude");
    let _ = fs::remove_file(&exclude);
    fs::write(world.outside("rules"), "mine\n").unwrap();
    symlink(world.outside("rules"), &exclude).unwrap();
    let error = world.work("one").prepare(&world.workspace(), &all());
    assert!(matches!(error, Err(GitError::File { .. })), "{error:?}");
    fs::remove_file(&exclude).unwrap();
    fs::write(&exclude, "mine\n".repeat(20_000)).unwrap();
    let error = world.work("one").prepare(&world.workspace(), &all());
    assert!(matches!(error, Err(GitError::Rules(_))), "{error:?}");
}

#[test]
fn a_work_tree_as_it_was_checked_out_has_no_changes() {
    let world = World::new();
    // As git on Windows, and with `core.autocrlf`, checks files out.
    world.write("a", "one\r\n");
    let work = world.work("one");
    let prepared = work.prepare(&world.workspace(), &all()).unwrap();
    assert_eq!(Some(prepared.start), prepared.base);
}

#[test]
fn links_are_given_as_links_and_never_followed() {
    let world = World::new();
    fs::create_dir(world.outside("secret")).unwrap();
    fs::write(world.outside("secret/key"), "secret\n").unwrap();
    symlink(world.outside("secret"), world.repo().join("folder")).unwrap();
    symlink(world.outside("secret/key"), world.repo().join("file")).unwrap();
    // In the place of a folder of the commit.
    fs::remove_dir_all(world.repo().join("sub")).unwrap();
    symlink(world.outside("secret"), world.repo().join("sub")).unwrap();
    nix::unistd::mkfifo(&world.repo().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let (inside, _) = given(&world, "one", &all());
    assert_eq!(files(&inside), ["a", "b", "file", "folder", "sub"]);
    let link = inside.folder.join("folder").symlink_metadata().unwrap();
    assert!(link.is_symlink());
    let objects = inside.git(&["cat-file", "--batch-all-objects", "--batch"]);
    assert!(
        !objects.contains("secret\n\n"),
        "the content of a file outside was taken"
    );
}

#[test]
fn a_folder_without_git_is_copied_and_its_work_comes_back_as_a_patch() {
    let world = World::without_repository();
    world.write("text", "one\n");
    world.write("sub/data", "a\0b");
    world.write(".gitignore", "left\n");
    world.write("left", "out\n");
    let work = world.work("one");
    assert!(work.repository().is_none());
    let prepared = work
        .prepare(&world.workspace(), &Prepare::default())
        .unwrap();
    assert_eq!(
        (prepared.base, &prepared.notes[..]),
        (None, &[Note::Copied][..])
    );
    let inside = Inside::clone_of(world.outside("inside"), &prepared);
    assert_eq!(files(&inside), [".gitignore", "sub/data", "text"]);
    inside.write("text", "two\n");
    inside.write("sub/data", "a\0c");
    inside.write("new file", "new\n");
    let tip = inside.commit("work");
    crate::world::receive(&work, &inside.bundle()).unwrap();
    let mut patch = Vec::new();
    let start = work.tips().unwrap().start.unwrap();
    work.patch(start, tip, 1 << 20, &mut patch).unwrap();
    let place = world.outside("patch");
    fs::write(&place, &patch).unwrap();
    git_in(&world.repo(), &["apply", place.to_str().unwrap()]);
    assert_eq!(fs::read(world.repo().join("sub/data")).unwrap(), b"a\0c");
    assert_eq!(fs::read(world.repo().join("new file")).unwrap(), b"new\n");
    assert!(!world.repo().join(".git").exists());
    let mut none = Vec::new();
    let error = work.patch(start, tip, 10, &mut none);
    assert!(matches!(error, Err(GitError::TooMuch { .. })));
}

#[test]
fn large_files_submodules_and_nested_repositories_are_told() {
    let world = World::new();
    let stand_in = "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 7\n";
    world.write(
        ".gitattributes",
        "*.bin filter=lfs diff=lfs merge=lfs -text\n",
    );
    world.write("large.bin", stand_in);
    let other = world.outside("allowed/other");
    fs::create_dir(&other).unwrap();
    git_in(&other, &["init", "-q"]);
    git_in(&other, &["commit", "-q", "--allow-empty", "-m", "x"]);
    world.git(&[
        "submodule",
        "--quiet",
        "add",
        other.to_str().unwrap(),
        "module",
    ]);
    world.commit("third");
    // As Git LFS leaves it in the work tree.
    world.write("large.bin", "content");
    world.write("nested/file", "x");
    git_in(&world.repo().join("nested"), &["init", "-q"]);
    let (inside, notes) = given(&world, "one", &all());
    assert_eq!(
        notes,
        [
            Note::Submodules(vec![TreePath::new("module")]),
            Note::LargeFiles,
            Note::Repositories(vec![TreePath::new("nested")]),
        ]
    );
    assert_eq!(
        fs::read_to_string(inside.folder.join("large.bin")).unwrap(),
        stand_in
    );
    assert!(!inside.folder.join("nested").exists());
}

#[test]
fn a_shallow_clone_is_given_as_one() {
    let world = World::new();
    let shallow = world.outside("allowed/shallow");
    let from = format!("file://{}", world.repo().display());
    let words = ["clone", "-q", "--depth=1", &from, shallow.to_str().unwrap()];
    git_in(&world.allowed(), &words);
    let workspace = world.whitelist().open(&shallow).unwrap();
    let repository = Repository::open(&workspace).unwrap();
    let id = agents::git::WorkId::parse("one").unwrap();
    let git = agents::git::Git::find().unwrap();
    fs::create_dir_all(world.outside("ours")).unwrap();
    let work = agents::git::Work::open(git, &world.place("one"), id, repository).unwrap();
    let prepared = work.prepare(&workspace, &Prepare::default()).unwrap();
    assert_eq!(prepared.notes, [Note::Shallow]);
    assert_eq!(prepared.shallow, [prepared.start]);
    let inside = world.outside("inside");
    fs::create_dir(&inside).unwrap();
    git_in(&inside, &["init", "-q"]);
    fs::write(inside.join(".git/shallow"), format!("{}\n", prepared.start)).unwrap();
    let spec = format!("{0}:{0}", prepared.branch);
    git_in(
        &inside,
        &["fetch", "-q", prepared.bundle.to_str().unwrap(), &spec],
    );
    git_in(&inside, &["checkout", "-q", "agent/one"]);
    let inside = Inside {
        folder: inside,
        branch: "agent/one".into(),
        start: prepared.start,
    };
    inside.write("a", "changed\n");
    let tip = inside.commit("work");
    crate::world::receive(&work, &inside.bundle()).unwrap();
    assert_eq!(commit_of(&shallow, "refs/vivarium/one"), Some(tip));
    git_in(&shallow, &["fsck", "--strict"]);
}

#[test]
fn a_linked_work_tree_is_used_with_its_own_head() {
    let world = World::new();
    let linked = world.outside("allowed/linked");
    world.git(&[
        "worktree",
        "add",
        "-q",
        "-b",
        "side",
        linked.to_str().unwrap(),
    ]);
    fs::write(linked.join("new"), "new\n").unwrap();
    git_in(&linked, &["add", "-A"]);
    git_in(&linked, &["commit", "-q", "-m", "side"]);
    let workspace = world.whitelist().open(&linked).unwrap();
    let repository = Repository::open(&workspace).unwrap().unwrap();
    let (head, branch) = repository.head().unwrap();
    assert_eq!(Some(head), world.commit_of("side"));
    let branch = branch.unwrap();
    assert_eq!(branch.short(), "side");
    assert_eq!(
        repository.checked_out(&branch).unwrap(),
        Some(linked.clone())
    );
    let main = agents::git::RefName::branch("main").unwrap();
    assert_eq!(repository.checked_out(&main).unwrap(), Some(world.repo()));
    // If only the work tree is allowed, the repository isn't.
    let narrow = Whitelist::new([linked.clone()]);
    let error = Repository::open(&narrow.open(&linked).unwrap());
    assert!(matches!(error, Err(GitError::Unsupported { .. })));
}

#[test]
fn a_repository_in_a_folder_with_an_odd_name_is_used() {
    let world = World::new();
    let odd = world.outside("allowed/a:b \"c\" \\ d");
    git_in(
        &world.allowed(),
        &["clone", "-q", "repo", odd.to_str().unwrap()],
    );
    let workspace = world.whitelist().open(&odd).unwrap();
    let repository = Repository::open(&workspace).unwrap();
    let id = agents::git::WorkId::parse("one").unwrap();
    let git = agents::git::Git::find().unwrap();
    let work = agents::git::Work::open(git, &world.place("one"), id, repository).unwrap();
    let prepared = work.prepare(&workspace, &Prepare::default()).unwrap();
    let inside = Inside::clone_of(world.outside("inside"), &prepared);
    inside.write("a", "changed\n");
    let tip = inside.commit("work");
    crate::world::receive(&work, &inside.bundle()).unwrap();
    assert_eq!(commit_of(&odd, "refs/vivarium/one"), Some(tip));
}

#[test]
fn what_is_not_supported_is_said() {
    let empty = World::without_repository();
    empty.git(&["init", "-q"]);
    let error = empty.work("one").prepare(&empty.workspace(), &all());
    assert!(matches!(error, Err(GitError::NoCommit { .. })), "{error:?}");
    for words in [
        &["init", "-q", "--object-format=sha256"][..],
        &["init", "-q", "--bare"],
        &["init", "-q", "--ref-format=reftable"],
    ] {
        let world = World::without_repository();
        let made = crate::world::command(&world.repo())
            .args(words)
            .output()
            .unwrap();
        // Older versions of git don't have reftable.
        if !made.status.success() {
            continue;
        }
        let error = Repository::open(&world.workspace());
        assert!(
            matches!(error, Err(GitError::Unsupported { .. })),
            "{words:?}"
        );
    }
}

#[test]
fn more_than_is_taken_is_refused() {
    let world = World::new();
    for number in 0..20 {
        world.write(&format!("new{number}"), "12345");
    }
    let with = |limits: FolderLimits| Prepare { limits, ..all() };
    let usual = FolderLimits::default();
    for limits in [
        FolderLimits { names: 10, ..usual },
        FolderLimits { bytes: 50, ..usual },
        FolderLimits {
            file_bytes: 3,
            ..usual
        },
    ] {
        let error = world.work("one").prepare(&world.workspace(), &with(limits));
        let is_refused = matches!(error, Err(GitError::TooMuch { .. } | GitError::File { .. }));
        assert!(is_refused, "{limits:?}: {error:?}");
    }
    world.write("d/d/d/f", "x");
    let error = world.work("one").prepare(
        &world.workspace(),
        &with(FolderLimits { depth: 2, ..usual }),
    );
    assert!(matches!(error, Err(GitError::TooMuch { .. })), "{error:?}");
}
