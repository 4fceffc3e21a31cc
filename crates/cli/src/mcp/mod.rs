//! `vivarium mcp`: the machine's MCP servers, their tools, a call, what passes between them and
//! their clients.

mod arguments;
mod tool;

use std::{io::Read, time::Duration};

use app::App;
use serde_json::{Map, Value, json};
use wire::{
    advice::Advice,
    failure::{Failure, FailureCode},
    inspector::{McpAnswer, McpClient, McpConfiguration, McpSession},
    mcp::{
        McpDirection, McpFileProblem, McpServerState, McpServerStatus, McpStatus, McpTrace,
        McpTracePage,
    },
    stream::Event,
};

pub use self::arguments::McpCommand;
use self::tool::Named;
use crate::{commands::call, print};

/// Between two looks at the traces.
const LOOK: Duration = Duration::from_millis(300);
/// Pages of a list that are read at most.
const PAGES: usize = 1000;
/// The id of a call: no page of a list has it.
const CALL: u64 = PAGES as u64 + 1;

/// Carries out one of them.
pub async fn carry_out(app: &App, command: McpCommand, json: bool) -> Result<u8, Failure> {
    match command {
        McpCommand::List => list(app, json).await,
        McpCommand::Tools { server } => tools(app, server, json).await,
        McpCommand::Call { words, server } => call_tool(app, server, &words, json).await,
        McpCommand::Config { client, server } => config(app, client.into(), server, json).await,
        McpCommand::Trace { server, follow } => trace(app, server, follow, json).await,
    }
}

async fn list(app: &App, json: bool) -> Result<u8, Failure> {
    let status: McpStatus = call(app, "mcp_status", Value::Null).await?;
    if json {
        print::json(&status);
        return Ok(0);
    }
    let width = status.servers.iter().map(|server| server.name.len()).max();
    for server in &status.servers {
        let name = &server.name;
        print::row(&format!(
            "{name:<width$}  {}",
            words(server),
            width = width.unwrap_or(0)
        ));
    }
    for server in &status.servers {
        for remark in &server.remarks {
            print::note(&format!("{}: {remark}", server.name));
        }
    }
    for file in &status.files {
        if let Some(error) = &file.error {
            print::note(&format!("{}: {error}", file.path));
        }
        for problem in &file.problems {
            print::note(&format!("{}: {}", file.path, told_problem(problem)));
        }
    }
    Ok(0)
}

fn told_problem(problem: &McpFileProblem) -> String {
    let left_out = if problem.left_out { "not used: " } else { "" };
    match &problem.server {
        Some(server) => format!("{server:?}: {left_out}{}", problem.problem),
        None => format!("{left_out}{}", problem.problem),
    }
}

fn words(server: &McpServerStatus) -> String {
    let state = match server.state {
        McpServerState::Missing => "program not found".to_owned(),
        McpServerState::Disabled => "off".into(),
        McpServerState::Idle => "starts on first use".into(),
        McpServerState::Starting { pid: None, .. } => "connecting".into(),
        McpServerState::Ready { pid: None, .. } => "connected".into(),
        McpServerState::Starting { pid: Some(pid), .. } => format!("starting, process {pid}"),
        McpServerState::Ready { pid: Some(pid), .. } => format!("running, process {pid}"),
        McpServerState::Backoff { retry_in_ms } => {
            format!("exited, restarting in {} s", retry_in_ms.div_ceil(1000))
        }
    };
    match (server.calls, &server.problem) {
        (_, Some(problem)) => format!("{state} ({problem})"),
        (0, None) => state,
        (calls, None) => format!(
            "{state}, {}, {} failed",
            print::count(calls, "call"),
            server.errors
        ),
    }
}

async fn tools(app: &App, server: Option<String>, json: bool) -> Result<u8, Failure> {
    let session = open(app, server).await?;
    let listed = list_tools(app, &session).await;
    close(app, &session).await;
    for tool in listed? {
        if json {
            print::json(&tool);
        } else {
            let about = tool["description"].as_str().unwrap_or_default();
            let first = about.lines().next().unwrap_or_default();
            print::row(&format!("{}  {first}", name(&tool)));
        }
    }
    Ok(0)
}

fn name(tool: &Value) -> &str {
    tool["name"].as_str().unwrap_or_default()
}

