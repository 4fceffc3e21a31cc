//! Any conversation, cut anywhere, comes out as it went in; and hostile bytes do no harm.

#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use frames::{
    Body, Decoded, Decoder, Encoder, Frame, FrameError, HEADER_BYTES, Kind, MOST_CONTROL_BYTES,
    MOST_DATA_BYTES, Mark, Name, Nonce, StreamId, message::*,
};
use proptest::{collection::vec, prelude::*};

const EPOCH: u32 = 3;

fn mark() -> Mark {
    Mark::new(Nonce([9; 16]))
}

fn name() -> impl Strategy<Value = Name> {
    vec(any::<u8>(), 0..20).prop_map(Name)
}

fn request() -> impl Strategy<Value = Request> {
    let command = prop_oneof![
        name().prop_map(Command::Line),
        vec(name(), 0..4).prop_map(Command::Argv)
    ];
    let size = (any::<u16>(), any::<u16>()).prop_map(|(cols, rows)| Size { cols, rows });
    let exec = (
        command,
        proptest::option::of(name()),
        vec((name(), name()), 0..4),
        proptest::option::of(size),
        any::<bool>(),
        any::<Option<u64>>(),
        any::<Option<String>>(),
    );
    let exec = exec.prop_map(|(command, cwd, env, pty, input, timeout_ms, label)| {
        Request::Exec(Exec {
            cwd,
            env,
            pty,
            input,
            timeout_ms,
            label,
            ..Exec::new(command)
        })
    });
    prop_oneof![
        exec,
        (any::<i32>(), any::<bool>()).prop_map(|(signal, group)| Request::Signal { signal, group }),
        any::<u64>().prop_map(|after| Request::Resume { after }),
        (name(), any::<u32>(), any::<u32>()).prop_map(|(path, depth, most)| Request::List {
            path,
            depth,
            most
        }),
        Just(Request::Ping),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        any::<Option<i32>>().prop_map(|pid| Event::Started { pid }),
        (any::<Option<i32>>(), any::<bool>(), any::<u64>()).prop_map(
            |(code, timed_out, dropped)| Event::Exited(Exit {
                code,
                signal: None,
                timed_out,
                dropped
            })
        ),
        any::<String>().prop_map(|message| Event::Refused {
            code: RefusalCode::Io,
            message
        }),
        (name(), any::<u16>()).prop_map(|(host, port)| Event::Connect { host, port }),
    ]
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        request().prop_map(Body::Request),
        event().prop_map(Body::Event),
        vec(any::<u8>(), 0..300).prop_map(Body::Input),
        vec(any::<u8>(), 0..300).prop_map(Body::Output),
        vec(any::<u8>(), 0..300).prop_map(Body::ErrorOutput),
        Just(Body::Close),
        any::<u64>().prop_map(Body::Credit),
    ]
}

fn conversation() -> impl Strategy<Value = Vec<Frame>> {
    let frame = (any::<u32>(), body()).prop_map(|(stream, body)| Frame {
        stream: StreamId(stream),
        body,
    });
    vec(frame, 0..20)
}

fn written(frames: &[Frame]) -> Vec<u8> {
    let (mut encoder, mut bytes) = (Encoder::new(EPOCH), Vec::new());
    for frame in frames {
        encoder
            .write(frame.stream, &frame.body, &mut bytes)
            .unwrap();
    }
    bytes
}

/// Reads pieces of these lengths, over and over.
fn read(decoder: &mut Decoder, bytes: &[u8], pieces: &[usize]) -> Result<Vec<Decoded>, FrameError> {
    let (mut found, mut rest, mut lengths) = (Vec::new(), bytes, pieces.iter().cycle());
    while !rest.is_empty() {
        let length = lengths.next().copied().unwrap_or(rest.len());
        let (mut piece, after) = rest.split_at(length.clamp(1, rest.len()));
        rest = after;
        while let Some(one) = decoder.read(&mut piece)? {
            found.push(one);
        }
        assert!(piece.is_empty());
    }
    Ok(found)
}

fn frames_of(found: Vec<Decoded>) -> Vec<Frame> {
    let frame = |one| match one {
        Decoded::Frame(frame) => Some(frame),
        Decoded::Mark => None,
    };
    found.into_iter().filter_map(frame).collect()
}

fn single(kind: u8, length: u32, epoch: u32, number: u32) -> Vec<u8> {
    let first = u32::from(kind) << 24 | length;
    [first, epoch, 1, number]
        .into_iter()
        .flat_map(u32::to_be_bytes)
        .collect()
}

