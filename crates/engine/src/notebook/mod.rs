//! The notebook's side of the kernel API: cells in, outputs as events out.
//!
//! One task hands the cells to the kernel in the order in which they came; the
//! kernel queues them. Each cell's outputs are then read by a task of its own.

pub(crate) mod file;
mod sse;

use hyper::StatusCode;
use lifecycle::{
    MachineOptions,
    http::{Answer, Call, HttpError},
};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use wire::{
    commands::KernelExecRequest,
    failure::{Failure, FailureCode},
    kernel::{ErrorAnswer, ExecAnswer, ExecRequest, ShellAnswer, ShellRequest},
    stream::Event,
};

use crate::{
    Engine,
    journal::Journal,
    machine::{connect, load},
};
use sse::SseReader;

/// Cells that may wait to be handed over.
const QUEUE: usize = 256;

/// Remote control of the notebook's task.
#[derive(Debug)]
pub(crate) struct NotebookHandle {
    cells: mpsc::Sender<KernelExecRequest>,
}

/// Starts the notebook's task.
pub(crate) fn start(
    options: MachineOptions,
    journal: Journal,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> NotebookHandle {
    let (sender, cells) = mpsc::channel(QUEUE);
    tasks.spawn(hand_over(
        options,
        journal,
        cells,
        tasks.clone(),
        stop.clone(),
    ));
    NotebookHandle { cells: sender }
}

impl NotebookHandle {
    /// Queues a cell; `queued` is called before any output of it can come.
    pub(crate) fn exec(
        &self,
        cell: KernelExecRequest,
        queued: impl FnOnce(),
    ) -> Result<(), Failure> {
        let place = self.cells.try_reserve().map_err(|_| {
            Failure::new(FailureCode::Busy, "Too many cells are waiting")
                .next("Wait until some have run, or interrupt.")
        })?;
        queued();
        place.send(cell);
        Ok(())
    }
}

async fn hand_over(
    options: MachineOptions,
    journal: Journal,
    mut cells: mpsc::Receiver<KernelExecRequest>,
    tasks: TaskTracker,
    stop: CancellationToken,
) {
    loop {
        let cell = tokio::select! {
            () = stop.cancelled() => return,
            cell = cells.recv() => cell,
        };
        let Some(KernelExecRequest { cell_id, code }) = cell else {
            return;
        };
        let request = ExecRequest {
            id: Some(cell_id.clone()),
            code,
            ..Default::default()
        };
        let sent = tokio::select! {
            () = stop.cancelled() => return,
            sent = send(&options, &request) => sent,
        };
        let (journal, stop) = (journal.clone(), stop.clone());
        tasks.spawn(async move {
            let mut put_out = |output| {
                let cell_id = cell_id.clone();
                journal.publish(Event::CellOutput { cell_id, output });
            };
            let read = async { outputs(sent?, &mut put_out).await };
            let ended = tokio::select! {
                // The cell itself runs on: it belongs to the machine.
                () = stop.cancelled() => return,
                ended = read => ended,
            };
            let (answer, failure) = match ended {
                Ok(answer) => (Some(answer), None),
                Err(failure) => (None, Some(failure)),
            };
            journal.publish(Event::CellEnded {
                cell_id,
                answer,
                failure,
            });
        });
    }
}

/// Where the kernel is and what it lets in.
async fn kernel(options: &MachineOptions) -> Result<(u16, String), Failure> {
    let machine = load(options)?;
    let port = machine.kernel_port(&connect(options).await?).await?;
    Ok((port, machine.secret("os_token")?))
}

/// Hands a cell over; the answer is an event stream.
async fn send(options: &MachineOptions, request: &ExecRequest) -> Result<Answer, Failure> {
    let (port, token) = kernel(options).await?;
    let call = Call {
        accept: "text/event-stream",
        ..Call::post(port, "/exec", &token, json(request)?.into())
    };
    accepted(call.send().await.map_err(unreachable)?).await
}

/// Reads a cell's event stream to its end.
async fn outputs(
    mut answer: Answer,
    put_out: &mut (dyn FnMut(Value) + Send),
) -> Result<ExecAnswer, Failure> {
    let mut reader = SseReader::default();
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        for event in reader.push(&chunk) {
            match event.name.as_str() {
                "output" => match serde_json::from_str(&event.data) {
                    Ok(output) => put_out(output),
                    Err(error) => {
                        tracing::warn!(%error, "an output of a cell could not be read and is left out")
                    }
                },
                "done" => return read(event.data.as_bytes()),
                _ => {}
            }
        }
    }
    Err(Failure::new(
        FailureCode::Internal,
        "The connection to the kernel ended before the cell did",
    )
    .next("See whether the machine still runs."))
}

impl Engine {
    /// Runs a cell to its end; `put_out` hears each output (an nbformat 4.5 object) as it comes.
    ///
    /// # Errors
    /// [`FailureCode::NotRunning`]; a cell that fails is no failure, but a status of the answer.
    pub async fn exec(
        &self,
        request: &ExecRequest,
        put_out: &mut (dyn FnMut(Value) + Send),
    ) -> Result<ExecAnswer, Failure> {
        outputs(send(&self.inner.options, request).await?, put_out).await
    }

