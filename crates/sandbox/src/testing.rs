//! What tests share: the real first process of a sandbox over pipes, as a container has it over its
//! stdio.

use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
};

use frames::Nonce;
use init_client::{Opening, Session, Transport};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::net::unix::pipe;

use crate::{
    record::tests::record,
    sandbox::{Life, Sandbox},
};

/// A process, and the pipes that stay open while hosts come and go.
pub(crate) struct Inside {
    child: Child,
    stdin: OwnedFd,
    stdout: OwnedFd,
    /// Its one writable folder.
    pub(crate) folder: tempfile::TempDir,
}

impl Inside {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut command = Command::new(program());
        command.arg("--root").arg(folder.path());
        // What this computer's user has in a login shell is not the tests' business, and may wait.
        command.env("HOME", folder.path());
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = pipes.spawn().expect("sandbox-init runs");
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        Self {
            child,
            stdin: stdin.expect("a pipe").into(),
            stdout: stdout.expect("a pipe").into(),
            folder,
        }
    }

    /// Of one host; others may follow.
    pub(crate) fn transport(&self) -> Transport {
        let copy = |pipe: &OwnedFd| pipe.try_clone().expect("a copy");
        let reader = pipe::Receiver::from_owned_fd(copy(&self.stdout)).expect("a pipe");
        let writer = pipe::Sender::from_owned_fd(copy(&self.stdin)).expect("a pipe");
        Transport::of_pipes(reader, writer)
    }

    /// A sandbox that speaks with it.
    pub(crate) async fn sandbox(&self) -> Arc<Sandbox> {
        let opened = Session::open(self.transport(), Opening::First).await;
        let (session, execs) = opened.expect("a hello");
        assert!(execs.is_empty());
        Sandbox::new(record("a"), 0, Life::Running(session))
    }

    /// A host that comes back.
    pub(crate) async fn back(&self, key: Nonce) -> (Session, Vec<frames::message::ExecState>) {
        let opened = Session::open(self.transport(), Opening::Back(key)).await;
        opened.expect("a hello")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        let path: PathBuf = self.folder.path().join(name);
        path.to_str().expect("a path in UTF-8").to_owned()
    }

    /// Keeps it from answering, or lets it go on.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        kill(Pid::from_raw(pid), signal).expect("signalled");
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program that cargo made beside this test.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a path");
    let built = test.parent().and_then(Path::parent).expect("a folder");
    let program = built.join("sandbox-init");
    assert!(
        program.is_file(),
        "{} is missing: cargo build --package sandbox-init",
        program.display()
    );
    program
}
