//! `vivarium task`, `schedule` and `worker` against a real container engine. Only where
//! VIVARIUM_TEST_ENGINE=1 says that one may be used.

#![allow(clippy::unwrap_used)]

use std::{
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

/// The image of docker/sandbox, as scripts/testing builds it.
const IMAGE: &str = "vivarium-test-sandbox";

fn is_wanted() -> bool {
    let is_wanted = std::env::var_os("VIVARIUM_TEST_ENGINE").is_some_and(|value| value == "1");
    if !is_wanted {
        eprintln!("left out: VIVARIUM_TEST_ENGINE=1 is not set");
    }
    is_wanted
}

/// An installation of its own, of which nothing is left when it is dropped.
struct Site {
    instance: String,
    home: tempfile::TempDir,
}

impl Site {
    fn new(name: &str) -> Self {
        let run = std::env::var("VIVARIUM_TEST_INSTANCE").unwrap_or_else(|_| "vtest".into());
        let site = Self {
            instance: format!("{run}-{name}-{}", std::process::id()),
            home: tempfile::tempdir().unwrap(),
        };
        let config = site
            .home
            .path()
            .join("config/instances")
            .join(&site.instance);
        std::fs::create_dir_all(&config).unwrap();
        let listed = site.listed();
        std::fs::create_dir(&listed).unwrap();
        let settings = format!(
            "[sandboxes]\nimage = \"{IMAGE}\"\npool = 0\n[tasks]\nfolders = [\"{}\"]\n",
            listed.display()
        );
        std::fs::write(config.join("settings.toml"), settings).unwrap();
        site
    }

    /// The folder whose files tasks may get.
    fn listed(&self) -> PathBuf {
        self.home.path().join("listed")
    }

    fn command(&self, words: &[&str]) -> Command {
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..");
        let init = format!(
            "target/{}-unknown-linux-gnu/release/sandbox-init",
            std::env::consts::ARCH
        );
        let mut command = Command::new(env!("CARGO_BIN_EXE_vivarium"));
        command
            .args(words)
            .env("VIVARIUM_HOME", self.home.path())
            .env("VIVARIUM_INSTANCE", &self.instance)
            .env("VIVARIUM_KEYCHAIN", "off")
            .env("VIVARIUM_TEMPLATE", &root)
            .stdin(Stdio::null());
        if std::env::var_os("VIVARIUM_SANDBOX_INIT").is_none() {
            command.env("VIVARIUM_SANDBOX_INIT", root.join(init));
        }
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// What it prints, if it succeeds.
    fn says(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{words:?}: {error}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The same, as JSON.
    fn tells(&self, words: &[&str]) -> Value {
        let words = [&["--json"], words].concat();
        serde_json::from_str(&self.says(&words)).unwrap()
    }

    fn state(&self, id: &str) -> String {
        let task = self.tells(&["task", "show", id]);
        task["state"].as_str().unwrap().to_owned()
    }

    fn worker(&self) -> Process {
        let mut command = self.command(&["worker", "--concurrency", "2"]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Process(child.unwrap())
    }

    fn sandboxes(&self) -> usize {
        let label = format!("label=vivarium.instance={}", self.instance);
        docker(&["ps", "-aq", "--filter", &label]).lines().count()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let label = format!("label=vivarium.instance={}", self.instance);
        for (list, remove) in [
            (vec!["ps", "-aq"], vec!["rm", "-fv"]),
            (vec!["network", "ls", "-q"], vec!["network", "rm"]),
            (vec!["volume", "ls", "-q"], vec!["volume", "rm"]),
        ] {
            for found in docker(&[&list[..], &["--filter", &label]].concat()).lines() {
                docker(&[&remove[..], &[found]].concat());
            }
        }
    }
}

/// A process that ends with this.
struct Process(Child);

impl Process {
    fn ask_to_end(&self) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").arg(pid).status().unwrap().success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while !is_so() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn commands_and_code_run_in_sandboxes_of_their_own() {
    if !is_wanted() {
        return;
    }
    let site = Site::new("tasks-run");
    // Nobody serves: the program runs the task itself.
    let output = site.run(&["task", "run", "--", "echo out; echo err >&2; id -un"]);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "out\nsandboxuser\n");
    assert!(text(&output.stderr).contains("err\n"));
    let failed = site.run(&["task", "run", "--attempts", "1", "--", "exit 7"]);
    assert_eq!(failed.status.code(), Some(7));
    assert!(text(&failed.stderr).contains("exit code 7"));
    // A file of a folder that the settings list, and one of another.
    std::fs::write(site.listed().join("a.txt"), "forty-two").unwrap();
    let file = site.listed().join("a.txt").display().to_string();
    let source = site.home.path().join("code.py");
    let code = "print(open('/workspace/a.txt').read())\n6 * 7";
    std::fs::write(&source, code).unwrap();
    let source = source.display().to_string();
    let said = site.says(&["task", "run", "--file", &file, "--python", &source]);
    assert_eq!(said, "forty-two\n42");
    let refused = site.run(&["task", "run", "--file", &source, "--", "true"]);
    assert!(
        text(&refused.stderr).contains("tasks.folders"),
        "{}",
        text(&refused.stderr)
    );
    let raised = site.run(&[
        "task",
        "run",
        "--attempts",
        "1",
        "--python",
        "/dev/null",
        "--timeout",
        "60",
    ]);
    assert!(raised.status.success(), "{}", text(&raised.stderr));
    // What takes too long is ended, with all that it started.
    let late = site.run(&[
        "task",
        "run",
        "--attempts",
        "1",
        "--timeout",
        "1",
        "--",
        "sleep 100 & sleep 100",
    ]);
    assert_eq!(late.status.code(), Some(143), "{}", text(&late.stderr));
    assert!(text(&late.stderr).contains("timed out after 1 s"));
    let tasks = site.tells(&["task", "ls"]);
    let states: Vec<&str> = tasks
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["failed", "done", "done", "failed", "done"]);
    until("no sandbox is left", || site.sandboxes() == 0);
}

#[test]
fn a_worker_runs_what_was_queued_and_gives_back_what_it_cannot_finish() {
    if !is_wanted() {
        return;
    }
    let site = Site::new("tasks-worker");
    let quick = site.says(&["task", "run", "--detach", "--", "echo hello"]);
    let long = site.says(&["task", "run", "--detach", "--", "echo started; sleep 1000"]);
    assert_eq!(site.state(&quick), "queued");
    let mut first = site.worker();
    until("the first is done", || site.state(&quick) == "done");
    assert_eq!(site.says(&["task", "logs", &quick]), "hello");
    until("the other one runs", || {
        site.says(&["task", "logs", &long]) == "started"
    });
    // Killed at once: another worker takes the task, and the sandbox that was left is removed.
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    let mut second = site.worker();
    until("it runs again", || {
        let task = site.tells(&["task", "show", &long]);
        task["state"] == "running" && task["attempt"] == 2
    });
    until("only its sandbox is left", || site.sandboxes() == 1);
    // Asked to end, it finishes what it has; asked again, it gives it back.
    second.ask_to_end();
    until("it takes no more", || {
        let workers = site.tells(&["task", "workers"]);
        workers
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["draining"] == true)
    });
    second.ask_to_end();
    second.0.wait().unwrap();
    assert_eq!(site.state(&long), "queued");
    assert_eq!(site.sandboxes(), 0);
    site.says(&["task", "cancel", &long]);
    assert_eq!(site.state(&long), "cancelled");
    site.says(&["task", "retry", &long]);
    assert_eq!(
        site.says(&["task", "cancel", "--state", "queued"]),
        "Cancelled: 1 task."
    );
}

#[test]
fn a_schedule_makes_tasks_while_a_worker_runs() {
    if !is_wanted() {
        return;
    }
    let site = Site::new("tasks-schedule");
    let made = site.tells(&["schedule", "create", "--cron", "* * * * * *", "--", "true"]);
    let id = made["schedule_id"].as_str().unwrap();
    let _worker = site.worker();
    until("two tasks are done", || {
        let done = site.tells(&["task", "ls", "--state", "done"]);
        done.as_array().unwrap().len() >= 2
    });
    site.says(&["schedule", "pause", id]);
    assert!(site.says(&["schedule", "ls"]).contains("paused"));
    site.says(&["schedule", "rm", id]);
    assert!(site.says(&["schedule", "ls"]).is_empty());
}

/// The commands of a language in docs/tasks.md, or its program.
fn block(language: &str) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/tasks.md");
    let text = std::fs::read_to_string(page).unwrap();
    let (_, rest) = text.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn what_the_page_about_tasks_shows_works() {
    if !is_wanted() {
        return;
    }
    let site = Site::new("tasks-page");
    for line in block("sh").lines() {
        let line = line.split(" #").next().unwrap_or_default();
        let arguments = line.strip_prefix("vivarium ").unwrap();
        let vivarium = env!("CARGO_BIN_EXE_vivarium");
        let ran = site
            .command(&[])
            .get_envs()
            .fold(&mut Command::new("sh"), |command, (name, value)| {
                command.env(name, value.unwrap_or_default())
            })
            .args(["-c", &format!("{vivarium} {arguments}")])
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success(), "{line}: {error}");
    }
    let mut server = site.command(&["--json", "serve", "--port", "0"]);
    let server = server.stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut server = Process(server.unwrap());
    let mut said = String::new();
    let mut stdout = std::io::BufReader::new(server.0.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut said).unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    let python = Command::new("python3")
        .args(["-c", &block("python")])
        .env(
            "VIVARIUM_URL",
            format!("http://{}", said["address"].as_str().unwrap()),
        )
        .env("VIVARIUM_TOKEN", said["token"].as_str().unwrap())
        .env("NO_PROXY", "127.0.0.1")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&python.stderr).into_owned();
    assert_eq!(
        String::from_utf8_lossy(&python.stdout),
        "done 45\n",
        "{error}"
    );
}
