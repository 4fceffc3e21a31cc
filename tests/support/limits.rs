//! What a machine has no more of: processes, disk, memory for what is printed. It says so, and goes on.

use std::time::Instant;

use e2e::{Instance, wait_until};
use serde_json::json;

use crate::body::{DEADLINE, Stream, is_well, pid, post, run};

/// Cells that fork up to the machine's limit of processes. They are ended by what the API has for it.
pub fn fork_bombs(machine: &Instance) {
    run(machine, "before = 1");
    let desktop = ["xvnc", "openbox", "pcmanfm"].map(|service| pid(machine, service));
    // Copies of the kernel itself; then processes that left its group and lost their parents.
    let copies = "import os\nme, told = os.getpid(), False\nwhile True:\n    try:\n        os.fork()\n    \
                  except OSError:\n        if os.getpid() == me and not told:\n            told = True\n            \
                  print('full', flush=True)";
    let strangers = "import subprocess\nbomb = ['bash', '-c', 'bomb() { bomb | bomb & }; bomb; sleep 600']\n\
                     subprocess.Popen(bomb, start_new_session=True).wait()";
    for code in [copies, strangers] {
        let mut stream = Stream::open(machine, "POST", "/exec", &json!({"code": code}).to_string());
        loop {
            let said = stream.until("output").to_string();
            if said.contains("full") || said.contains("retry") {
                break;
            }
        }
        let begin = Instant::now();
        let (status, error) = machine.api("POST", "/shell", r#"{"command": "true"}"#);
        assert!(status == 200 || error["error"].is_object(), "{error}");
        // It reaches the cell; what the cell started goes on.
        post(machine, "/interrupt", &json!({}));
        post(machine, "/restart", &json!({}));
        println!("a fork bomb was over after {:?}", begin.elapsed());
        let status = stream.until("done")["status"].clone();
        assert!(status == "died" || status == "interrupted", "{status}");
        assert_eq!(run(machine, "'before' in dir(), 6 * 7"), "(False, 42)");
        let count = "pgrep -fc '[b]omb\\(\\)'; pgrep -fc '[k]ernels/main'";
        wait_until("nothing of it is left", DEADLINE, || {
            post(machine, "/shell", &json!({"command": count}))["stdout"] == "0\n1\n"
        });
    }
    wait_until("all is well", DEADLINE, || is_well(machine));
    let after = ["xvnc", "openbox", "pcmanfm"].map(|service| pid(machine, service));
    assert_eq!(desktop, after, "the desktop went on");
}

/// Cells that print 1 GB, all of it different, to a client that reads none of it: no process keeps it,
/// and the API answers meanwhile.
pub fn floods(machine: &Instance) {
    run(machine, "1");
    let both = "$(pgrep -f 'body supervise|kernels/main.sock')";
    machine.inside(&format!(
        "for pid in {both}; do echo 5 > /proc/$pid/clear_refs; done"
    ));
    let of_python = "for n in range(1 << 14): print(f'{n:065535}')";
    let of_a_child = "!seq -f %065535.0f 16384";
    for (code, last) in [(of_python, "16383\n"), (of_a_child, "16384\n")] {
        let cell = json!({"code": code}).to_string();
        let mut stream = Stream::open(machine, "POST", "/exec", &cell);
        let id = stream.until("accepted")["execution_id"].clone();
        let path = format!("/executions/{}", id.as_str().expect("an id"));
        let mut shown = json!({"state": "running"});
        let mut looks = 0;
        while shown["state"] != "over" {
            assert_eq!(machine.http("GET", "/ping", &[], "").0, 200);
            let up = post(machine, "/shell", &json!({"command": "echo up"}));
            assert_eq!(up["stdout"], "up\n");
            shown = machine.api("GET", &path, "").1;
            looks += 1;
        }
        println!("{code}: answered {looks} times meanwhile");
        let answer = &shown["answer"];
        assert_eq!(answer["status"], "completed", "{code}");
        // Its beginning and its end are kept.
        let kept = answer["stdout"].as_str().expect("text");
        assert!(kept.len() < 16 << 20 && kept.ends_with(last), "{code}");
        let cut = answer["stderr"].as_str().expect("text");
        assert!(cut.contains("MiB omitted"), "{code}: {cut}");
        stream.wait_for_end();
    }
    let peaks = machine.inside(&format!(
        "for pid in {both}; do grep VmHWM /proc/$pid/status; done"
    ));
    println!("{peaks}");
    assert!(peaks.lines().count() >= 2, "{peaks}");
    for line in peaks.lines() {
        let kib: u64 = line
            .split_whitespace()
            .nth(1)
            .expect("a number")
            .parse()
            .expect("a number");
        assert!(kib < 384 << 10, "{peaks}");
    }
}

/// `VIVARIUM_DATA_DIR` and `VIVARIUM_RUN_DIR` of this machine lie on a disk of 8 MB, which fills up.
pub fn full_disk(machine: &Instance) {
    let store = |name: &str| machine.api("POST", "/cryo/store", &json!({"name": name}).to_string());
    let files = || machine.inside("find /dev/shm/data/cryo -type f | sort");
    let full = |name: &str| {
        let (status, answer) = store(name);
        assert_eq!(
            (status, &answer["error"]["code"]),
            (507, &json!("disk_full")),
            "{answer}"
        );
        assert!(
            answer["error"]["message"]
                .as_str()
                .is_some_and(|text| text.contains("full"))
        );
    };

    // The very first store finds no room.
    let fill = "import os\nfile = open('/dev/shm/fill', 'wb', buffering=0)\ntry:\n    \
                while file.write(bytes(4096)): pass\nexcept OSError as error: print(error.errno)\ndel file";
    run(machine, &format!("kept = list(range(1000))\n{fill}"));
    full("kept");
    run(machine, "os.unlink('/dev/shm/fill')");

    // A large one, beside one that is whole; compressed while it is written, and not.
    assert_eq!(store("kept").0, 200);
    let whole = files();
    for large in [
        "os.urandom(20 << 20)",
        "os.urandom(1 << 20).hex() * 40 + os.urandom(7 << 20).hex()",
    ] {
        run(machine, &format!("kept.append(1)\nlarge = {large}"));
        full("kept");
        full("other");
        assert_eq!(files(), whole, "nothing half-written remains");
    }
    let (_, listed) = machine.api("GET", "/cryo", "");
    assert_eq!(
        listed["snapshots"].as_array().map(Vec::len),
        Some(1),
        "{listed}"
    );

    // Not a byte is left: cells, the queue, logs, commands and a new kernel need none.
    run(machine, &format!("del large\n{fill}"));
    full("other");
    let running = json!({"code": "print('on', flush=True)\ninput()", "stdin": true});
    let mut first = Stream::open(machine, "POST", "/exec", &running.to_string());
    let id = first.until("accepted")["execution_id"].clone();
    first.until("input_request");
    let mut second = Stream::open(
        machine,
        "POST",
        "/exec",
        &json!({"code": "1 + 1"}).to_string(),
    );
    second.until("accepted");
    post(
        machine,
        &format!("/executions/{}/input", id.as_str().expect("an id")),
        &json!({"value": "x"}),
    );
    assert_eq!(first.until("done")["result"], "'x'");
    assert_eq!(second.until("done")["result"], "2");
    assert_eq!(
        post(machine, "/shell", &json!({"command": "echo up"}))["stdout"],
        "up\n"
    );
    let (_, logs) = machine.api("GET", "/services/xvnc/logs", "");
    assert!(
        logs["text"]
            .as_str()
            .is_some_and(|text| text.contains("VNC")),
        "{logs}"
    );
    post(machine, "/services/pcmanfm/restart", &json!({}));
    post(machine, "/restart", &json!({}));
    let back = post(machine, "/cryo/reload", &json!({"name": "kept"}));
    assert_eq!(back["failed"], json!([]));
    assert_eq!(run(machine, "len(kept)"), "1000");

    // And with room again, it is stored.
    run(machine, "import os; os.unlink('/dev/shm/fill')");
    assert_eq!(store("kept").0, 200);
    wait_until("all is well", DEADLINE, || is_well(machine));
}