/// All tools of a session.
async fn list_tools(app: &App, session: &McpSession) -> Result<Vec<Value>, Failure> {
    let mut tools = Vec::new();
    let mut cursor = Value::Null;
    for page in 0..PAGES {
        let params = if cursor.is_null() {
            json!({})
        } else {
            json!({ "cursor": cursor })
        };
        let mut answer = ask(app, session, page as u64 + 1, "tools/list", params).await?;
        if let Value::Array(more) = answer["tools"].take() {
            tools.extend(more);
        }
        let next = answer["nextCursor"].take();
        // A server that repeats itself has no more.
        if next.is_null() || next == cursor {
            break;
        }
        cursor = next;
    }
    Ok(tools)
}

async fn call_tool(
    app: &App,
    server: Option<String>,
    words: &[String],
    json: bool,
) -> Result<u8, Failure> {
    let servers = match &server {
        Some(_) => Vec::new(),
        None => {
            let status: McpStatus = call(app, "mcp_status", Value::Null).await?;
            let servers = status.servers.into_iter();
            servers.map(|server| server.name).collect::<Vec<_>>()
        }
    };
    let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
    let named = match (&server, words.split_first()) {
        (Some(server), Some((tool, arguments))) => Some((Named::Of { server, tool }, arguments)),
        _ => tool::named(words, &servers),
    };
    let Some((named, arguments)) = named else {
        return Err(Failure::new(FailureCode::Invalid, "No tool was named"));
    };
    let arguments = read_arguments(arguments)?;
    let mut events = app.subscribe(app.last_seq());
    let (session, tool) = match named {
        Named::Of { server, tool } => (open(app, Some(server.into())).await?, tool.to_owned()),
        Named::Any(word) => {
            let session = open(app, None).await?;
            let found = list_tools(app, &session).await.and_then(|tools| {
                let names: Vec<String> = tools.iter().map(|tool| name(tool).to_owned()).collect();
                tool::listed(&names, &servers, word).map(str::to_owned)
            });
            match found {
                Ok(tool) => (session, tool),
                Err(failure) => {
                    close(app, &session).await;
                    return Err(failure);
                }
            }
        }
    };
    let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": 1}});
    let answer = {
        let answer = ask(app, &session, CALL, "tools/call", params);
        tokio::pin!(answer);
        loop {
            tokio::select! {
                answer = &mut answer => break answer,
                event = events.next() => if let Some(event) = event {
                    progress(&event.event);
                },
                signal = tokio::signal::ctrl_c() => if signal.is_ok() {
                    let cancelled = json!({"method": "notifications/cancelled", "params": {"requestId": CALL}});
                    let tell = json!({"session": session.session, "message": cancelled});
                    let _: Result<Value, Failure> = app.rpc(None, "mcp_tell", tell).await;
                    close(app, &session).await;
                    return Err(Failure::new(FailureCode::Cancelled, "The call was cancelled"));
                }
            }
        }
    };
    close(app, &session).await;
    let result = answer?;
    if json {
        print::json(&result);
    } else {
        show(&result);
    }
    Ok(u8::from(result["isError"] == true))
}

/// Makes a token for another program, and prints what makes it a client.
async fn config(
    app: &App,
    client: McpClient,
    server: Option<String>,
    json: bool,
) -> Result<u8, Failure> {
    let request = json!({ "client": client, "server": server });
    let made: McpConfiguration = call(app, "mcp_configuration", request).await?;
    if json {
        print::json(&made);
    } else {
        print::note(&format!(
            "For {}. It contains the new token {:?}; vivarium token rm removes it.",
            made.place, made.token
        ));
        print::line(made.text.reveal());
    }
    Ok(0)
}

fn progress(event: &Event) {
    let Event::McpMessage { message, .. } = event else {
        return;
    };
    if message["method"] == "notifications/progress" {
        let params = &message["params"];
        print::note(&format!(
            "{}{} {}",
            params["progress"],
            params["total"]
                .as_f64()
                .map_or(String::new(), |total| format!(" of {total}")),
            params["message"].as_str().unwrap_or_default()
        ));
    }
}

/// Texts as they are; what can't be shown on a terminal in a word.
fn show(result: &Value) {
    for block in result["content"].as_array().into_iter().flatten() {
        match (block["type"].as_str(), block["text"].as_str()) {
            (Some("text"), Some(text)) => print::line(text),
            (Some("resource"), _) if block["resource"]["text"].is_string() => {
                print::line(block["resource"]["text"].as_str().unwrap_or_default());
            }
            (kind, _) => print::row(&format!(
                "({} {}, {} characters of base64; use --json to see it)",
                kind.unwrap_or("content"),
                block["mimeType"].as_str().unwrap_or_default(),
                block["data"].as_str().unwrap_or_default().len()
            )),
        }
    }
}

