//! A conversation with one `sandbox-init`: it opens, carries streams and ends, with the connection or
//! before. Containers, end times and owners are others' business.

use std::{collections::HashMap, sync::Arc, time::Duration};

use frames::{
    Body, Frame, Mark, Nonce, PROTOCOL, StreamId,
    credit::{INPUT_WINDOW, Sending},
    message::{ExecState, Goodbye, Request},
};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::{
    answering::{Answering, PATIENCE, Pinged, Sign},
    outbox::{self, Outbox},
    source::Source,
    stream::{Input, Open, Receive, Streams},
    transport::Transport,
};

/// How long the first hello may take, the start of the process included.
const HELLO: Duration = Duration::from_secs(20);
/// The same of a process that runs already.
const HELLO_AGAIN: Duration = Duration::from_secs(5);

/// Why a session is over or could not begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SessionEnd(pub String);

/// How a session begins.
#[derive(Clone, Copy, Debug)]
pub enum Opening {
    /// With a process that starts now.
    First,
    /// With one that was spoken to before, by the key of its last hello.
    Back(Nonce),
}

/// A conversation. Cheap to clone; it ends by [`close`](Self::close) or with the connection.
#[derive(Clone, Debug)]
pub struct Session(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    key: Nonce,
    outbox: Outbox,
    streams: Mutex<Streams>,
    answering: Answering,
    /// Cancelled when it is over.
    over: CancellationToken,
    /// Asks the reader to end.
    closing: CancellationToken,
    tasks: TaskTracker,
}

impl Session {
    /// Begins a conversation: waits for the hello, which says what runs there already.
    pub async fn open(
        mut transport: Transport,
        opening: Opening,
    ) -> Result<(Self, Vec<ExecState>), SessionEnd> {
        let nonce = match opening {
            Opening::First => Nonce::FIRST,
            Opening::Back(key) => {
                let nonce = Nonce(rand::random());
                let attached = outbox::attach(&mut transport.writer, key, nonce).await;
                attached.map_err(|error| SessionEnd(format!("could not write: {error}")))?;
                nonce
            }
        };
        let mut source = Source::new(Mark::new(nonce), transport.reader);
        let limit = match opening {
            Opening::First => HELLO,
            Opening::Back(_) => HELLO_AGAIN,
        };
        let frame = tokio::time::timeout(limit, source.next()).await;
        let frame = frame
            .map_err(|_| SessionEnd(format!("no response within {} s", limit.as_secs())))??;
        let hello = match frame.body {
            Body::Hello(hello) => hello,
            _ => return Err(SessionEnd("it began without a hello".into())),
        };
        if hello.protocol != PROTOCOL {
            return Err(SessionEnd(format!(
                "it speaks protocol {}, and {PROTOCOL} is needed",
                hello.protocol
            )));
        }
        let last = hello.execs.iter().map(|exec| exec.stream.0).max();
        let session = Self(Arc::new(Inner {
            key: hello.key,
            outbox: Outbox::new(hello.epoch),
            answering: Answering::new(),
            streams: Mutex::new(Streams {
                next: last.map_or(1, |last| (last | 1).wrapping_add(2)),
                open: HashMap::new(),
                end: None,
            }),
            over: CancellationToken::new(),
            closing: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }));
        let mut writer = transport.writer;
        let reading = session.clone();
        session.0.tasks.spawn(async move {
            let written = async {
                let written = reading.0.outbox.write_all(&mut writer).await;
                let words = written.map_or_else(|error| error.to_string(), |()| "closed".into());
                SessionEnd(words)
            };
            let end = tokio::select! {
                end = reading.read(source) => end,
                end = written => end,
                () = reading.0.closing.cancelled() => SessionEnd("closed".into()),
            };
            reading.end(&end);
        });
        session.0.tasks.close();
        Ok((session, hello.execs))
    }

    /// What the next conversation with this sandbox has to begin with.
    pub fn key(&self) -> Nonce {
        self.0.key
    }

    /// Waits until it is over, and says why.
    pub async fn over(&self) -> SessionEnd {
        self.0.over.cancelled().await;
        self.end_reason()
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        self.0.over.is_cancelled()
    }

    /// Whether streams can be opened: it is not over, and answers.
    pub fn takes_requests(&self) -> bool {
        self.silent_for().is_none() && self.0.streams.lock().end.is_none()
    }

