//! Questions to a person on a terminal. A script is never asked.

use std::io::IsTerminal;

use app::untrusted;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
};

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
    let nothing = "Cancelled. The machine keeps running unchanged";
    yes(nothing).await.map(|()| true)
}

/// Whether a machine may be removed. A script says so with `--yes`.
///
/// # Errors
/// [`FailureCode::Invalid`] if nobody can be asked; [`FailureCode::Cancelled`] if the answer is
/// anything but yes.
pub async fn remove(name: &str, home_volume: bool) -> Result<(), Failure> {
    let home = if home_volume {
        "The home volume with all files in /root is deleted, too."
    } else {
        "The home volume and mounted folders are kept."
    };
    let question = Failure::new(
        FailureCode::Cancelled,
        format!(
            "The container of {} and everything installed in it will be deleted",
            untrusted::row(name)
        ),
    )
    .because(home);
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Err(Failure::new(FailureCode::Invalid, question.message)
            .because("there is no terminal to ask for confirmation")
            .next(Advice::text("Use --yes to remove it without confirmation.")));
    }
    print::question(&question, "Remove the machine? [y/N] ");
    yes("Cancelled. Nothing was removed").await
}

/// Whether something may be done that the failure is about; `false` if nobody can be asked.
///
/// # Errors
/// [`FailureCode::Cancelled`] if the answer is anything but yes.
pub async fn whether(failure: &Failure, question: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
        return Ok(false);
    }
    print::question(failure, &format!("{question} [y/N] "));
    yes("Cancelled").await.map(|()| true)
}

/// Asks for a line on the terminal, which doesn't show what is typed.
///
/// # Errors
/// [`FailureCode::Cancelled`] on Ctrl-C, or if the terminal is gone.
pub async fn hidden(question: &str) -> Result<String, Failure> {
    let cancelled = || Failure::new(FailureCode::Cancelled, "Nothing was stored");
    let silence = Silence::begin().map_err(|error| cancelled().because(error.to_string()))?;
    print::prompt(question);
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|_| line)
    });
    let line = tokio::select! {
        line = read => line.ok().and_then(Result::ok),
        _ = tokio::signal::ctrl_c() => None,
    };
    drop(silence);
    print::note("");
    line.filter(|line| !line.is_empty()).ok_or_else(cancelled)
}

/// A terminal that doesn't show what is typed, as long as this lives.
struct Silence(Termios);

impl Silence {
    fn begin() -> rustix::io::Result<Self> {
        let before = tcgetattr(std::io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self(before))
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Reads the answer to a question.
async fn yes(otherwise: &str) -> Result<(), Failure> {
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
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new(FailureCode::Cancelled, otherwise)),
    }
}
