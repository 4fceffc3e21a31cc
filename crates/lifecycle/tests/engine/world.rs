//! A world of a test's own: namespaces with a container engine in them, which go with all that is in them
//! when the test ends. There the power can go, the engine be killed or started again, and its disk be
//! full, without anybody else's containers.
//!
//! Tests of `crates/sandbox` use it too.

#![allow(clippy::unwrap_used)]

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::docker;

/// Where Debian has it; a shell's PATH may lack the folder.
const DOCKERD: &str = "/usr/sbin/dockerd";
const SOCKET: &str = "/run/vtest-engine.sock";

fn run(program: &str, words: &[&str]) {
    let ended = Command::new(program).args(words).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.success(), "{program} {words:?}: {said}");
}

/// Runs a test of this program, by its whole name, in a world of its own. `group` names its processes.
pub(crate) fn in_a_world(test: &str, group: &str) {
    if !nix::unistd::geteuid().is_root() || is_podman() {
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
        .args(["--exact", test, "--nocapture"])
        .env("VIVARIUM_TEST_WORLD", folder.path())
        .env("VIVARIUM_TEST_CGROUP", group)
        .env("DOCKER_HOST", format!("unix://{SOCKET}"))
        .output()
        .unwrap();
    remove_cgroups(Path::new("/sys/fs/cgroup"), group);
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

/// Whether Docker's client says that it is Podman that answers.
fn is_podman() -> bool {
    docker(&["info"]).concat().contains("buildahVersion")
}

/// An engine whose images and containers lie on a small disk of its own.
pub(crate) struct Power {
    disk: PathBuf,
    dockerd: Child,
}

impl Power {
    /// `None` outside of such a world.
    pub(crate) fn on() -> Option<Self> {
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
    pub(crate) fn cut(&mut self) {
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

    /// Starts an engine that ended.
    pub(crate) fn again(&mut self) {
        self.dockerd = dockerd(&self.disk);
    }

    /// Ends the engine by a signal, as its own service would or as a crash does, and waits for its end.
    pub(crate) fn end_engine(&mut self, signal: Signal) {
        let _ = kill(self.engine(), signal);
        let _ = self.dockerd.wait();
    }

    /// The engine's process.
    pub(crate) fn engine(&self) -> Pid {
        Pid::from_raw(self.dockerd.id().cast_signed())
    }

    /// So much is free on the engine's disk from now on.
    pub(crate) fn leave_free(&self, bytes: u64) {
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
