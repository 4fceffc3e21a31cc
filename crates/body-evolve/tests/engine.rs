//! A machine that replaces itself, against the real engine: what it keeps, what goes wrong, and
//! what is killed on the way. Wants VIVARIUM_TEST_ENGINE.

#![allow(clippy::unwrap_used)]

#[path = "self_evolving/machine.rs"]
mod machine;

use lifecycle::{FAILPOINTS, RESTARTER_FAILPOINTS};
use machine::{SelfEvolving, ok};
use serde_json::Value;

fn wanted() -> bool {
    let wanted = std::env::var_os("VIVARIUM_TEST_ENGINE").is_some();
    if !wanted {
        eprintln!("left out: needs a container engine; set VIVARIUM_TEST_ENGINE=1");
    }
    wanted
}

#[test]
fn a_machine_that_somebody_else_made_replaces_itself() {
    if !wanted() {
        return;
    }
    let machine = SelfEvolving::up("seat");
    let port = ok(&["port", &machine.container(), "8080/tcp"]);
    let before = machine.inspect("{{json .HostConfig}}");
    machine.edit("body/rootfs/version", "2");
    let run = machine.evolve("first");
    assert_eq!(run["state"], "good", "{run}");
    assert_eq!(run["steps"].as_array().unwrap().len(), 7, "{run}");
    machine.is_whole("2", "after an evolve");

    // All that whoever made it wanted is as it was.
    assert_eq!(ok(&["port", &machine.container(), "8080/tcp"]), port);
    let after = machine.inspect("{{json .HostConfig}}");
    let pinned = |text: &str| {
        let mut host: serde_json::Value = serde_json::from_str(text).unwrap();
        host["PortBindings"] = serde_json::Value::Null;
        host
    };
    assert_eq!(pinned(&after), pinned(&before));
    let own = machine.inspect("{{index .Config.Labels \"kept\"}} {{.Config.Env}}");
    assert!(own.starts_with("yes ") && own.contains("OWN=1"), "{own}");
    let aliases = machine.inspect("{{range .NetworkSettings.Networks}}{{.Aliases}}{{end}}");
    assert!(aliases.contains("os"), "{aliases}");
    // Compose finds its container to be of the image that its file names.
    let image = ok(&["image", "inspect", "-f", "{{.Id}}", &machine.image()]);
    assert_eq!(machine.inspect("{{.Image}}"), image);
    assert_eq!(
        machine.inspect("{{index .Config.Labels \"com.docker.compose.image\"}}"),
        image
    );

    // And again, from what it is now; and back.
    machine.edit("body/rootfs/version", "3");
    let run = machine.evolve("second");
    assert_eq!(run["state"], "good", "{run}");
    machine.is_whole("3", "after a second evolve");
    ok(&[
        "exec",
        "-d",
        &machine.container(),
        "body-evolve",
        "rollback",
    ]);
    machine.is_whole("2", "after a rollback");
}

#[test]
fn what_is_wrong_with_a_candidate_leaves_the_machine_as_it_is() {
    if !wanted() {
        return;
    }
    let machine = SelfEvolving::up("seatbad");
    is_undone(&machine, "if (candidate()) { exit 3 }", "prove");
    is_undone(&machine, "if (!candidate()) { exit 5 }", "settle");

    // A container of somebody else's that has a restarter's name is left alone.
    machine.boot("");
    let [_, name] = machine.restarters();
    let sleeps = ["debian:trixie-slim", "sleep", "3600"];
    let other = ok(&[&["run", "-d", "--name", &name], &sleeps[..]].concat());
    let run = machine.evolve("other");
    assert_eq!(run["state"], "undone", "{run}");
    assert!(run["error"].as_str().unwrap().contains(&name), "{run}");
    assert_eq!(ok(&["inspect", "-f", "{{.State.Running}}", &other]), "true");
    ok(&["rm", "-f", &other]);
    machine.is_whole("1", "a stranger beside it");

    machine.edit("body/Dockerfile", "ARG BASE\nFROM ${BASE}\nRUN false\n");
    let run = machine.evolve("broken");
    assert_eq!(run["failure"]["code"], "build_failed", "{run}");
    machine.is_whole("1", "a broken Dockerfile");
}

