//! What a container wrote to stdout and stderr.

use std::collections::VecDeque;

use bollard::{container::LogOutput, query_parameters::LogsOptionsBuilder};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;

use crate::{connect::Engine, error::EngineError};

impl Engine {
    /// The last lines of a container's log, stdout and stderr, oldest first.
    ///
    /// # Errors
    /// [`EngineError`] with the engine's words. Of a container that is being removed:
    /// [`EngineError::is_conflict`], then [`EngineError::is_not_found`].
    pub fn logs<'a>(
        &'a self,
        name: &'a str,
        tail: u32,
    ) -> BoxFuture<'a, Result<Vec<String>, EngineError>> {
        Box::pin(async move {
            let doing = || format!("read the log of {name}");
            let options = LogsOptionsBuilder::new()
                .stdout(true)
                .stderr(true)
                .tail(&tail.to_string())
                .build();
            let mut newest = Newest::default();
            let mut stream = std::pin::pin!(self.docker.logs(name, Some(options)));
            while let Some(chunk) = stream.next().await {
                let chunk = chunk.map_err(|error| EngineError::from_bollard(doing(), error))?;
                if let Some(message) = engines_own_error(&chunk) {
                    // Its file goes before the container does.
                    let gone = message.contains("no such file");
                    return Err(EngineError::Api {
                        doing: doing(),
                        status: if gone { 404 } else { 500 },
                        message,
                    });
                }
                newest.push(chunk.as_ref());
            }
            Ok(newest.lines())
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
        for line in String::from_utf8_lossy(self.text.make_contiguous()).lines() {
            let end = line.floor_char_boundary(LINE_BYTES);
            lines.push(match line.len() > end {
                true => format!("{} (truncated)", &line[..end]),
                false => line.to_owned(),
            });
        }
        lines
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