    /// Runs a command in the machine's shell to its end.
    ///
    /// # Errors
    /// [`FailureCode::NotRunning`]; an exit status other than 0 is no failure.
    pub async fn shell(&self, request: &ShellRequest) -> Result<ShellAnswer, Failure> {
        read(&self.post("/shell", json(request)?).await?)
    }

    pub(crate) async fn interrupt(&self) -> Result<(), Failure> {
        self.post("/interrupt", b"{}".to_vec()).await.map(|_| ())
    }

    pub(crate) fn queue_cell(&self, cell: KernelExecRequest) -> Result<(), Failure> {
        let cell_id = cell.cell_id.clone();
        self.inner.notebook.exec(cell, || {
            self.inner.journal.publish(Event::CellQueued { cell_id });
        })
    }

    async fn post(&self, path: &str, body: Vec<u8>) -> Result<bytes::Bytes, Failure> {
        let (port, token) = kernel(&self.inner.options).await?;
        let answer = Call::post(port, path, &token, body.into())
            .send()
            .await
            .map_err(unreachable)?;
        accepted(answer).await?.bytes().await.map_err(unreachable)
    }
}

/// Turns the body's refusals into failures.
async fn accepted(answer: Answer) -> Result<Answer, Failure> {
    let status = answer.status;
    if status.is_success() {
        return Ok(answer);
    }
    let body = answer.bytes().await.unwrap_or_default();
    let cause = serde_json::from_slice::<ErrorAnswer>(&body).map_or_else(
        |_| format!("it answered {status}"),
        |answer| answer.error.message,
    );
    let failure = match status {
        StatusCode::UNAUTHORIZED => {
            Failure::new(FailureCode::Internal, "The machine refused our token")
                .next("Its secrets changed while it ran: restart it (vivarium restart).")
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            Failure::new(FailureCode::Unhealthy, "The kernel takes no cells now")
                .next("Wait a moment, or restart the machine.")
        }
        status if status.is_client_error() => {
            Failure::new(FailureCode::Invalid, "The machine refused the request")
        }
        _ => Failure::new(FailureCode::Internal, "The machine failed at the request")
            .next("Read its log (vivarium logs)."),
    };
    Err(failure.because(cause))
}

fn unreachable(error: HttpError) -> Failure {
    let code = match error {
        HttpError::Connect { .. } => FailureCode::NotRunning,
        _ => FailureCode::Internal,
    };
    Failure::new(code, "The machine could not be reached")
        .because(error.to_string())
        .next("See whether it runs (vivarium status).")
}

fn json<T: serde::Serialize>(request: &T) -> Result<Vec<u8>, Failure> {
    serde_json::to_vec(request).map_err(|error| {
        Failure::new(
            FailureCode::Internal,
            "A request could not be written as JSON",
        )
        .because(error.to_string())
    })
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::new(
            FailureCode::Internal,
            "An answer of the machine could not be read",
        )
        .because(error.to_string())
        .next("App and image may be of different versions: vivarium up --rebuild.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn answer(text: &'static str) -> Answer {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
        });
        Call::get(port, "/").send().await.unwrap()
    }

    #[tokio::test]
    async fn a_cells_outputs_come_before_its_answer() {
        let answer = answer(concat!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
            "event: output\nid: 1\ndata: {\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"hi\\n\"}\n\n",
            "event: done\ndata: {\"id\":\"a\",\"execution_id\":\"b\",\"status\":\"completed\",\"stdout\":\"hi\\n\",",
            "\"stderr\":\"\",\"result\":null,\"error\":null,\"timing_ms\":1,\"execution_count\":1,\"outputs\":[]}\n\n",
        ))
        .await;
        let mut seen = Vec::new();
        let done = outputs(answer, &mut |output| seen.push(output))
            .await
            .unwrap();
        assert_eq!(done.stdout, "hi\n");
        assert_eq!(seen[0]["text"], "hi\n");
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_is_a_failure() {
        let answer = answer("HTTP/1.1 200 OK\r\n\r\nevent: output\ndata: {}\n\n").await;
        let failure = outputs(answer, &mut |_| {}).await.unwrap_err();
        assert_eq!(failure.code, FailureCode::Internal);
    }

    #[tokio::test]
    async fn a_refusal_carries_the_machines_words() {
        let answer = answer(concat!(
            "HTTP/1.1 400 Bad Request\r\n\r\n",
            "{\"error\":{\"code\":\"bad_json\",\"message\":\"Not JSON\"},\"request_id\":\"0123456789\"}",
        ))
        .await;
        let failure = accepted(answer).await.err().unwrap();
        assert_eq!(failure.code, FailureCode::Invalid);
        assert_eq!(failure.cause.as_deref(), Some("Not JSON"));
    }
}
