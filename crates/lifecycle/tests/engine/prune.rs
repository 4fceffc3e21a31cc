//! Builds of one machine, one after another: no more stays than its spec keeps.

use std::path::Path;

use lifecycle::{CancellationToken, Dock, Machine, MachineOptions};

/// As the real one: two stages with the label that pruning goes by, and layers that change.
const DOCKERFILE: &str = "ARG BASE\nFROM ${BASE} AS builder\nLABEL vivarium.stage=NAME\n\
    COPY body/rootfs /built\nFROM scratch\nLABEL vivarium.stage=os\n\
    COPY --from=builder /built /\nCOPY body/rootfs /rootfs\n";

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
    std::fs::write(path, text).expect("written");
}

#[tokio::test]
async fn builds_do_not_pile_up() {
    if !super::wanted() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let instance = format!("vtest-prune-{}", std::process::id());
    let template = folder.path().join("template");
    write(
        &template,
        "body/Dockerfile",
        &DOCKERFILE.replace("NAME", &instance),
    );
    let options = MachineOptions {
        instance: Some(instance.clone()),
        home: Some(folder.path().join("home")),
        template: template.clone(),
        repo: None,
        overrides: vec!["generations_to_keep=2".into()],
    };
    let dock = Dock::connect().await.unwrap();
    let machine = Machine::load(&options).unwrap();
    let ours = format!("vivarium.instance={instance}");
    let ends_of_stages = format!("vivarium.stage={instance}");
    let cancel = CancellationToken::new();
    let (mut generations, mut ends) = (Vec::new(), Vec::new());
    for number in 0..6 {
        write(&template, "body/rootfs/number", &number.to_string());
        machine
            .build(&dock, false, &cancel, &mut |_| {})
            .await
            .unwrap();
        generations.push(dock.loose_images(&ours).await.unwrap().len());
        ends.push(dock.loose_images(&ends_of_stages).await.unwrap().len());
    }
    dock.remove_image(&format!("{instance}-os")).await.unwrap();
    for label in [&ours, &ends_of_stages] {
        for image in dock.loose_images(label).await.unwrap() {
            dock.remove_image(&image.id).await.unwrap();
        }
    }
    assert_eq!(generations, [0, 1, 2, 2, 2, 2]);
    // The three newest, and the one that the last build used.
    assert_eq!(ends, [1, 2, 3, 4, 4, 4]);
}
