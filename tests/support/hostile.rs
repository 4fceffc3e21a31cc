//! The inside of a hostile machine: what it leaves in its repo, asks for, says and answers.

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    ops::Deref,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use e2e::{Instance, docker, project, serve::Host, wait_until};
use serde_json::{Value, json};

use crate::person::{Person, list};

/// What must not leave the repo.
pub const SECRET: &str = "sk-hostile-4711";
/// A cell that puts out what could fool a page.
pub const CELL: &str = "from IPython.display import HTML, Javascript, display\n\
    display(HTML('<script data-owned>window.owned = 1; parent.document.title = 1</script><img name=body src=x onerror=\"top.owned = 1\">'))\n\
    display(Javascript('window.owned = 1'))\n\
    print(chr(27) + ']0;owned' + chr(7) + 'the end')";
/// For what a test waits for, on a computer that may be busy with much else.
const DEADLINE: Duration = Duration::from_secs(180);

/// A machine with generations of its own; their images go with it.
pub struct Hostile {
    instance: Instance,
    variables: Vec<(&'static str, String)>,
}

impl Deref for Hostile {
    type Target = Instance;

    fn deref(&self) -> &Instance {
        &self.instance
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        let _ = self.instance.vivarium(&["rm", "--home-volume"]);
        let images = format!("{}-os", self.instance.name);
        let named = ["images", "--format", "{{.Repository}}:{{.Tag}}", &images];
        for image in docker(&named).lines() {
            docker(&["rmi", image]);
        }
    }
}

impl Hostile {
    /// Brings one up as a person, whose approval its evolves need.
    pub fn up(person: &Person) -> Self {
        let mut instance = Instance::new();
        instance.variables = person.environment();
        instance.vivarium(&["status"]);
        let spec = e2e::find(instance.home.path(), "os-host.toml").expect("a spec");
        let text = fs::read_to_string(&spec).expect("readable");
        let careful = text.replace("needs_yes = false", "needs_yes = true");
        assert_ne!(text, careful);
        fs::write(&spec, careful).expect("written");
        instance.ok(&["up"]);
        Self {
            instance,
            variables: vec![
                ("CANARY", person.canary().display().to_string()),
                ("VICTIM", person.repository().display().to_string()),
                ("SECRET", SECRET.to_owned()),
            ],
        }
    }

    /// What a script says that runs inside as root.
    pub fn root(&self, script: &str) -> String {
        self.run("bash", &["-s"], script)
    }

    /// Runs a program inside with a text on its stdin; it must end well.
    fn run(&self, program: &str, words: &[&str], stdin: &str) -> String {
        let mut command = Command::new("docker");
        command.args(["exec", "-i", "-u", "0"]);
        for (name, value) in &self.variables {
            command.args(["-e", &format!("{name}={value}")]);
        }
        let mut child = command
            .args([&self.container(), program])
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker runs");
        let mut pipe = child.stdin.take().expect("a pipe");
        pipe.write_all(stdin.as_bytes()).expect("written");
        drop(pipe);
        let output = child.wait_with_output().expect("an end");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        assert!(
            output.status.success(),
            "{program} {words:?}: {}{}",
            text(&output.stdout),
            text(&output.stderr)
        );
        text(&output.stdout)
    }

    /// One of the programs of `tests/hostile`.
    fn program(name: &str) -> String {
        let path = project().join("tests/hostile").join(name);
        fs::read_to_string(path).expect("a program of the tests")
    }

    /// Leaves everything in the repo by which a host could be made to run, read, write or draw.
    pub fn plant(&self, person: &Person) {
        assert!(person.canary().is_dir());
        self.root(&Self::program("plant.sh"));
    }

    /// Makes the repo larger or deeper than anything, or as it was.
    pub fn too_much(&self, what: &str) {
        self.run("python3", &["-", what], &Self::program("too_much.py"));
    }

    /// The repo's git folder is the person's own repository from now on.
    pub fn point_git_at_the_persons(&self) {
        self.root("rm /repo/.git; ln -s \"$VICTIM\" /repo/.git");
    }

    /// Another file in the repo than those that a person looked at.
    pub fn writes_after_the_review(&self) {
        self.root("date +%N >> /repo/after-the-review");
    }

