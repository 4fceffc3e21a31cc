//! Which engine is meant: one chosen by hand, else the one that Docker's client would take, else
//! the first of the usual sockets that answers.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use tokio::sync::watch;
use wire::machine::EngineCandidate;

use super::{
    Engine,
    address::{Address, Certificates},
    context,
};
use crate::error::EngineError;

/// Which engine is meant, and the connection to it. Cheap to clone; clones change together.
#[derive(Clone, Debug)]
pub struct EngineChoice {
    hand: Arc<watch::Sender<Option<String>>>,
    kept: Arc<Mutex<Option<Kept>>>,
    /// Held by the one caller that searches; the others wait for what it finds.
    search: Arc<tokio::sync::Mutex<()>>,
    /// How many searches found nothing.
    failed: Arc<AtomicU64>,
}

/// The connection that answered last.
#[derive(Clone, Debug)]
struct Kept {
    /// What was chosen by hand then.
    hand: Option<String>,
    engine: Engine,
}

impl Default for EngineChoice {
    fn default() -> Self {
        Self::new(None)
    }
}

impl EngineChoice {
    /// By hand: an address, or the name of one of Docker's contexts; `None`, or nothing but
    /// spaces, finds one by itself.
    #[must_use]
    pub fn new(hand: Option<String>) -> Self {
        Self {
            hand: Arc::new(watch::Sender::new(meant(hand))),
            kept: Arc::default(),
            search: Arc::default(),
            failed: Arc::default(),
        }
    }

    /// Chooses anew, for all clones.
    pub fn set(&self, hand: Option<String>) {
        let hand = meant(hand);
        self.hand.send_if_modified(|before| {
            let changed = *before != hand;
            *before = hand;
            changed
        });
    }

    /// Hears when another engine is chosen.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Option<String>> {
        self.hand.subscribe()
    }

    /// Connects: by hand, else to `DOCKER_HOST`, else to the context that is current for
    /// Docker's client, else to the first of the usual sockets that answers (Docker's, rootless
    /// Docker's, Podman's). A connection that still answers is used again. Of callers at the same
    /// time one searches, and the others take what it found.
    ///
    /// # Errors
    /// [`EngineError::Missing`], [`EngineError::Denied`], [`EngineError::Address`], [`EngineError::Tls`],
    /// [`EngineError::Ssh`], [`EngineError::Strange`].
    pub fn connect<'a>(&'a self) -> BoxFuture<'a, Result<Engine, EngineError>> {
        Box::pin(async move {
            if let Some(engine) = self.answering().await {
                return Ok(engine);
            }
            let failed = self.failed.load(Ordering::Relaxed);
            let mut search = Some(self.search.lock().await);
            // Whoever searched meanwhile may have found it.
            if let Some(engine) = self.answering().await {
                return Ok(engine);
            }
            if self.failed.load(Ordering::Relaxed) != failed {
                // Or found nothing, perhaps after a timeout: those who waited search side by side, for
                // reasons of their own, instead of one after the other.
                search = None;
            }
            let hand = self.hand.borrow().clone();
            let engine = find(hand.as_deref()).await.inspect_err(|_| {
                self.failed.fetch_add(1, Ordering::Relaxed);
            })?;
            *self.kept.lock() = Some(Kept {
                hand,
                engine: engine.clone(),
            });
            drop(search);
            Ok(engine)
        })
    }

    /// The connection that is kept, if it is to the engine that is meant and answers.
    async fn answering(&self) -> Option<Engine> {
        let kept = self.kept.lock().clone()?;
        let is_meant = kept.hand == *self.hand.borrow();
        (is_meant && kept.engine.answers().await).then_some(kept.engine)
    }

    /// Connects once to an engine chosen by hand, and leaves the choice as it is.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn test<'a>(hand: &'a str) -> BoxFuture<'a, Result<Engine, EngineError>> {
        Box::pin(async move { find(meant(Some(hand.into())).as_deref()).await })
    }

    /// What can be chosen by hand on this computer: the usual sockets that are there, and
    /// Docker's contexts.
    #[must_use]
    pub fn candidates() -> Vec<EngineCandidate> {
        let sockets = usual_sockets().into_iter().filter(|(_, path)| {
            std::fs::metadata(path)
                .is_ok_and(|found| std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()))
        });
        let sockets = sockets.map(|(title, path)| EngineCandidate {
            engine: format!("unix://{path}"),
            title: title.into(),
            endpoint: format!("unix://{path}"),
        });
        let contexts = context::all(&context::config_dir()).into_iter();
        let contexts = contexts.map(|context| EngineCandidate {
            title: format!("Docker's context {}", context.name),
            engine: context.name,
            endpoint: context.host,
        });
        sockets.chain(contexts).collect()
    }
}

