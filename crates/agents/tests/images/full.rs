//! All tools, which takes long and fetches gigabytes: only with VIVARIUM_TEST_AGENTS=all.

use std::{collections::BTreeSet, process::Command};

use agents::{
    catalogue::{Catalogue, Conversation, Tool, Word, Words},
    images::{AgentImage, Ground, ImageSettings, ImageState, OwnDockerfile},
};
use containers::Engine;

use crate::{
    all_wanted, build, build_on,
    container::Container,
    docker, image_of, images, root, said, tool,
    turns::{Turns, found},
};

#[tokio::test]
async fn every_tool_is_built_or_says_why_not() {
    if !all_wanted() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let images = images(home.path(), ImageSettings::default());
    let engine = Engine::connect().await.unwrap();
    let catalogue = Catalogue::built_in();
    if !docker(&["image", "inspect", "debian:bookworm-slim"])
        .status
        .success()
    {
        // Aider's base.
        let script = root().join("docker/base/make-debian.sh");
        assert!(
            Command::new(script)
                .arg("debian:bookworm-slim")
                .status()
                .unwrap()
                .success()
        );
    }
    for (id, tool) in catalogue.tools() {
        match &tool.not_built {
            Some(reason) => eprintln!("{id}: not built here, because {reason}"),
            None => drop(build(&images, &engine, &AgentImage::Tool(id.clone())).await),
        }
    }
    for listed in images.list(&engine, &catalogue).await.unwrap() {
        match listed.state {
            ImageState::Present {
                size_bytes, update, ..
            } => {
                assert_eq!(update, None, "{}", listed.tool);
                eprintln!("{}: {} MB", listed.name, size_bytes / 1_000_000);
            }
            ImageState::NotBuilt { .. } => {}
            ImageState::Missing => panic!("{}", listed.tool),
        }
    }
    let mut unknown = Vec::new();
    for (id, tool) in catalogue.tools() {
        let ground = tool.base.as_deref().is_none();
        if tool.package.is_some() && ground {
            unknown.extend(unknown_options(&image_of(id.as_str()), tool));
        }
    }
    assert_eq!(unknown, Vec::<String>::new());
    build(&images, &engine, &AgentImage::All).await;
    let all = image_of("all");
    eprintln!(
        "{all}: {} bytes",
        said(&["image", "inspect", "--format", "{{.Size}}", &all])
    );
    opencode_does_what_it_is_asked();
}

/// Options that the catalogue gives a tool and its own help doesn't know.
fn unknown_options(image: &str, tool: &Tool) -> Vec<String> {
    let container = Container::start(&["--network", "none"], image, &[]);
    let literal = |words: &Words| -> Vec<String> {
        let literal = words.iter().filter_map(|word| match word {
            Word::Literal(text) => Some(text.clone()),
            _ => None,
        });
        literal.collect()
    };
    let mut unknown = Vec::new();
    for words in [&tool.interactive, &tool.unattended].into_iter().flatten() {
        let unattended = Some(words) == tool.unattended.as_ref();
        let own = literal(words);
        let commands: Vec<_> = own
            .iter()
            .take_while(|word| !word.starts_with('-'))
            .collect();
        let mut options: BTreeSet<String> = own.iter().cloned().collect();
        for mode in &tool.modes {
            if !mode.unattended_only || unattended {
                options.extend(literal(&mode.arguments));
            }
        }
        if unattended {
            options.extend(
                tool.output
                    .iter()
                    .flat_map(|output| literal(&output.arguments)),
            );
        }
        let session = match (&tool.unattended_session, unattended) {
            (Some(session), true) => session,
            _ => &tool.session,
        };
        for words in [&session.new, &session.resume, &session.last]
            .into_iter()
            .flatten()
        {
            // Those that begin with a command have options of their own.
            if words[0].as_str().starts_with('-') {
                options.extend(literal(words));
            }
        }
        let mut command = vec![tool.binary.as_str()];
        command.extend(commands.iter().map(|word| word.as_str()));
        command.push("--help");
        let output = container.exec(&[], &command);
        let help = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let known = |option: &str| help.contains(option);
        let missing = options
            .into_iter()
            .filter(|option| option.starts_with('-') && !known(option));
        unknown.extend(missing.map(|option| format!("{} {option}", command.join(" "))));
    }
    unknown
}