    /// Asks for an evolve, and waits until the host has it; answers the run's name.
    pub fn asks_for_an_evolve(&self, host: &Host) -> String {
        let note = "\u{1b}]0;owned\u{7}\n== good: the new machine is running \u{202e}";
        let body = json!({ "note": note }).to_string();
        let mut answer = Value::Null;
        // The machine hears a moment after the host how the run before it ended.
        wait_until("the machine takes the request", DEADLINE, || {
            let status;
            (status, answer) = self.api("POST", "/evolve", &body);
            assert!([200, 409].contains(&status), "{answer}");
            status == 200
        });
        self.waits_for(host, "awaits_yes");
        answer["run_id"].as_str().expect("a name").to_owned()
    }

    /// Waits until the newest run is so.
    pub fn waits_for(&self, host: &Host, state: &str) {
        let mut seen = Value::Null;
        let begun = std::time::Instant::now();
        while seen["latest_run"]["state"] != state {
            assert!(begun.elapsed() < DEADLINE, "not {state}: {seen}");
            std::thread::sleep(Duration::from_millis(100));
            seen = host.rpc("evolve_status", &json!({})).1;
        }
    }

    /// One more MCP server, which answers with what could hang or fool a page.
    pub fn has_a_hostile_mcp_server(&self) {
        self.run(
            "sh",
            &["-c", "cat > /data/evil.py"],
            &Self::program("mcp_server.py"),
        );
        let entry = json!({ "mcpServers": { "evil": { "command": "/usr/bin/python3", "args": ["/data/evil.py"] } } });
        self.run(
            "sh",
            &["-c", "cat > /data/mcp.json; chown os: /data/mcp.json"],
            &entry.to_string(),
        );
        wait_until("the server is known", DEADLINE, || {
            self.instance.ok(&["mcp", "list"]).contains("evil")
        });
    }

    /// From now on PID 1, the supervisor and `body` are others, which answer everything without an end.
    pub fn answers_without_end(&self) {
        self.run(
            "sh",
            &["-c", "cat > /usr/local/bin/body.new"],
            &Self::program("body.py"),
        );
        // The container's own end; the engine starts it again.
        self.root("chmod 755 /usr/local/bin/body.new; mv /usr/local/bin/body.new /usr/local/bin/body; kill -TERM 1");
        wait_until("it answers again", DEADLINE, || {
            let answer = docker(&["exec", &self.container(), "cat", "/proc/1/cmdline"]);
            answer.contains("python3")
                && std::net::TcpStream::connect(("127.0.0.1", self.ports[0])).is_ok()
                && self.http("GET", "/ping", &[], "").0 == 200
        });
    }

    /// What the machine left on this computer is its owner's alone, and no secret is in any of it but
    /// where the inside put it.
    pub fn keeps_its_secrets(&self) {
        let home = self.home.path();
        let data = home.join("data/instances").join(&self.name);
        let own = data.join("machines/os-host");
        let mut found = BTreeMap::new();
        for folder in [&home.join("config"), &data] {
            list(folder, &mut found);
        }
        // The inside's own files have the modes that it gave them.
        let is_the_insides = |path: &Path| {
            let places = [own.join("repo"), data.join("home")];
            places.iter().any(|place| path.starts_with(place))
        };
        let ours: Vec<&PathBuf> = found.keys().filter(|path| !is_the_insides(path)).collect();
        assert!(ours.len() > 20, "{ours:?}");
        let mut open_to_others = Vec::new();
        for path in ours {
            let meta = fs::symlink_metadata(path).expect("there");
            let mode = meta.permissions().mode() & 0o777;
            assert!(!meta.is_symlink(), "{}", path.display());
            // A look at the files was cut off by its program's end: its folder is removed later, and
            // nobody else can enter it.
            let folders = path.ancestors().skip(1);
            let is_cut_off = folders
                .filter_map(Path::file_name)
                .any(|name| name.to_string_lossy().starts_with("look-"));
            if mode & 0o077 != 0 && !is_cut_off {
                open_to_others.push(format!("{mode:o} {}", path.display()));
            }
            if meta.is_file() {
                let bytes = fs::read(path).expect("readable");
                let has_it = bytes
                    .windows(SECRET.len())
                    .any(|part| part == SECRET.as_bytes());
                assert!(!has_it, "{}", path.display());
            }
        }
        assert_eq!(open_to_others, [""; 0]);
        let history = own.join("evolve/history.git");
        let git = |words: &[&str]| {
            let output = Command::new("git")
                .args(["-c", "safe.directory=*", "--git-dir"])
                .arg(&history)
                .args(words)
                .output()
                .expect("git runs");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let all = git(&["cat-file", "--batch", "--batch-all-objects"]);
        assert!(all.contains("changed by the inside"));
        // As it was planted: this file, which names it, is part of the project and so of the repo.
        assert!(!all.contains(&format!("API_KEY={SECRET}")));
    }
}
