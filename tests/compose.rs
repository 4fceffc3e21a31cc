//! Machines that carry their evolves out themselves, with the real image and its whole Dockerfile:
//! one of `docker compose` with the project's own file, and one of `vivarium up`. What is killed on
//! the way is tested with machines of a few lines, in crates/body-evolve/tests/engine.rs.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use e2e::{docker, keep_for_the_run, one_at_a_time, own_name, project, wait_until};
use serde_json::{Value, json};

const TOKEN: &str = "of-this-test";
/// For what a test waits for: long, as the computer may be busy with much else.
const LONG: Duration = Duration::from_secs(240);

/// A machine with the engine's socket in it, whoever made it; gone when dropped.
struct Seated {
    /// Its instance.
    name: String,
    folder: tempfile::TempDir,
}

impl Seated {
    /// The image is built with the binaries that lie in body/bin, for whoever makes the machine.
    fn new(name: &str) -> Self {
        let machine = Self {
            name: own_name(name),
            folder: tempfile::tempdir().expect("a folder"),
        };
        // The first build is a long one; the next one takes all its layers from the cache.
        one_at_a_time("socket", || {
            machine.ok(&["build"]);
            keep_for_the_run(&format!("{}-os", machine.name), &format!("socket-{name}"));
        });
        machine
    }

    fn vivarium(&self, words: &[&str]) -> Output {
        let program = project().join("target/debug/vivarium");
        let program = std::env::var_os("VIVARIUM_CLI").map_or(program, Into::into);
        Command::new(program)
            .args(["--set", "executor=socket", "--set", "evolve.steady_s=1"])
            .args(words)
            .env("VIVARIUM_INSTANCE", &self.name)
            .env("VIVARIUM_HOME", self.folder.path())
            .env("VIVARIUM_TEMPLATE", project())
            .env_remove("VIVARIUM_IMAGE")
            .envs(["KERNEL", "MCP", "VNC"].map(|port| (format!("VIVARIUM_{port}_PORT"), "0")))
            .output()
            .expect("vivarium runs")
    }

    fn ok(&self, words: &[&str]) -> String {
        let output = self.vivarium(words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "vivarium {words:?}: {stderr}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn container(&self) -> String {
        format!("{}-os-host", self.name)
    }

    fn inside(&self, script: &str) -> String {
        let container = self.container();
        docker(&["exec", "-u", "os", &container, "sh", "-c", script])
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Value {
        let text = self.inside(&format!("body call {method} {path} '{body}'"));
        serde_json::from_str(&text).unwrap_or_default()
    }

    fn get(&self, path: &str) -> Value {
        self.call("GET", path, &Value::Null)
    }

    fn cell(&self, code: &str) -> Value {
        self.call("POST", "/exec", &json!({ "code": code }))["result"].clone()
    }

    /// In the machine's own shell, which has the socket's group.
    fn shell(&self, command: &str) -> String {
        let answer = self.call("POST", "/shell", &json!({ "command": command }));
        assert_eq!(answer["returncode"], 0, "{command}: {answer}");
        answer["stdout"].as_str().unwrap_or_default().to_owned()
    }

    /// The newest run, when it is over and this one.
    fn ended(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut run = Value::Null;
        wait_until("the run's end", 3 * LONG, || {
            run = self.get("/evolve/runs")["runs"][0].clone();
            run["ended_at"].is_number() && is_it(&run)
        });
        run
    }

    fn log_of(&self, run: &Value) -> String {
        let id = run["run_id"].as_str().expect("an id");
        self.get(&format!("/evolve/runs/{id}/log")).to_string()
    }

    /// Asks for an evolve from inside, of which this is the note.
    fn evolves(&self, note: &str) -> Value {
        self.inside(&format!("evolve --note '{note}' >/tmp/said 2>&1 &"));
        let mut asked = String::new();
        wait_until("what evolve says", LONG, || {
            asked = self.inside("cat /tmp/said");
            asked.contains("through the engine's socket")
        });
        self.ended(|run| run["note"] == note)
    }

    /// A note of the step that built the image: nothing that did not change was built again.
    fn took_layers_from_the_cache(run: &Value) {
        let steps = run["steps"].as_array().expect("steps");
        let built = steps.iter().find(|step| step["name"] == "build");
        let note = built.expect("a build")["note"].as_str().unwrap_or_default();
        let cached = note.split(" steps, ").nth(1);
        let cached = cached.and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok());
        assert!(cached.is_some_and(|cached| cached >= 20), "{note}");
    }

    /// What replaced the machine is gone.
    fn is_alone(&self) {
        let name = format!("name=^/{}-os", self.name);
        let all = ["ps", "-a", "--filter", &name, "--format", "{{.Names}}"];
        wait_until("the restarters' end", LONG, || {
            docker(&all).trim() == self.container()
        });
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        let name = format!("name=^/{}-", self.name);
        for id in docker(&["ps", "-aq", "--filter", &name]).lines() {
            docker(&["rm", "-fv", id]);
        }
        let _ = self.vivarium(&["rm", "--home-volume"]);
        let of = format!("reference={}-*", self.name);
        let named = ["images", "--format", "{{.Repository}}:{{.Tag}}"];
        let named = docker(&[&named[..], &["--filter", &of]].concat());
        for image in named.lines() {
            docker(&["rmi", "-f", image]);
        }
    }
}

/// One that Compose makes, whose `/repo` is a clone of this project.
struct Composed(Seated);

impl Composed {
    fn new() -> Self {
        let machine = Self(Seated::new("compose"));
        let repo = machine.repo();
        std::fs::create_dir_all(&repo).expect("a folder");
        std::fs::create_dir_all(machine.home()).expect("a folder");
        let files = "git ls-files -z --cached --others --exclude-standard --deduplicate | \
            tar --null --ignore-failed-read --files-from=- -cf - | tar -xf - -C \"$0\"";
        let clone = ["-c", files, &repo.display().to_string()];
        run(Command::new("sh").args(clone).current_dir(project()));
        let git = "git init -q && git add -A && git -c user.name=t -c user.email=t@localhost commit -qm first";
        run(Command::new("sh").args(["-c", git]).current_dir(&repo));
        // On a network that inspects TLS.
        let certificates = "cp body/build-ca/*.crt \"$0/body/build-ca/\" 2>/dev/null || true";
        let given = ["-c", certificates, &repo.display().to_string()];
        run(Command::new("sh").args(given).current_dir(project()));
        // The machine's user is whoever the repo belongs to; root can't be it.
        if run(Command::new("id").arg("-u")).stdout == b"0\n" {
            run(Command::new("chown")
                .args(["-R", "1234:1234"])
                .args([&repo, &machine.home()]));
        }
        machine
    }

