//! What can go wrong with a container engine, and how it is told to a person.

use wire::{
    advice::{Advice, EngineFound},
    failure::{Failure, FailureCode},
};

/// Failures of the container engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// No engine answers there.
    #[error("cannot connect to a container engine at {endpoint}")]
    Missing {
        /// Where it was looked for, and why there.
        endpoint: String,
        /// Why it does not.
        cause: String,
    },
    /// The socket is there, but this user may not use it.
    #[error("permission denied for the container engine at {endpoint}")]
    Denied {
        /// The socket.
        endpoint: String,
        /// The system's refusal.
        cause: String,
    },
    /// What is chosen is no address that can be spoken to.
    #[error("invalid engine address: {endpoint}")]
    Address {
        /// What was given.
        endpoint: String,
        /// Why not.
        reason: String,
    },
    /// TLS: certificates that are not there, or that one side does not trust.
    #[error("cannot set up TLS for {endpoint}")]
    Tls {
        /// Where the engine is.
        endpoint: String,
        /// Why not.
        cause: String,
    },
    /// ssh ended before an engine answered through it.
    #[error("cannot connect to a container engine through {endpoint}")]
    Ssh {
        /// Where ssh led.
        endpoint: String,
        /// Its last words.
        words: String,
    },
    /// Something answers there, and not as an engine does.
    #[error("{endpoint} responded, but not as a container engine")]
    Strange {
        /// Where.
        endpoint: String,
        /// What it said.
        words: String,
    },
    /// The engine refused or failed a request.
    #[error("could not {doing}")]
    Api {
        /// What was asked, as a verb phrase.
        doing: String,
        /// HTTP status.
        status: u16,
        /// The engine's words.
        message: String,
    },
    /// The connection broke or the answer could not be read.
    #[error("could not {doing}")]
    Transport {
        /// What was asked, as a verb phrase.
        doing: String,
        /// Below.
        #[source]
        source: bollard::errors::Error,
    },
    /// What came back is larger than anything that is kept.
    #[error("could not {doing}")]
    TooLarge {
        /// What was asked, as a verb phrase.
        doing: String,
        /// The most that is taken.
        limit_bytes: usize,
    },
    /// A build step failed.
    #[error("the image build failed at {step}")]
    Build {
        /// Such as `step 3/20: RUN apt-get …`.
        step: String,
        /// The engine's words.
        message: String,
        /// The failing step's last lines.
        lines: Vec<String>,
    },
    /// Somebody asked for it.
    #[error("cancelled")]
    Cancelled,
}

impl EngineError {
    /// Sorts a bollard error; `doing` is a verb phrase such as `start the container`.
    pub(crate) fn from_bollard(doing: impl Into<String>, error: bollard::errors::Error) -> Self {
        use bollard::errors::Error as B;
        let doing = doing.into();
        match error {
            B::DockerResponseServerError {
                status_code,
                message,
            } => Self::Api {
                doing,
                status: status_code,
                message,
            },
            B::DockerStreamError { error } => Self::Api {
                doing,
                status: 500,
                message: error,
            },
            source => Self::Transport { doing, source },
        }
    }

    /// The engine says that there is no such thing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Api { status: 404, .. })
    }

    /// The thing is there already, or is in use.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::Api { status: 409, .. } => true,
            // Podman's status for it depends on its version.
            Self::Api { message, .. } => message.contains("is already in use"),
            _ => false,
        }
    }

    /// The host port of a publishing failure, such as `Bind for 127.0.0.1:8080 failed`.
    #[must_use]
    pub fn taken_port(&self) -> Option<u16> {
        match self {
            Self::Api { message, .. } => taken_port(message),
            _ => None,
        }
    }
}

fn taken_port(message: &str) -> Option<u16> {
    let taken = [
        "already allocated",
        "address already in use",
        "ports are not available",
    ];
    if !taken.iter().any(|words| message.contains(words)) {
        return None;
    }
    message.match_indices(':').find_map(|(at, _)| {
        let before = &message[..at];
        let digits: String = message[at + 1..]
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        let after_address = before.ends_with(|c: char| c.is_ascii_digit() || c == ']');
        after_address
            .then(|| digits.parse().ok())
            .flatten()
            .filter(|port| *port != 0)
    })
}

