//! What there is: agents, and what happened to one.

use app::App;
use serde_json::{Value, json};
use wire::{
    agent::{AgentId, AgentList, AgentState, AgentView},
    failure::Failure,
    log::LogLines,
};

use crate::{commands::call, print};

/// `agent ls`.
pub async fn agents(app: &App, json: bool) -> Result<u8, Failure> {
    let list: AgentList = call(app, "agent_list", Value::Null).await?;
    if json {
        print::json(&list);
        return Ok(0);
    }
    if list.agents.is_empty() {
        print::note("No agents.");
    }
    list.agents.iter().for_each(|view| print::row(&row(view)));
    for name in &list.odd {
        print::note(&format!(
            "The container {name} has an agent's labels and isn't one."
        ));
    }
    Ok(0)
}

fn row(view: &AgentView) -> String {
    let title = view.title.as_deref().unwrap_or_default();
    let state = match &view.state {
        AgentState::Waiting { on } => format!("waiting for {}", on.word()),
        AgentState::Exited { code: Some(code) } => format!("exited ({code})"),
        state => state.word().to_owned(),
    };
    format!(
        "{:<12} {:<10} {state:<22} {:<24} {title}",
        view.id.as_str(),
        view.tool,
        view.image
    )
}

/// `agent logs`.
pub async fn logs(app: &App, id: &AgentId, tail: u32, json: bool) -> Result<u8, Failure> {
    let request = json!({ "id": id, "lines": tail });
    let log: LogLines = call(app, "agent_logs", request).await?;
    match json {
        true => print::json(&log),
        false => log.lines.iter().for_each(|line| print::line(line)),
    }
    Ok(0)
}

/// Says whose turn it was.
pub fn done(id: &str, json: bool) {
    match json {
        true => print::json(&json!({ "id": id })),
        false => print::line(id),
    }
}