    /// Ends it, without a word to the sandbox, whose processes go on.
    pub async fn close(&self) {
        self.0.closing.cancel();
        self.0.tasks.wait().await;
    }

    /// Waits for what only the sandbox can bring about, as long as it answers anything at all.
    ///
    /// # Errors
    /// That it doesn't. It may do so again later.
    pub async fn while_it_answers<T>(
        &self,
        work: impl Future<Output = T>,
    ) -> Result<T, SessionEnd> {
        let mut work = std::pin::pin!(work);
        loop {
            let patience = match self.silent_for() {
                Some(_) => Duration::ZERO,
                None => PATIENCE,
            };
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = tokio::time::sleep(patience) => {}
            }
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                answers = self.answers() => if !answers {
                    return Err(self.silence());
                },
            }
        }
    }

    /// Whether it answers: it did lately, or it does now. One that is paused counts as if it did.
    pub async fn answers(&self) -> bool {
        match self.0.answering.sign() {
            Sign::Here => return true,
            Sign::Wanted => self.ping(),
            Sign::Asked => {}
        }
        tokio::select! {
            comes = self.0.answering.comes() => comes,
            () = self.0.over.cancelled() => true,
        }
    }

    /// Asks for a sign of life, without waiting for it.
    pub fn doubt(&self) {
        if self.0.answering.doubt() == Sign::Wanted {
            self.ping();
        }
    }

    /// Whether a sign of life was asked for and hasn't come yet.
    pub fn is_doubted(&self) -> bool {
        self.0.answering.is_asked()
    }

    /// For how long it has said nothing, if it doesn't answer.
    pub fn silent_for(&self) -> Option<Duration> {
        self.0.answering.silent_for()
    }

    /// Why nothing came of what it was asked for.
    pub fn silence(&self) -> SessionEnd {
        let silent = self.silent_for().unwrap_or_default();
        SessionEnd(format!(
            "no response from its first process for {} s",
            silent.as_secs()
        ))
    }

    /// Says that the sandbox is paused, and can't answer; or that it goes on.
    pub fn set_frozen(&self, is_frozen: bool) {
        self.0.answering.set_frozen(is_frozen);
    }

    fn ping(&self) {
        // If it is over, its streams are told.
        let _ = self.request(Request::Ping, Arc::new(Pinged));
    }

    /// Opens a stream with a request.
    pub fn request(
        &self,
        request: Request,
        receiver: Arc<dyn Receive>,
    ) -> Result<StreamId, SessionEnd> {
        // What nobody reads would only pile up.
        if self.silent_for().is_some() {
            return Err(self.silence());
        }
        let mut streams = self.0.streams.lock();
        if let Some(end) = &streams.end {
            return Err(end.clone());
        }
        let stream = StreamId(streams.next);
        let put = self.0.outbox.put(stream, &Body::Request(request));
        put.map_err(|error| SessionEnd(error.to_string()))?;
        streams.next = streams.next.wrapping_add(2);
        let input = Input::new(0);
        streams.open.insert(stream, Open { receiver, input });
        Ok(stream)
    }

    /// Takes up a stream of an earlier conversation.
    pub fn take_up(&self, stream: StreamId, after: u64, receiver: Arc<dyn Receive>) {
        let mut streams = self.0.streams.lock();
        if let Some(end) = &streams.end {
            let end = end.clone();
            drop(streams);
            return receiver.over(&end);
        }
        let input = Input::new(0);
        streams.open.insert(stream, Open { receiver, input });
        drop(streams);
        self.say(stream, Request::Resume { after });
    }

    /// Tells how much input of a stream that was taken up had arrived.
    pub fn input_arrived(&self, stream: StreamId, bytes: u64) {
        let streams = self.0.streams.lock();
        if let Some(open) = streams.open.get(&stream) {
            *open.input.sending.lock() = Sending::new(bytes, INPUT_WINDOW);
            open.input.changed.notify_waiters();
        }
    }

    /// Says something on a stream that is open.
    pub fn say(&self, stream: StreamId, request: Request) {
        self.put(stream, &Body::Request(request));
    }

    /// Allows the other side to send up to this byte.
    pub fn allow(&self, stream: StreamId, limit: u64) {
        self.put(stream, &Body::Credit(limit));
    }

    /// Says that a stream's input is whole.
    pub fn close_input(&self, stream: StreamId) {
        self.put(stream, &Body::Close);
    }

    /// Hears no more of a stream.
    pub fn forget(&self, stream: StreamId) {
        self.0.streams.lock().open.remove(&stream);
    }

    /// Sends input as the sandbox takes it; false if the stream is gone.
    pub async fn send(&self, stream: StreamId, mut data: &[u8]) -> bool {
        while !data.is_empty() {
            if self.while_it_answers(self.0.outbox.room()).await.is_err() {
                return false;
            }
            let input = {
                let streams = self.0.streams.lock();
                match streams.open.get(&stream) {
                    Some(open) => Arc::clone(&open.input),
                    None => return false,
                }
            };
            let changed = input.changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            let sent = {
                let mut sending = input.sending.lock();
                let most = sending.room().min(frames::MOST_DATA_BYTES);
                let sent = most.min(data.len());
                if sent > 0 {
                    if self.0.outbox.put_input(stream, &data[..sent]).is_err() {
                        return false;
                    }
                    sending.advance(sent);
                }
                sent
            };
            data = &data[sent..];
            if sent == 0 {
                // The stream's end wakes as credit does.
                tokio::select! {
                    waited = self.while_it_answers(changed) => if waited.is_err() {
                        return false;
                    },
                    () = self.0.over.cancelled() => return false,
                }
            }
        }
        !self.is_over()
    }

    fn put(&self, stream: StreamId, body: &Body) {
        if let Err(error) = self.0.outbox.put(stream, body) {
            // All of these are far below the longest frame.
            tracing::error!(%error, %stream, "could not encode a frame");
        }
    }

    fn end_reason(&self) -> SessionEnd {
        let streams = self.0.streams.lock();
        let end = streams.end.clone();
        end.unwrap_or_else(|| SessionEnd("closed".into()))
    }

    /// Tells all streams that it is over.
    fn end(&self, end: &SessionEnd) {
        self.0.outbox.close();
        let open = {
            let mut streams = self.0.streams.lock();
            streams.end = Some(end.clone());
            std::mem::take(&mut streams.open)
        };
        for open in open.into_values() {
            open.receiver.over(end);
            open.input.changed.notify_waiters();
        }
        self.0.over.cancel();
    }

    async fn read(&self, mut source: Source) -> SessionEnd {
        loop {
            let frame = match source.next().await {
                Ok(frame) => frame,
                Err(end) => return end,
            };
            self.0.answering.heard();
            if let Err(end) = self.hear(frame) {
                return end;
            }
        }
    }

    fn hear(&self, frame: Frame) -> Result<(), SessionEnd> {
        let stream = frame.stream;
        let find = || {
            let streams = self.0.streams.lock();
            let open = streams.open.get(&stream);
            open.map(|open| (Arc::clone(&open.receiver), Arc::clone(&open.input)))
        };
        match frame.body {
            Body::Output(data) | Body::ErrorOutput(data) if stream == StreamId::CONNECTION => Err(
                SessionEnd(format!("{} bytes of no stream arrived", data.len())),
            ),
            Body::Output(data) => self.data(find(), stream, false, data),
            Body::ErrorOutput(data) => self.data(find(), stream, true, data),
            Body::Event(event) => {
                // What is said on a stream that was given up meanwhile is nothing to anybody.
                if let Some((receiver, input)) = find()
                    && receiver.event(event)?
                {
                    self.forget(stream);
                    input.changed.notify_waiters();
                }
                Ok(())
            }
            Body::Close => {
                if let Some((receiver, _)) = find() {
                    receiver.closed();
                }
                Ok(())
            }
            Body::Credit(limit) => {
                if let Some((_, input)) = find() {
                    input.sending.lock().allow(limit);
                    input.changed.notify_waiters();
                }
                Ok(())
            }
            Body::Goodbye(Goodbye { message, .. }) => Err(SessionEnd(message)),
            Body::Hello(_) | Body::Attach(_) | Body::Request(_) | Body::Input(_) => Err(
                SessionEnd("the sandbox sent what only its host may send".into()),
            ),
        }
    }

    fn data(
        &self,
        open: Option<(Arc<dyn Receive>, Arc<Input>)>,
        stream: StreamId,
        is_error: bool,
        data: Vec<u8>,
    ) -> Result<(), SessionEnd> {
        if let Some((receiver, _)) = open
            && let Some(limit) = receiver.data(is_error, data.into())?
        {
            self.allow(stream, limit);
        }
        Ok(())
    }
}
