//! Conversations that end, and hosts that come back.

use std::time::Duration;

use frames::{
    Body, Encoder, Kind, StreamId,
    message::{Event, Exec, Exit, Goodbye, Overflow, Reason, RefusalCode, Request},
};

use crate::client::{Client, line, until};

fn header(kind: u8, length: u32, epoch: u32, number: u32) -> Vec<u8> {
    let first = u32::from(kind) << 24 | length;
    let fields = [first, epoch, 1, number];
    fields.into_iter().flat_map(u32::to_be_bytes).collect()
}

/// What the sandbox says of such bytes; it then waits for the next host, whom it serves.
fn reason_of(bytes: &[u8]) -> Reason {
    let mut client = Client::start();
    client.raw(bytes);
    let Goodbye { reason, message } = client.goodbye();
    assert!(!message.is_empty());
    client.attach_again();
    assert_eq!(client.hello.epoch, 2);
    assert_eq!(client.run(line("echo fine")).text(), "fine\n");
    reason
}

#[test]
fn hostile_frames_end_the_conversation_with_their_reason() {
    let input = Kind::Input as u8;
    assert_eq!(reason_of(&header(input, 1 << 20, 1, 0)), Reason::TooLong);
    assert_eq!(reason_of(&header(99, 0, 1, 0)), Reason::UnknownKind);
    assert_eq!(reason_of(&header(input, 0, 7, 0)), Reason::WrongEpoch);
    assert_eq!(reason_of(&header(input, 0, 1, 1)), Reason::OutOfOrder);
    let twice = [header(input, 0, 1, 0), header(input, 0, 1, 0)].concat();
    assert_eq!(reason_of(&twice), Reason::OutOfOrder);
    let text = [&header(Kind::Request as u8, 2, 1, 0)[..], b"{]"].concat();
    assert_eq!(reason_of(&text), Reason::Malformed);
    let credit = [&header(Kind::Credit as u8, 2, 1, 0)[..], b"12"].concat();
    assert_eq!(reason_of(&credit), Reason::Malformed);
    // What only a sandbox says.
    assert_eq!(
        reason_of(&header(Kind::Output as u8, 0, 1, 0)),
        Reason::Malformed
    );
    let mut garbage = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    garbage.extend(vec![0xf6; 100_000]);
    reason_of(&garbage);
}

#[test]
fn more_input_than_there_is_credit_for_ends_the_conversation() {
    let mut client = Client::start();
    let mut exec = line("sleep 600");
    exec.input = true;
    let stream = client.started(exec);
    // The pipe takes some of it.
    for _ in 0..10 {
        client.types(stream, &[0; 60_000]);
    }
    assert_eq!(client.goodbye().reason, Reason::OverCredit);
}

