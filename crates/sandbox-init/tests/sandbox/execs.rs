use frames::{
    Body, Name,
    credit::OUTPUT_WINDOW,
    message::{Event, Overflow, RefusalCode, Request},
};

use crate::client::{Client, argv, line, until};

#[test]
fn a_line_runs_in_a_login_shell_at_home_with_its_variables() {
    let mut client = Client::start();
    let mut exec =
        line("echo $PWD; echo $A$B; shopt -q login_shell && echo login; echo no >&2; exit 3");
    exec.env = vec![("A".into(), "a b".into()), ("B".into(), "".into())];
    let outcome = client.run(exec);
    let home = client.path("home").display().to_string();
    assert_eq!(outcome.text(), format!("{home}\na b\nlogin\n"));
    assert_eq!(outcome.error, b"no\n");
    assert_eq!(outcome.exit.code, Some(3));
    assert!(!outcome.exit.timed_out);
}

#[test]
fn a_list_runs_without_a_shell_and_takes_any_bytes() {
    let mut client = Client::start();
    let hostile = Name(vec![0xff, b'\n', b'$', b'\'', 0x80]);
    let mut exec = argv(&["/usr/bin/printf", "%s|%s"]);
    if let frames::message::Command::Argv(words) = &mut exec.command {
        words.extend([hostile.clone(), "".into()]);
    }
    exec.cwd = Some(client.name("work"));
    // Neither PATH nor anything else of a shell's is needed.
    exec.env = vec![("PATH".into(), "/nowhere".into())];
    let outcome = client.run(exec);
    assert_eq!(outcome.output, [hostile.bytes(), b"|"].concat());
}

