use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::Read,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use containers::Image;
use wire::failure::Failure;

use super::*;
use crate::catalogue::{Catalogue, ToolId};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn tool(name: &str) -> ToolId {
    name.parse().unwrap()
}

fn images(home: &Path, settings: ImageSettings) -> Images {
    Images::new(
        &root(),
        &home.join("config"),
        &home.join("data"),
        None,
        settings,
    )
}

fn settings(variables: &[(&str, &str)]) -> Result<ImageSettings, ImageError> {
    ImageSettings::read(|name| {
        let found = variables.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn names_of(images: &Images, image: &AgentImage, ground: &Ground) -> Vec<String> {
    let steps = images.steps(&Catalogue::built_in(), image, ground).unwrap();
    steps.into_iter().map(|step| step.name).collect()
}

/// An image as a registry may have made it.
fn image(user: &str, architecture: &str) -> Image {
    Image {
        id: "sha256:1".into(),
        labels: HashMap::new(),
        size_bytes: 1,
        volumes: Vec::new(),
        architecture: architecture.into(),
        user: user.into(),
        digests: Vec::new(),
    }
}

#[test]
fn settings_are_the_environment_s() {
    assert_eq!(settings(&[]).unwrap(), ImageSettings::default());
    let local = settings(&[("AI_IMAGE_SOURCE", "local"), ("AI_RUN_PLATFORM", "")]);
    assert_eq!(local.unwrap(), ImageSettings::default());
    let of = |variables: &[(&str, &str)]| match settings(variables).unwrap().source {
        ImageSource::Registry { registry } => registry,
        ImageSource::Local => panic!("local"),
    };
    assert_eq!(
        of(&[("AI_IMAGE_SOURCE", "registry")]),
        "registry.gitlab.com/kokorolee/ai-sandbox-wrapper"
    );
    let own = [
        ("AI_IMAGE_SOURCE", "registry"),
        ("AI_IMAGE_REGISTRY", "localhost:5000/ai/"),
    ];
    assert_eq!(of(&own), "localhost:5000/ai");
    let arm = settings(&[("AI_RUN_PLATFORM", "linux/arm64")]).unwrap();
    assert_eq!(arm.platform, Some(Platform::Arm64));
}

#[test]
fn a_setting_that_can_not_be_used_is_named() {
    for (variables, told) in [
        (
            vec![("AI_IMAGE_SOURCE", "hub")],
            "AI_IMAGE_SOURCE is set to \"hub\": expected local or registry",
        ),
        (
            vec![("AI_RUN_PLATFORM", "linux/riscv64")],
            "AI_RUN_PLATFORM is set to \"linux/riscv64\": expected linux/amd64 or linux/arm64",
        ),
        (
            vec![
                ("AI_IMAGE_SOURCE", "registry"),
                ("AI_IMAGE_REGISTRY", "https://a.example"),
            ],
            "AI_IMAGE_REGISTRY is set to \"https://a.example\": expected a registry's host",
        ),
        (
            vec![
                ("AI_IMAGE_SOURCE", "registry"),
                ("AI_IMAGE_REGISTRY", "a.example/../x --y"),
            ],
            "AI_IMAGE_REGISTRY is set to",
        ),
    ] {
        let failure = Failure::from(settings(&variables).unwrap_err());
        assert!(failure.to_string().starts_with(told), "{failure}");
        assert!(failure.next.is_some());
    }
}

#[test]
fn a_tool_s_image_is_built_on_those_below_it() {
    let home = tempfile::tempdir().unwrap();
    let images = images(home.path(), ImageSettings::default());
    let claude = AgentImage::Tool(tool("claude"));
    assert_eq!(
        names_of(&images, &claude, &Ground::Usual),
        [
            "tmux-agents-base:latest",
            "ai-base:latest",
            "ai-claude:latest"
        ]
    );
    assert_eq!(
        names_of(&images, &claude, &Ground::Gpu),
        [
            "tmux-agents-base-gpu:latest",
            "ai-base:gpu",
            "ai-claude:gpu"
        ]
    );
    let all = names_of(&images, &AgentImage::All, &Ground::Usual);
    assert_eq!(all.len(), 2 + 11 + 1);
    assert_eq!(all.last().unwrap(), "ai-all:latest");
    // A tool's own base, unless a person chose another.
    let aider = AgentImage::Tool(tool("aider"));
    let own = names_of(&images, &aider, &Ground::Usual);
    assert!(own.iter().all(|name| name.contains(":own-")), "{own:?}");
    assert_eq!(
        own,
        names_of(
            &images,
            &aider,
            &Ground::Image("debian:bookworm-slim".into())
        )
    );
    assert_eq!(names_of(&images, &aider, &Ground::Gpu)[2], "ai-aider:gpu");
}

#[test]
fn a_project_s_own_image_gets_the_tool_s_layers() {
    let home = tempfile::tempdir().unwrap();
    let images = images(home.path(), ImageSettings::default());
    let workspace = home.path().join("workspace");
    fs::create_dir_all(workspace.join(".agent")).unwrap();
    fs::write(
        workspace.join(".agent/Dockerfile"),
        "FROM rust:1.95-slim-trixie\nRUN true\n",
    )
    .unwrap();
    let file = OwnDockerfile::read(&workspace, ".agent/Dockerfile").unwrap();
    let ground = Ground::Dockerfile(file);
    let claude = AgentImage::Tool(tool("claude"));
    let steps = images
        .steps(&Catalogue::built_in(), &claude, &ground)
        .unwrap();
    let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
    let tag = ground.tag();
    assert_eq!(
        names,
        [
            format!("ai-ground:{tag}"),
            format!("tmux-agents-base:{tag}"),
            format!("ai-base:{tag}"),
            format!("ai-claude:{tag}")
        ]
    );
    let below: Vec<_> = steps
        .iter()
        .map(|step| step.context.images_below(&step.args))
        .collect();
    assert_eq!(below[0], ["rust:1.95-slim-trixie"]);
    assert_eq!(
        below[1],
        ["debian:trixie-slim".to_owned(), format!("ai-ground:{tag}")]
    );
    assert_eq!(below[3], [format!("ai-base:{tag}")]);
    let version = ("VERSION".to_owned(), "2.1.332".to_owned());
    assert!(
        steps[3]
            .args
            .iter()
            .any(|(name, value)| (name, value) == (&version.0, &version.1))
    );
}

#[test]
fn a_dockerfile_of_a_workspace_is_read_without_following_links() {
    let home = tempfile::tempdir().unwrap();
    let outside = home.path().join("outside");
    let workspace = home.path().join("workspace");
    fs::create_dir_all(&workspace).unwrap();
    fs::create_dir_all(&outside).unwrap();
    fs::write(outside.join("Dockerfile"), "FROM scratch\n").unwrap();
    symlink(outside.join("Dockerfile"), workspace.join("link")).unwrap();
    symlink(&outside, workspace.join("folder")).unwrap();
    fs::write(workspace.join("large"), "#".repeat((64 << 10) + 1)).unwrap();
    fs::write(workspace.join("copies"), "FROM scratch\nCOPY . /\n").unwrap();
    fs::write(workspace.join("adds"), "FROM scratch\nadd x /\n").unwrap();
    let stages = "FROM scratch AS a\nFROM scratch\nCOPY --from=a / /\n";
    fs::write(workspace.join("stages"), stages).unwrap();
    for (path, told) in [
        ("link", ""),
        ("folder/Dockerfile", ""),
        ("../outside/Dockerfile", "the path leads elsewhere"),
        ("missing", "No such file"),
        ("large", "larger than 64 KiB"),
        ("copies", "line 2 copies files"),
        ("adds", "line 2 copies files"),
        ("", "the path leads elsewhere"),
    ] {
        let failure = Failure::from(OwnDockerfile::read(&workspace, path).unwrap_err());
        assert!(failure.cause.unwrap().contains(told), "{path}");
    }
    assert_eq!(
        OwnDockerfile::read(&workspace, "stages").unwrap().text(),
        stages
    );
}

#[test]
fn a_tool_that_is_not_built_is_refused_with_the_reason_unless_a_person_has_a_dockerfile() {
    let home = tempfile::tempdir().unwrap();
    let images = images(home.path(), ImageSettings::default());
    let jules = AgentImage::Tool(tool("jules"));
    let catalogue = Catalogue::built_in();
    let refused = images
        .steps(&catalogue, &jules, &Ground::Usual)
        .unwrap_err();
    let failure = Failure::from(refused);
    assert_eq!(failure.message, "No image is built for jules");
    assert!(
        failure
            .cause
            .unwrap()
            .contains("fetches the program from elsewhere")
    );
    let own = home.path().join("config/agents/jules");
    fs::create_dir_all(&own).unwrap();
    fs::write(
        own.join("Dockerfile"),
        "ARG BASE=ai-base:latest\nFROM ${BASE}\n",
    )
    .unwrap();
    let steps = images.steps(&catalogue, &jules, &Ground::Usual).unwrap();
    assert_eq!(steps[2].context.dockerfile, "agents/jules/Dockerfile");
}

#[test]
fn a_context_has_what_its_dockerfile_copies_and_is_the_same_each_time() {
    let home = tempfile::tempdir().unwrap();
    let images = images(home.path(), ImageSettings::default());
    let claude = AgentImage::Tool(tool("claude"));
    let packed = || {
        let context = images.recipes.context(&claude, &Ground::Usual).unwrap();
        let mut bytes = Vec::new();
        context
            .spool(home.path())
            .unwrap()
            .read_to_end(&mut bytes)
            .unwrap();
        bytes
    };
    let bytes = packed();
    assert_eq!(bytes, packed());
    let mut archive = tar::Archive::new(bytes.as_slice());
    let entries: BTreeMap<String, u32> = archive
        .entries()
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let path = entry.path().unwrap().display().to_string();
            (path, entry.header().mode().unwrap())
        })
        .filter(|(path, _)| !path.ends_with(".crt"))
        .collect();
    let names: Vec<_> = entries
        .iter()
        .map(|(path, mode)| format!("{path} {mode:o}"))
        .collect();
    assert_eq!(
        names,
        [
            "agents/ 755",
            "agents/claude/ 755",
            "agents/claude/Dockerfile 644",
            "agents/install-npm 755",
            "agents/install-pypi 755",
            "build-ca/ 755",
            "build-ca/.gitkeep 644",
        ]
    );
}

#[test]
fn a_digest_tells_of_each_input_but_certificates() {
    let home = tempfile::tempdir().unwrap();
    let template = home.path().join("template");
    let write = |path: &str, text: &str| {
        let path = template.join("docker").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("Dockerfile", "ARG BASE=a\nFROM ${BASE}\n");
    write("entry/agent-entrypoint", "1");
    write("build-ca/.gitkeep", "");
    let images = Images::new(
        &template,
        home.path(),
        home.path(),
        None,
        ImageSettings::default(),
    );
    let digest = |base: &str, below: &str| {
        let context = images
            .recipes
            .context(&AgentImage::Base, &Ground::Usual)
            .unwrap();
        let args = BTreeMap::from([("BASE".to_owned(), base.to_owned())]);
        context.digest(&args, &[below.to_owned()])
    };
    let first = digest("a", "sha256:1");
    assert_ne!(digest("b", "sha256:1"), first);
    assert_ne!(digest("a", "sha256:2"), first);
    write("build-ca/network.crt", "x");
    assert_eq!(digest("a", "sha256:1"), first);
    write("entry/agent-entrypoint", "2");
    assert_ne!(digest("a", "sha256:1"), first);
    // A link isn't followed, so that nothing of this computer gets into an image.
    fs::remove_file(template.join("docker/entry/agent-entrypoint")).unwrap();
    symlink(
        "/etc/passwd",
        template.join("docker/entry/agent-entrypoint"),
    )
    .unwrap();
    let context = images
        .recipes
        .context(&AgentImage::Base, &Ground::Usual)
        .unwrap();
    let mut bytes = Vec::new();
    context
        .spool(home.path())
        .unwrap()
        .read_to_end(&mut bytes)
        .unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains("root:"));
    fs::remove_file(template.join("docker/Dockerfile")).unwrap();
    images
        .recipes
        .context(&AgentImage::Base, &Ground::Usual)
        .unwrap_err();
}

#[test]
fn only_images_that_were_built_here_or_approved_may_hold_log_ins() {
    let home = tempfile::tempdir().unwrap();
    let images = images(home.path(), ImageSettings::default());
    let trust = |id: &str| images.records.trust(id).unwrap();
    assert_eq!(trust("sha256:1"), Trust::Unknown);
    images
        .records
        .built("ai-claude:latest", "sha256:1")
        .unwrap();
    images
        .records
        .approve("r/ai-claude:latest", "sha256:d", "sha256:2")
        .unwrap();
    assert_eq!(trust("sha256:1"), Trust::BuiltHere);
    assert_eq!(trust("sha256:2"), Trust::Approved);
    for (id, may) in [
        ("sha256:1", true),
        ("sha256:2", true),
        ("sha256:3", false),
        ("", false),
    ] {
        assert_eq!(images.may_hold_logins(id).unwrap(), may, "{id}");
    }
    // An approval is for one name, one digest and one image.
    let approved =
        |name: &str, digest: &str, id: &str| images.records.is_approved(name, digest, id).unwrap();
    assert!(approved("r/ai-claude:latest", "sha256:d", "sha256:2"));
    assert!(!approved("r/ai-codex:latest", "sha256:d", "sha256:2"));
    assert!(!approved("r/ai-claude:latest", "sha256:e", "sha256:2"));
    assert!(!approved("r/ai-claude:latest", "sha256:d", "sha256:4"));
    images.withdraw_approval("sha256:d").unwrap();
    assert!(!images.may_hold_logins("sha256:2").unwrap());
}

#[test]
fn records_are_private_and_a_damaged_file_trusts_nothing() {
    let home = tempfile::tempdir().unwrap();
    let images = images(home.path(), ImageSettings::default());
    images.records.built("a", "sha256:1").unwrap();
    let folder = home.path().join("data/agents");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("images.json")), 0o600);
    // Nothing is left beside it but its lock.
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    for damaged in ["", "{", "{\"built\": 1}"] {
        fs::write(folder.join("images.json"), damaged).unwrap();
        images.may_hold_logins("sha256:1").unwrap_err();
        // What it held isn't overwritten.
        images.records.built("b", "sha256:2").unwrap_err();
        assert_eq!(
            fs::read_to_string(folder.join("images.json")).unwrap(),
            damaged
        );
    }
}

