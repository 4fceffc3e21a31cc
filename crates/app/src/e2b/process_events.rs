//! What a process does, as a stream of `process.ProcessEvent`.

use std::time::Duration;

use axum::{body::Bytes, http::HeaderMap, response::Response};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::{Stream, StreamExt, future, stream};
use sandbox::{Exec, ExecEventKind, Exit, Unseen};
use serde_json::{Value, json};

use super::{
    connect::{self, Code, ConnectError},
    gone::NOT_FOUND,
    keepalive::{kept_alive, wanted},
};

/// A message, or why the stream ends.
pub(super) type Told = Result<Value, ConnectError>;

/// A command's events as a stream, for no longer than a limit.
pub(super) fn answer(
    exec: &Exec,
    after: u64,
    headers: &HeaderMap,
    limit: Option<Duration>,
) -> Response {
    let start = Ok(of(json!({ "start": { "pid": exec.pid() } })));
    let events = exec
        .events(after)
        .filter_map(|event| future::ready(told(event.kind)));
    let events = stream::once(future::ready(start)).chain(events);
    let sign = || Ok(of(json!({ "keepalive": {} })));
    connect::stream(limited(kept_alive(events, wanted(headers), sign), limit))
}

/// The same messages until a limit.
pub(super) fn limited<S>(messages: S, limit: Option<Duration>) -> impl Stream<Item = Told> + Send
where
    S: Stream<Item = Told> + Send + 'static,
{
    let over = async move {
        match limit {
            Some(limit) => tokio::time::sleep(limit).await,
            None => std::future::pending().await,
        }
    };
    let over = stream::once(over).flat_map(|()| {
        let words = "the stream timed out";
        let error = ConnectError::new(Code::DeadlineExceeded, words);
        stream::iter([Some(Err(error)), None])
    });
    let messages = messages.map(Some).chain(stream::once(future::ready(None)));
    let both = stream::select(messages, over);
    both.take_while(|message| future::ready(message.is_some()))
        .filter_map(future::ready)
}

fn of(event: Value) -> Value {
    json!({ "event": event })
}

fn told(kind: ExecEventKind) -> Option<Told> {
    let data = |name: &str, bytes: &Bytes| {
        Some(Ok(of(
            json!({ "data": { name: BASE64_STANDARD.encode(bytes) } }),
        )))
    };
    match kind {
        ExecEventKind::Stdout(bytes) => data("stdout", &bytes),
        ExecEventKind::Stderr(bytes) => data("stderr", &bytes),
        ExecEventKind::Pty(bytes) => data("pty", &bytes),
        // These clients have no word for it.
        ExecEventKind::Dropped { .. } => None,
        ExecEventKind::Ended(exit) => Some(ended(exit).map(of)),
    }
}

/// How a command ended, as Go's `os/exec` words it.
fn ended(exit: Exit) -> Told {
    match exit.unseen {
        Some(Unseen::SandboxGone) => {
            return Err(ConnectError::new(Code::Unavailable, NOT_FOUND));
        }
        Some(Unseen::NoAnswer { silent_s }) => {
            let words = format!("the sandbox is not responding: no response for {silent_s} s");
            return Err(ConnectError::new(Code::DeadlineExceeded, words));
        }
        None => {}
    }
    if exit.timed_out {
        let words = "the command timed out";
        return Err(ConnectError::new(Code::DeadlineExceeded, words));
    }
    let (code, status) = match exit.signal {
        Some(signal) => (-1, format!("signal: {}", signal_name(signal))),
        None => (exit.code, format!("exit status {}", exit.code)),
    };
    let mut end = json!({ "exitCode": code, "exited": exit.signal.is_none(), "status": status });
    if code != 0 {
        end["error"] = Value::String(status);
    }
    Ok(json!({ "end": end }))
}

fn signal_name(signal: i32) -> String {
    match signal {
        1 => "hangup".into(),
        2 => "interrupt".into(),
        3 => "quit".into(),
        6 => "aborted".into(),
        9 => "killed".into(),
        11 => "segmentation fault".into(),
        13 => "broken pipe".into(),
        15 => "terminated".into(),
        other => format!("signal {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXIT: Exit = Exit {
        code: 0,
        signal: None,
        timed_out: false,
        unseen: None,
    };

    #[test]
    fn an_end_says_how() {
        let end = |exit| ended(exit).map(|end| end["end"].clone());
        assert_eq!(
            end(EXIT),
            Ok(json!({"exitCode": 0, "exited": true, "status": "exit status 0"}))
        );
        assert_eq!(
            end(Exit { code: 3, ..EXIT }),
            Ok(
                json!({"exitCode": 3, "exited": true, "status": "exit status 3", "error": "exit status 3"})
            )
        );
        assert_eq!(
            end(Exit {
                code: 137,
                signal: Some(9),
                ..EXIT
            }),
            Ok(
                json!({"exitCode": -1, "exited": false, "status": "signal: killed", "error": "signal: killed"})
            )
        );
        let code = |exit| end(exit).unwrap_err().code;
        assert_eq!(
            code(Exit {
                timed_out: true,
                ..EXIT
            }),
            Code::DeadlineExceeded
        );
        assert_eq!(
            code(Exit {
                unseen: Some(Unseen::SandboxGone),
                ..EXIT
            }),
            Code::Unavailable
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_at_its_limit() {
        let endless = stream::once(future::ready(Ok(json!(1)))).chain(stream::pending());
        let all: Vec<Told> = limited(endless, Some(Duration::from_secs(5)))
            .collect()
            .await;
        assert_eq!(all.len(), 2);
        assert_eq!(all[1].as_ref().unwrap_err().code, Code::DeadlineExceeded);
        let short = stream::iter([Ok(json!(1))]);
        let all: Vec<Told> = limited(short, Some(Duration::from_secs(5))).collect().await;
        assert_eq!(all, [Ok(json!(1))]);
    }
}
