use serde_json::json;
use wire::{
    kernel::ExecStatus,
    nbformat::{CellOutput, MultilineText, Output, OutputStandIn},
};

use super::{told::LONGEST_ID, *};
use crate::{body::tests::answer, weight::weight};

/// The whole answer of a stream.
async fn outputs(
    answer: Answer,
    tell: &mut (dyn FnMut(CellTold) + Send),
) -> Result<ExecAnswer, Failure> {
    read_to_end(answer, tell).await
}

#[tokio::test]
async fn a_cells_outputs_come_before_its_answer() {
    let answer = answer(concat!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
        "event: started\ndata: {\"ran_ms\":3}\n\n",
        "event: output\nid: 1\ndata: {\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"hi\\n\"}\n\n",
        "event: done\ndata: {\"id\":\"a\",\"execution_id\":\"b\",\"status\":\"completed\",\"stdout\":\"hi\\n\",",
        "\"stderr\":\"\",\"result\":null,\"error\":null,\"timing_ms\":1,\"execution_count\":1,\"outputs\":[]}\n\n",
    ))
    .await;
    let mut seen = Vec::new();
    let done = outputs(answer, &mut |told| seen.push(told)).await.unwrap();
    assert_eq!(done.stdout, "hi\n");
    assert_eq!(seen[0], CellTold::Started { ran_ms: 3 });
    let hi = Output::Stream {
        name: "stdout".into(),
        text: MultilineText::Text("hi\n".into()),
    };
    assert_eq!(seen[1], CellTold::Output(hi.into()));
}

#[tokio::test]
async fn a_question_that_is_over_ends_nothing_else() {
    let answer = answer(concat!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
        "event: accepted\ndata: {\"execution_id\":\"b\"}\n\n",
        "event: input_request\nid: 1\ndata: {\"prompt\":\"name? \",\"password\":false}\n\n",
        "event: input_request\nid: 2\ndata: null\n\n",
        "event: done\ndata: {\"id\":\"a\",\"execution_id\":\"b\",\"status\":\"completed\",\"stdout\":\"rest\",",
        "\"stderr\":\"\",\"result\":null,\"error\":null,\"timing_ms\":1,\"execution_count\":1,\"outputs\":[]}\n\n",
    ))
    .await;
    let mut seen = Vec::new();
    let done = outputs(answer, &mut |told| seen.push(told)).await.unwrap();
    assert_eq!(done.stdout, "rest");
    let prompts = seen.iter().filter_map(|told| match told {
        CellTold::Input { prompt, .. } => Some(prompt.is_some()),
        _ => None,
    });
    assert_eq!(prompts.collect::<Vec<_>>(), [true, false]);
    assert!(matches!(&seen[0], CellTold::Accepted { execution_id } if execution_id == "b"));
}

#[tokio::test]
async fn views_hear_the_kernels_id_of_a_cell_and_never_a_long_one() {
    let answer = answer(concat!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
        "event: accepted\ndata: {\"execution_id\":\"b\"}\n\n",
        "event: started\ndata: {\"ran_ms\":3}\n\n",
    ))
    .await;
    let journal = Journal::new();
    let mut events = journal.subscribe(0);
    let ids = ("cell".to_owned(), "run".to_owned());
    let sent = async { Ok(answer) };
    publish(journal.clone(), ids, sent, CancellationToken::new()).await;
    let accepted = events.next().await.unwrap().event;
    assert!(
        matches!(&accepted, Event::CellAccepted { cell_id, run_id, execution_id }
            if cell_id == "cell" && run_id == "run" && execution_id == "b")
    );
    let started = events.next().await.unwrap().event;
    assert!(
        matches!(&started, Event::CellStarted { execution_id: Some(id), ran_ms: 3, .. } if id == "b")
    );

    let long = format!(
        "HTTP/1.1 200 OK\r\n\r\nevent: accepted\ndata: {{\"execution_id\":\"{}\"}}\n\n",
        "b".repeat(LONGEST_ID + 1)
    );
    let answer = crate::body::tests::answer(long.leak()).await;
    let refused = outputs(answer, &mut |told| panic!("{told:?}")).await;
    assert_eq!(refused.unwrap_err().code, FailureCode::Internal);
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_a_failure() {
    let answer = answer("HTTP/1.1 200 OK\r\n\r\nevent: output\ndata: {}\n\n").await;
    let failure = outputs(answer, &mut |_| {}).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::Internal);
}

