//! What a process in the sandbox may not do to its first process. As in a container its user has no
//! capability.

use frames::message::{Event, RefusalCode, Request};

use crate::client::{Client, argv, line};

#[test]
fn a_process_has_no_descriptor_but_its_own_three() {
    let mut client = Client::of_nobody();
    let outcome = client.run(argv(&["ls", "/proc/self/fd"]));
    // The last one is the folder that it reads.
    assert_eq!(outcome.text(), "0\n1\n2\n3\n");
    let outcome = client.run(line("for f in 0 1 2; do readlink /proc/self/fd/$f; done"));
    let pipes: Vec<String> = outcome.text().lines().map(str::to_owned).collect();
    assert_eq!(pipes[0], "/dev/null");
    let own = client.own_pipes();
    assert_eq!(own.len(), 2);
    assert!(
        pipes.iter().all(|pipe| !own.contains(pipe)),
        "{pipes:?} {own:?}"
    );
}

#[test]
fn a_process_can_not_reach_the_frames_or_look_into_their_process() {
    let mut client = Client::of_nobody();
    let init = client.pid();
    // The first one has a parent of its own: it is asked for by its number.
    for attempt in [
        format!("ls /proc/{init}/fd"),
        format!("echo x > /proc/{init}/fd/1"),
        format!("for f in 3 4 5 6 7 8; do echo x > /proc/{init}/fd/$f && exit 0; done; exit 1"),
        format!("cat /proc/{init}/environ"),
        format!("cat /proc/{init}/maps"),
        format!("head -c 1 /proc/{init}/mem"),
        format!("echo x > /proc/{init}/mem"),
        format!("ls /proc/{init}/map_files"),
        format!("ls -L /proc/{init}/exe"),
    ] {
        let outcome = client.run(line(&attempt));
        let error = String::from_utf8_lossy(&outcome.error).into_owned();
        assert_ne!(outcome.exit.code, Some(0), "{attempt}");
        assert!(error.contains("ermission denied"), "{attempt}: {error}");
    }
    assert_eq!(client.run(line("echo fine")).text(), "fine\n");
}

#[test]
fn a_process_can_not_trace_the_first_one() {
    let mut client = Client::of_nobody();
    let init = client.pid();
    // PTRACE_ATTACH, PTRACE_SEIZE and pidfd_getfd, by their numbers.
    let script = format!(
        "import ctypes, os\n\
         libc = ctypes.CDLL(None, use_errno=True)\n\
         for request in (16, 0x4206):\n\
         \x20   assert libc.ptrace(request, {init}, 0, 0) == -1\n\
         \x20   assert ctypes.get_errno() == 1, ctypes.get_errno()\n\
         pidfd = libc.syscall(434, {init}, 0)\n\
         assert pidfd >= 0\n\
         for number in range(10):\n\
         \x20   assert libc.syscall(438, pidfd, number, 0) == -1\n\
         \x20   assert ctypes.get_errno() == 1, ctypes.get_errno()\n\
         print('kept out')\n"
    );
    let outcome = client.run(argv(&["python3", "-c", &script]));
    let error = String::from_utf8_lossy(&outcome.error).into_owned();
    assert_eq!(outcome.text(), "kept out\n", "{error}");
}

#[test]
fn ten_thousand_background_processes_later_it_answers() {
    let mut client = Client::start();
    let script = "i=0; while [ $i -lt 10000 ]; do : & i=$((i+1)); done; wait; echo over";
    let stream = client.started(argv(&["bash", "-c", script]));
    for _ in 0..20 {
        assert_eq!(client.answer(Request::Ping), Event::Pong);
    }
    assert_eq!(client.outcome(stream).text(), "over\n");
}

#[test]
fn at_the_limit_of_processes_it_says_so_and_does_all_that_needs_none() {
    let mut client = Client::of_nobody();
    let pid = client.pid().to_string();
    // The limit in force alone is changed, by the process's own user: that needs no capability.
    let limit = |limit: &str| {
        let mut command = Client::as_nobody("prlimit");
        let limited = command.args(["--pid", &pid, &format!("--nproc={limit}")]);
        assert!(limited.status().unwrap().success());
    };
    let most = Client::as_nobody("prlimit")
        .args([
            "--pid",
            &pid,
            "--nproc",
            "--noheadings",
            "--raw",
            "--output",
            "HARD",
        ])
        .output()
        .unwrap();
    let most = String::from_utf8(most.stdout).unwrap();
    limit("1:");
    for exec in [line("true"), argv(&["true"])] {
        let refused = client.refused(Request::Exec(exec));
        assert_eq!(refused, RefusalCode::Limit);
    }
    assert_eq!(client.answer(Request::Ping), Event::Pong);
    assert!(client.list("work", 1, 10).0.is_empty());
    limit(&format!("{}:", most.trim()));
    assert_eq!(client.run(line("echo fine")).text(), "fine\n");
}
