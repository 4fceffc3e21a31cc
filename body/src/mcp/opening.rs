//! How the conversation with a process begins, and what becomes of it when the process is gone.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use wire::mcp::{McpDirection, McpKind};

use super::{
    message::{self, Answer, code},
    upstream::{Hello, Pending, State, To, Upstream},
};

impl Upstream {
    /// A process begins: its number.
    pub(super) fn begin(&self, pid: Option<u32>) {
        let mut table = self.table();
        table.life += 1;
        table.told = false;
        if table.life > 1 {
            table.restarts += 1;
        }
        drop(table);
        self.unsent.store(0, Ordering::Relaxed);
        self.stateless.store(false, Ordering::Relaxed);
        let since_ms = super::traces::now_ms();
        self.set(State::Starting { pid, since_ms });
    }

    /// The request that begins the conversation, and its answer.
    pub(super) fn opening(&self) -> (Bytes, oneshot::Receiver<Answer>) {
        let (to, answer) = oneshot::channel();
        let mut table = self.table();
        let number = table.take_number();
        let text = message::request(number, "initialize", &self.hello);
        let pending = Pending::ours(number, "initialize", To::Us(to));
        table.pending.insert(number, pending);
        drop(table);
        let method = "initialize".into();
        self.tell_text(
            McpKind::Request,
            McpDirection::ClientToServer,
            Some(&method),
            &text,
        );
        (text, answer)
    }

    /// It answered: what waited goes out, and what it must know again from the life before.
    pub(super) fn open(&self, line: mpsc::UnboundedSender<Bytes>, pid: Option<u32>, hello: Hello) {
        let greet = self.owner.is_none() || self.greeted.load(Ordering::Relaxed);
        let (held, subscribed, level) = {
            let mut table = self.table();
            if greet && !self.is_stateless() {
                // Before anything else that the line carries.
                let text = message::notification("notifications/initialized", None);
                self.unsent.fetch_add(text.len(), Ordering::Relaxed);
                let _ = line.send(text);
            }
            table.line = Some(line);
            table.problem = None;
            table.told = greet;
            (
                std::mem::take(&mut table.held),
                table.subscribed.clone(),
                table.level,
            )
        };
        if let Some(level) = level {
            let params = format!(r#"{{"level":"{}"}}"#, level.name());
            self.ask("logging/setLevel", &params, To::Nobody);
        }
        for uri in subscribed {
            let params = serde_json::json!({"uri": uri}).to_string();
            self.ask("resources/subscribe", &params, To::Nobody);
        }
        for (number, text) in held {
            if !self.answer_held(number, &text) {
                self.pass(text);
            }
        }
        let since_ms = super::traces::now_ms();
        let hello = Arc::new(hello);
        self.set(State::Ready {
            pid,
            since_ms,
            hello,
        });
    }

    /// It is gone: what waited for it fails, and says why; but for what the next life is asked.
    pub(super) fn close(&self, exit: Option<i32>, problem: Option<String>, failed: bool) {
        let (pending, text) = {
            let mut table = self.table();
            table.line = None;
            table.held.clear();
            table.failures += u64::from(failed);
            if exit.is_some() {
                table.last_exit = exit;
            }
            let text = problem.clone().unwrap_or_else(|| {
                self.core
                    .says("was stopped while it processed this request")
            });
            let goes_on = problem.is_some() && !failed;
            if problem.is_some() {
                table.problem = problem;
            }
            let mut pending = std::mem::take(&mut table.pending);
            for (number, text) in std::mem::take(&mut table.again) {
                if goes_on && let Some(waits) = pending.remove(&number) {
                    table.pending.insert(number, waits);
                    table.held.push((number, text));
                }
            }
            (pending, text)
        };
        for (_, pending) in pending {
            let answer = Answer::refusal(&pending.id, code::SERVER_GONE, &text);
            if pending.session_id.is_some() {
                self.core.stats.failed();
            }
            self.answer(pending, answer);
        }
    }

    pub(super) fn set(&self, state: State) {
        self.state.send_replace(state);
        if self.owner.is_none() {
            self.core.changed();
        }
    }
}