#[test]
fn so_does_one_that_never_answers_in_its_place() {
    if !wanted() {
        return;
    }
    // Long enough for the old machine to come back on a busy computer.
    let machine = SelfEvolving::with("seathangs", "evolve.settle_s=20");
    is_undone(&machine, "if (!candidate()) { sleep 600 }", "settle");
}

/// A new machine that does this at its start leaves the old one as it is: this step fails.
fn is_undone(machine: &SelfEvolving, boot: &str, step: &str) {
    machine.edit("body/rootfs/version", "2");
    machine.boot(boot);
    let run = machine.evolve(&format!("bad{step}"));
    assert_eq!(run["state"], "undone", "{boot}: {run}");
    let steps = run["steps"].as_array().unwrap();
    let failed = steps.iter().find(|step| step["state"] == "failed");
    assert_eq!(failed.unwrap()["name"], step, "{boot}: {run}");
    machine.is_whole("1", boot);
}

/// The machine is whole after a run: of the next version, or of the one before with the reason told.
fn after(machine: &SelfEvolving, run: &Value, version: &mut String, next: String, place: &str) {
    match run["state"].as_str() {
        Some("good") => *version = next,
        Some("undone") => assert!(run["error"].is_string(), "{place}: {run}"),
        _ => panic!("{place}: {run}"),
    }
    machine.is_whole(version, place);
}

#[test]
fn whatever_is_killed_anywhere_the_machine_is_up_again() {
    killed_at(0);
}

#[test]
fn so_it_is_where_it_is_killed_at_the_proof() {
    killed_at(1);
}

#[test]
fn so_it_is_where_it_is_killed_at_the_swap() {
    killed_at(2);
}

#[test]
fn so_it_is_where_it_is_killed_near_the_end() {
    killed_at(3);
}

/// One fourth of all places, in the machine as in its restarters.
fn killed_at(fourth: usize) {
    if !wanted() {
        return;
    }
    let machine = SelfEvolving::up(&format!("seatkill{fourth}"));
    let mut version = "1".to_owned();
    let places = [RESTARTER_FAILPOINTS, FAILPOINTS].concat();
    let places = places.chunks(places.len().div_ceil(4)).nth(fourth).unwrap();
    for (number, &place) in places.iter().enumerate() {
        let next = format!("v{number}");
        machine.edit("body/rootfs/version", &next);
        // Only a run that fails comes by there.
        machine.boot(if place == "undo" {
            "if (candidate()) { exit 3 }"
        } else {
            ""
        });
        machine.fail_at(place);
        let id = format!("kill{number}");
        let run = machine.evolve(&id);
        assert!(machine.has_failed(), "nothing came by {place}");
        after(&machine, &run, &mut version, next, place);
    }
}

#[test]
fn a_power_cut_while_the_machine_is_replaced_leaves_the_old_one_or_the_new_one() {
    power_cuts_at("seatpower", ["handing", "created", "stopped", "renamed"]);
}

#[test]
fn so_does_a_power_cut_while_the_new_one_settles() {
    power_cuts_at("seatdark", ["placed", "started", "reloaded", "marked"]);
}

fn power_cuts_at(name: &str, places: [&str; 4]) {
    if !wanted() {
        return;
    }
    let machine = SelfEvolving::up(name);
    let mut version = "1".to_owned();
    for (number, place) in places.into_iter().enumerate() {
        let next = format!("v{number}");
        machine.edit("body/rootfs/version", &next);
        machine.fail_at(&format!("{place} hang"));
        let id = format!("power{number}");
        machine.ask(&id);
        machine.wait(place, || machine.has_failed());
        machine.power_cut();
        let run = machine.ended(&id);
        after(&machine, &run, &mut version, next, place);
    }
}

#[test]
fn a_restarter_that_is_removed_is_replaced_by_the_other() {
    if !wanted() {
        return;
    }
    let machine = SelfEvolving::up("seatgone");
    let mut version = "1".to_owned();
    for (number, place) in ["created", "stopped", "started"].into_iter().enumerate() {
        let next = format!("v{number}");
        machine.edit("body/rootfs/version", &next);
        machine.fail_at(&format!("{place} hang"));
        let id = format!("gone{number}");
        machine.ask(&id);
        machine.wait(place, || machine.has_failed());
        // Whichever of them works: it is lost for good.
        let held = machine.working_restarter();
        ok(&["rm", "-f", &held]);
        let run = machine.ended(&id);
        after(&machine, &run, &mut version, next, place);
    }
}
