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
    /// The container does not run.
    #[error("machine {name} is not running")]
    NotRunning {
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
    HandOver {
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

/// What goes with a container that is replaced.
const LOST_BY_RECREATING: &str = "Recreating stops everything that runs in the machine (the kernel's variables, \
    terminals, windows) and deletes all changes outside mounts and the home folder, such as installed \
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
                .because(format!("existing machines: {}", known.join(", ")))
                .next("Choose one of them, or create a new machine."),
            LifecycleError::WhichMachine { known } => failure(FailureCode::Invalid)
                .because(format!("existing machines: {}", known.join(", ")))
                .next("Choose one with --machine NAME or VIVARIUM_MACHINE."),
            LifecycleError::MachineExists { .. } => {
                failure(FailureCode::Busy).next("Choose another name.")
            }
            LifecycleError::MachineName { .. } => failure(FailureCode::Invalid)
                .because("the name is also used for a container")
                .next("Use up to 60 letters, digits, _ . and -; the first character must be a letter or a digit."),
            LifecycleError::Covered { folder, .. } => failure(FailureCode::Invalid)
                .because(format!("the new machine's files would be inside that folder, at {}", folder.display()))
                .next("Mount a smaller folder there, or move Vivarium's data folder (XDG_DATA_HOME)."),
            LifecycleError::Spec(error) => failure(FailureCode::Invalid)
                .next(format!("Fix {}, or delete it to restore the defaults.", error.place())),
            LifecycleError::File { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                failure(FailureCode::DiskFull)
                    .because(source.to_string())
                    .next("Free some space and try again.")
            }
            LifecycleError::File { source, .. } => failure(FailureCode::Internal)
                .because(source.to_string())
                .next("Check its owner and permissions."),
            LifecycleError::NoTemplate { path } => failure(FailureCode::NotFound)
                .because(format!("{} does not exist", path.join("body/Dockerfile").display()))
                .next("Set the folder of a Vivarium checkout with --template or VIVARIUM_TEMPLATE."),
            LifecycleError::NoBase { cause, script, .. } => failure(FailureCode::NotFound).because(cause).next(
                format!("Run {} to build it without a registry, or set another base in the machine's settings file.", script.display()),
            ),
            LifecycleError::PortTaken { holder, source, found, .. } => {
                let cause = match holder {
                    Some(holder) => Some(format!("it is used by {holder}")),
                    None => source.and_then(|source| Failure::from(source).cause),
                };
                let next = if found {
                    "Stop the program that uses it, or run vivarium up --recreate: the machine gets another port, and everything installed outside its home is lost."
                } else {
                    "Stop the program that uses it, or choose another port in the machine's settings file (0 for any free port)."
                };
                Failure { cause, ..failure(FailureCode::PortTaken) }.next(next)
            }
            LifecycleError::WouldRecreate { differences, .. } => failure(FailureCode::WouldRecreate)
                .because(format!("{} changed, which requires a new container", list(&differences)))
                .next("Recreate it with vivarium up --recreate, or undo the change.")
                .detail(LOST_BY_RECREATING),
            LifecycleError::NotRecreated { failure: why, runs } => {
                let state = if runs {
                    "The previous container is running again, with its files. Processes that ran in it were stopped."
                } else {
                    "The previous container was kept and is stopped."
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
                .because("it is set with --repo or VIVARIUM_REPO")
                .next("Fix the path, or create the folder."),
            LifecycleError::NoSource { path, .. } => failure(FailureCode::NotFound)
                .because("it is a mount in the machine's settings file")
                .next(format!("Fix the path, or create the folder: mkdir -p {}.", path.display())),
            LifecycleError::NotRunning { .. } => failure(FailureCode::NotRunning).next("Start the machine."),
            LifecycleError::Unhealthy { cause, log, .. } => failure(FailureCode::Unhealthy)
                .because(cause)
                .next("Check the machine's log, then restart the machine or rebuild its image.")
                .detail(log.join("\n")),
            LifecycleError::HandOver { log, .. } => failure(FailureCode::Unhealthy)
                .because("it starts without root and as a different user than the image's")
                .next("Rebuild the image, or set the profile \"default\" in the machine's settings file.")
                .detail(log.join("\n")),
            LifecycleError::Foreign { .. } => failure(FailureCode::Busy)
                .because("it does not have Vivarium's labels")
                .next("Remove or rename that container, or choose another name in the machine's settings file."),
            LifecycleError::Far { .. } => failure(FailureCode::Invalid)
                .because("a machine uses folders and ports of the computer that its engine runs on")
                .next("Run Vivarium there, or choose an engine on this computer in the settings or with --engine."),
            LifecycleError::Rootless { .. } => failure(FailureCode::Invalid)
                .because("the machine's own user could neither read its secrets nor write your folders")
                .next("Use rootless Podman, which keeps user IDs, or an engine that runs as root."),
            LifecycleError::Busy { holder, .. } => {
                let ours = holder == Some(std::process::id());
                let cause = holder.map(|holder| match ours {
                    true => "another operation of this app has not finished".to_owned(),
                    false => format!("it is used by {}", process(holder)),
                });
                Failure { cause, ..failure(FailureCode::Busy) }
                    .next("Wait until that operation has finished, or cancel it.")
            }
            LifecycleError::History(error) => error.told(message),
            LifecycleError::NestedMount { .. } => failure(FailureCode::Invalid)
                .because("a program in the machine could replace it with a link to any of your folders")
                .next("Mount the outer folder read-only, or choose folders that don't contain each other."),
            LifecycleError::RunName { .. } => failure(FailureCode::Invalid)
                .because("the machine chose a name that is already used or contains other characters than letters and digits")
                .next("Request another run: run evolve in the machine, or use the Evolve page."),
            LifecycleError::RepoChanged { .. } => failure(FailureCode::Changed)
                .because("files in /repo changed after they were reviewed")
                .next("Review the changes again, then approve them or evolve."),
            LifecycleError::NoSpace { free_bytes } => failure(FailureCode::DiskFull)
                .because(format!("only {} MB are free on the engine's disk", free_bytes >> 20))
                .next("Delete old generations or free space with docker system prune, then try again."),
            LifecycleError::NotProved { checks, log } => failure(FailureCode::Unhealthy)
                .because(checks.join("; "))
                .next("Fix the repo and try again. The machine was not changed.")
                .detail(log.join("\n")),
            LifecycleError::CellsRun { .. } => failure(FailureCode::Busy)
                .because("variables can only be saved when no cell is running")
                .next("Wait until they have finished, or interrupt them."),
            LifecycleError::Inside { words, code, .. } => {
                let failure = failure(FailureCode::Internal).because(words);
                match code {
                    Some(code) => failure.refused(code),
                    None => failure,
                }
            }
            LifecycleError::NoGeneration { .. } | LifecycleError::NoEarlier => {
                failure(FailureCode::NotFound).next("Choose one of the listed generations.")
            }
            LifecycleError::GenerationGone { .. } => failure(FailureCode::NotFound)
                .because("it was removed from the container engine")
                .next("Choose another generation."),
            LifecycleError::GenerationInUse { .. } => failure(FailureCode::Busy)
                .next("Roll back to another generation first."),
            LifecycleError::NotUndone { failure: why } => Failure { detail: why.detail, ..failure(FailureCode::Internal) }
                .because(format!("{}{}", why.message, why.cause.map(|cause| format!(": {cause}")).unwrap_or_default()))
                .next("Vivarium tries again when the machine is started or the app is opened."),
            LifecycleError::NotInside => failure(FailureCode::NotFound)
                .because("a machine evolves itself through the socket of the engine that runs it")
                .next("Mount that engine's own socket at /var/run/docker.sock."),
            LifecycleError::NotMounted { .. } => failure(FailureCode::Invalid)
                .because("a machine that replaces itself stores its runs in /data and is built from /repo")
                .next("Mount a folder there. See docker/docker-compose.yml for an example."),
            LifecycleError::NoRestarter { log } => failure(FailureCode::Unhealthy)
                .because("the restarter replaces the machine")
                .next("Check that the image contains /usr/local/bin/body-evolve (build argument DOCKER_CLI=1), then try again.")
                .detail(log.join("\n")),
            LifecycleError::NoYes => failure(FailureCode::Invalid)
                .because("a machine with the engine's socket could approve itself")
                .next("Set executor = \"host\" in the machine's settings file, or needs_yes = false."),
            LifecycleError::Cancelled => failure(FailureCode::Cancelled),
        }
    }
}
