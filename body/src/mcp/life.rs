//! Keeps one process: starts it when it is needed, begins the conversation, starts it again when
//! it ends or doesn't respond any more, and ends it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::{Value, value::RawValue};
use tokio::sync::{mpsc, oneshot};

use super::{
    link::Link,
    message::Answer,
    process, server_without_sessions,
    upstream::{Hello, Order, State, To, Upstream},
};
use crate::{
    liveness::{Asked, Looks},
    proc,
    supervisor::backoff::Backoff,
};

/// Looks that a server has for an answer to a ping.
const LOOKS: u32 = 30;

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
                .says("can't be started: its program was not found in the machine");
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
    let mut link = match Link::open(core) {
        Ok(link) => link,
        Err(problem) => {
            life.exit = core.entry().url.is_none().then_some(127);
            life.problem = Some(core.says(&format!("could not be started: {problem}")));
            return life;
        }
    };
    let pid = link.pid();
    let limits = &core.common.limits;
    let patience = match pid {
        Some(_) => limits.start,
        None => limits.start_elsewhere,
    };
    upstream.begin(pid);
    let (line, inbox) = mpsc::unbounded_channel();
    let (opening, answer) = upstream.opening();
    upstream.unsent.fetch_add(opening.len(), Ordering::Relaxed);
    let _ = line.send(opening);
    let mut line = Some(line);
    let mut ready: Option<Instant> = None;
    let mut broken = None;
    let mut silence = pid.and_then(|pid| i32::try_from(pid).ok()).map(Silence::of);
    // Why the server refused `initialize`, which one without sessions does.
    let mut refused: Option<NoHello> = None;
    {
        let carrying = link.carry(upstream, inbox);
        let opened = tokio::time::timeout(patience, answer);
        tokio::pin!(carrying, opened);
        loop {
            tokio::select! {
                how = &mut carrying => {
                    broken = Some(how);
                    break;
                }
                answer = &mut opened, if ready.is_none() && line.is_some() => {
                    let hello = match answer {
                        Ok(Ok(answer)) if refused.is_some() => server_without_sessions::hello(&answer)
                            // What it said first is what a person can do something about.
                            .map_err(|_| refused.take().unwrap_or(NoHello::Ended)),
                        Ok(Ok(answer)) => hello(&answer),
                        Ok(Err(_)) => Err(NoHello::Ended),
                        Err(_) => Err(NoHello::Late(patience)),
                    };
                    let is_refused = matches!(hello, Err(NoHello::Refused(_)));
                    if is_refused
                        && !upstream.is_stateless()
                        && let Some(line) = &line
                    {
                        refused = hello.err();
                        let (text, answer) = upstream.discovering();
                        upstream.unsent.fetch_add(text.len(), Ordering::Relaxed);
                        let _ = line.send(text);
                        opened.set(tokio::time::timeout(patience, answer));
                        continue;
                    }
                    match (hello, line.take()) {
                        (Ok(hello), Some(line)) => {
                            ready = Some(Instant::now());
                            let instructions = hello.instructions.clone();
                            upstream.open(line, pid, hello);
                            core.introduced(upstream, instructions);
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
                why = silent(silence.as_mut(), upstream), if ready.is_some() => {
                    life.problem = Some(core.says(&format!("is not responding ({why}), and is being restarted")));
                    break;
                }
                () = core.common.stop.cancelled() => {
                    life.order = Some(Order::Stop);
                    break;
                }
            }
        }
    }
    if matches!(life.order, Some(Order::Halt | Order::Restart)) {
        // What is asked from now on is asked of the life to come.
        upstream.close(None, None, false);
    }
    life.ready = ready.map(|at| at.elapsed());
    if let (Some(broken), None) = (&broken, &life.problem) {
        life.problem = Some(link.problem(core, &broken.how, ready.is_some()));
    }
    let exit = link.end().await;
    life.exit = broken.and_then(|broken| broken.exit).or(exit);
    life
}

/// Looks at a process that is ready.
struct Silence {
    group: i32,
    looks: Looks,
    /// It has answered a ping: one that never does is not asked for more than that.
    answers: Arc<AtomicBool>,
}

impl Silence {
    fn of(group: i32) -> Self {
        Self {
            group,
            looks: Looks::new(group, LOOKS),
            answers: Arc::default(),
        }
    }
}

/// Waits until a process doesn't respond, and says why; for ever for a server elsewhere.
async fn silent(silence: Option<&mut Silence>, upstream: &Arc<Upstream>) -> &'static str {
    let Some(Silence {
        group,
        looks,
        answers,
    }) = silence
    else {
        return std::future::pending().await;
    };
    let ask = || -> Asked {
        let (to, answer) = oneshot::channel();
        upstream.ask("ping", "{}", To::Us(to));
        let answers = Arc::clone(answers);
        Box::pin(async move {
            answers.fetch_or(answer.await.is_ok(), Ordering::Relaxed);
            true
        })
    };
    // A call may hold up all others for as long as it likes; but not one of a process that is stopped.
    let is_busy = || {
        let is_asked = upstream.in_flight() > 1 || !answers.load(Ordering::Relaxed);
        is_asked && !proc::is_any_stopped(*group)
    };
    looks.next(ask, is_busy).await;
    if proc::is_any_stopped(*group) {
        "its process is stopped"
    } else {
        "no response to a ping"
    }
}

/// Why a conversation did not begin, as "it …" goes on.
#[derive(Debug, thiserror::Error)]
enum NoHello {
    #[error("ended")]
    Ended,
    #[error("did not respond to initialize within {} s", .0.as_secs())]
    Late(Duration),
    #[error("rejected initialize: {0}")]
    Refused(String),
    #[error("sent an unexpected response to initialize: {0}")]
    Odd(#[from] serde_json::Error),
}

fn hello(answer: &Answer) -> Result<Hello, NoHello> {
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
        let words = String::from_utf8_lossy(&result).into_owned();
        return Err(NoHello::Refused(words));
    }
    let read: Read<'_> = serde_json::from_slice(&result)?;
    let instructions = read.instructions;
    Ok(Hello {
        version: read.protocol_version,
        capabilities: read.capabilities,
        server_info: read.server_info,
        instructions: instructions.and_then(|text| serde_json::from_str(text.get()).ok()),
        result,
    })
}
