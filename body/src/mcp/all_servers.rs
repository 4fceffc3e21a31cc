//! What the endpoint over all servers asks of them in a session's name.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{
    Relay,
    message::Answer,
    process,
    reply::Call,
    server::{NoProcess, NotReady, Server},
    session::Session,
    upstream::{To, Upstream},
};

/// The servers that a session sees, by name.
pub fn visible(relay: &Relay, session: &Session) -> Vec<Arc<Server>> {
    let mut servers = relay.servers();
    servers.retain(|server| {
        server.core.enabled()
            && session.filter.sees(&server.core.name)
            && process::exists(&server.core.entry())
    });
    servers
}

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    #[error(transparent)]
    NoProcess(#[from] NoProcess),
    #[error(transparent)]
    NotReady(#[from] NotReady),
    #[error("the MCP server {0:?} was removed")]
    Gone(Arc<str>),
    /// In the server's own words.
    #[error("{0}")]
    Refused(String),
    #[error(transparent)]
    Unreadable(#[from] serde_json::Error),
}

pub fn attach(session: &Arc<Session>, server: &Server) -> Result<Arc<Upstream>, NoProcess> {
    let upstream = session.attached(&server.core.name, || server.process(session))?;
    if upstream.owner.is_some() {
        upstream.greet();
    } else if session.level().is_some() {
        upstream.level();
    }
    Ok(upstream)
}

/// Asks in the relay's name; who does not wait any longer does not ask any longer.
pub async fn ask(
    upstream: &Arc<Upstream>,
    method: &str,
    params: &str,
) -> Result<Answer, Unanswered> {
    let (to, answer) = oneshot::channel();
    let number = upstream.ask(method, params, To::Us(to));
    let call = Call::new(upstream, number);
    let gone = |_| Unanswered::Gone(Arc::clone(&upstream.core.name));
    let answer = answer.await.map_err(gone)?;
    call.leave();
    Ok(answer)
}
