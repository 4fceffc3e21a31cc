//! Questions to a person on a terminal. A script is never asked.

use std::io::IsTerminal;

use wire::failure::{Failure, FailureCode};

use crate::print;

/// Whether the machine may be recreated, with all that is lost by it; `false` if nobody can be
/// asked.
///
/// # Errors
/// [`FailureCode::Cancelled`] if the answer is anything but yes.
pub async fn recreate(failure: &Failure) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(false);
    }
    print::question(failure, "Recreate the machine? [y/N] ");
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = tokio::select! {
        // A terminal that is gone answered nothing.
        line = read => line.ok().and_then(Result::ok).unwrap_or_default(),
        _ = tokio::signal::ctrl_c() => String::new(),
    };
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        _ => Err(Failure::new(
            FailureCode::Cancelled,
            "Nothing was changed: the machine runs as before",
        )),
    }
}
