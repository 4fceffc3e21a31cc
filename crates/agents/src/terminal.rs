//! What is done with an agent's terminal in passing: a prompt is pasted, keys are typed, the screen is read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use agent_status::{ToHelper, write_line};
use frames::message::Exec;
use init_client::INIT_PROGRAM;
use wire::agent::AgentState;

use crate::{agent::Agent, container::SOCKET, error::AgentError, link::argv, transfer};

/// The session's one pane, by its exact name.
const PANE: &str = "=agent:";
/// How long a prompt waits for a tool that starts.
const STARTS: Duration = Duration::from_secs(10);
/// The most of a prompt that is pasted.
const MOST_PASTE_BYTES: usize = 1 << 20;
/// The most keys at once.
const MOST_KEYS: usize = 256;
/// The most that a command may say.
const MOST_OUTPUT_BYTES: usize = 4 << 20;

/// What a command in an agent's container said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Output {
    /// What it wrote, to stdout and stderr.
    pub bytes: Vec<u8>,
    /// What it returned; 128 and the signal if one ended it.
    pub code: i32,
}

/// Pastes a prompt and presses Enter.
pub(crate) async fn send(agent: &Arc<Agent>, text: &str) -> Result<(), AgentError> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let prompt = agent_status::paste(text);
    if prompt.trim().is_empty() || prompt.len() > MOST_PASTE_BYTES {
        let most_kb = MOST_PASTE_BYTES >> 10;
        return Err(AgentError::Invalid {
            field: "prompt",
            reason: format!("up to {most_kb} KiB of text are expected, and at least a character"),
        });
    }
    // What a tool is typed while it starts, it may take for something else than a prompt.
    agent.link().await?;
    let mut snapshot = agent.snapshot.subscribe();
    let started = snapshot.wait_for(|snapshot| snapshot.state != AgentState::Starting);
    let _ = tokio::time::timeout(STARTS, started).await;
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let buffer = format!("vivarium-{}-{number}", std::process::id());
    let words = [
        // A person may be looking back: what is sent is for the tool.
        "tmux",
        "-u",
        "if-shell",
        "-F",
        "-t",
        PANE,
        "#{pane_in_mode}",
        "send-keys -t =agent: -X cancel",
        ";",
        "load-buffer",
        "-b",
        &buffer,
        "-",
        ";",
        "paste-buffer",
        "-p",
        "-r",
        "-d",
        "-b",
        &buffer,
        "-t",
        PANE,
        ";",
        "send-keys",
        "-t",
        PANE,
        "Enter",
    ];
    command(
        agent,
        "send a prompt to",
        argv(&words, true),
        prompt.as_bytes(),
    )
    .await?;
    let bytes = prompt.len() as u64;
    report(agent, &ToHelper::Sent { bytes }).await
}

/// Types keys by their names in tmux, such as `C-c`, `Up`, `Enter` or `y`.
pub(crate) async fn keys(agent: &Arc<Agent>, keys: &[String]) -> Result<(), AgentError> {
    let is_key = |key: &String| {
        let plain = |byte: u8| byte.is_ascii_graphic();
        // tmux takes a semicolon at a word's end for the end of its command.
        (1..=16).contains(&key.len()) && key.bytes().all(plain) && !key.ends_with(';')
    };
    if keys.is_empty() || keys.len() > MOST_KEYS || !keys.iter().all(is_key) {
        return Err(AgentError::Invalid {
            field: "keys",
            reason: format!(
                "up to {MOST_KEYS} names of keys are expected, such as C-c, Up or Enter"
            ),
        });
    }
    let mut words = vec!["tmux", "-u", "send-keys", "-t", PANE, "--"];
    words.extend(keys.iter().map(String::as_str));
    command(agent, "type keys for", argv(&words, false), b"").await?;
    report(agent, &ToHelper::Typed).await
}

/// Tells the helper, and waits until it has heard: whoever sends may be gone at once.
pub(crate) async fn report(agent: &Arc<Agent>, said: &ToHelper) -> Result<(), AgentError> {
    let line = write_line(said).map_err(|error| agent.helper_error(error.to_string()))?;
    let exec = argv(&[INIT_PROGRAM, "join", SOCKET], true);
    run(agent, exec, &line).await.map(drop)
}

/// What its terminal shows, as text.
pub(crate) async fn screen(agent: &Arc<Agent>) -> Result<String, AgentError> {
    let words = ["tmux", "-u", "capture-pane", "-p", "-t", PANE];
    let output = command(agent, "read the screen of", argv(&words, false), b"").await?;
    Ok(String::from_utf8_lossy(&output).into_owned())
}

/// Runs a command that has to succeed.
async fn command(
    agent: &Arc<Agent>,
    doing: &'static str,
    exec: Exec,
    input: &[u8],
) -> Result<Vec<u8>, AgentError> {
    let output = run(agent, exec, input).await?;
    match output.code {
        0 => Ok(output.bytes),
        code => {
            let words = String::from_utf8_lossy(&output.bytes);
            let words = match words.trim() {
                "" => format!("it returned {code}"),
                words => agent_status::shown(words, 500),
            };
            Err(AgentError::Command {
                id: agent.about.id.clone(),
                doing,
                reason: words,
            })
        }
    }
}

/// Runs a command in the agent's container to its end.
pub(crate) async fn run(
    agent: &Arc<Agent>,
    exec: Exec,
    input: &[u8],
) -> Result<Output, AgentError> {
    let link = agent.link().await?;
    let mut bytes = Vec::new();
    let take = |data: &[u8]| {
        if bytes.len() + data.len() > MOST_OUTPUT_BYTES {
            return Err(agent.helper_error("a command said too much"));
        }
        bytes.extend_from_slice(data);
        Ok(())
    };
    let code = transfer::run(&link.session, &agent.about.id, exec, input, take).await?;
    Ok(Output { bytes, code })
}