    fn repo(&self) -> PathBuf {
        self.0.folder.path().join("repo")
    }

    fn home(&self) -> PathBuf {
        self.0.folder.path().join("of-compose")
    }

    /// Compose as Debian and so the image has it, whatever this computer has.
    fn compose(&self, words: &[&str]) -> Output {
        let (docker, profile) = (
            project().join("docker"),
            project().join("crates/lifecycle/src"),
        );
        let see = |path: &Path| format!("{0}:{0}:ro", path.display());
        let file = docker.join("docker-compose.yml").display().to_string();
        let socket = "/var/run/docker.sock:/var/run/docker.sock";
        let mut command = Command::new("docker");
        command.args(["run", "--rm", "--entrypoint", "docker", "-v", socket]);
        command.args(["-v", &see(&docker), "-v", &see(&profile)]);
        for variable in [
            format!("HOST_HOME={}", self.home().display()),
            format!("HOST_PWD={}", self.repo().display()),
            format!("VIVARIUM_INSTANCE={}", self.0.name),
            format!("OS_TOKEN={TOKEN}"),
            "VIVARIUM_SET=evolve.steady_s=1".into(),
            "VIVARIUM_KERNEL_PORT=0".into(),
            "VIVARIUM_MCP_PORT=0".into(),
            "VIVARIUM_VNC_PORT=0".into(),
        ] {
            command.args(["-e", &variable]);
        }
        command.arg(format!("{}-os", self.0.name));
        command.args(["compose", "-f", &file]).args(words);
        command.output().expect("docker runs")
    }

