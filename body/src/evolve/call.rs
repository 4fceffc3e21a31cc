//! A request to the machine's own API over its Unix socket, for callers inside: `body call`, by
//! which the host's engine reaches a machine without a network path, and `body prove`.

use std::{
    io::{Error, ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    process::ExitCode,
    time::Duration,
};

use machine_client::RouteCall;
use serde::de::DeserializeOwned;
use wire::{error_code::ErrorCode, kernel::ErrorAnswer, routes::Route};

/// How long an answer may be silent.
const SILENCE: Duration = Duration::from_secs(600);

/// The most that an answer may have, its head included: it is kept whole.
const ANSWER_BYTES: u64 = machine_client::ANSWER_BYTES as u64;

/// A request came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The machine refused.
    #[error("{message} ({code})")]
    Refused {
        /// The error for programs.
        code: ErrorCode,
        /// The error for people.
        message: String,
    },
    /// Something answered otherwise than it should.
    #[error("{0}")]
    Odd(String),
    /// Nobody answered, or a program could not be run.
    #[error(transparent)]
    Unreachable(#[from] Error),
    /// The answer is no JSON of that kind.
    #[error("the response can't be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// What was answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP's number.
    pub status: u16,
    /// The status line and the headers, as they came.
    head: String,
    /// The rest.
    pub body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, wanted: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    }
}

/// Sends a request; answers status and body.
pub fn request(method: &str, path: &str, body: &str) -> std::io::Result<(u16, Vec<u8>)> {
    let mut stream = UnixStream::connect(crate::paths::body_socket())?;
    stream.set_read_timeout(Some(SILENCE))?;
    let answer = exchange(&mut stream, method, path, body, "")?;
    Ok((answer.status, answer.body))
}

/// Calls a route of the machine's API.
pub fn ask<R: Route>(
    names: impl Into<R::Names>,
    request: &R::Request,
) -> Result<R::Answer, CallError>
where
    R::Answer: DeserializeOwned,
{
    let call = RouteCall::<R>::new(names, request);
    let call = call.map_err(|error| CallError::Odd(error.to_string()))?;
    let body = call.body().map(String::from_utf8_lossy).unwrap_or_default();
    let (status, answer) = self::request(R::METHOD.as_str(), call.path(), &body)?;
    answered(status, &answer)
}

/// An answer, or the refusal with its code.
fn answered<T: DeserializeOwned>(status: u16, body: &[u8]) -> Result<T, CallError> {
    if (200..300).contains(&status) {
        return Ok(serde_json::from_slice(body)?);
    }
    Err(match serde_json::from_slice::<ErrorAnswer>(body) {
        Ok(ErrorAnswer { error, .. }) => CallError::Refused {
            code: error.code,
            message: error.message,
        },
        Err(_) => CallError::Odd(format!("the machine responded with {status}")),
    })
}

/// The same over any stream. HTTP/1.0, so that the answer ends where the connection does.
pub fn exchange(
    stream: &mut (impl Read + Write),
    method: &str,
    path: &str,
    body: &str,
    headers: &str,
) -> std::io::Result<Answer> {
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: localhost\r\n{headers}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    let request = [head.as_bytes(), body.as_bytes()].concat();
    match stream.write_all(&request) {
        // It needed no more of it to answer.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        written => written?,
    }
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES + 1).read_to_end(&mut answer)?;
    if answer.len() as u64 > ANSWER_BYTES {
        let text = "the response is larger than any that is asked for";
        return Err(Error::new(ErrorKind::InvalidData, text));
    }
    let odd = || Error::new(ErrorKind::InvalidData, "the response is not HTTP");
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .ok_or_else(odd)?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(odd)?;
    Ok(Answer {
        status,
        head,
        body: answer.split_off(end + 4),
    })
}

/// `body call METHOD PATH [JSON]`: the answer on stdout; 0 where it is a good one, 22 for a refusal,
/// 7 where nobody answers (curl's numbers).
pub fn run(words: &[String]) -> ExitCode {
    let (method, path, body) = match words {
        [method, path] => (method, path, ""),
        [method, path, body] => (method, path, body.as_str()),
        _ => {
            eprintln!("usage: body call METHOD PATH [JSON]");
            return ExitCode::from(2);
        }
    };
    match request(method, path, body) {
        Ok((status, answer)) => {
            // A reader that has gone away needs no answer.
            let _ = std::io::stdout().write_all(&answer);
            ExitCode::from(if (200..300).contains(&status) { 0 } else { 22 })
        }
        Err(error) => {
            eprintln!("body call: {error}");
            ExitCode::from(7)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn an_answer_is_read_to_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            // To its end: what is left unread would break the connection.
            let mut seen = Vec::new();
            while !seen.ends_with(b"{}") {
                let mut piece = [0; 512];
                let count = stream.read(&mut piece).unwrap();
                assert!(count > 0, "the request is cut short");
                seen.extend_from_slice(&piece[..count]);
            }
            stream
                .write_all(b"HTTP/1.0 409 Conflict\r\nX: y\r\n\r\n{\"a\":1}")
                .unwrap();
            String::from_utf8(seen).unwrap()
        });
        let mut stream = UnixStream::connect(&path).unwrap();
        let answer = exchange(&mut stream, "POST", "/x", "{}", "").unwrap();
        assert_eq!((answer.status, answer.header("x")), (409, Some("y")));
        assert_eq!(answer.body, b"{\"a\":1}");
        assert!(server.join().unwrap().starts_with("POST /x HTTP/1.0\r\n"));
    }

    #[test]
    fn an_answer_that_comes_before_the_request_is_whole_is_read_too() {
        let (mut ours, mut theirs) = UnixStream::pair().unwrap();
        theirs
            .write_all(b"HTTP/1.0 413 Too Large\r\n\r\nx")
            .unwrap();
        drop(theirs);
        let answer = exchange(&mut ours, "POST", "/x", "{}", "").unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (413, &b"x"[..]));
    }

    #[test]
    fn a_refusal_keeps_its_code() {
        let text = br#"{"error":{"code":"evolve_in_progress","message":"run 1 is in progress"},
            "request_id":"x"}"#;
        let refused = answered::<serde_json::Value>(409, text).unwrap_err();
        assert!(matches!(
            &refused,
            CallError::Refused { code, .. } if *code == ErrorCode::EvolveInProgress
        ));
        assert_eq!(
            refused.to_string(),
            "run 1 is in progress (evolve_in_progress)"
        );
        let odd = answered::<serde_json::Value>(502, b"<html>").unwrap_err();
        assert_eq!(odd.to_string(), "the machine responded with 502");
        assert_eq!(answered::<u8>(200, b"7").unwrap(), 7);
    }
}
