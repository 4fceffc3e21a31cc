//! Streams that a server elsewhere says by itself: the GET of Streamable HTTP, and the one stream
//! of the older transport.

use std::{sync::Arc, time::Duration};

use hyper::Method;
use reqwest::Response;

use super::{
    super::{lines::Line, message::LARGEST, upstream::Upstream},
    events::{Event, Events},
    exchange::{LONGEST_PAUSE, Place, SHORTEST_PAUSE, follow},
    http::words,
    target::{Fault, Target},
};

/// Time to announce where messages go.
const ANNOUNCED: Duration = Duration::from_secs(20);

/// The GET of Streamable HTTP, again and again; a server need not have it. Ends with the session.
pub async fn stream(target: Arc<Target>, upstream: Arc<Upstream>) -> Result<(), Fault> {
    let mut place = Place::default();
    let mut waits = place.pause;
    loop {
        let last = place.last.clone();
        let sent = target
            .send(Method::GET, Some(&upstream), None, last.as_deref())
            .await;
        match sent {
            Ok(answer) => match answer.status().as_u16() {
                200 => {
                    let before = place.messages;
                    let followed = follow(&upstream, answer, &mut place, None).await;
                    if let Err(fault) = followed {
                        target.bear(&upstream, fault)?;
                    }
                    // One that ends at once is asked ever more rarely.
                    waits = if place.messages > before {
                        place.pause
                    } else {
                        (waits * 2).min(LONGEST_PAUSE)
                    };
                }
                404 if target.has_session() => return Err(Fault::Lost),
                500..=599 => waits = (waits * 2).min(LONGEST_PAUSE),
                _ => return Ok(()),
            },
            Err(fault) => {
                target.bear(&upstream, fault)?;
                waits = (waits * 2).min(LONGEST_PAUSE);
            }
        }
        tokio::time::sleep(waits.max(SHORTEST_PAUSE)).await;
    }
}

/// A stream of the older transport that announced where messages go.
pub struct Old {
    answer: Response,
    events: Events,
}

/// Opens the older transport's stream, and waits for what it announces.
pub async fn announced(target: &Target) -> Result<Old, Fault> {
    let answer = target.send(Method::GET, None, None, None).await?;
    check(&answer)?;
    let mut old = Old {
        answer,
        events: Events::new(LARGEST),
    };
    let first = tokio::time::timeout(ANNOUNCED, async {
        loop {
            match old.next().await? {
                Some(event) if event.kind.as_deref() == Some("endpoint") => return Ok(event),
                Some(_) => {}
                None => return Err(no_server()),
            }
        }
    });
    let event = first.await.unwrap_or_else(|_| Err(no_server()))?;
    target.announce(String::from_utf8_lossy(&event.data).trim())?;
    Ok(old)
}

fn no_server() -> Fault {
    Fault::Broken(
        "supports neither Streamable HTTP nor HTTP+SSE: check that this is the address of an MCP server"
            .to_owned(),
    )
}

fn check(answer: &Response) -> Result<(), Fault> {
    let kind = answer.headers().get(hyper::header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let status = answer.status().as_u16();
    if status == 401 {
        let words = "requires authentication (401): set a token in the entry's headers";
        let words = words.to_owned();
        return Err(Fault::Refused { status, words });
    }
    if status != 200 || !kind.starts_with("text/event-stream") {
        return Err(no_server());
    }
    Ok(())
}

impl Old {
    async fn next(&mut self) -> Result<Option<Event>, Fault> {
        loop {
            let event = self.events.next();
            if let Some(event) =
                event.map_err(|_| Fault::Broken("sent a message that is too large".to_owned()))?
            {
                return Ok(Some(event));
            }
            let chunk = self.answer.chunk().await;
            let Some(chunk) = chunk.map_err(|error| Fault::Unreachable(words(&error)))? else {
                return Ok(None);
            };
            self.events.feed(&chunk);
        }
    }
}

/// Hands on what the stream says. Its end is that of the conversation.
pub async fn old(mut stream: Old, upstream: Arc<Upstream>) -> Result<(), Fault> {
    while let Some(event) = stream.next().await? {
        if event.kind.is_none_or(|kind| kind == "message") {
            upstream.received(Line::Whole(event.data));
            tokio::task::yield_now().await;
        }
    }
    Err(Fault::Unreachable("it closed its stream".to_owned()))
}
