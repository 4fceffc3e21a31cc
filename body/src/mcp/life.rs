//! Keeps one process: starts it when it is needed, begins the conversation, starts it again when
//! it ends, and ends it.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};

use super::{
    lines::{Line, Lines},
    message::{Answer, LARGEST},
    process::{self, Process},
    upstream::{Hello, Order, State, Upstream},
};
use crate::supervisor::backoff::Backoff;

/// Time to answer `initialize`.
const HELLO: Duration = Duration::from_secs(60);
/// Time to end after its input closed and it was asked to.
const GRACE: Duration = Duration::from_secs(2);
/// What a process that ended wrote last is read for so long, and one that closed its output may
/// take as long to end by itself.
const DRAIN: Duration = Duration::from_millis(500);
/// Messages read or written at once.
const BATCH: usize = 64;

/// How one life went.
struct Life {
    exit: Option<i32>,
    ready: Option<Duration>,
    order: Option<Order>,
    problem: Option<String>,
}

/// Keeps a process until it is stopped.
pub async fn keep(upstream: Arc<Upstream>, mut orders: mpsc::UnboundedReceiver<Order>) {
    let stop = upstream.core.common.stop.clone();
    let mut backoff = Backoff::default();
    let mut at_once = false;
    loop {
        while !at_once {
            tokio::select! {
                () = stop.cancelled() => return over(&upstream),
                () = upstream.wanted.notified() => at_once = true,
                order = orders.recv() => match order {
                    Some(Order::Restart) => at_once = true,
                    Some(Order::Halt) if upstream.core.enabled() => {}
                    Some(Order::Halt) => upstream.close(None, None, false),
                    Some(Order::Stop) | None => return over(&upstream),
                },
            }
        }
        at_once = false;
        if !upstream.core.enabled() {
            upstream.close(None, Some(upstream.core.says("is turned off")), true);
            upstream.set(State::Idle);
            continue;
        }
        if !process::exists(&upstream.core.entry()) {
            let problem = upstream
                .core
                .says("can't be started: its program is not in the machine");
            upstream.close(None, Some(problem), true);
            upstream.set(State::Missing);
            continue;
        }
        let life = live(&upstream, &mut orders).await;
        match life.order {
            Some(Order::Stop) => {
                upstream.close(life.exit, None, false);
                return over(&upstream);
            }
            Some(Order::Halt) => {
                upstream.table().last_exit = life.exit;
                upstream.set(State::Idle);
                continue;
            }
            Some(Order::Restart) => {
                upstream.table().last_exit = life.exit;
                at_once = true;
                continue;
            }
            None => {}
        }
        let failed = life.ready.is_none();
        if let Some(problem) = &life.problem {
            tracing::warn!(server = &*upstream.core.name, problem);
        }
        let wait = backoff.after(life.ready);
        // Told before what waits hears of it.
        let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        upstream.close(life.exit, life.problem, failed);
        upstream.set(State::Backoff { retry_in_ms });
        tokio::select! {
            () = stop.cancelled() => return over(&upstream),
            () = tokio::time::sleep(wait) => {
                // One that never ran is tried again when somebody wants it: no crash loop.
                at_once = !failed && !upstream.sessions().is_empty();
            }
            order = orders.recv() => match order {
                Some(Order::Restart) => at_once = true,
                Some(Order::Halt) => {}
                Some(Order::Stop) | None => return over(&upstream),
            },
        }
        if !at_once {
            upstream.set(State::Idle);
        }
    }
}

fn over(upstream: &Upstream) {
    let problem = Some(upstream.core.says("was stopped"));
    upstream.close(None, problem, true);
    upstream.set(State::Over);
}

