//! The event stream of a client that fetches large outputs itself.

use axum::{http::HeaderMap, response::IntoResponse};
use http_body_util::BodyExt;

use super::*;
use crate::{http::cells, kernel::Execution};

/// All of a cell's event stream.
async fn stream(execution: &std::sync::Arc<Execution>, references: bool) -> String {
    let response = cells::sse(execution, 0, references).into_response();
    let body = response.into_body().collect().await.unwrap();
    String::from_utf8(body.to_bytes().to_vec()).unwrap()
}

/// The data of the events of this name.
fn data(stream: &str, name: &str) -> Vec<Value> {
    let events = stream.split("\n\n").filter_map(|event| {
        let data = event.split_once(&format!("event: {name}\n"))?.1;
        serde_json::from_str(data.split_once("data: ")?.1.lines().next()?).ok()
    });
    events.collect()
}

#[tokio::test]
async fn large_outputs_come_as_references_to_who_asks_for_them_and_whole_to_others() {
    let machine = Machine::new();
    let mut worker = machine.worker(1, fresh()).await;
    let execution = machine.execute(ExecRequest {
        tag: Some("run-1".to_owned()),
        ..cell("plot")
    });
    worker.hears("shell_context").await;
    let id = worker.hears("execute").await["execution_id"].clone();
    let picture = json!({
        "output_type": "display_data", "metadata": {},
        "data": {"image/png": "A".repeat(1 << 20), "text/plain": "<Figure>"},
    });
    let text = json!({"output_type": "stream", "name": "stdout", "text": "x".repeat(64 << 10)});
    for (seq, output) in [(1, &picture), (2, &text)] {
        let message = json!({"type": "event", "seq": seq, "execution_id": id, "output": output});
        worker.say(message).await;
    }
    worker.done(&id).await;
    let answer = execution.answer().await;

    let small = stream(&execution, true).await;
    assert!(small.len() < 80 << 10, "{}", small.len());
    assert_eq!(data(&small, "accepted")[0]["tag"], "run-1");
    assert_eq!(data(&small, "output"), std::slice::from_ref(&text));
    let reference = &data(&small, "output_reference")[0];
    assert_eq!(
        (&reference["execution_id"], &reference["seq"]),
        (&id, &json!(1))
    );
    assert_eq!(reference["size_bytes"], json!(picture.to_string().len()));
    assert_eq!(reference["head"], "<Figure>");
    let done = &data(&small, "done")[0];
    assert_eq!(
        (&done["status"], &done["timing_ms"]),
        (&json!("completed"), &json!(1))
    );
    assert!(done.get("outputs").is_none() && done.get("stdout").is_none());
    let fetched = execution.output_at(1).unwrap();
    assert_eq!(*fetched, picture);

    let whole = stream(&execution, false).await;
    assert_eq!(data(&whole, "output"), [picture, text]);
    assert_eq!(
        data(&whole, "done"),
        [serde_json::to_value(&answer).unwrap()]
    );
    assert_eq!(answer.stdout.len(), 64 << 10);
    // An answer without a stream is the contract's, whatever its query says.
    let plain = cells::answer(&execution, &HeaderMap::new()).await;
    let body = plain.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, serde_json::to_vec(&answer).unwrap());
    machine.end().await;
}