#[test]
fn a_request_of_a_newer_host_is_refused_alone() {
    let mut client = Client::start();
    let json = br#"{"type":"teleport","to":"mars"}"#;
    let mut bytes = header(Kind::Request as u8, json.len() as u32, 1, 0);
    bytes.extend(json);
    client.raw(&bytes);
    assert!(matches!(
        client.event(StreamId(1)),
        Event::Refused {
            code: RefusalCode::Unsupported,
            ..
        }
    ));
    client.raw(&header(Kind::Close as u8, 0, 1, 1));
    let mut bytes = header(Kind::Request as u8, 15, 1, 2);
    bytes.extend(br#"{"type":"ping"}"#);
    client.raw(&bytes);
    assert_eq!(client.event(StreamId(1)), Event::Pong);
}

#[test]
fn a_host_that_comes_back_finds_its_execs_and_their_output() {
    let mut client = Client::start();
    let mut exec = line("echo one; while [ ! -e go ]; do sleep 0.01; done; echo two; exit 3");
    exec.label = Some("mine".into());
    let stream = client.started(exec);
    client.shows(stream, "one\n");
    let mut ended = line("printf abcdef");
    ended.label = Some("ended".into());
    let over = client.request(Request::Exec(ended));
    until_exited(&mut client, over);
    client.attach();
    assert_eq!(client.hello.epoch, 2);
    let states = client.hello.execs.clone();
    let labels: Vec<_> = states.iter().map(|state| state.label.as_deref()).collect();
    assert_eq!(labels, [Some("mine"), Some("ended")]);
    assert_eq!(
        (states[0].oldest, states[0].end, states[0].exit),
        (0, 4, None)
    );
    let exit = Exit {
        code: Some(0),
        signal: None,
        timed_out: false,
        dropped: 0,
    };
    assert_eq!((states[1].end, states[1].exit), (6, Some(exit)));
    // Nothing is sent of an exec before the host asks for it.
    std::fs::write(client.path("home/go"), "").unwrap();
    until("end", || match client.answer(Request::Execs) {
        Event::Execs { execs } => execs[0].exit.is_some().then_some(()),
        other => panic!("{other:?}"),
    });
    assert!(client.is_quiet(Duration::from_millis(50)));
    client.send(stream, &Body::Request(Request::Resume { after: 2 }));
    assert_eq!(client.event(stream), Event::Resumed { from: 2, input: 0 });
    let outcome = client.outcome_from(stream, 2);
    assert_eq!(
        (outcome.text().as_str(), outcome.exit.code),
        ("e\ntwo\n", Some(3))
    );
    client.send(over, &Body::Request(Request::Resume { after: 0 }));
    assert_eq!(client.event(over), Event::Resumed { from: 0, input: 0 });
    assert_eq!(client.outcome(over).text(), "abcdef");
    // A third one: what was released is not there any more.
    client.attach();
    assert_eq!((client.hello.epoch, client.hello.execs.len()), (3, 0));
}

fn until_exited(client: &mut Client, stream: StreamId) {
    loop {
        if let Body::Event(Event::Exited(_)) = client.on(stream) {
            return;
        }
    }
}

#[test]
fn what_nobody_was_there_to_see_is_kept_as_far_as_there_is_room() {
    let mut client = Client::start();
    let endless = |overflow| {
        let mut exec: Exec = line("yes | head -c 3000000; touch $NAME; sleep 600");
        exec.overflow = overflow;
        exec.env = vec![("NAME".into(), format!("{overflow:?}").into())];
        exec
    };
    let drops = client.started(endless(Overflow::Drop));
    let waits = client.started(endless(Overflow::Wait));
    client.attach();
    until("end of what drops", || {
        client.path("home/Drop").exists().then_some(())
    });
    assert!(!client.path("home/Wait").exists());
    client.send(waits, &Body::Request(Request::Resume { after: u64::MAX }));
    client.send(drops, &Body::Request(Request::Resume { after: 0 }));
    client.send(drops, &Body::Request(Request::Cancel));
    let outcome = resumed(&mut client, drops);
    assert!(outcome.exit.dropped > 2_000_000, "{}", outcome.exit.dropped);
    until("waiting output", || {
        client.send(waits, &Body::Credit(u64::MAX));
        client.path("home/Wait").exists().then_some(())
    });
    client.send(waits, &Body::Request(Request::Cancel));
    let mut seen = 0;
    let exit = loop {
        match client.on(waits) {
            Body::Output(data) => seen += data.len(),
            Body::Event(Event::Exited(exit)) => break exit,
            _ => {}
        }
    };
    assert!(seen > 2_000_000, "{seen}");
    assert_eq!(exit.dropped, 0);
}

fn resumed(client: &mut Client, stream: StreamId) -> crate::client::Outcome {
    match client.event(stream) {
        Event::Resumed { from, .. } => client.outcome_from(stream, from),
        other => panic!("{other:?}"),
    }
}

#[test]
fn input_goes_on_where_the_last_host_left_it() {
    let mut client = Client::start();
    let mut exec = line("cat");
    exec.input = true;
    let stream = client.started(exec);
    client.types(stream, b"one ");
    client.shows(stream, "one ");
    client.attach();
    client.send(stream, &Body::Request(Request::Resume { after: 4 }));
    assert_eq!(client.event(stream), Event::Resumed { from: 4, input: 4 });
    client.types(stream, b"two");
    client.send(stream, &Body::Close);
    assert_eq!(client.outcome_from(stream, 4).text(), "two");
}

#[test]
fn a_host_that_attaches_in_the_middle_of_a_frame_is_understood() {
    for cut in [1, 10, 16, 20, 60] {
        let mut client = Client::start();
        let mut bytes = Vec::new();
        let body = Body::Request(Request::Exec(line(&"x".repeat(100))));
        Encoder::new(1)
            .write(StreamId(1), &body, &mut bytes)
            .unwrap();
        client.raw(&bytes[..cut]);
        // Its reader is told to look for the mark by a goodbye, which such a host doesn't get: the
        // sandbox says one if the rest of the frame makes no sense, and none if it never ended.
        client.attach_unannounced();
        assert_eq!(client.hello.epoch, 2, "cut at {cut}");
        assert_eq!(client.run(line("echo fine")).text(), "fine\n");
    }
}

#[test]
fn nobody_attaches_without_the_key() {
    let mut client = Client::start();
    client.attach();
    let mut bytes = frames::Mark::new(frames::Nonce::FIRST).bytes().to_vec();
    bytes.extend(b"anything");
    client.raw(&bytes);
    // It is taken for frames, and they make no sense.
    assert_eq!(client.goodbye().reason, Reason::UnknownKind);
}

#[test]
fn the_end_of_the_input_ends_the_sandbox_and_all_in_it() {
    let mut client = Client::start();
    let stream = client.started(line(
        "trap 'echo bye; exit 0' TERM; echo ready; sleep 600 & wait",
    ));
    client.shows(stream, "ready");
    client.end_input();
    assert_eq!(client.goodbye().reason, Reason::EndOfInput);
    assert!(client.ended().success());
    let mut client = Client::start();
    client.raw(b"\x10");
    client.end_input();
    assert_eq!(client.goodbye().reason, Reason::Cut);
    assert!(client.ended().success());
}

#[test]
fn a_shutdown_asks_first_and_kills_after_its_grace() {
    let mut client = Client::start();
    let stubborn = client.started(line("trap '' TERM; echo ready; while :; do sleep 1; done"));
    client.shows(stubborn, "ready");
    let polite = client.started(line(
        "trap 'touch polite; exit' TERM; echo ready; sleep 600 & wait",
    ));
    client.shows(polite, "ready");
    client.send(
        StreamId(99),
        &Body::Request(Request::Shutdown { grace_ms: 500 }),
    );
    assert_eq!(client.goodbye().reason, Reason::Shutdown);
    assert!(client.ended().success());
    assert!(client.path("home/polite").exists());
    // One where nothing runs ends at once.
    let mut client = Client::start();
    client.send(
        StreamId(1),
        &Body::Request(Request::Shutdown { grace_ms: 600_000 }),
    );
    assert!(client.ended().success());
}

#[test]
fn an_idle_sandbox_is_small_and_sleeps() {
    let mut client = Client::start();
    assert_eq!(client.answer(Request::Ping), Event::Pong);
    let pid = client.pid();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let threads = status
        .lines()
        .find(|line| line.starts_with("Threads:"))
        .unwrap();
    assert_eq!(threads.split_whitespace().last(), Some("1"));
    let heap = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))
        .unwrap();
    let heap: u64 = heap.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(heap < 1024, "{heap} kB");
    let switches = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("voluntary_ctxt_switches:"));
        line.unwrap().to_owned()
    };
    let before = until("sleep", || {
        let before = switches();
        std::thread::sleep(Duration::from_millis(20));
        (switches() == before).then_some(before)
    });
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(switches(), before);
}
