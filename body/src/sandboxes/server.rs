//! `body sandbox`: sandboxes of the computer that runs the machine, as an MCP server over stdio. It asks
//! the machine's own API, where the call waits for the host.

use std::{path::PathBuf, process::ExitCode};

use machine_client::{Client, RouteCall};
use rmcp::{
    ServerHandler, ServiceExt, handler::server::router::tool::ToolRouter, tool_handler,
    transport::stdio,
};
use tokio_util::sync::CancellationToken;
use wire::{
    routes::PutSandboxCall,
    sandbox_call::{SandboxAnswer, SandboxCall},
};

use super::error::ToolError;

/// The most that an answer has, with what JSON adds to it.
const ANSWER_BYTES: usize = 64 << 20;

/// The server.
#[derive(Clone)]
pub(super) struct SandboxServer {
    socket: PathBuf,
    tools: ToolRouter<Self>,
}

#[tool_handler(
    router = self.tools,
    name = "sandbox",
    instructions = "Sandboxes for untrusted code: containers of their own on the computer that runs this machine, \
        apart from it and from each other. run_command and run_code each use a fresh sandbox, which is removed \
        afterwards; with keep it stays, and its id works in later calls. A sandbox has no network unless you ask for \
        one and the machine's owner allows it. It does not see this machine's files: write_file and read_file \
        carry them over."
)]
impl ServerHandler for SandboxServer {}

impl SandboxServer {
    /// One that asks the API at this socket.
    pub(super) fn new(socket: PathBuf) -> Self {
        let mut tools = Self::sandbox_tools();
        crate::tool_schema::tidy(&mut tools);
        Self { socket, tools }
    }

    /// Puts a call and waits for what comes of it. A client that cancels its request takes the call back.
    pub(super) async fn ask(
        &self,
        call: SandboxCall,
        cancelled: CancellationToken,
    ) -> Result<SandboxAnswer, ToolError> {
        let call = RouteCall::<PutSandboxCall>::new((), &call)?;
        let client = Client::unix(&self.socket)?;
        let answered = tokio::select! {
            answered = client.call(&call, ANSWER_BYTES) => answered?,
            () = cancelled.cancelled() => return Err(ToolError::Cancelled),
        };
        match answered {
            SandboxAnswer::Failed { code, message } => Err(ToolError::Refused { code, message }),
            answer => Ok(answer),
        }
    }
}

/// Serves until stdin ends.
pub fn run() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("body sandbox: {error}");
            return ExitCode::FAILURE;
        }
    };
    let served = runtime.block_on(async {
        let server = SandboxServer::new(crate::paths::body_socket());
        let service = server.serve(stdio()).await?;
        service.waiting().await?;
        Ok::<_, Box<dyn std::error::Error>>(())
    });
    // A blocked read of stdin holds nothing up.
    runtime.shutdown_background();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("body sandbox: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::UnixListener,
    };

    use super::*;

    #[test]
    fn every_tool_tells_what_it_does_takes_and_changes() {
        let tools = SandboxServer::new(PathBuf::new()).tools.list_all();
        assert_eq!(tools.len(), 6);
        for tool in tools {
            assert!(tool.description.is_some_and(|text| text.len() > 40));
            assert!(tool.annotations.is_some(), "{}", tool.name);
            assert_eq!(tool.input_schema["type"], "object", "{}", tool.name);
            let mut schema = (*tool.input_schema).clone();
            assert!(
                !crate::tool_schema::strip_formats(&mut schema),
                "{}",
                tool.name
            );
        }
    }

    async fn ask(socket: &Path, cancelled: CancellationToken) -> Result<SandboxAnswer, ToolError> {
        let server = SandboxServer::new(socket.to_owned());
        server.ask(SandboxCall::ListSandboxes, cancelled).await
    }

    #[tokio::test]
    async fn refusals_of_machine_and_host_are_passed_on_in_their_words() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("body.sock");
        let gone = ask(&socket, CancellationToken::new()).await.unwrap_err();
        assert!(matches!(gone, ToolError::NoSupervisor(_)), "{gone}");
        let listener = UnixListener::bind(&socket).unwrap();
        let no_host = json!({"error": {"code": "no_sandbox_host", "message": "start its app"}, "request_id": "1"});
        let denied =
            json!({"outcome": "failed", "code": "sandbox_denied", "message": "ask the owner"});
        for (status, body, words) in [
            (503, no_host, "start its app (no_sandbox_host)"),
            (200, denied, "ask the owner (sandbox_denied)"),
        ] {
            let body = body.to_string();
            let serving = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let count = stream.read(&mut request).await.unwrap();
                let head = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                stream.write_all((head + &body).as_bytes()).await.unwrap();
                String::from_utf8(request[..count].to_vec()).unwrap()
            };
            let (answer, request) = tokio::join!(ask(&socket, CancellationToken::new()), serving);
            assert_eq!(answer.unwrap_err().to_string(), words);
            assert!(
                request.starts_with("POST /sandbox/calls HTTP/1.1"),
                "{request}"
            );
        }
    }

    #[tokio::test]
    async fn who_cancels_closes_the_connection_and_so_takes_the_call_back() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("body.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let cancelled = CancellationToken::new();
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            cancelled.cancel();
            while stream.read(&mut request).await.unwrap() > 0 {}
        };
        let (answer, ()) = tokio::join!(ask(&socket, cancelled.clone()), serving);
        assert!(matches!(answer, Err(ToolError::Cancelled)));
    }
}
