//! Serves routes on a listener: how long a request's head may take, how many
//! connections there may be, and an end that lets requests in flight finish.

use std::{pin::pin, time::Duration};

use axum::{Router, serve::Listener};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// What a listener bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// From the connect, or from the answer before, to the end of a request's head.
    /// A connection that says nothing for so long is closed.
    pub head: Duration,
    /// Connections at a time; one more is closed at once.
    pub connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            connections: 1024,
        }
    }
}

/// Serves until `stop`, then until the requests in flight are answered. Dropped, it cuts them.
pub async fn serve(
    mut listener: impl Listener,
    routes: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head);
    let mut connections = JoinSet::new();
    let mut full = false;
    loop {
        let (io, _) = tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => {
                note(ended);
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        if connections.len() >= limits.connections {
            if !full {
                tracing::warn!(
                    limit = limits.connections,
                    "too many connections; new ones are closed until others end"
                );
            }
            full = true;
            continue;
        }
        full = false;
        let service = TowerToHyperService::new(routes.clone());
        let connection = builder
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        let stop = stop.clone();
        connections.spawn(async move {
            let mut connection = pin!(connection);
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        });
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        note(ended);
    }
}

type Ended = Result<hyper::Result<()>, tokio::task::JoinError>;

fn note(ended: Ended) {
    match ended {
        Ok(Ok(())) => {}
        // A client that is gone, too slow, or speaks something else: its own affair.
        Ok(Err(error)) => tracing::debug!(%error, "a connection ended early"),
        Err(error) => tracing::error!(%error, "serving a connection failed"),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        sync::Notify,
    };

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(120);

    struct Served {
        address: SocketAddr,
        stop: CancellationToken,
        serving: JoinSet<()>,
    }

    async fn served(routes: Router, limits: Limits) -> Served {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, routes, limits, stop.clone()));
        Served {
            address,
            stop,
            serving,
        }
    }

    fn hello() -> Router {
        Router::new().route("/", get(|| async { "hello" }))
    }

    async fn said(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        // A reset is an end too.
        let _ = tokio::time::timeout(DEADLINE, stream.read_to_string(&mut text))
            .await
            .expect("the connection ends");
        text
    }

    #[tokio::test]
    async fn silent_and_halting_clients_are_closed_and_hold_nobody_up() {
        let limits = Limits {
            head: Duration::from_millis(300),
            connections: 1024,
        };
        let server = served(hello(), limits).await;
        let mut waiting = Vec::new();
        for index in 0..200 {
            let mut stream = TcpStream::connect(server.address).await.unwrap();
            if index % 2 == 1 {
                stream
                    .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nHalf")
                    .await
                    .unwrap();
            }
            waiting.push(stream);
        }
        let mut polite = TcpStream::connect(server.address).await.unwrap();
        polite
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        assert!(said(&mut polite).await.ends_with("hello"));
        for stream in &mut waiting {
            assert_eq!(said(stream).await, "");
        }
    }

    #[tokio::test]
    async fn one_connection_too_many_is_closed_and_a_free_place_is_taken_again() {
        let limits = Limits {
            head: DEADLINE,
            connections: 1,
        };
        let server = served(hello(), limits).await;
        let mut first = TcpStream::connect(server.address).await.unwrap();
        first
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        let mut byte = [0];
        first.read_exact(&mut byte).await.unwrap();
        let mut second = TcpStream::connect(server.address).await.unwrap();
        assert_eq!(said(&mut second).await, "");
        drop(first);
        let answered = async {
            loop {
                let mut third = TcpStream::connect(server.address).await.unwrap();
                let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
                if third.write_all(request).await.is_ok()
                    && said(&mut third).await.ends_with("hello")
                {
                    return;
                }
            }
        };
        tokio::time::timeout(DEADLINE, answered).await.unwrap();
    }

    #[tokio::test]
    async fn a_stop_lets_a_request_in_flight_end() {
        let (entered, go_on) = (
            std::sync::Arc::new(Notify::new()),
            std::sync::Arc::new(Notify::new()),
        );
        let (inside, released) = (entered.clone(), go_on.clone());
        let slow = move || async move {
            inside.notify_one();
            released.notified().await;
            "done"
        };
        let limits = Limits::default();
        let mut server = served(Router::new().route("/", get(slow)), limits).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        entered.notified().await;
        server.stop.cancel();
        go_on.notify_one();
        assert!(said(&mut stream).await.ends_with("done"));
        server.serving.join_next().await.unwrap().unwrap();
        assert!(TcpStream::connect(server.address).await.is_err());
    }
}
