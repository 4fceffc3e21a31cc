//! The two commands of the window: one call into the app, one stream out of it.

use std::sync::{Mutex, PoisonError, atomic::AtomicBool};

use app::App;
use serde_json::Value;
use tauri::{State, ipc::Channel};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{failure::Failure, stream::StreamEvent};

/// What the commands work on.
pub struct Host {
    pub app: App,
    pub tasks: TaskTracker,
    /// Ends what goes on beside the window.
    pub stop: CancellationToken,
    /// Whether the app can live on in the tray.
    pub has_tray: AtomicBool,
    /// The stream of the one window; a new subscription ends the one before.
    stream: Mutex<CancellationToken>,
}

impl Host {
    /// Around a started app.
    pub fn new(app: App) -> Self {
        Self {
            app,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            has_tray: AtomicBool::new(false),
            stream: Mutex::default(),
        }
    }

    /// Ends the stream, and gives the token of the next one.
    pub fn next_stream(&self) -> CancellationToken {
        let next = CancellationToken::new();
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *stream, next.clone()).cancel();
        next
    }
}

/// One command of the lists in `wire::commands`; `machine` for those about one.
#[tauri::command]
pub async fn rpc(
    host: State<'_, Host>,
    machine: Option<String>,
    command: String,
    params: Value,
) -> Result<Value, Failure> {
    host.app.rpc(machine.as_deref(), &command, params).await
}

/// Events after `after`, as they come, until the next subscription.
#[tauri::command]
pub async fn subscribe(
    host: State<'_, Host>,
    after: u64,
    channel: Channel<StreamEvent>,
) -> Result<(), Failure> {
    let stop = host.next_stream();
    let mut events = host.app.subscribe(after);
    host.tasks.spawn(async move {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                event = events.next() => {
                    let Some(event) = event else { return };
                    // A channel that can't take more belongs to a page that is gone.
                    if channel.send(event).is_err() {
                        return;
                    }
                }
            }
        }
    });
    Ok(())
}
