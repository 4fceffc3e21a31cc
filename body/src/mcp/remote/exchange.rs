//! One POST to a server elsewhere and what it answers: a message, or a stream of them.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use hyper::{Method, header};
use reqwest::Response;
use serde_json::value::RawValue;
use wire::mcp::McpKind;

use super::{
    super::{
        lines::Line,
        message::{Answer, LARGEST, Message},
        upstream::Upstream,
    },
    events::Events,
    http::words,
    target::{Fault, Target},
};

/// Of what a server says that is no answer, so much is read.
const SAID: usize = 16 << 10;
/// Room for the names of an event's fields.
const FIELDS: usize = 1 << 10;
/// A stream has so long to end after the answer that it is for.
const END: Duration = Duration::from_millis(50);
/// A stream that breaks, or can't be asked for, is asked for again so often, with pauses. One that
/// its server ends is asked for until the answer comes: so a long call need hold no connection.
const RESUMED: u32 = 5;
/// The pause where the server names none, and the shortest and longest it may name.
pub const PAUSE: Duration = Duration::from_secs(1);
pub const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
pub const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Posts a message and hands on what answers it. `number` is that of a request.
pub async fn ask(
    target: &Target,
    upstream: &Arc<Upstream>,
    text: Bytes,
    number: Option<u64>,
) -> Result<(), Fault> {
    let answer = target
        .send(Method::POST, Some(upstream), Some(text), None)
        .await?;
    let status = answer.status();
    if !status.is_success() {
        return refused(target, upstream, answer, number).await;
    }
    target.learn(answer.headers());
    match kind(&answer) {
        Some("text/event-stream") => answered(target, upstream, answer, number).await,
        Some("application/json") => {
            let text = whole(answer, LARGEST).await?;
            if !text.is_empty() {
                hand_on(upstream, text);
            }
            complete(target, upstream, number)
        }
        _ => complete(target, upstream, number),
    }
}

/// A request's answer must be there by now, unless a stream of its own brings it.
fn complete(target: &Target, upstream: &Upstream, number: Option<u64>) -> Result<(), Fault> {
    match number {
        Some(number) if target.posts().is_none() && upstream.waits(number) => {
            Err(Fault::Broken("sent an unexpected response".to_owned()))
        }
        _ => Ok(()),
    }
}

fn kind(answer: &Response) -> Option<&str> {
    let kind = answer.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    kind.split(';').next().map(str::trim)
}

