//! A full `/tmp` and a full home: errors that say so, nothing lost, and all well once there is room.

use e2e::wait_until;
use serde_json::json;

use crate::{
    body::{DEADLINE, is_well, post, run},
    plain::Plain,
};

/// Small ones, in memory.
const DISKS: [&str; 4] = [
    "--tmpfs",
    "/tmp:size=4m,mode=1777",
    "--tmpfs",
    "/root:size=4m,mode=755,uid=1000,gid=1000",
];
/// As the profile `locked` has it.
const LOCKED: [&str; 11] = [
    "--user",
    "1000:1000",
    "--cap-drop",
    "ALL",
    "--security-opt",
    "no-new-privileges",
    "--read-only",
    "--tmpfs",
    "/run:size=16m,mode=755,uid=1000,gid=1000",
    "--tmpfs",
    "/data:size=64m,mode=755,uid=1000,gid=1000",
];

/// In a container as the profile `default` makes it.
pub fn of_default() {
    full_disks(&[]);
}

/// And as `locked` does.
pub fn of_locked() {
    full_disks(&LOCKED);
}

fn full_disks(profile: &[&str]) {
    let plain = Plain::new(Some("full-disks"));
    plain.run(8080, &[&DISKS, profile].concat());
    plain.is_up();
    let machine = &plain.machine;
    wait_until("all is well", DEADLINE, || is_well(machine));
    run(
        machine,
        "kept = list(range(1000))\nopen('/root/mine', 'w').write('whole')",
    );
    post(machine, "/cryo/store", &json!({"name": "kept"}));

    let fill = "import os\nfor folder in ('/tmp', '/root'):\n    \
                file = open(folder + '/fill', 'wb', buffering=0)\n    try:\n        \
                while file.write(bytes(4096)): pass\n    except OSError as error: print(error.errno)";
    let filled = post(machine, "/exec", &json!({"code": fill}));
    assert_eq!(filled["stdout"], "28\n28\n", "{filled}");

    // What needs room says that there is none; what needs none goes on.
    let writes = json!({"code": "with open('/root/other', 'w') as file: file.write('x' * 9000)"});
    let answer = post(machine, "/exec", &writes);
    assert_eq!(answer["error"]["type"], "OSError", "{answer}");
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(message.contains("No space left on device"), "{answer}");
    let writes = json!({"command": "echo more >/tmp/more && head -c 9000 /dev/zero >>/tmp/more"});
    let answer = post(machine, "/shell", &writes);
    let said = answer["stderr"].as_str().unwrap_or_default();
    assert!(said.contains("No space left on device"), "{answer}");
    let install = json!({"code": "%pip install --quiet --no-index --no-build-isolation nothing-of-this-name"});
    assert_eq!(post(machine, "/exec", &install)["status"], "completed");
    assert_eq!(run(machine, "len(kept)"), "1000");
    for (path, body) in [
        ("/complete", json!({"code": "kep", "cursor_pos": 3})),
        ("/inspect", json!({"code": "kept", "cursor_pos": 2})),
        ("/shell", json!({"command": "true"})),
        ("/shell/env", json!({"key": "A", "value": "b"})),
        ("/cryo/store", json!({"name": "full"})),
        ("/cryo/reload", json!({"name": "kept"})),
    ] {
        post(machine, path, &body);
    }
    // New processes too: a kernel, one more, the window manager. A display needs room in /tmp.
    post(machine, "/restart", &json!({}));
    assert_eq!(
        post(machine, "/kernels", &json!({"name": "two"}))["state"],
        "idle"
    );
    assert_eq!(run(machine, "'kept' in dir(), 6 * 7"), "(False, 42)");
    post(machine, "/services/openbox/restart", &json!({}));
    machine.inside("pkill -9 Xvnc");
    wait_until("the display says why it does not start", DEADLINE, || {
        let (_, services) = machine.api("GET", "/services", "");
        let (_, log) = machine.api("GET", "/services/xvnc/logs", "");
        let log = log["text"].as_str().unwrap_or_default();
        services["services"][0]["restarts"].as_u64() >= Some(2) && log.contains("not enough space")
    });
    assert_eq!(machine.http("GET", "/ping", &[], "").0, 200);

    // With room again, all is as it was.
    machine.inside("rm /tmp/fill /root/fill");
    wait_until("all is well", DEADLINE, || is_well(machine));
    assert_eq!(machine.inside("cat /root/mine"), "whole");
    let back = post(machine, "/cryo/reload", &json!({"name": "kept"}));
    assert_eq!(back["failed"], json!([]), "{back}");
    assert_eq!(run(machine, "len(kept)"), "1000");
}