/// A stream of these events, each with its data.
async fn stream(events: &[(&str, serde_json::Value)]) -> Answer {
    let mut text = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_owned();
    for (name, data) in events {
        text.push_str(&format!("event: {name}\ndata: {data}\n\n"));
    }
    answer(text.leak()).await
}

/// What the journal has of a run whose stream is this.
async fn published(events: &[(&str, serde_json::Value)]) -> Vec<Event> {
    let journal = Journal::new();
    let mut reader = journal.subscribe(0);
    let answer = stream(events).await;
    let ids = ("cell".to_owned(), "run".to_owned());
    let sent = async { Ok(answer) };
    publish(journal.clone(), ids, sent, CancellationToken::new()).await;
    journal.close();
    let mut events = Vec::new();
    while let Some(event) = reader.next().await {
        events.push(event.event);
    }
    events
}

#[tokio::test]
async fn a_flood_of_large_displays_leaves_their_references_alone() {
    let reference = |seq: u64| {
        json!({
            "execution_id": "e", "seq": seq, "of": "display_data", "display_id": null,
            "size_bytes": 16 << 20, "mime_types": ["image/png"], "head": "<Figure>",
        })
    };
    let mut told: Vec<_> = (1..=5000)
        .map(|seq| ("output_reference", reference(seq)))
        .collect();
    told.push(("done", json!({
        "status": "failed", "error": {"type": "E", "message": "x".repeat(1 << 20)}, "timing_ms": 1, "execution_count": 1,
    })));
    let events = published(&told).await;
    let outputs = events.iter().filter(|event| {
        matches!(event, Event::CellOutput { output: CellOutput::StandIn(OutputStandIn::Reference(reference)), .. }
            if reference.size_bytes == 16 << 20)
    });
    assert_eq!((outputs.count(), events.len()), (5000, 5001));
    // 80 GiB of displays.
    let bytes: usize = events.iter().map(weight).sum();
    assert!(bytes < 8 << 20, "{bytes}");
    assert!(
        matches!(events.last(), Some(Event::CellEnded { answer: Some(end), .. })
            if end.status == ExecStatus::Failed)
    );
}

#[tokio::test]
async fn of_a_machine_that_knows_no_references_outputs_and_end_are_read_all_the_same() {
    let picture = json!({"output_type": "display_data", "data": {"image/png": "A".repeat(1 << 20)}, "metadata": {}});
    let events = published(&[
        ("output", picture.clone()),
        ("output", json!({"output_type": "later"})),
        ("done", json!({
            "id": "a", "execution_id": "b", "status": "completed", "stdout": "x".repeat(1 << 20), "stderr": "",
            "result": "r", "error": null, "timing_ms": 3, "execution_count": 2, "outputs": [picture.clone()],
        })),
    ])
    .await;
    let Event::CellOutput { output, .. } = &events[0] else {
        panic!("{:?}", events[0]);
    };
    assert_eq!(serde_json::to_value(output).unwrap(), picture);
    assert!(
        matches!(&events[1], Event::CellOutput { output: CellOutput::StandIn(OutputStandIn::Unreadable(told)), .. }
            if told.head.contains("later"))
    );
    assert!(matches!(&events[2], Event::CellEnded { answer: Some(end), .. } if end.timing_ms == 3));
    let bytes = weight(&events[2]);
    assert!(bytes < 1000, "what it put out is not kept twice: {bytes}");
}
