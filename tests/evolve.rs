//! Evolve without a window: the real engine, the real image, the command line. What can break in
//! the middle is tested with tiny machines, in crates/lifecycle/tests/engine/evolve.rs.

use std::time::Duration;

use e2e::{Instance, docker, serve::Host, wait_until};
use serde_json::{Value, json};

/// For what a run comes to, on a computer that may be busy with much else.
const LONG: Duration = Duration::from_secs(600);

/// A machine with generations of its own; their images go with it.
struct Evolving(Instance);

impl Drop for Evolving {
    fn drop(&mut self) {
        let _ = self.0.vivarium(&["rm", "--home-volume"]);
        let images = format!("{}-os", self.0.name);
        // By their names: the first generation is the image that all these tests share.
        let named = ["images", "--format", "{{.Repository}}:{{.Tag}}", &images];
        for image in docker(&named).lines() {
            docker(&["rmi", image]);
        }
    }
}

fn id(run: &Value) -> String {
    run["run_id"].as_str().expect("an id").to_owned()
}

impl Evolving {
    fn up() -> Self {
        Self::of(Instance::new())
    }

    fn of(instance: Instance) -> Self {
        let machine = Self(instance);
        machine.0.ok(&["up"]);
        machine
    }

    fn cell(&self, code: &str) -> String {
        self.0.ok(&["exec", code]).trim().to_owned()
    }

    /// What a finished run says of itself.
    fn newest_run(&self) -> Value {
        let (status, answer) = self.0.api("GET", "/evolve/status", "");
        assert_eq!(status, 200, "{answer}");
        answer["latest_run"].clone()
    }

    /// Waits until the newest run is so. Between two machines nobody answers.
    fn waits_for(&self, state: &str) {
        wait_until(state, LONG, || {
            std::thread::sleep(Duration::from_millis(200));
            let text = self.0.inside("body call GET /evolve/status");
            let status: Value = serde_json::from_str(&text).unwrap_or_default();
            status["latest_run"]["state"] == state
        });
    }

    fn generations(&self) -> Vec<Value> {
        let list: Value = serde_json::from_str(&self.0.ok(&["generations", "--json"]))
            .expect("generations as JSON");
        list["generations"].as_array().expect("a list").clone()
    }

    fn current(&self) -> u64 {
        let all = self.generations();
        let current = all.iter().find(|one| one["current"] == true);
        current.expect("a current one")["number"]
            .as_u64()
            .expect("a number")
    }
}

#[test]
fn a_machine_evolves_keeps_its_namespace_and_finds_back() {
    let machine = Evolving::up();
    let instance = &machine.0;
    machine.cell("import numpy as np; kept = np.arange(5); beside = 'x' * 1000");
    instance.inside("echo kept > /root/kept; sudo touch /opt/lost");

    // Of a file of the image's, changed inside, as an AI would.
    instance.inside("mkdir -p /repo/body/rootfs/etc/vivarium; echo new > /repo/body/rootfs/etc/vivarium/evolved");
    let diff: Value = serde_json::from_str(&instance.ok(&["evolve", "--diff", "--json"]))
        .expect("a diff as JSON");
    assert_eq!(diff["files"][0]["path"], "body/rootfs/etc/vivarium/evolved");
    assert_eq!(diff["compiles"], false);
    let told = instance.ok(&["evolve", "--note", "a file more"]);
    assert!(told.contains("is current"), "{told}");
    let first = machine.current();
    assert_eq!(
        instance.inside("cat /etc/vivarium/evolved /root/kept"),
        "new\nkept"
    );
    assert_eq!(machine.cell("int(kept.sum()), len(beside)"), "(10, 1000)");
    let (status, services) = instance.api("GET", "/services", "");
    assert_eq!(
        status, 200,
        "the token and the port are the same: {services}"
    );

    // Back to what it was made as: image, repo, and the namespace of now.
    machine.cell("kept = 'changed'");
    instance.ok(&["rollback"]);
    assert_ne!(machine.current(), first);
    assert_eq!(instance.inside("cat /etc/vivarium/evolved /repo/body/rootfs/etc/vivarium/evolved 2>/dev/null; cat /root/kept"), "kept");
    assert_eq!(machine.cell("kept"), "'changed'");
    machine.cell("kept = 'changed again'");
    // And forward again, with the namespace with which it was left.
    instance.ok(&["rollback", &first.to_string(), "--state"]);
    assert_eq!(machine.cell("kept"), "'changed'");
    assert_eq!(instance.inside("cat /etc/vivarium/evolved"), "new");
    instance.ok(&["up"]);
    assert_eq!(machine.current(), first);
}