fn opencode_does_what_it_is_asked() {
    let turns = Turns::start("opencode");
    turns.write(
        "/home/agent/.config/opencode/opencode.json",
        r#"{"$schema": "https://opencode.ai/config.json", "autoupdate": false, "model": "scripted/scripted",
            "provider": {"scripted": {"npm": "@ai-sdk/openai-compatible", "name": "scripted",
                "options": {"baseURL": "http://127.0.0.1:PORT/v1", "apiKey": "not-a-key"},
                "models": {"scripted": {"name": "scripted", "tool_call": true}}}}}"#,
    );
    let printed = turns.run(&[], Conversation::New);
    assert_eq!(turns.made(), "made by the tool", "{printed}");
    let id = found(&printed, |line| {
        Some(line["sessionID"].as_str()?.to_owned())
    });
    turns.run(&[], Conversation::Resume(id.parse().unwrap()));
    assert_eq!(turns.made(), "made by the tool\nonce more");
}

#[test]
fn the_image_for_graphics_cards_is_built_on_whichever_base_is_named() {
    if !all_wanted() {
        return;
    }
    // CUDA's image is in no registry that tests reach.
    let name = format!("{}-tmux-agents-base-gpu:latest", crate::INSTANCE);
    let copy = tempfile::tempdir().unwrap();
    crate::documents::context(copy.path());
    let docker = copy.path().join("docker");
    let file = docker.join("Dockerfile.gpu").display().to_string();
    let folder = docker.display().to_string();
    said(&[
        "build",
        "--build-arg",
        "CUDA_IMAGE=debian:trixie-slim",
        "-f",
        &file,
        "-t",
        &name,
        &folder,
    ]);
    let container = Container::start(&[], &name, &[]);
    container.until_logged("tmux session agent started");
    assert!(container.said(&["node", "--version"]).starts_with("v22."));
}

#[tokio::test]
async fn a_project_s_own_dockerfile_gets_the_tool_s_layers() {
    if !all_wanted() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let images = images(home.path(), ImageSettings::default());
    let engine = Engine::connect().await.unwrap();
    // A user of number 1000, and a path that login shells don't know.
    let text = "FROM debian:trixie-slim\n\
        RUN useradd --uid 1000 --create-home builder && mkdir -p /opt/toolchain/bin && \
        printf '#!/bin/sh\\necho toolchain\\n' >/opt/toolchain/bin/compile && chmod 0755 /opt/toolchain/bin/compile\n\
        ENV PATH=/opt/toolchain/bin:$PATH\nUSER builder\n";
    std::fs::write(home.path().join("Dockerfile"), text).unwrap();
    let file = OwnDockerfile::read(home.path(), "Dockerfile").unwrap();
    let ground = Ground::Dockerfile(file);
    let shell = AgentImage::Tool(tool("shell"));
    let (id, names) = build_on(&images, &engine, &shell, ground.clone()).await;
    let resolved = images
        .resolve(&engine, &Catalogue::built_in(), &tool("shell"), &ground)
        .await
        .unwrap();
    assert_eq!(resolved.id, id);
    {
        let container = Container::start(&[], &id, &[]);
        container.until_logged("tmux session agent started");
        assert_eq!(container.said(&["id", "-un"]), "agent");
        assert_eq!(container.said(&["bash", "-lc", "compile"]), "toolchain");
    }
    for name in names.iter().rev() {
        docker(&["rmi", name]);
    }
}
