//! The machine's API over its Unix socket.

use std::path::PathBuf;

use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Bytes, header};
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;
use wire::kernel::ErrorAnswer;

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

    /// GET.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ComputerError> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// POST of JSON. Dropped, it leaves what the machine has begun alone.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
    ) -> Result<T, ComputerError> {
        let body = serde_json::to_vec(request)
            .map_err(|error| ComputerError::Internal(error.to_string()))?;
        self.ask(Method::POST, path, body.into()).await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, ComputerError> {
        let stream = UnixStream::connect(&self.socket)
            .await
            .map_err(unreachable)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(unreachable)?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::CONNECTION, "close")
            .body(Full::new(body))
            .map_err(|error| ComputerError::Internal(error.to_string()))?;
        let asking = async {
            let answer = sender.send_request(request).await?;
            let status = answer.status();
            let bytes = answer.into_body().collect().await?.to_bytes();
            Ok::<_, hyper::Error>((status, bytes))
        };
        let (asked, served) = tokio::join!(asking, connection);
        let (status, bytes) = asked
            .or_else(|error| served.and(Err(error)))
            .map_err(unreachable)?;
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|error| {
                ComputerError::Internal(format!("a response can't be read: {error}"))
            });
        }
        Err(match serde_json::from_slice::<ErrorAnswer>(&bytes) {
            Ok(answer) => ComputerError::Machine {
                code: answer.error.code,
                message: answer.error.message,
            },
            Err(_) => ComputerError::Internal(format!("the machine responded with {status}")),
        })
    }
}

fn unreachable(error: impl std::fmt::Display) -> ComputerError {
    ComputerError::NoSupervisor(error.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
    };

    use super::*;

    /// What `evolve` gets of a machine that answers just this, and what it was asked.
    async fn asked(status: &str, answer: &Value) -> (Result<Value, ComputerError>, String) {
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
        let note = json!({"note": "x"});
        tokio::join!(client.post("/evolve", &note), serving)
    }

    #[tokio::test]
    async fn answers_and_refusals_are_passed_on() {
        let started = json!({"status": "started", "run_id": "1"});
        let (answer, request) = asked("200 OK", &started).await;
        assert_eq!(answer.unwrap(), started);
        assert!(request.starts_with("POST /evolve HTTP/1.1"), "{request}");
        let refusal = json!({"error": {"code": "busy", "message": "one runs"}, "request_id": "2"});
        let (answer, _) = asked("409 Conflict", &refusal).await;
        assert_eq!(answer.unwrap_err().to_string(), "one runs (busy)");
        let gone = Client::new("/nowhere/body.sock".into());
        let error = gone.get::<Value>("/takeover").await.unwrap_err();
        assert!(matches!(error, ComputerError::NoSupervisor(_)));
    }
}
