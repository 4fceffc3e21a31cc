//! What a container wrote to stdout and stderr.

use std::collections::VecDeque;

use bollard::{container::LogOutput, query_parameters::LogsOptionsBuilder};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, future::BoxFuture};

use crate::{connect::Engine, error::EngineError};

/// Which part of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRange {
    /// How many lines from the end.
    pub tail: u32,
    /// Only lines since then, in seconds of Unix time.
    pub since_s: Option<i64>,
}

impl From<u32> for LogRange {
    fn from(tail: u32) -> Self {
        Self {
            tail,
            since_s: None,
        }
    }
}

impl Engine {
    /// The last lines of a container's log, stdout and stderr, oldest first.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words. Of a container that is being removed:
    /// [`EngineError::is_conflict`], then [`EngineError::is_not_found`].
    pub fn logs<'a>(
        &'a self,
        name: &'a str,
        range: impl Into<LogRange>,
    ) -> BoxFuture<'a, Result<Vec<String>, EngineError>> {
        let range = range.into();
        Box::pin(async move {
            let mut newest = Newest::default();
            let mut pieces = std::pin::pin!(self.pieces(name, range, false));
            while let Some(piece) = pieces.next().await {
                newest.push(&piece?);
            }
            Ok(newest.lines())
        })
    }

    /// Tells the last lines of a container's log, then each new one, until the container stops. Dropping
    /// the future ends it.
    ///
    /// # Errors
    /// As [`logs`](Self::logs).
    pub fn follow_logs<'a>(
        &'a self,
        name: &'a str,
        range: LogRange,
        tell: &'a mut (dyn FnMut(String) + Send),
    ) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(async move {
            let mut lines = Lines::default();
            let mut pieces = std::pin::pin!(self.pieces(name, range, true));
            while let Some(piece) = pieces.next().await {
                lines.push(&piece?, tell);
            }
            lines.end(tell);
            Ok(())
        })
    }

    fn pieces(
        &self,
        name: &str,
        range: LogRange,
        follow: bool,
    ) -> impl Stream<Item = Result<Bytes, EngineError>> + Send {
        let since = range.since_s.unwrap_or_default();
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .follow(follow)
            .since(i32::try_from(since.max(0)).unwrap_or(i32::MAX))
            .tail(&range.tail.to_string())
            .build();
        let doing = format!("read the log of {name}");
        self.docker.logs(name, Some(options)).map(move |chunk| {
            let chunk =
                chunk.map_err(|error| of_a_log(EngineError::from_bollard(doing.clone(), error)))?;
            match engines_own_error(&chunk) {
                Some(message) => Err(of_a_log(EngineError::Api {
                    doing: doing.clone(),
                    status: 500,
                    message,
                })),
                None => Ok(chunk.into_bytes()),
            }
        })
    }
}

/// The most of a log that is kept: what is in it comes from inside the container.
const KEPT_BYTES: usize = 16 << 20;
/// A longer line is cut.
const LINE_BYTES: usize = 64 << 10;

/// The end of a log.
#[derive(Debug, Default)]
struct Newest {
    text: VecDeque<u8>,
    left_out: bool,
}

impl Newest {
    fn push(&mut self, piece: &[u8]) {
        let piece = &piece[piece.len().saturating_sub(KEPT_BYTES)..];
        let surplus = (self.text.len() + piece.len()).saturating_sub(KEPT_BYTES);
        self.left_out |= surplus > 0;
        self.text.drain(..surplus);
        self.text.extend(piece);
    }

    fn lines(mut self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.left_out {
            let kept = KEPT_BYTES >> 20;
            lines.push(format!(
                "(log truncated: only the last {kept} MiB are shown)"
            ));
        }
        let text = String::from_utf8_lossy(self.text.make_contiguous());
        lines.extend(text.lines().map(cut));
        lines
    }
}

fn cut(line: &str) -> String {
    let end = line.floor_char_boundary(LINE_BYTES);
    match line.len() > end {
        true => format!("{} (truncated)", &line[..end]),
        false => line.to_owned(),
    }
}

/// Lines of what comes in pieces.
#[derive(Debug, Default)]
struct Lines {
    /// A line whose end hasn't come.
    begun: Vec<u8>,
}

