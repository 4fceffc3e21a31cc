//! Candidates that are not well, and new machines that don't come up in their place: the machine stays
//! as it is.

#![allow(clippy::unwrap_used)]

use wire::{
    evolve::{GenerationState, RunState, StepName},
    failure::FailureCode,
};

use crate::evolving::{Tiny, body, failed_at, machine};

/// What a machine and its proof do that are not well, the step that fails, and words of why; one of
/// several where a `|` stands.
type Wrong<'a> = (&'a str, &'a str, StepName, &'a str);

const NOT_IN_PLACE: &str = "if (!candidate()) { exit 5 }";

/// Each of these leaves the machine as it is.
async fn are_undone(name: &str, overrides: &[&str], cases: &[Wrong<'_>]) -> Tiny {
    let tiny = Tiny::up(name, overrides).await;
    for (boot, prove, step, words) in cases {
        let what = format!("{boot}{prove}");
        tiny.edit("body/rootfs/usr/local/bin/machine", &machine(boot));
        tiny.edit("body/rootfs/usr/local/bin/body", &body(prove));
        tiny.edit("body/rootfs/version", "2");
        let run = tiny.evolve().await;
        assert_eq!(run.state, RunState::Undone, "{what}: {run:?}");
        let (at, why) = failed_at(&run);
        assert_eq!(at, *step, "{what}: {why}");
        assert!(
            words.split('|').any(|word| why.contains(word)),
            "{what}: {why}"
        );
        tiny.is_whole("1", &what).await;
    }
    tiny
}

#[tokio::test]
async fn what_is_wrong_with_a_candidate_leaves_the_machine_as_it_is() {
    if !super::wanted() {
        return;
    }
    let cases: [Wrong; 4] = [
        (
            "if (candidate()) { exit 3 }",
            "",
            StepName::Prove,
            "exited with code 3",
        ),
        (
            "",
            "print 'no proof'; exit 0;",
            StepName::Prove,
            "not valid",
        ),
        (
            "",
            r#"say_('{"ok":false,"checks":[{"name":"mcp linux","ok":false,"detail":"no tools","took_ms":1}]}');"#,
            StepName::Prove,
            "mcp linux: no tools",
        ),
        (NOT_IN_PLACE, "", StepName::Settle, "exited"),
    ];
    let tiny = are_undone("broken", &[], &cases).await;
    tiny.edit("body/Dockerfile", "ARG BASE\nFROM ${BASE}\nRUN false\n");
    let run = tiny.evolve().await;
    assert_eq!(run.state, RunState::Undone);
    assert_eq!(run.failure.unwrap().code, FailureCode::BuildFailed);
    tiny.is_whole("1", "after a broken Dockerfile").await;
    let all = tiny.machine().generations(&tiny.engine).await.unwrap();
    let good = all
        .generations
        .iter()
        .filter(|one| one.state == GenerationState::Good);
    assert_eq!(good.map(|one| one.number).collect::<Vec<_>>(), [1]);
    tiny.tidy().await;
}

#[tokio::test]
async fn so_does_a_candidate_that_dies_a_moment_later() {
    if !super::wanted() {
        return;
    }
    let dies = "if (candidate()) { alarm 2; $SIG{ALRM} = sub { exit 4 } }";
    let dies_in_place = "if (!candidate()) { alarm 2; $SIG{ALRM} = sub { exit 6 } }";
    let cases: [Wrong; 2] = [
        (dies, "", StepName::Prove, "exited"),
        (dies_in_place, "", StepName::Settle, "exited|was healthy"),
    ];
    // Long after it died, also where the engine has much else to do.
    let steady = ["evolve.steady_s=10"];
    are_undone("dies-later", &steady, &cases).await.tidy().await;
}

#[tokio::test]
async fn so_does_one_whose_proof_has_no_end() {
    if !super::wanted() {
        return;
    }
    let cases: [Wrong; 2] = [
        (
            "if (candidate()) { sleep 600 }",
            "",
            StepName::Prove,
            "no response within 3 s",
        ),
        ("", "sleep 600;", StepName::Prove, "no response within 3 s"),
    ];
    let limit = ["evolve.prove_s=3"];
    are_undone("no-proof", &limit, &cases).await.tidy().await;
}

#[tokio::test]
async fn so_does_one_that_never_answers_in_its_place() {
    if !super::wanted() {
        return;
    }
    // Long enough for the old machine to come back on a busy computer.
    let cases: [Wrong; 1] = [(
        "if (!candidate()) { sleep 600 }",
        "",
        StepName::Settle,
        "after 20 s",
    )];
    let limit = ["evolve.settle_s=20"];
    are_undone("never", &limit, &cases).await.tidy().await;
}

/// What runs in a container before PID 1 gave the machine's user its id has another one, and the
/// supervisor's socket refuses it for as long as it runs. On a busy computer that was the proof.
#[tokio::test]
async fn a_candidate_proves_itself_when_its_user_has_its_id() {
    if !super::wanted() {
        return;
    }
    let tiny = Tiny::up("late-user", &[]).await;
    let enters = "if (candidate()) { select(undef, undef, undef, 1.5); open(my $f, '>', '/tmp/entered'); close $f }";
    let before = r#"if ($ENV{VIVARIUM_CANDIDATE} && !-e "/tmp/entered") { exit 7 }"#;
    let denied = r#"-e "/tmp/entered" or say_('{"ok":false,"checks":[{"name":"kernel","ok":false,"detail":"Permission denied","took_ms":1}]}');"#;
    let call = format!("{before}\nmy ($name)");
    tiny.edit("body/rootfs/usr/local/bin/machine", &machine(enters));
    let program = body(denied).replace("my ($name)", &call);
    tiny.edit("body/rootfs/usr/local/bin/body", &program);
    tiny.edit("body/rootfs/version", "2");
    let run = tiny.evolve().await;
    assert_eq!(run.state, RunState::Good, "{run:?}");
    tiny.is_whole("2", "after a late user").await;
    tiny.tidy().await;
}
