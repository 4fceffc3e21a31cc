//! What hangs is noticed: in a machine that runs, and as a whole that somebody paused.

use std::{
    io::{BufRead, BufReader, Write},
    process::Stdio,
    time::{Duration, Instant},
};

use e2e::{Instance, docker, wait_until};
use serde_json::{Value, json};

use crate::body::{DEADLINE, is_well, pid, run};

/// How long a command may take that has nothing to wait for.
const SOON: Duration = Duration::from_secs(60);

/// A stopped display is started again; a stopped kernel says so to whoever asks, keeps its variables,
/// and goes on.
pub fn stopped(machine: &Instance) {
    run(machine, "kept = 6");
    let pid = |service: &str| pid(machine, service).expect("it runs").to_string();
    let (display, kernel) = (pid("xvnc"), pid("kernel-main"));
    machine.inside(&format!("kill -STOP {display} {kernel}"));
    wait_until("the kernel is known to hang", DEADLINE, || {
        state(machine, "kernel-main") == "unresponsive"
    });
    let (status, ping) = machine.http("GET", "/ping", &[], "");
    assert!(
        status == 503 && ping.to_string().contains("is stopped"),
        "{ping}"
    );
    let (status, answer) = machine.api("POST", "/exec", &json!({"code": "kept"}).to_string());
    assert_eq!(
        (status, &answer["error"]["code"]),
        (503, &json!("kernel_unresponsive"))
    );
    let refused = machine.vivarium(&["exec", "kept"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("not responding"),
        "{said}"
    );
    assert_eq!(
        machine.api("GET", "/kernels", "").1["kernels"][0]["state"],
        "unresponsive"
    );

    wait_until("the display is another one", DEADLINE, || {
        state(machine, "xvnc") == "ready" && pid("xvnc") != display
    });
    machine.inside(&format!("kill -CONT {kernel}"));
    wait_until("all is well", DEADLINE, || is_well(machine));
    assert_eq!(run(machine, "kept * 7"), "42");

    // One that nobody resumes is restarted by whoever asks for it.
    machine.inside(&format!("kill -STOP {kernel}"));
    let (status, _) = machine.api("POST", "/services/kernel-main/restart", "");
    assert_eq!(status, 200);
    assert_ne!(pid("kernel-main"), kernel);
}

/// A machine that the engine holds is *paused*, and commands say so at once.
pub fn paused(machine: &Instance) {
    let container = machine.container();
    docker(&["pause", &container]);
    let told = machine.vivarium(&["--json", "status"]);
    assert_eq!(told.status.code(), Some(3));
    let status: Value = serde_json::from_slice(&told.stdout).expect("JSON");
    assert_eq!(status["state"], "paused");
    let begin = Instant::now();
    for command in [
        &["exec", "1"][..],
        &["up"],
        &["shell", "true"],
        &["mcp", "list"],
    ] {
        let refused = machine.vivarium(command);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(3), "{command:?}: {said}");
        assert!(
            said.contains("is paused") && said.contains("unpause"),
            "{command:?}: {said}"
        );
    }
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    docker(&["unpause", &container]);
    wait_until("all is well", DEADLINE, || is_well(machine));
    // Nothing counts the time in which nothing could answer.
    assert_eq!(state(machine, "xvnc"), "ready");

    // A cell that is held up says by what.
    let mut cell = machine.command(&["exec", "input(); print('done')"]);
    let cell = cell.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut cell = cell.stderr(Stdio::piped()).spawn().expect("vivarium runs");
    wait_until("the cell runs", DEADLINE, || {
        machine.api("GET", "/status", "").1["busy"] == true
    });
    docker(&["pause", &container]);
    let said = BufReader::new(cell.stderr.take().expect("a pipe")).lines();
    let mut said = said.map_while(Result::ok);
    assert!(
        said.any(|line| line.contains("is paused")),
        "it ended and said nothing"
    );
    docker(&["unpause", &container]);
    let mut answer = cell.stdin.take().expect("a pipe");
    answer.write_all(b"on\n").expect("it reads");
    drop(answer);
    // To its end, or it could not say any more.
    said.for_each(drop);
    assert!(cell.wait().expect("it ends").success());

    docker(&["pause", &container]);
    machine.ok(&["restart"]);
    wait_until("all is well", DEADLINE, || is_well(machine));
}

fn state(machine: &Instance, service: &str) -> Value {
    let (_, answer) = machine.api("GET", "/services", "");
    let services = answer["services"].as_array().expect("services").clone();
    let found = services.into_iter().find(|found| found["name"] == service);
    found.expect("the service")["state"].clone()
}