#[test]
fn a_worker_that_can_not_start_is_not_put_in_place() {
    let machine = Evolving::up();
    let instance = &machine.0;
    machine.cell("kept = 7");
    instance.inside("echo 'import gone' > /repo/body/kernel/vivarium_kernel/__main__.py");
    let failed = instance.vivarium(&["evolve", "--set", "evolve.prove_s=80"]);
    assert_eq!(failed.status.code(), Some(1));
    let words = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(
        words.contains("The new machine failed its health checks"),
        "{words}"
    );
    // Nobody waited for it, and it says why.
    let why =
        "kernel-main ended 6 times, with exit code 1: ModuleNotFoundError: No module named 'gone'";
    assert!(words.contains(why), "{words}");
    // What it was made as is the only good one, and in place.
    let all = machine.generations();
    let good: Vec<_> = all.iter().filter(|one| one["state"] == "good").collect();
    assert_eq!(good.len(), 1, "{all:?}");
    assert_eq!(machine.current(), good[0]["number"], "{all:?}");
    assert_eq!(machine.cell("kept"), "7");
}

#[test]
fn what_runs_inside_asks_for_an_evolve_and_the_host_carries_it_out() {
    let machine = Evolving::up();
    let instance = &machine.0;
    machine.cell("kept = 7");
    // Nobody is there: it is said, and waits.
    let asked = machine.cell("runtime.evolve(note='from a cell')['message']");
    assert!(asked.contains("No executor is present"), "{asked}");
    assert_eq!(machine.newest_run()["state"], "asked");
    let (status, answer) = instance.api("POST", "/evolve", "{}");
    assert_eq!(
        (status, &answer["error"]["code"]),
        (409, &Value::from("evolve_in_progress"))
    );

    // As long as nobody has taken it, it can be taken back.
    assert_eq!(instance.inside("evolve --cancel"), "The run was withdrawn.");
    assert_eq!(machine.newest_run()["state"], "cancelled");
    let again = instance.inside("evolve --cancel 2>&1; true");
    assert!(again.contains("no run is waiting"), "{again}");
    machine.cell("runtime.evolve(note='from a cell')['status']");

    // A host that needs a person's yes: first it gets a no.
    let host = Host::serve(instance, "");
    machine.waits_for("awaits_yes");
    host.answer(&id(&machine.newest_run()), false);
    assert_eq!(machine.newest_run()["state"], "refused");
    // The host's own history has it too, so that it can't be asked for again under its name.
    let (_, status) = host.rpc("evolve_status", &json!({}));
    assert_eq!(status["latest_run"]["state"], "refused", "{status}");
    machine.cell("runtime.evolve(note='from a cell')['status']");
    machine.waits_for("awaits_yes");
    an_approval_is_for_the_files_that_were_shown(&machine, &host);
    machine.cell("runtime.evolve(note='from a cell')['status']");
    machine.waits_for("awaits_yes");
    let wanted = id(&machine.newest_run());
    host.answer(&wanted, true);
    // From the swap on it is too late to give it up, whoever asks.
    let mut said = String::new();
    wait_until("the swap", LONG, || {
        let runs: Value = serde_json::from_str(&instance.inside("body call GET /evolve/runs"))
            .unwrap_or_default();
        let steps = runs["runs"][0]["steps"].as_array();
        let last = steps.and_then(|steps| steps.last());
        let is_late = last.is_some_and(|step| step["name"] == "settle");
        if is_late {
            let answer = host.rpc("evolve_cancel", &json!({ "run_id": wanted }));
            said = answer.1.to_string();
        }
        is_late
    });
    assert!(said.contains("too late to cancel"), "{said}");
    machine.waits_for("good");
    let run = machine.newest_run();
    assert_eq!(
        (&run["state"], &run["note"]),
        (&"good".into(), &"from a cell".into()),
        "{run}"
    );
    assert_eq!(run["asked_by"], "machine");
    assert!(
        run["steps"]
            .as_array()
            .is_some_and(|steps| steps.len() == 7),
        "{run}"
    );
    let path = format!("/evolve/runs/{}/log", id(&run));
    let (_, log) = instance.api("GET", &path, "");
    assert!(
        log["lines"].to_string().contains("test the new machine"),
        "{log}"
    );
    assert_eq!(machine.cell("kept"), "7");
    assert_eq!(machine.generations()[0]["asked_by"], "machine");
}