#[test]
fn records_of_two_processes_are_both_kept() {
    let home = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let images = images(home.path(), ImageSettings::default());
            scope.spawn(move || {
                for number in 0..10 {
                    images
                        .records
                        .built("a", &format!("sha256:{writer}-{number}"))
                        .unwrap();
                }
            });
        }
    });
    let images = images(home.path(), ImageSettings::default());
    for writer in 0..4 {
        for number in 0..10 {
            assert!(
                images
                    .may_hold_logins(&format!("sha256:{writer}-{number}"))
                    .unwrap()
            );
        }
    }
}

#[test]
fn an_image_has_to_run_as_agent_on_the_platform_that_was_asked_for() {
    let home = tempfile::tempdir().unwrap();
    let arm = ImageSettings {
        platform: Some(Platform::Arm64),
        ..Default::default()
    };
    let images = images(home.path(), arm);
    images.check_image("a", &image("agent", "arm64")).unwrap();
    images
        .check_image("a", &image("agent:agent", "arm64"))
        .unwrap();
    for user in ["", "root", "0", "1000", "agentx", "root:agent"] {
        let failure = Failure::from(images.check_image("a", &image(user, "arm64")).unwrap_err());
        assert_eq!(
            failure.message, "Image a doesn't run as the user agent",
            "{user}"
        );
    }
    let failure = Failure::from(
        images
            .check_image("a", &image("agent", "amd64"))
            .unwrap_err(),
    );
    assert_eq!(failure.message, "Image a is for amd64, not for linux/arm64");
}

#[test]
fn a_platform_without_the_helper_is_refused_with_the_reason() {
    Platform::Amd64.check_helper(&[Platform::Amd64]).unwrap();
    let failure = Failure::from(
        Platform::Arm64
            .check_helper(&[Platform::Amd64])
            .unwrap_err(),
    );
    assert_eq!(failure.message, "Agents can't run on linux/arm64");
    let cause = failure.cause.unwrap();
    assert!(cause.ends_with("is there for linux/amd64 only"), "{cause}");
    Platform::Arm64.check_helper(&[]).unwrap_err();
}

#[test]
fn an_update_is_available_if_the_image_has_another_version_than_the_pin() {
    let catalogue = Catalogue::built_in();
    let pinned = catalogue.tool(&tool("claude")).unwrap().pinned_version();
    assert_eq!(list::update(Some("2.1.332"), pinned), None);
    assert_eq!(list::update(Some("2.1.300"), pinned), pinned.cloned());
    assert_eq!(list::update(None, pinned), pinned.cloned());
    assert_eq!(list::update(None, None), None);
}