    /// Through the published port, as clients do.
    fn is_reached(&self) -> bool {
        let port = docker(&["port", &self.0.container(), "8080/tcp"]);
        let address = format!("http://{}/status", port.trim());
        let bearer = format!("Authorization: Bearer {TOKEN}");
        let answer = Command::new("curl")
            .args(["-fsS", "-H", &bearer, &address])
            .output();
        answer.is_ok_and(|answer| answer.status.success())
    }
}

impl Drop for Composed {
    fn drop(&mut self) {
        let _ = self.compose(&["down", "-v"]);
    }
}

fn run(command: &mut Command) -> Output {
    let output = command.output().expect("it runs");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {words}");
    output
}

#[test]
fn a_machine_of_compose_evolves_by_itself() {
    let composed = Composed::new();
    let machine = &composed.0;
    let up = composed.compose(&["up", "-d", "--no-build"]);
    let words = String::from_utf8_lossy(&up.stderr);
    assert!(up.status.success(), "{words}");
    let answers = || machine.get("/ping")["status"] == "ok";
    wait_until("the machine", LONG, answers);
    assert!(composed.is_reached());
    assert_eq!(machine.get("/evolve/status")["executor"], "socket");
    machine.cell("kept = 7");
    machine.inside("echo home > /root/kept; echo host > /root/host/kept");

    machine.inside("echo 2 > /repo/body/rootfs/etc/vivarium/version");
    let run = machine.evolves("from inside");
    assert_eq!(run["state"], "good", "{run}");
    Seated::took_layers_from_the_cache(&run);
    let seen = "cat /etc/vivarium/version /root/kept /root/host/kept";
    assert_eq!(machine.inside(seen), "2\nhome\nhost");
    assert_eq!(machine.cell("kept"), "7");
    assert!(composed.is_reached());
    let log = machine.log_of(&run);
    for words in ["test the new machine", "replace the old machine"] {
        assert!(log.contains(words), "{log}");
    }
    assert!(!log.contains("Rust sources changed"), "{log}");
    machine.is_alone();

    // A rollback, which nothing wished for, stands in the history too.
    machine.shell("setsid body-evolve rollback </dev/null >/tmp/said 2>&1 &");
    let run = machine.ended(|run| run["kind"] == "rollback");
    assert_eq!(run["state"], "good", "{run}");
    assert!(machine.log_of(&run).contains("replace the old machine"));
    assert_eq!(machine.inside(&format!("{seen} 2>/dev/null")), "home\nhost");
    assert_eq!(machine.cell("kept"), "7");

    // Compose goes on with it.
    machine.is_alone();
    let listed = composed.compose(&["ps", "--services", "--status", "running"]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), "os");
    let id = || docker(&["inspect", "-f", "{{.Id}}", &machine.container()]);
    let before = id();
    let up = composed.compose(&["up", "-d", "--no-build"]);
    assert!(up.status.success());
    assert_eq!(id(), before, "compose finds nothing to change");
    assert!(composed.compose(&["down"]).status.success());
    let name = format!("name=^/{}-os", machine.name);
    assert!(docker(&["ps", "-aq", "--filter", &name]).trim().is_empty());
}

#[test]
fn a_machine_of_vivarium_evolves_by_itself_and_the_host_sees_it() {
    let machine = Seated::new("seated");
    machine.ok(&["--set", "evolve.needs_yes=true", "up"]);
    assert_eq!(machine.get("/evolve/status")["executor"], "socket");
    // Nobody could keep whatever has the socket from saying the yes itself.
    let refused = machine.evolves("without a yes");
    let reason = refused["error"].as_str().unwrap_or_default();
    assert!(reason.contains("could approve itself"), "{refused}");
    assert_eq!(refused["state"], "failed");

    machine.ok(&["up", "--recreate"]);
    machine.cell("kept = 7");
    // Another version than that of the test above: its build has layers of its own.
    machine.inside("echo 3 > /repo/body/rootfs/etc/vivarium/version");
    let run = machine.evolves("from inside");
    assert_eq!(run["state"], "good", "{run}");
    Seated::took_layers_from_the_cache(&run);
    assert!(!machine.log_of(&run).contains("Rust sources changed"));
    machine.is_alone();

    // It is the host's generation too, and `up` leaves the machine alone.
    let current = || -> Value {
        let all = machine.ok(&["generations", "--json"]);
        let all: Value = serde_json::from_str(&all).expect("JSON");
        let all = all["generations"].as_array().expect("a list").clone();
        all.into_iter()
            .find(|one| one["current"] == true)
            .expect("one")
    };
    let own = current();
    assert_eq!(
        (&own["note"], &own["asked_by"]),
        (&"from inside".into(), &"machine".into())
    );
    let id = || docker(&["inspect", "-f", "{{.Id}}", &machine.container()]);
    let before = id();
    machine.ok(&["up"]);
    assert_eq!(id(), before, "up finds nothing to change");
    assert_eq!(machine.cell("kept"), "7");

    // Each goes on from what the other did.
    machine.ok(&["rollback"]);
    let seen = "cat /etc/vivarium/version 2>/dev/null";
    assert_eq!(machine.inside(seen), "");
    assert_eq!(machine.cell("kept"), "7");
    let number = own["number"].as_u64().expect("a number");
    let listed = machine.shell("body-evolve generations");
    assert!(listed.contains("from inside"), "{listed}");
    machine.shell(&format!(
        "setsid body-evolve rollback {number} </dev/null >/tmp/said 2>&1 &"
    ));
    let run = machine.ended(|run| run["kind"] == "rollback");
    assert_eq!(run["state"], "good", "{run}");
    assert_eq!(machine.inside(seen), "3");
    assert_eq!(current()["number"], number);
    machine.is_alone();
    machine.ok(&["rm", "--home-volume"]);
}