/// A field that was left empty chooses nothing.
fn meant(hand: Option<String>) -> Option<String> {
    hand.map(|hand| hand.trim().to_owned())
        .filter(|hand| !hand.is_empty())
}

async fn find(hand: Option<&str>) -> Result<Engine, EngineError> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let config = context::config_dir();
    if let Some(hand) = hand {
        return match named(&config, hand) {
            Some(context) => reach_context(&context, "chosen by hand").await,
            None => Engine::reach(&Address::parse(hand, verified())?, hand, "chosen by hand").await,
        };
    }
    if let Some(host) = set("DOCKER_HOST") {
        return Engine::reach(&Address::parse(&host, verified())?, &host, "DOCKER_HOST").await;
    }
    if let Some(name) = context::current(&config) {
        let chosen_by = format!("Docker's context {name}");
        return match named(&config, &name) {
            Some(context) => reach_context(&context, &chosen_by).await,
            None => Err(EngineError::Address {
                endpoint: name,
                reason:
                    "the Docker client is configured to use this context, but it does not exist"
                        .into(),
            }),
        };
    }
    first_of(usual_sockets()).await
}

/// The first of these sockets at which an engine responds. If there is none, the failure tells of each.
async fn first_of(sockets: Vec<(&'static str, String)>) -> Result<Engine, EngineError> {
    let mut denied = None;
    let mut absent = Vec::new();
    let mut silent = Vec::new();
    for (title, path) in sockets {
        let address = Address::Unix {
            path: (&path).into(),
        };
        match Engine::reach(&address, &format!("unix://{path}"), title).await {
            Ok(engine) => return Ok(engine),
            // A socket that may not be used says more than one that is not there.
            Err(error @ EngineError::Denied { .. }) => denied = Some(error),
            Err(_) if !Path::new(&path).exists() => absent.push(format!("{path} ({title})")),
            Err(error) => {
                let failure = wire::failure::Failure::from(error);
                let cause = failure.cause.unwrap_or(failure.message);
                silent.push(format!("{path} ({title}): {cause}"));
            }
        }
    }
    if !absent.is_empty() {
        silent.push(format!("no socket at {}", absent.join(", ")));
    }
    Err(denied.unwrap_or(EngineError::Missing {
        endpoint: "any of the usual sockets".into(),
        cause: silent.join("\n"),
    }))
}

async fn reach_context(context: &context::Context, chosen_by: &str) -> Result<Engine, EngineError> {
    Engine::reach(&context.address()?, &context.host, chosen_by).await
}

fn named(config: &Path, name: &str) -> Option<context::Context> {
    context::all(config)
        .into_iter()
        .find(|context| context.name == name)
}

/// Certificates for any TCP address, where the environment asks for TLS as Docker's client does.
fn verified() -> Option<Certificates> {
    let asked = std::env::var_os("DOCKER_TLS_VERIFY").is_some_and(|value| !value.is_empty());
    asked.then(Certificates::usual)
}

/// Title and path, in the order in which they are tried.
fn usual_sockets() -> Vec<(&'static str, String)> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut sockets = vec![("Docker", "/var/run/docker.sock".to_owned())];
    if let Some(runtime) = set("XDG_RUNTIME_DIR") {
        sockets.push(("rootless Docker", format!("{runtime}/docker.sock")));
        sockets.push(("rootless Podman", format!("{runtime}/podman/podman.sock")));
    }
    if let Some(home) = set("HOME") {
        sockets.push(("Docker Desktop", format!("{home}/.docker/run/docker.sock")));
        sockets.push((
            "Docker Desktop",
            format!("{home}/.docker/desktop/docker.sock"),
        ));
        sockets.push(("Colima", format!("{home}/.colima/default/docker.sock")));
    }
    sockets.push(("Podman", "/run/podman/podman.sock".into()));
    sockets
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;
    use wire::failure::{Failure, FailureCode};

    async fn failure(hand: &str) -> Failure {
        let refused = EngineChoice::new(Some(hand.into())).connect().await;
        refused.expect_err("no engine is there").into()
    }

    #[tokio::test]
    async fn a_missing_socket_is_a_missing_engine() {
        let failure = failure("unix:///nonexistent/docker.sock").await;
        assert_eq!(failure.code, FailureCode::EngineMissing);
        let message = failure.message;
        assert!(
            message.contains("/nonexistent/docker.sock (chosen by hand)"),
            "{message}"
        );
        assert_eq!(
            failure.cause.as_deref(),
            Some("No such file or directory (os error 2)")
        );
    }

    #[tokio::test]
    async fn where_it_was_looked_for_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let socket = |name: &str| folder.path().join(name).display().to_string();
        // One that is there, and nobody listens.
        drop(std::os::unix::net::UnixListener::bind(socket("left")).unwrap());
        let sockets = vec![
            ("Docker", socket("docker")),
            ("Colima", socket("left")),
            ("Podman", socket("podman")),
        ];
        let failure = Failure::from(first_of(sockets).await.expect_err("no engine is there"));
        assert_eq!(failure.code, FailureCode::EngineMissing);
        let cause = failure.cause.unwrap();
        let [left, absent] = cause.lines().collect::<Vec<_>>()[..] else {
            panic!("{cause}");
        };
        let refused = format!("{} (Colima): Connection refused", socket("left"));
        assert!(left.starts_with(&refused), "{left}");
        let none = format!(
            "no socket at {} (Docker), {} (Podman)",
            socket("docker"),
            socket("podman")
        );
        assert_eq!(absent, none);
    }

    #[tokio::test]
    async fn nobody_at_a_port_is_told_as_such() {
        // Taken, and not listened at: nobody else comes to be there.
        let held = tokio::net::TcpSocket::new_v4().unwrap();
        held.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = format!("tcp://{}", held.local_addr().unwrap());
        let failure = failure(&address).await;
        assert_eq!(failure.code, FailureCode::EngineMissing);
        assert!(failure.cause.unwrap().starts_with("Connection refused"));
    }

    #[tokio::test]
    async fn another_server_is_no_engine() {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("tcp://{}", server.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let answer = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 48\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";
            stream.write_all(answer).await.unwrap();
        });
        let failure = failure(&address).await;
        serving.await.unwrap();
        assert!(
            failure.message.contains("not as a container engine"),
            "{failure}"
        );
        assert!(failure.cause.unwrap().contains("HTTPS server"));
    }

    /// Answers as an engine does when it is greeted, and counts the greetings of new connections.
    async fn greet(listener: tokio::net::UnixListener, searches: Arc<AtomicUsize>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let searches = searches.clone();
            connections.spawn(async move {
                let mut piece = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut piece).await {
                    let request = String::from_utf8_lossy(&piece[..count]);
                    let (kind, answer) = if request.contains("/version ") {
                        searches.fetch_add(1, Ordering::Relaxed);
                        let version = r#"{"Version": "29.0", "ApiVersion": "1.52"}"#;
                        ("application/json", version)
                    } else {
                        ("text/plain", "OK")
                    };
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{answer}",
                        answer.len()
                    );
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    }

    #[tokio::test]
    async fn callers_at_the_same_time_search_once() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let searches = Arc::new(AtomicUsize::new(0));
        let mut engine = tokio::task::JoinSet::new();
        engine.spawn(greet(listener, searches.clone()));
        let choice = EngineChoice::new(Some(format!("unix://{}", socket.display())));
        // The second round finds the connection kept, and nobody takes it away while another looks.
        for _ in 0..2 {
            let all = (0..8).map(|_| choice.connect());
            let connected = futures_util::future::join_all(all).await;
            assert!(connected.iter().all(Result::is_ok));
            assert_eq!(searches.load(Ordering::Relaxed), 1);
        }
    }

    #[tokio::test]
    async fn a_choice_changes_for_all_clones() {
        let choice = EngineChoice::new(Some("unix:///a".into()));
        let clone = choice.clone();
        let mut changes = clone.subscribe();
        choice.set(Some("unix:///a".into()));
        assert!(!changes.has_changed().unwrap());
        choice.set(None);
        changes.changed().await.unwrap();
        assert_eq!(*clone.hand.borrow(), None);
        choice.set(Some(" ".into()));
        assert!(!changes.has_changed().unwrap());
    }

    #[tokio::test]
    async fn an_unknown_name_is_refused() {
        let failure = failure("nowhere").await;
        assert_eq!(failure.code, FailureCode::EngineMissing);
        assert!(failure.cause.unwrap().contains("Docker context"));
    }
}
