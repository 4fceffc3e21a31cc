//! Two machines of one instance beside each other: the real engine, the real image, the command line.

use e2e::{Instance, docker};
use serde_json::Value;

/// The instance's first machine and one more; both go with it.
struct Two(Instance);

impl Two {
    /// A command about the second machine.
    fn second(&self, arguments: &[&str]) -> String {
        self.0.ok(&Self::of_second(arguments))
    }

    /// Its ports are any free ones.
    fn of_second<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
        let free = ["--kernel-port", "0", "--mcp-port", "0", "--vnc-port", "0"];
        [&["--machine", "second"], &free[..], arguments].concat()
    }

    fn list(&self) -> Vec<(String, String)> {
        let text = self.0.ok(&["machine", "ls", "--json"]);
        let line = |line: &str| {
            let machine: Value = serde_json::from_str(line).expect("JSON");
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            (text(&machine["name"]), text(&machine["status"]["state"]))
        };
        text.lines().map(line).collect()
    }
}

impl Drop for Two {
    fn drop(&mut self) {
        for name in ["second", "other"] {
            let _ = self
                .0
                .vivarium(&["machine", "rm", name, "--home-volume", "--yes"]);
        }
        let images = format!("{}-os-second", self.0.name);
        let named = ["images", "--format", "{{.Repository}}:{{.Tag}}", &images];
        for image in docker(&named).lines() {
            docker(&["rmi", image]);
        }
    }
}

fn pair(name: &str, state: &str) -> (String, String) {
    (name.into(), state.into())
}

#[test]
fn one_evolves_while_a_cell_runs_in_the_other() {
    let two = Two(Instance::new());
    two.0.ok(&["machine", "create", "second"]);
    two.0.ok(&["up"]);
    two.second(&["up"]);
    assert_eq!(
        two.list(),
        [pair("os-host", "running"), pair("second", "running")]
    );

    // Nothing of one is in the other: names, files, tokens.
    two.0.ok(&["exec", "who = 'first'"]);
    two.second(&["exec", "who = 'second'"]);
    two.0
        .ok(&["shell", "touch /data/of-the-first /root/host/of-the-first"]);
    assert_eq!(two.0.ok(&["exec", "who"]).trim(), "'first'");
    assert_eq!(two.second(&["exec", "who"]).trim(), "'second'");
    let seen = two.second(&["shell", "ls /data /root/host"]);
    assert!(!seen.contains("of-the-first"), "{seen}");
    let secrets = |container: &str| docker(&["exec", container, "cat", "/run/secrets/os_token"]);
    let second = format!("{}-second", two.0.name);
    assert_ne!(secrets(&two.0.container()), secrets(&second));

    std::thread::scope(|scope| {
        let cell = "import os, time\n\
                    while not os.path.exists('/tmp/evolved'): time.sleep(0.1)\n\
                    who + ' went on'";
        let running = scope.spawn(|| two.0.ok(&["exec", cell]));
        let words = Two::of_second(&["--set", "evolve.steady_s=1", "evolve"]);
        let evolved = two.0.vivarium(&words);
        // However it ended: the cell waits for it.
        two.0.ok(&["shell", "touch /tmp/evolved"]);
        let said = String::from_utf8_lossy(&evolved.stdout);
        let complaints = String::from_utf8_lossy(&evolved.stderr);
        assert!(said.contains("is current"), "{said}{complaints}");
        assert_eq!(running.join().expect("a cell").trim(), "'first went on'");
    });
    assert_eq!(two.second(&["exec", "who"]).trim(), "'second'");
    assert_eq!(two.0.ok(&["exec", "who"]).trim(), "'first'");
}

#[test]
fn a_machine_is_renamed_with_what_runs_in_it_and_removed() {
    let two = Two(Instance::new());
    two.0.ok(&["machine", "create", "second", "--memory", "2g"]);
    two.second(&["up"]);
    two.second(&["exec", "kept = 41"]);
    two.0.ok(&["machine", "rename", "second", "other"]);
    assert_eq!(
        two.list(),
        [pair("os-host", "absent"), pair("other", "running")]
    );
    assert_eq!(
        two.0.ok(&["--machine", "other", "exec", "kept + 1"]).trim(),
        "42"
    );
    // It is what its settings say: nothing is to be made again.
    let up = [
        "--machine",
        "other",
        "--kernel-port",
        "0",
        "--mcp-port",
        "0",
        "--vnc-port",
        "0",
        "up",
    ];
    two.0.ok(&up);
    assert_eq!(
        two.0.ok(&["--machine", "other", "exec", "kept"]).trim(),
        "41"
    );

    // Nobody is there to say yes.
    let asked = two.0.vivarium(&["machine", "rm", "other"]);
    assert_eq!(asked.status.code(), Some(1));
    let said = String::from_utf8_lossy(&asked.stderr);
    assert!(said.contains("--yes"), "{said}");
    two.0
        .ok(&["machine", "rm", "other", "--home-volume", "--yes"]);
    assert_eq!(two.list(), [pair("os-host", "absent")]);
    let gone = two.0.vivarium(&["--machine", "other", "status"]);
    let said = String::from_utf8_lossy(&gone.stderr);
    assert!(said.contains("Machine not found: other"), "{said}");
}
