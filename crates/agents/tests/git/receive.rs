//! What comes back from an agent that means no harm.

use std::{fs, os::unix::fs::PermissionsExt};

use agents::git::{GitError, IncomingLimits, Part, RefName};

use crate::world::{World, git_in, receive};

#[test]
fn commits_come_back_as_a_ref_and_nothing_else_changes() {
    let world = World::new();
    let (work, inside) = world.begin("one");
    world.write("b", "being edited\n");
    let before = world.contents();
    inside.write("a", "changed\n");
    inside.write("new/file", "new\n");
    let tip = inside.commit("work");
    let received = receive(&work, &inside.bundle()).unwrap();
    assert_eq!((received.tip, received.previous), (tip, None));
    assert_eq!(world.commit_of("refs/vivarium/one"), Some(tip));
    assert_eq!(work.tips().unwrap().work, Some(tip));
    let after = world.contents();
    let new: Vec<_> = after.iter().filter(|file| !before.contains(file)).collect();
    let names: Vec<String> = new
        .iter()
        .map(|(path, _)| {
            let path = path.strip_prefix(world.repo().join(".git")).unwrap();
            path.parent().unwrap().display().to_string()
        })
        .collect();
    assert_eq!(names, ["objects/pack", "objects/pack", "refs/vivarium"]);
    assert_eq!(after.len(), before.len() + 3);
    git_in(&world.repo(), &["fsck", "--strict", "--no-dangling"]);
    assert_eq!(world.git(&["show", "refs/vivarium/one:new/file"]), "new\n");
}

