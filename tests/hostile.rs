//! A machine whose inside does at once what a machine could try against the computer that it runs on,
//! while the command line, `vivarium serve` and the window are used on it. Afterwards the person's
//! files and processes are what they were, no program took much memory, and nothing was printed that a
//! terminal obeys.

#[path = "support/window.rs"]
mod driver;
#[path = "support/hostile.rs"]
mod inside;
#[path = "support/person.rs"]
mod person;
#[path = "support/printed.rs"]
mod printed;

use std::{
    fs::File,
    time::{Duration, Instant},
};

use driver::Window;
use e2e::{serve::Host, wait_until};
use inside::Hostile;
use person::{Person, peak_mib};
use printed::{Said, of_terminal, what_a_terminal_obeys};
use serde_json::{Value, json};

/// For what a test waits for: long, as the computer may be busy with much else.
const DEADLINE: Duration = Duration::from_secs(180);
/// How long a person thinks about a question.
const THOUGHT: Duration = Duration::from_secs(20);
/// The most memory that each program may take. Without limits on what comes from inside each of them
/// takes gigabytes: the inside sends as fast as it is read.
const MOST_MIB: u64 = 900;

/// The programs of the host that are used on the machine.
struct Used<'a> {
    machine: &'a Hostile,
    host: Host,
    window: Window,
    /// The most memory that the command line took.
    command_line_mib: u64,
}

