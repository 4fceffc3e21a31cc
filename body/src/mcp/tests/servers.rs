//! Faults of servers: each fails its own call, and the neighbours don't notice.

use serde_json::json;

use super::client::{Client, Machine, called, gone, lives, scripted, until_said};

async fn two() -> Machine {
    Machine::start(json!({"bad": scripted(""), "good": scripted("")})).await
}

#[tokio::test]
async fn a_server_that_dies_fails_the_call_and_its_sessions_live_on() {
    let machine = two().await;
    let (bad, good) = (
        Client::open(&machine, "bad").await,
        Client::open(&machine, "good").await,
    );
    let pid = bad.call("pid", json!({})).await.unwrap();
    let other = good.call("pid", json!({})).await.unwrap();
    let error = bad.call("die", json!({})).await.unwrap_err();
    assert!(error.contains("exited with code 3"), "{error}");
    bad.echo("again").await;
    good.echo("still").await;
    assert_ne!(bad.call("pid", json!({})).await.unwrap(), pid);
    assert_eq!(good.call("pid", json!({})).await.unwrap(), other);
    let status = machine.status("bad").await;
    assert_eq!(
        (&status["restarts"], &status["last_exit"]),
        (&json!(1), &json!(3))
    );
    machine.end().await;
}

#[tokio::test]
async fn one_that_closes_its_output_is_ended_and_started_again() {
    let machine = two().await;
    let bad = Client::open(&machine, "bad").await;
    let pid = bad.call("pid", json!({})).await.unwrap();
    let error = bad.call("close", json!({})).await.unwrap_err();
    assert!(error.contains("closed its output"), "{error}");
    gone(&pid).await;
    bad.echo("again").await;
    machine.end().await;
}

#[tokio::test]
async fn one_that_is_stopped_fails_its_calls_and_is_started_again() {
    use nix::{
        sys::signal::{Signal, kill},
        unistd::Pid,
    };
    let machine = two().await;
    let (bad, good) = (
        Client::open(&machine, "bad").await,
        Client::open(&machine, "good").await,
    );
    let pid = bad.call("pid", json!({})).await.unwrap();
    let other = good.call("pid", json!({})).await.unwrap();
    kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGSTOP).unwrap();
    let error = bad.call("echo", json!({"text": "a"})).await.unwrap_err();
    assert!(error.contains("its process is stopped"), "{error}");
    gone(&pid).await;
    bad.echo("again").await;
    assert_eq!(good.call("pid", json!({})).await.unwrap(), other);
    machine.end().await;
}

#[tokio::test]
async fn noise_and_stray_answers_are_left_out() {
    let machine = two().await;
    let bad = Client::open(&machine, "bad").await;
    assert_eq!(bad.call("noise", json!({})).await.as_deref(), Ok("heard"));
    assert_eq!(bad.call("twice", json!({})).await.as_deref(), Ok("first"));
    assert_eq!(bad.call("stray", json!({})).await.as_deref(), Ok("mine"));
    bad.echo("on").await;
    assert_eq!(machine.status("bad").await["restarts"], 0);
    machine.end().await;
}

#[tokio::test]
async fn a_tools_error_and_a_failed_call_are_counted() {
    let machine = two().await;
    let bad = Client::open(&machine, "bad").await;
    bad.call("fail", json!({})).await.unwrap();
    bad.call("nothing", json!({})).await.unwrap_err();
    bad.echo("on").await;
    let status = machine.status("bad").await;
    assert_eq!(
        (&status["calls"], &status["errors"]),
        (&json!(3), &json!(2))
    );
    assert_eq!(status["in_flight"], 0);
    machine.end().await;
}

