//! `vivarium agent`: AI coding tools in containers of their own, from the command line.
//!
//! - `arguments`: its shape; `run` has that of `vivarium agent run`
//! - `attach`, `lists`, `images`, `work`: terminals, lists, tools with their images, and what agents made

mod arguments;
mod attach;
mod images;
mod lists;
mod run;
mod work;

use app::App;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use wire::{
    advice::Advice,
    agent::{AgentId, AgentList, AgentMergeRequest, AgentView, AgentsCleaned, KeepAgent},
    failure::{Failure, FailureCode},
};

pub use arguments::AgentCommand;
use arguments::Answer;

use crate::{commands::call, print};

/// The most that is read of a prompt on stdin.
const MOST_PROMPT_BYTES: u64 = 2 << 20;

/// Carries one of them out; answers the exit code.
///
/// # Errors
/// The app's.
pub async fn carry_out(app: &App, command: AgentCommand, json: bool) -> Result<u8, Failure> {
    match command {
        AgentCommand::Run(asked) => run::run(app, asked, json).await,
        AgentCommand::Tools => images::tools(app, json).await,
        AgentCommand::Images { command } => images::images(app, command, json).await,
        AgentCommand::Workspace { command } => images::workspace(app, command, json).await,
        AgentCommand::Ls => lists::agents(app, json).await,
        AgentCommand::Attach { id, read_only } => attach::attach(app, &read(&id)?, read_only).await,
        AgentCommand::Send { id, text } => {
            let text = match text.as_slice() {
                [dash] if dash == "-" => stdin().await?,
                words => words.join(" "),
            };
            let request = json!({ "id": read(&id)?, "text": text });
            call::<Value>(app, "agent_send", request).await?;
            Ok(0)
        }
        AgentCommand::Answer {
            id,
            answer,
            ask,
            message,
        } => {
            let id = read(&id)?;
            let ask = match ask {
                Some(ask) => ask,
                None => oldest_ask(app, &id).await?,
            };
            let allow = answer == Answer::Allow;
            let request = json!({ "id": id, "ask": ask, "allow": allow, "message": message });
            call::<Value>(app, "agent_answer", request).await?;
            Ok(0)
        }
        AgentCommand::Diff { id, stat } => work::diff(app, &read(&id)?, stat, json).await,
        AgentCommand::Merge {
            id,
            into,
            create,
            style,
            message,
            reviewed,
            yes,
        } => {
            let request = AgentMergeRequest {
                id: read(&id)?,
                into,
                reviewed: reviewed.unwrap_or_default(),
                create,
                style: style.into(),
                message,
            };
            work::merge(app, request, yes, json).await
        }
        AgentCommand::Patch { id, output } => work::patch(app, &read(&id)?, output, json).await,
        AgentCommand::Discard { ids, yes } => {
            let ids = ids.iter().map(|id| read(id));
            let ids: Vec<AgentId> = ids.collect::<Result<_, _>>()?;
            work::discard(app, &ids, yes, json).await
        }
        AgentCommand::Logs { id, tail } => lists::logs(app, &read(&id)?, tail, json).await,
        AgentCommand::Stop { ids, rm } => {
            let keep = match rm {
                true => KeepAgent::Nothing,
                false => KeepAgent::All,
            };
            for id in ids {
                let request = json!({ "id": read(&id)?, "keep": keep });
                call::<Value>(app, "agent_stop", request).await?;
                lists::done(&id, json);
            }
            Ok(0)
        }
        AgentCommand::Resume { id } => {
            let request = json!({ "id": read(&id)? });
            let view: AgentView = call(app, "agent_resume", request).await?;
            shown(&view, json)
        }
        AgentCommand::Rm { ids } => {
            for id in ids {
                call::<Value>(app, "agent_remove", json!({ "id": read(&id)? })).await?;
                lists::done(&id, json);
            }
            Ok(0)
        }
        AgentCommand::Clean => {
            let cleaned: AgentsCleaned = call(app, "agent_clean", Value::Null).await?;
            match json {
                true => print::json(&cleaned),
                false => print::line(&format!(
                    "Removed {} and their network.",
                    print::count(cleaned.count.into(), "agent")
                )),
            }
            Ok(0)
        }
    }
}

fn shown(view: &AgentView, json: bool) -> Result<u8, Failure> {
    match json {
        true => print::json(view),
        false => print::line(view.id.as_str()),
    }
    Ok(0)
}

/// The number of what an agent has asked for longest.
async fn oldest_ask(app: &App, id: &AgentId) -> Result<u64, Failure> {
    let list: AgentList = call(app, "agent_list", Value::Null).await?;
    let agent = list.agents.iter().find(|agent| agent.id == *id);
    let Some(agent) = agent else {
        let failure = Failure::new(FailureCode::NotFound, format!("Agent {id} not found"));
        return Err(failure.next(Advice::CheckName));
    };
    match agent.asks.first() {
        Some(ask) => Ok(ask.id),
        None => {
            let message = format!("Agent {id} asks for nothing that can be answered from here");
            Err(Failure::new(FailureCode::Invalid, message)
                .because(format!("its state is {}", agent.state.word()))
                .next(Advice::text(format!(
                    "Look at its terminal: vivarium agent attach {id}"
                ))))
        }
    }
}

/// The id that a person gave, or the name of its container.
fn read(text: &str) -> Result<AgentId, Failure> {
    let id = AgentId::of_container(text).map_or_else(|| text.parse(), Ok);
    id.map_err(|error| Failure::new(FailureCode::Invalid, error.to_string()))
}

async fn stdin() -> Result<String, Failure> {
    let mut text = String::new();
    let mut stdin = tokio::io::stdin().take(MOST_PROMPT_BYTES);
    stdin.read_to_string(&mut text).await.map_err(|error| {
        Failure::new(
            FailureCode::Invalid,
            "The prompt could not be read from stdin",
        )
        .because(error.to_string())
    })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_named_by_its_id_or_its_container() {
        for text in ["a1", "tmux-agent-a1"] {
            assert_eq!(read(text).unwrap().as_str(), "a1");
        }
        assert!(read("../a1").is_err());
    }
}