/// A yes that doesn't say for which files is none, and one for others builds nothing.
fn an_approval_is_for_the_files_that_were_shown(machine: &Evolving, host: &Host) {
    let wanted = id(&machine.newest_run());
    let yes = |more: Value| {
        let mut answer = json!({ "run_id": wanted, "yes": true });
        answer
            .as_object_mut()
            .expect("an object")
            .extend(more.as_object().expect("an object").clone());
        host.rpc("evolve_answer", &answer)
    };
    for more in [json!({}), json!({ "tree": null })] {
        let (status, said) = yes(more);
        assert_eq!((status, &said["code"]), (400, &json!("invalid")), "{said}");
        assert_eq!(machine.newest_run()["state"], "awaits_yes");
    }
    // The review showed these files; then the machine writes another.
    let shown = host.tree();
    machine.0.inside("echo more > /repo/after-the-review");
    assert_eq!(yes(json!({ "tree": shown })).0, 200);
    machine.waits_for("failed");
    let run = machine.newest_run();
    let said = run["error"].as_str().expect("why");
    assert!(said.contains("changed"), "{run}");
    assert_eq!(run["generation"], Value::Null, "{run}");
    assert!(machine.generations().is_empty());
}

#[test]
fn who_picks_up_the_run_of_a_host_that_ended_tells_the_machine_at_once() {
    let machine = Evolving::up();
    let instance = &machine.0;
    machine.cell("kept = 7");
    machine.cell("runtime.evolve(note='cut off')['status']");
    let mut host = Host::serve(instance, "proving");
    machine.waits_for("awaits_yes");
    host.answer(&id(&machine.newest_run()), true);
    host.ends();
    assert_eq!(machine.newest_run()["state"], "running");
    instance.ok(&["up"]);
    let (_, status) = instance.api("GET", "/evolve/status", "");
    assert_eq!(status["in_progress"], false, "{status}");
    assert_eq!(status["latest_run"]["state"], "undone", "{status}");
    assert_eq!(machine.cell("kept"), "7");
}

/// Its home and its files of users are prepared by a container before its life, the candidate's too.
#[test]
fn a_locked_machine_of_another_user_evolves_too() {
    let mut instance = Instance::of("locked");
    instance.user = Some(1234);
    let machine = Evolving::of(instance);
    let instance = &machine.0;
    machine.cell("kept = 7; open('/root/kept', 'w').write('home')");
    // `docker exec` looks its user up in the image, where that is another one.
    let shell = |command: &str| instance.ok(&["shell", command]);
    shell("printf 'RUN useradd --uid 4321 added\\n' >> /repo/body/Dockerfile");
    let told = instance.ok(&["evolve"]);
    assert!(told.contains("is current"), "{told}");
    let users = "id -un; id -un 4321 2>/dev/null || true; stat -c %U /root; cat /root/kept";
    assert_eq!(shell(users).trim_end(), "os\nadded\nos\nhome");
    assert_eq!(machine.cell("kept"), "7");

    // One that is cut off when the new machine runs already: the old one has its namespace back.
    shell("echo changed > /repo/body/rootfs/etc/vivarium/changed");
    let cut_off = instance.failing_at("started", &["evolve"]);
    assert!(!cut_off.status.success());
    assert_eq!(shell("cat /etc/vivarium/changed").trim_end(), "changed");
    instance.ok(&["up"]);
    assert_eq!(
        shell("cat /etc/vivarium/changed 2>/dev/null || true").trim_end(),
        ""
    );
    assert_eq!(machine.cell("kept"), "7");

    instance.ok(&["rollback"]);
    assert_eq!(shell(users).trim_end(), "os\nos\nhome");
    assert_eq!(machine.cell("kept"), "7");
    for left in ["handover", "next", "new", "old"] {
        let name = format!("name={}-{left}", instance.container());
        assert_eq!(docker(&["ps", "-aq", "--filter", &name]), "", "{left}");
    }
}
