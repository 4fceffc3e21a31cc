//! All streams, and what frames do to them.

use std::{collections::BTreeMap, rc::Rc};

use frames::{
    Body, Frame, Name, StreamId,
    message::{Event, ExecState, Goodbye, Reason, RefusalCode, Request},
};
use processes::{Pid, Status};

use crate::{
    archive::{Pack, Unpack},
    channel::Channel,
    exec::{Exec, Leftovers, PIECE_BYTES},
    files::{self, List, Read, Remove, Roots, Watch, Weigh, Write, roots::of_host},
    outbox::Outbox,
    refusal::Refusal,
    task::{Progress, Task},
    usage::usage,
};

/// The most streams at once, execs that weren't released among them.
const MOST_STREAMS: usize = 512;
/// The most execs that ended and weren't released; older ones are forgotten.
const MOST_ENDED: usize = 128;
/// The most pipes that are read for processes in the background.
const MOST_LEFTOVERS: usize = 256;

/// A stream: its data and what it does.
pub struct Stream {
    pub channel: Channel,
    pub work: Work,
}

/// What a stream does.
pub enum Work {
    Exec(Box<Exec>),
    Task(Box<dyn Task>),
}

/// All streams by their numbers.
pub struct Streams {
    pub all: BTreeMap<StreamId, Stream>,
    pub leftovers: Leftovers,
    roots: Rc<Roots>,
    /// Read into; as large as a piece of output.
    buffer: Vec<u8>,
    /// The stream that had its turn last.
    last: StreamId,
}

/// What a frame asks of the whole sandbox.
pub enum Asked {
    Nothing,
    Shutdown {
        grace_ms: u64,
    },
    /// The frame is none that a host may send: the conversation is over.
    End(Goodbye),
}

impl Streams {
    pub fn new(roots: Roots) -> Self {
        Self {
            all: BTreeMap::new(),
            leftovers: Leftovers::new(),
            roots: Rc::new(roots),
            buffer: vec![0; PIECE_BYTES],
            last: StreamId::CONNECTION,
        }
    }

    /// Carries out what a frame asks.
    pub fn take(&mut self, frame: Frame, outbox: &mut Outbox) -> Asked {
        let id = frame.stream;
        // A frame for a stream that is over may have been under way when it ended.
        let stream = self.all.get_mut(&id);
        match frame.body {
            Body::Request(request) => return self.request(id, request, outbox),
            Body::Input(data) => {
                if let Some(stream) = stream
                    && let Err(over) = stream.channel.receive(data)
                {
                    return Asked::End((&over).into());
                }
            }
            Body::Close => {
                if let Some(stream) = stream {
                    stream.channel.close();
                }
            }
            Body::Credit(limit) => {
                if let Some(stream) = stream {
                    stream.channel.allow(limit);
                }
            }
            // The host is going away.
            Body::Goodbye(goodbye) => return Asked::End(goodbye),
            Body::Hello(_)
            | Body::Attach(_)
            | Body::Event(_)
            | Body::Output(_)
            | Body::ErrorOutput(_) => {
                return Asked::End(Goodbye {
                    reason: Reason::Malformed,
                    message: "a frame that only a sandbox sends came from the host".to_owned(),
                });
            }
        }
        Asked::Nothing
    }

    fn request(&mut self, id: StreamId, request: Request, outbox: &mut Outbox) -> Asked {
        if let Request::Shutdown { grace_ms } = request {
            return Asked::Shutdown { grace_ms };
        }
        let refused = match self.about_stream(id, &request, outbox) {
            Some(outcome) => outcome.err(),
            None => self.open(id, request, outbox).err(),
        };
        if let Some(refusal) = refused {
            outbox.event(id, refusal.into());
        }
        Asked::Nothing
    }

