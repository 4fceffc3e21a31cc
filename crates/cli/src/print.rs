//! How answers and failures look on a terminal. All that may come from inside a machine goes
//! through [`untrusted`] or [`shown`]; only what a person's own program says ([`Program`]) reaches a pipe as it is.

use std::{
    borrow::Cow,
    io::{IsTerminal, Write},
    time::{Duration, Instant},
};

use app::{Check, Verdict, untrusted};
use wire::{
    failure::{Failure, FailureCode},
    machine::{EngineCandidate, EngineInfo, MachineState, MachineStatus, Progress},
    nbformat::{CellOutput, Output, OutputStandIn},
};

/// 1 failure, 3 not running, 4 engine, 5 would recreate (2 is clap's, for usage).
pub fn exit_code(code: FailureCode) -> u8 {
    match code {
        FailureCode::EngineMissing | FailureCode::EngineDenied => 4,
        FailureCode::NotRunning => 3,
        FailureCode::WouldRecreate => 5,
        _ => 1,
    }
}

use crate::{
    advice,
    shown::{self, ProgramText},
};

/// One line of JSON. A closed pipe is the reader's wish, no failure of ours.
pub fn json<T: serde::Serialize>(answer: &T) {
    let text = serde_json::to_string(answer).unwrap_or_default();
    out(&format!("{}\n", shown::json(&text)));
}

