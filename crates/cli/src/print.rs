//! How answers and failures look on a terminal.

use std::io::{IsTerminal, Write};

use engine::{Check, Verdict};
use serde_json::Value;
use wire::{
    failure::{Failure, FailureCode},
    machine::{EngineCandidate, EngineInfo, MachineState, MachineStatus, Progress},
};

/// 1 failure, 3 not running, 4 engine (2 is clap's, for usage).
pub fn exit_code(code: FailureCode) -> u8 {
    match code {
        FailureCode::EngineMissing | FailureCode::EngineDenied => 4,
        FailureCode::NotRunning => 3,
        _ => 1,
    }
}

/// One line of JSON. A closed pipe is the reader's wish, no failure of ours.
pub fn json<T: serde::Serialize>(answer: &T) {
    let mut line = serde_json::to_vec(answer).unwrap_or_default();
    line.push(b'\n');
    bytes(&line);
}

/// Text on stdout, at once.
pub fn bytes(text: &[u8]) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text).and_then(|()| out.flush());
}

/// A line on stdout.
pub fn line(text: &str) {
    bytes(format!("{text}\n").as_bytes());
}

/// What failed, why, what to do next.
pub fn failure(failure: &Failure, as_json: bool) {
    if as_json {
        json(&serde_json::json!({ "failure": failure }));
        return;
    }
    if let Some(detail) = failure
        .detail
        .as_deref()
        .filter(|detail| !detail.is_empty())
    {
        eprintln!("{detail}\n");
    }
    eprintln!("{}.", failure.message.trim_end_matches('.'));
    if let Some(cause) = &failure.cause {
        eprintln!("  Why:  {cause}");
    }
    if let Some(next) = &failure.next {
        eprintln!("  Next: {next}");
    }
}

/// State and addresses.
pub fn status(status: &MachineStatus) {
    let state = match status.state {
        MachineState::Absent => "absent",
        MachineState::Stopped => "stopped",
        MachineState::Starting => "starting",
        MachineState::Running => "running",
    };
    line(&format!("{}  {state}", status.name));
    let image = match (status.image_present, status.image_stale) {
        (false, _) => "not built",
        (true, true) => "stale: vivarium up builds it anew",
        (true, false) => "current",
    };
    line(&format!("  image   {} ({image})", status.image));
    if let Some(version) = &status.body_version {
        line(&format!("  body    {version}"));
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
                "does not answer: {}",
                failure.cause.as_deref().unwrap_or(&failure.message)
            ),
        };
        line(&format!(
            "other  {}  {}, {told}",
            candidate.engine, candidate.title
        ));
    }
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
            line(&format!("                  {next}"));
        }
    }
}

/// Progress on stderr: on a terminal, a step's output rewrites one line; else plain lines.
pub struct ProgressPrinter {
    terminal: bool,
    /// Whether the last line is a passing one.
    passing: bool,
}

impl ProgressPrinter {
    pub fn new() -> Self {
        Self {
            terminal: std::io::stderr().is_terminal(),
            passing: false,
        }
    }

    pub fn tell(&mut self, progress: &Progress) {
        match progress {
            Progress::Phase { name } => self.lasting(&format!("== {name}")),
            Progress::Step {
                index,
                total,
                title,
                cached,
            } => {
                let cached = if *cached { " (cached)" } else { "" };
                self.lasting(&format!("[{index}/{total}] {}{cached}", cut(title, 100)));
            }
            Progress::Line { text } if self.terminal => {
                let printable: String = text.chars().filter(|c| !c.is_control()).collect();
                eprint!("\r\x1b[2K    {}", cut(&printable, 72));
                self.passing = true;
            }
            Progress::Line { text } => eprintln!("    {text}"),
        }
    }

    /// Leaves a clean line.
    pub fn end(&mut self) {
        if std::mem::take(&mut self.passing) {
            eprint!("\r\x1b[2K");
        }
    }

    fn lasting(&mut self, text: &str) {
        self.end();
        eprintln!("{text}");
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.into();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// A cell's output: streams to where they belong, values as text, errors as tracebacks.
pub fn output(output: &Value) {
    match output["output_type"].as_str() {
        Some("stream") if output["name"] == "stderr" => eprint!("{}", text(&output["text"])),
        Some("stream") => bytes(text(&output["text"]).as_bytes()),
        Some("error") => eprintln!("{}", traceback(&output["traceback"])),
        Some("execute_result" | "display_data") => line(&text(&output["data"]["text/plain"])),
        _ => {}
    }
}

/// nbformat keeps texts as one string or as a list of lines.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(Value::as_str).collect(),
        _ => String::new(),
    }
}

/// IPython colours tracebacks; colours go where no terminal shows them.
fn traceback(value: &Value) -> String {
    let whole = match value {
        Value::Array(lines) => lines
            .iter()
            .filter_map(Value::as_str)
            .collect::<Vec<_>>()
            .join("\n"),
        other => text(other),
    };
    if std::io::stderr().is_terminal() {
        whole
    } else {
        plain(&whole)
    }
}

/// Without ANSI sequences (`ESC [ … letter`).
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
    fn colours_go() {
        assert_eq!(
            plain("\x1b[0;31mZeroDivisionError\x1b[0m: x"),
            "ZeroDivisionError: x"
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
        assert_eq!(exit_code(FailureCode::BuildFailed), 1);
    }
}
