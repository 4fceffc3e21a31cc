//! From its start to its end.

use agents::{AgentError, ToolSpec};
use wire::agent::{AgentState, KeepAgent, StartAgent};

use crate::{
    IMAGE, Site, docker, inside, made, made_with, plain, shell, soon, stands, tool, until, wanted,
};

#[tokio::test]
async fn an_agent_starts_stops_and_is_found_as_the_documents_say() {
    if !wanted() {
        return;
    }
    let (site, agents, id) = made("starts").await;
    let container = id.container();
    until("bash has a prompt", async || {
        agents
            .screen(&id)
            .await
            .is_ok_and(|screen| screen.contains("agent@agent:/workspace$"))
    })
    .await;
    let listed = docker(&[
        "ps",
        "--filter",
        "label=tmux-agents=true",
        "--format",
        "{{.Names}}",
    ]);
    assert!(listed.lines().any(|name| name == container), "{listed}");
    let sessions = docker(&[
        "exec",
        &container,
        "tmux",
        "list-sessions",
        "-F",
        "#{session_name}",
    ]);
    assert_eq!(sessions.trim(), "agent");
    let labels = docker(&["inspect", "-f", "{{json .Config.Labels}}", &container]);
    for label in [
        "tmux-agents.agent-id",
        "tmux-agents.session-name",
        "tmux-agents.ai-provider",
        "tmux-agents.created-at",
    ] {
        assert!(labels.contains(label), "{labels}");
    }
    // As `docker exec -it` does it, with a terminal of the engine's.
    let attach = format!("docker exec -it {container} tmux attach -t agent");
    let output = std::process::Command::new("timeout")
        .args(["5", "script", "-qec", &attach, "/dev/null"])
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let screen = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(screen.contains("agent@agent"), "{screen:?}");

    soon(agents.stop(&id, KeepAgent::All)).await.unwrap();
    let view = agents.get(&id).unwrap();
    assert_eq!(view.state, AgentState::Exited { code: None });
    assert!(view.resumable);
    assert!(matches!(
        agents.send(&id, "x").await,
        Err(AgentError::NotRunning { .. })
    ));
    let log = docker(&["logs", &container]);
    for line in [
        "agent: started",
        "agent: the tool runs",
        "agent: asked to stop",
        "agent: exited",
    ] {
        assert!(log.contains(line), "{line} in {log}");
    }
    assert_eq!(
        soon(agents.logs(&id, 100)).await.unwrap().join("\n").trim(),
        log.trim()
    );
    soon(agents.stop(&id, KeepAgent::Nothing)).await.unwrap();
    assert!(matches!(agents.get(&id), Err(AgentError::NotFound(_))));
    assert!(site.there(&["ps", "-a"]).is_empty());
    assert_eq!(site.there(&["volume", "ls"]).len(), 1, "the helper's");
}

#[tokio::test]
async fn what_an_agent_has_made_is_there_when_it_is_resumed_in_the_same_conversation() {
    if !wanted() {
        return;
    }
    let first = "echo first $1 >>~/ran; echo made-it >/workspace/file; sleep 1000";
    let resume = "echo resumed $1 >>~/ran; sleep 1000";
    let (_site, agents, id) = made_with("resumed", &tool("tool", first, resume)).await;
    let ran = async || inside(&agents, &id, "cat ~/ran /workspace/file").await;
    until("it ran", async || ran().await.contains("made-it")).await;
    let conversation = agents
        .get(&id)
        .unwrap()
        .conversation
        .expect("a conversation");
    let before = ran().await;
    assert!(
        before.contains(&format!("first {conversation}")),
        "{before}"
    );
    let view = soon(agents.restart(&id)).await.unwrap();
    assert!(view.state.is_live(), "{view:?}");
    let expected = format!("resumed {conversation}");
    until("it goes on", async || ran().await.contains(&expected)).await;
    assert!(ran().await.contains("made-it"));
}

#[tokio::test]
async fn one_that_is_paused_waits_and_goes_on() {
    if !wanted() {
        return;
    }
    let (_site, agents, id) = made("paused").await;
    soon(agents.pause(&id)).await.unwrap();
    assert_eq!(agents.get(&id).unwrap().state, AgentState::Paused);
    assert!(matches!(
        agents.send(&id, "x").await,
        Err(AgentError::Paused(_))
    ));
    soon(agents.resume(&id)).await.unwrap();
    assert_eq!(inside(&agents, &id, "echo on").await, "on");
    // By somebody else, and stopped while it is frozen.
    docker(&["pause", &id.container()]);
    stands(&agents, &id, "paused").await;
    soon(agents.stop(&id, KeepAgent::All)).await.unwrap();
    assert!(!agents.get(&id).unwrap().state.is_live());
}

#[tokio::test]
async fn a_tool_s_own_end_is_the_agent_s() {
    if !wanted() {
        return;
    }
    let (_site, agents, id) = made_with("ends", &tool("tool", "exit 3", "sleep 1000")).await;
    let view = stands(&agents, &id, "exited").await;
    assert_eq!(view.state, AgentState::Exited { code: Some(3) });
    let code = docker(&["inspect", "-f", "{{.State.ExitCode}}", &id.container()]);
    assert_eq!(code.trim(), "3");
}

#[tokio::test]
async fn what_cannot_start_leaves_nothing_behind_and_says_why() {
    if !wanted() {
        return;
    }
    let site = Site::new("refused");
    let agents = site.start().await;
    let refused = async |request: StartAgent, tool: &ToolSpec| {
        let started = soon(agents.spawn(&request, tool)).await;
        started.expect_err("it is refused").to_string()
    };
    let image = |image: &str| StartAgent {
        image: Some(image.into()),
        ..plain()
    };
    assert!(
        refused(image("vivarium-no-such-image"), &shell())
            .await
            .contains("not found")
    );
    let unfit = refused(image("debian:trixie-slim"), &shell()).await;
    assert!(unfit.contains("no user named agent"), "{unfit}");
    let networks = StartAgent {
        networks: vec!["vivarium-no-such-network".into()],
        ..plain()
    };
    let network = refused(networks, &shell()).await;
    assert!(
        network.contains("network vivarium-no-such-network"),
        "{network}"
    );
    let keys = ToolSpec {
        keys: vec!["NO_SUCH_KEY".into()],
        ..shell()
    };
    assert!(refused(plain(), &keys).await.contains("NO_SUCH_KEY"));
    assert!(site.there(&["ps", "-a"]).is_empty());
    assert!(agents.list().agents.is_empty());
    let missing = ToolSpec {
        start: vec!["no-such-program".into()],
        ..ToolSpec::shell(IMAGE)
    };
    let view = soon(agents.spawn(&plain(), &missing)).await.unwrap().agent;
    let view = stands(&agents, &view.id, "failed").await;
    assert!(crate::reason(&view).contains("no-such-program"), "{view:?}");
}

#[tokio::test]
async fn cleaning_up_removes_all_of_them_and_their_network() {
    if !wanted() {
        return;
    }
    let (site, agents, first) = made("clean").await;
    let second = soon(agents.spawn(&plain(), &shell()))
        .await
        .unwrap()
        .agent
        .id;
    soon(agents.stop(&second, KeepAgent::All)).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(site.there(&["network", "ls"]).len(), 1);
    assert_eq!(soon(agents.clean()).await.unwrap(), 2);
    assert!(site.there(&["ps", "-a"]).is_empty());
    assert!(site.there(&["network", "ls"]).is_empty());
    assert_eq!(site.there(&["volume", "ls"]).len(), 1, "the helper's");
    assert_eq!(soon(agents.clean()).await.unwrap(), 0);
}
