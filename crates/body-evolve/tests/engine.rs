//! A machine that replaces itself, against the real engine: what it keeps, what goes wrong, and
//! what is killed on the way. Wants VIVARIUM_TEST_ENGINE.

#![allow(clippy::unwrap_used)]

#[path = "seat/machine.rs"]
mod machine;

use lifecycle::{FAILPOINTS, RESTARTER_FAILPOINTS};
use machine::{Seat, ok};
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
    let seat = Seat::up("seat");
    let port = ok(&["port", &seat.container(), "8080/tcp"]);
    let before = seat.inspect("{{json .HostConfig}}");
    seat.edit("body/rootfs/version", "2");
    let run = seat.evolve("first");
    assert_eq!(run["state"], "good", "{run}");
    assert_eq!(run["steps"].as_array().unwrap().len(), 7, "{run}");
    seat.is_whole("2", "after an evolve");

    // All that whoever made it wanted is as it was.
    assert_eq!(ok(&["port", &seat.container(), "8080/tcp"]), port);
    let after = seat.inspect("{{json .HostConfig}}");
    let pinned = |text: &str| {
        let mut host: serde_json::Value = serde_json::from_str(text).unwrap();
        host["PortBindings"] = serde_json::Value::Null;
        host
    };
    assert_eq!(pinned(&after), pinned(&before));
    let own = seat.inspect("{{index .Config.Labels \"kept\"}} {{.Config.Env}}");
    assert!(own.starts_with("yes ") && own.contains("OWN=1"), "{own}");
    let aliases = seat.inspect("{{range .NetworkSettings.Networks}}{{.Aliases}}{{end}}");
    assert!(aliases.contains("os"), "{aliases}");
    // Compose finds its container to be of the image that its file names.
    let image = ok(&["image", "inspect", "-f", "{{.Id}}", &seat.image()]);
    assert_eq!(seat.inspect("{{.Image}}"), image);
    assert_eq!(
        seat.inspect("{{index .Config.Labels \"com.docker.compose.image\"}}"),
        image
    );

    // And again, from what it is now; and back.
    seat.edit("body/rootfs/version", "3");
    let run = seat.evolve("second");
    assert_eq!(run["state"], "good", "{run}");
    seat.is_whole("3", "after a second evolve");
    ok(&["exec", "-d", &seat.container(), "body-evolve", "rollback"]);
    seat.is_whole("2", "after a rollback");
}

#[test]
fn what_is_wrong_with_a_candidate_leaves_the_machine_as_it_is() {
    if !wanted() {
        return;
    }
    let seat = Seat::up("seatbad");
    is_undone(&seat, "if (candidate()) { exit 3 }", "prove");
    is_undone(&seat, "if (!candidate()) { exit 5 }", "settle");

    // A container of somebody else's that has a restarter's name is left alone.
    seat.boot("");
    let [_, name] = seat.restarters();
    let sleeps = ["debian:trixie-slim", "sleep", "3600"];
    let other = ok(&[&["run", "-d", "--name", &name], &sleeps[..]].concat());
    let run = seat.evolve("other");
    assert_eq!(run["state"], "undone", "{run}");
    assert!(run["error"].as_str().unwrap().contains(&name), "{run}");
    assert_eq!(ok(&["inspect", "-f", "{{.State.Running}}", &other]), "true");
    ok(&["rm", "-f", &other]);
    seat.is_whole("1", "a stranger beside it");

    seat.edit("body/Dockerfile", "ARG BASE\nFROM ${BASE}\nRUN false\n");
    let run = seat.evolve("broken");
    assert_eq!(run["failure"]["code"], "build_failed", "{run}");
    seat.is_whole("1", "a broken Dockerfile");
}

#[test]
fn so_does_one_that_never_answers_in_its_place() {
    if !wanted() {
        return;
    }
    // Long enough for the old machine to come back on a busy computer.
    let seat = Seat::with("seathangs", "evolve.settle_s=20");
    is_undone(&seat, "if (!candidate()) { sleep 600 }", "settle");
}

/// A new machine that does this at its start leaves the old one as it is: this step fails.
fn is_undone(seat: &Seat, boot: &str, step: &str) {
    seat.edit("body/rootfs/version", "2");
    seat.boot(boot);
    let run = seat.evolve(&format!("bad{step}"));
    assert_eq!(run["state"], "undone", "{boot}: {run}");
    let steps = run["steps"].as_array().unwrap();
    let failed = steps.iter().find(|step| step["state"] == "failed");
    assert_eq!(failed.unwrap()["name"], step, "{boot}: {run}");
    seat.is_whole("1", boot);
}

/// The machine is whole after a run: of the next version, or of the one before with the reason told.
fn after(seat: &Seat, run: &Value, version: &mut String, next: String, place: &str) {
    match run["state"].as_str() {
        Some("good") => *version = next,
        Some("undone") => assert!(run["error"].is_string(), "{place}: {run}"),
        _ => panic!("{place}: {run}"),
    }
    seat.is_whole(version, place);
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
    let seat = Seat::up(&format!("seatkill{fourth}"));
    let mut version = "1".to_owned();
    let places = [RESTARTER_FAILPOINTS, FAILPOINTS].concat();
    let places = places.chunks(places.len().div_ceil(4)).nth(fourth).unwrap();
    for (number, &place) in places.iter().enumerate() {
        let next = format!("v{number}");
        seat.edit("body/rootfs/version", &next);
        // Only a run that fails comes by there.
        seat.boot(if place == "undo" {
            "if (candidate()) { exit 3 }"
        } else {
            ""
        });
        seat.fail_at(place);
        let id = format!("kill{number}");
        let run = seat.evolve(&id);
        assert!(seat.has_failed(), "nothing came by {place}");
        after(&seat, &run, &mut version, next, place);
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
    let seat = Seat::up(name);
    let mut version = "1".to_owned();
    for (number, place) in places.into_iter().enumerate() {
        let next = format!("v{number}");
        seat.edit("body/rootfs/version", &next);
        seat.fail_at(&format!("{place} hang"));
        let id = format!("power{number}");
        seat.ask(&id);
        seat.wait(place, || seat.has_failed());
        seat.power_cut();
        let run = seat.ended(&id);
        after(&seat, &run, &mut version, next, place);
    }
}

#[test]
fn a_restarter_that_is_removed_is_replaced_by_the_other() {
    if !wanted() {
        return;
    }
    let seat = Seat::up("seatgone");
    let mut version = "1".to_owned();
    for (number, place) in ["created", "stopped", "started"].into_iter().enumerate() {
        let next = format!("v{number}");
        seat.edit("body/rootfs/version", &next);
        seat.fail_at(&format!("{place} hang"));
        let id = format!("gone{number}");
        seat.ask(&id);
        seat.wait(place, || seat.has_failed());
        // Whichever of them works: it is lost for good.
        let held = seat.working_restarter();
        ok(&["rm", "-f", &held]);
        let run = seat.ended(&id);
        after(&seat, &run, &mut version, next, place);
    }
}
