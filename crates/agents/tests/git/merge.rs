//! What becomes of an agent's work in the person's repository.

use std::{fs, path::Path};

use agents::git::{
    GitError, MergeOutcome, MergeRequest, MergeStyle, Merged, MissingBranch, ObjectId, Part,
    RefName, Signature, Work,
};

use crate::world::{Inside, World, git_in, receive};

fn person() -> Signature {
    Signature::new("A Person", "person@localhost")
}

fn request(into: &str, reviewed: ObjectId, style: MergeStyle) -> MergeRequest {
    MergeRequest {
        part: Part::Commits,
        reviewed,
        into: RefName::branch(into).unwrap(),
        missing: MissingBranch::Refuse,
        style,
        author: person(),
        message: "Merge the agent's work".into(),
    }
}

/// An agent's work that changed `a`, and a branch `side` where the person is not.
fn ready(world: &World) -> (Work, Inside, ObjectId) {
    world.git(&["branch", "side"]);
    let (work, inside) = world.begin("one");
    inside.write("a", "changed by the agent\n");
    let tip = inside.commit("work");
    receive(&work, &inside.bundle()).unwrap();
    (work, inside, tip)
}

/// A commit on `side`, made elsewhere.
fn commit_on_side(world: &World, path: &str, text: &str) -> ObjectId {
    let tree = world.outside("side-tree");
    world.git(&["worktree", "add", "-q", tree.to_str().unwrap(), "side"]);
    fs::write(tree.join(path), text).unwrap();
    git_in(&tree, &["add", "-A"]);
    git_in(&tree, &["commit", "-q", "-m", "on side"]);
    world.git(&["worktree", "remove", tree.to_str().unwrap()]);
    world.commit_of("side").unwrap()
}

