//! What a command writes and what code puts out, as the window asks for it: in answers of bounded
//! size, each of which waits until there is something to tell.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use sandbox::{Exec, ExecEvent, ExecEventKind};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use wire::{
    kernel::ExecStatus,
    nbformat::CellOutput,
    sandbox::CodeAnswer,
    sandbox_commands::{SandboxCode, SandboxOutput},
};

use crate::notebook::output_of;

/// How long an answer waits for output.
const WAIT: Duration = Duration::from_secs(20);
/// So much output is told in one answer; the last event may be more.
const OUTPUT_BYTES: usize = 256 << 10;
/// So much of what code put out is told.
const CODE_BYTES: usize = 8 << 20;

/// A command's output after an event, as soon as there is some.
pub(super) async fn next_output(
    exec: &Exec,
    after: u64,
    stop: &CancellationToken,
) -> SandboxOutput {
    let mut events = exec.events(after);
    let first = tokio::select! {
        () = stop.cancelled() => None,
        first = tokio::time::timeout(WAIT, events.next()) => first.ok().flatten(),
    };
    let mut told = gathered(first, &mut events, after);
    // Of one that had ended before, nothing comes.
    if told.last == after
        && let Some(code) = exec.view().exit_code
    {
        told.ended = true;
        told.exit_code = Some(code);
    }
    told
}

/// This event and what is there behind it.
fn gathered(
    first: Option<ExecEvent>,
    events: &mut BoxStream<'static, ExecEvent>,
    after: u64,
) -> SandboxOutput {
    let mut bytes = Vec::new();
    let mut told = SandboxOutput {
        base64: String::new(),
        last: after,
        dropped: false,
        ended: false,
        exit_code: None,
    };
    let mut next = first;
    while let Some(ExecEvent { seq, kind }) = next {
        told.last = seq;
        match kind {
            ExecEventKind::Stdout(data)
            | ExecEventKind::Stderr(data)
            | ExecEventKind::Pty(data) => {
                bytes.extend_from_slice(&data);
            }
            ExecEventKind::Dropped { to } => {
                told.dropped = true;
                told.last = to;
            }
            ExecEventKind::Ended(exit) => {
                told.ended = true;
                told.exit_code = Some(exit.code);
            }
        }
        if told.ended || bytes.len() >= OUTPUT_BYTES {
            break;
        }
        next = events.next().now_or_never().flatten();
    }
    told.base64 = BASE64_STANDARD.encode(bytes);
    told
}

/// What code put out, and how it ended. Of very much, the beginning.
pub(super) fn whole_run(answer: CodeAnswer) -> SandboxCode {
    let mut truncated = answer.truncated;
    let mut left = CODE_BYTES;
    let mut outputs: Vec<CellOutput> = Vec::new();
    // An end that the kernel didn't tell itself, such as a time limit.
    let has_error = answer
        .outputs
        .iter()
        .any(|output| output["output_type"] == "error");
    let untold = answer.error.filter(|_| !has_error).map(|error| {
        json!({
            "output_type": "error", "ename": error.kind, "evalue": error.message,
            "traceback": [error.traceback],
        })
    });
    for output in answer.outputs.into_iter().chain(untold) {
        let text = output.to_string();
        let Some(rest) = left.checked_sub(text.len()) else {
            truncated = true;
            break;
        };
        left = rest;
        outputs.push(output_of(text.as_bytes()));
    }
    SandboxCode {
        outputs,
        truncated,
        succeeded: answer.status == ExecStatus::Completed,
        execution_count: answer.execution_count,
        timing_ms: answer.timing_ms,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures_util::stream;
    use sandbox::Exit;
    use wire::kernel::CellError;

    use super::*;

    fn event(seq: u64, kind: ExecEventKind) -> ExecEvent {
        ExecEvent { seq, kind }
    }

    fn pty(seq: u64, size: usize) -> ExecEvent {
        event(seq, ExecEventKind::Pty(Bytes::from(vec![b'x'; size])))
    }

    #[tokio::test]
    async fn an_answer_has_what_is_there_up_to_a_limit() {
        let waiting = [pty(3, OUTPUT_BYTES), pty(4, 1)];
        let mut events = stream::iter(waiting).chain(stream::pending()).boxed();
        let told = gathered(Some(pty(2, 1)), &mut events, 1);
        assert_eq!((told.last, told.ended, told.dropped), (3, false, false));
        assert_eq!(
            BASE64_STANDARD.decode(told.base64).unwrap().len(),
            OUTPUT_BYTES + 1
        );
        // What has not come yet is not waited for.
        let told = gathered(events.next().await, &mut events, 3);
        assert_eq!((told.last, told.base64.as_str()), (4, "eA=="));
        let told = gathered(None, &mut events, 4);
        assert_eq!((told.last, told.base64.as_str()), (4, ""));
    }

    #[tokio::test]
    async fn what_was_dropped_and_the_end_are_told() {
        let exit = Exit {
            code: 3,
            signal: None,
            timed_out: false,
            unseen: None,
        };
        let mut events = stream::iter([event(9, ExecEventKind::Ended(exit))]).boxed();
        let dropped = event(8, ExecEventKind::Dropped { to: 8 });
        let told = gathered(Some(dropped), &mut events, 1);
        assert!(told.dropped && told.ended);
        assert_eq!((told.last, told.exit_code), (9, Some(3)));
    }

    #[test]
    fn outputs_that_are_none_are_told_as_such_and_very_many_end() {
        let answer = |outputs| CodeAnswer {
            context: "default".into(),
            status: ExecStatus::Failed,
            result: None,
            error: None,
            execution_count: Some(1),
            timing_ms: 1,
            outputs,
            truncated: false,
        };
        let stream = json!({"output_type": "stream", "name": "stdout", "text": "x"});
        let told = whole_run(answer(vec![stream, json!([1])]));
        assert!(!told.succeeded && !told.truncated);
        assert!(matches!(
            told.outputs[..],
            [CellOutput::Whole(_), CellOutput::StandIn(_)]
        ));
        let mut ended = answer(Vec::new());
        ended.error = Some(CellError {
            kind: "Timeout".into(),
            message: "its time is over".into(),
            traceback: "its time is over".into(),
        });
        assert!(matches!(
            whole_run(ended).outputs[..],
            [CellOutput::Whole(_)]
        ));
        let large =
            json!({"output_type": "stream", "name": "stdout", "text": "x".repeat(CODE_BYTES)});
        let told = whole_run(answer(vec![json!({"a": 1}), large, json!({"b": 1})]));
        assert_eq!((told.outputs.len(), told.truncated), (1, true));
    }
}
