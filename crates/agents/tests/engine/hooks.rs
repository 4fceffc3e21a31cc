//! What a tool's hooks tell reaches the page, and what is answered there reaches the tool.

use wire::agent::{AgentState, KeepAgent, WaitingFor};

use crate::{KEY, SECRET, docker, inside, made_with, soon, stands, tool, until, wanted};

/// A tool that runs its hooks as tools do, and then waits.
const TOOL: &str = r#"
hook() { printf '%s' "$2" | /.vivarium/sandbox-init hook $1; }
hook '' '{"hook_event_name":"SessionStart","session_id":"c-9"}'
hook '' '{"hook_event_name":"UserPromptSubmit","session_id":"c-9"}'
hook --wait '{"hook_event_name":"PermissionRequest","session_id":"c-9","tool_name":"Bash","tool_input":{"command":"touch it"}}' >~/answer
hook '' '{"hook_event_name":"Stop","session_id":"c-9"}'
sleep 1000
"#;

#[tokio::test]
async fn a_permission_is_asked_for_and_answered_in_the_window() {
    if !wanted() {
        return;
    }
    let (_site, agents, id) = made_with("asks", &tool("tool", TOOL, TOOL)).await;
    let mut changes = agents.subscribe();
    let view = stands(&agents, &id, "waiting").await;
    let on = WaitingFor::Permission;
    assert_eq!(view.state, AgentState::Waiting { on });
    assert_eq!(view.conversation.as_deref(), Some("c-9"));
    let [ask] = view.asks.as_slice() else {
        panic!("{:?}", view.asks)
    };
    assert_eq!(
        (ask.tool.as_str(), ask.detail.as_str()),
        ("Bash", "touch it")
    );
    soon(agents.answer(&id, ask.id, true, None)).await.unwrap();
    stands(&agents, &id, "your turn").await;
    let answer = inside(&agents, &id, "cat ~/answer").await;
    assert!(answer.contains(r#""behavior":"allow""#), "{answer}");
    assert_eq!(soon(changes.recv()).await.unwrap(), id);
    // It is read when somebody looks.
    let look = agents::Look {
        cols: 80,
        rows: 24,
        read_only: true,
    };
    let viewer = soon(agents.attach(&id, look)).await.unwrap();
    stands(&agents, &id, "idle").await;
    drop(viewer);
    // The state is known when it has ended, and to whoever comes after.
    soon(agents.stop(&id, KeepAgent::All)).await.unwrap();
    let view = agents.get(&id).unwrap();
    assert_eq!(view.conversation.as_deref(), Some("c-9"));
    assert!(view.asks.is_empty());
}

#[tokio::test]
async fn keys_are_in_the_tool_s_process_and_nowhere_else() {
    if !wanted() {
        return;
    }
    let line = "printenv TEST_API_KEY | sha256sum >~/got; sleep 1000";
    let with_key = agents::ToolSpec {
        keys: vec![KEY.into()],
        ..tool("tool", line, line)
    };
    let (_site, agents, id) = made_with("secret", &with_key).await;
    let sum = format!("printf '%s\\n' {SECRET} | sha256sum");
    let expected = inside(&agents, &id, &sum).await;
    let has_it = async || {
        // While it starts again, nothing runs in it.
        let got = agents.run(&id, &["cat", "/home/agent/got"], b"").await;
        got.is_ok_and(|got| String::from_utf8_lossy(&got.bytes).trim() == expected)
    };
    until("the tool has it", has_it).await;
    let container = id.container();
    for words in [
        vec!["inspect", &container],
        vec!["logs", &container],
        vec!["exec", &container, "env"],
    ] {
        assert!(!docker(&words).contains(SECRET), "{words:?}");
    }
    let volume = format!("{container}-home");
    assert!(!docker(&["volume", "inspect", &volume]).contains(SECRET));
    let files = inside(
        &agents,
        &id,
        "ls /dev/shm/vivarium; cat ~/.vivarium/* /dev/shm/vivarium/*.json",
    )
    .await;
    assert!(
        !files.contains(SECRET) && !files.contains("keys.json"),
        "{files}"
    );
    // Each time it starts they are brought again.
    inside(&agents, &id, "rm ~/got").await;
    soon(agents.restart(&id)).await.unwrap();
    until("the tool has it again", has_it).await;
    inside(&agents, &id, "rm ~/got").await;
    docker(&["restart", "-t", "1", &container]);
    until("the tool has it again", has_it).await;
}