#[test]
fn without_bash_a_line_runs_in_sh_and_without_any_shell_it_says_so() {
    let mut client = Client::start();
    let only_sh = client.path("work/bin");
    std::fs::create_dir(&only_sh).unwrap();
    std::os::unix::fs::symlink("/bin/sh", only_sh.join("sh")).unwrap();
    let mut exec = line("echo it is $0");
    exec.env = vec![("PATH".into(), client.name("work/bin"))];
    assert_eq!(client.run(exec.clone()).text(), "it is sh\n");
    exec.env = vec![("PATH".into(), "/nowhere".into())];
    match client.answer(Request::Exec(exec)) {
        Event::Refused { code, message } => {
            assert_eq!(code, RefusalCode::NotFound);
            assert!(message.contains("no shell"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_can_not_start_is_refused_with_its_reason() {
    let mut client = Client::start();
    let mut refused = |exec| client.refused(Request::Exec(exec));
    assert_eq!(refused(argv(&["no-such-program"])), RefusalCode::NotFound);
    assert_eq!(refused(argv(&["/etc/passwd"])), RefusalCode::Permission);
    assert_eq!(refused(argv(&[])), RefusalCode::Invalid);
    assert_eq!(refused(argv(&["echo", "a\0b"])), RefusalCode::Invalid);
    let mut nowhere = argv(&["true"]);
    nowhere.cwd = Some("/no/such/folder".into());
    assert_eq!(refused(nowhere), RefusalCode::NotFound);
    let mut variable = argv(&["true"]);
    variable.env = vec![("A=B".into(), "".into())];
    assert_eq!(refused(variable), RefusalCode::Invalid);
    let mut label = argv(&["true"]);
    label.label = Some("\u{1b}[2J".into());
    assert_eq!(refused(label), RefusalCode::Invalid);
    // The sandbox is as it was.
    assert_eq!(client.run(line("echo fine")).text(), "fine\n");
}

#[test]
fn input_arrives_and_ends() {
    let mut client = Client::start();
    let mut exec = argv(&["sh", "-c", "read x; echo got $x; wc -c"]);
    exec.input = true;
    let stream = client.started(exec);
    client.types(stream, b"one\n");
    client.shows(stream, "got one");
    client.types(stream, b"12345");
    client.send(stream, &Body::Close);
    assert_eq!(client.outcome(stream).text().trim(), "5");
    // One without input reads nothing, and what is sent to it does no harm.
    let stream = client.started(argv(&["wc", "-c"]));
    client.types(stream, b"12345");
    assert_eq!(client.outcome(stream).text().trim(), "0");
}

#[test]
fn much_input_flows_as_fast_as_it_is_read() {
    let mut client = Client::start();
    let mut exec = argv(&["sh", "-c", "md5sum >&2"]);
    exec.input = true;
    let stream = client.started(exec);
    let data = vec![b'x'; 3 << 20];
    let mut sending = frames::credit::Sending::new(0, frames::credit::INPUT_WINDOW);
    for piece in data.chunks(32 << 10) {
        while sending.room() < piece.len() {
            match client.on(stream) {
                Body::Credit(limit) => sending.allow(limit),
                other => panic!("{other:?}"),
            }
        }
        client.types(stream, piece);
        sending.advance(piece.len());
    }
    client.send(stream, &Body::Close);
    let sum = client.outcome(stream).error;
    let wanted = client.run(line("head -c 3145728 /dev/zero | tr '\\0' x | md5sum"));
    assert_eq!(sum, wanted.output);
}

#[test]
fn all_of_the_output_comes_before_the_exit() {
    let mut client = Client::start();
    let outcome = client.run(argv(&["head", "-c", "20000000", "/dev/zero"]));
    assert_eq!(outcome.output.len(), 20_000_000);
    assert_eq!((outcome.exit.code, outcome.exit.dropped), (Some(0), 0));
    for _ in 0..30 {
        let outcome = client.run(line("echo out; echo err >&2"));
        assert_eq!(
            (&outcome.output[..], &outcome.error[..]),
            (&b"out\n"[..], &b"err\n"[..])
        );
    }
}

#[test]
fn fifty_run_at_once() {
    let mut client = Client::start();
    let streams: Vec<_> = (0..50)
        .map(|number| client.started(line(&format!("sleep 0.2; echo {number}"))))
        .collect();
    for (number, stream) in streams.into_iter().enumerate() {
        assert_eq!(client.outcome(stream).text(), format!("{number}\n"));
    }
    assert_eq!(
        client.answer(Request::Execs),
        Event::Execs { execs: vec![] }
    );
}

#[test]
fn an_endless_output_stops_at_its_credit_and_delays_nobody() {
    let mut client = Client::start();
    let endless = client.started(argv(&["cat", "/dev/zero"]));
    let mut received = 0;
    while received < OUTPUT_WINDOW {
        match client.on(endless) {
            Body::Output(data) => received += data.len() as u64,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(received, OUTPUT_WINDOW);
    for _ in 0..20 {
        assert_eq!(client.run(argv(&["echo", "quick"])).text(), "quick\n");
    }
    // And while it flows as fast as it can.
    client.send(endless, &Body::Credit(50 << 20));
    for _ in 0..20 {
        assert_eq!(client.run(argv(&["echo", "quick"])).text(), "quick\n");
    }
    client.send(endless, &Body::Request(Request::Cancel));
}

#[test]
fn output_that_may_be_dropped_never_holds_its_process_up() {
    let mut client = Client::start();
    let mut exec = line("head -c 5000000 /dev/zero; touch done; sleep 600");
    exec.overflow = Overflow::Drop;
    let stream = client.started(exec);
    // It ends its writing without any credit.
    until("end of the output", || {
        client.path("home/done").exists().then_some(())
    });
    client.send(
        stream,
        &Body::Request(Request::Signal {
            signal: 9,
            group: true,
        }),
    );
    let outcome = client.outcome(stream);
    assert_eq!(outcome.exit.signal, Some(9));
    let seen = outcome.output.len() as u64 + outcome.exit.dropped;
    assert_eq!(seen, 5_000_000);
    assert!(outcome.exit.dropped > 4_000_000);
}

#[test]
fn a_signal_reaches_the_process_or_its_group() {
    let mut client = Client::start();
    let script = "trap 'echo hup; exit 4' HUP; echo ready; while :; do sleep 0.01; done";
    let stream = client.started(argv(&["bash", "-c", script]));
    client.shows(stream, "ready");
    client.send(
        stream,
        &Body::Request(Request::Signal {
            signal: 1,
            group: false,
        }),
    );
    let outcome = client.outcome(stream);
    assert_eq!((outcome.text().trim(), outcome.exit.code), ("hup", Some(4)));
    let stream = client.started(line("echo ready; sleep 600 | sleep 600"));
    client.shows(stream, "ready");
    client.send(
        stream,
        &Body::Request(Request::Signal {
            signal: 15,
            group: true,
        }),
    );
    let exit = client.outcome(stream).exit;
    assert_eq!((exit.code, exit.signal), (None, Some(15)));
    let stream = client.started(line("sleep 600"));
    client.send(
        stream,
        &Body::Request(Request::Signal {
            signal: 99,
            group: true,
        }),
    );
    let refused = client.event(stream);
    assert!(matches!(
        refused,
        Event::Refused {
            code: RefusalCode::Invalid,
            ..
        }
    ));
}

#[test]
fn a_time_limit_ends_all_of_the_session() {
    let mut client = Client::start();
    // What left the group and what ignores a polite request too.
    let script = "set -m; trap '' TERM; sleep 6001 & (sleep 6002 &); echo $$; sleep 6003";
    let mut exec = argv(&["bash", "-c", script]);
    exec.timeout_ms = Some(300);
    let outcome = client.run(exec);
    assert!(outcome.exit.timed_out);
    assert_eq!(outcome.exit.signal, Some(9));
    let session = outcome.text().trim().parse().unwrap();
    assert!(processes::living(processes::Pid::from_raw(session)).is_empty());
}

#[test]
fn one_that_is_canceled_ends() {
    let mut client = Client::start();
    let stream = client.started(line("sleep 600; echo late"));
    client.send(stream, &Body::Request(Request::Cancel));
    let outcome = client.outcome(stream);
    assert_eq!(outcome.exit.signal, Some(9));
    assert!(!outcome.exit.timed_out);
}

#[test]
fn what_stays_in_the_background_neither_delays_the_end_nor_is_ended() {
    let mut client = Client::start();
    // It goes on when this test says so, which is after the end of what began it.
    let script = "cd; mkfifo go; (read line < go; echo late; echo later; touch alive) & echo now";
    let outcome = client.run(line(script));
    assert_eq!(outcome.text(), "now\n");
    std::fs::write(client.path("home/go"), "go\n").unwrap();
    // It writes to the pipe that nobody reads for the host any more, and doesn't fail.
    until("life in the background", || {
        client.path("home/alive").exists().then_some(())
    });
}

#[test]
fn orphans_are_reaped() {
    let mut client = Client::start();
    let script = "for i in 1 2 3 4 5; do (setsid sh -c 'sleep 0.05' &); done";
    assert_eq!(client.run(line(script)).exit.code, Some(0));
    let pid = client.pid();
    let children = || {
        let path = format!("/proc/{pid}/task/{pid}/children");
        std::fs::read_to_string(path).unwrap()
    };
    until("end of all orphans", || {
        children().trim().is_empty().then_some(())
    });
}

#[test]
fn a_released_exec_goes_on_unseen() {
    let mut client = Client::start();
    let stream = client.started(line(
        "echo a; while [ ! -e go ]; do sleep 0.01; done; head -c 1000000 /dev/zero; touch alive",
    ));
    client.shows(stream, "a");
    client.send(stream, &Body::Request(Request::Release));
    assert_eq!(
        client.answer(Request::Execs),
        Event::Execs { execs: vec![] }
    );
    std::fs::write(client.path("home/go"), "").unwrap();
    until("end of the released", || {
        client.path("home/alive").exists().then_some(())
    });
    // Its number is free after its end.
    until("free number", || {
        client.send(stream, &Body::Request(Request::Ping));
        matches!(client.event(stream), Event::Pong).then_some(())
    });
}

#[test]
fn a_number_in_use_and_one_that_is_not_the_host_s_are_refused() {
    let mut client = Client::start();
    let stream = client.started(line("sleep 600"));
    client.send(stream, &Body::Request(Request::Ping));
    let in_use = RefusalCode::StreamInUse;
    assert!(matches!(client.event(stream), Event::Refused { code, .. } if code == in_use));
    let even = frames::StreamId(2);
    client.send(even, &Body::Request(Request::Ping));
    assert!(matches!(client.event(even), Event::Refused { code, .. } if code == in_use));
}
