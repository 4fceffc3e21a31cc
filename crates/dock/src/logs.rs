//! What a container wrote to stdout and stderr.

use bollard::{container::LogOutput, query_parameters::LogsOptionsBuilder};
use futures_util::StreamExt;

use crate::{connect::Dock, error::DockError};

impl Dock {
    /// The last lines of a container's log, stdout and stderr, oldest first.
    ///
    /// # Errors
    /// [`DockError`] with the engine's words. Of a container that is being removed:
    /// [`DockError::is_conflict`], then [`DockError::is_not_found`].
    pub async fn logs(&self, name: &str, tail: u32) -> Result<Vec<String>, DockError> {
        let doing = || format!("read the log of {name}");
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail(&tail.to_string())
            .build();
        let mut stream = std::pin::pin!(self.docker.logs(name, Some(options)));
        let mut text = Vec::new();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| DockError::from_bollard(doing(), error))?;
            if let Some(message) = engines_own_error(&chunk) {
                // Its file goes before the container does.
                let gone = message.contains("no such file");
                return Err(DockError::Api {
                    doing: doing(),
                    status: if gone { 404 } else { 500 },
                    message,
                });
            }
            text.extend_from_slice(chunk.as_ref());
        }
        Ok(String::from_utf8_lossy(&text)
            .lines()
            .map(str::to_owned)
            .collect())
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