#[test]
fn later_commits_and_rewritten_ones_take_the_place_of_earlier_ones() {
    let world = World::new();
    let (work, inside) = world.begin("one");
    inside.write("a", "changed\n");
    let first = inside.commit("work");
    receive(&work, &inside.bundle()).unwrap();
    inside.write("a", "changed again\n");
    let second = inside.commit("more");
    // Only what is new since, as a thin pack.
    let output = crate::world::command(&inside.folder)
        .args(["bundle", "create", "-q", "-", "agent/one"])
        .arg(format!("^{first}"))
        .output()
        .unwrap();
    let received = receive(&work, &output.stdout).unwrap();
    assert_eq!((received.tip, received.previous), (second, Some(first)));
    inside.git(&["reset", "-q", "--hard", &inside.start.to_string()]);
    inside.write("b", "other\n");
    let other = inside.commit("instead");
    assert_eq!(
        receive(&work, &inside.bundle()).unwrap().previous,
        Some(second)
    );
    assert_eq!(world.commit_of("refs/vivarium/one"), Some(other));
    git_in(&world.repo(), &["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn what_is_not_committed_has_a_ref_of_its_own() {
    let world = World::new();
    let (work, inside) = world.begin("one");
    inside.write("a", "changed\n");
    let tip = inside.commit("work");
    receive(&work, &inside.bundle()).unwrap();
    inside.write("a", "unfinished\n");
    inside.git(&["checkout", "-q", "--detach"]);
    let wip = inside.commit("uncommitted");
    inside.git(&["update-ref", "refs/vivarium/wip", &wip.to_string()]);
    let bundle = inside.bundle_of("refs/vivarium/wip");
    let limits = IncomingLimits::default();
    work.receive(Part::Uncommitted, &mut bundle.as_slice(), &limits)
        .unwrap();
    assert_eq!(world.commit_of("refs/vivarium/one"), Some(tip));
    assert_eq!(world.commit_of("refs/vivarium/wip/one"), Some(wip));
    assert_eq!(work.tips().unwrap().uncommitted, Some(wip));
}

#[test]
fn what_was_uncommitted_at_the_start_comes_back_below_the_work() {
    let world = World::new();
    world.write("a", "uncommitted\n");
    let work = world.work("one");
    let wanted = agents::git::Prepare {
        uncommitted: true,
        ..agents::git::Prepare::default()
    };
    let prepared = work.prepare(&world.workspace(), &wanted).unwrap();
    assert_ne!(Some(prepared.start), prepared.base);
    let inside = crate::world::Inside::clone_of(world.outside("inside"), &prepared);
    inside.write("b", "changed\n");
    let tip = inside.commit("work");
    receive(&work, &inside.bundle()).unwrap();
    assert_eq!(world.commit_of("refs/vivarium/one"), Some(tip));
    assert_eq!(world.commit_of("refs/vivarium/one~1"), Some(prepared.start));
    git_in(&world.repo(), &["fsck", "--strict", "--no-dangling"]);
}

#[test]
fn discarded_work_leaves_no_ref_and_no_file_of_ours() {
    let world = World::new();
    let (work, inside) = world.begin("one");
    inside.write("a", "changed\n");
    inside.commit("work");
    receive(&work, &inside.bundle()).unwrap();
    // As `git gc` leaves refs.
    world.git(&["pack-refs", "--all"]);
    work.discard().unwrap();
    assert_eq!(world.commit_of("refs/vivarium/one"), None);
    assert!(world.commit_of("main").is_some());
    assert!(!world.place("one").exists());
    // Once more, with nothing received.
    let (work, _) = world.begin("two");
    work.discard().unwrap();
}

#[test]
fn what_is_ours_is_private_and_nothing_unchecked_stays() {
    let world = World::new();
    let (work, inside) = world.begin("one");
    inside.write("a", "changed\n");
    inside.commit("work");
    receive(&work, &inside.bundle()).unwrap();
    receive(&work, b"no bundle").unwrap_err();
    let mode = fs::metadata(world.place("one"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o700);
    let left: Vec<String> = fs::read_dir(world.place("one"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("incoming-") || name.starts_with("outgoing-"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    // No mark that keeps a pack from `git gc` for good.
    let packs = world.repo().join(".git/objects/pack");
    let marks = fs::read_dir(packs).unwrap().filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().ends_with(".keep")
    });
    assert_eq!(marks.count(), 0);
}

#[test]
fn a_ref_that_another_process_writes_is_left_alone() {
    let world = World::new();
    let (work, inside) = world.begin("one");
    inside.write("a", "changed\n");
    inside.commit("work");
    let lock = world.repo().join(".git/refs/vivarium/one.lock");
    fs::create_dir_all(lock.parent().unwrap()).unwrap();
    fs::write(&lock, "").unwrap();
    let error = receive(&work, &inside.bundle()).unwrap_err();
    assert!(matches!(error, GitError::RefLocked(_)), "{error}");
    let failure = wire::failure::Failure::from(error);
    assert!(failure.cause.is_some() && failure.next.is_some());
    assert!(lock.exists());
    assert_eq!(world.commit_of("refs/vivarium/one"), None);
    fs::remove_file(&lock).unwrap();
    receive(&work, &inside.bundle()).unwrap();
    assert!(
        world
            .commit_of(RefName::parse("refs/vivarium/one").unwrap().as_str())
            .is_some()
    );
}

#[test]
fn a_base_that_the_person_has_lost_is_an_error_and_no_broken_ref() {
    let world = World::new();
    let (work, inside) = world.begin("one");
    inside.write("a", "changed\n");
    inside.commit("work");
    let bundle = inside.bundle();
    world.git(&["checkout", "-q", "--orphan", "other"]);
    world.git(&["commit", "-q", "-m", "all in one"]);
    world.git(&["branch", "-q", "-D", "main"]);
    world.git(&["reflog", "expire", "--expire=now", "--all"]);
    world.git(&["gc", "-q", "--prune=now"]);
    receive(&work, &bundle).unwrap_err();
    // With everything in it, but for what is taken to be the person's.
    let whole = crate::world::command(&inside.folder)
        .args(["bundle", "create", "-q", "-", "agent/one"])
        .output()
        .unwrap();
    let error = receive(&work, &whole.stdout).unwrap_err();
    assert!(matches!(error, GitError::CommitMissing(_)), "{error}");
    assert_eq!(world.commit_of("refs/vivarium/one"), None);
}

#[test]
fn a_pack_in_the_repository_that_is_not_what_its_name_says_is_noticed() {
    let world = World::new();
    let (work, inside) = world.begin("one");
    inside.write("a", "changed\n");
    inside.commit("work");
    let bundle = inside.bundle();
    receive(&work, &bundle).unwrap();
    world.git(&["update-ref", "-d", "refs/vivarium/one"]);
    let packs = world.repo().join(".git/objects/pack");
    for entry in fs::read_dir(packs).unwrap() {
        let path = entry.unwrap().path();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&path, "something else").unwrap();
    }
    let error = receive(&work, &bundle).unwrap_err();
    assert!(matches!(error, GitError::Unsupported { .. }), "{error}");
    assert_eq!(world.commit_of("refs/vivarium/one"), None);
}