/// As it is, on stdout, at once.
fn out(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// As it is, on stderr. Who reads it may be gone.
fn err(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// Text of several lines on stdout.
pub fn text(text: &str) {
    out(&untrusted::text(text));
}

/// Text of one line or more on stdout, with an end of line.
pub fn line(line: &str) {
    out(&format!("{}\n", untrusted::text(line)));
}

/// A line of a list on stdout: nothing in it begins another.
pub fn row(row: &str) {
    out(&format!("{}\n", untrusted::row(row)));
}

/// Text of one line or more on stderr, with an end of line.
pub fn note(note: &str) {
    err(&format!("{}\n", untrusted::text(note)));
}

/// What would be done and why, and a question whose answer is read behind it.
pub fn question(failure: &Failure, question: &str) {
    note(&format!("{}.", failure.message.trim_end_matches('.')));
    for text in [&failure.cause, &failure.detail].into_iter().flatten() {
        note(&format!("  {}.", text.trim_end_matches('.')));
    }
    err(question);
}

/// Asks for a line, which is read behind it.
pub fn prompt(question: &str) {
    err(&untrusted::row(question));
}

/// What failed, why, what to do next.
pub fn failure(failure: &Failure, as_json: bool) {
    if as_json {
        let mut told = serde_json::json!({ "failure": failure });
        if let Some(next) = &failure.next {
            told["failure"]["next"] = advice::words(next).into();
        }
        json(&told);
        return;
    }
    if let Some(detail) = failure
        .detail
        .as_deref()
        .filter(|detail| !detail.is_empty())
    {
        note(&format!("{detail}\n"));
    }
    note(&format!("{}.", failure.message.trim_end_matches('.')));
    if let Some(cause) = &failure.cause {
        note(&format!("  Why:  {}", cause.replace('\n', "\n        ")));
    }
    if let Some(next) = &failure.next {
        note(&format!("  Next: {}", advice::words(next)));
    }
}

/// `1 call`, `3 calls`.
pub fn count(number: u64, one: &str) -> String {
    format!("{number} {one}{}", if number == 1 { "" } else { "s" })
}

/// A machine's state in a word.
pub fn state(state: MachineState) -> &'static str {
    match state {
        MachineState::Absent => "not created",
        MachineState::Stopped => "stopped",
        MachineState::Starting => "starting",
        MachineState::Running => "running",
        MachineState::Paused => "paused",
    }
}

/// State and addresses.
pub fn status(status: &MachineStatus) {
    let state = state(status.state);
    line(&format!("{}  {state}", status.name));
    let image = match (status.image_present, status.image_stale) {
        (false, _) => "not built",
        (true, true) => "out of date: run vivarium up to rebuild it",
        (true, false) => "up to date",
    };
    line(&format!("  image   {} ({image})", status.image));
    if let Some(version) = &status.body_version {
        line(&format!("  version {version}"));
    }
    if let Some(at) = &status.addresses {
        line(&format!("  kernel  {}", at.kernel));
        line(&format!("  mcp     {}", at.mcp));
        line(&format!("  vnc     {}", at.vnc));
    }
    for warning in &status.warnings {
        line(&format!("  warning {warning}"));
    }
}

/// The engine in use, and those that `--engine` could take.
pub fn engines(
    used: &Result<EngineInfo, Failure>,
    others: &[(EngineCandidate, Result<EngineInfo, Failure>)],
) {
    let named =
        |info: &EngineInfo| format!("{} {} (API {})", info.name, info.version, info.api_version);
    if let Ok(info) = used {
        line(&format!(
            "used   {}  {}, {}",
            info.endpoint,
            named(info),
            info.chosen_by
        ));
    }
    for (candidate, info) in others {
        let told = match info {
            Ok(info) => named(info),
            Err(failure) => format!(
                "not responding: {}",
                failure.cause.as_deref().unwrap_or(&failure.message)
            ),
        };
        line(&format!(
            "other  {}  {}, {told}",
            candidate.engine, candidate.title
        ));
    }
}

/// What `doctor` found, for programs.
pub fn checks_json(checks: &[Check]) {
    let told = checks.iter().map(|check| {
        let mut told = serde_json::json!(check);
        if let Some(next) = &check.next {
            told["next"] = advice::words(next).into();
        }
        told
    });
    json(&told.collect::<Vec<_>>());
}

/// What `doctor` found.
pub fn checks(checks: &[Check]) {
    for check in checks {
        let mark = match check.verdict {
            Verdict::Good => "ok  ",
            Verdict::Note => "note",
            Verdict::Bad => "BAD ",
        };
        line(&format!("{mark}  {:<10}  {}", check.name, check.found));
        if let Some(next) = &check.next {
            line(&format!("                  {}", advice::words(next)));
        }
    }
}

/// Progress on stderr: on a terminal, a step's output rewrites one line; else plain lines.
pub struct ProgressPrinter {
    terminal: bool,
    /// Whether the last line is a passing one.
    passing: bool,
    /// The step that goes on, and when it began.
    step: Option<(String, Instant)>,
    /// When something was printed last.
    printed_at: Instant,
}

/// So long may a step be silent before it is said that it goes on.
pub const SILENCE: Duration = Duration::from_secs(15);

/// So long is waited for more of what is kept already.
pub const PAUSE: Duration = Duration::from_millis(300);

impl ProgressPrinter {
    pub fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            passing: false,
            step: None,
            printed_at: Instant::now(),
        }
    }

    pub fn tell(&mut self, progress: &Progress) {
        self.printed_at = Instant::now();
        match progress {
            Progress::Phase { name } => {
                self.step = Some((name.clone(), self.printed_at));
                self.lasting(&format!("== {name}"));
            }
            Progress::Step {
                index,
                total,
                title,
                cached,
            } => {
                let cached = if *cached { " (cached)" } else { "" };
                self.step = Some((format!("[{index}/{total}]"), self.printed_at));
                self.lasting(&format!("[{index}/{total}] {}{cached}", cut(title, 100)));
            }
            Progress::Line { text } if self.terminal => {
                err(&format!("\r\x1b[2K    {}", cut(&untrusted::row(text), 72)));
                self.passing = true;
            }
            Progress::Line { text } => note(&format!("    {text}")),
        }
    }

    /// Says that a step goes on which has been silent for [`SILENCE`].
    pub fn still_there(&mut self) {
        if let Some(text) = self.since(Instant::now()) {
            if self.terminal {
                err(&format!("\r\x1b[2K    {text}"));
                self.passing = true;
            } else {
                note(&format!("    {text}"));
            }
        }
    }

    fn since(&mut self, now: Instant) -> Option<String> {
        let (step, begun) = self.step.as_ref()?;
        if now.duration_since(self.printed_at) < SILENCE {
            return None;
        }
        self.printed_at = now;
        let seconds = now.duration_since(*begun).as_secs();
        Some(format!("{step} still running, {seconds} s"))
    }

    /// Leaves a clean line.
    pub fn end(&mut self) {
        if std::mem::take(&mut self.passing) {
            err("\r\x1b[2K");
        }
    }

    fn lasting(&mut self, text: &str) {
        self.end();
        note(text);
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.into();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// What a person's own cell or command says: as it is into files and pipes; on a terminal it may
/// colour, and command nothing else.
pub struct Program {
    out: Option<ProgramText>,
    err: Option<ProgramText>,
}

impl Program {
    pub fn new() -> Self {
        let filter = |is_terminal: bool| is_terminal.then(ProgramText::wanted);
        Self {
            out: filter(std::io::stdout().is_terminal()),
            err: filter(std::io::stderr().is_terminal()),
        }
    }

    /// A piece of its stdout.
    pub fn out(&mut self, piece: &str) {
        out(&drawn(&mut self.out, piece));
    }

    /// A piece of its stderr.
    pub fn err(&mut self, piece: &str) {
        err(&drawn(&mut self.err, piece));
    }

    /// A cell's output: streams to where they belong, values as text, errors as tracebacks.
    pub fn output(&mut self, output: CellOutput) {
        match output {
            CellOutput::Whole(Output::Stream { name, text }) if name == "stderr" => {
                self.err(&text.joined());
            }
            CellOutput::Whole(Output::Stream { text, .. }) => self.out(&text.joined()),
            CellOutput::Whole(Output::Error { traceback, .. }) => {
                let traceback = traceback.join("\n") + "\n";
                match self.err {
                    Some(_) => self.err(&traceback),
                    None => err(&untrusted::text(&plain(&traceback))),
                }
            }
            CellOutput::Whole(
                Output::ExecuteResult { data, .. } | Output::DisplayData { data, .. },
            ) => {
                let text = data.text("text/plain").unwrap_or_default();
                self.out(&format!("{text}\n"));
            }
            CellOutput::Whole(Output::UpdateDisplayData { .. }) => {}
            CellOutput::StandIn(OutputStandIn::Unreadable(output)) => {
                note(&format!(
                    "An output of the cell can't be read: {}.",
                    output.cause
                ));
            }
            // They come to who asks for them, and here nobody does.
            CellOutput::StandIn(OutputStandIn::Reference(_)) => {}
        }
    }
}

impl Drop for Program {
    /// The terminal has its own colours again.
    fn drop(&mut self) {
        if let Some(filter) = &mut self.out {
            out(&filter.end());
        }
        if let Some(filter) = &mut self.err {
            err(&filter.end());
        }
    }
}

fn drawn<'a>(filter: &mut Option<ProgramText>, piece: &'a str) -> Cow<'a, str> {
    match filter {
        Some(filter) => filter.push(piece).into(),
        None => piece.into(),
    }
}

