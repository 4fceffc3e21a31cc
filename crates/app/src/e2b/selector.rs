//! Which process a call is about: by its number, or by the tag that its client gave it.

use std::collections::HashMap;

use parking_lot::Mutex;
use sandbox::Exec;
use serde::Deserialize;
use wire::sandbox::{ExecView, SandboxId};

use super::{
    Facade,
    connect::{Code, ConnectError},
    dispatch::At,
    gone::CallError,
};

/// Names a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Selector {
    pid: Option<u32>,
    tag: Option<String>,
}

/// Tags of commands. Sandboxes know none.
#[derive(Debug, Default)]
pub(super) struct Tags(Mutex<HashMap<SandboxId, HashMap<String, String>>>);

impl Tags {
    /// Gives a command a tag, and forgets those of commands and sandboxes that are gone.
    pub(super) fn set(&self, id: &SandboxId, exec: String, tag: String, there: &[ExecView]) {
        let mut all = self.0.lock();
        let tags = all.entry(id.clone()).or_default();
        tags.retain(|known, _| there.iter().any(|view| view.exec_id == *known));
        tags.insert(exec, tag);
    }

    pub(super) fn of(&self, id: &SandboxId, exec: &str) -> Option<String> {
        let all = self.0.lock();
        all.get(id)?.get(exec).cloned()
    }

    /// Keeps those of sandboxes that are there.
    pub(super) fn keep(&self, is_there: impl Fn(&SandboxId) -> bool) {
        let mut all = self.0.lock();
        all.retain(|id, _| is_there(id));
    }
}

impl Facade {
    /// Commands that run, oldest first.
    pub(super) fn running(&self, at: &At) -> Result<Vec<ExecView>, CallError> {
        let mut execs = self.0.service.sandboxes()?.execs(&at.owner, &at.id)?;
        execs.retain(|view| view.exit_code.is_none());
        Ok(execs)
    }

    /// The command that a selector names, if it runs.
    pub(super) fn selected(&self, at: &At, process: &Selector) -> Result<Exec, CallError> {
        let is_it = |view: &&ExecView| match process {
            Selector { pid: Some(pid), .. } => view.pid == *pid,
            Selector { tag: Some(tag), .. } => {
                self.0.tags.of(&at.id, &view.exec_id).as_ref() == Some(tag)
            }
            _ => false,
        };
        let running = self.running(at)?;
        match running.iter().rev().find(is_it) {
            Some(view) => {
                let sandboxes = self.0.service.sandboxes()?;
                Ok(sandboxes.exec_of(&at.owner, &at.id, &view.exec_id)?)
            }
            None => {
                let words = match process {
                    Selector { pid: Some(pid), .. } => format!("process with pid {pid} not found"),
                    Selector { tag: Some(_), .. } => "process with that tag not found".into(),
                    _ => return Err(ConnectError::invalid("no process is named").into()),
                };
                Err(ConnectError::new(Code::NotFound, words).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(exec_id: &str) -> ExecView {
        ExecView {
            exec_id: exec_id.into(),
            pid: 1,
            command: "true".into(),
            cwd: None,
            env: std::collections::BTreeMap::new(),
            pty: false,
            background: true,
            started_at_ms: 0,
            exit_code: None,
        }
    }

    #[test]
    fn tags_go_with_their_commands_and_sandboxes() {
        let (tags, id): (Tags, SandboxId) = (Tags::default(), "i1".parse().unwrap());
        tags.set(&id, "a".into(), "one".into(), &[view("a")]);
        tags.set(&id, "b".into(), "two".into(), &[view("b")]);
        assert_eq!(tags.of(&id, "a"), None);
        assert_eq!(tags.of(&id, "b").as_deref(), Some("two"));
        tags.keep(|_| false);
        assert_eq!(tags.of(&id, "b"), None);
    }
}
