use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixListener},
    task::JoinHandle,
};
use wire::error_code::ErrorCode;

use super::*;

/// Takes one request and answers just this; the request comes back.
async fn answer_once(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &str) -> String {
    let mut request = vec![0; 4096];
    let count = stream.read(&mut request).await.unwrap();
    stream.write_all(answer.as_bytes()).await.unwrap();
    String::from_utf8(request[..count].to_vec()).unwrap()
}

async fn serve(answer: &'static str) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let serving = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        answer_once(stream, answer).await
    });
    (port, serving)
}

async fn asked(answer: &'static str) -> Result<Value, ClientError> {
    let (port, _serving) = serve(answer).await;
    let client = Client::tcp(port, Some("secret")).unwrap();
    client.ask(Request::get("/x"), WORD_BYTES).await
}

#[tokio::test]
async fn a_request_has_its_token_and_one_connection() {
    let (port, serving) = serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    let client = Client::tcp(port, Some("secret")).unwrap();
    assert_eq!(
        format!("{client:?}"),
        format!("Client(\"127.0.0.1:{port}\")")
    );
    let mut request = Request::post("/exec?kernel=a", b"{}".to_vec()).streamed();
    request.headers = &[("mcp-session-id", "1")];
    let answer = client.send(request).await.unwrap();
    assert_eq!(&answer.bytes().await.unwrap()[..], b"{}");
    let sent = serving.await.unwrap().to_lowercase();
    assert!(
        sent.starts_with("post /exec?kernel=a http/1.1\r\n"),
        "{sent}"
    );
    for header in [
        &format!("host: 127.0.0.1:{port}"),
        "authorization: bearer secret",
        "accept: text/event-stream",
        "content-type: application/json",
        "mcp-session-id: 1",
    ] {
        assert!(
            sent.contains(&format!("\r\n{header}\r\n")),
            "{header}: {sent}"
        );
    }
    assert_eq!(sent.matches("\r\naccept: ").count(), 1);
    // Nobody listens any more, and nothing of the first connection is used again.
    let refused = client.send(Request::get("/x")).await.unwrap_err();
    assert!(
        matches!(refused, ClientError::Connect { .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_unix_socket_needs_no_token() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("body.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let client = Client::unix(&socket).unwrap();
    let serving = async {
        let (stream, _) = listener.accept().await.unwrap();
        answer_once(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]").await
    };
    let (answer, sent) = tokio::join!(client.ask::<Value>(Request::get("/x"), 9), serving);
    assert_eq!(answer.unwrap(), serde_json::json!([]));
    let sent = sent.to_lowercase();
    assert!(sent.contains("\r\nhost: localhost\r\n"), "{sent}");
    assert!(!sent.contains("authorization"), "{sent}");
    let gone = Client::unix(&folder.path().join("none")).unwrap();
    let refused = gone.send(Request::get("/x")).await.unwrap_err();
    assert!(
        matches!(refused, ClientError::Connect { .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn a_refusal_keeps_its_code() {
    let refused = asked(concat!(
        "HTTP/1.1 409 Conflict\r\n\r\n",
        "{\"error\":{\"code\":\"kernel_exists\",\"message\":\"there is one\"},\"request_id\":\"1\"}",
    ))
    .await;
    let Err(ClientError::Refused(refusal)) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(refusal.code, Some(ErrorCode::KernelExists));
    assert_eq!(refusal.to_string(), "there is one");
    for (answer, told) in [
        ("HTTP/1.1 500 X\r\n\r\n<html>", "it answered 500"),
        (
            "HTTP/1.1 404 X\r\nContent-Length: 9\r\n\r\n{",
            "it answered 404",
        ),
        ("HTTP/1.1 302 X\r\nLocation: /y\r\n\r\n", "it answered 302"),
    ] {
        let Err(ClientError::Refused(refusal)) = asked(answer).await else {
            panic!("{answer}");
        };
        assert_eq!(refusal.code, None);
        assert!(refusal.to_string().starts_with(told), "{refusal}");
    }
}

#[tokio::test]
async fn who_goes_away_is_told_from_who_speaks_something_else() {
    for half in [
        "",
        "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"half\":",
    ] {
        let error = asked(half).await.unwrap_err();
        assert!(matches!(error, ClientError::Broken(_)), "{error:?}");
        assert!(!error.is_not_http(), "{error:?}");
    }
    let error = asked("RFB 003.008\n").await.unwrap_err();
    assert!(error.is_not_http(), "{error:?}");
}

/// An answer whose head is `head` and whose body has no end.
async fn flood(head: &'static str, piece: &'static [u8]) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let flood = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = piece.repeat((64 << 10) / piece.len());
        // Until nobody reads any more.
        while stream.write_all(&piece).await.is_ok() {}
    });
    (port, flood)
}

#[tokio::test]
async fn an_answer_without_end_is_not_kept() {
    let (port, flooding) = flood("HTTP/1.1 200 OK\r\n\r\n", b" ").await;
    let client = Client::tcp(port, None).unwrap();
    let refused = client.ask::<Value>(Request::get("/"), 1 << 20).await;
    assert!(matches!(refused, Err(ClientError::TooLarge { .. })));
    flooding.await.unwrap();

    let (port, flooding) = flood("HTTP/1.1 500 X\r\n\r\n", b" ").await;
    let client = Client::tcp(port, None).unwrap();
    let refused = client.ask::<Value>(Request::get("/"), 1 << 20).await;
    assert!(matches!(refused, Err(ClientError::Refused(_))));
    flooding.await.unwrap();

    // Nor is a head without end.
    let (port, flooding) = flood("HTTP/1.1 200 OK\r\n", b"x-a: b\r\n").await;
    let client = Client::tcp(port, None).unwrap();
    let refused = client.ask::<Value>(Request::get("/"), 1 << 20).await;
    assert!(
        matches!(refused, Err(ClientError::Broken(_))),
        "{refused:?}"
    );
    flooding.await.unwrap();
}

#[tokio::test]
async fn a_name_never_leaves_its_segment() {
    assert_eq!(segment("kernel-main_1.x"), "kernel-main_1.x");
    assert_eq!(segment("../é?"), "..%2F%C3%A9%3F");
    let (port, _serving) = serve("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
    let client = Client::tcp(port, None).unwrap();
    for path in ["/servers/../x", "/servers/.", "/a#b", "a", "/a\\..\\b"] {
        let refused = client.send(Request::get(path)).await.unwrap_err();
        assert!(matches!(refused, ClientError::Request(_)), "{path}");
    }
    client.send(Request::get("/a?b=..")).await.unwrap();
}

#[tokio::test]
async fn a_machine_that_is_ready_tells_its_version() {
    let body =
        "HTTP/1.1 200 OK\r\ncontent-length: 33\r\n\r\n{\"status\":\"ok\",\"version\":\"0.1.0\"}";
    let (port, _serving) = serve(body).await;
    let found = Some("0.1.0".into());
    assert_eq!(ping(port).await, Ping::Ready { version: found });
    assert_eq!(
        super::ping::version(&"ä".repeat(60_000)).chars().count(),
        64
    );
    let (port, _serving) =
        serve("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").await;
    assert!(matches!(ping(port).await, Ping::NotYet { cause } if cause.contains("503")));
}
