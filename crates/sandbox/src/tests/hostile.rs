//! A first process that says what it must not. It is ours, and nothing in a sandbox reaches its stdio: what
//! is shown here is that the host would not trust it either.

use bytes::Bytes;
use frames::{
    Body, Encoder, HEADER_BYTES, Kind, Mark, Nonce, PROTOCOL, StreamId,
    message::{Event, Goodbye, Hello, Reason, Request},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::{line, soon, start};
use init_client::{Call, Opening, Session, SessionEnd, Transport};

use crate::{error::SandboxError, start_exec, testing::Inside};

/// The other side of a conversation, as a test writes it.
struct Other {
    writes: DuplexStream,
    hears: DuplexStream,
    encoder: Encoder,
}

impl Other {
    /// Both sides; the other one says this before anything else.
    fn new(first: &[u8]) -> (Transport, Self) {
        let (reader, writes) = tokio::io::duplex(1 << 20);
        let (writer, hears) = tokio::io::duplex(1 << 20);
        let other = Self {
            writes,
            hears,
            encoder: Encoder::new(1),
        };
        // There is room for it.
        let mut other = other;
        let written = futures_util::FutureExt::now_or_never(other.writes.write_all(first));
        written.expect("room").expect("written");
        (Transport::of_pipes(reader, writer), other)
    }

    fn frame(&mut self, stream: u32, body: &Body) -> Vec<u8> {
        let mut bytes = Vec::new();
        let written = self.encoder.write(StreamId(stream), body, &mut bytes);
        written.expect("it can be written");
        bytes
    }

    async fn says(&mut self, bytes: &[u8]) {
        // The other side may be gone by now.
        let _ = self.writes.write_all(bytes).await;
    }
}

fn hello(epoch: u32, protocol: u32) -> Body {
    Body::Hello(Hello {
        protocol,
        version: "x".into(),
        epoch,
        key: Nonce([1; 16]),
        execs: Vec::new(),
    })
}

/// A conversation that began well.
async fn opened() -> (Session, Other) {
    let (transport, mut other) = Other::new(Mark::new(Nonce::FIRST).bytes());
    let first = other.frame(0, &hello(1, PROTOCOL));
    other.says(&first).await;
    let (session, _) = soon(Session::open(transport, Opening::First))
        .await
        .unwrap();
    (session, other)
}

#[tokio::test]
async fn what_is_no_conversation_is_none() {
    let mark = *Mark::new(Nonce::FIRST).bytes();
    let good = |epoch, protocol| {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(epoch);
        let written = encoder.write(StreamId::CONNECTION, &hello(epoch, protocol), &mut bytes);
        written.expect("it can be written");
        bytes
    };
    let goodbye = {
        let mut bytes = Vec::new();
        let body = Body::Goodbye(Goodbye {
            reason: Reason::Shutdown,
            message: "no more".into(),
        });
        let written = Encoder::new(1).write(StreamId::CONNECTION, &body, &mut bytes);
        written.expect("it can be written");
        bytes
    };
    let whole = good(1, PROTOCOL);
    for (what, bytes, reason) in [
        ("nothing", vec![], "ended"),
        ("no mark", vec![b'x'; 100_000], "ended"),
        ("a mark alone", mark.to_vec(), "ended"),
        (
            "half a hello",
            [&mark[..], &whole[..20]].concat(),
            "within a frame",
        ),
        (
            "another protocol",
            [&mark[..], &good(1, PROTOCOL + 1)].concat(),
            "protocol",
        ),
        ("a goodbye", [&mark[..], &goodbye].concat(), "began with"),
        (
            "noise",
            [&mark[..], &[b'x'; 100_000]].concat(),
            "kind of frame",
        ),
    ] {
        let (transport, other) = Other::new(&bytes);
        drop(other);
        let end = soon(Session::open(transport, Opening::First))
            .await
            .unwrap_err();
        assert!(end.to_string().contains(reason), "{what}: {end}");
    }
}

#[tokio::test]
async fn a_frame_that_must_not_be_ends_the_conversation_and_all_that_waits() {
    let pong = Body::Event(Event::Pong);
    type Says = fn(&mut Other, &Body) -> Vec<u8>;
    let cases: [(&str, Says, &str); 12] = [
        (
            "a number that was skipped",
            |other, body| {
                other.frame(1, body);
                other.frame(1, body)
            },
            "in place of frame",
        ),
        (
            "one that comes twice",
            |other, body| other.frame(0, body).repeat(2),
            "in place of frame",
        ),
        (
            "another epoch",
            |other, body| {
                let mut bytes = other.frame(1, body);
                bytes[7] = 9;
                bytes
            },
            "epoch 9",
        ),
        (
            "a length that no frame has",
            |other, body| {
                let mut bytes = other.frame(1, body);
                bytes[1..4].fill(0xff);
                bytes
            },
            "16777215 bytes",
        ),
        (
            "an unknown kind",
            |other, body| {
                let mut bytes = other.frame(1, body);
                bytes[0] = 99;
                bytes
            },
            "unknown kind",
        ),
        (
            "what is no JSON",
            |other, body| {
                let mut bytes = other.frame(1, body);
                bytes[HEADER_BYTES] = 0xff;
                bytes
            },
            "invalid frame",
        ),
        (
            "a second hello",
            |other, _| other.frame(0, &hello(1, PROTOCOL)),
            "only its host",
        ),
        (
            "a request",
            |other, _| other.frame(2, &Body::Request(Request::Ping)),
            "only its host",
        ),
        (
            "input",
            |other, _| other.frame(1, &Body::Input(vec![1])),
            "only its host",
        ),
        (
            "data of no stream",
            |other, _| other.frame(0, &Body::Output(vec![1])),
            "no stream",
        ),
        (
            "more data than there is credit for",
            |other, _| {
                (0..20)
                    .flat_map(|_| other.frame(1, &Body::Output(vec![0; 64 << 10])))
                    .collect()
            },
            "credit",
        ),
        (
            "a goodbye",
            |other, _| {
                other.frame(
                    0,
                    &Body::Goodbye(Goodbye {
                        reason: Reason::Shutdown,
                        message: "bye".into(),
                    }),
                )
            },
            "bye",
        ),
    ];
    for (what, says, reason) in cases {
        let (session, mut other) = opened().await;
        let call = Call::new(&session, Request::Ping).unwrap();
        let bytes = says(&mut other, &pong);
        other.says(&bytes).await;
        let end: SessionEnd = soon(session.over()).await;
        assert!(end.to_string().contains(reason), "{what}: {end}");
        // Who waits hears of it, and who asks from now on.
        let waits = async {
            while call.next().await?.is_some() {}
            Ok::<(), SessionEnd>(())
        };
        let heard = soon(waits).await;
        assert!(heard.is_err() || what == "one that comes twice", "{what}");
        assert_eq!(
            Call::new(&session, Request::Ping).map(drop),
            Err(end),
            "{what}"
        );
        soon(session.close()).await;
    }
}

#[tokio::test]
async fn a_frame_that_is_cut_ends_the_conversation() {
    let (session, mut other) = opened().await;
    let call = Call::new(&session, Request::Ping).unwrap();
    let bytes = other.frame(1, &Body::Event(Event::Pong));
    other.says(&bytes[..bytes.len() - 1]).await;
    // What is said to it still has a listener: only the other way ends.
    let Other { writes, hears, .. } = other;
    drop(writes);
    let end = soon(session.over()).await;
    assert!(end.to_string().contains("within a frame"), "{end}");
    assert_eq!(soon(call.event()).await, Err(end));
    drop(hears);
}

#[tokio::test]
async fn what_is_said_of_streams_that_nobody_has_is_dropped() {
    let (session, mut other) = opened().await;
    for stream in [2, 7, u32::MAX] {
        for body in [
            Body::Event(Event::Pong),
            Body::Output(vec![0; 64 << 10]),
            Body::Credit(u64::MAX),
            Body::Close,
        ] {
            let bytes = other.frame(stream, &body);
            other.says(&bytes).await;
        }
    }
    let call = Call::new(&session, Request::Ping).unwrap();
    // The request arrives, so all of that was read.
    let mut heard = [0; HEADER_BYTES];
    soon(other.hears.read_exact(&mut heard)).await.unwrap();
    assert_eq!(heard[0], Kind::Request as u8);
    let bytes = other.frame(1, &Body::Event(Event::Pong));
    other.says(&bytes).await;
    assert_eq!(soon(call.event()).await, Ok(Event::Pong));
    soon(session.close()).await;
}

#[tokio::test]
async fn a_request_that_fits_into_no_frame_is_refused_and_nothing_else() {
    let inside = Inside::start();
    let sandbox = inside.sandbox().await;
    let long = "x".repeat(1 << 20);
    let refused = start_exec::start(&sandbox, line(&long), false).await;
    assert!(
        matches!(refused, Err(SandboxError::Invalid { .. })),
        "{refused:?}"
    );
    let files = crate::files::Files(std::sync::Arc::clone(&sandbox));
    let content = Box::pin(futures_util::stream::iter([Ok(Bytes::from("x"))]));
    let refused = soon(files.write(&long, content)).await;
    assert!(
        matches!(refused, Err(SandboxError::Invalid { .. })),
        "{refused:?}"
    );
    assert!(matches!(
        soon(files.read(&long)).await.map(drop),
        Err(SandboxError::Invalid { .. })
    ));
    let exec = start(&sandbox, line("echo on")).await;
    assert_eq!(soon(exec.wait()).await.stdout, "on\n");
}
