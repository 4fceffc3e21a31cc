//! The machine's API over its Unix socket.

use std::path::PathBuf;

use machine_client::{ANSWER_BYTES, ClientError, RouteCall};
use serde::de::DeserializeOwned;
use wire::routes::Route;

use super::error::ComputerError;

/// A client; a connection is made for each question, so that a supervisor that was started anew is
/// no other.
#[derive(Clone, Debug)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// Of the API that listens here.
    pub fn new(socket: PathBuf) -> Self {
        Self { socket }
    }

    /// Calls a route. Dropped, it leaves what the machine has begun alone.
    pub async fn call<R>(&self, request: &R::Request) -> Result<R::Answer, ComputerError>
    where
        R: Route<Names = ()>,
        R::Answer: DeserializeOwned,
    {
        let call = RouteCall::<R>::new((), request).map_err(failed)?;
        let client = machine_client::Client::unix(&self.socket).map_err(failed)?;
        client.call(&call, ANSWER_BYTES).await.map_err(failed)
    }
}

fn failed(error: ClientError) -> ComputerError {
    match error {
        ClientError::Refused(refusal) => match refusal.code.clone() {
            Some(code) => ComputerError::Machine {
                code,
                message: refusal.to_string(),
            },
            None => ComputerError::Internal(format!("the machine answered {}", refusal.status)),
        },
        ClientError::Connect { .. } | ClientError::Broken(_) => {
            ComputerError::NoSupervisor(error.to_string())
        }
        error => ComputerError::Internal(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
    };
    use wire::{
        evolve::{EvolveStarted, EvolveWish},
        routes::{GetTakeover, StartEvolve},
    };

    use super::*;

    /// What `evolve` gets of a machine that answers just this, and what it was asked.
    async fn asked(status: &str, answer: &Value) -> (Result<EvolveStarted, ComputerError>, String) {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("body.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let body = answer.to_string();
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let count = stream.read(&mut request).await.unwrap();
            stream.write_all((head + &body).as_bytes()).await.unwrap();
            String::from_utf8(request[..count].to_vec()).unwrap()
        };
        let client = Client::new(socket);
        let wish = EvolveWish {
            note: Some("x".into()),
            running_cell: None,
        };
        tokio::join!(client.call::<StartEvolve>(&wish), serving)
    }

    #[tokio::test]
    async fn answers_and_refusals_are_passed_on() {
        let started = json!({"status": "started", "run_id": "1", "message": "soon"});
        let (answer, request) = asked("200 OK", &started).await;
        assert_eq!(serde_json::to_value(answer.unwrap()).unwrap(), started);
        assert!(request.starts_with("POST /evolve HTTP/1.1"), "{request}");
        let refusal = json!({"error": {"code": "busy", "message": "one runs"}, "request_id": "2"});
        let (answer, _) = asked("409 Conflict", &refusal).await;
        assert_eq!(answer.unwrap_err().to_string(), "one runs (busy)");
        let gone = Client::new("/nowhere/body.sock".into());
        let error = gone.call::<GetTakeover>(&()).await.unwrap_err();
        assert!(matches!(error, ComputerError::NoSupervisor(_)));
    }
}
