//! Outputs of cells one by one: which are sent along with a cell's events, and `GET
//! /executions/{id}/outputs/{seq}` for those that aren't.

use std::io;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::Value;
use wire::nbformat::{OutputReference, REFERENCE_BYTES, TEXT_PIECE_BYTES};

use super::{Parts, cells::find, error::ApiError, json::NamePair};
use crate::kernel::size;

/// `GET /executions/{id}/outputs/{seq}`.
pub async fn one(
    State(parts): State<Parts>,
    NamePair(id, seq): NamePair,
) -> Result<Response, ApiError> {
    let (_, execution) = find(&parts, &id)?;
    let output = seq.parse().ok().and_then(|seq| execution.output_at(seq));
    let output = output.ok_or_else(|| {
        ApiError::not_found(format!(
            "execution {id:?} has no output {seq:?}, or no longer"
        ))
    })?;
    Ok(Json(&*output).into_response())
}

/// An output's JSON, or what refers to it where that is too large to be sent along. Text of stdout and
/// stderr comes in pieces, which are joined by whoever reads them: all of them are sent.
pub fn sent_along(execution_id: &str, seq: u64, output: &Value) -> Result<String, OutputReference> {
    let limit = if output["output_type"] == "stream" {
        TEXT_PIECE_BYTES
    } else {
        REFERENCE_BYTES
    };
    // Numbers count as eight bytes, and are written in two at least: this one is too large for sure,
    // and isn't written only to learn that.
    if size(output) <= 4 * limit {
        // A value is always JSON.
        let text = serde_json::to_string(output).unwrap_or_default();
        if text.len() <= limit {
            return Ok(text);
        }
    }
    Err(OutputReference::of(
        execution_id,
        seq,
        json_bytes(output),
        output,
    ))
}

/// Bytes of a value's JSON.
fn json_bytes(value: &Value) -> u64 {
    let mut count = Count(0);
    // A value is always JSON, and counting takes all of it.
    let _ = serde_json::to_writer(&mut count, value);
    count.0
}

struct Count(u64);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_output_is_sent_along_up_to_64_kib_of_json() {
        let display =
            |text: &str| json!({"output_type": "display_data", "data": {"text/plain": text}});
        let overhead = display("").to_string().len();
        let fits = display(&"x".repeat(REFERENCE_BYTES - overhead));
        assert_eq!(sent_along("e", 1, &fits).unwrap(), fits.to_string());
        for large in [
            display(&"x".repeat(REFERENCE_BYTES - overhead + 1)),
            display(&"x".repeat(40 * REFERENCE_BYTES)),
            // Half as long, and as long once it is escaped.
            display(&"\n".repeat(REFERENCE_BYTES / 2)),
            json!({"output_type": "display_data", "data": {"application/json": vec![""; 30_000]}}),
            json!({"output_type": "error", "evalue": "x".repeat(REFERENCE_BYTES)}),
        ] {
            let reference = sent_along("e", 7, &large).unwrap_err();
            assert_eq!(reference.size_bytes, large.to_string().len() as u64);
            assert_eq!((reference.execution_id.as_str(), reference.seq), ("e", 7));
        }
    }

    #[test]
    fn a_piece_of_text_is_always_sent_along_unless_no_worker_of_ours_made_it() {
        let text = |text: String| json!({"output_type": "stream", "name": "stdout", "text": text});
        for piece in ["x", "\n", "\u{1b}", "\u{1f98e}"] {
            assert!(
                sent_along("e", 1, &text(piece.repeat(64 << 10))).is_ok(),
                "{piece:?}"
            );
        }
        assert!(sent_along("e", 1, &text("x".repeat(TEXT_PIECE_BYTES))).is_err());
    }
}