impl Lines {
    fn push(&mut self, piece: &[u8], tell: &mut dyn FnMut(String)) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            // A character more than is shown says that there was more.
            let room = (LINE_BYTES + 4).saturating_sub(self.begun.len());
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            self.begun.extend_from_slice(&text[..text.len().min(room)]);
            if text.len() < part.len() {
                self.tell(tell);
            }
        }
    }

    fn end(mut self, tell: &mut dyn FnMut(String)) {
        if !self.begun.is_empty() {
            self.tell(tell);
        }
    }

    fn tell(&mut self, tell: &mut dyn FnMut(String)) {
        let line = std::mem::take(&mut self.begun);
        let line = String::from_utf8_lossy(&line);
        tell(cut(line.strip_suffix('\r').unwrap_or(&line)));
    }
}

/// The log's file is removed before its container is: the engine then answers with a failure of its
/// own (500), before its answer has begun or within it.
fn of_a_log(error: EngineError) -> EngineError {
    match error {
        EngineError::Api {
            doing,
            status: 500,
            message,
        } if message.contains("no such file") => EngineError::Api {
            doing,
            status: 404,
            message,
        },
        other => other,
    }
}

/// What the engine says instead of the log once its answer has begun: a frame of a fourth stream,
/// which the client takes for a terminal's text, its header of eight bytes included.
fn engines_own_error(chunk: &LogOutput) -> Option<String> {
    let LogOutput::Console { message } = chunk else {
        return None;
    };
    let text = message.strip_prefix(b"\x03\0\0\0")?.get(4..)?;
    Some(String::from_utf8_lossy(text).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_an_end_that_is_kept() {
        let mut newest = Newest::default();
        newest.push(b"one\ntwo\n");
        assert_eq!(newest.lines(), ["one", "two"]);
        let mut newest = Newest::default();
        let piece = vec![b'x'; KEPT_BYTES / 4];
        for _ in 0..20 {
            newest.push(&piece);
        }
        newest.push(b"\nlast\n");
        assert!(newest.text.len() <= KEPT_BYTES);
        let lines = newest.lines();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].contains("log truncated") && lines[1].ends_with("(truncated)"));
        assert!(lines[1].len() < LINE_BYTES + 15);
        assert_eq!(lines[2], "last");
    }

    #[test]
    fn lines_come_one_by_one_however_they_are_cut() {
        let all = "one\n\ntwo\r\nthrée".as_bytes();
        for at in 0..=all.len() {
            let (mut lines, mut told) = (Lines::default(), Vec::new());
            let mut tell = |line| told.push(line);
            lines.push(&all[..at], &mut tell);
            lines.push(&all[at..], &mut tell);
            lines.end(&mut tell);
            assert_eq!(told, ["one", "", "two", "thrée"], "{at}");
        }
        let (mut lines, mut told) = (Lines::default(), Vec::new());
        for _ in 0..100 {
            lines.push(&[b'x'; 4096], &mut |line| told.push(line));
            assert!(lines.begun.len() <= LINE_BYTES + 4);
        }
        lines.push(b"\nnext\n", &mut |line| told.push(line));
        assert!(told[0].len() < LINE_BYTES + 15 && told[0].ends_with("(truncated)"));
        assert_eq!(told[1], "next");
    }

    #[test]
    fn a_log_whose_file_is_gone_is_one_of_a_container_that_is_gone() {
        let answered = |status, message: &str| {
            of_a_log(EngineError::Api {
                doing: "read the log of m".into(),
                status,
                message: message.into(),
            })
        };
        let gone = "open /var/lib/docker/containers/4/4-json.log: no such file or directory";
        assert!(answered(500, gone).is_not_found());
        assert!(!answered(500, "open 4-json.log: permission denied").is_not_found());
        assert!(answered(409, "dead or marked for removal").is_conflict());
    }

    #[test]
    fn an_error_of_the_engine_is_no_line_of_the_log() {
        let console = |bytes: &'static [u8]| LogOutput::Console {
            message: bytes.into(),
        };
        let error =
            console(b"\x03\0\0\0\0\0\0\x2aError grabbing logs: open x-json.log: no such file\n");
        assert_eq!(
            engines_own_error(&error).as_deref(),
            Some("Error grabbing logs: open x-json.log: no such file")
        );
        assert_eq!(engines_own_error(&console(b"of a terminal\n")), None);
        let line = LogOutput::StdOut {
            message: b"\x03\0\0\0\0\0\0\x01a".as_slice().into(),
        };
        assert_eq!(engines_own_error(&line), None);
    }
}