/// Without ANSI sequences (`ESC [ … letter`): IPython colours tracebacks.
fn plain(text: &str) -> String {
    let mut chars = text.chars();
    let mut out = String::with_capacity(text.len());
    while let Some(c) = chars.next() {
        if c != '\x1b' {
            out.push(c);
        } else if chars.next() == Some('[') {
            chars.by_ref().find(char::is_ascii_alphabetic);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_is_silent_is_said_to_go_on() {
        let mut printer = ProgressPrinter::new();
        let begun = printer.printed_at;
        assert_eq!(printer.since(begun + 2 * SILENCE), None, "nothing began");
        printer.step = Some(("[3/9]".into(), begun));
        assert_eq!(printer.since(begun + SILENCE / 2), None);
        let text = printer.since(begun + SILENCE);
        assert_eq!(text.as_deref(), Some("[3/9] still running, 15 s"));
        assert_eq!(printer.since(begun + SILENCE), None, "it was just said");
        let text = printer.since(begun + 2 * SILENCE);
        assert_eq!(text.as_deref(), Some("[3/9] still running, 30 s"));
    }

    #[test]
    fn colours_go() {
        assert_eq!(
            plain("\x1b[0;31mZeroDivisionError\x1b[0m: x"),
            "ZeroDivisionError: x"
        );
    }

    #[test]
    fn a_number_agrees_with_what_it_counts() {
        assert_eq!(
            [0, 1, 2].map(|number| count(number, "call")),
            ["0 calls", "1 call", "2 calls"]
        );
    }

    #[test]
    fn long_titles_are_cut() {
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("abc", 4), "abc");
    }

    #[test]
    fn exit_codes_are_as_documented() {
        assert_eq!(exit_code(FailureCode::EngineMissing), 4);
        assert_eq!(exit_code(FailureCode::NotRunning), 3);
        assert_eq!(exit_code(FailureCode::WouldRecreate), 5);
        assert_eq!(exit_code(FailureCode::BuildFailed), 1);
    }
}
