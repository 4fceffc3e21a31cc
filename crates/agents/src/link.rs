//! The conversation with an agent's helper: one exec of `sandbox-init`, in which everything else is a stream.
//! When it ends, by whatever, the agent's terminal goes on, and it is begun again.

use std::{collections::BTreeMap, sync::Arc};

use agent_status::{MOST_LINE_BYTES, Snapshot, ToHelper, read_line, write_line};
use containers::Engine;
use frames::{
    Name,
    message::{Command, Event, Exec, Request},
};
use init_client::{Call, INIT_PROGRAM, Opening, Piece, Session, SessionEnd, Transport};
use tokio::sync::mpsc;
use wire::agent::AgentState;

use crate::{
    agent::{Agent, Life, Link},
    container::{HOME, KEYS_FILE, RUN_FOLDER, SOCKET, WORKSPACE},
    error::AgentError,
    home_files,
    settings::KeySource,
};

/// What waits to be said to a helper.
const WAITING: usize = 64;

/// Speaks with an agent's helper until the conversation ends; why it did.
pub(crate) async fn speak(
    engine: &Engine,
    agent: &Arc<Agent>,
    keys: &Arc<dyn KeySource>,
    changed: &(dyn Fn() + Send + Sync),
) -> Result<SessionEnd, AgentError> {
    let name = agent.about.id.container();
    let roots = [
        INIT_PROGRAM,
        "--root",
        HOME,
        "--root",
        WORKSPACE,
        "--root",
        RUN_FOLDER,
    ];
    let attached = engine.exec_attached(&name, &roots).await?;
    let opened = Session::open(Transport::from(attached), Opening::First).await;
    let (session, _) = opened.map_err(|end| agent.helper_error(end.to_string()))?;
    let said = follow(&session, agent, keys, changed).await;
    session.close().await;
    said.map_err(|end| agent.helper_error(end.to_string()))
}

async fn follow(
    session: &Session,
    agent: &Arc<Agent>,
    keys: &Arc<dyn KeySource>,
    changed: &(dyn Fn() + Send + Sync),
) -> Result<SessionEnd, SessionEnd> {
    let call = Call::new(
        session,
        Request::Exec(argv(&[INIT_PROGRAM, "join", SOCKET], true)),
    )?;
    send(&call, &ToHelper::Follow).await?;
    let (helper, mut said) = mpsc::channel(WAITING);
    let link = Link {
        session: session.clone(),
        helper: helper.clone(),
    };
    let hears = async {
        let mut lines = Vec::new();
        let mut has_begun = false;
        loop {
            match call.next().await? {
                None => return Ok(SessionEnd("the helper closed the connection".into())),
                Some(Piece::Event(Event::Exited(_))) => {
                    return Ok(SessionEnd("the helper ended".into()));
                }
                Some(Piece::Event(_)) => continue,
                Some(Piece::Data(data)) => lines.extend_from_slice(&data),
            }
            while let Some(end) = lines.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = lines.drain(..=end).collect();
                let Some(snapshot) = read_line::<Snapshot>(&line) else {
                    return Err(SessionEnd("the helper said what can't be read".into()));
                };
                let snapshot = snapshot.within_bounds();
                agent.snapshot.send_replace(known(agent, snapshot.clone()));
                // Only what is spoken with is taken for one that runs.
                agent.life.send_if_modified(|life| {
                    let is_new = matches!(life, Life::Detached);
                    if is_new {
                        *life = Life::Running(link.clone());
                    }
                    is_new
                });
                changed();
                if !has_begun {
                    has_begun = begin(session, agent, keys, &snapshot, &helper).await?;
                }
            }
            if lines.len() > MOST_LINE_BYTES {
                return Err(SessionEnd("the helper said too much at once".into()));
            }
        }
    };
    let says = async {
        while let Some(what) = said.recv().await {
            send(&call, &what).await?;
        }
        Ok(SessionEnd("nobody speaks with it now".into()))
    };
    tokio::select! {
        ended = hears => ended,
        ended = says => ended,
        end = session.over() => Ok(end),
    }
}

/// What the helper said. One that nobody told what to run waits in vain.
fn known(agent: &Agent, mut snapshot: Snapshot) -> Snapshot {
    let mut launch = agent.launch.lock();
    if snapshot.launched {
        *launch = None;
    } else if launch.is_none() {
        snapshot.state = AgentState::Failed {
            reason: "its start was interrupted before it knew what to run: remove it".into(),
        };
    }
    snapshot
}

/// Tells the helper what to run, and brings the keys, if it waits for that; whether it did.
async fn begin(
    session: &Session,
    agent: &Arc<Agent>,
    keys: &Arc<dyn KeySource>,
    snapshot: &Snapshot,
    helper: &mpsc::Sender<ToHelper>,
) -> Result<bool, SessionEnd> {
    // Whoever makes the agent may still be putting its files there.
    let mut is_filled = agent.is_filled.subscribe();
    drop(is_filled.wait_for(|is_filled| *is_filled).await);
    let launch = agent.launch.lock().clone();
    let what = match launch {
        Some(launch) if !snapshot.launched => ToHelper::Launch(Box::new(launch)),
        _ if snapshot.waits_for_keys => ToHelper::Begin,
        _ => return Ok(false),
    };
    if !agent.about.made.keys.is_empty() {
        bring_keys(session, &agent.about.made.keys, keys).await?;
    }
    let sent = helper.try_send(what);
    sent.map_err(|_| SessionEnd("the helper takes nothing".into()))?;
    Ok(true)
}

/// Puts the keys' values where the helper finds them, in memory.
async fn bring_keys(
    session: &Session,
    names: &[String],
    keys: &Arc<dyn KeySource>,
) -> Result<(), SessionEnd> {
    let (names, keys) = (names.to_vec(), Arc::clone(keys));
    let values = tokio::task::spawn_blocking(move || {
        let found = names
            .into_iter()
            .filter_map(|name| Some((name.clone(), keys.value(&name)?)));
        found.collect::<BTreeMap<String, String>>()
    });
    let values = values
        .await
        .map_err(|error| SessionEnd(error.to_string()))?;
    let bytes = serde_json::to_vec(&values).map_err(|error| SessionEnd(error.to_string()))?;
    home_files::put(session, KEYS_FILE, &bytes).await
}

async fn send(call: &Call, said: &ToHelper) -> Result<(), SessionEnd> {
    let line = write_line(said).map_err(|error| SessionEnd(error.to_string()))?;
    match call.send(&line).await {
        true => Ok(()),
        false => Err(SessionEnd("the helper takes nothing".into())),
    }
}

/// A program with its arguments.
pub(crate) fn argv(words: &[&str], input: bool) -> Exec {
    let words = words.iter().map(|word| Name::from(*word)).collect();
    Exec {
        input,
        ..Exec::new(Command::Argv(words))
    }
}
