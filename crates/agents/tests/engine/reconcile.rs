//! What the engine says is what counts: after a restart of the app, and whatever others did.

use agents::AgentError;
use wire::agent::{AgentState, KeepAgent, StartAgent};

use crate::{
    IMAGE, docker, inside, made, made_with, plain, shell, soon, stands, tool, until, wanted,
};

#[tokio::test]
async fn after_a_restart_of_the_app_all_agents_are_there_as_they_stand() {
    if !wanted() {
        return;
    }
    let (site, agents, running) = made("restart").await;
    let named = StartAgent {
        title: Some("Fix \u{1b}[31mit".into()),
        ..plain()
    };
    let ended = soon(agents.spawn(&named, &tool("claude", "exit 5", "")))
        .await
        .unwrap()
        .agent
        .id;
    stands(&agents, &ended, "exited").await;
    let paused = soon(agents.spawn(&plain(), &shell()))
        .await
        .unwrap()
        .agent
        .id;
    soon(agents.pause(&paused)).await.unwrap();
    let missing = soon(agents.spawn(&plain(), &shell()))
        .await
        .unwrap()
        .agent
        .id;
    inside(&agents, &missing, "echo kept >~/kept").await;
    docker(&["rm", "-f", &missing.container()]);
    stands(&agents, &missing, "missing").await;
    agents.close();

    let after = site.start().await;
    assert_eq!(after.list().agents.len(), 4);
    assert_eq!(inside(&after, &running, "echo here").await, "here");
    let code = Some(5);
    until("its code is read", async || {
        after
            .get(&ended)
            .is_ok_and(|view| view.state == AgentState::Exited { code })
    })
    .await;
    let view = after.get(&ended).unwrap();
    assert_eq!(
        (view.tool.as_str(), view.title.as_deref()),
        ("claude", Some("Fix [31mit"))
    );
    assert_eq!(after.get(&paused).unwrap().state, AgentState::Paused);
    soon(after.resume(&paused)).await.unwrap();
    assert_eq!(inside(&after, &paused, "echo on").await, "on");
    assert_eq!(after.get(&missing).unwrap().state, AgentState::Missing);
    soon(after.resume(&missing)).await.unwrap();
    assert_eq!(inside(&after, &missing, "cat ~/kept").await, "kept");
}

#[tokio::test]
async fn what_others_do_with_a_container_is_noticed() {
    if !wanted() {
        return;
    }
    let (_site, agents, id) = made("others").await;
    let container = id.container();
    docker(&["kill", &container]);
    let view = stands(&agents, &id, "exited").await;
    assert_eq!(view.state, AgentState::Exited { code: None });
    docker(&["start", &container]);
    until("it is spoken with", async || inside_is(&agents, &id).await).await;
    soon(agents.stop(&id, KeepAgent::All)).await.unwrap();
    docker(&["rm", "-v", &container]);
    stands(&agents, &id, "missing").await;
    for volume in ["home", "work"] {
        docker(&["volume", "rm", &format!("{container}-{volume}")]);
    }
    assert!(matches!(
        soon(agents.remove(&id)).await,
        Ok(()) | Err(AgentError::NotFound(_))
    ));
    assert!(agents.list().agents.is_empty());
}

async fn inside_is(agents: &agents::Agents, id: &wire::agent::AgentId) -> bool {
    agents
        .run(id, &["true"], b"")
        .await
        .is_ok_and(|output| output.code == 0)
}