    /// What a request about an existing stream came to; none if it is no such request.
    fn about_stream(
        &mut self,
        id: StreamId,
        request: &Request,
        outbox: &mut Outbox,
    ) -> Option<Result<(), Refusal>> {
        let known = self.all.get_mut(&id);
        let exec = known.and_then(|stream| match &mut stream.work {
            Work::Exec(exec) => Some((exec, &mut stream.channel)),
            Work::Task(_) => None,
        });
        Some(match (request, exec) {
            (Request::Signal { signal, group }, Some((exec, _))) => exec.signal(*signal, *group),
            (Request::Resize(size), Some((exec, _))) => exec.resize(*size),
            (Request::Resume { after }, Some((exec, channel))) => {
                exec.resume(*after, channel, outbox);
                Ok(())
            }
            (Request::Cancel, Some((exec, _))) => {
                exec.kill();
                Ok(())
            }
            (Request::Release, Some((exec, channel))) => {
                if exec.exit().is_some() {
                    self.all.remove(&id);
                } else {
                    exec.release();
                    channel.detach();
                }
                Ok(())
            }
            (Request::Cancel, None) => {
                if self.all.remove(&id).is_some() {
                    let refusal = Refusal::new(RefusalCode::Canceled, "canceled");
                    outbox.event(id, refusal.into());
                }
                Ok(())
            }
            (Request::Resume { .. }, None) => {
                Err(Refusal::new(RefusalCode::NotFound, "exec not found"))
            }
            (Request::Signal { .. } | Request::Resize(_) | Request::Release, None)
            | (Request::Connected | Request::Refused { .. }, _) => Ok(()),
            _ => return None,
        })
    }

    fn open(&mut self, id: StreamId, request: Request, outbox: &mut Outbox) -> Result<(), Refusal> {
        if !id.is_of_host() || self.all.contains_key(&id) {
            let words = format!("stream {id} is in use, or isn't one that the host opens");
            return Err(Refusal::new(RefusalCode::StreamInUse, words));
        }
        let roots = Rc::clone(&self.roots);
        let at = |path: &Name| of_host(&roots, path);
        let task: Box<dyn Task> = match request {
            Request::Ping => return answer(outbox, id, Event::Pong),
            Request::Usage => return answer(outbox, id, Event::Usage(usage(&roots))),
            Request::Execs => {
                let execs = self.execs();
                return answer(outbox, id, Event::Execs { execs });
            }
            Request::Exec(exec) => return self.exec(id, exec, outbox),
            Request::Stat { path } => {
                let event = files::stat(&roots, &at(&path)?, path)?;
                return answer(outbox, id, event);
            }
            Request::Move { from, to, replace } => {
                let event = files::rename(&roots, &at(&from)?, &at(&to)?, replace)?;
                return answer(outbox, id, event);
            }
            Request::MakeDir { path, parents } => {
                let event = files::make_folder(&roots, &at(&path)?, parents)?;
                return answer(outbox, id, event);
            }
            Request::List { path, depth, most } => {
                Box::new(List::new(&roots, &at(&path)?, depth, most)?)
            }
            Request::Weigh { path, most } => Box::new(Weigh::new(&roots, &at(&path)?, most)?),
            Request::Read { path, from, length } => {
                Box::new(Read::new(&roots, &at(&path)?, path, from, length)?)
            }
            Request::Write {
                path,
                mode,
                parents,
            } => Box::new(Write::new(&roots, &at(&path)?, mode, parents)?),
            Request::Remove { path, recursive } => {
                Box::new(Remove::new(&roots, &at(&path)?, recursive)?)
            }
            Request::Watch { path, recursive } => {
                let place = at(&path)?;
                Box::new(Watch::new(Rc::clone(&roots), place, recursive)?)
            }
            Request::TarOut { paths } => Box::new(Pack::new(&roots, &paths)?),
            Request::TarIn { limits, links } => Box::new(Unpack::new(roots, limits, links)),
            _ => {
                let words = "this sandbox doesn't know the request";
                return Err(Refusal::new(RefusalCode::Unsupported, words));
            }
        };
        self.insert(id, Work::Task(task))
    }

    fn exec(
        &mut self,
        id: StreamId,
        exec: frames::message::Exec,
        outbox: &mut Outbox,
    ) -> Result<(), Refusal> {
        self.room()?;
        let label = exec.label.as_deref().unwrap_or_default();
        if label.len() > frames::message::MOST_LABEL_BYTES
            || label.contains(|it: char| !it.is_ascii_graphic() && it != ' ')
        {
            let words = format!(
                "a label has at most {} letters, digits, signs and spaces",
                frames::message::MOST_LABEL_BYTES
            );
            return Err(Refusal::new(RefusalCode::Invalid, words));
        }
        let exec = Exec::start(exec, &self.roots.home())?;
        let pid = Some(exec.pid.as_raw());
        outbox.event(id, Event::Started { pid });
        self.insert(id, Work::Exec(Box::new(exec)))
    }