proptest! {
    #[test]
    fn frames_cut_anywhere_come_out_as_they_went_in(
        frames in conversation(),
        pieces in vec(1_usize..200, 1..20),
    ) {
        let mut decoder = Decoder::open(EPOCH, mark());
        let found = read(&mut decoder, &written(&frames), &pieces).unwrap();
        prop_assert_eq!(frames_of(found), frames);
        prop_assert!(decoder.end().is_ok());
        prop_assert_eq!(decoder.held_bytes(), 0);
    }

    #[test]
    fn input_that_ends_within_a_frame_is_cut(frames in conversation(), cut in any::<prop::sample::Index>()) {
        let bytes = written(&frames);
        prop_assume!(!bytes.is_empty());
        let at = cut.index(bytes.len());
        let mut ends = vec![0];
        for count in 1..=frames.len() {
            ends.push(written(&frames[..count]).len());
        }
        let mut decoder = Decoder::open(EPOCH, mark());
        let found = frames_of(read(&mut decoder, &bytes[..at], &[at]).unwrap());
        let whole = ends.iter().filter(|end| **end <= at).count() - 1;
        prop_assert_eq!(&found[..], &frames[..whole]);
        prop_assert_eq!(decoder.end().is_ok(), ends.contains(&at));
    }

    #[test]
    fn hostile_bytes_neither_panic_nor_take_memory(
        bytes in vec(any::<u8>(), 0..2000),
        pieces in vec(1_usize..200, 1..20),
        valid in conversation(),
    ) {
        let mut hostile = written(&valid);
        hostile.extend_from_slice(&bytes);
        let mut decoder = Decoder::open(EPOCH, mark());
        for piece in hostile.chunks(pieces[0]) {
            let mut piece = piece;
            loop {
                let read = decoder.read(&mut piece);
                prop_assert!(decoder.held_bytes() <= HEADER_BYTES + MOST_CONTROL_BYTES);
                if matches!(read, Ok(None)) {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_new_conversation_is_found_after_anything(
        before in conversation(),
        cut in any::<prop::sample::Index>(),
        pieces in vec(1_usize..200, 1..20),
    ) {
        let old = written(&before);
        let mut bytes = old[..cut.index(old.len() + 1)].to_vec();
        bytes.extend_from_slice(mark().bytes());
        let attach = Attach { protocol: 1, nonce: Nonce([4; 16]) };
        let wanted = Frame { stream: StreamId::CONNECTION, body: Body::Attach(attach) };
        Encoder::new(Encoder::UNKNOWN_EPOCH).write(wanted.stream, &wanted.body, &mut bytes).unwrap();
        let mut decoder = Decoder::open(EPOCH, mark());
        let mut found = Vec::new();
        for piece in bytes.chunks(pieces[0]) {
            let mut piece = piece;
            while !piece.is_empty() {
                // The end of the old conversation may be an error.
                if let Ok(Some(one)) = decoder.read(&mut piece) {
                    found.push(one);
                }
            }
        }
        prop_assert_eq!(found.pop(), Some(Decoded::Frame(wanted)));
        prop_assert_eq!(found.pop(), Some(Decoded::Mark));
    }
}

/// Changes single bytes and pieces of a valid conversation for two seconds: whatever comes of it,
/// the decoder neither panics nor holds more than a frame, and the next mark brings it back.
#[test]
fn a_conversation_with_errors_in_it_never_confuses_the_next() {
    let bodies = [
        Body::Request(Request::Exec(Exec::new(Command::Line("true".into())))),
        Body::Input(vec![7; 500]),
        Body::Credit(9),
        Body::Event(Event::Pong),
        Body::Close,
    ];
    let frames: Vec<Frame> = bodies
        .into_iter()
        .map(|body| Frame {
            stream: StreamId(1),
            body,
        })
        .collect();
    let valid = written(&frames);
    let attach = Body::Attach(Attach {
        protocol: 1,
        nonce: Nonce([4; 16]),
    });
    let mut opening = mark().bytes().to_vec();
    Encoder::new(0)
        .write(StreamId::CONNECTION, &attach, &mut opening)
        .unwrap();
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % below as u64).unwrap()
    };
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        let mut bytes = valid.clone();
        for _ in 0..=random(4) {
            let at = random(bytes.len());
            match random(3) {
                0 => bytes[at] = u8::try_from(random(256)).unwrap(),
                1 => drop(bytes.drain(at..(at + random(40)).min(bytes.len()))),
                _ => {
                    let copied = bytes[at..(at + random(40)).min(bytes.len())].to_vec();
                    let to = random(bytes.len() + 1);
                    drop(bytes.splice(to..to, copied));
                }
            }
            if bytes.is_empty() {
                bytes.push(0);
            }
        }
        bytes.extend_from_slice(&opening);
        let mut decoder = Decoder::open(EPOCH, mark());
        let mut last = None;
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let length = (1 + random(100)).min(rest.len());
            let (mut piece, after) = rest.split_at(length);
            rest = after;
            while !piece.is_empty() {
                if let Ok(Some(one)) = decoder.read(&mut piece) {
                    last = Some(one);
                }
                assert!(decoder.held_bytes() <= HEADER_BYTES + MOST_CONTROL_BYTES);
            }
        }
        let wanted = Frame {
            stream: StreamId::CONNECTION,
            body: attach.clone(),
        };
        assert_eq!(last, Some(Decoded::Frame(wanted)));
    }
}

