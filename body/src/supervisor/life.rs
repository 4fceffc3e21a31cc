//! One service's task: waits for what it needs, starts it (or adopts it where it runs already), and
//! starts it again when it ends, or doesn't respond any more.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use wire::{
    body::ServiceState,
    table::{TableAnswer, TableEntry, TableRequest},
};

use super::{
    backoff::Backoff,
    keeper::{Keeper, log_file},
    service::{Probe, Service},
    table::TableError,
};
use crate::{
    clock::Instant,
    liveness::{self, Asked, Looks, Turn},
};

const PROBE_EVERY: Duration = Duration::from_millis(10);
/// Looks that a service has for an answer.
const LOOKS: u32 = 15;
/// What a program that can't be started is said to have ended with, as shells have it.
const NOT_STARTED: i32 = 127;

/// What a service's task is told.
pub enum Order {
    /// A process of this name ended.
    Ended(TableEntry),
    /// End it and start it again; answered when it is ready.
    Restart(oneshot::Sender<()>),
}

/// How one life of a service went.
struct Life {
    exit: i32,
    /// How long it had been ready.
    ready: Option<Duration>,
    /// It was asked for.
    asked: bool,
}

/// Keeps a service for ever.
pub async fn keep(
    keeper: &Keeper,
    service: &Service,
    adopted: Option<TableEntry>,
    mut orders: mpsc::Receiver<Order>,
) {
    let mut adopted = adopted;
    let mut backoff = Backoff::default();
    let mut waiting = Vec::new();
    loop {
        for name in &service.after {
            if let Some(needed) = keeper.ready(name) {
                // We hold the sender.
                let _ = needed.subscribe().wait_for(|ready| *ready).await;
            }
        }
        let adopted = adopted.take();
        let life = match live(keeper, service, adopted, &mut orders, &mut waiting).await {
            Ok(life) => life,
            Err(error) => {
                tracing::error!(service = service.name, %error, "{} could not be started", service.name);
                Life {
                    exit: NOT_STARTED,
                    ready: None,
                    asked: false,
                }
            }
        };
        if let Some(ready) = keeper.ready(&service.name) {
            ready.send_replace(false);
        }
        let wait = if life.asked {
            Duration::ZERO
        } else {
            tracing::warn!(
                service = service.name,
                exit = life.exit,
                "{} ended and starts again",
                service.name
            );
            backoff.after(life.ready)
        };
        keeper.set(&service.name, |status| {
            let retry_in_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            status.state = ServiceState::Backoff { retry_in_ms };
            status.last_exit = Some(life.exit);
            status.restarts += 1;
        });
        let pause = tokio::time::sleep(wait);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                order = orders.recv() => match order {
                    Some(Order::Restart(done)) => {
                        waiting.push(done);
                        // What it left may be why it can't start: processes up to the limit.
                        keeper.end(service).await;
                        break;
                    }
                    Some(Order::Ended(_)) => {}
                    None => std::future::pending().await,
                }
            }
        }
    }
}

/// One life, from its start (or where it was found) to its end.
async fn live(
    keeper: &Keeper,
    service: &Service,
    adopted: Option<TableEntry>,
    orders: &mut mpsc::Receiver<Order>,
    waiting: &mut Vec<oneshot::Sender<()>>,
) -> Result<Life, TableError> {
    let (pid, since_ms) = match adopted {
        Some(entry) => (entry.pid, entry.started_at_ms),
        None => (spawn(keeper, service).await?, keeper.clock().unix_ms()),
    };
    keeper.set(&service.name, |status| {
        status.state = ServiceState::Starting { pid, since_ms }
    });
    let probing = probe(&service.probe);
    tokio::pin!(probing);
    let mut looks = Looks::new(pid, LOOKS);
    let mut ready: Option<Instant> = None;
    let mut asked = false;
    loop {
        tokio::select! {
            turn = looks.next(|| question(&service.probe), || false), if service.is_watched && ready.is_some() => {
                take_turn(keeper, service, turn).await;
            }
            () = &mut probing, if ready.is_none() => {
                ready = Some(keeper.clock().now());
                keeper.set(&service.name, |status| status.state = ServiceState::Ready { pid, since_ms });
                if let Some(ready) = keeper.ready(&service.name) {
                    ready.send_replace(true);
                }
                for done in waiting.drain(..) {
                    // Who asked may have gone.
                    let _ = done.send(());
                }
            }
            order = orders.recv() => match order {
                Some(Order::Ended(entry)) if entry.pid == pid => return Ok(Life {
                    exit: entry.exit.unwrap_or(-1),
                    ready: ready.map(|at| at.elapsed()),
                    asked,
                }),
                Some(Order::Ended(_)) => {}
                Some(Order::Restart(done)) => {
                    waiting.push(done);
                    asked = true;
                    keeper.end(service).await;
                }
                None => std::future::pending().await,
            }
        }
    }
}

/// It responds no more, or again. One that is given up is ended, and starts again as after any end.
async fn take_turn(keeper: &Keeper, service: &Service, turn: Turn) {
    let name = &service.name;
    match turn {
        Turn::Silent => {
            tracing::warn!(service = name, "{name} is not responding");
            keeper.set_responding(name, false);
        }
        Turn::Answers => {
            tracing::info!(service = name, "{name} is responding again");
            keeper.set_responding(name, true);
        }
        Turn::Lost => {
            tracing::warn!(
                service = name,
                "{name} is still not responding and is ended"
            );
            keeper.end(service).await;
        }
    }
}

async fn probe(probe: &Probe) {
    if let Probe::Display(path) = probe {
        while !liveness::greets(path).await {
            tokio::time::sleep(PROBE_EVERY).await;
        }
    }
}

/// What one that is ready is asked now and then.
fn question(probe: &Probe) -> Asked {
    match probe {
        Probe::Running => liveness::nothing(),
        Probe::Display(path) => {
            let path = path.clone();
            Box::pin(async move { liveness::greets(&path).await })
        }
    }
}

async fn spawn(keeper: &Keeper, service: &Service) -> Result<i32, TableError> {
    for path in &service.leftovers {
        let _ = std::fs::remove_file(path);
    }
    let request = TableRequest::Start {
        name: service.name.clone(),
        argv: service.argv.clone(),
        env: service
            .env
            .clone()
            .into_iter()
            .chain((service.secrets)())
            .collect(),
        cwd: crate::paths::home().display().to_string(),
        log: log_file(&service.name).display().to_string(),
        with_group: service.takes_group,
    };
    match keeper.table.ask(&request).await? {
        TableAnswer::Started { pid } => Ok(pid),
        other => Err(TableError::Refused(format!(
            "unexpected response: {other:?}"
        ))),
    }
}
