//! Which sessions are with a process, and what they want of it together.

use std::sync::{Arc, Weak};

use super::{
    session::Session,
    upstream::{Order, To, Upstream},
};

impl Upstream {
    /// A session is with it from now on.
    pub fn attach(&self, session: &Arc<Session>) {
        let weak = Arc::downgrade(session);
        self.table().sessions.insert(Arc::clone(&session.id), weak);
    }

    /// A session that began in an earlier life of the relay is with it: what it subscribed to then is
    /// asked for again.
    pub fn subscribe_again(&self, session: &Session) {
        for uri in session.subscriptions() {
            let own = session.route(&uri);
            if own.is_some_and(|server| *server != *self.core.name) {
                continue;
            }
            let runs = {
                let mut table = self.table();
                table.subscribed.insert(uri.clone()) && table.line.is_some()
            };
            // One that starts is asked for all of them.
            if runs {
                let params = serde_json::json!({ "uri": uri }).to_string();
                self.ask("resources/subscribe", &params, To::Nobody);
            }
        }
        self.level();
    }

    /// A session is gone: so is what it waited for and subscribed to.
    pub fn detach(&self, session: &Session) {
        if self.owner.is_some() {
            self.order(Order::Stop);
            return;
        }
        let theirs: Vec<u64> = {
            let mut table = self.table();
            table.sessions.remove(&session.id);
            let pending = table.pending.iter();
            pending
                .filter(|(_, pending)| pending.session_id.as_ref() == Some(&session.id))
                .map(|(number, _)| *number)
                .collect()
        };
        for number in theirs {
            self.abandon(number, "the client is gone");
        }
        for uri in session.subscriptions() {
            self.unsubscribe(&uri);
        }
        self.level();
    }

    /// Sessions that are with it.
    pub fn sessions(&self) -> Vec<Arc<Session>> {
        let table = self.table();
        table.sessions.values().filter_map(Weak::upgrade).collect()
    }

    /// Unsubscribes at the server where no session wants it any more.
    pub fn unsubscribe(&self, uri: &str) {
        let wanted = self
            .sessions()
            .iter()
            .any(|session| session.is_subscribed(uri));
        if !wanted && self.table().subscribed.remove(uri) {
            let params = serde_json::json!({"uri": uri}).to_string();
            self.ask("resources/unsubscribe", &params, To::Nobody);
        }
    }

    /// Whether a request of the level must go to the server: the lowest that any session asked for.
    pub fn level(&self) -> bool {
        let lowest = self
            .sessions()
            .iter()
            .filter_map(|session| session.level())
            .min();
        let mut table = self.table();
        if lowest.is_none() || lowest == table.level {
            return false;
        }
        table.level = lowest;
        let Some(level) = lowest else { return false };
        drop(table);
        let params = format!(r#"{{"level":"{}"}}"#, level.name());
        self.ask("logging/setLevel", &params, To::Nobody);
        true
    }
}