    fn insert(&mut self, id: StreamId, work: Work) -> Result<(), Refusal> {
        self.room()?;
        let channel = Channel::new(id);
        self.all.insert(id, Stream { channel, work });
        Ok(())
    }

    fn room(&self) -> Result<(), Refusal> {
        if self.all.len() < MOST_STREAMS {
            return Ok(());
        }
        let words = format!("the limit of {MOST_STREAMS} streams is reached");
        Err(Refusal::new(RefusalCode::Limit, words))
    }

    /// The host is gone: what it alone was served by ends, and execs go on.
    pub fn detach(&mut self) {
        self.all.retain(|_, stream| match &mut stream.work {
            Work::Exec(_) => {
                stream.channel.detach();
                true
            }
            Work::Task(_) => false,
        });
    }

    /// All execs that weren't released.
    pub fn execs(&self) -> Vec<ExecState> {
        let state = |(id, stream): (&StreamId, &Stream)| {
            let Work::Exec(exec) = &stream.work else {
                return None;
            };
            let (oldest, end) = exec.kept(&stream.channel);
            (!exec.is_released()).then(|| ExecState {
                stream: *id,
                label: exec.label.clone(),
                pid: exec.pid.as_raw(),
                age_ms: u64::try_from(exec.age().as_millis()).unwrap_or(u64::MAX),
                oldest,
                end,
                exit: exec.exit(),
            })
        };
        self.all.iter().filter_map(state).collect()
    }

    /// A process ended.
    pub fn ended(&mut self, pid: Pid, status: Status) {
        for stream in self.all.values_mut() {
            if let Work::Exec(exec) = &mut stream.work
                && exec.pid == pid
                && exec.exit().is_none()
            {
                exec.ended(status);
            }
        }
    }

    /// Gives each stream its turn, another one first each time. Whether there is more to do at once.
    pub fn step(&mut self, outbox: &mut Outbox) -> bool {
        let (before, after): (Vec<StreamId>, Vec<StreamId>) =
            self.all.keys().copied().partition(|id| *id <= self.last);
        let mut more = false;
        for id in after.into_iter().chain(before) {
            // Those for which there was no room any more are the first ones next time.
            if outbox.has_room() {
                self.last = id;
            }
            more |= self.turn(id, outbox);
        }
        self.forget();
        more
    }

    fn turn(&mut self, id: StreamId, outbox: &mut Outbox) -> bool {
        let Some(Stream { channel, work }) = self.all.get_mut(&id) else {
            return false;
        };
        let task = match work {
            Work::Exec(exec) => {
                let more = exec.step(channel, outbox, &mut self.buffer, &mut self.leftovers);
                if exec.is_released() && exec.exit().is_some() {
                    self.all.remove(&id);
                }
                return more;
            }
            Work::Task(task) => task,
        };
        let last = match task.step(channel, outbox) {
            Ok(Progress::More) => return true,
            Ok(Progress::Waits) => return false,
            Ok(Progress::Done(event)) => event,
            Err(refusal) => refusal.into(),
        };
        outbox.event(id, last);
        self.all.remove(&id);
        false
    }

    /// Forgets what nobody released.
    fn forget(&mut self) {
        let over = self.leftovers.len().saturating_sub(MOST_LEFTOVERS);
        self.leftovers.drain(..over);
        if self.all.len() <= MOST_ENDED {
            return;
        }
        let ended = |(id, stream): (&StreamId, &Stream)| match &stream.work {
            Work::Exec(exec) => exec.exit().is_some().then(|| (exec.ended_at(), *id)),
            Work::Task(_) => None,
        };
        let mut ended: Vec<_> = self.all.iter().filter_map(ended).collect();
        let over = ended.len().saturating_sub(MOST_ENDED);
        if over > 0 {
            ended.sort_unstable();
            for (_, id) in &ended[..over] {
                self.all.remove(id);
            }
        }
    }

    /// Whether an exec's process runs.
    pub fn any_runs(&self) -> bool {
        let running =
            |stream: &Stream| matches!(&stream.work, Work::Exec(exec) if exec.has_process());
        self.all.values().any(running)
    }
}

fn answer(outbox: &mut Outbox, id: StreamId, event: Event) -> Result<(), Refusal> {
    outbox.event(id, event);
    Ok(())
}
