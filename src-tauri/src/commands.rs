//! The commands of the window: one call into the app, one stream out of it, and how far the page has
//! heard that.

use std::sync::atomic::AtomicBool;

use app::App;
use serde_json::Value;
use tauri::{
    State,
    ipc::{Channel, InvokeResponseBody},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::failure::Failure;

use crate::stream::{self, Stream};

/// What the commands work on.
pub struct Host {
    pub app: App,
    pub tasks: TaskTracker,
    /// Ends what goes on beside the window.
    pub stop: CancellationToken,
    /// Whether the app can live on in the tray.
    pub has_tray: AtomicBool,
    pub stream: Stream,
}

impl Host {
    /// Around a started app.
    pub fn new(app: App) -> Self {
        Self {
            app,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            has_tray: AtomicBool::new(false),
            stream: Stream::default(),
        }
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

/// Events after `after`, as they come and as far as they are heard, until the next subscription.
#[tauri::command]
pub async fn subscribe(
    host: State<'_, Host>,
    after: u64,
    channel: Channel<InvokeResponseBody>,
) -> Result<(), Failure> {
    let (stop, heard) = host.stream.begin();
    let events = host.app.subscribe(after);
    host.tasks.spawn(stream::send(events, channel, stop, heard));
    Ok(())
}

/// The page has heard the events up to this one.
#[tauri::command]
pub fn heard(host: State<'_, Host>, seq: u64) {
    host.stream.hear(seq);
}
