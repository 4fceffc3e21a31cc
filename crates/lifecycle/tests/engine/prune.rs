//! Builds of one machine, one after another: no more stays than its spec keeps.

use containers::LooseImage;
use lifecycle::{CancellationToken, Engine};
use wire::machine::Progress;

use crate::tiny::TinyMachine;

/// As the real one: two stages with the label that pruning goes by, and layers that change.
const DOCKERFILE: &str = "ARG BASE\nFROM ${BASE} AS builder\nLABEL vivarium.stage=NAME\n\
    COPY body/rootfs /built\nFROM scratch\nLABEL vivarium.stage=os vivarium.test=NAME\n\
    COPY --from=builder /built /\nCOPY body/rootfs /rootfs\n";

#[tokio::test]
async fn builds_do_not_pile_up() {
    if !super::wanted() {
        return;
    }
    let engine = Engine::connect().await.unwrap();
    let tiny = TinyMachine::new("prune", DOCKERFILE, &["generations_to_keep=2"]);
    // Podman sets the build's labels on the ends of all stages, so the stage tells.
    let loose = async |stage: &str| {
        let label = format!("vivarium.stage={stage}");
        let images = engine.loose_images(&label).await.unwrap();
        let ours = |image: &&LooseImage| {
            let of = image.labels.get("vivarium.instance");
            stage != "os" || of == Some(&tiny.instance)
        };
        images.iter().filter(ours).count()
    };
    let cancel = CancellationToken::new();
    let (mut generations, mut ends) = (Vec::new(), Vec::new());
    for number in 0..6 {
        tiny.write("body/rootfs/number", &number.to_string());
        let mut told = false;
        let mut tell = |progress| {
            told |= matches!(progress, Progress::Line { text } if text.starts_with("The last build took"));
        };
        let built = tiny.machine.build(&engine, false, &cancel, &mut tell).await;
        built.unwrap();
        assert_eq!(told, number > 0, "build {number}");
        generations.push(loose("os").await);
        ends.push(loose(&tiny.instance).await);
    }
    tiny.tidy(&engine).await;
    if engine.is_podman() {
        // Its cache counts too.
        assert!(
            generations[5] <= 2 && ends[5] <= 5,
            "{generations:?} {ends:?}"
        );
        return;
    }
    assert_eq!(generations, [0, 1, 2, 2, 2, 2]);
    // The three newest, and the one that the last build used; where two builds fall into one second,
    // which one that is is not told apart.
    assert!(ends.iter().all(|count| *count <= 4), "{ends:?}");
}