#[tokio::test]
async fn one_that_can_not_start_says_why_and_is_no_crash_loop() {
    let machine = Machine::start(json!({
        "loop": scripted("loop"),
        "good": scripted(""),
        "nothing": {"command": "/no/such/program"},
    }))
    .await;
    let good = Client::open(&machine, "good").await;
    for (server, reason) in [
        ("loop", "exited with code 7"),
        ("nothing", "program was not found in the machine"),
        ("absent", "program was not found in the machine"),
    ] {
        let path = format!("/servers/{server}/mcp");
        let reply = super::client::begin(&machine, &path, json!({}), "2025-11-25").await;
        let error = reply.json()["error"]["message"].to_string();
        assert!(error.contains(reason) && reply.session.is_none(), "{error}");
    }
    let status = machine.until("loop", |line| line["state"] == "idle").await;
    assert_eq!(status["stderr"], json!(["something is wrong"]));
    assert_eq!(machine.status("absent").await["state"], "missing");
    good.echo("on").await;
    machine.end().await;
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_an_error_and_a_large_one_passes() {
    let machine = two().await;
    let bad = Client::open(&machine, "bad").await;
    let error = bad
        .call("large", json!({"bytes": 66 << 20}))
        .await
        .unwrap_err();
    assert!(error.contains("64 MiB"), "{error}");
    let text = bad.call("large", json!({"bytes": 8 << 20})).await.unwrap();
    assert_eq!(text.len(), 8 << 20);
    assert_eq!(machine.status("bad").await["restarts"], 0);
    machine.end().await;
}

#[tokio::test]
async fn what_a_server_starts_goes_with_it() {
    let machine = two().await;
    let bad = Client::open(&machine, "bad").await;
    let child = bad.call("child", json!({})).await.unwrap();
    assert!(lives(&child));
    bad.call("die", json!({})).await.unwrap_err();
    gone(&child).await;
    let child = bad.call("child", json!({})).await.unwrap();
    machine.end().await;
    gone(&child).await;
}

#[tokio::test]
async fn a_restart_keeps_the_sessions() {
    let machine = two().await;
    let bad = Client::open(&machine, "bad").await;
    let pid = bad.call("pid", json!({})).await.unwrap();
    let path = "/servers/bad/restart";
    let reply = machine.ask(hyper::Method::POST, path, &[], "").await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    gone(&pid).await;
    bad.echo("again").await;
    machine.end().await;
}

#[tokio::test]
async fn a_session_that_nobody_uses_makes_room_for_a_new_one() {
    let machine = two().await;
    let sampling = || json!({"sampling": {}});
    let open = || Client::with(&machine, "bad", sampling(), "2025-11-25");
    let (first, second) = (open().await, open().await);
    let pid = first.call("pid", json!({})).await.unwrap();
    assert_ne!(second.call("pid", json!({})).await.unwrap(), pid);
    // The second was used last: the first one goes.
    let third = open().await;
    gone(&pid).await;
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    assert_eq!(first.post(ping.clone()).await.status, 404);
    third.echo("room").await;
    // One's own process dies: the session goes on with another.
    second.call("die", json!({})).await.unwrap_err();
    second.echo("again").await;
    // As often as clients come and never say that they go.
    for _ in 0..4 {
        open().await.echo("x").await;
    }
    assert_eq!(second.post(ping).await.status, 404);
    machine
        .until("bad", |line| line["own_processes"] == 2)
        .await;
    machine.end().await;
}

#[tokio::test]
async fn processes_of_one_session_have_a_cap_and_end_with_it() {
    let machine = two().await;
    let sampling = || json!({"sampling": {}});
    let first = Client::with(&machine, "bad", sampling(), "2025-11-25").await;
    let second = Client::with(&machine, "bad", sampling(), "2025-11-25").await;
    let pid = first.call("pid", json!({})).await.unwrap();
    let mut busy = Vec::new();
    for client in [&first, &second] {
        let headers = [("mcp-session-id", &*client.session)];
        let hang = called("hang", json!({})).to_string();
        let mut stream = machine
            .send(hyper::Method::POST, &client.path, &headers, hang)
            .await;
        until_said(&mut stream, "progressToken").await;
        busy.push(stream);
    }
    let path = "/servers/bad/mcp";
    let third = super::client::begin(&machine, path, sampling(), "2025-11-25").await;
    assert!(
        third.text.contains("has reached the limit"),
        "{}",
        third.text
    );
    let headers = [("mcp-session-id", &*first.session)];
    let reply = machine.ask(hyper::Method::DELETE, path, &headers, "").await;
    assert_eq!(reply.status, 204);
    gone(&pid).await;
    machine
        .until("bad", |line| line["own_processes"] == 1)
        .await;
    Client::with(&machine, "bad", sampling(), "2025-11-25")
        .await
        .echo("room")
        .await;
    machine.end().await;
}