fn merged(outcome: MergeOutcome) -> Merged {
    match outcome {
        MergeOutcome::Merged(merged) => merged,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_branch_without_commits_of_its_own_is_moved_and_can_be_moved_back() {
    let world = World::new();
    let (work, _, tip) = ready(&world);
    let before = world.commit_of("side").unwrap();
    world.write("a", "being edited\n");
    let style = MergeStyle::FastForward;
    let made = merged(work.merge(&request("side", tip, style)).unwrap());
    assert_eq!((made.old, made.new), (Some(before), tip));
    assert_eq!(world.commit_of("side"), Some(tip));
    let log = world.git(&["reflog", "-1", "--format=%gs|%gn", "side"]);
    assert_eq!(log.trim(), "vivarium: merge agent one|A Person");
    let again = work.merge(&request("side", tip, style)).unwrap();
    assert_eq!(again, MergeOutcome::UpToDate);
    work.undo(&made, &person()).unwrap();
    assert_eq!(world.commit_of("side"), Some(before));
    // Once undone, it isn't what the undo expects.
    let error = work.undo(&made, &person()).unwrap_err();
    assert!(matches!(error, GitError::RefMoved { .. }));
    assert_eq!(
        fs::read_to_string(world.repo().join("a")).unwrap(),
        "being edited\n"
    );
}

#[test]
fn two_sides_are_merged_by_a_commit_or_as_one() {
    let world = World::new();
    let (work, _, tip) = ready(&world);
    let own = commit_on_side(&world, "b", "changed on side\n");
    let made = merged(
        work.merge(&request("side", tip, MergeStyle::FastForward))
            .unwrap(),
    );
    let shown = world.git(&["log", "-1", "--format=%P|%an|%ae|%cn|%s", "side"]);
    let expected = format!("{own} {tip}|A Person|person@localhost|A Person|Merge the agent's work");
    assert_eq!(shown.trim(), expected);
    assert_eq!(world.git(&["show", "side:a"]), "changed by the agent\n");
    assert_eq!(world.git(&["show", "side:b"]), "changed on side\n");
    git_in(&world.repo(), &["fsck", "--strict", "--no-dangling"]);
    work.undo(&made, &person()).unwrap();
    merged(
        work.merge(&request("side", tip, MergeStyle::Squash))
            .unwrap(),
    );
    let shown = world.git(&["log", "-1", "--format=%P", "side"]);
    assert_eq!(shown.trim(), own.to_string());
    assert_eq!(world.git(&["show", "side:a"]), "changed by the agent\n");
}

#[test]
fn conflicts_are_told_per_file_and_nothing_is_written() {
    let world = World::new();
    world.write("gone", "x\n");
    world.commit("third");
    world.git(&["branch", "side"]);
    let (work, inside) = world.begin("one");
    inside.write("a", "changed by the agent\n");
    inside.write("fine", "new\n");
    fs::remove_file(inside.folder.join("gone")).unwrap();
    let tip = inside.commit("work");
    receive(&work, &inside.bundle()).unwrap();
    commit_on_side(&world, "a", "changed on side\n");
    commit_on_side(&world, "gone", "changed on side\n");
    let before = world.contents();
    let outcome = work
        .merge(&request("side", tip, MergeStyle::Commit))
        .unwrap();
    let MergeOutcome::Conflicts(conflicts) = outcome else {
        panic!("{outcome:?}");
    };
    let told: Vec<(String, &str)> = conflicts
        .iter()
        .map(|conflict| (conflict.path.to_string(), conflict.kinds[0].as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("a".to_owned(), "CONFLICT (contents)"),
            ("gone".to_owned(), "CONFLICT (modify/delete)"),
        ]
    );
    assert_eq!(world.contents(), before);
}

#[test]
fn a_branch_that_a_work_tree_is_on_is_refused_with_advice() {
    let world = World::new();
    let (work, _, tip) = ready(&world);
    let refused = |branch: &str, at: &Path| {
        let before = world.contents();
        let error = work
            .merge(&request(branch, tip, MergeStyle::FastForward))
            .unwrap_err();
        let is_expected = matches!(&error, GitError::CheckedOut { path, .. } if path == at);
        assert!(is_expected, "{error:?}");
        let failure = wire::failure::Failure::from(error);
        let next = format!("{:?}", failure.next.unwrap());
        assert!(next.contains("git merge refs/vivarium/one"), "{next}");
        assert_eq!(world.contents(), before);
    };
    refused("main", &world.repo());
    let linked = world.outside("linked");
    world.git(&["worktree", "add", "-q", linked.to_str().unwrap(), "side"]);
    refused("side", &linked);
    // A rebase has the branch, though its HEAD is detached.
    world.git(&["worktree", "remove", linked.to_str().unwrap()]);
    world.git(&["checkout", "-q", "--detach"]);
    let rebase = world.repo().join(".git/rebase-merge");
    fs::create_dir(&rebase).unwrap();
    fs::write(rebase.join("head-name"), "refs/heads/side\n").unwrap();
    refused("side", &world.repo());
    fs::remove_dir_all(&rebase).unwrap();
    merged(
        work.merge(&request("main", tip, MergeStyle::FastForward))
            .unwrap(),
    );
}

#[test]
fn a_branch_is_made_only_if_that_was_asked() {
    let world = World::new();
    let (work, _, tip) = ready(&world);
    let mut wanted = request("new/branch", tip, MergeStyle::FastForward);
    let error = work.merge(&wanted).unwrap_err();
    assert!(matches!(error, GitError::RefMissing(_)));
    wanted.missing = MissingBranch::Create;
    let made = merged(work.merge(&wanted).unwrap());
    assert_eq!((made.old, world.commit_of("new/branch")), (None, Some(tip)));
    work.undo(&made, &person()).unwrap();
    assert_eq!(world.commit_of("new/branch"), None);
    let mut clash = request("side/below", tip, MergeStyle::FastForward);
    clash.missing = MissingBranch::Create;
    let error = work.merge(&clash).unwrap_err();
    assert!(matches!(error, GitError::RefConflict { .. }), "{error}");
    world.git(&["pack-refs", "--all"]);
    let error = work.merge(&clash).unwrap_err();
    assert!(matches!(error, GitError::RefConflict { .. }), "{error}");
}

#[test]
fn what_was_not_reviewed_is_not_merged() {
    let world = World::new();
    let (work, inside, reviewed) = ready(&world);
    inside.write("a", "changed after the review\n");
    let tip = inside.commit("more");
    receive(&work, &inside.bundle()).unwrap();
    let before = world.commit_of("side");
    let error = work
        .merge(&request("side", reviewed, MergeStyle::FastForward))
        .unwrap_err();
    assert!(matches!(error, GitError::RefMoved { now: Some(now), .. } if now == tip));
    assert_eq!(world.commit_of("side"), before);
}

#[test]
fn a_branch_without_a_common_commit_is_an_error() {
    let world = World::new();
    let (work, _, tip) = ready(&world);
    let tree = world.outside("orphan");
    world.git(&["worktree", "add", "-q", "--detach", tree.to_str().unwrap()]);
    git_in(&tree, &["checkout", "-q", "--orphan", "alone"]);
    git_in(&tree, &["commit", "-q", "-m", "alone"]);
    world.git(&["worktree", "remove", "--force", tree.to_str().unwrap()]);
    let error = work
        .merge(&request("alone", tip, MergeStyle::Commit))
        .unwrap_err();
    assert!(matches!(error, GitError::Failed { .. }), "{error}");
}

#[test]
fn uncommitted_work_can_be_merged_too() {
    let world = World::new();
    let (work, inside, _) = ready(&world);
    inside.git(&["checkout", "-q", "--detach"]);
    inside.write("b", "unfinished\n");
    let wip = inside.commit("uncommitted");
    inside.git(&["update-ref", "refs/vivarium/wip", &wip.to_string()]);
    let bundle = inside.bundle_of("refs/vivarium/wip");
    let limits = agents::git::IncomingLimits::default();
    work.receive(Part::Uncommitted, &mut bundle.as_slice(), &limits)
        .unwrap();
    let mut wanted = request("side", wip, MergeStyle::FastForward);
    wanted.part = Part::Uncommitted;
    merged(work.merge(&wanted).unwrap());
    assert_eq!(world.commit_of("side"), Some(wip));
}

#[test]
fn a_folder_without_git_has_no_branches() {
    let world = World::without_repository();
    world.write("a", "one\n");
    let (work, inside) = world.begin("one");
    inside.write("a", "two\n");
    let tip = inside.commit("work");
    receive(&work, &inside.bundle()).unwrap();
    let error = work
        .merge(&request("main", tip, MergeStyle::FastForward))
        .unwrap_err();
    assert!(matches!(error, GitError::Invalid { .. }));
}
