//! A machine without the app: `docker compose` with the project's own file, the real image, and an
//! evolve that the machine carries out itself. What is killed on the way is tested with machines of
//! a few lines, in crates/body-evolve/tests/engine.rs.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use e2e::{docker, project, wait_until};
use serde_json::Value;

const TOKEN: &str = "of-this-test";

/// A machine made by compose from a small repo: the real image, and one layer more.
struct Composed {
    name: String,
    folder: tempfile::TempDir,
}

impl Composed {
    fn new() -> Self {
        let machine = Self {
            name: format!("vtest-compose-{}", std::process::id()),
            folder: tempfile::tempdir().expect("a folder"),
        };
        machine.build_tools();
        machine.build_base();
        machine.write(
            "body/Dockerfile",
            "ARG BASE\nFROM ${BASE}\nCOPY body/rootfs/ /\n",
        );
        machine.write("body/rootfs/etc/version", "1");
        let repo = machine.repo();
        let git = "git init -q && git add -A && git -c user.name=t -c user.email=t@localhost commit -qm first";
        run(Command::new("sh").args(["-c", git]).current_dir(&repo));
        std::fs::create_dir_all(machine.folder.path().join("home")).expect("a folder");
        // The machine's user is whoever the repo belongs to; root can't be it.
        if run(Command::new("id").arg("-u")).stdout == b"0\n" {
            run(Command::new("chown")
                .args(["-R", "1234:1234"])
                .arg(machine.folder.path()));
        }
        let base = format!("BASE={}-base", machine.name);
        let image = format!("{}-os", machine.name);
        let dockerfile = repo.join("body/Dockerfile");
        run(Command::new("docker")
            .args(["build", "-q", "-t", &image, "--build-arg", &base, "-f"])
            .args([&dockerfile, &repo]));
        machine
    }

    /// Compose as Debian has it, whatever this computer has.
    fn build_tools(&self) {
        let dockerfile = "FROM debian:trixie-slim\nRUN apt-get update -qq && \
            apt-get install -y -qq --no-install-recommends docker-cli docker-compose >/dev/null\n";
        self.build("tools", dockerfile, &[]);
    }

    /// The image of all tests, with what the build argument DOCKER_CLI adds of ours.
    fn build_base(&self) {
        let image = std::env::var("VIVARIUM_TEST_IMAGE").unwrap_or_else(|_| {
            let instance = std::env::var("VIVARIUM_TEST_INSTANCE").expect("VIVARIUM_TEST_INSTANCE");
            format!("{instance}-os")
        });
        let arch = std::env::consts::ARCH;
        let program = project().join(format!("body/bin/{arch}/body-evolve"));
        let dockerfile = format!(
            "FROM {image}\nCOPY body-evolve /usr/local/bin/\n\
             RUN mkdir -p /usr/local/share/vivarium && body-evolve sources /nothing >/usr/local/share/vivarium/body.sources\n"
        );
        self.build("base", &dockerfile, &[&program]);
    }

    fn build(&self, name: &str, dockerfile: &str, files: &[&Path]) {
        let context = tempfile::tempdir().expect("a folder");
        std::fs::write(context.path().join("Dockerfile"), dockerfile).expect("written");
        for file in files {
            let name = file.file_name().expect("a file");
            std::fs::copy(file, context.path().join(name)).expect("copied");
        }
        let tag = format!("{}-{name}", self.name);
        run(Command::new("docker")
            .args(["build", "-q", "-t", &tag])
            .arg(context.path()));
    }

    fn repo(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.repo().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }

    fn compose(&self, words: &[&str]) -> Output {
        let (folder, docker) = (
            self.folder.path().display().to_string(),
            project().join("docker"),
        );
        let profile = project().join("crates/lifecycle/src");
        let see = |path: &Path| format!("{0}:{0}:ro", path.display());
        let file = docker.join("docker-compose.yml").display().to_string();
        let mut command = Command::new("docker");
        command.args([
            "run",
            "--rm",
            "-v",
            "/var/run/docker.sock:/var/run/docker.sock",
        ]);
        command.args(["-v", &see(&docker), "-v", &see(&profile)]);
        for variable in [
            format!("HOST_HOME={folder}/home"),
            format!("HOST_PWD={folder}/repo"),
            format!("VIVARIUM_INSTANCE={}", self.name),
            format!("OS_TOKEN={TOKEN}"),
            format!("VIVARIUM_SET=base={}-base,evolve.steady_s=1", self.name),
            "VIVARIUM_KERNEL_PORT=0".into(),
            "VIVARIUM_MCP_PORT=0".into(),
            "VIVARIUM_VNC_PORT=0".into(),
        ] {
            command.args(["-e", &variable]);
        }
        command.arg(format!("{}-tools", self.name));
        command.args(["docker", "compose", "-f", &file]).args(words);
        command.output().expect("docker runs")
    }