fn is_disk_full(text: &str) -> bool {
    text.contains("no space left on device") || text.contains("No space left on device")
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        let message = capitalised(&error.to_string());
        let port = error.taken_port();
        let failure = |code| Failure::new(code, message.clone());
        match error {
            EngineError::Missing { cause, .. } => failure(FailureCode::EngineMissing)
                .because(cause)
                .next(Advice::StartEngine {
                    found: engine_found(),
                }),
            EngineError::Denied { cause, .. } => failure(FailureCode::EngineDenied)
                .because(cause)
                .next(Advice::JoinDockerGroup),
            EngineError::Address { reason, .. } => failure(FailureCode::EngineMissing)
                .because(reason)
                .next(Advice::ChooseEngine),
            EngineError::Tls { cause, .. } => failure(FailureCode::EngineDenied)
                .because(cause)
                .next(Advice::AddEngineCertificates),
            EngineError::Ssh { words, .. } => failure(FailureCode::EngineMissing)
                .because(format!("ssh: {words}"))
                .next(Advice::CheckSsh),
            EngineError::Strange { words, .. } => failure(FailureCode::EngineMissing)
                .because(if words.trim().is_empty() {
                    "the response was empty".to_owned()
                } else {
                    format!("it responded: {words}")
                })
                .next(Advice::CheckEngineAddress),
            EngineError::Api { message: cause, .. } => {
                if let Some(port) = port {
                    Failure::new(
                        FailureCode::PortTaken,
                        format!("Port {port} is already in use"),
                    )
                    .because(cause)
                    .next(Advice::FreePort)
                } else if is_disk_full(&cause) {
                    disk_full(cause)
                } else {
                    failure(FailureCode::Internal).because(cause)
                }
            }
            EngineError::TooLarge { limit_bytes, .. } => failure(FailureCode::Unhealthy)
                .because(format!(
                    "the response is larger than {} MiB",
                    limit_bytes >> 20
                ))
                .next(Advice::ReadMachineLog),
            EngineError::Transport { source, .. } => failure(FailureCode::Internal)
                .because(deepest(&source))
                .next(Advice::CheckEngine),
            EngineError::Build {
                message: cause,
                lines,
                ..
            } => {
                let detail = lines.join("\n");
                if is_disk_full(&cause) || is_disk_full(&detail) {
                    return disk_full(cause).detail(detail);
                }
                failure(FailureCode::BuildFailed)
                    .because(cause)
                    .next(Advice::FixBuildStep)
                    .detail(detail)
            }
            EngineError::Cancelled => failure(FailureCode::Cancelled),
        }
    }
}

/// The first cause: what lies above it (`client error (Connect)`) helps nobody.
pub(crate) fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let mut error = error;
    while let Some(below) = error.source() {
        error = below;
    }
    error.to_string()
}

/// Which engine is installed here, though none answers.
fn engine_found() -> EngineFound {
    let has = |program: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
            .any(|folder| folder.join(program).is_file())
    };
    if has("dockerd") {
        EngineFound::DockerService
    } else if has("podman") {
        EngineFound::Podman
    } else if cfg!(target_os = "macos") || has("docker") {
        EngineFound::Application
    } else {
        EngineFound::Nothing
    }
}

fn disk_full(cause: String) -> Failure {
    Failure::new(FailureCode::DiskFull, "The disk is full")
        .because(cause)
        .next(Advice::FreeDisk)
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn api(message: &str) -> EngineError {
        EngineError::Api {
            doing: "start the container".into(),
            status: 500,
            message: message.into(),
        }
    }

    #[test]
    fn a_taken_port_is_named() {
        for (message, port) in [
            (
                "driver failed programming external connectivity: Bind for 127.0.0.1:8080 failed: port is already allocated",
                8080,
            ),
            (
                "listen tcp4 127.0.0.1:5900: bind: address already in use",
                5900,
            ),
            (
                "Error starting userland proxy: listen tcp4 0.0.0.0:8765: bind: address already in use",
                8765,
            ),
        ] {
            let failure = Failure::from(api(message));
            assert_eq!(failure.code, FailureCode::PortTaken, "{message}");
            assert_eq!(failure.message, format!("Port {port} is already in use"));
        }
        assert_eq!(api("no such image: os:latest").taken_port(), None);
    }

    #[test]
    fn a_full_disk_is_told_from_a_failed_step() {
        let build = |line: &str| EngineError::Build {
            step: "step 2/3: RUN x".into(),
            message: "returned a non-zero code: 1".into(),
            lines: vec![line.into()],
        };
        let full = Failure::from(build("cp: error writing 'x': No space left on device"));
        assert_eq!(full.code, FailureCode::DiskFull);
        let failed = Failure::from(build("E: no such package"));
        assert_eq!(failed.code, FailureCode::BuildFailed);
        assert_eq!(failed.detail.as_deref(), Some("E: no such package"));
        assert!(failed.message.contains("step 2/3: RUN x"));
    }
}