impl Used<'_> {
    /// Runs the command line into pipes; nothing of it may be a command to a terminal.
    fn says(&mut self, words: &[&str]) -> Said {
        self.says_within(DEADLINE, words)
    }

    fn says_within(&mut self, patience: Duration, words: &[&str]) -> Said {
        let begun = Instant::now();
        let said = printed::of_pipes(self.machine.command(words), patience);
        println!("{words:?} took {:?}", begun.elapsed());
        self.command_line_mib = self.command_line_mib.max(said.peak_mib);
        for text in [&said.out, &said.err] {
            assert_eq!(what_a_terminal_obeys(text), None, "{words:?}: {text:?}");
        }
        said
    }

    fn ok(&mut self, words: &[&str]) -> String {
        let said = self.says(words);
        assert_eq!(said.status, Some(0), "{words:?}: {}{}", said.out, said.err);
        said.out
    }

    fn rpc(&self, command: &str) -> (u16, Value) {
        self.host.rpc(command, &json!({}))
    }

    /// Opens a page of the window and waits for this value of a script.
    async fn page(&self, name: &str, what: &str, script: &str) {
        self.window.click(&format!("nav-{name}")).await;
        self.window.until(what, DEADLINE, script).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_inside_changes_nothing_on_the_host() {
    let person = Person::new();
    let before = person.files();
    let machine = Hostile::up(&person);
    machine.plant(&person);
    // What the machine's own working copy began with.
    person.uses_of_git();
    let log = machine.home.path().join("serve.log");
    let host = Host::start(&machine, &[], "", File::create(&log).expect("a log").into());
    let mut used = Used {
        machine: &machine,
        host,
        window: Window::open(&machine).await,
        command_line_mib: 0,
    };

    too_much_in_the_repo_is_refused(&mut used);
    the_review_shows_what_is_there(&mut used).await;
    it_evolves_as_approved_and_not_otherwise(&mut used);
    what_it_says_is_text(&mut used).await;
    its_floods_fill_nothing(&mut used).await;

    let programs = person.processes();
    let window = programs
        .iter()
        .find(|(_, name)| *name == "vivarium-desktop");
    let (window, _) = window.unwrap_or_else(|| panic!("{programs:?}"));
    let peaks = [
        ("vivarium", used.command_line_mib),
        ("vivarium serve", peak_mib(used.host.pid())),
        ("vivarium-desktop", peak_mib(*window)),
    ];
    println!("MiB at the most: {peaks:?}");
    for (program, peak) in peaks {
        assert!((1..MOST_MIB).contains(&peak), "{program}: {peak} MiB");
    }
    drop(used);
    machine.ok(&["down"]);
    wait_until("all programs have ended", DEADLINE, || {
        person.processes().is_empty()
    });
    let after = person.files();
    assert_eq!(differences(&before, &after), [""; 0]);
    assert_eq!(person.uses_of_git(), "", "git ran on the host");
    let logged = std::fs::read_to_string(&log).expect("a log");
    assert!(logged.contains("DEBUG"), "nothing was logged: {logged}");
    assert_eq!(what_a_terminal_obeys(&logged), None, "{logged:?}");
    machine.keeps_its_secrets();
}

fn differences(
    before: &std::collections::BTreeMap<std::path::PathBuf, String>,
    after: &std::collections::BTreeMap<std::path::PathBuf, String>,
) -> Vec<String> {
    let paths = before.keys().chain(after.keys());
    let mut found: Vec<String> = paths
        .filter(|path| before.get(*path) != after.get(*path))
        .map(|path| path.display().to_string())
        .collect();
    found.sort();
    found.dedup();
    found
}

/// A terabyte in one file, and folders far below what any path can say.
fn too_much_in_the_repo_is_refused(used: &mut Used<'_>) {
    for (what, words) in [("huge", "larger than 100 MiB"), ("deep", "nested deeper")] {
        used.machine.too_much(what);
        for command in [&["evolve", "--diff"][..], &["evolve"]] {
            let said = used.says(command);
            assert_eq!(said.status, Some(1), "{command:?}: {}", said.out);
            assert!(said.err.contains(words), "{command:?}: {}", said.err);
        }
        let (status, failure) = used.rpc("evolve_preview");
        assert_eq!(status, 400, "{failure}");
        used.machine.too_much("remove");
    }
}

async fn the_review_shows_what_is_there(used: &mut Used<'_>) {
    let all = "const open = document.querySelectorAll('[data-testid=evolve-diff] details:not([open])');
        open.forEach((one) => one.querySelector('summary').click());
        const text = document.querySelector('[data-testid=evolve-diff]')?.textContent ?? '';
        return ['z b/body/Dockerfile', 'na\"me', '⟨U+202E⟩gpj.sh', 'changed by the inside'].every((part) => text.includes(part));";
    for git in ["its own", "the person's"] {
        let told = used.ok(&["evolve", "--diff"]);
        for name in [
            "z b/body/Dockerfile",
            "na\"me",
            "two␊lines",
            "esc␛]52",
            "bytes\\xff",
            "-rf",
        ] {
            assert!(told.contains(name), "{git}: {name} isn't in {told}");
        }
        assert!(!told.contains(inside::SECRET), "{told}");
        let shown = of_terminal(used.machine, &["evolve", "--diff"]);
        assert_eq!(what_a_terminal_obeys(&shown), None, "{shown:?}");
        let (status, diff) = used.rpc("evolve_preview");
        assert_eq!(status, 200, "{diff}");
        let files = diff["files"].as_array().expect("files");
        let paths: Vec<&str> = files
            .iter()
            .filter_map(|file| file["path"].as_str())
            .collect();
        assert!(paths.contains(&"z b/body/Dockerfile"), "{paths:?}");
        let odd = |path: &&&str| {
            let mut names = path.split('/');
            names.any(|name| {
                name == ".git" || name.to_lowercase().starts_with(".env") || name == "pipe"
            })
        };
        assert_eq!(paths.iter().find(odd), None);
        used.page("evolve", "the window shows the files", all).await;
        used.machine.point_git_at_the_persons();
    }
}

/// Asked for from inside again and again; nothing is built but what the person saw.
fn it_evolves_as_approved_and_not_otherwise(used: &mut Used<'_>) {
    let id = used.machine.asks_for_an_evolve(&used.host);
    let (status, said) = used
        .host
        .rpc("evolve_answer", &json!({ "run_id": id, "yes": true }));
    assert_eq!((status, &said["code"]), (400, &json!("invalid")), "{said}");
    let shown = used.host.tree();
    used.machine.writes_after_the_review();
    let body = json!({ "run_id": id, "yes": true, "tree": shown });
    assert_eq!(used.host.rpc("evolve_answer", &body).0, 200);
    used.machine.waits_for(&used.host, "failed");
    let id = used.machine.asks_for_an_evolve(&used.host);
    used.host.answer(&id, false);
    used.machine.waits_for(&used.host, "refused");
    assert_eq!(
        used.ok(&["generations", "--json"])
            .matches("\"number\"")
            .count(),
        0
    );

    let id = used.machine.asks_for_an_evolve(&used.host);
    used.host.answer(&id, true);
    let mut rounds = 0;
    let begun = Instant::now();
    while used.rpc("evolve_status").1["latest_run"]["state"] != "good" {
        // It is looked at all the time, also while it is away.
        used.says(&["status"]);
        used.says(&["generations"]);
        used.says(&["logs", "--tail", "50"]);
        used.rpc("evolve_runs");
        used.host.rpc("evolve_log", &json!({ "run_id": id }));
        rounds += 1;
        assert!(
            begun.elapsed() < 4 * DEADLINE,
            "{}",
            used.rpc("evolve_status").1
        );
    }
    assert!(rounds > 0);
    let log = used.host.rpc("evolve_log", &json!({ "run_id": id })).1;
    assert!(
        log.to_string()
            .contains("skipped because it may contain secrets"),
        "{log}"
    );
    let told = used.ok(&["generations"]);
    assert!(told.contains("owned"), "the note isn't there: {told}");
    assert_eq!(
        used.machine.root("cat /etc/vivarium/hostile"),
        "changed by the inside"
    );
    let left = used
        .machine
        .root("ls -A /etc/.env /opt/.ENV.local /pipe 2>/dev/null; true");
    assert_eq!(left, "", "came into the image");
}

/// Outputs of cells, and what its MCP server calls its tools.
async fn what_it_says_is_text(used: &mut Used<'_>) {
    used.machine.has_a_hostile_mcp_server();
    for words in [
        &["mcp", "list"][..],
        &["mcp", "tools", "evil"],
        &["mcp", "tools", "evil", "--json"],
        &["mcp", "call", "escapes", "--server", "evil"],
        &["mcp", "trace", "evil"],
    ] {
        let said = used.says(words);
        assert!(
            said.status == Some(0) || words[1] == "call",
            "{words:?}: {}",
            said.err
        );
    }
    // Few bytes that are very many values.
    let said = used.says(&["mcp", "call", "wide", "--server", "evil"]);
    assert_eq!(said.status, Some(1), "{}", said.out);
    let cell =
        "print('\\x1b[31mred\\x1b[0m \\x1b]0;owned\\x07\\x1b]52;c;cm0gLXJm\\x07\\x1b[2J end')";
    let shown = of_terminal(used.machine, &["exec", cell]);
    assert!(shown.contains("\x1b[31mred\x1b[0m"), "{shown:?}");
    assert_eq!(
        what_a_terminal_obeys(&printed::without_colours(&shown)),
        None,
        "{shown:?}"
    );
    for words in [&["mcp", "tools", "evil"][..], &["generations"]] {
        let shown = of_terminal(used.machine, words);
        assert_eq!(what_a_terminal_obeys(&shown), None, "{words:?}: {shown:?}");
    }

    let text_of = |id: &str, part: &str| {
        format!(
            "return !!document.querySelector('[data-testid={id}]')?.textContent.includes('{part}');"
        )
    };
    used.page(
        "mcp",
        "the server is there",
        &text_of("mcp-server-evil", "evil"),
    )
    .await;
    used.window.click("mcp-server-evil").await;
    used.window.click("mcp-connect").await;
    for tool in ["safe", "payload", "nothing", "self", "pattern", "escapes"] {
        used.window.click(&format!("mcp-offer-{tool}")).await;
        let form = format!(
            "return document.querySelector('[data-testid=mcp-form]')?.dataset.offer === '{tool}';"
        );
        used.window
            .until("the form is the tool's own", DEADLINE, &form)
            .await;
    }
    used.window.click("mcp-call").await;
    let result = "return !!document.querySelector('[data-testid=mcp-outcome]')?.textContent.includes('the end');";
    used.window
        .until("the answer is shown", DEADLINE, result)
        .await;
    used.page(
        "notebook",
        "a cell",
        "return !!document.querySelector('[data-testid=cell-input]');",
    )
    .await;
    used.window.click("cell-input").await;
    used.window.type_keys(inside::CELL).await;
    used.window.click("cell-run").await;
    used.window
        .until(
            "the cell's outputs",
            DEADLINE,
            &text_of("cell-outputs", "the end"),
        )
        .await;
    let fooled = "return [document.title, typeof window.owned, document.querySelectorAll('script[data-owned]').length].join(' ');";
    let state = used.window.client.execute(fooled, Vec::new()).await;
    assert_eq!(state.expect("an answer"), json!("Vivarium undefined 0"));
    // Another program carried out the evolve that this window had announced.
    let over = "return !document.body.textContent.includes('Evolve awaits your approval');";
    used.window
        .until("the window hears of the end", DEADLINE, over)
        .await;
    used.window.keep_picture("hostile outputs").await;
}

/// All that answers in the machine answers without an end.
async fn its_floods_fill_nothing(used: &mut Used<'_>) {
    let events = used.host.events();
    used.machine.answers_without_end();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let host = &used.host;
        for command in [
            "evolve_status",
            "evolve_runs",
            "service_list",
            "kernel_cells",
            "kernel_variables",
            "snapshot_list",
            "takeover_get",
            "mcp_status",
            "mcp_servers",
            "machine_disk",
        ] {
            scope.spawn(move || {
                let (status, answer) = host.rpc(command, &json!({}));
                let is_about_the_host = command.starts_with("evolve") || command == "machine_disk";
                assert!(
                    status >= 400 || is_about_the_host,
                    "{command}: {status} {answer}"
                );
            });
        }
        let cell = json!({ "cell_id": "c", "run_id": "r", "code": "1" });
        scope.spawn(move || host.rpc("kernel_exec", &cell));
        scope.spawn(move || host.rpc("mcp_open", &json!({ "server": "evil" })));
        scope.spawn(move || host.rpc("mcp_traces", &json!({ "after": 0 })));
        scope.spawn(move || host.rpc("service_log", &json!({ "name": "xvnc" })));
    });
    for words in [
        &["status"][..],
        &["status", "--json"],
        &["logs"],
        &["shell", "true"],
        &["mcp", "list"],
        &["mcp", "tools"],
        &["mcp", "trace"],
        &["generations"],
        &["evolve", "--diff"],
        &["evolve"],
    ] {
        let said = used.says(words);
        assert!(said.status.is_some(), "{words:?} did not end");
    }
    // Its log says what terminals obey.
    let log = used.ok(&["logs"]);
    assert!(log.contains("␛]0;owned"), "{log}");
    let shown = of_terminal(used.machine, &["logs"]);
    assert_eq!(what_a_terminal_obeys(&shown), None, "{shown:?}");
    let log = "return [...document.querySelectorAll('[role=log]')].some((log) => log.textContent.includes('/ping') && !/\\x1b/.test(log.textContent));";
    used.page("machine", "the window shows the log", log).await;
    // A cell that asks without an end, and a person who thinks.
    let said = used.says_within(THOUGHT, &["exec", "1"]);
    assert_eq!(said.status, None, "{}{}", said.out, said.err);
    let status = used.ok(&["status"]);
    assert!(status.len() < 4000, "{} bytes", status.len());
    for (page, there) in [
        ("machine", "machine-state"),
        ("evolve", "evolve-diff"),
        ("mcp", "mcp-connect"),
        ("notebook", "cell-input"),
    ] {
        let answers = format!(
            "return !!document.querySelector('[data-testid={there}]') || !!document.querySelector('[role=alert]');"
        );
        used.page(page, "the window answers", &answers).await;
    }
    used.window.keep_picture("hostile floods").await;
    drop(events);
    println!("floods took {:?}", begun.elapsed());
}
