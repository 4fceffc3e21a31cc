//! Several agents on one task: nothing is shared between them.

use agents::git::{
    DiffLimits, MergeOutcome, MergeRequest, MergeStyle, MissingBranch, Part, RefName, Signature,
};

use crate::world::{World, contents, receive};

#[test]
fn agents_on_one_repository_do_not_see_or_touch_each_other() {
    let world = World::new();
    world.git(&["branch", "side"]);
    let (one, in_one) = world.begin("one");
    let (two, in_two) = world.begin("two");
    in_one.write("a", "by one\n");
    let tip_one = in_one.commit("one");
    receive(&one, &in_one.bundle()).unwrap();
    let of_one = contents(&world.place("one"));
    in_two.write("a", "by two\n");
    let tip_two = in_two.commit("two");
    receive(&two, &in_two.bundle()).unwrap();
    assert_eq!(contents(&world.place("one")), of_one);
    assert_eq!(world.commit_of("refs/vivarium/one"), Some(tip_one));
    assert_eq!(world.commit_of("refs/vivarium/two"), Some(tip_two));
    let start = one.tips().unwrap().start.unwrap();
    assert_eq!(
        one.diff(start, tip_one, &DiffLimits::default())
            .unwrap()
            .files
            .len(),
        1
    );
    let merge = |reviewed| MergeRequest {
        part: Part::Commits,
        reviewed,
        into: RefName::branch("side").unwrap(),
        missing: MissingBranch::Refuse,
        style: MergeStyle::Commit,
        author: Signature::default(),
        message: "merge".into(),
    };
    assert!(matches!(
        one.merge(&merge(tip_one)).unwrap(),
        MergeOutcome::Merged(_)
    ));
    // One can't have the other's work merged as its own.
    assert!(two.merge(&merge(tip_one)).is_err());
    assert!(matches!(
        two.merge(&merge(tip_two)).unwrap(),
        MergeOutcome::Conflicts(_)
    ));
    one.discard().unwrap();
    assert_eq!(world.commit_of("refs/vivarium/one"), None);
    assert_eq!(world.commit_of("refs/vivarium/two"), Some(tip_two));
    two.diff(start, tip_two, &DiffLimits::default()).unwrap();
}

#[test]
fn agents_that_send_at_once_both_arrive() {
    let world = World::new();
    let agents: Vec<_> = ["one", "two", "three", "four"]
        .map(|id| {
            let (work, inside) = world.begin(id);
            inside.write("a", &format!("by {id}\n"));
            let tip = inside.commit(id);
            (id, work, inside.bundle(), tip)
        })
        .into();
    std::thread::scope(|scope| {
        for (_, work, bundle, _) in &agents {
            scope.spawn(move || receive(work, bundle).unwrap());
        }
    });
    for (id, _, _, tip) in &agents {
        assert_eq!(world.commit_of(&format!("refs/vivarium/{id}")), Some(*tip));
    }
    world.git(&["fsck", "--strict", "--no-dangling"]);
}