/// A body, up to so many bytes.
async fn whole(mut answer: Response, most: usize) -> Result<Bytes, Fault> {
    let mut whole = BytesMut::new();
    while let Some(data) = answer.chunk().await.map_err(closed)? {
        if whole.len() + data.len() > most {
            return Err(too_large());
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

fn closed(error: reqwest::Error) -> Fault {
    Fault::Broken(format!("closed the connection: {}", words(&error)))
}

fn too_large() -> Fault {
    Fault::Broken(format!(
        "sent a response larger than the limit of {} MiB",
        LARGEST >> 20
    ))
}

/// Hands on a message, or all of a batch.
fn hand_on(upstream: &Arc<Upstream>, text: Bytes) {
    if text.trim_ascii_start().first() == Some(&b'[')
        && let Ok(parts) = serde_json::from_slice::<Vec<&RawValue>>(&text)
    {
        for part in parts {
            upstream.received(Line::Whole(text.slice_ref(part.get().as_bytes())));
        }
        return;
    }
    upstream.received(Line::Whole(text));
}

/// What a refusal says, in the server's words where they can be read.
async fn refused(
    target: &Target,
    upstream: &Arc<Upstream>,
    answer: Response,
    number: Option<u64>,
) -> Result<(), Fault> {
    let status = answer.status();
    let refused = |words: String| {
        let status = status.as_u16();
        Err(Fault::Refused { status, words })
    };
    match status.as_u16() {
        404 if target.has_session() => return Err(Fault::Lost),
        401 => {
            return refused(
                "requires authentication (401): set a token in the entry's headers, such as \
                 Authorization; signing in with OAuth is not supported yet"
                    .to_owned(),
            );
        }
        403 => {
            return refused("denied access (403): check the entry's headers".to_owned());
        }
        _ => {}
    }
    let said = whole(answer, SAID).await.unwrap_or_default();
    let message = Message::read(said.clone()).ok();
    let own = message.as_ref().and_then(Message::id);
    if own.and_then(|id| id.parse().ok()) == number && number.is_some() {
        upstream.received(Line::Whole(said));
        return Ok(());
    }
    // One request was sent: an error that names none is about it.
    if let (Some(message), Some(number)) = (&message, number)
        && (message.kind, own) == (McpKind::Error, None)
        && matches!(status.as_u16(), 400 | 404)
        && !target.has_session()
    {
        let answer = Answer::error(&number.to_string(), &message.payload());
        upstream.received(Line::Whole(answer.text));
        return Ok(());
    }
    let told: Option<serde_json::Value> = serde_json::from_slice(&said).ok();
    let told = told.and_then(|told| {
        let words = told.pointer("/error/message").or(told.get("error"));
        words?.as_str().map(str::to_owned)
    });
    // Servers that do not know the status that the specification has for it.
    let names_session = told
        .as_ref()
        .is_some_and(|words| words.to_lowercase().contains("session"));
    if status == 400 && target.has_session() && names_session {
        return Err(Fault::Lost);
    }
    let told = told.map(|words| format!(": {words}")).unwrap_or_default();
    refused(format!("responded with {status}{told}"))
}

/// A request's stream: to its answer, over breaks where the server remembers.
async fn answered(
    target: &Target,
    upstream: &Arc<Upstream>,
    answer: Response,
    number: Option<u64>,
) -> Result<(), Fault> {
    let mut place = Place::default();
    let mut answer = answer;
    let mut broken = 0;
    loop {
        let followed = follow(upstream, answer, &mut place, number).await;
        if !number.is_some_and(|number| upstream.waits(number)) {
            return Ok(());
        }
        let Some(last) = place.last.clone() else {
            return followed.and(Err(cut_off()));
        };
        match followed {
            Ok(()) => broken = 0,
            Err(fault) if broken == RESUMED => return Err(fault),
            Err(_) => broken += 1,
        }
        answer = loop {
            tokio::time::sleep(place.pause.max(SHORTEST_PAUSE)).await;
            let sent = target.send(Method::GET, Some(upstream), None, Some(&last));
            let fault = match sent.await {
                Ok(answer) => match answer.status().as_u16() {
                    200 => break answer,
                    404 if target.has_session() => {
                        // It was taken: asked again, it might be done twice.
                        if let Some(number) = number {
                            let problem = "ended the session before it responded";
                            upstream.fail(number, &upstream.core.says(problem));
                        }
                        return Err(Fault::Lost);
                    }
                    500..=599 => cut_off(),
                    _ => return Err(cut_off()),
                },
                Err(fault) => fault,
            };
            if broken == RESUMED {
                return Err(fault);
            }
            broken += 1;
        };
    }
}

fn cut_off() -> Fault {
    Fault::Broken("closed the stream before it responded".to_owned())
}

/// How far a stream was read.
pub struct Place {
    pub last: Option<String>,
    pub pause: Duration,
    /// Messages that it brought.
    pub messages: u64,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            last: None,
            pause: PAUSE,
            messages: 0,
        }
    }
}

/// Hands on a stream's messages, to its end or to the answer of the request that it is for.
pub async fn follow(
    upstream: &Arc<Upstream>,
    mut answer: Response,
    place: &mut Place,
    number: Option<u64>,
) -> Result<(), Fault> {
    let mut events = Events::new(LARGEST + FIELDS);
    loop {
        let over = number.is_some_and(|number| !upstream.waits(number));
        let chunk = if over {
            // A stream that is read to its end leaves a connection to use again.
            tokio::time::timeout(END, answer.chunk())
                .await
                .unwrap_or(Ok(None))
        } else {
            answer.chunk().await
        };
        let Some(chunk) = chunk.map_err(closed)? else {
            break;
        };
        events.feed(&chunk);
        while let Some(event) = events.next().map_err(|_| too_large())? {
            if let Some(id) = event.id {
                place.last = (!id.is_empty()).then_some(id);
            }
            if let Some(pause) = event.retry {
                place.pause = pause.min(LONGEST_PAUSE);
            }
            let plain = event.kind.is_none_or(|kind| kind == "message");
            if plain && !event.data.is_empty() {
                place.messages += 1;
                hand_on(upstream, event.data);
                // Who is told gets a turn.
                tokio::task::yield_now().await;
            }
        }
    }
    Ok(())
}
