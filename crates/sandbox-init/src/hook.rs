//! `sandbox-init hook [--wait] [--socket PATH] [EVENT]`: what an agent's tool runs as its hook. It tells the
//! helper what the tool told it on its standard input. With `--wait` it waits for the answer to a
//! permission and says it in the tool's words; without an answer it says nothing, and the tool asks in
//! its terminal.
//!
//! Whatever goes wrong here is no reason for the tool to stop: it always ends with success.

use std::{
    ffi::OsString,
    io::{self, BufRead, BufReader, Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use agent_status::{HookAnswer, HookMessage, MOST_HOOK_BYTES, ToHelper, read_hook, write_line};

use crate::agent::SOCKET;

/// How long the helper may take to hear. For an answer, which is a person's, there is no limit.
const HEARS: Duration = Duration::from_secs(5);

/// What the command line says.
struct Asked {
    waits: bool,
    socket: PathBuf,
    event: Option<String>,
}

/// Tells the helper.
pub fn hook(arguments: &[OsString]) -> io::Result<()> {
    let asked = read(arguments);
    let mut said = Vec::new();
    let mut input = io::stdin().lock();
    input
        .by_ref()
        .take(MOST_HOOK_BYTES as u64 + 1)
        .read_to_end(&mut said)?;
    if said.len() > MOST_HOOK_BYTES {
        // What is more than that is read, so that the tool isn't kept waiting, and the event has no words.
        io::copy(&mut input, &mut io::sink())?;
        said.clear();
    }
    let Some(event) = read_hook(&said, asked.event.as_deref()) else {
        return Ok(());
    };
    let waits = asked.waits && event.name == "PermissionRequest";
    if let Some(answer) = tell(&asked.socket, HookMessage { event, waits }).unwrap_or(None) {
        io::stdout().lock().write_all(&decision(&answer)?)?;
    }
    Ok(())
}

fn read(arguments: &[OsString]) -> Asked {
    let mut asked = Asked {
        waits: false,
        socket: SOCKET.into(),
        event: None,
    };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--wait" {
            asked.waits = true;
        } else if argument == "--socket" {
            asked.socket = arguments.next().map(PathBuf::from).unwrap_or_default();
        } else {
            asked.event = argument.to_str().map(str::to_owned);
        }
    }
    asked
}

fn tell(socket: &Path, message: HookMessage) -> io::Result<Option<HookAnswer>> {
    let waits = message.waits;
    let mut helper = UnixStream::connect(socket)?;
    helper.set_write_timeout(Some(HEARS))?;
    helper.set_read_timeout((!waits).then_some(HEARS))?;
    helper.write_all(&write_line(&ToHelper::Hook(message))?)?;
    if !waits {
        helper.shutdown(Shutdown::Write)?;
    }
    // Without an answer too: the helper closes when it has heard.
    let mut line = Vec::new();
    let most = agent_status::MOST_LINE_BYTES as u64;
    BufReader::new(helper)
        .take(most)
        .read_until(b'\n', &mut line)?;
    Ok(agent_status::read_line(&line).filter(|_| waits))
}

/// The answer in the tool's words.
fn decision(answer: &HookAnswer) -> io::Result<Vec<u8>> {
    let mut decision =
        serde_json::json!({ "behavior": if answer.allow { "allow" } else { "deny" } });
    if !answer.allow {
        let message = answer.message.as_deref();
        decision["message"] = message.unwrap_or("Denied by the person.").into();
    }
    let said = serde_json::json!({
        "hookSpecificOutput": { "hookEventName": "PermissionRequest", "decision": decision },
    });
    Ok(serde_json::to_vec(&said)?)
}
