//! What is killed, again and again, comes back.

use std::{collections::BTreeMap, time::Instant};

use e2e::{Instance, wait_until};
use serde_json::{Value, json};

use crate::body::{DEADLINE, Stream, is_well, pid, post, run};

/// Kills what runs, in an order that the seed gives: all comes back, and the namespace stays but for
/// the kernel that was itself killed.
pub fn kills(machine: &Instance, seed: u64, rounds: usize) {
    // Process, and the service that it is; the supervisor is none.
    let victims = [
        ("filesystem/dist/index.js", Some("mcp:filesystem")),
        ("libexec/linux-mcp-server", Some("mcp:linux")),
        ("bin/body computer", Some("mcp:computer")),
        ("Xvnc", Some("xvnc")),
        ("openbox", Some("openbox")),
        ("pcmanfm", Some("pcmanfm")),
        ("kernels/main.sock", Some("kernel-main")),
        ("body supervise", None),
    ];
    let mut state = seed;
    let mut next = || {
        // Steele and others' SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 33).expect("31 bits")
    };
    println!("seed {seed}, {rounds} kills");
    let restarts = || {
        let (_, told) = machine.api("GET", "/services", "");
        let services = told["services"].as_array().expect("services").clone();
        let counted = services.into_iter().map(|service| {
            let name = service["name"].as_str().expect("a name").to_owned();
            (name, service["restarts"].as_u64().expect("a number"))
        });
        // MCP servers end with their supervisor, and begin anew.
        counted.filter(|(name, _)| !name.starts_with("mcp:"))
    };
    let mut least: BTreeMap<String, u64> = restarts().collect();
    // A kernel beside the main one is found again too.
    post(machine, "/kernels", &json!({"name": "beside"}));
    post(
        machine,
        "/exec",
        &json!({"code": "mine = 'still here'", "kernel": "beside"}),
    );
    run(machine, "kept = 0");
    post(machine, "/cryo/store", &json!({"name": "kills"}));
    for round in 1..=rounds {
        let (victim, service) = victims[next() % victims.len()];
        if let Some(times) = service.and_then(|service| least.get_mut(service)) {
            *times += 1;
        }
        // MCP servers start with the first call.
        let server = service.and_then(|service| service.strip_prefix("mcp:"));
        assert!(server.is_none_or(|server| mcp_answers(machine, server)));
        let before = service.and_then(|service| pid(machine, service));
        let stores = next() % 4 == 0;
        // So that the kill falls into the store.
        let large = if stores { 24 << 20 } else { 0 };
        let cell = json!({"id": format!("r{round}"), "code": format!("import os, time; time.sleep(0.05); kept = {round}; large = os.urandom({large})")});
        let mut stream = Stream::open(machine, "POST", "/exec", &cell.to_string());
        let id = stream.until("accepted")["execution_id"].clone();
        let storing =
            stores.then(|| Stream::open(machine, "POST", "/cryo/store", r#"{"name": "kills"}"#));
        machine.inside(&format!("pkill -9 -f '{victim}'"));
        let begin = Instant::now();
        let what = format!("seed {seed}, round {round}: all is back after {victim} was killed");
        wait_until(&what, DEADLINE, || {
            let now = service.and_then(|service| pid(machine, service));
            let again = match server {
                // Clients ask again, and it starts again for them.
                Some(server) => mcp_answers(machine, server),
                None => service.is_none() || now != before,
            };
            again && is_well(machine)
        });
        assert_ne!(
            service.map(|service| pid(machine, service)),
            Some(before),
            "seed {seed}, round {round}: {victim} was not killed"
        );
        stream.wait_for_end();
        if let Some(storing) = storing {
            storing.wait_for_answer();
        }

        // The cell's client comes back by its id: it ended, or died with its own kernel.
        let path = format!("/executions/{}", id.as_str().expect("an id"));
        let over = format!("seed {seed}, round {round}: the cell is over ({victim})");
        let mut shown = Value::Null;
        wait_until(&over, DEADLINE, || {
            shown = machine.api("GET", &path, "").1;
            shown["state"] == "over"
                || (victim == "kernels/main.sock" && shown["error"].is_object())
        });
        if victim == "kernels/main.sock" {
            let back = post(machine, "/cryo/reload", &json!({"name": "kills"}));
            assert_eq!(back["failed"], json!([]), "seed {seed}, round {round}");
        } else {
            assert_eq!(
                shown["answer"]["status"], "completed",
                "seed {seed}, round {round}, {victim}: {shown}"
            );
            assert_eq!(
                run(machine, "kept"),
                round.to_string().as_str(),
                "seed {seed}, round {round}, {victim}"
            );
        }
        println!(
            "round {round}: back {:?} after {victim} was killed",
            begin.elapsed()
        );
        let what = format!("seed {seed}, round {round}, {victim}: no zombie is left");
        wait_until(&what, DEADLINE, || {
            machine.inside("ps -eo stat= | grep -c Z") == "0"
        });
    }
    // The supervisors that were killed are not what is counted from.
    let told: BTreeMap<String, u64> = restarts().collect();
    for (name, times) in least {
        assert!(told[&name] >= times, "seed {seed}: {name}: {told:?}");
    }
    let back = post(machine, "/cryo/reload", &json!({"name": "kills"}));
    assert_eq!(back["failed"], json!([]), "seed {seed}: the last snapshot");
    let mine = post(
        machine,
        "/exec",
        &json!({"code": "mine", "kernel": "beside"}),
    );
    assert_eq!(mine["result"], "'still here'");
}

/// A kernel, and the supervisor with it: it comes back under its name, what ran is said to have
/// died, and nothing runs that its batch no longer wants. One that is ended goes also where its
/// client does not wait for that.
pub fn together(machine: &Instance) {
    post(machine, "/kernels", &json!({"name": "both"}));
    let order = |code: &str| {
        let cell = json!({"code": code, "kernel": "both", "batch": "all"}).to_string();
        let mut stream = Stream::open(machine, "POST", "/exec", &cell);
        let id = stream.until("accepted")["execution_id"].clone();
        (
            stream,
            format!("/executions/{}", id.as_str().expect("an id")),
        )
    };
    let (mut running, ran) = order("print('on', flush=True); import time; time.sleep(600)");
    running.until("output");
    let (waiting, waited) = order("open('/data/ran-behind', 'w')");
    machine.inside("kill -9 $(pgrep -f '[b]in/body supervise') $(pgrep -f '[k]ernels/both.sock')");
    running.wait_for_end();
    waiting.wait_for_end();
    wait_until("both are back", DEADLINE, || {
        let answer = |path: &str| machine.api("GET", path, "").1["answer"]["status"].clone();
        answer(&ran) == "died" && answer(&waited) == "interrupted" && is_well(machine)
    });
    let cell = json!({"code": "1 + 1", "kernel": "both"});
    assert_eq!(post(machine, "/exec", &cell)["result"], "2");
    assert_eq!(machine.inside("ls /data | grep -c ran-behind"), "0");

    let deaf = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('on', flush=True)\ntime.sleep(600)";
    let cell = json!({"code": deaf, "kernel": "both"}).to_string();
    let mut running = Stream::open(machine, "POST", "/exec", &cell);
    running.until("output");
    let ending = Stream::open(machine, "DELETE", "/kernels/both", "");
    wait_until("it begins to end", DEADLINE, || {
        !machine
            .api("GET", "/kernels", "")
            .1
            .to_string()
            .contains("\"both\"")
    });
    drop(ending);
    assert_eq!(running.until("done")["status"], "died");
    wait_until("its process is gone", DEADLINE, || {
        machine.inside("pgrep -cf '[k]ernels/both.sock'") == "0"
    });
}

/// Whether a call to an MCP server is answered.
fn mcp_answers(machine: &Instance, server: &str) -> bool {
    let call: &[&str] = match server {
        "filesystem" => &["list_allowed_directories"],
        "linux" => &["get_memory_information"],
        _ => &["run_shell", "command=pwd"],
    };
    let words = [&["mcp", "call", "--server", server], call].concat();
    machine.vivarium(&words).status.success()
}
