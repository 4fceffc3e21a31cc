//! Whether a process that runs still answers. It is asked, and has a time limit; one that somebody
//! stopped (SIGSTOP, a debugger) is known by its state.
//!
//! The limits are counted in looks and not read from a clock: in a machine that was paused, time went
//! by in which nobody could answer, and nobody looked either.

use std::{future::Future, pin::Pin, time::Duration};

use futures_util::FutureExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::{Interval, MissedTickBehavior},
};

use crate::proc::is_stopped;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(1);
/// Looks between an answer and the next question.
const REST: u32 = 5;
/// Looks at a process that is stopped, after which it doesn't respond.
pub const STOPPED: u32 = 10;
/// Further looks after which it won't respond any more.
const PATIENCE: u32 = 20;

/// A question that is under way: whether it was answered.
pub type Asked = Pin<Box<dyn Future<Output = bool> + Send>>;

/// What a look saw that the one before did not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It has not responded for the time that it has.
    Silent,
    /// And not for much longer either.
    Lost,
    /// It responds again.
    Answers,
}

/// Looks at one process, again and again.
pub struct Looks {
    pid: i32,
    /// Looks without an answer, after which it doesn't respond.
    limit: u32,
    tick: Interval,
    asked: Option<Asked>,
    rest: u32,
    stopped: u32,
    unanswered: u32,
    /// Looks since it doesn't respond.
    silent: Option<u32>,
}

impl Looks {
    /// Looks at a process that has so many looks for an answer.
    pub fn new(pid: i32, limit: u32) -> Self {
        let mut tick = tokio::time::interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            pid,
            limit,
            tick,
            asked: None,
            rest: REST,
            stopped: 0,
            unanswered: 0,
            silent: None,
        }
    }

    /// Waits for a turn. `ask` begins a question; `is_excused` says whether it may be silent now.
    /// Nothing is lost if the future is dropped.
    pub async fn next(&mut self, ask: impl Fn() -> Asked, is_excused: impl Fn() -> bool) -> Turn {
        loop {
            self.tick.tick().await;
            let is_stopped = is_stopped(self.pid);
            if let Some(turn) = self.look(is_stopped, &ask, &is_excused) {
                return turn;
            }
        }
    }

    fn look(
        &mut self,
        is_stopped: bool,
        ask: &impl Fn() -> Asked,
        is_excused: &impl Fn() -> bool,
    ) -> Option<Turn> {
        self.stopped = if is_stopped { self.stopped + 1 } else { 0 };
        if self.asked.is_none() && self.rest > 0 {
            self.rest -= 1;
        } else {
            let mut asked = self.asked.take().unwrap_or_else(ask);
            match (&mut asked).now_or_never() {
                Some(true) => (self.unanswered, self.rest) = (0, REST),
                Some(false) => self.unanswered += 1,
                None => {
                    self.asked = Some(asked);
                    self.unanswered += 1;
                }
            }
            if is_excused() {
                self.unanswered = 0;
            }
        }
        let is_silent = self.stopped >= STOPPED || self.unanswered >= self.limit;
        match (&mut self.silent, is_silent) {
            (None, true) => {
                self.silent = Some(0);
                Some(Turn::Silent)
            }
            (Some(looks), true) => {
                *looks += 1;
                (*looks == PATIENCE).then_some(Turn::Lost)
            }
            (Some(_), false) if self.stopped == 0 => {
                self.silent = None;
                Some(Turn::Answers)
            }
            _ => None,
        }
    }
}

/// A question that needs no answer: its process is looked at.
pub fn nothing() -> Asked {
    Box::pin(std::future::ready(true))
}

/// Whether the X server at a socket greets, as it does each client. One that is stopped lets clients
/// connect, and says nothing.
pub async fn greets(socket: &std::path::Path) -> bool {
    /// A setup request: little endian, version 11.0, without authorization.
    const HELLO: [u8; 12] = [b'l', 0, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let greeted = async {
        let mut stream = UnixStream::connect(socket).await?;
        stream.write_all(&HELLO).await?;
        stream.read_u8().await
    };
    // It refuses with 0, and answers.
    greeted.await.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(looks: &mut Looks, count: u32, is_stopped: bool, answered: Option<bool>) -> Vec<Turn> {
        let ask = || -> Asked {
            match answered {
                Some(answered) => Box::pin(std::future::ready(answered)),
                None => Box::pin(std::future::pending()),
            }
        };
        let looked = (0..count).filter_map(|_| looks.look(is_stopped, &ask, &|| false));
        looked.collect()
    }

    #[tokio::test]
    async fn what_does_not_answer_in_its_time_is_silent_then_lost_and_may_come_back() {
        let mut looks = Looks::new(1, 10);
        assert_eq!(turns(&mut looks, 100, false, Some(true)), []);
        looks.rest = 0;
        assert_eq!(turns(&mut looks, 9, false, None), []);
        assert_eq!(turns(&mut looks, 1, false, None), [Turn::Silent]);
        assert_eq!(turns(&mut looks, 100, false, None), [Turn::Lost]);
        looks.asked = None;
        assert_eq!(turns(&mut looks, 1, false, Some(true)), [Turn::Answers]);
        assert_eq!(turns(&mut looks, 100, false, Some(true)), []);
    }

    #[tokio::test]
    async fn what_is_stopped_is_silent_even_if_nothing_is_asked() {
        let mut looks = Looks::new(1, u32::MAX);
        assert_eq!(turns(&mut looks, STOPPED - 1, true, Some(true)), []);
        assert_eq!(turns(&mut looks, 1, true, Some(true)), [Turn::Silent]);
        assert_eq!(turns(&mut looks, 1, false, Some(true)), [Turn::Answers]);
    }

    #[tokio::test]
    async fn who_is_busy_may_be_silent_but_not_stopped() {
        let mut looks = Looks::new(1, 10);
        let (ask, busy) = (|| -> Asked { Box::pin(std::future::pending()) }, || true);
        assert!((0..100).all(|_| looks.look(false, &ask, &busy).is_none()));
        let stopped: Vec<_> = (0..STOPPED)
            .filter_map(|_| looks.look(true, &ask, &busy))
            .collect();
        assert_eq!(stopped, [Turn::Silent]);
    }

    #[test]
    fn a_stopped_process_is_known_by_its_state() {
        use nix::{
            sys::{
                signal::{Signal, kill},
                wait::{WaitPidFlag, waitpid},
            },
            unistd::Pid,
        };
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(!is_stopped(pid));
        kill(Pid::from_raw(pid), Signal::SIGSTOP).unwrap();
        waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WUNTRACED)).unwrap();
        assert!(is_stopped(pid));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_stopped(pid));
    }

    #[tokio::test]
    async fn a_display_that_lets_clients_in_and_says_nothing_does_not_greet() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("X99");
        assert!(!greets(&socket).await);
        let listener = tokio::net::UnixListener::bind(&socket).unwrap();
        let mut asked: Asked = Box::pin({
            let socket = socket.clone();
            async move { greets(&socket).await }
        });
        for _ in 0..10 {
            assert_eq!((&mut asked).now_or_never(), None);
            tokio::task::yield_now().await;
        }
        let (mut client, _) = listener.accept().await.unwrap();
        client.write_all(&[1]).await.unwrap();
        assert!(asked.await);
    }
}
