//! PID 1 with real processes, each test in a process of its own: PID 1 reaps whatever child there is.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::Command,
};

use nix::sys::wait::{WaitStatus, waitpid};

use wire::table::TableRequest;

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
        let longest = Some(Duration::from_secs(20));
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
        let TableAnswer::Services { services } = self.ask(&TableRequest::List) else {
            panic!("no list");
        };
        let listed = services.into_iter();
        listed.map(|service| (service.name, service.exit)).collect()
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
            });
        },
    );
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
