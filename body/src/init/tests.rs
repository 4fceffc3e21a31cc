//! PID 1 with real processes, each test in a process of its own: PID 1 reaps whatever child there is.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
};

use nix::sys::wait::{WaitStatus, waitpid};

use wire::table::{TableEntry, TableRequest};

use super::*;

/// In whose environment the folder of a test stands that runs in a process of its own.
const APART: &str = "VIVARIUM_TEST_APART";

/// Runs a test of this file in a process of its own, to which orphans come as they do to PID 1. What
/// `test` is given is a folder, also its run folder.
fn apart(name: &str, test: fn(&Path)) {
    if let Some(folder) = std::env::var_os(APART) {
        nix::sys::prctl::set_child_subreaper(true).unwrap();
        return test(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    // A copy: the program of one test is taken away while it runs.
    let program = folder.path().join("body");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    // In all threads, as PID 1 has but one.
    let output = Command::new("env")
        .arg("--block-signal=TERM,INT,CHLD")
        .arg(program)
        .args(["--exact", &format!("init::tests::{name}"), "--nocapture"])
        .env(APART, folder.path())
        .env("VIVARIUM_RUN_DIR", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A supervisor's connection.
struct Client(BufReader<UnixStream>);

impl Client {
    fn connect() -> Self {
        let stream = loop {
            match UnixStream::connect(crate::paths::init_socket()) {
                Ok(stream) => break stream,
                Err(_) => std::thread::yield_now(),
            }
        };
        let longest = Some(Duration::from_secs(120));
        stream.set_read_timeout(longest).unwrap();
        Self(BufReader::new(stream))
    }

    fn ask(&mut self, request: &TableRequest) -> TableAnswer {
        let line = serde_json::to_string(request).unwrap() + "\n";
        self.0.get_mut().write_all(line.as_bytes()).unwrap();
        self.hear()
    }

    fn hear(&mut self) -> TableAnswer {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// All services, and how they ended.
    fn list(&mut self) -> Vec<(String, Option<i32>)> {
        let listed = self.entries().into_iter();
        listed.map(|service| (service.name, service.exit)).collect()
    }

    fn entries(&mut self) -> Vec<TableEntry> {
        match self.ask(&TableRequest::List) {
            TableAnswer::Services { services } => services,
            other => panic!("{other:?}"),
        }
    }

    /// Waits for the end of the service that ends next.
    fn end(&mut self) -> (String, i32) {
        match self.hear() {
            TableAnswer::Exited { service } => (service.name, service.exit.unwrap()),
            other => panic!("{other:?}"),
        }
    }
}

/// A shell script as a service.
fn service(name: &str, script: &str, folder: &Path) -> TableRequest {
    TableRequest::Start {
        name: name.to_owned(),
        argv: ["sh", "-c", script].map(str::to_owned).into(),
        env: BTreeMap::new(),
        cwd: folder.display().to_string(),
        log: folder.join("log").display().to_string(),
        with_group: true,
    }
}

fn term(name: &str) -> TableRequest {
    TableRequest::Signal {
        name: name.to_owned(),
        signal: Signal::SIGTERM as i32,
    }
}

/// What a script has written to a file, in whole lines.
fn written(file: &Path) -> String {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        match std::fs::read_to_string(file) {
            Ok(text) if text.ends_with('\n') => return text,
            _ => assert!(Instant::now() < deadline, "no {}", file.display()),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Serves as PID 1 does, while `ask` asks, and is stopped when it has.
fn serve_while(ask: impl FnOnce() + Send) {
    struct Stop;
    impl Drop for Stop {
        fn drop(&mut self) {
            kill(Pid::this(), Signal::SIGTERM).unwrap();
        }
    }
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _stop = Stop;
            ask();
        });
        serve(Given::default()).unwrap();
    });
}

#[test]
fn the_largest_service_is_ended_where_no_supervisor_lives() {
    apart(
        "the_largest_service_is_ended_where_no_supervisor_lives",
        |folder| {
            // Here the supervisors are tests of which none is called `supervise`: they end at once.
            serve_while(|| {
                let (mut client, mut watcher) = (Client::connect(), Client::connect());
                watcher.ask(&TableRequest::Watch);
                let bomb = "for i in $(seq 120); do sleep 600 & done; wait";
                for (name, script) in [("quiet", "sleep 600"), ("bomb", bomb)] {
                    client.ask(&service(name, script, folder));
                }
                assert_eq!(watcher.end(), ("bomb".to_owned(), 137));
                let exits = [("bomb".to_owned(), Some(137)), ("quiet".to_owned(), None)];
                assert_eq!(client.list(), exits);
                // What has ended can be forgotten.
                let forget = |name: &str| TableRequest::Forget {
                    name: name.to_owned(),
                };
                let refused = client.ask(&forget("quiet"));
                assert!(matches!(refused, TableAnswer::Refused { .. }));
                assert_eq!(client.ask(&forget("bomb")), TableAnswer::Done);
                assert_eq!(client.list(), exits[1..]);
                // What starts again has its past.
                for life in 0..3 {
                    client.ask(&service("again", &format!("exit {life}"), folder));
                    assert_eq!(watcher.end(), ("again".to_owned(), life));
                    let again = &client.entries()[0];
                    let before = (life > 0).then(|| life - 1);
                    let restarts = u64::try_from(life).unwrap();
                    assert_eq!((again.restarts, again.last_exit), (restarts, before));
                }
            });
        },
    );
}

#[test]
fn what_the_person_opened_stays_when_who_opened_it_ends() {
    apart(
        "what_the_person_opened_stays_when_who_opened_it_ends",
        |folder| {
            serve_while(|| {
                let (mut client, mut watcher) = (Client::connect(), Client::connect());
                watcher.ask(&TableRequest::Watch);
                let script = "sh -c 'trap \"echo yes >here; exit\" USR1; echo $$ >pid
                              while :; do sleep 0.01; done' & wait";
                let mut menu = service("menu", script, folder);
                if let TableRequest::Start { with_group, .. } = &mut menu {
                    *with_group = false;
                }
                client.ask(&menu);
                let opened: i32 = written(&folder.join("pid")).trim().parse().unwrap();
                client.ask(&term("menu"));
                assert_eq!(watcher.end(), ("menu".to_owned(), 143));
                kill(Pid::from_raw(opened), Signal::SIGUSR1).unwrap();
                assert_eq!(written(&folder.join("here")), "yes\n");
            });
        },
    );
}

#[test]
fn at_the_stop_all_that_is_left_is_asked_once_and_has_its_time() {
    apart(
        "at_the_stop_all_that_is_left_is_asked_once_and_has_its_time",
        |folder| {
            // Each saves for a while, which a second signal would cut short and tell.
            let saves = "trap 'echo asked >>$0; asked=1' TERM; echo up >$0.up
                         while [ -z \"$asked\" ]; do sleep 0.01; done; sleep 0.1; echo saved >>$0";
            std::fs::write(folder.join("saves"), saves).unwrap();
            let script =
                "sh -c \"$(cat saves)\" group & setsid sh -c \"$(cat saves)\" session & wait";
            let mut table = Table::new(Given::default());
            table.answer(service("kernel", script, folder));
            for name in ["group.up", "session.up"] {
                written(&folder.join(name));
            }
            table.stopping();
            assert_eq!(table.answer(term("kernel")), TableAnswer::Done);
            let ended = |table: &mut Table| {
                let ended = table::reap().into_iter();
                ended
                    .filter_map(|(pid, code)| table.ended(pid, code))
                    .next()
            };
            while ended(&mut table).is_none() {
                std::thread::yield_now();
            }
            let begin = Instant::now();
            table.end_all(begin + Duration::from_secs(120));
            assert!(begin.elapsed() < Duration::from_secs(60));
            for name in ["group", "session"] {
                let said = std::fs::read_to_string(folder.join(name)).unwrap();
                assert_eq!(said, "asked\nsaved\n", "{name}");
            }
        },
    );
}

#[test]
fn the_stop_has_an_end_whatever_is_left() {
    apart("the_stop_has_an_end_whatever_is_left", |folder| {
        let script = "trap '' TERM; echo up >up; sleep 600";
        let mut table = Table::new(Given::default());
        let started = table.answer(service("stubborn", script, folder));
        written(&folder.join("up"));
        table.stopping();
        table.end_all(Instant::now() + Duration::from_millis(20));
        // With PID 1 all would end; here it has to be ended.
        let TableAnswer::Started { pid } = started else {
            panic!("{started:?}");
        };
        kill(Pid::from_raw(-pid), Signal::SIGKILL).unwrap();
    });
}

#[test]
fn a_supervisor_is_started_where_the_program_was_replaced() {
    apart(
        "a_supervisor_is_started_where_the_program_was_replaced",
        |folder| {
            std::fs::remove_file(folder.join("body")).unwrap();
            // Here it is the tests once more, of which none is called `supervise`.
            let pid = start_supervisor(&Given::default()).unwrap();
            let ended = waitpid(Pid::from_raw(pid), None).unwrap();
            assert_eq!(ended, WaitStatus::Exited(Pid::from_raw(pid), 0));
        },
    );
}
