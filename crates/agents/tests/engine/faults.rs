//! Whatever is killed inside: the agent goes on, or is said to have ended.

use wire::agent::AgentState;

use crate::{docker, inside, made, made_with, soon, stands, tool, until, wanted};

#[tokio::test]
async fn the_connection_is_made_again_whoever_kills_it() {
    if !wanted() {
        return;
    }
    let (_site, agents, id) = made("killed").await;
    inside(&agents, &id, "echo $PPID >~/before").await;
    // Every program of ours but the container's first process, by a name that only they have.
    let kills = "for p in /proc/[0-9]*; do n=${p#/proc/}; [ $n = 1 ] || grep -qs -- --root $p/cmdline && kill -9 $n; done";
    for _ in 0..3 {
        let _ = docker(&["exec", &id.container(), "bash", "-c", kills]);
        until("it answers again", async || {
            agents
                .run(&id, &["true"], b"")
                .await
                .is_ok_and(|output| output.code == 0)
        })
        .await;
    }
    assert!(agents.get(&id).unwrap().state.is_live());
    let screen = soon(agents.screen(&id)).await.unwrap();
    assert!(
        screen.contains("agent@agent"),
        "the terminal went on: {screen}"
    );
}

#[tokio::test]
async fn nothing_inside_ends_the_first_process() {
    if !wanted() {
        return;
    }
    let (_site, agents, id) = made("first").await;
    inside(
        &agents,
        &id,
        "for s in KILL TERM INT HUP QUIT STOP SEGV; do kill -$s 1; done",
    )
    .await;
    until("it answers", async || {
        inside(&agents, &id, "echo here").await == "here"
    })
    .await;
    assert!(agents.get(&id).unwrap().state.is_live());
    assert_eq!(
        inside(
            &agents,
            &id,
            "cat /proc/1/environ /proc/1/fd/1 2>/dev/null | wc -c"
        )
        .await,
        "0"
    );
}

#[tokio::test]
async fn a_terminal_that_is_killed_ends_the_agent_with_a_reason_and_it_can_be_resumed() {
    if !wanted() {
        return;
    }
    let line = "echo run >>~/runs; sleep 1000";
    let (_site, agents, id) = made_with("tmux", &tool("tool", line, line)).await;
    let runs = async || inside(&agents, &id, "wc -l <~/runs").await;
    until("it ran", async || runs().await == "1").await;
    docker(&[
        "exec",
        &id.container(),
        "bash",
        "-c",
        "kill -9 $(tmux display -p '#{pid}')",
    ]);
    let view = stands(&agents, &id, "failed").await;
    assert!(crate::reason(&view).contains("tmux"), "{view:?}");
    soon(agents.resume(&id)).await.unwrap();
    until("it ran again", async || runs().await == "2").await;
}

#[tokio::test]
async fn a_container_that_is_killed_is_resumed() {
    if !wanted() {
        return;
    }
    let (_site, agents, id) = made("oom").await;
    docker(&["kill", "-s", "KILL", &id.container()]);
    let view = stands(&agents, &id, "exited").await;
    assert_eq!(view.state, AgentState::Exited { code: None });
    soon(agents.resume(&id)).await.unwrap();
    assert_eq!(inside(&agents, &id, "echo on").await, "on");
}

#[tokio::test]
async fn what_is_said_on_the_helper_s_socket_stays_inside() {
    if !wanted() {
        return;
    }
    let (_site, agents, id) = made("socket").await;
    // It may say where it stands as it likes: it is text, within bounds.
    let lies = r##"
        send() { printf '%s\n' "$1" | timeout 5 /.vivarium/sandbox-init join /dev/shm/vivarium/agent.sock >/dev/null; }
        send '{"hook":{"event":{"name":"SessionStart","conversation":"--dangerous"},"waits":false}}'
        send '{"hook":{"event":{"name":"PermissionRequest","tool":"\u001b]52;c;aGk=\u0007<script>","detail":"\u202eabc"},"waits":false}}'
        send '{"started":{"terminal":-1}}'
        send '{"launch":{"first":["touch","/tmp/lie"]}}'
        send 'nonsense'
        for i in $(seq 300); do send '{"follow":null}' & done; wait
        echo done
    "##;
    assert_eq!(inside(&agents, &id, lies).await, "done");
    assert_eq!(
        inside(&agents, &id, "ls /tmp/lie 2>&1 | grep -c 'No such'").await,
        "1"
    );
    let view = agents.get(&id).unwrap();
    assert_eq!(view.conversation, None);
    let text = format!("{view:?}");
    assert!(
        !text.contains("\\u{1b}") && !text.contains("\\u{202e}"),
        "{text}"
    );
    let memory = inside(&agents, &id, "awk '/VmRSS/ {print $2}' /proc/1/status").await;
    assert!(memory.parse::<u64>().unwrap() < 15 << 10, "{memory} KiB");
}
