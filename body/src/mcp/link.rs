//! What carries the conversation with a server: the pipes of a process, or HTTP to one elsewhere.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    process::{ChildStdin, ChildStdout},
    sync::mpsc,
};

use super::{
    entry::EntryError,
    lines::{Line, Lines},
    message::LARGEST,
    process::Process,
    remote::Remote,
    server::Core,
    upstream::Upstream,
};

/// Time to end after its input closed and it was asked to.
const GRACE: Duration = Duration::from_secs(2);
/// What a process that ended wrote last is read for so long, and one that closed its output may
/// take as long to end by itself.
const DRAIN: Duration = Duration::from_millis(500);
/// Messages read or written at once.
const BATCH: usize = 64;

/// What carries one life of a server.
pub enum Link {
    Pipes {
        process: Box<Process>,
        /// Taken when the conversation begins.
        ends: Option<(ChildStdin, ChildStdout)>,
    },
    Http(Remote),
}

/// Why no conversation can begin.
#[derive(Debug, thiserror::Error)]
pub enum NoLink {
    #[error(transparent)]
    Process(#[from] std::io::Error),
    #[error(transparent)]
    Entry(#[from] EntryError),
}

/// How a conversation ended by itself.
pub struct Broken {
    /// What the server did, as "it …" goes on.
    pub how: String,
    pub exit: Option<i32>,
}

impl Link {
    /// Begins one.
    pub fn open(core: &Core) -> Result<Self, NoLink> {
        let entry = core.entry();
        if entry.url.is_some() {
            return Ok(Self::Http(Remote::new(&entry, &core.common.http)?));
        }
        let (process, stdin, stdout) = Process::start(&entry, &core.log())?;
        let ends = Some((stdin, stdout));
        let process = Box::new(process);
        Ok(Self::Pipes { process, ends })
    }

    /// Of its process; none where the server is elsewhere.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Pipes { process, .. } => Some(process.pid),
            Self::Http(_) => None,
        }
    }

    /// Carries messages both ways until the server's end of it is over. Dropped, it stops.
    pub async fn carry(
        &mut self,
        upstream: &Arc<Upstream>,
        inbox: mpsc::UnboundedReceiver<Bytes>,
    ) -> Broken {
        match self {
            Self::Pipes { process, ends } => {
                let Some((stdin, stdout)) = ends.take() else {
                    return std::future::pending().await;
                };
                piped(upstream, process, stdin, stdout, inbox).await
            }
            Self::Http(remote) => {
                let how = remote.carry(upstream, inbox).await;
                Broken { how, exit: None }
            }
        }
    }

    /// What is said of a conversation that broke.
    pub fn problem(&self, core: &Core, how: &str, was_ready: bool) -> String {
        match (self, was_ready) {
            (Self::Pipes { .. }, true) => core.says(&format!(
                "{how} before it responded, and is being restarted"
            )),
            (Self::Pipes { .. }, false) => {
                core.says(&format!("could not be started: it {how}; see its log"))
            }
            (Self::Http(remote), true) => {
                core.says(&format!("at {} is unreachable: it {how}", remote.shown))
            }
            (Self::Http(remote), false) => {
                core.says(&format!("at {} can't be used: it {how}", remote.shown))
            }
        }
    }

    /// Ends it; a process's exit code.
    pub async fn end(self) -> Option<i32> {
        match self {
            Self::Pipes { process, ends } => {
                // Closed pipes are the polite way to ask it to end.
                drop(ends);
                Some(process.end(GRACE).await)
            }
            Self::Http(remote) => {
                // One that does not answer forgets the session by itself.
                let _ = tokio::time::timeout(GRACE, remote.end()).await;
                None
            }
        }
    }
}

async fn piped(
    upstream: &Arc<Upstream>,
    process: &mut Process,
    stdin: ChildStdin,
    stdout: ChildStdout,
    inbox: mpsc::UnboundedReceiver<Bytes>,
) -> Broken {
    let writing = write(upstream, stdin, inbox);
    let reading = read(upstream, Lines::new(stdout, LARGEST));
    tokio::pin!(writing, reading);
    let exit = tokio::select! {
        () = &mut reading => None,
        exit = process.ended() => Some(exit),
        // It reads no more; what it says is still heard.
        () = &mut writing => None,
    };
    let exit = match exit {
        Some(exit) => {
            // Its last answers may still be in the pipe.
            let _ = tokio::time::timeout(DRAIN, &mut reading).await;
            Some(exit)
        }
        // Mostly it is on its way out.
        None => tokio::time::timeout(DRAIN, process.ended()).await.ok(),
    };
    let how = match exit {
        Some(exit) => format!("exited with code {exit}"),
        None => "closed its output".to_owned(),
    };
    Broken { how, exit }
}

async fn read(upstream: &Arc<Upstream>, mut lines: Lines<ChildStdout>) {
    let mut at_once = 0;
    while let Ok(Some(line)) = lines.next().await {
        let large = matches!(&line, Line::Whole(text) if text.len() > 1 << 20);
        upstream.received(line);
        at_once += 1;
        if large || at_once == BATCH {
            // Who is to be told gets a turn, and so do the neighbours.
            at_once = 0;
            tokio::task::yield_now().await;
        }
    }
}

async fn write(
    upstream: &Upstream,
    mut to: impl AsyncWrite + Unpin,
    mut inbox: mpsc::UnboundedReceiver<Bytes>,
) {
    let mut texts: Vec<Bytes> = Vec::with_capacity(BATCH);
    let mut joined = BytesMut::new();
    while inbox.recv_many(&mut texts, BATCH).await > 0 {
        for text in texts.drain(..) {
            let size = text.len();
            let written = if size > 64 << 10 {
                to.write_all(&joined).await.and(to.write_all(&text).await)
            } else {
                joined.extend_from_slice(&text);
                joined.extend_from_slice(b"\n");
                upstream.unsent.fetch_sub(size, Ordering::Relaxed);
                continue;
            };
            joined.clear();
            joined.extend_from_slice(b"\n");
            upstream.unsent.fetch_sub(size, Ordering::Relaxed);
            if written.is_err() {
                return;
            }
        }
        if to.write_all(&joined).await.is_err() || to.flush().await.is_err() {
            return;
        }
        joined.clear();
    }
}