async fn live(upstream: &Arc<Upstream>, orders: &mut mpsc::UnboundedReceiver<Order>) -> Life {
    let core = &upstream.core;
    let mut life = Life {
        exit: None,
        ready: None,
        order: None,
        problem: None,
    };
    let (mut process, stdin, stdout) = match Process::start(&core.entry(), &core.log()) {
        Ok(started) => started,
        Err(error) => {
            life.exit = Some(127);
            life.problem = Some(core.says(&format!("could not be started: {error}")));
            return life;
        }
    };
    upstream.begin(process.pid);
    let (line, inbox) = mpsc::unbounded_channel();
    let (opening, answer) = upstream.opening();
    upstream.unsent.fetch_add(opening.len(), Ordering::Relaxed);
    let _ = line.send(opening);
    let mut line = Some(line);
    let mut ready: Option<Instant> = None;
    let mut ended = None;
    let mut closed = false;
    {
        let writing = write(upstream, stdin, inbox);
        let reading = read(upstream, Lines::new(stdout, LARGEST));
        let opened = tokio::time::timeout(HELLO, answer);
        tokio::pin!(writing, reading, opened);
        loop {
            tokio::select! {
                () = &mut reading => {
                    closed = true;
                    break;
                }
                exit = process.ended() => {
                    ended = Some(exit);
                    break;
                }
                // It reads no more; what it says is still heard.
                () = &mut writing => {
                    closed = true;
                    break;
                }
                answer = &mut opened, if ready.is_none() && line.is_some() => {
                    let hello = match answer {
                        Ok(Ok(answer)) => hello(&answer),
                        Ok(Err(_)) => Err("ended".to_owned()),
                        Err(_) => Err(format!("did not answer initialize within {} s", HELLO.as_secs())),
                    };
                    match (hello, line.take()) {
                        (Ok(hello), Some(line)) => {
                            ready = Some(Instant::now());
                            upstream.open(line, process.pid, hello);
                            core.refresh(upstream);
                        }
                        (Err(problem), _) => {
                            life.problem = Some(core.says(&format!("could not be started: it {problem}")));
                            break;
                        }
                        _ => break,
                    }
                }
                order = orders.recv() => {
                    let order = order.unwrap_or(Order::Stop);
                    // It may have been turned on again meanwhile.
                    if order != Order::Halt || !core.enabled() {
                        life.order = Some(order);
                        break;
                    }
                }
                () = core.common.stop.cancelled() => {
                    life.order = Some(Order::Stop);
                    break;
                }
            }
        }
        if closed && life.problem.is_none() {
            // Mostly it is on its way out.
            ended = tokio::time::timeout(DRAIN, process.ended()).await.ok();
        }
        if ended.is_some() {
            // Its last answers may still be in the pipe.
            if !closed {
                let _ = tokio::time::timeout(DRAIN, &mut reading).await;
            }
        }
    }
    if matches!(life.order, Some(Order::Halt | Order::Restart)) {
        // What is asked from now on is asked of the life to come.
        upstream.close(None, None, false);
    }
    // Its pipes are closed by now: the polite way to ask it to end.
    let exit = process.end(GRACE).await;
    life.exit = Some(ended.unwrap_or(exit));
    life.ready = ready.map(|at| at.elapsed());
    if life.order.is_none() && life.problem.is_none() {
        let how = if closed && ended.is_none() {
            "closed its output".to_owned()
        } else {
            format!("ended (exit code {})", ended.unwrap_or(exit))
        };
        life.problem = Some(if ready.is_some() {
            core.says(&format!("{how} before it answered, and is started again"))
        } else {
            core.says(&format!(
                "could not be started: it {how}; its log tells more"
            ))
        });
    }
    life
}

async fn read(upstream: &Arc<Upstream>, mut lines: Lines<tokio::process::ChildStdout>) {
    let mut at_once = 0;
    while let Ok(Some(line)) = lines.next().await {
        let large = matches!(&line, Line::Whole(text) if text.len() > 1 << 20);
        upstream.received(line);
        at_once += 1;
        if large || at_once == BATCH {
            // Who is to be told gets a turn, and so do the neighbours.
            at_once = 0;
            tokio::task::yield_now().await;
        }
    }
}

async fn write(
    upstream: &Upstream,
    mut to: impl AsyncWrite + Unpin,
    mut inbox: mpsc::UnboundedReceiver<Bytes>,
) {
    let mut texts: Vec<Bytes> = Vec::with_capacity(BATCH);
    let mut joined = BytesMut::new();
    while inbox.recv_many(&mut texts, BATCH).await > 0 {
        for text in texts.drain(..) {
            let size = text.len();
            let written = if size > 64 << 10 {
                to.write_all(&joined).await.and(to.write_all(&text).await)
            } else {
                joined.extend_from_slice(&text);
                joined.extend_from_slice(b"\n");
                upstream.unsent.fetch_sub(size, Ordering::Relaxed);
                continue;
            };
            joined.clear();
            joined.extend_from_slice(b"\n");
            upstream.unsent.fetch_sub(size, Ordering::Relaxed);
            if written.is_err() {
                return;
            }
        }
        if to.write_all(&joined).await.is_err() || to.flush().await.is_err() {
            return;
        }
        joined.clear();
    }
}

fn hello(answer: &Answer) -> Result<Hello, String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Read<'a> {
        protocol_version: String,
        #[serde(default)]
        capabilities: Value,
        #[serde(default)]
        server_info: Value,
        #[serde(borrow)]
        instructions: Option<&'a RawValue>,
    }
    let result = answer.payload();
    if answer.is_error {
        return Err(format!(
            "refused initialize: {}",
            String::from_utf8_lossy(&result)
        ));
    }
    let read: Read<'_> = serde_json::from_slice(&result)
        .map_err(|error| format!("answered initialize with something else: {error}"))?;
    let instructions = read.instructions;
    Ok(Hello {
        version: read.protocol_version,
        capabilities: read.capabilities,
        server_info: read.server_info,
        instructions: instructions.and_then(|text| serde_json::from_str(text.get()).ok()),
        result,
    })
}
