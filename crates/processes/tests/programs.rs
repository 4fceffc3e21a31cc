//! Programs that run: what they read and write, how they end, and who is left.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::File,
    io::{Read, Write},
    os::{fd::OwnedFd, unix::ffi::OsStringExt},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use nix::sys::{
    prctl,
    signal::{SigHandler, SigSet, Signal},
};
use processes::{
    Channels, Pid, Process, Program, Size, SpawnError, Status, Stdio, end, living,
    outlive_programs, reap, signal,
};

const DEADLINE: Duration = Duration::from_secs(60);
/// No signal, as `/proc` says it.
const NONE: &str = "0000000000000000";

/// Each of these tests reaps all children of its process, so they take turns. They run in threads,
/// and a child's parent is the process.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn program(argv: &[&str]) -> Program {
    Program {
        argv: argv.iter().map(Into::into).collect(),
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        cwd: "/".into(),
        stdio: Stdio::Pipes { input: false },
        ends_with_parent: false,
    }
}

fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "no {what} within {DEADLINE:?}");
        std::thread::yield_now();
    }
}

/// Everything that ended since the test began.
#[derive(Default)]
struct Ended(HashMap<i32, Status>);

impl Ended {
    fn of(&mut self, pid: Pid) -> Status {
        until("end", || {
            reap(|pid, status| {
                self.0.insert(pid.as_raw(), status);
            });
            self.0.get(&pid.as_raw()).copied()
        })
    }
}

fn text(pipe: OwnedFd) -> String {
    let mut text = String::new();
    File::from(pipe).read_to_string(&mut text).unwrap();
    text
}

fn outputs(process: Process) -> (String, String) {
    match process.channels {
        Channels::Pipes { output, error, .. } => (text(output), text(error)),
        Channels::Terminal(_) => panic!("it has a terminal"),
    }
}

#[test]
fn a_program_goes_before_us_when_memory_runs_out() {
    let _turn = alone();
    let own = || std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
    let before = own();
    outlive_programs().unwrap();
    for argv in [&["cat", "/proc/self/oom_score_adj"][..], &["/no/such"]] {
        let started = program(argv).spawn();
        assert_eq!(own(), before);
        let Ok(process) = started else { continue };
        let Channels::Pipes { output, .. } = process.channels else {
            panic!("it has pipes")
        };
        assert_eq!(text(output), "1000\n");
        Ended::default().of(process.pid);
    }
}

#[test]
fn a_program_has_its_arguments_environment_folder_and_pipes() {
    let _turn = alone();
    let folder = tempfile::tempdir().unwrap();
    let script = r#"cat; printf '%s|' "$@" "$ONLY" "$HOME" "$PWD"; echo wrong >&2; exit 7"#;
    let mut program = program(&["sh", "-c", script, "sh", "a b", ""]);
    program.cwd = folder.path().to_owned();
    program.env.push(("ONLY".into(), "this".into()));
    program.stdio = Stdio::Pipes { input: true };
    let mut process = program.spawn().unwrap();
    let Channels::Pipes { input, .. } = &mut process.channels else {
        panic!("it has a terminal");
    };
    let mut input = File::from(input.take().unwrap());
    input.write_all(b"typed ").unwrap();
    drop(input);
    let pid = process.pid;
    let (output, error) = outputs(process);
    let place = folder.path().display();
    assert_eq!(output, format!("typed a b||this||{place}|"));
    assert_eq!(error, "wrong\n");
    assert_eq!(Ended::default().of(pid), Status::Exited(7));
}

#[test]
fn a_program_that_can_not_start_says_why() {
    let _turn = alone();
    let kind = |program: Program| match program.spawn().unwrap_err() {
        SpawnError::Program { source, .. } => source.kind(),
        other => panic!("{other}"),
    };
    assert_eq!(
        kind(program(&["no-such-program"])),
        std::io::ErrorKind::NotFound
    );
    assert_eq!(
        kind(program(&["/etc/passwd"])),
        std::io::ErrorKind::PermissionDenied
    );
    assert!(matches!(program(&[]).spawn(), Err(SpawnError::NoProgram)));
    let mut nowhere = program(&["true"]);
    nowhere.cwd = "/no/such/folder".into();
    assert!(matches!(nowhere.spawn(), Err(SpawnError::Folder { .. })));
    nowhere.cwd = "/etc/passwd".into();
    assert!(matches!(nowhere.spawn(), Err(SpawnError::Folder { .. })));
    let zero = program(&["echo", "a\0b"]);
    assert!(matches!(zero.spawn(), Err(SpawnError::ZeroByte)));
    let mut name = program(&["true"]);
    name.env.push(("A=B".into(), "".into()));
    assert!(matches!(name.spawn(), Err(SpawnError::Variable)));
}

