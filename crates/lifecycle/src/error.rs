//! What can go wrong with a machine, and how it is told to a person.

use std::path::{Path, PathBuf};

use dock::DockError;
use wire::failure::{Failure, FailureCode};

use crate::{ports::process, spec::SpecError};

/// Failures of a machine's life.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LifecycleError {
    /// The container engine failed.
    #[error(transparent)]
    Dock(#[from] DockError),
    /// machine.toml is not valid.
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
        source: Option<DockError>,
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
        let failure = |code| Failure::new(code, message);
        match error {
            LifecycleError::Dock(error) => error.into(),
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
                format!("Run {}, which makes Debian's without a registry, or name another base in machine.toml.", script.display()),
            ),
            LifecycleError::PortTaken { holder, source, .. } => {
                let cause = match holder {
                    Some(holder) => Some(format!("{holder} holds it")),
                    None => source.and_then(|source| Failure::from(source).cause),
                };
                Failure { cause, ..failure(FailureCode::PortTaken) }
                    .next("Stop what holds it, or choose another port in machine.toml (0 takes any free one).")
            }
            LifecycleError::NotRunning { .. } => failure(FailureCode::NotRunning).next("Start it: vivarium up."),
            LifecycleError::Unhealthy { cause, log, .. } => failure(FailureCode::Unhealthy)
                .because(cause)
                .next("Read its log (vivarium logs), then try vivarium restart, or vivarium up --rebuild.")
                .detail(log.join("\n")),
            LifecycleError::Foreign { .. } => failure(FailureCode::Busy)
                .because("it has none of our labels")
                .next("Remove or rename that container, or choose another name in machine.toml."),
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
            LifecycleError::Cancelled => failure(FailureCode::Cancelled),
        }
    }
}
