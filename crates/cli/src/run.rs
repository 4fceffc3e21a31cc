//! A run as the terminal follows it: its events until its end; Ctrl-C gives it up.

use app::App;
use serde_json::{Value, json};
use wire::{
    commands::RunStarted,
    failure::{Failure, FailureCode},
    stream::Event,
};

/// Tells `hear` what happens after the event `after`, until the run ends.
///
/// # Errors
/// The run's own failure. `cancel` names the command that gives it up; what it then ends with is
/// told like any other end.
pub async fn follow(
    app: &App,
    run: &RunStarted,
    after: u64,
    cancel: &str,
    mut hear: impl FnMut(Event),
) -> Result<(), Failure> {
    let mut events = app.subscribe(after);
    let mut interrupted = false;
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            signal = tokio::signal::ctrl_c(), if !interrupted => {
                interrupted = true;
                if signal.is_ok() {
                    // It may have ended just now: then its end is the next event.
                    let _: Result<Value, Failure> = app.rpc(None, cancel, json!({ "run_id": run.run_id })).await;
                }
                continue;
            }
        };
        match event.map(|event| event.event) {
            None => return Err(Failure::new(FailureCode::Cancelled, "Cancelled")),
            Some(Event::RunEnded {
                run_id, failure, ..
            }) if run_id == run.run_id => {
                return failure.map_or(Ok(()), Err);
            }
            Some(event) => hear(event),
        }
    }
}
