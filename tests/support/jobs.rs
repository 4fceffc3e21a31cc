//! Long work as one list, from the command line and in the machine's API: cells, commands and terminals
//! with their owners, ended as their kinds are.

use e2e::{Instance, wait_until};
use serde_json::{Value, json};

use crate::body::{DEADLINE, Stream};

/// All of it.
pub fn holds(machine: &Instance) {
    let cell = json!({"code": "print('printed', flush=True)\nimport time\ntime.sleep(600)"});
    let mut cell = Stream::open(machine, "POST", "/exec", &cell.to_string());
    cell.until("output");
    let command = json!({"command": "echo begun; sleep 86.75"}).to_string();
    let mut command = Stream::open(machine, "POST", "/shell", &command);
    command.until("output");

    let running = || -> Vec<Value> {
        let list: Value = serde_json::from_str(&machine.ok(&["job", "ls", "--running", "--json"]))
            .expect("one line of JSON");
        assert_eq!(list["missing"], Value::Null, "{list}");
        list["jobs"].as_array().expect("a list").clone()
    };
    let of = |jobs: &[Value], kind: &str| -> Value {
        let found = jobs.iter().find(|job| job["kind"] == kind);
        found
            .unwrap_or_else(|| panic!("no {kind} in {jobs:?}"))
            .clone()
    };
    let jobs = running();
    let (a_cell, a_command) = (of(&jobs, "cell"), of(&jobs, "command"));
    assert_eq!(a_cell["title"], "print('printed', flush=True)");
    assert_eq!(a_command["title"], "echo begun; sleep 86.75");
    for job in [&a_cell, &a_command] {
        assert_eq!(job["owner"]["kind"], "person");
        assert_eq!(job["machine"], "os-host");
        assert_eq!(job["can_cancel"], true);
    }
    let id = |job: &Value| job["id"].as_str().expect("an id").to_owned();
    assert_eq!(machine.ok(&["job", "logs", &id(&a_cell)]).trim(), "printed");

    // What is inside belongs to the machine.
    let inside = "curl -s --unix-socket /run/vivarium/body.sock --json \
                  '{\"command\": \"true\"}' http://localhost/shell >/dev/null";
    machine.inside(inside);
    let (_, listed) = machine.api("GET", "/jobs", "");
    let listed = listed["jobs"].as_array().expect("a list").clone();
    let ended = listed.iter().find(|job| job["title"] == "true");
    let ended = ended.expect("the command from inside");
    assert_eq!(ended["owner"]["kind"], "machine");
    assert_eq!(ended["state"]["kind"], "succeeded");

    // Each is ended as its kind is.
    machine.ok(&["job", "cancel", &id(&a_command), &id(&a_cell)]);
    assert_eq!(command.until("done")["status"], "interrupted");
    assert_eq!(cell.until("done")["status"], "interrupted");
    wait_until("nothing goes on", DEADLINE, || {
        let jobs = running();
        !jobs
            .iter()
            .any(|job| id(job) == id(&a_cell) || id(job) == id(&a_command))
    });
    let (status, answer) = machine.api("DELETE", &format!("/jobs/{}", id(&a_command)), "");
    assert_eq!(
        (status, &answer["error"]["code"]),
        (404, &json!("not_found"))
    );
}
