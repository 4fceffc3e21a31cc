//! A container of the image that nobody but the engine's own client made, as a compose file would: what
//! it is given by variables, files of secrets and a `.env`.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

use e2e::{Instance, docker, wait_until};
use serde_json::json;

use crate::body::{DEADLINE, post};

/// The container; gone when dropped.
pub struct Plain {
    pub machine: Instance,
    folder: tempfile::TempDir,
}

impl Plain {
    /// Its folders, with its token as a file where one is given, and no container yet.
    pub fn new(token: Option<&str>) -> Self {
        let plain = Self {
            machine: Instance::new(),
            folder: tempfile::tempdir().expect("a folder"),
        };
        for name in ["repo", "secrets"] {
            fs::create_dir(plain.path(name)).expect("a folder");
        }
        fs::set_permissions(plain.folder.path(), fs::Permissions::from_mode(0o755))
            .expect("a mode");
        if let Some(token) = token {
            plain.write("secrets/os_token", token, 0o644);
            // Where the tests look for a machine's.
            fs::write(plain.machine.home.path().join("os_token"), token).expect("written");
        }
        plain
    }

    /// Writes a file of its folders.
    pub fn write(&self, name: &str, text: &str, mode: u32) {
        fs::write(self.path(name), text).expect("written");
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(self.path(name), mode).expect("a mode");
    }

    /// A network's certificate, where builds find it, and the key to show it with.
    fn make_certificate(&self) {
        fs::create_dir_all(self.path("repo/body/build-ca")).expect("a folder");
        let (certificate, key) = (
            self.path("repo/body/build-ca/network.crt"),
            self.path("repo/network.key"),
        );
        let made = std::process::Command::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args([
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost",
            ])
            .arg("-out")
            .arg(&certificate)
            .arg("-keyout")
            .arg(&key)
            .output()
            .expect("openssl runs");
        assert!(made.status.success(), "{made:?}");
        for path in [certificate, key] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("a mode");
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts it with these words for `docker run`.
    pub fn run(&self, kernel_port: u16, words: &[&str]) {
        let machine = &self.machine;
        let environment = machine.environment();
        let image = environment
            .iter()
            .find(|(name, _)| *name == "VIVARIUM_IMAGE");
        let image = image.expect("an image").1.as_str();
        let label = format!("vivarium.instance={}", machine.name);
        let name = machine.container();
        let published = format!("127.0.0.1:{}:{kernel_port}", machine.ports[0]);
        let binds = [("repo", "/repo"), ("secrets", "/run/secrets:ro")]
            .map(|(from, to)| format!("{}:{to}", self.path(from).display()));
        let fixed = [
            &["run", "--detach", "--name", &name, "--label", &label][..],
            &["--publish", &published, "--shm-size", "256m"],
            &["--volume", &binds[0], "--volume", &binds[1]],
        ];
        let said = docker(&[&fixed.concat(), words, &[image]].concat());
        assert_eq!(said.len(), 64, "not started: {said}");
    }

    /// Waits until cells are taken.
    pub fn is_up(&self) {
        wait_until("cells are taken", DEADLINE, || {
            std::net::TcpStream::connect(("127.0.0.1", self.machine.ports[0])).is_ok()
                && self.machine.http("GET", "/ping", &[], "").0 == 200
        });
    }

    /// Both streams of its log.
    pub fn log(&self) -> String {
        let output = std::process::Command::new("docker")
            .args(["logs", &self.machine.container()])
            .output()
            .expect("docker runs");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        docker(&["rm", "--force", "--volumes", &self.machine.container()]);
    }
}

/// Variables, secrets and a `.env`; no token.
pub fn given() {
    let plain = Plain::new(None);
    let machine = &plain.machine;
    let dotenv = "# of a project\nOPENAI_API_KEY=dotenv\nexport B_API_KEY='from dotenv'\n\
                  OS_ALLOWED_HOSTS=alias\nLD_PRELOAD=/repo/evil.so\n";
    plain.write("repo/.env", dotenv, 0o644);
    plain.write("secrets/a_api_key", "file\n", 0o644);
    plain.make_certificate();
    let variables = [
        "OPENAI_API_KEY=environment",
        "A_API_KEY=environment",
        "KERNEL_PORT=9080",
        "MCP_PORT=9765",
        "VNC_PORT=6900",
        "OS_ALLOWED_ORIGINS=https://mine.example",
        "KERNEL_API_KEYS=B_API_KEY",
        "FILESYSTEM_ROOT=/repo",
    ];
    let words: Vec<&str> = variables.iter().flat_map(|one| ["--env", *one]).collect();
    plain.run(9080, &words);
    plain.is_up();

    // The token is told once, with the address that uses it, and outlives the supervisor.
    let told = "http://127.0.0.1:9080/?token=";
    let log = plain.log();
    let token = log.split(told).nth(1).and_then(|rest| rest.lines().next());
    let token = token
        .unwrap_or_else(|| panic!("no token in {log}"))
        .to_owned();
    assert!(log.contains("No VNC password was set"), "{log}");
    assert!(log.contains("/repo/.env; run chmod 600"), "{log}");
    fs::write(machine.home.path().join("os_token"), &token).expect("written");
    post(machine, "/exec", &json!({"code": "kept = 1"}));
    machine.inside("pkill -9 -f 'body supervise'");
    plain.is_up();
    assert_eq!(
        post(machine, "/exec", &json!({"code": "kept"}))["result"],
        "1"
    );
    assert_eq!(plain.log().matches(told).count(), 1);

    // Names and pages that were let in, and others.
    let bearer = format!("token {token}");
    let ask = |headers: &[(&str, &str)]| {
        let headers = [&[("Authorization", bearer.as_str())], headers].concat();
        machine.http("GET", "/status", &headers, "").0
    };
    assert_eq!(ask(&[("Host", "alias:9080")]), 200);
    assert_eq!(ask(&[("Host", "other")]), 403);
    let own = machine.inside("hostname");
    assert_eq!(ask(&[("Host", &own)]), 200);
    assert_eq!(ask(&[("Host", "host.docker.internal")]), 200);
    assert_eq!(ask(&[("Origin", "https://mine.example")]), 200);
    assert_eq!(ask(&[("Origin", "https://other.example")]), 403);

    // A token in the address is for streams alone.
    let address = |path: &str| {
        machine
            .http("GET", &format!("{path}?token={token}"), &[], "")
            .0
    };
    assert_eq!(address("/status"), 401);
    assert_eq!(address("/executions/none/events"), 404);

    // JSON is JSON, whatever its type is called.
    let plain_text = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "text/plain"),
    ];
    let (status, answer) = machine.http("POST", "/exec", &plain_text, r#"{"code": "6 * 7"}"#);
    assert_eq!((status, &answer["result"]), (200, &json!("42")));

    // Callers inside need no token; the socket is the user's own.
    let inside = "curl -s --unix-socket /run/vivarium/body.sock http://localhost/status | jq .ready; \
                  stat -c '%a %U' /run/vivarium/body.sock";
    assert_eq!(machine.inside(inside), "true\n600 os");

    // The other ports.
    let greeting = machine.inside("bash -c 'head -c 3 </dev/tcp/127.0.0.1/6900'");
    assert_eq!(greeting, "RFB");
    let mcp = "curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9765/mcp";
    assert_eq!(machine.inside(mcp), "401");

    the_networks_certificates_are_trusted(machine);
    the_keys_are_where_they_belong(&plain);
}

