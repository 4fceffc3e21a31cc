//! A server elsewhere, reached over HTTP: Streamable HTTP, or the older HTTP+SSE where it speaks
//! nothing else. To the rest of the relay it is one that reads and writes messages, like a process.
//! <https://modelcontextprotocol.io/specification/2025-11-25/basic/transports>
//!
//! - `target`, `http`: where it is, and the client that reaches it
//! - `exchange`, `listen`, `events`: one POST, streams that it says by itself, and how both are read

mod events;
mod exchange;
pub mod http;
mod listen;
mod target;

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};
use wire::mcp::{McpKind, McpServerEntry};

use self::{
    http::Http,
    target::{Fault, Kind, Target},
};
use super::{again::Again, entry::EntryError, message::Message, upstream::Upstream};

/// Requests that may be under way at once.
const MOST: usize = 512;
/// What answers nothing is given so long to be taken.
const TAKEN: Duration = Duration::from_secs(20);

/// A conversation with one.
pub struct Remote {
    target: Arc<Target>,
    /// Its address, without what may be secret in it.
    pub shown: String,
}

impl Remote {
    /// Knows where it is; the reason where the address is none.
    pub fn new(entry: &McpServerEntry, http: &Arc<Http>) -> Result<Self, EntryError> {
        let target = Target::new(entry, http)?;
        let shown = target.shown();
        Ok(Self {
            target: Arc::new(target),
            shown,
        })
    }

    /// Carries messages until the conversation is over: how it ended.
    pub async fn carry(
        &self,
        upstream: &Arc<Upstream>,
        mut inbox: mpsc::UnboundedReceiver<Bytes>,
    ) -> String {
        let Some(hello) = inbox.recv().await else {
            return std::future::pending().await;
        };
        upstream.sent(hello.len());
        let mut talk = Talk {
            target: Arc::clone(&self.target),
            upstream: Arc::clone(upstream),
            tasks: JoinSet::new(),
            asked: HashMap::new(),
            gone: None,
        };
        if let Err(fault) = talk.begin(hello).await {
            return fault.words();
        }
        loop {
            let ended = tokio::select! {
                text = inbox.recv() => match text {
                    Some(text) => (What::Message, talk.say(text).await),
                    // Nothing more is asked; what is under way goes on.
                    None => std::future::pending().await,
                },
                Some(ended) = talk.tasks.join_next() => match ended {
                    Ok(ended) => ended,
                    // Cancelled.
                    Err(_) => (What::Message, Ok(())),
                },
            };
            if let Some(fault) = talk.after(ended) {
                return fault.words();
            }
        }
    }

    /// Tells it that the session is over.
    pub async fn end(self) {
        self.target.forget().await;
    }
}

/// What a conversation has under way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Request,
    /// Another message.
    Message,
    /// The stream of what the server says by itself.
    Listening,
    /// The one stream of the older transport, which brings every answer.
    OldStream,
}

/// It ended. Only what concerns the whole conversation is a fault here.
type Ended = (What, Result<(), Fault>);

/// A conversation that goes on.
struct Talk {
    target: Arc<Target>,
    upstream: Arc<Upstream>,
    tasks: JoinSet<Ended>,
    /// Requests under way, by their numbers.
    asked: HashMap<u64, AbortHandle>,
    /// The server could not be reached while requests were under way, which it may still answer.
    gone: Option<Gone>,
}

struct Gone {
    fault: Fault,
    /// Nobody listens any more to what the server says by itself.
    unheard: bool,
}

impl Talk {
    /// What ends the conversation, now that this ended.
    fn after(&mut self, (what, how): Ended) -> Option<Fault> {
        match how {
            Ok(()) if what == What::Request => {
                // It is there after all.
                if self.gone.take().is_some_and(|gone| gone.unheard) {
                    self.listen();
                }
            }
            Ok(()) => {}
            Err(fault @ Fault::Unreachable(_)) if what != What::OldStream => {
                let before = self.gone.take().is_some_and(|gone| gone.unheard);
                let unheard = before || what == What::Listening;
                self.gone = Some(Gone { fault, unheard });
            }
            Err(fault) => return Some(fault),
        }
        self.asked.retain(|_, task| !task.is_finished());
        if self.asked.is_empty() {
            return self.gone.take().map(|gone| gone.fault);
        }
        None
    }

