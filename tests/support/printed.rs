//! What the command line printed, into pipes and on a terminal, and what in it a terminal would obey.

use std::{
    io::Read,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use e2e::Instance;

use crate::person::peak_mib;

/// So much of each stream is kept.
const KEPT: u64 = 64 << 20;

/// How a command ended, and what it said.
pub struct Said {
    /// Its exit status; `None` if it was ended.
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
    /// The most memory that it had.
    pub peak_mib: u64,
}

/// Runs a command with pipes, and nothing more to say on its stdin. After this time it is ended, as a
/// person would.
pub fn of_pipes(mut command: Command, patience: Duration) -> Said {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("vivarium runs");
    // Open and silent, as a person who thinks.
    let stdin = child.stdin.take();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let readers = [
        std::thread::spawn(move || kept(out.expect("a pipe"))),
        std::thread::spawn(move || kept(err.expect("a pipe"))),
    ];
    let begun = Instant::now();
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_mib(child.id()));
        if let Some(status) = child.try_wait().expect("a child") {
            break status.code();
        }
        if begun.elapsed() > patience {
            child.kill().expect("killed");
            child.wait().expect("a child");
            break None;
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    drop(stdin);
    let [out, err] = readers.map(|reader| reader.join().expect("read"));
    Said {
        status,
        out,
        err,
        peak_mib: peak,
    }
}

fn kept(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    stream
        .by_ref()
        .take(KEPT)
        .read_to_end(&mut bytes)
        .expect("read");
    std::io::copy(&mut stream, &mut std::io::sink()).expect("read");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What the command line shows on a terminal.
pub fn of_terminal(instance: &Instance, words: &[&str]) -> String {
    let command = instance.command(words);
    let quoted = |word: &std::ffi::OsStr| {
        let word = word.to_string_lossy().replace('\'', r"'\''");
        format!("'{word}'")
    };
    let line: Vec<String> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(quoted)
        .collect();
    let output = Command::new("script")
        .args(["-q", "-e", "-c", &line.join(" "), "/dev/null"])
        .envs(instance.environment())
        // A person's own program may colour.
        .env("NO_COLOR", "")
        .stdin(Stdio::null())
        .output()
        .expect("script (package bsdutils)");
    String::from_utf8_lossy(&output.stdout).replace("\r\n", "\n")
}

/// The first character that moves a cursor, sets a title, or changes the order of letters.
pub fn what_a_terminal_obeys(text: &str) -> Option<char> {
    text.chars().find(|c| {
        let is_plain = matches!(c, '\n' | '\t');
        let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() && !is_plain || turns
    })
}

/// Without `ESC [ numbers m`, which a person's own program may use.
pub fn without_colours(text: &str) -> String {
    let mut parts = text.split("\x1b[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        match rest.strip_prefix('m') {
            Some(rest) => plain.push_str(rest),
            None => plain.push_str(&format!("\x1b[{part}")),
        }
    }
    plain
}