/// As a network that inspects TLS shows them for every name.
fn the_networks_certificates_are_trusted(machine: &Instance) {
    let code = r#"
import http.server, ssl, subprocess, threading, urllib.request
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/repo/body/build-ca/network.crt", "/repo/network.key")
class Nothing(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_error(404)
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"https://localhost:{server.server_port}/"
def told(*words): return subprocess.run(words, capture_output=True, text=True, timeout=60)
try: urllib.request.urlopen(address)
except urllib.error.HTTPError as error: print("Python", error.code)
print("curl", told("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", address).stdout)
print("Node.js", told("node", "-e", f"fetch('{address}').then(({{status}}) => console.log(status))").stdout.strip())
pip = get_ipython().getoutput(f"pip download --no-deps --dest /tmp --index-url {address} nothing")
print("pip", any("SSL" in line for line in pip), any("No matching distribution" in line for line in pip))
server.shutdown()
"#;
    let answer = post(machine, "/exec", &json!({ "code": code }));
    let expected = "Python 404\ncurl 404\nNode.js 404\npip False True\n";
    assert_eq!(answer["stdout"], expected, "{answer}");
}

/// MCP servers have the keys, kernels those that were asked for, and nothing else has any.
fn the_keys_are_where_they_belong(plain: &Plain) {
    let machine = &plain.machine;
    post(machine, "/services/mcp:filesystem/restart", &json!({}));
    let of = |pattern: &str, name: &str| {
        let read = format!(
            "tr '\\0' '\\n' </proc/$(pgrep -f -o '{pattern}')/environ | sed -n 's/^{name}=//p'"
        );
        machine.inside(&read)
    };
    let server = "[f]ilesystem/dist/index.js";
    wait_until("the server runs, and only one", DEADLINE, || {
        machine.inside(&format!("pgrep -fc '{server} /repo'")) == "1"
    });
    assert_eq!(of(server, "OPENAI_API_KEY"), "environment");
    assert_eq!(of(server, "A_API_KEY"), "file");
    assert_eq!(of(server, "B_API_KEY"), "from dotenv");
    assert_eq!(of(server, "OS_TOKEN"), "");
    let kernel = "[k]ernels/main";
    assert_eq!(of(kernel, "B_API_KEY"), "from dotenv");
    for (pattern, name) in [
        (kernel, "OPENAI_API_KEY"),
        (kernel, "A_API_KEY"),
        ("[X]vnc", "OPENAI_API_KEY"),
        ("[b]ody supervise", "OPENAI_API_KEY"),
        ("[b]ody supervise", "LD_PRELOAD"),
    ] {
        assert_eq!(of(pattern, name), "", "{pattern} {name}");
    }
    let answer = post(
        machine,
        "/shell",
        &json!({"command": "env | grep -c API_KEY="}),
    );
    assert_eq!(answer["stdout"], "0\n");
}

/// `OS_TOKEN=off`: warned of, and foreign pages stay out.
pub fn token_off() {
    let plain = Plain::new(None);
    plain.run(8080, &["--env", "OS_TOKEN=off"]);
    plain.is_up();
    let ask = |headers: &[(&str, &str)]| plain.machine.http("GET", "/status", headers, "").0;
    assert_eq!(ask(&[]), 200);
    assert_eq!(ask(&[("Host", "evil.example")]), 403);
    assert_eq!(ask(&[("Origin", "http://localhost")]), 403);
    assert!(plain.log().contains("WARN OS_TOKEN is off"));
}
