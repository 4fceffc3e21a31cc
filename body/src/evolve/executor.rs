//! The executor inside: where the engine's socket is mounted, `body-evolve` carries runs out in a
//! process of its own, which outlives this one.

use std::{fs::File, path::Path, process::Stdio, time::Duration};

use tokio::process::Command;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::evolve::ExecutorKind;

const PROGRAM: &str = "/usr/local/bin/body-evolve";
const SOCKET: &str = "/var/run/docker.sock";

/// Who carries runs out here.
pub fn kind() -> ExecutorKind {
    if Path::new(SOCKET).exists() && Path::new(PROGRAM).exists() {
        ExecutorKind::Socket
    } else {
        ExecutorKind::Host
    }
}

/// So often it is started again where it ended before its work was done.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

/// Starts it: it sees to what an earlier run left, and carries out what is asked for. One that
/// works already has a second one wait.
pub fn start(tasks: &TaskTracker, stop: CancellationToken) {
    tasks.spawn(async move {
        for left in (0..TRIES).rev() {
            let ended = tokio::select! {
                ended = once() => ended,
                // It goes on; another supervisor's finds it at work.
                () = stop.cancelled() => return,
            };
            match ended {
                Ok(status) if status.success() => return,
                Ok(status) => tracing::error!(%status, left, "body-evolve failed; evolve.log beside the logs of the services says why"),
                Err(error) => tracing::error!(%error, left, "{PROGRAM} could not be started: nothing evolves"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    });
}

async fn once() -> std::io::Result<std::process::ExitStatus> {
    let log = crate::paths::logs_dir().join("evolve.log");
    let log = File::options().create(true).append(true).open(log)?;
    let mut child = Command::new(PROGRAM)
        .arg("run")
        .current_dir(crate::paths::home())
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()?;
    child.wait().await
}
