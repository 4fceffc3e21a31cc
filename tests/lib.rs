//! What the end-to-end tests share: an instance of their own, the command line,
//! and a small HTTP client that can also say wrong things.

#[cfg(feature = "bench")]
pub mod measure;
#[path = "support/serve.rs"]
pub mod serve;

use std::{
    fs::File,
    hash::{BuildHasher, Hasher, RandomState},
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::Value;

/// For an answer of a machine on a busy computer.
const PATIENCE: Duration = Duration::from_secs(180);
static COUNTER: AtomicU32 = AtomicU32::new(0);
/// Marks of the ports that this process took, which go with it: UDP's ports of the same numbers, which
/// are in nobody's way. The tests in TypeScript and Python set them too.
static MARKS: Mutex<Vec<UdpSocket>> = Mutex::new(Vec::new());

/// The project's folder.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is in the project")
}

/// The command line: the debug build, unless `VIVARIUM_CLI` names another.
fn command_line() -> PathBuf {
    std::env::var_os("VIVARIUM_CLI")
        .map_or_else(|| project().join("target/debug/vivarium"), PathBuf::from)
}

/// A port that nobody listens at, that no other test takes as long as this process lives, and that
/// the system gives to nobody by itself.
pub fn free_port() -> u16 {
    loop {
        let number = RandomState::new().build_hasher().finish();
        let port = 15_000 + u16::try_from(number % 17_000).expect("small");
        let Ok(mark) = UdpSocket::bind(("127.0.0.1", port)) else {
            continue;
        };
        MARKS.lock().expect("no test failed here").push(mark);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A name for what a test makes at the engine: no other process has it, and scripts/test.sh finds by
/// it what a test of its run left behind.
pub fn own_name(word: &str) -> String {
    let own = std::process::id();
    match std::env::var("VIVARIUM_TEST_INSTANCE") {
        Ok(run) => format!("{run}-{own}-{word}"),
        Err(_) => format!("vtest-{own}-{word}"),
    }
}

/// Does something that is done once at a time, whichever processes want it. The word names it.
pub fn one_at_a_time<T>(word: &str, work: impl FnOnce() -> T) -> T {
    let run = std::env::var("VIVARIUM_TEST_INSTANCE").unwrap_or_else(|_| "vtest".into());
    let path = std::env::temp_dir().join(format!("{run}-{word}.lock"));
    let file = File::create(path).expect("a file to lock");
    file.lock().expect("the lock");
    work()
}

/// Keeps an image until the whole run of tests is over, as scripts/test.sh removes all images of its
/// run: with an image the engine removes the layers that only this one has, also those that another
/// test's build is about to use. A test that is run by hand keeps nothing.
pub fn keep_for_the_run(image: &str, word: &str) {
    if let Ok(run) = std::env::var("VIVARIUM_TEST_INSTANCE") {
        docker(&["tag", image, &format!("{run}-kept-{word}")]);
    }
}

/// An instance of its own: prefix, ports, home folder. Gone when dropped.
pub struct Instance {
    pub name: String,
    /// Its machine's profile: `default` or `locked`.
    pub profile: &'static str,
    pub home: tempfile::TempDir,
    /// The machine's user, where the tests' user is root.
    pub user: Option<u32>,
    pub ports: [u16; 3],
    /// More variables for every part of the app.
    pub variables: Vec<(&'static str, String)>,
}

impl Default for Instance {
    fn default() -> Self {
        Self::new()
    }
}

impl Instance {
    /// A new one, with ports that are free.
    pub fn new() -> Self {
        Self::of("default")
    }

    /// The same, for a machine of this profile.
    pub fn of(profile: &'static str) -> Self {
        Self {
            name: own_name(&COUNTER.fetch_add(1, Ordering::Relaxed).to_string()),
            profile,
            user: None,
            home: tempfile::tempdir().expect("a folder"),
            ports: std::array::from_fn(|_| free_port()),
            variables: Vec::new(),
        }
    }

    /// The environment by which every part of the app finds this instance.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let image = std::env::var("VIVARIUM_TEST_INSTANCE")
            .map_or_else(|_| "os".to_owned(), |instance| format!("{instance}-os"));
        let own = vec![
            ("VIVARIUM_INSTANCE", self.name.clone()),
            ("VIVARIUM_HOME", self.home.path().display().to_string()),
            ("VIVARIUM_TEMPLATE", project().display().to_string()),
            // Keys of tests are nothing for a person's keychain.
            ("VIVARIUM_KEYCHAIN", "off".into()),
            ("VIVARIUM_IMAGE", image),
            ("VIVARIUM_KERNEL_PORT", self.ports[0].to_string()),
            ("VIVARIUM_MCP_PORT", self.ports[1].to_string()),
            ("VIVARIUM_VNC_PORT", self.ports[2].to_string()),
        ];
        own.into_iter().chain(self.variables.clone()).collect()
    }

    /// `vivarium` with these arguments, to be started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let user = self.user.map(|user| user.to_string());
        let mut command = Command::new(command_line());
        command
            .args(["--set", &format!("profile={}", self.profile)])
            .args(arguments)
            .envs(self.environment())
            .envs(user.map(|user| ("VIVARIUM_MACHINE_UID", user)));
        command
    }

    /// Runs `vivarium` with these arguments.
    pub fn vivarium(&self, arguments: &[&str]) -> Output {
        let output = self.command(arguments).output();
        output.expect("target/debug/vivarium runs; scripts/test.sh builds it")
    }

    /// The same, which goes on beside the test.
    pub fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        child.expect("target/debug/vivarium runs; scripts/test.sh builds it")
    }

    /// The same, killed at this point of a run.
    pub fn failing_at(&self, failpoint: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        let ended = command.env("VIVARIUM_FAILPOINT", failpoint).output();
        ended.expect("target/debug/vivarium runs; scripts/test.sh builds it")
    }

    /// The same as [`vivarium`](Self::vivarium), which must succeed; its stdout.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.vivarium(arguments);
        assert!(
            output.status.success(),
            "vivarium {arguments:?}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// What a command says that runs inside as the machine's user, on its display.
    pub fn inside(&self, command: &str) -> String {
        let variables = ["-e", "DISPLAY=:99", "-e", "HOME=/root"];
        let container = self.container();
        let words = [
            &["exec", "-u", "os"],
            &variables[..],
            &[&container, "sh", "-c", command],
        ];
        docker(&words.concat())
    }

    /// The container's name.
    pub fn container(&self) -> String {
        format!("{}-os-host", self.name)
    }

    /// The machine's token.
    pub fn token(&self) -> String {
        let file = find(self.home.path(), "os_token").expect("a token file");
        std::fs::read_to_string(file)
            .expect("readable")
            .trim()
            .to_owned()
    }

    /// A request to the kernel API, with the token.
    pub fn api(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let token = format!("Bearer {}", self.token());
        self.http(method, path, &[("Authorization", &token)], body)
    }

    /// A request to the kernel API, with just these headers beside Host.
    pub fn http(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (u16, Value) {
        let mut stream =
            TcpStream::connect(("127.0.0.1", self.ports[0])).expect("the kernel's port");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n",
            body.len()
        );
        if !headers.iter().any(|(name, _)| *name == "Host") {
            request += &format!("Host: 127.0.0.1:{}\r\n", self.ports[0]);
        }
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += "\r\n";
        // A machine that is just starting may close what it took; that is status 0.
        let _ = stream.write_all(request.as_bytes());
        // A server may refuse a large body before it has read it all.
        let _ = stream.write_all(body.as_bytes());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes);
        let (head, rest) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|code| code.parse().ok())
            .unwrap_or(0);
        let json = rest.find(['{', '[']).and_then(|at| {
            serde_json::Deserializer::from_str(&rest[at..])
                .into_iter::<Value>()
                .next()
                .and_then(Result::ok)
        });
        (status, json.unwrap_or(Value::Null))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.vivarium(&["rm", "--home-volume"]);
        // A server that was killed leaves the sandboxes that it had ready, where their image is there.
        let label = format!("label=vivarium.instance={}", self.name);
        let kind = "label=vivarium.kind=sandbox";
        for id in docker(&["ps", "-aq", "--filter", &label, "--filter", kind]).lines() {
            docker(&["rm", "-fv", id]);
        }
    }
}

/// The first file of this name below a folder.
pub fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    for entry in std::fs::read_dir(folder).ok()?.flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if let Some(found) = find(&path, name) {
                return Some(found);
            }
        } else if entry.file_name() == name {
            return Some(path);
        }
    }
    None
}

/// What `docker` says to these arguments.
pub fn docker(arguments: &[&str]) -> String {
    let output = Command::new("docker")
        .args(arguments)
        .output()
        .expect("docker runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Waits until a condition holds; panics with its name after the deadline. Looking takes a fifth of the
/// time at most: what is waited for needs the processor, too.
pub fn wait_until(what: &str, deadline: Duration, mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    loop {
        let look = Instant::now();
        if condition() {
            return;
        }
        let took = look.elapsed();
        assert!(
            begin.elapsed() < deadline,
            "not within {deadline:?}: {what}"
        );
        std::thread::sleep((4 * took).clamp(Duration::from_millis(10), Duration::from_secs(2)));
    }
}
