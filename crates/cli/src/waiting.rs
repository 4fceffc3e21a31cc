//! What a cell waits for, told to whoever waits for it: a machine that is paused or starts, other cells.

use std::time::Duration;

use app::App;
use serde_json::Value;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use wire::{
    failure::Failure,
    machine::{MachineState, MachineStatus},
};

use crate::commands::call;

/// How long somebody waits without being told for what; and between two looks.
const LOOK: Duration = Duration::from_secs(4);

/// Looks now and then what holds a cell up.
pub struct Waiting {
    tick: Interval,
    said: Option<String>,
}

impl Waiting {
    pub fn new() -> Self {
        let mut tick = tokio::time::interval_at(Instant::now() + LOOK, LOOK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { tick, said: None }
    }

    /// Waits until there is something else to say than before.
    pub async fn next(&mut self, app: &App, has_begun: bool) -> String {
        loop {
            self.tick.tick().await;
            let reason = reason(app, has_begun).await.ok().flatten();
            if reason != self.said {
                self.said.clone_from(&reason);
                if let Some(reason) = reason {
                    return reason;
                }
            }
        }
    }
}

async fn reason(app: &App, has_begun: bool) -> Result<Option<String>, Failure> {
    let status: MachineStatus = call(app, "machine_status", Value::Null).await?;
    let reason = match status.state {
        MachineState::Paused => format!("Waiting: the machine {} is paused.", status.name),
        _ if has_begun => return Ok(None),
        MachineState::Starting => format!(
            "Waiting: the kernel of {} is starting or not responding.",
            status.name
        ),
        _ => "Waiting: the kernel is busy with other cells.".to_owned(),
    };
    Ok(Some(reason))
}
