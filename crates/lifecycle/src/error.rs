//! What can go wrong with a machine, and how it is told to a person.

use std::path::{Path, PathBuf};

use containers::EngineError;
use wire::{
    error_code::ErrorCode,
    failure::{Failure, FailureCode},
};

use crate::{
    difference::{Difference, list},
    history::HistoryError,
    ports::process,
    spec::SpecError,
};

/// Failures of a machine's life.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LifecycleError {
    /// The container engine failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// There is no machine of that name.
    #[error("there is no machine {name}")]
    NoMachine {
        /// The name.
        name: String,
        /// Those that there are.
        known: Vec<String>,
    },
    /// Several machines are there, and none was named.
    #[error("there are several machines")]
    WhichMachine {
        /// Their names.
        known: Vec<String>,
    },
    /// Another machine has that name, or had it first.
    #[error("there already is a machine {name}")]
    MachineExists {
        /// The name.
        name: String,
    },
    /// A name that no container can have.
    #[error("{name:?} isn't a valid name for a machine")]
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
    #[error("there is no machine template in {}", path.display())]
    NoTemplate {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The base image is not here and can't be fetched.
    #[error("the base image {base} is not here and could not be pulled")]
    NoBase {
        /// Its name.
        base: String,
        /// Why the pull failed.
        cause: String,
        /// The template's script that makes it without a registry.
        script: PathBuf,
    },
    /// A published port is held by something else.
    #[error("port {port} is taken")]
    PortTaken {
        /// Host port.
        port: u16,
        /// Who holds it, where that could be found out.
        holder: Option<String>,
        /// The engine's words, where it was asked.
        #[source]
        source: Option<EngineError>,
    },
    /// `up` would replace a container that runs, and nobody said that it may.
    #[error("the machine {name} would be recreated")]
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
    #[error("there is no folder {}", path.display())]
    NoRepoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A folder that a machine's spec mounts is not there.
    #[error("there is no {} to mount at {target}", path.display())]
    NoSource {
        /// Path on this computer.
        path: PathBuf,
        /// Path inside.
        target: String,
    },
    /// A folder that the machine sees lies in another that it can write to.
    #[error("{} can't be given to a machine that writes to {}", inner.display(), outer.display())]
    NestedMount {
        /// The folder in the other one.
        inner: PathBuf,
        /// The one that it lies in.
        outer: PathBuf,
    },
    /// The container does not run.
    #[error("the machine {name} does not run")]
    NotRunning {
        /// Its name.
        name: String,
    },
    /// It came up but its kernel did not answer.
    #[error("the machine {name} did not become ready")]
    Unhealthy {
        /// Its name.
        name: String,
        /// What was seen last.
        cause: String,
        /// Last lines of its log.
        log: Vec<String>,
    },
    /// Its home could not be given to its user.
    #[error("the home of the machine {name} could not be given to its user")]
    HandOver {
        /// Its name.
        name: String,
        /// What the container that was to do it said.
        log: Vec<String>,
    },
    /// A container of that name is there and is not ours.
    #[error("a container named {name} exists and is not Vivarium's")]
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
    #[error("rootless {engine} can't keep this user's id inside")]
    Rootless {
        /// `Docker`.
        engine: String,
    },
    /// Another process works on this machine.
    #[error("the machine {name} is being worked on by another run")]
    Busy {
        /// Its name.
        name: String,
        /// That process's id, where it is known.
        holder: Option<u32>,
    },
    /// A run's name that isn't plain, or another run's.
    #[error("{run_id:?} can't be a new run's name")]
    RunName {
        /// The name.
        run_id: String,
    },
    /// The files of the repo can't be read, kept or put back.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The repo isn't what a person approved.
    #[error("the machine's repo isn't what was approved")]
    RepoChanged {
        /// The tree that was approved.
        approved: String,
        /// The tree that is there.
        found: String,
    },
    /// The engine's disk is nearly full.
    #[error("there is too little space for a new image")]
    NoSpace {
        /// What is free.
        free_bytes: u64,
    },
    /// A candidate did not show that it is well.
    #[error("the candidate did not prove itself")]
    NotProved {
        /// What it failed at.
        checks: Vec<String>,
        /// Last lines of its log.
        log: Vec<String>,
    },
    /// Cells run or wait, and the run was not to wait longer.
    #[error("cells are not over ({count})")]
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
    #[error("there is no generation {number}")]
    NoGeneration {
        /// The number.
        number: u32,
    },
    /// There is no good generation before the current one.
    #[error("there is no earlier generation to go back to")]
    NoEarlier,
    /// A generation's image is not here any more.
    #[error("the image of generation {number} is gone")]
    GenerationGone {
        /// The number.
        number: u32,
    },
    /// The machine is made of that generation.
    #[error("the machine is made of generation {number}")]
    GenerationInUse {
        /// The number.
        number: u32,
    },
    /// A run failed, and the old machine could not be brought back yet.
    #[error("the old machine could not be brought back yet")]
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
    #[error("the machine's restarter did not begin")]
    NoRestarter {
        /// Last lines of its log.
        log: Vec<String>,
    },
    /// The socket executor can't keep a person's yes.
    #[error("this machine's evolves need a person's yes, which only the host can keep")]
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

/// What goes with a container that is replaced.
const LOST_BY_RECREATING: &str = "Recreating it ends everything that runs in it (the kernel's variables, \
    terminals, windows) and removes what was changed outside mounts and the home folder, such as installed \
    packages. The home folder, /repo, /data and other mounts stay.";

impl From<LifecycleError> for Failure {
    fn from(error: LifecycleError) -> Self {
        let sentence = error.to_string();
        let mut chars = sentence.chars();
        let message: String = chars
            .next()
            .into_iter()
            .flat_map(char::to_uppercase)
            .chain(chars)
            .collect();
        let failure = |code| Failure::new(code, message.clone());
        match error {
            LifecycleError::Engine(error) => error.into(),
            LifecycleError::NoMachine { known, .. } => failure(FailureCode::NotFound)
                .because(format!("the machines are {}", known.join(", ")))
                .next("Choose one of them, or create it: vivarium machine create NAME."),
            LifecycleError::WhichMachine { known } => failure(FailureCode::Invalid)
                .because(format!("they are {}", known.join(", ")))
                .next("Name one with --machine NAME or VIVARIUM_MACHINE."),
            LifecycleError::MachineExists { .. } => {
                failure(FailureCode::Busy).next("Choose another name.")
            }
            LifecycleError::MachineName { .. } => failure(FailureCode::Invalid)
                .because("it becomes the name of a container")
                .next("Use letters, digits, _ . and -, beginning with a letter or digit; 60 at most."),
            LifecycleError::Covered { folder, .. } => failure(FailureCode::Invalid)
                .because(format!("the new machine's files would lie in it, at {}", folder.display()))
                .next("Mount a smaller folder there, or keep Vivarium's data elsewhere (XDG_DATA_HOME)."),
            LifecycleError::Spec(error) => failure(FailureCode::Invalid)
                .next(format!("Correct {}, or remove it to get the default one again.", error.place())),
            LifecycleError::File { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                failure(FailureCode::DiskFull)
                    .because(source.to_string())
                    .next("Free some space and try again.")
            }
            LifecycleError::File { source, .. } => failure(FailureCode::Internal)
                .because(source.to_string())
                .next("See who owns it and what may be done with it."),
            LifecycleError::NoTemplate { path } => failure(FailureCode::NotFound)
                .because(format!("{} does not exist", path.join("body/Dockerfile").display()))
                .next("Name the folder of a Vivarium checkout with --template or VIVARIUM_TEMPLATE."),
            LifecycleError::NoBase { cause, script, .. } => failure(FailureCode::NotFound).because(cause).next(
                format!("Run {}, which makes Debian's without a registry, or name another base in the machine's settings file.", script.display()),
            ),
            LifecycleError::PortTaken { holder, source, .. } => {
                let cause = match holder {
                    Some(holder) => Some(format!("{holder} holds it")),
                    None => source.and_then(|source| Failure::from(source).cause),
                };
                Failure { cause, ..failure(FailureCode::PortTaken) }
                    .next("Stop what holds it, or choose another port in the machine's settings file (0 takes any free one).")
            }
            LifecycleError::WouldRecreate { differences, .. } => failure(FailureCode::WouldRecreate)
                .because(format!("{} changed, and that takes a new container", list(&differences)))
                .next("Recreate it with vivarium up --recreate, or undo the change.")
                .detail(LOST_BY_RECREATING),
            LifecycleError::NotRecreated { failure: why, runs } => {
                let state = if runs {
                    "The container from before runs again, with its files; what ran in it was ended."
                } else {
                    "The container from before is in place, stopped."
                };
                Failure {
                    next: Some(match why.next {
                        Some(next) => format!("{state} {next}"),
                        None => state.to_owned(),
                    }),
                    ..why
                }
            }
            LifecycleError::NoRepoFolder { .. } => failure(FailureCode::NotFound)
                .because("--repo or VIVARIUM_REPO names it")
                .next("Correct the path, or create the folder first."),
            LifecycleError::NoSource { path, .. } => failure(FailureCode::NotFound)
                .because("a mount in the machine's settings file names it")
                .next(format!("Correct the path, or create it first: mkdir -p {}.", path.display())),
            LifecycleError::NotRunning { .. } => failure(FailureCode::NotRunning).next("Start it: vivarium up."),
            LifecycleError::Unhealthy { cause, log, .. } => failure(FailureCode::Unhealthy)
                .because(cause)
                .next("Read its log (vivarium logs), then try vivarium restart, or vivarium up --rebuild.")
                .detail(log.join("\n")),
            LifecycleError::HandOver { log, .. } => failure(FailureCode::Unhealthy)
                .because("it begins without root and as another user than the image's")
                .next("Try again with vivarium up --rebuild, or choose the profile \"default\" in the machine's settings file.")
                .detail(log.join("\n")),
            LifecycleError::Foreign { .. } => failure(FailureCode::Busy)
                .because("it has none of our labels")
                .next("Remove or rename that container, or choose another name in the machine's settings file."),
            LifecycleError::Far { .. } => failure(FailureCode::Invalid)
                .because("a machine's folders and ports are those of the computer that its engine runs on")
                .next("Run Vivarium there, or choose an engine of this computer in the settings or with --engine."),
            LifecycleError::Rootless { .. } => failure(FailureCode::Invalid)
                .because("the machine's own user could neither read its secrets nor write your folders")
                .next("Choose rootless Podman, which keeps ids, or an engine that runs as root."),
            LifecycleError::Busy { holder, .. } => {
                let ours = holder == Some(std::process::id());
                let cause = holder.map(|holder| match ours {
                    true => "another run of this app is not done yet".to_owned(),
                    false => format!("{} works on it", process(holder)),
                });
                Failure { cause, ..failure(FailureCode::Busy) }
                    .next("Wait until that run has ended, or cancel it.")
            }
            LifecycleError::History(error) => error.told(message),
            LifecycleError::NestedMount { .. } => failure(FailureCode::Invalid)
                .because("what runs inside could put a link to any of your folders in its place")
                .next("Mount the outer folder read-only, or choose folders that don't lie in each other."),
            LifecycleError::RunName { .. } => failure(FailureCode::Invalid)
                .because("the machine chose it, and a run before it has it or it isn't letters and digits")
                .next("Ask for another run: evolve in the machine, or the Evolve page."),
            LifecycleError::RepoChanged { .. } => failure(FailureCode::Changed)
                .because("files in /repo changed after they were reviewed")
                .next("Review the changes again, then approve them or evolve."),
            LifecycleError::NoSpace { free_bytes } => failure(FailureCode::DiskFull)
                .because(format!("{} MB are free where the engine keeps its images", free_bytes >> 20))
                .next("Free some space (vivarium generations, docker system df) and try again."),
            LifecycleError::NotProved { checks, log } => failure(FailureCode::Unhealthy)
                .because(checks.join("; "))
                .next("Correct the repo and try again; the machine is as it was.")
                .detail(log.join("\n")),
            LifecycleError::CellsRun { .. } => failure(FailureCode::Busy)
                .because("their namespace is stored only between two cells")
                .next("Wait for their end, interrupt them, or let the run do that."),
            LifecycleError::Inside { words, code, .. } => {
                let failure = failure(FailureCode::Internal).because(words);
                match code {
                    Some(code) => failure.refused(code),
                    None => failure,
                }
            }
            LifecycleError::NoGeneration { .. } | LifecycleError::NoEarlier => {
                failure(FailureCode::NotFound).next("vivarium generations lists those that are there.")
            }
            LifecycleError::GenerationGone { .. } => failure(FailureCode::NotFound)
                .because("somebody removed it from the container engine")
                .next("Choose another generation: vivarium generations."),
            LifecycleError::GenerationInUse { .. } => failure(FailureCode::Busy)
                .next("Go back to another one first: vivarium rollback."),
            LifecycleError::NotUndone { failure: why } => Failure { detail: why.detail, ..failure(FailureCode::Internal) }
                .because(format!("{}{}", why.message, why.cause.map(|cause| format!(": {cause}")).unwrap_or_default()))
                .next("vivarium up tries again, as does the next start of the app."),
            LifecycleError::NotInside => failure(FailureCode::NotFound)
                .because("a machine evolves itself through the socket of the engine that runs it")
                .next("Mount that engine's own socket at /var/run/docker.sock."),
            LifecycleError::NotMounted { .. } => failure(FailureCode::Invalid)
                .because("a machine that replaces itself keeps its runs on /data, and is built from /repo")
                .next("Mount a folder there: docker/docker-compose.yml shows how."),
            LifecycleError::NoRestarter { log } => failure(FailureCode::Unhealthy)
                .because("it would have replaced the machine")
                .next("See that the image has /usr/local/bin/body-evolve (build argument DOCKER_CLI=1), and try again.")
                .detail(log.join("\n")),
            LifecycleError::NoYes => failure(FailureCode::Invalid)
                .because("whatever has the engine's socket could give it itself")
                .next("Choose executor = \"host\" in the machine's settings file, or needs_yes = false."),
            LifecycleError::Cancelled => failure(FailureCode::Cancelled),
        }
    }
}
