//! What can go wrong with a machine. How it is told to a person is in [`failure`].

mod failure;

use std::path::{Path, PathBuf};

use containers::EngineError;
use wire::{error_code::ErrorCode, failure::Failure};

use crate::{difference::Difference, history::HistoryError, spec::SpecError};

/// Failures of a machine's life.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LifecycleError {
    /// The container engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There is no machine of that name.
    #[error("machine not found: {name}")]
    NoMachine {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Several machines are there, and none was named.
    #[error("more than one machine exists")]
    WhichMachine {
        /// Their names.
        known: Vec<String>,
    },
    /// Another machine has that name, or had it first.
    #[error("a machine named {name} already exists")]
    MachineExists {
        /// The name.
        name: String,
    },
    /// A name that no container can have.
    #[error("invalid machine name: {name:?}")]
    MachineName {
        /// The name.
        name: String,
    },
    /// Another machine would see what this one writes.
    #[error("the folder {} is mounted into the machine {machine}", mount.display())]
    Covered {
        /// The new machine's folder.
        folder: PathBuf,
        /// The other machine.
        machine: String,
        /// Its mount.
        mount: PathBuf,
    },
    /// A machine's spec is not valid.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A file or folder could not be used.
    #[error("could not {doing} {}", path.display())]
    File {
        /// Verb, such as `read`.
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The template folder has no Dockerfile.
    #[error("no machine template found in {}", path.display())]
    NoTemplate {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A machine's repo has no Dockerfile, of which its image would be built.
    #[error("the machine's repo has no body/Dockerfile")]
    NoDockerfile,
    /// The base image is not here and can't be fetched.
    #[error("the base image {base} could not be pulled")]
    NoBase {
        /// Its name.
        base: String,
        /// Why the pull failed.
        cause: String,
        /// The template's script that makes it without a registry.
        script: PathBuf,
    },
    /// A published port is held by something else.
    #[error("port {port} is already in use")]
    PortTaken {
        /// Host port.
        port: u16,
        /// Who holds it, where that could be found out.
        holder: Option<String>,
        /// Whether Vivarium found the port itself, as the machine's spec names none.
        found: bool,
        /// The engine's words, where it was asked.
        #[source]
        source: Option<EngineError>,
    },
    /// `up` would replace a container that runs, and nobody said that it may.
    #[error("machine {name} would be recreated")]
    WouldRecreate {
        /// Its name.
        name: String,
        /// What differs from the container that runs.
        differences: Vec<Difference>,
    },
    /// The new container did not come up, and the old one was put back.
    #[error("the machine was not recreated")]
    NotRecreated {
        /// Why.
        failure: Failure,
        /// Whether the old one runs.
        runs: bool,
    },
    /// The folder given for `/repo` is not there.
    #[error("folder not found: {}", path.display())]
    NoRepoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that a machine's spec mounts is not there.
    #[error("folder to mount at {target} not found: {}", path.display())]
    NoSource {
        /// Path on this computer.
        path: PathBuf,
        /// Path inside.
        target: String,
    },
    /// A folder that the machine sees lies in another that it can write to.
    #[error("{} can't be mounted because the machine can write to {}", inner.display(), outer.display())]
    NestedMount {
        /// The folder in the other one.
        inner: PathBuf,
        /// The one that it lies in.
        outer: PathBuf,
    },
    /// A folder that one machine sees lies in another that a second machine can write to.
    #[error("{} of machine {owner} is inside {}, which machine {writer} can write to", inner.display(), outer.display())]
    NestedMachines {
        /// The folder in the other one.
        inner: PathBuf,
        /// The machine that sees it.
        owner: String,
        /// The one that it lies in.
        outer: PathBuf,
        /// The machine that can write to that.
        writer: String,
    },
    /// The container does not run.
    #[error("machine {name} is not running")]
    NotRunning {
        /// Its name.
        name: String,
    },
    /// The container engine holds its processes.
    #[error("machine {name} is paused")]
    Paused {
        /// Its name.
        name: String,
    },
    /// It came up but its kernel did not answer.
    #[error("machine {name} did not become ready")]
    Unhealthy {
        /// Its name.
        name: String,
        /// What was seen last.
        cause: String,
        /// Last lines of its log.
        log: Vec<String>,
    },
    /// Its home could not be given to its user.
    #[error("could not change the owner of the home folder of machine {name}")]
    InitHome {
        /// Its name.
        name: String,
        /// What the container that was to do it said.
        log: Vec<String>,
    },
    /// A container of that name is there and is not ours.
    #[error("a container named {name} exists that Vivarium did not create")]
    Foreign {
        /// Its name.
        name: String,
    },
    /// The engine is on another computer.
    #[error("the container engine at {endpoint} is on another computer")]
    Far {
        /// Its address.
        endpoint: String,
    },
    /// The engine's user namespace makes this user root inside.
    #[error("rootless {engine} can't keep your user ID in the machine")]
    Rootless {
        /// `Docker`.
        engine: String,
    },
    /// Another process works on this machine.
    #[error("machine {name} is busy with another operation")]
    Busy {
        /// Its name.
        name: String,
        /// That process's id, where it is known.
        holder: Option<u32>,
    },
    /// A run's name that isn't plain, or another run's.
    #[error("invalid name for a new run: {run_id:?}")]
    RunName {
        /// The name.
        run_id: String,
    },
    /// The files of the repo can't be read, kept or put back.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The repo isn't what a person approved.
    #[error("the machine's repo changed after approval")]
    RepoChanged {
        /// The tree that was approved.
        approved: String,
        /// The tree that is there.
        found: String,
    },
    /// The engine's disk is nearly full.
    #[error("not enough disk space for a new image")]
    NoSpace {
        /// What is free.
        free_bytes: u64,
    },
    /// A candidate did not show that it is well.
    #[error("the new machine failed its health checks")]
    NotProved {
        /// What it failed at.
        checks: Vec<String>,
        /// Last lines of its log.
        log: Vec<String>,
    },
    /// Cells run or wait, and the run was not to wait longer.
    #[error("{} still running", crate::plural::count(*count, "cell"))]
    CellsRun {
        /// How many.
        count: u64,
    },
    /// What runs inside a machine failed a request.
    #[error("the machine could not {doing}")]
    Inside {
        /// What was asked, as a verb phrase.
        doing: String,
        /// What it said.
        words: String,
        /// The code with which its API refused; `None` if nothing of the kind came.
        code: Option<ErrorCode>,
    },
    /// There is no generation of that number.
    #[error("generation {number} not found")]
    NoGeneration {
        /// The number.
        number: u32,
    },
    /// There is no good generation before the current one.
    #[error("no earlier generation to roll back to")]
    NoEarlier,
    /// A generation's image is not here any more.
    #[error("the image of generation {number} was deleted")]
    GenerationGone {
        /// The number.
        number: u32,
    },
    /// The machine is made of that generation.
    #[error("generation {number} is the current one")]
    GenerationInUse {
        /// The number.
        number: u32,
    },
    /// A run failed, and the old machine could not be brought back yet.
    #[error("the old machine could not be restored yet")]
    NotUndone {
        /// Why.
        failure: Failure,
    },
    /// This process is in no container that the engine knows.
    #[error("the machine's own container could not be found")]
    NotInside,
    /// A machine that replaces itself lacks a mount.
    #[error("nothing is mounted at {target}")]
    NotMounted {
        /// Path inside.
        target: &'static str,
    },
    /// The containers that were to replace the machine did not begin.
    #[error("the machine's restarter did not start")]
    NoRestarter {
        /// Last lines of its log.
        log: Vec<String>,
    },
    /// The socket executor can't keep a person's yes.
    #[error("evolving this machine requires approval, which only the host can record")]
    NoYes,
    /// Somebody asked for it.
    #[error("cancelled")]
    Cancelled,
}

impl LifecycleError {
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }
}
