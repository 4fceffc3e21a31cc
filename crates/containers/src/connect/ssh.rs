//! HTTP through the system's `ssh`, at whose other end `docker system dial-stdio` joins its
//! stdin and stdout with the engine's socket: as Docker's own client does.

use std::{
    future::Future,
    io,
    pin::Pin,
    process::Stdio,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::{
    client::legacy::{
        Client,
        connect::{Connected, Connection},
    },
    rt::{TokioExecutor, TokioIo},
};
use parking_lot::Mutex;
use tokio::{
    io::{AsyncReadExt, Join},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
};

use super::address::Ssh;

/// How long a failed ssh's last words may take.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What the latest ssh has to say.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    stderr: Arc<Mutex<Option<ChildStderr>>>,
}

impl Words {
    /// Its last line on stderr, once it has ended; `None` where it said nothing.
    pub(super) async fn last(&self) -> Option<String> {
        let taken = self.stderr.lock().take();
        let mut text = Vec::new();
        // What was read until then is there also where it goes on.
        let _ = tokio::time::timeout(LAST_WORDS, taken?.read_to_end(&mut text)).await;
        let text = String::from_utf8_lossy(&text);
        let line = text.lines().rfind(|line| !line.trim().is_empty())?;
        Some(line.trim().to_owned())
    }
}

/// A client whose every connection is an `ssh` of its own; they are kept for later requests.
///
/// # Errors
/// bollard's.
pub(super) fn client(
    to: Ssh,
    timeout_s: u64,
    words: &Words,
) -> Result<Docker, bollard::errors::Error> {
    let connector = Connector {
        to: Arc::new(to),
        words: words.clone(),
    };
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let transport = move |request: BollardRequest| {
        let answer = client.request(request);
        async move { Ok(answer.await?) }
    };
    Docker::connect_with_custom_transport(
        transport,
        Some("http://engine"),
        timeout_s,
        API_DEFAULT_VERSION,
    )
}

#[derive(Clone)]
struct Connector {
    to: Arc<Ssh>,
    words: Words,
}

/// Starts an ssh, whose last words `words` will have.
///
/// # Errors
/// Where there is no `ssh`.
pub(super) fn dial(to: &Ssh, words: &Words) -> io::Result<Stream> {
    let mut child = Command::new("ssh")
        .args(arguments(to))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    *words.stderr.lock() = child.stderr.take();
    Ok(Stream {
        _child: child,
        io: TokioIo::new(tokio::io::join(stdout, stdin)),
    })
}

/// There is no terminal to ask for a password or about an unknown host, so ssh must not try.
fn arguments(to: &Ssh) -> Vec<String> {
    let mut arguments: Vec<String> = ["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10"]
        .map(str::to_owned)
        .into();
    if let Some(user) = &to.user {
        arguments.extend(["-l".into(), user.clone()]);
    }
    if let Some(port) = to.port {
        arguments.extend(["-p".into(), port.to_string()]);
    }
    arguments.extend(["--".into(), to.host.clone(), "docker".into()]);
    if let Some(socket) = &to.socket {
        arguments.extend(["--host".into(), quoted(&format!("unix://{socket}"))]);
    }
    arguments.extend(["system".into(), "dial-stdio".into()]);
    arguments
}

/// One word for the shell at the other end, to which ssh hands all words joined with blanks.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-:@%+=,".contains(c);
    if word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

impl tower_service::Service<hyper::Uri> for Connector {
    type Response = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: hyper::Uri) -> Self::Future {
        let dialled = dial(&self.to, &self.words);
        Box::pin(async move { dialled })
    }
}

/// An `ssh` and its two ends; dropping it ends the process.
pub(super) struct Stream {
    _child: Child,
    io: TokioIo<Join<ChildStdout, ChildStdin>>,
}

impl Read for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_is_called_as_docker_calls_it() {
        let to = Ssh {
            user: Some("ann".into()),
            host: "far".into(),
            port: Some(2222),
            socket: Some("/run/podman/podman.sock".into()),
        };
        let told = arguments(&to).join(" ");
        let end =
            "-l ann -p 2222 -- far docker --host unix:///run/podman/podman.sock system dial-stdio";
        assert!(told.ends_with(end), "{told}");
    }

    #[test]
    fn the_shell_at_the_other_end_reads_the_socket_as_one_word() {
        let to = Ssh {
            user: None,
            host: "far".into(),
            port: None,
            socket: Some("/run/it's; rm -rf x.sock".into()),
        };
        let told = arguments(&to).join(" ");
        let end = r"docker --host 'unix:///run/it'\''s; rm -rf x.sock' system dial-stdio";
        assert!(told.ends_with(end), "{told}");
    }
}
