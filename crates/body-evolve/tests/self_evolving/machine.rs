//! A machine of a few lines that somebody else than Vivarium made, and that replaces itself.

use std::{
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

#[path = "../../../lifecycle/tests/engine/perl.rs"]
mod perl;

/// Its label comes first, so that no layer is another test's too: those go with the last image that has
/// them, while another test's build may be about to use them.
const DOCKERFILE: &str = "ARG BASE\nFROM ${BASE}\nLABEL vivarium.test=NAME\nCOPY body/rootfs/ /\n\
    RUN chmod 0755 /usr/local/bin/machine /usr/local/bin/body\n\
    CMD [\"/usr/local/bin/machine\"]\n";

/// What body does at its start.
const START: &str = r#"
$SIG{CHLD} = "IGNORE";
if (!candidate()) { fork or exec "evolves" }
"#;

/// As body starts it: again where it ended before its work was done.
const EVOLVES: &str =
    "#!/bin/sh\nfor try in 1 2 3; do body-evolve run >>/data/log 2>&1 && exit; sleep 0.1; done\n";

/// For machines that come up in no time, on a computer that may be busy with much else.
const SETTINGS: &str =
    "evolve.settle_s=60,evolve.prove_s=60,evolve.steady_s=0,generations_to_keep=0";

pub struct SelfEvolving {
    /// Begins all its names.
    pub name: String,
    folder: tempfile::TempDir,
    /// Its network's own name, as compose would give it.
    network: String,
    /// For the runs of it.
    settings: String,
}

impl SelfEvolving {
    /// A machine that is up.
    pub fn up(name: &str) -> Self {
        Self::with(name, "evolve.steady_s=0")
    }

    /// The same with a setting more.
    pub fn with(name: &str, setting: &str) -> Self {
        let run = std::env::var("VIVARIUM_TEST_INSTANCE").unwrap_or_else(|_| "vtest".into());
        let name = format!("{run}-{name}-{}", std::process::id());
        let machine = Self {
            network: format!("{name}_default"),
            settings: format!("{SETTINGS},{setting}"),
            folder: tempfile::tempdir().unwrap(),
            name,
        };
        machine.build_base();
        for (path, text) in [
            (
                "body/Dockerfile",
                DOCKERFILE.replace("NAME", &machine.name).as_str(),
            ),
            ("body/rootfs/usr/local/bin/body", &perl::body("")),
            ("body/rootfs/version", "1"),
        ] {
            machine.edit(path, text);
        }
        machine.boot("");
        let repo = machine.repo();
        let git = |words: &[&str]| {
            let who = ["-c", "user.name=t", "-c", "user.email=t@localhost"];
            let done = Command::new("git")
                .arg("-C")
                .arg(&repo)
                .args(who)
                .args(words)
                .output();
            assert!(done.unwrap().status.success());
        };
        git(&["init", "-q"]);
        git(&["add", "-A"]);
        git(&["commit", "-qm", "first"]);
        std::fs::create_dir(machine.data()).unwrap();
        // The machine's user writes there too.
        let everybody = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(machine.data(), everybody).unwrap();
        let base = format!("BASE={}", machine.base());
        let folder = repo.display().to_string();
        let dockerfile = format!("{folder}/body/Dockerfile");
        ok(&[
            "build",
            "-q",
            "-t",
            &machine.image(),
            "--build-arg",
            &base,
            "-f",
            &dockerfile,
            &folder,
        ]);
        ok(&["network", "create", &machine.network]);
        machine.start();
        machine.shell(
            "printf kept > /tmp/namespace; printf home > /root/kept; printf data > /data/kept",
        );
        machine
    }

    /// What the tiny machine is made on: git, and the program that is tested.
    fn build_base(&self) {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("body-evolve");
        std::fs::copy(env!("CARGO_BIN_EXE_body-evolve"), program).unwrap();
        std::fs::write(folder.path().join("evolves"), EVOLVES).unwrap();
        let text = "FROM debian:trixie-slim\n\
            RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends git >/dev/null\n\
            RUN useradd --uid 1000 --home-dir /root --no-create-home os; chmod 0755 /root; chown os /root; mkdir -p /usr/local/share/vivarium\n\
            COPY body-evolve evolves /usr/local/bin/\n\
            RUN chmod 0755 /usr/local/bin/*; body-evolve sources /nothing >/usr/local/share/vivarium/body.sources\n";
        std::fs::write(folder.path().join("Dockerfile"), text).unwrap();
        // The first build is a long one; the next one takes all its layers from the cache.
        let lock = std::env::temp_dir().join(format!("{}.lock", self.base()));
        let lock = std::fs::File::create(lock).unwrap();
        lock.lock().unwrap();
        let folder = folder.path().display().to_string();
        ok(&["build", "-q", "-t", &self.base(), &folder]);
    }

    fn start(&self) {
        let mount = |path: PathBuf, at: &str| format!("{}:{at}", path.display());
        let (data, repo) = (mount(self.data(), "/data"), mount(self.repo(), "/repo"));
        let home = format!("{}_home:/root", self.name);
        let set = format!("VIVARIUM_SET={},base={}", self.settings, self.base());
        // As compose would make it: with its labels, and known by its service's name.
        let project = format!("com.docker.compose.project={}", self.name);
        ok(&[
            "run",
            "-d",
            "--name",
            &self.container(),
            "--restart",
            "unless-stopped",
            "--network",
            &self.network,
            "--network-alias",
            "os",
            "-p",
            "127.0.0.1::8080",
            "--label",
            &project,
            "--label",
            "com.docker.compose.image=as-it-was",
            "--label",
            "kept=yes",
            "-v",
            &data,
            "-v",
            &repo,
            "-v",
            &home,
            "-v",
            "/var/run/docker.sock:/var/run/docker.sock",
            "-e",
            &set,
            "-e",
            "VIVARIUM_FAILPOINT_FILE=/data/failpoint",
            "-e",
            "OWN=1",
            "--ulimit",
            "nofile=5000:6000",
            "--shm-size",
            "100m",
            &self.image(),
        ]);
    }

    pub fn container(&self) -> String {
        format!("{}-os-host", self.name)
    }

    pub fn restarters(&self) -> [String; 2] {
        ["", "-2"].map(|end| format!("{}-os-restarter{end}", self.name))
    }

    /// The one that carries the run out.
    pub fn working_restarter(&self) -> String {
        let works = |name: &String| {
            let log = docker(&["logs", name]);
            String::from_utf8_lossy(&log.stderr).contains("takes the run up")
        };
        self.restarters().into_iter().find(works).unwrap()
    }

    pub fn image(&self) -> String {
        format!("{}-os", self.name)
    }

    /// One for the whole run of tests, which scripts/test.sh removes at its end: with the last image
    /// that has them go its layers, which another test's build may be about to use.
    fn base(&self) -> String {
        match std::env::var("VIVARIUM_TEST_INSTANCE") {
            Ok(run) => format!("{run}-kept-seats"),
            Err(_) => format!("{}-base", self.name),
        }
    }

    fn repo(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Writes a file of the machine's repo.
    pub fn edit(&self, path: &str, text: &str) {
        let path = self.repo().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Sets what the machine does at its start.
    pub fn boot(&self, boot: &str) {
        self.edit(
            "body/rootfs/usr/local/bin/machine",
            &perl::machine(&format!("{boot}{START}")),
        );
    }

    /// Where processes of this machine fail next; see `VIVARIUM_FAILPOINT_FILE`.
    pub fn fail_at(&self, place: &str) {
        std::fs::write(self.data().join("failpoint"), place).unwrap();
    }

    pub fn has_failed(&self) -> bool {
        !self.data().join("failpoint").exists()
    }

    /// Asks for a run, as `POST /evolve` does.
    pub fn ask(&self, id: &str) {
        let run = json!({
            "run_id": id, "kind": "evolve", "state": "asked", "asked_by": "machine", "note": id,
            "running_cell": "wait", "started_at": 1, "ended_at": null, "steps": [], "error": null,
            "failure": null, "generation": null, "from_generation": null, "commit": null,
            "report": {"proof": null, "downtime_ms": null},
        });
        std::fs::write(self.data().join("run.json"), run.to_string()).unwrap();
        ok(&["exec", "-d", &self.container(), "evolves"]);
    }

    /// Waits until the machine has heard of the end of this run; answers it.
    pub fn ended(&self, id: &str) -> Value {
        let mut run = Value::Null;
        self.wait(id, || {
            let text = std::fs::read_to_string(self.data().join("run.json")).unwrap_or_default();
            run = serde_json::from_str(&text).unwrap_or_default();
            run["run_id"] == id && !run["ended_at"].is_null()
        });
        run
    }

    pub fn evolve(&self, id: &str) -> Value {
        self.ask(id);
        self.ended(id)
    }

    pub fn wait(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let begin = Instant::now();
        loop {
            let look = Instant::now();
            if holds() {
                return;
            }
            // Looking takes a fifth of the time at most: what is waited for needs the processor, too.
            let rest = (4 * look.elapsed()).max(Duration::from_millis(100));
            if begin.elapsed() > Duration::from_secs(240) {
                let log = std::fs::read_to_string(self.data().join("log")).unwrap_or_default();
                let run = std::fs::read_to_string(self.data().join("run.json")).unwrap_or_default();
                let there = self.containers().join(" ");
                let [first, _] = self.restarters();
                let restarter = docker(&["logs", "--tail", "20", &first]);
                let restarter = String::from_utf8_lossy(&restarter.stderr).into_owned();
                panic!("{what} did not come: {there}\n{log}\n{restarter}\n{run}");
            }
            std::thread::sleep(rest);
        }
    }

    pub fn shell(&self, script: &str) -> String {
        said(&docker(&["exec", &self.container(), "sh", "-c", script]))
    }

    /// Names of all containers of this machine.
    pub fn containers(&self) -> Vec<String> {
        let filter = format!("name=^/{}-", self.name);
        let names = said(&docker(&[
            "ps",
            "-a",
            "--filter",
            &filter,
            "--format",
            "{{.Names}} {{.State}}",
        ]));
        names.lines().map(str::to_owned).collect()
    }

    pub fn inspect(&self, format: &str) -> String {
        said(&docker(&["inspect", "-f", format, &self.container()]))
    }

    /// What a machine has to be after whatever happened: up, alone, with all that it had.
    pub fn is_whole(&self, version: &str, what: &str) {
        let alone = format!("{} running", self.container());
        self.wait(&format!("{what}: alone"), || {
            self.containers() == [alone.as_str()]
        });
        let seen = "cat /version /tmp/namespace /root/kept /data/kept";
        let expected = format!("{version}kepthomedata");
        self.wait(&format!("{what}: {expected}"), || {
            self.shell(seen) == expected
        });
        self.wait(&format!("{what}: open"), || {
            self.shell("ls /tmp/closed 2>/dev/null").is_empty()
        });
        self.wait(&format!("{what}: no flag"), || {
            let left = ["evolve/restart_requested", "evolve/executor/run.json"];
            !left.iter().any(|file| self.data().join(file).exists())
        });
        let volumes = said(&docker(&["volume", "ls", "-q"]));
        assert!(
            !volumes.contains(&format!("{}-next", self.container())),
            "{what}"
        );
        assert_eq!(
            self.inspect("{{.HostConfig.RestartPolicy.Name}}"),
            "unless-stopped",
            "{what}"
        );
    }

    /// All its containers end at once, and those start that the engine would start.
    pub fn power_cut(&self) {
        let names: Vec<String> = self.containers();
        let names: Vec<&str> = names
            .iter()
            .filter_map(|line| line.split(' ').next())
            .collect();
        let come_back: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| {
                let words = [
                    "inspect",
                    "-f",
                    "{{.HostConfig.RestartPolicy.Name}} {{.State.Running}}",
                    name,
                ];
                matches!(
                    said(&docker(&words)).as_str(),
                    "always true" | "always false" | "unless-stopped true"
                )
            })
            .collect();
        docker(&[&["kill"], names.as_slice()].concat());
        assert!(!come_back.is_empty(), "{names:?}");
        ok(&[&["start"], come_back.as_slice()].concat());
    }
}

impl Drop for SelfEvolving {
    /// Leaves nothing, also where a test failed.
    fn drop(&mut self) {
        let filter = format!("name=^/{}-", self.name);
        for id in said(&docker(&["ps", "-aq", "--filter", &filter])).lines() {
            docker(&["rm", "-fv", id]);
        }
        docker(&["network", "rm", &self.network]);
        let prefix = format!("name={}", self.name);
        for volume in said(&docker(&["volume", "ls", "-q", "--filter", &prefix])).lines() {
            docker(&["volume", "rm", volume]);
        }
        let of = format!("reference={}*", self.name);
        for image in said(&docker(&[
            "images",
            "--format",
            "{{.Repository}}:{{.Tag}}",
            "--filter",
            &of,
        ]))
        .lines()
        {
            docker(&["rmi", "-f", image]);
        }
        let of = format!("label=vivarium.machine=self-made-{}", self.container());
        for image in said(&docker(&["images", "-q", "--filter", &of])).lines() {
            docker(&["rmi", "-f", image]);
        }
    }
}

pub fn docker(words: &[&str]) -> Output {
    Command::new("docker").args(words).output().unwrap()
}

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// As [`docker`], where nothing else will do than success.
pub fn ok(words: &[&str]) -> String {
    let output = docker(words);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "docker {words:?}: {stderr}");
    said(&output)
}
