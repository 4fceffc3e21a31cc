//! Looks at what a machine needs on this computer, and says what to do.

use std::{net::TcpListener, path::Path};

use futures_util::future::BoxFuture;
use lifecycle::{Engine, Machine};
use serde::Serialize;
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
    machine::{MachineState, MachineStatus},
};

use crate::{App, machine::load};

/// Below this an image build is likely to fail.
const ROOM_BYTES: u64 = 5 << 30;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Good,
    /// Works, but not all of it, or not yet.
    Note,
    /// Must be put right first.
    Bad,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at: `engine`, `disk`, …
    pub name: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do.
    pub next: Option<Advice>,
    /// The failure's code, where one was met.
    pub code: Option<FailureCode>,
}

impl Check {
    fn new(name: &'static str, verdict: Verdict, found: impl Into<String>) -> Self {
        Self {
            name,
            verdict,
            found: found.into(),
            next: None,
            code: None,
        }
    }

    fn next(mut self, next: Advice) -> Self {
        self.next = Some(next);
        self
    }

    fn failed(name: &'static str, failure: &Failure) -> Self {
        Self {
            name,
            verdict: Verdict::Bad,
            found: failure.to_string(),
            next: failure.next.as_deref().cloned(),
            code: Some(failure.code),
        }
    }
}

impl App {
    /// Looks at settings, engine, disk, images, ports and packages.
    pub fn doctor<'a>(&'a self) -> BoxFuture<'a, Vec<Check>> {
        Box::pin(async move {
            let mut checks = Vec::new();
            let machine = load(&self.inner.shared.options);
            match &machine {
                Ok(machine) => {
                    let file = machine.spec_file();
                    checks.push(Check::new(
                        "settings",
                        Verdict::Good,
                        file.display().to_string(),
                    ));
                    let warnings = machine.spec().warnings();
                    checks.extend(
                        warnings
                            .into_iter()
                            .map(|warning| Check::new("settings", Verdict::Note, warning)),
                    );
                }
                Err(failure) => checks.push(Check::failed("settings", failure)),
            }
            match self.connect().await {
                Ok(engine) => {
                    let info = engine.info();
                    let found = format!(
                        "{} {} (API {}) at {} ({})",
                        info.name, info.version, info.api_version, info.endpoint, info.chosen_by
                    );
                    checks.push(Check::new("engine", Verdict::Good, found));
                    checks.extend(where_it_runs(&engine).await);
                    if let Ok(Some(root)) = engine.root_dir().await {
                        checks.extend(disk(&root));
                    }
                    if let Ok(machine) = &machine {
                        match machine.status(&engine).await {
                            Ok(status) => {
                                checks.push(base(&engine, machine, &status).await);
                                checks.push(image(&status));
                                checks.extend(ports(machine, &status));
                            }
                            Err(error) => checks.push(Check::failed("machine", &error.into())),
                        }
                    }
                }
                Err(failure) => checks.push(Check::failed("engine", &failure)),
            }
            checks.push(packages());
            checks
        })
    }
}

/// What keeps a machine from running at this engine, though it answers.
async fn where_it_runs(engine: &Engine) -> Option<Check> {
    let refused = lifecycle::suits(engine).await.err()?;
    Some(Check::failed("engine", &refused.into()))
}

fn disk(root: &Path) -> Option<Check> {
    // A remote engine's root is not on this computer.
    let room = nix::sys::statvfs::statvfs(root).ok()?;
    #[allow(clippy::unnecessary_cast)]
    let free = room.blocks_available() as u64 * room.fragment_size() as u64;
    let found = format!("{:.1} GB free at {}", free as f64 / 1e9, root.display());
    Some(if free < ROOM_BYTES {
        Check::new("disk", Verdict::Bad, found).next(Advice::FreeDisk)
    } else {
        Check::new("disk", Verdict::Good, found)
    })
}

async fn base(engine: &Engine, machine: &Machine, status: &MachineStatus) -> Check {
    let name = &machine.spec().base;
    match engine.image(name).await {
        Ok(Some(_)) => Check::new("base image", Verdict::Good, format!("{name} is available")),
        _ => {
            let needed = !status.image_present || status.image_stale;
            let when = if needed {
                "the next build"
            } else {
                "a rebuild"
            };
            Check::new(
                "base image",
                Verdict::Note,
                format!("{name} is not available; {when} will pull it"),
            )
            .next(Advice::MakeBase {
                script: "docker/base/make-debian.sh".into(),
            })
        }
    }
}

fn image(status: &MachineStatus) -> Check {
    let name = &status.image;
    match (status.image_present, status.image_stale) {
        (true, false) => Check::new("image", Verdict::Good, format!("{name} is up to date")),
        (true, true) => Check::new("image", Verdict::Note, format!("{name} is out of date"))
            .next(Advice::RebuildImage),
        (false, _) => Check::new("image", Verdict::Note, format!("{name} is not built yet"))
            .next(Advice::BuildImage),
    }
}

fn ports(machine: &Machine, status: &MachineStatus) -> Vec<Check> {
    if !matches!(status.state, MachineState::Absent | MachineState::Stopped) {
        let found = status.addresses.as_ref().map_or_else(
            || "the machine is running but has no published ports".into(),
            |at| format!("used by the machine: {}, {}, {}", at.kernel, at.mcp, at.vnc),
        );
        return vec![Check::new("ports", Verdict::Good, found)];
    }
    let ports = machine.spec().ports;
    let wanted = [ports.kernel, ports.mcp, ports.vnc];
    let is_taken = |port: &u16| *port != 0 && TcpListener::bind(("127.0.0.1", *port)).is_err();
    let taken: Vec<String> = wanted
        .iter()
        .filter(|port| is_taken(port))
        .map(u16::to_string)
        .collect();
    vec![if taken.is_empty() {
        Check::new("ports", Verdict::Good, "all free")
    } else {
        Check::new(
            "ports",
            Verdict::Bad,
            format!("already in use: {}", taken.join(", ")),
        )
        .next(Advice::FreePort)
    }]
}

/// Only the window needs packages of the system.
fn packages() -> Check {
    if !cfg!(target_os = "linux") {
        return Check::new("packages", Verdict::Good, "none required on this system");
    }
    let library = "libwebkit2gtk-4.1.so.0";
    let folders = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    let found = folders
        .chain(["/usr/lib64".into(), "/usr/lib".into()])
        .any(|folder| folder.join(library).exists());
    if found {
        Check::new("packages", Verdict::Good, "WebKitGTK 4.1 is installed")
    } else {
        Check::new(
            "packages",
            Verdict::Note,
            "WebKitGTK 4.1 is not installed: the window can't open, everything else works",
        )
        .next(Advice::InstallWebKit)
    }
}
