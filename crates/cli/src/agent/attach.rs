//! An agent's terminal in this one.

use std::io::{IsTerminal, Write};

use app::{AgentTerminal, App};
use tokio::{
    io::AsyncReadExt,
    signal::unix::{SignalKind, signal},
    sync::mpsc,
};
use wire::{
    advice::Advice,
    agent::AgentId,
    failure::{Failure, FailureCode},
};

use crate::{
    commands::terminated,
    shell::heard,
    terminal::{Raw, size},
};

/// How much is read of stdin at once.
const PIECE_BYTES: usize = 4 << 10;
/// What the terminal shows is as it was before, and the cursor is seen.
const LEAVE: &[u8] = b"\x1b[?1049l\x1b[?25h\x1b[0m";

/// Shows it until it ends or the person detaches; the agent goes on.
///
/// # Errors
/// The app's, and [`FailureCode::Invalid`] without a terminal.
pub async fn attach(app: &App, id: &AgentId, read_only: bool) -> Result<u8, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Failure::new(
            FailureCode::Invalid,
            format!("Could not attach to agent {id}"),
        )
        .because("it needs a terminal as stdin and stdout")
        .next(Advice::text(format!(
            "Send it a prompt: vivarium agent send {id} …"
        ))));
    }
    let size = size();
    let terminal = app
        .agent_terminal(id, size.cols, size.rows, read_only)
        .await?;
    let raw = Raw::begin();
    let ended = tokio::select! {
        ended = draw(&terminal) => ended,
        () = pass_on(&terminal) => Ok(()),
    };
    write(LEAVE);
    drop(raw);
    ended.map(|()| 0)
}

async fn draw(terminal: &AgentTerminal) -> Result<(), Failure> {
    while let Some(bytes) = terminal.next().await? {
        write(&bytes);
    }
    Ok(())
}

/// A terminal that is gone is told by a signal.
fn write(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}

/// Passes on keys and sizes, until this program is asked to end.
async fn pass_on(terminal: &AgentTerminal) {
    let (sender, mut keys) = mpsc::channel::<Vec<u8>>(16);
    let reading = async move {
        let mut stdin = tokio::io::stdin();
        let mut piece = vec![0; PIECE_BYTES];
        while let Ok(count @ 1..) = stdin.read(&mut piece).await {
            if sender.send(piece[..count].to_vec()).await.is_err() {
                break;
            }
        }
        std::future::pending::<()>().await;
    };
    let mut sizes = signal(SignalKind::window_change()).ok();
    let mut hang_up = signal(SignalKind::hangup()).ok();
    let passing = async {
        loop {
            tokio::select! {
                Some(bytes) = keys.recv() => {
                    // At its end there is nothing to type into, which is shown by the other side.
                    let _ = terminal.write(&bytes).await;
                }
                () = heard(&mut sizes) => {
                    let size = size();
                    terminal.resize(size.cols, size.rows);
                }
            }
        }
    };
    tokio::select! {
        () = passing => {}
        () = reading => {}
        () = heard(&mut hang_up) => {}
        () = terminated() => {}
    }
}
