//! What a command is, and what of it a later process of ours can read.

use std::{collections::BTreeMap, time::Duration};

use frames::message;
use wire::{
    kernel::ShellCommand,
    sandbox::{PtySize, SandboxId},
};

/// What a command is.
#[derive(Clone, Debug)]
pub(crate) struct About {
    /// Where it runs.
    pub(crate) sandbox: SandboxId,
    pub(crate) id: String,
    pub(crate) command: ShellCommand,
    pub(crate) cwd: Option<String>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) pty: Option<PtySize>,
    pub(crate) background: bool,
    pub(crate) started_at_ms: u64,
    /// How long it may take, where that is known here.
    pub(crate) limit: Option<Duration>,
    /// Whether it is a part of something else, such as a kernel, and in no list.
    pub(crate) hidden: bool,
}

/// What a later process of ours learns of a command: id, flags, and the line's beginning, as far as
/// a label can have it.
pub(super) fn label(about: &About) -> String {
    let line = match &about.command {
        ShellCommand::Line(line) => line.clone(),
        ShellCommand::Arguments(words) => words.join(" "),
    };
    let mut flags = String::new();
    for (is_set, flag) in [
        (about.background, 'b'),
        (about.pty.is_some(), 'p'),
        (about.hidden, 'h'),
    ] {
        if is_set {
            flags.push(flag);
        }
    }
    let mut label = format!("{} {flags} ", about.id);
    let room = message::MOST_LABEL_BYTES.saturating_sub(label.len());
    label.extend(line.chars().take(room).map(|letter| match letter {
        ' '..='~' => letter,
        letter if letter.is_whitespace() => ' ',
        _ => '?',
    }));
    label
}

/// What a label of an earlier process says.
pub(super) fn read_label(sandbox: &SandboxId, exec: &message::ExecState, unix_ms: u64) -> About {
    let label = exec.label.as_deref().unwrap_or_default();
    let mut parts = label.splitn(3, ' ');
    let id = parts.next().filter(|id| !id.is_empty());
    let flags = parts.next().unwrap_or_default();
    About {
        sandbox: sandbox.clone(),
        id: id.map_or_else(|| format!("s{}", exec.stream), str::to_owned),
        command: ShellCommand::Line(parts.next().unwrap_or_default().to_owned()),
        cwd: None,
        env: BTreeMap::new(),
        pty: flags
            .contains('p')
            .then_some(PtySize { cols: 80, rows: 24 }),
        background: flags.contains('b'),
        // Its sandbox knows.
        limit: None,
        started_at_ms: unix_ms.saturating_sub(exec.age_ms),
        hidden: flags.contains('h'),
    }
}

#[cfg(test)]
mod tests {
    use frames::StreamId;

    use super::*;

    #[test]
    fn a_label_says_what_a_command_was() {
        let about = About {
            sandbox: "s1".parse().unwrap(),
            id: "a1".into(),
            command: ShellCommand::Line("sleep 5; echo done".into()),
            cwd: None,
            env: BTreeMap::new(),
            pty: None,
            background: true,
            started_at_ms: 0,
            limit: None,
            hidden: false,
        };
        let exec = message::ExecState {
            stream: StreamId(3),
            label: Some(label(&about)),
            pid: 7,
            age_ms: 1000,
            oldest: 0,
            end: 0,
            exit: None,
        };
        let read = read_label(&about.sandbox, &exec, 5000);
        assert_eq!((read.id.as_str(), read.started_at_ms), ("a1", 4000));
        assert_eq!(read.command, about.command);
        assert!(read.background && read.pty.is_none() && !read.hidden);
        let hostile = ShellCommand::Line("\u{1b}[2Jé\n".repeat(100));
        let long = label(&About {
            command: hostile,
            ..about
        });
        assert_eq!(long.len(), message::MOST_LABEL_BYTES);
        assert!(long.starts_with("a1 b ?[2J? ?[2J? "), "{long}");
    }
}