#[test]
fn arguments_that_are_no_text_arrive_as_they_are() {
    let _turn = alone();
    let mut hostile = program(&["sh", "-c", r#"printf %s "$1" | od -An -tx1"#, "sh"]);
    hostile
        .argv
        .push(OsString::from_vec(vec![0xff, b'\n', b'\'', 0x80]));
    let process = hostile.spawn().unwrap();
    let pid = process.pid;
    assert_eq!(outputs(process).0.trim(), "ff 0a 27 80");
    assert_eq!(Ended::default().of(pid), Status::Exited(0));
}

#[test]
fn a_signal_that_ends_a_program_is_told_also_one_without_a_name() {
    let _turn = alone();
    for number in ["KILL", "TERM", "RTMIN"] {
        let script = format!("kill -{number} $$; sleep 600");
        let process = program(&["bash", "-c", &script]).spawn().unwrap();
        let signaled = Ended::default().of(process.pid);
        let wanted = match number {
            "KILL" => 9,
            "TERM" => 15,
            _ => 34,
        };
        assert_eq!(signaled, Status::Signaled(wanted));
    }
}

/// As a shell does for what it starts with `&`.
#[allow(unsafe_code)]
fn ignore_interrupts(ignored: bool) {
    let handler = if ignored {
        SigHandler::SigIgn
    } else {
        SigHandler::SigDfl
    };
    // SAFETY: there is no handler.
    unsafe { nix::sys::signal::signal(Signal::SIGINT, handler) }.unwrap();
}

#[test]
fn a_program_has_no_signal_blocked_or_ignored_and_leads_its_session() {
    let _turn = alone();
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGTERM);
    mask.thread_block().unwrap();
    ignore_interrupts(true);
    // The shell's own dispositions are its own: those of what it starts are looked at.
    let script =
        "grep -E 'Sig(Blk|Ign)' /proc/self/status; set -- $(cat /proc/$$/stat); echo $1 $5 $6";
    let process = program(&["sh", "-c", script]).spawn();
    ignore_interrupts(false);
    mask.thread_unblock().unwrap();
    let process = process.unwrap();
    let pid = process.pid;
    let (output, _) = outputs(process);
    assert_eq!(
        output,
        format!("SigBlk:\t{NONE}\nSigIgn:\t{NONE}\n{pid} {pid} {pid}\n")
    );
    Ended::default().of(pid);
}

#[test]
fn a_terminal_is_the_session_s_own_echoes_and_tells_its_size() {
    let _turn = alone();
    let mut program = program(&["sh"]);
    program.stdio = Stdio::Terminal(Size { cols: 91, rows: 0 });
    program.env.push(("PS1".into(), "$ ".into()));
    let process = program.spawn().unwrap();
    let Channels::Terminal(terminal) = process.channels else {
        panic!("it has pipes");
    };
    let mut pty = File::from(
        std::os::fd::AsFd::as_fd(&terminal)
            .try_clone_to_owned()
            .unwrap(),
    );
    let mut seen = String::new();
    let mut shows = |pty: &mut File, wanted: &str| {
        let mut piece = [0; 1024];
        while !seen.contains(wanted) {
            let count = pty.read(&mut piece).unwrap();
            seen.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
    };
    pty.write_all(b"echo size $(stty size) on $(tty)\n")
        .unwrap();
    shows(&mut pty, "echo size");
    shows(&mut pty, "size 1 91 on /dev/pts/");
    terminal
        .resize(Size {
            cols: 100,
            rows: 40,
        })
        .unwrap();
    pty.write_all(b"stty size\n").unwrap();
    shows(&mut pty, "40 100");
    // An interrupt from the terminal reaches what runs in it. A shell that is just forking may lose
    // one: what says this is the program itself.
    pty.write_all(b"sh -c 'echo be''gun; exec sleep 600'\n")
        .unwrap();
    shows(&mut pty, "begun");
    pty.write_all(b"\x03").unwrap();
    shows(&mut pty, "^C");
    pty.write_all(b"exit 5\n").unwrap();
    assert_eq!(Ended::default().of(process.pid), Status::Exited(5));
}

#[test]
fn a_session_ends_with_all_that_left_its_group() {
    let _turn = alone();
    prctl::set_child_subreaper(true).unwrap();
    let script = "set -m; sleep 601 & sleep 602 & (sleep 603 & exit); echo ready; wait";
    let process = program(&["bash", "-c", script]).spawn().unwrap();
    let session = process.pid;
    let all = until("four", || {
        Some(living(session)).filter(|all| all.len() == 4)
    });
    assert!(all.contains(&session));
    until("empty session", || {
        reap(|_, _| {});
        (end(session) == 0).then_some(())
    });
    assert!(living(session).is_empty());
    // One that is gone is no error.
    signal(session, Signal::SIGTERM, true);
    prctl::set_child_subreaper(false).unwrap();
}

#[test]
fn orphans_are_reaped_and_told() {
    let _turn = alone();
    prctl::set_child_subreaper(true).unwrap();
    let script = "(setsid sh -c 'echo $$; exec sleep 0.05' &); exit 0";
    let process = program(&["sh", "-c", script]).spawn().unwrap();
    let leader = process.pid;
    let orphan = outputs(process).0.trim().parse().unwrap();
    let mut ended = Ended::default();
    assert_eq!(ended.of(leader), Status::Exited(0));
    assert_eq!(ended.of(Pid::from_raw(orphan)), Status::Exited(0));
    prctl::set_child_subreaper(false).unwrap();
}

#[test]
fn a_program_ends_with_the_thread_that_started_it_if_that_is_asked() {
    let _turn = alone();
    let spawn = |ends_with_parent| {
        let mut program = program(&["sleep", "600"]);
        program.ends_with_parent = ends_with_parent;
        let spawned = std::thread::spawn(move || program.spawn().unwrap().pid);
        spawned.join().unwrap()
    };
    let (ends, goes_on) = (spawn(true), spawn(false));
    let mut ended = Ended::default();
    assert_eq!(ended.of(ends), Status::Signaled(9));
    assert_eq!(living(goes_on), [goes_on]);
    signal(goes_on, Signal::SIGKILL, false);
    assert_eq!(ended.of(goes_on), Status::Signaled(9));
}
