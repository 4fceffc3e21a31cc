//! The power goes in the middle of a run: all that runs is killed, the container engine too, and
//! what is on the disks stays. For that a test has an engine of its own in namespaces of its own,
//! which go with all that is in them when it ends. What a real cut may take of files that were not
//! synced is not shown here.

#![allow(clippy::unwrap_used)]

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use containers::CancellationToken;
use lifecycle::{FAILPOINTS, LifecycleError, Told, What};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use wire::{
    evolve::{EvolveRequest, EvolveRun, RunState, StepName},
    failure::FailureCode,
};

use crate::{
    evolve_faults::is_at,
    evolving::{Tiny, carry_out_heard, docker, machine},
};

/// Where Debian has it; a shell's PATH may lack the folder.
const DOCKERD: &str = "/usr/sbin/dockerd";
const SOCKET: &str = "/run/vtest-engine.sock";
/// Those of each step; VIVARIUM_TEST_POWER_CUTS=all for all there are.
const SOME: &[&str] = &["built", "proving", "stopped", "placed", "reloaded", "undo"];

fn run(program: &str, words: &[&str]) {
    let ended = Command::new(program).args(words).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{program} {words:?}: {said}");
}

/// Runs one of the tests below in a world of its own.
fn in_a_world(test: &str) {
    if !super::wanted() {
        return;
    }
    if !nix::unistd::geteuid().is_root() || super::is_podman() {
        eprintln!("left out: only root can have a second Docker in namespaces of its own");
        return;
    }
    let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if let Some(missing) = ["unshare", DOCKERD].into_iter().find(|one| !there(one)) {
        eprintln!("left out: there is no {missing} here");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("base.tar");
    run(
        "docker",
        &[
            "save",
            "debian:trixie-slim",
            "-o",
            &base.display().to_string(),
        ],
    );
    let group = super::own_name(test);
    let ended = Command::new("unshare")
        .args([
            "--net",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ])
        // PID 1 there has to take in what others leave, as a shell does.
        .args(["sh", "-c", "\"$@\"; exit $?", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &format!("power::{test}"), "--nocapture"])
        .env("VIVARIUM_TEST_WORLD", folder.path())
        .env("VIVARIUM_TEST_CGROUP", &group)
        .env("DOCKER_HOST", format!("unix://{SOCKET}"))
        .output()
        .unwrap();
    remove_cgroups(Path::new("/sys/fs/cgroup"), &group);
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(ended.status.success(), "{said}");
    assert!(said.contains("1 passed"), "{said}");
}

/// The engine's groups of processes, which are empty now, in each hierarchy.
fn remove_cgroups(top: &Path, group: &str) {
    let hierarchies = std::fs::read_dir(top).into_iter().flatten().flatten();
    let mut groups: Vec<PathBuf> = hierarchies.map(|entry| entry.path().join(group)).collect();
    groups.push(top.join(group));
    for group in groups {
        for child in std::fs::read_dir(&group).into_iter().flatten().flatten() {
            let _ = std::fs::remove_dir(child.path());
        }
        let _ = std::fs::remove_dir(group);
    }
}

/// An engine whose images and containers lie on a small disk of its own.
struct Power {
    disk: PathBuf,
    dockerd: Child,
}

impl Power {
    /// `None` outside of such a world.
    fn on() -> Option<Self> {
        let folder = PathBuf::from(std::env::var_os("VIVARIUM_TEST_WORLD")?);
        run("ip", &["link", "set", "lo", "up"]);
        run("mount", &["-t", "tmpfs", "vtest", "/run"]);
        let disk = folder.join("disk");
        std::fs::create_dir(&disk).unwrap();
        let at = disk.display().to_string();
        run("mount", &["-t", "tmpfs", "-o", "size=3g", "vtest", &at]);
        let power = Self {
            dockerd: dockerd(&disk),
            disk,
        };
        run(
            "docker",
            &["load", "-i", &folder.join("base.tar").display().to_string()],
        );
        Some(power)
    }

    /// Kills all but this process and its shell.
    fn cut(&mut self) {
        let ours = i32::try_from(std::process::id()).unwrap();
        let alive = || {
            let processes = std::fs::read_dir("/proc").unwrap().flatten();
            processes
                .filter_map(|process| process.file_name().to_str()?.parse::<i32>().ok())
                .filter(|pid| *pid != 1 && *pid != ours && !is_dead(*pid))
                .collect::<Vec<_>>()
        };
        let begin = Instant::now();
        while !alive().is_empty() {
            assert!(begin.elapsed() < Duration::from_secs(120), "{:?}", alive());
            for pid in alive() {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            std::thread::yield_now();
        }
        let _ = self.dockerd.wait();
    }

    fn again(&mut self) {
        self.dockerd = dockerd(&self.disk);
    }

    /// So much is free on the engine's disk from now on.
    fn leave_free(&self, bytes: u64) {
        let found = nix::sys::statvfs::statvfs(&self.disk).unwrap();
        let used = (found.blocks() - found.blocks_free()) * found.fragment_size();
        let size = format!("remount,size={}", used + bytes);
        run("mount", &["-o", &size, &self.disk.display().to_string()]);
    }
}

/// A process that is over and that nobody asks for.
fn is_dead(pid: i32) -> bool {
    match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z')),
        Err(_) => true,
    }
}

fn dockerd(disk: &Path) -> Child {
    let path = std::env::var("PATH").unwrap_or_default();
    let _ = std::fs::remove_file("/run/vtest-engine.pid");
    let log = disk.with_file_name("dockerd.log");
    let said = std::fs::File::create(&log).unwrap();
    let child = Command::new(DOCKERD)
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .arg("--data-root")
        .arg(disk)
        .args([
            "--exec-root",
            "/run/vtest-engine",
            "--pidfile",
            "/run/vtest-engine.pid",
        ])
        .args(["--host", &format!("unix://{SOCKET}")])
        .args([
            "--cgroup-parent",
            &std::env::var("VIVARIUM_TEST_CGROUP").unwrap(),
        ])
        .stdout(Stdio::null())
        .stderr(said)
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while docker(&["info", "--format", "{{.ID}}"]).concat().is_empty() {
        assert!(
            begin.elapsed() < Duration::from_secs(180),
            "dockerd does not answer: {}",
            std::fs::read_to_string(&log).unwrap()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    child
}

async fn recovered(tiny: &Tiny, what: &str) -> EvolveRun {
    let run = tiny.machine().recover(&tiny.engine, &mut |_| {}).await;
    let run = run.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    run.unwrap_or_else(|| panic!("{what}: no run"))
}

#[test]
fn a_power_cut_costs_no_machine() {
    in_a_world("cuts");
}

/// Not a test of its own: see [`in_a_world`].
#[tokio::test]
async fn cuts() {
    let Some(mut power) = Power::on() else {
        return;
    };
    let tiny = Tiny::up("cut", &["generations_to_keep=0"]).await;
    let all = std::env::var("VIVARIUM_TEST_POWER_CUTS").is_ok_and(|which| which == "all");
    let places = if all { FAILPOINTS } else { SOME };
    let mut version = "1".to_owned();
    for (number, place) in places.iter().enumerate() {
        let wanted = format!("v{number}");
        tiny.edit("body/rootfs/version", &wanted);
        let boot = match *place {
            "undo" => "if (candidate()) { exit 3 }",
            _ => "",
        };
        tiny.edit("body/rootfs/usr/local/bin/machine", &machine(boot));
        let mut child = tiny.child(place);
        use std::os::unix::process::ExitStatusExt;
        assert_eq!(child.wait().unwrap().signal(), Some(9), "{place}");
        power.cut();
        power.again();
        let run = recovered(&tiny, place).await;
        match run.state {
            RunState::Good => version = wanted,
            RunState::Undone => assert!(run.error.is_some(), "{place}: {run:?}"),
            state => panic!("{place}: {state:?}"),
        }
        tiny.is_whole(&version, place).await;
        eprintln!("cut at {place}: {:?}", run.state);
    }
    tiny.tidy().await;
}

#[test]
fn an_engine_that_is_killed_costs_no_machine() {
    in_a_world("engine_killed");
}

/// Not a test of its own: see [`in_a_world`].
#[tokio::test]
async fn engine_killed() {
    let Some(mut power) = Power::on() else {
        return;
    };
    let tiny = Tiny::up("engine", &[]).await;
    let mut version = "1".to_owned();
    for step in [
        StepName::Build,
        StepName::Prove,
        StepName::Swap,
        StepName::Settle,
    ] {
        let wanted = format!("{step:?}");
        tiny.edit("body/rootfs/version", &wanted);
        let dockerd = Pid::from_raw(power.dockerd.id().try_into().unwrap());
        let mut killed = false;
        let mut hear = |told: Told| {
            if !killed && is_at(&told, step) {
                killed = true;
                kill(dockerd, Signal::SIGKILL).unwrap();
            }
        };
        let never = CancellationToken::new();
        let what = What::Evolve(EvolveRequest::default());
        let ended = carry_out_heard(&tiny.tiny.options, what, &never, &mut hear).await;
        let is_left = matches!(ended, Err(LifecycleError::NotUndone { .. }));
        assert!(is_left, "{step:?}: {ended:?}");
        power.dockerd.wait().unwrap();
        power.again();
        let run = recovered(&tiny, &wanted).await;
        match run.state {
            RunState::Good => version = wanted,
            state => assert_eq!(state, RunState::Undone, "{step:?}: {run:?}"),
        }
        tiny.is_whole(&version, &format!("{step:?}")).await;
    }
    tiny.tidy().await;
}

#[test]
fn an_engine_whose_disk_is_full_keeps_its_machine() {
    in_a_world("full_disk");
}

/// Not a test of its own: see [`in_a_world`].
#[tokio::test]
async fn full_disk() {
    let Some(power) = Power::on() else {
        return;
    };
    let tiny = Tiny::up("filled", &[]).await;
    power.leave_free(512 << 20);
    let run = tiny.evolve().await;
    assert_eq!(run.state, RunState::Failed, "{run:?}");
    assert_eq!(run.failure.unwrap().code, FailureCode::DiskFull);
    tiny.is_whole("1", "with little room").await;

    // Enough at the beginning, and then no more.
    power.leave_free(2 << 30);
    tiny.edit_dockerfile("RUN head -c 200000000 /dev/zero > /filled\n");
    let mut hear = |told: Told| {
        if is_at(&told, StepName::Build) {
            power.leave_free(64 << 20);
        }
    };
    let never = CancellationToken::new();
    let what = What::Evolve(EvolveRequest::default());
    let run = carry_out_heard(&tiny.tiny.options, what, &never, &mut hear).await;
    let run = run.unwrap();
    assert_eq!(run.state, RunState::Undone, "{run:?}");
    assert_eq!(run.failure.unwrap().code, FailureCode::DiskFull);
    tiny.is_whole("1", "after a full disk").await;
    power.leave_free(2 << 30);
    tiny.edit_dockerfile("");
    tiny.edit("body/rootfs/version", "2");
    assert_eq!(tiny.evolve().await.state, RunState::Good);
    tiny.is_whole("2", "with room again").await;
    tiny.tidy().await;
}