    fn listen(&mut self) {
        let listening = listen::stream(Arc::clone(&self.target), Arc::clone(&self.upstream));
        self.tasks
            .spawn(async move { (What::Listening, listening.await) });
    }

    /// `initialize`, in the transport that the server turns out to speak.
    async fn begin(&mut self, hello: Bytes) -> Result<(), Fault> {
        let number = Message::read(hello.clone())
            .ok()
            .and_then(|hello| hello.id()?.parse().ok());
        if self.target.kind != Kind::Sse {
            let asked = exchange::ask(&self.target, &self.upstream, hello.clone(), number).await;
            match asked {
                Err(Fault::Refused { status, .. })
                    if self.target.kind == Kind::Any && matches!(status, 400 | 404 | 405) => {}
                other => return other,
            }
        }
        let stream = listen::announced(&self.target).await?;
        let listening = listen::old(stream, Arc::clone(&self.upstream));
        self.tasks
            .spawn(async move { (What::OldStream, listening.await) });
        exchange::ask(&self.target, &self.upstream, hello, number).await
    }

    /// Passes on what the relay says.
    async fn say(&mut self, text: Bytes) -> Result<(), Fault> {
        self.upstream.sent(text.len());
        let Ok(message) = Message::read(text.clone()) else {
            return Ok(());
        };
        let (target, upstream) = (Arc::clone(&self.target), Arc::clone(&self.upstream));
        match message.kind {
            // What comes after it may build on it: in their order.
            McpKind::Notification => self.tell(&message).await,
            McpKind::Request => {
                let number = message.id().and_then(|id| id.parse().ok()).unwrap_or(0);
                self.asked.retain(|_, task| !task.is_finished());
                if self.asked.len() >= MOST {
                    let problem = upstream.core.says("is overloaded; try again later");
                    upstream.fail(number, &problem);
                    return Ok(());
                }
                let asking = async move {
                    let asked = exchange::ask(&target, &upstream, text.clone(), Some(number)).await;
                    let how = asked
                        .or_else(|fault| failed(&target, &upstream, fault, Again { number, text }));
                    (What::Request, how)
                };
                self.asked.insert(number, self.tasks.spawn(asking));
                Ok(())
            }
            McpKind::Response | McpKind::Error => {
                self.tasks.spawn(async move {
                    let saying = exchange::ask(&target, &upstream, text, None);
                    let said = tokio::time::timeout(TAKEN, saying).await.unwrap_or(Ok(()));
                    let how = said.or_else(|fault| target.bear(&upstream, fault));
                    (What::Message, how)
                });
                Ok(())
            }
        }
    }

    async fn tell(&mut self, message: &Message) -> Result<(), Fault> {
        // There a call is cancelled by the end of its connection, and nothing else is told.
        if self.upstream.is_stateless() {
            self.abort_cancelled(message);
            return Ok(());
        }
        let telling = exchange::ask(&self.target, &self.upstream, message.text.clone(), None);
        let told = tokio::time::timeout(TAKEN, telling).await.unwrap_or(Ok(()));
        match message.method() {
            "notifications/initialized" if self.target.posts().is_none() => {
                self.listen();
            }
            "notifications/cancelled" => self.abort_cancelled(message),
            _ => {}
        }
        told.or_else(|fault| self.target.bear(&self.upstream, fault))
    }

    fn abort_cancelled(&mut self, message: &Message) {
        let fields = message.fields().unwrap_or_default();
        let number = fields.request_id.map(|place| message.at(place));
        let number: Option<u64> = number.and_then(|number| number.parse().ok());
        // Its stream may stay open for ever.
        if let Some(task) = number.and_then(|number| self.asked.remove(&number)) {
            task.abort();
        }
    }
}

/// A request failed: so does the call, unless it can be asked again of the life to come.
fn failed(target: &Target, upstream: &Upstream, fault: Fault, again: Again) -> Result<(), Fault> {
    if matches!(fault, Fault::Lost) {
        // It was not taken: the server knows no such session.
        upstream.ask_again(again);
        return Err(fault);
    }
    let problem = upstream
        .core
        .says(&format!("at {} {}", target.shown(), fault.words()));
    upstream.fail(again.number, &problem);
    target.bear(upstream, fault)
}
