//! `vivarium logs`: the container's log, and what is written to it later.

use app::App;
use serde_json::json;
use wire::{
    failure::Failure,
    log::{LogLines, LogsRequest},
};

use crate::{commands::call, print};

/// Prints the lines; with `follow` also new ones until the machine stops, or until Ctrl-C. As JSON, all of
/// them are one object, and each new one is an object of its own.
///
/// # Errors
/// The app's.
pub async fn print(
    app: &App,
    request: LogsRequest,
    follow: bool,
    json: bool,
) -> Result<u8, Failure> {
    if !follow {
        let log: LogLines = call(app, "machine_logs", json!(request)).await?;
        if json {
            print::json(&log);
        } else {
            log.lines.iter().for_each(|line| print::line(line));
        }
        return Ok(0);
    }
    let machine = app.machine(None)?;
    let mut tell = |line: String| {
        if json {
            print::json(&json!({ "line": line }));
        } else {
            print::line(&line);
        }
    };
    tokio::select! {
        ended = machine.follow_logs(request, &mut tell) => ended.map(|()| 0),
        _ = tokio::signal::ctrl_c() => Ok(0),
    }
}