    fn container(&self) -> String {
        format!("{}-os-host", self.name)
    }

    fn inside(&self, script: &str) -> String {
        let container = self.container();
        docker(&["exec", "-u", "os", &container, "sh", "-c", script])
    }

    fn call(&self, method: &str, path: &str, body: &str) -> Value {
        let text = self.inside(&format!("body call {method} {path} '{body}'"));
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Through the published port, as clients do.
    fn is_reached(&self) -> bool {
        let port = docker(&["port", &self.container(), "8080/tcp"]);
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
        let name = format!("name=^/{}-", self.name);
        for id in docker(&["ps", "-aq", "--filter", &name]).lines() {
            docker(&["rm", "-fv", id]);
        }
        let of = format!("reference={}-*", self.name);
        for image in docker(&[
            "images",
            "--format",
            "{{.Repository}}:{{.Tag}}",
            "--filter",
            &of,
        ])
        .lines()
        {
            docker(&["rmi", "-f", image]);
        }
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
    let machine = Composed::new();
    let up = machine.compose(&["up", "-d", "--no-build"]);
    assert!(
        up.status.success(),
        "{}",
        String::from_utf8_lossy(&up.stderr)
    );
    let answers = || machine.call("GET", "/ping", "")["status"] == "ok";
    wait_until("the machine", Duration::from_secs(90), answers);
    assert!(machine.is_reached());
    assert_eq!(
        machine.call("GET", "/evolve/status", "")["executor"],
        "socket"
    );
    machine.call("POST", "/exec", r#"{"code":"kept = 7"}"#);
    machine.inside("echo home > /root/kept; echo host > /root/host/kept");

    machine.inside("echo 2 > /repo/body/rootfs/etc/version");
    machine.inside("evolve --note 'from inside' >/tmp/said 2>&1 &");
    let mut asked = String::new();
    wait_until("what evolve says", Duration::from_secs(10), || {
        asked = machine.inside("cat /tmp/said");
        asked.contains("through the engine's socket")
    });
    let mut run = Value::Null;
    wait_until("the run's end", Duration::from_secs(240), || {
        std::thread::sleep(Duration::from_millis(200));
        run = machine.call("GET", "/evolve/status", "")["latest_run"].clone();
        run["ended_at"].is_number()
    });
    assert_eq!(run["state"], "good", "{run}");
    assert_eq!(run["note"], "from inside");
    assert_eq!(
        machine
            .inside("cat /etc/version /root/kept /root/host/kept")
            .split_whitespace()
            .collect::<Vec<_>>(),
        ["2", "home", "host"]
    );
    assert_eq!(
        machine.call("POST", "/exec", r#"{"code":"kept"}"#)["result"],
        "7"
    );
    assert!(machine.is_reached());
    let path = format!(
        "/evolve/runs/{}/log",
        run["run_id"].as_str().expect("an id")
    );
    let log = machine.call("GET", &path, "").to_string();
    assert!(
        log.contains("prove the candidate") && log.contains("put the new machine in place"),
        "{log}"
    );

    // What replaced it is gone, and compose goes on with it.
    let name = format!("name=^/{}-os", machine.name);
    wait_until("the restarters' end", Duration::from_secs(30), || {
        docker(&["ps", "-a", "--filter", &name, "--format", "{{.Names}}"]).trim()
            == machine.container()
    });
    let listed = machine.compose(&["ps", "--services", "--status", "running"]);
    assert_eq!(String::from_utf8_lossy(&listed.stdout).trim(), "os");
    let id = || docker(&["inspect", "-f", "{{.Id}}", &machine.container()]);
    let before = id();
    assert!(
        machine
            .compose(&["up", "-d", "--no-build"])
            .status
            .success()
    );
    assert_eq!(id(), before, "compose finds nothing to change");
    assert!(machine.compose(&["down"]).status.success());
    assert!(docker(&["ps", "-aq", "--filter", &name]).trim().is_empty());
}
