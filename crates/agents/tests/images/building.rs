//! What the builds make.

use agents::{
    catalogue::Catalogue,
    images::{AgentImage, Ground, ImageSettings, ImageState, Trust},
};
use containers::Engine;

use crate::{
    base_image, build, container::Container, docker, image_of, images, said, tool, wanted,
};

/// The most that the base may take on the disk.
const BASE_BYTES: u64 = 300_000_000;

#[tokio::test]
async fn the_images_are_built() {
    if !wanted() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let images = images(home.path(), ImageSettings::default());
    let engine = Engine::connect().await.unwrap();
    for name in ["shell", "claude", "codex"] {
        let image = AgentImage::Tool(tool(name));
        let (id, phases) = build(&images, &engine, &image).await;
        assert!(phases.contains(&image_of(name)), "{phases:?}");
        assert!(images.may_hold_logins(&id).unwrap());
        // What is up to date isn't built again.
        assert_eq!(
            build(&images, &engine, &image).await,
            (id.clone(), Vec::new())
        );
        let resolved = images
            .resolve(&engine, &Catalogue::built_in(), &tool(name), &Ground::Usual)
            .await
            .unwrap();
        assert_eq!((resolved.id, resolved.trust), (id, Trust::BuiltHere));
    }
    let listed = images.list(&engine, &Catalogue::built_in()).await.unwrap();
    let state = |name: &str| {
        &listed
            .iter()
            .find(|one| one.tool == tool(name))
            .unwrap()
            .state
    };
    let ImageState::Present {
        version,
        update: None,
        size_bytes,
        ..
    } = state("claude")
    else {
        panic!("{:?}", state("claude"));
    };
    assert_eq!(version.as_deref(), Some("2.1.332"));
    eprintln!("ai-claude: {} MB", size_bytes / 1_000_000);
    assert!(matches!(state("jules"), ImageState::NotBuilt { .. }));
    // With another pin in a person's file there is an update.
    let file = Catalogue::file(&home.path().join("config"));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, "[tool.claude.package]\nversion = \"2.1.400\"\n").unwrap();
    let catalogue = Catalogue::load(&home.path().join("config"));
    let listed = images.list(&engine, &catalogue).await.unwrap();
    let claude = listed
        .into_iter()
        .find(|one| one.tool == tool("claude"))
        .unwrap();
    let ImageState::Present { update, .. } = claude.state else {
        panic!("{:?}", claude.state);
    };
    assert_eq!(update.unwrap().as_str(), "2.1.400");
    // Another installation built none of them: no log-ins for those.
    let other = tempfile::tempdir().unwrap();
    let other = crate::images(other.path(), ImageSettings::default());
    let resolved = other
        .resolve(&engine, &catalogue, &tool("claude"), &Ground::Usual)
        .await
        .unwrap();
    assert_eq!(resolved.trust, Trust::Unknown);
    assert!(!other.may_hold_logins(&resolved.id).unwrap());
}

#[test]
fn the_base_is_small_and_has_what_it_promises() {
    if !wanted() {
        return;
    }
    let base = base_image();
    let size: u64 = said(&["image", "inspect", "--format", "{{.Size}}", &base])
        .parse()
        .unwrap();
    eprintln!("tmux-agents-base: {} MB", size / 1_000_000);
    assert!(size <= BASE_BYTES, "{size} bytes");
    let container = Container::start(&["--network", "none"], &base, &[]);
    for program in [
        "tmux -V",
        "git --version",
        "curl --version",
        "jq --version",
        "npm --version",
    ] {
        container.said(&program.split(' ').collect::<Vec<_>>());
    }
    assert!(container.said(&["node", "--version"]).starts_with("v22."));
    assert_eq!(container.said(&["id", "-un"]), "agent");
    assert_eq!(container.said(&["sh", "-c", "cd; pwd"]), "/home/agent");
    // All that is in the home is its user's, or a tool can't keep its files there.
    let anothers = "find /home/agent /workspace ! -user agent";
    assert_eq!(container.said(&["sh", "-c", anothers]), "");
    container.said(&["test", "-d", "/home/agent/.config"]);
    assert_eq!(
        container
            .said(&["git", "init", "/workspace/a"])
            .lines()
            .count(),
        1
    );
    // Programs that root installed are found in a login shell too.
    assert_eq!(
        container.said(&["bash", "-lc", "command -v node"]),
        "/usr/local/bin/node"
    );
}

#[test]
fn tools_images_have_their_tool_and_what_tools_call() {
    if !wanted() {
        return;
    }
    for (name, binary, version) in [
        ("shell", "bash", ""),
        ("claude", "claude", "2.1.332"),
        ("codex", "codex", "0.171.0"),
    ] {
        let image = image_of(name);
        let container = Container::start(&["--network", "none"], &image, &[]);
        assert!(
            container.said(&[binary, "--version"]).contains(version),
            "{name}"
        );
        for program in ["bun", "uv", "python3", "rg"] {
            container.said(&[program, "--version"]);
        }
        assert_eq!(container.said(&["id", "-un"]), "agent");
        let volumes = said(&[
            "image",
            "inspect",
            "--format",
            "{{json .Config.Volumes}}",
            &image,
        ]);
        assert_eq!(volumes, "{\"/workspace\":{}}");
        container.said(&["touch", "/workspace/a"]);
    }
}

#[test]
fn no_certificate_of_the_build_reaches_an_image() {
    if !wanted() {
        return;
    }
    for image in [base_image(), image_of("claude")] {
        let words = [
            "run",
            "--rm",
            "--entrypoint",
            "sh",
            &image,
            "-c",
            "ls -d /build-ca /build /root/.npm 2>/dev/null",
        ];
        assert_eq!(
            String::from_utf8_lossy(&docker(&words).stdout),
            "",
            "{image}"
        );
    }
}