/// One JSON object, `-` for one on stdin, or `name=value` pairs, whose values are JSON where they
/// can be read so, and texts otherwise.
fn read_arguments(given: &[String]) -> Result<Value, Failure> {
    let invalid = |message: String| {
        Failure::new(FailureCode::Invalid, message).next(Advice::text(
            "Pass a JSON object or name=value pairs: vivarium mcp call run_shell command='ls -l'.",
        ))
    };
    let text = match given {
        [only] if only == "-" => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(|error| {
                    invalid("The arguments could not be read".into()).because(error.to_string())
                })?;
            text
        }
        [only] if only.trim_start().starts_with('{') => only.clone(),
        pairs => {
            let mut object = Map::new();
            for pair in pairs {
                let (name, value) = pair
                    .split_once('=')
                    .ok_or_else(|| invalid(format!("Expected NAME=VALUE, got {pair:?}")))?;
                let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
                object.insert(name.into(), value);
            }
            return Ok(object.into());
        }
    };
    match serde_json::from_str::<Value>(&text) {
        Ok(object @ Value::Object(_)) => Ok(object),
        Ok(_) => Err(invalid("The arguments must be a JSON object".into())),
        Err(error) => {
            Err(invalid("The arguments are not valid JSON".into()).because(error.to_string()))
        }
    }
}

/// What passed, then what passes, until Ctrl-C.
async fn trace(app: &App, server: Option<String>, follow: bool, json: bool) -> Result<u8, Failure> {
    let mut after = 0;
    loop {
        let query = json!({"after": after, "server": server});
        let page: McpTracePage = call(app, "mcp_traces", query).await?;
        // A machine that was started anew counts from 1 again.
        after = page.last;
        for trace in &page.events {
            if json {
                print::json(trace);
            } else {
                print::row(&told(trace));
            }
        }
        if !follow {
            return Ok(0);
        }
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(0),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn told(trace: &McpTrace) -> String {
    let arrow = match trace.direction {
        McpDirection::ClientToServer => "->",
        McpDirection::ServerToClient => "<-",
    };
    let kind = serde_json::to_value(trace.kind).unwrap_or_default();
    let message = match &trace.message {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    format!(
        "{} {arrow} {} {} {}{} {message}",
        trace.seq,
        trace.server,
        kind.as_str().unwrap_or_default(),
        trace.method.as_deref().unwrap_or_default(),
        trace
            .duration_ms
            .map_or(String::new(), |ms| format!(" {ms:.1} ms")),
    )
}

async fn open(app: &App, server: Option<String>) -> Result<McpSession, Failure> {
    call(app, "mcp_open", json!({ "server": server })).await
}

async fn close(app: &App, session: &McpSession) {
    // The relay forgets it by itself, later.
    let _: Result<Value, Failure> = app
        .rpc(None, "mcp_close", json!({ "session": session.session }))
        .await;
}

async fn ask(
    app: &App,
    session: &McpSession,
    id: u64,
    method: &str,
    params: Value,
) -> Result<Value, Failure> {
    let request = json!({"session": session.session, "id": id, "method": method, "params": params});
    let answer: McpAnswer = call(app, "mcp_request", request).await?;
    match answer.error {
        None => Ok(answer.result),
        Some(error) => Err(Failure::new(
            FailureCode::Invalid,
            format!("The server rejected {method}"),
        )
        .because(error["message"].as_str().unwrap_or("no reason given"))
        .next(Advice::text(
            "Run vivarium mcp tools NAME --json to see the expected arguments.",
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_an_object_or_pairs() {
        let read = |given: &[&str]| {
            read_arguments(
                &given
                    .iter()
                    .map(|text| (*text).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(read(&[]).unwrap(), json!({}));
        assert_eq!(read(&["{\"a\": 1}"]).unwrap(), json!({"a": 1}));
        assert_eq!(
            read(&["n=3", "s=a b", "list=[1]", "q=x=y", "t=\"3\""]).unwrap(),
            json!({"n": 3, "s": "a b", "list": [1], "q": "x=y", "t": "3"})
        );
        assert_eq!(read(&["[1]"]).unwrap_err().code, FailureCode::Invalid);
        assert_eq!(read(&["{1}"]).unwrap_err().code, FailureCode::Invalid);
    }
}