#[tokio::test]
async fn labels_that_lie_make_no_agent() {
    if !wanted() {
        return;
    }
    let (site, agents, id) = made("labels").await;
    let instance = format!("vivarium.instance={}", site.instance);
    let run = std::process::id();
    let hostile = [
        // Of no agent's name, with a real agent's labels.
        (format!("vtest-odd-a-{run}"), vec![format!("tmux-agents.agent-id={id}")]),
        (format!("tmux-agent-odd{run}a"), vec!["tmux-agents.agent-id=../../x".to_owned()]),
        (format!("tmux-agent-odd{run}b"), vec![]),
        (
            format!("tmux-agent-odd{run}c"),
            vec![
                format!("tmux-agents.agent-id=odd{run}c"),
                "tmux-agents.session-name=x; rm -rf /".to_owned(),
                "tmux-agents.ai-provider=\u{1b}[31m".to_owned(),
                "tmux-agents.created-at=99999999999999999999999".to_owned(),
                "vivarium.agent={\"image\":\"x\",\"mounts\":[{\"source\":\"/\",\"target\":\"/x\"}]}".to_owned(),
            ],
        ),
    ];
    for (name, labels) in &hostile {
        let mut words = vec![
            "create",
            "--name",
            name,
            "--label",
            "tmux-agents=true",
            "--label",
            &instance,
        ];
        for label in labels {
            words.extend(["--label", label]);
        }
        words.extend([IMAGE, "true"]);
        assert!(!docker(&words).is_empty(), "{words:?}");
    }
    let after = site.start().await;
    let list = after.list();
    assert_eq!(list.agents.len(), 1);
    let mut names: Vec<&String> = hostile.iter().map(|(name, _)| name).collect();
    names.sort();
    assert_eq!(list.odd.iter().collect::<Vec<_>>(), names);
    assert_eq!(soon(after.clean()).await.unwrap(), 1);
    // What isn't ours stays.
    assert_eq!(site.there(&["ps", "-a"]).len(), hostile.len());
    drop(agents);
}

#[tokio::test]
async fn a_name_that_is_taken_is_left_alone() {
    if !wanted() {
        return;
    }
    let (site, agents, id) = made("clash").await;
    let taken = soon(agents.spawn_as(id.clone(), &plain(), &shell())).await;
    assert!(matches!(taken, Err(AgentError::Taken(_))), "{taken:?}");
    assert_eq!(inside(&agents, &id, "echo here").await, "here");
    let other: wire::agent::AgentId = format!("clash{}", std::process::id()).parse().unwrap();
    let label = format!("vivarium.instance={}", site.instance);
    docker(&[
        "create",
        "--name",
        &other.container(),
        "--label",
        &label,
        IMAGE,
        "true",
    ]);
    let taken = soon(agents.spawn_as(other.clone(), &plain(), &shell())).await;
    assert!(matches!(taken, Err(AgentError::Taken(_))), "{taken:?}");
    assert!(matches!(agents.get(&other), Err(AgentError::NotFound(_))));
    assert_eq!(site.there(&["ps", "-a"]).len(), 2);
    // One that another process of this installation made, and that this one hasn't heard of.
    let elsewhere = site.start().await;
    let third: wire::agent::AgentId = format!("third{}", std::process::id()).parse().unwrap();
    soon(elsewhere.spawn_as(third.clone(), &plain(), &shell()))
        .await
        .unwrap();
    let taken = soon(agents.spawn_as(third.clone(), &plain(), &shell())).await;
    assert!(matches!(taken, Err(AgentError::Taken(_))), "{taken:?}");
    assert_eq!(inside(&elsewhere, &third, "echo here").await, "here");
}

#[tokio::test]
async fn one_whose_start_was_cut_off_says_so() {
    if !wanted() {
        return;
    }
    let (site, agents, id) = made_with("cut", &tool("tool", "sleep 1000", "")).await;
    soon(agents.stop(&id, KeepAgent::All)).await.unwrap();
    agents.close();
    // As if the process had been killed before it said what to run.
    let volume = format!("{}-home:/home/agent", id.container());
    docker(&[
        "run",
        "--rm",
        "-v",
        &volume,
        IMAGE,
        "rm",
        "-rf",
        "/home/agent/.vivarium",
    ]);
    docker(&["start", &id.container()]);
    let after = site.start().await;
    let view = stands(&after, &id, "failed").await;
    assert!(crate::reason(&view).contains("interrupted"), "{view:?}");
    soon(after.remove(&id)).await.unwrap();
    assert!(site.there(&["ps", "-a"]).is_empty());
}