fn error_of(bytes: &[u8]) -> FrameError {
    read(&mut Decoder::open(EPOCH, mark()), bytes, &[7]).unwrap_err()
}

#[test]
fn each_kind_of_error_has_a_type() {
    let data = Kind::Input as u8;
    let long = error_of(&single(data, 1 << 20, EPOCH, 0));
    let most = MOST_DATA_BYTES;
    assert!(
        matches!(long, FrameError::TooLong { length: 1_048_576, most: limit, .. } if limit == most)
    );
    let unknown = error_of(&single(99, 0, EPOCH, 0));
    assert!(matches!(unknown, FrameError::UnknownKind { kind: 99 }));
    let other = error_of(&single(data, 0, EPOCH + 1, 0));
    assert!(matches!(
        other,
        FrameError::WrongEpoch {
            expected: EPOCH,
            found: 4
        }
    ));
    let skipped = error_of(&single(data, 0, EPOCH, 1));
    assert!(matches!(
        skipped,
        FrameError::OutOfOrder {
            expected: 0,
            found: 1
        }
    ));
    let twice = [single(data, 0, EPOCH, 0), single(data, 0, EPOCH, 0)].concat();
    assert!(matches!(
        error_of(&twice),
        FrameError::OutOfOrder {
            expected: 1,
            found: 0
        }
    ));
    let mut text = single(Kind::Request as u8, 2, EPOCH, 0);
    text.extend_from_slice(b"{]");
    assert!(matches!(error_of(&text), FrameError::Malformed { .. }));
    let mut credit = single(Kind::Credit as u8, 2, EPOCH, 0);
    credit.extend_from_slice(b"12");
    assert!(matches!(
        error_of(&credit),
        FrameError::Credit { length: 2 }
    ));
    let mut unopened = mark().bytes().to_vec();
    unopened.extend(single(data, 0, EPOCH, 0));
    let unopened = read(&mut Decoder::waiting(mark()), &unopened, &[7]).unwrap_err();
    assert!(matches!(unopened, FrameError::NotOpened { .. }));
}

#[test]
fn a_frame_that_is_too_long_is_not_written_and_uses_no_number() {
    let (mut encoder, mut bytes) = (Encoder::new(EPOCH), b"before".to_vec());
    let long = Body::Output(vec![0; MOST_DATA_BYTES + 1]);
    let refused = encoder.write(StreamId(1), &long, &mut bytes);
    assert!(matches!(refused, Err(FrameError::TooLong { .. })));
    assert_eq!(bytes, b"before");
    bytes.clear();
    encoder
        .write(StreamId(1), &Body::Close, &mut bytes)
        .unwrap();
    let found = read(&mut Decoder::open(EPOCH, mark()), &bytes, &[3]).unwrap();
    assert_eq!(found.len(), 1);
}

#[test]
fn data_that_holds_an_old_mark_or_parts_of_this_one_is_data() {
    let mark = mark();
    let part = &mark.bytes()[..20];
    let data = [part, Mark::new(Nonce::FIRST).bytes(), part].concat();
    let frame = Frame {
        stream: StreamId(1),
        body: Body::Output(data),
    };
    let bytes = written(std::slice::from_ref(&frame));
    let found = read(&mut Decoder::open(EPOCH, mark), &bytes, &[5]).unwrap();
    assert_eq!(frames_of(found), [frame]);
}

/// What goes over the wire stays as it is: a sandbox that runs is older than the host that comes back.
#[test]
fn the_first_frame_of_a_conversation_is_written_like_this() {
    let hello = Body::Hello(Hello {
        protocol: 1,
        version: "0.1.0".into(),
        epoch: 1,
        key: Nonce([0xab; 16]),
        execs: vec![],
    });
    let mut bytes = Vec::new();
    Encoder::new(1)
        .write(StreamId::CONNECTION, &hello, &mut bytes)
        .unwrap();
    let json = r#"{"protocol":1,"version":"0.1.0","epoch":1,"key":"abababababababababababababababab","execs":[]}"#;
    let mut wanted = single(1, u32::try_from(json.len()).unwrap(), 1, 0);
    wanted[8..12].fill(0);
    wanted.extend_from_slice(json.as_bytes());
    assert_eq!(bytes, wanted);
    let exec = Request::Exec(Exec::new(Command::Argv(vec![
        "ls".into(),
        Name(vec![0xff]),
    ])));
    let json = r#"{"type":"exec","command":{"argv":["ls",{"hex":"ff"}]},"cwd":null,"env":[],"pty":null,"input":false,"timeout_ms":null,"overflow":"wait","label":null}"#;
    assert_eq!(serde_json::to_string(&exec).unwrap(), json);
    let short = r#"{"type":"exec","command":{"argv":["ls",{"hex":"ff"}]}}"#;
    assert_eq!(serde_json::from_str::<Request>(short).unwrap(), exec);
}
