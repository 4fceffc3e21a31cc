//! Hears of a machine's calls, takes those that nobody else works on, and answers them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use machine_client::RouteCall;
use parking_lot::Mutex;
use sandbox::{Owner, Sandboxes};
use tokio_util::sync::CancellationToken;
use wire::{
    body::Change,
    error_code::ErrorCode,
    failure::Failure,
    routes::{AnswerSandboxCall, KeepSandboxCall, ListSandboxCalls, TakeSandboxCall},
    sandbox_call::{
        CALL_BYTES, SandboxAnswer, SandboxCall, SandboxCallAnswer, SandboxCallHost,
        SandboxCallShown,
    },
};

use super::{
    owner,
    work::{Caller, Creating, Work},
};
use crate::{
    MachineHandle,
    body::{failed, within},
};

/// Between two looks at what waits, and two tries at turning the machine's server on or off.
const LOOK: Duration = Duration::from_secs(8);
/// Between two signs that a call is worked on.
const KEEP: Duration = Duration::from_secs(5);
/// Before a machine that could not be heard is tried again, unless it is said to run before.
const AGAIN: Duration = Duration::from_secs(5);
/// How long the machine may take to hand over a call, or to take an answer.
const EXCHANGE: Duration = Duration::from_secs(20);
/// How long a process whose sandboxes aren't started yet leaves a call to another one.
const UNSTARTED: Duration = Duration::from_millis(300);
/// How long a process leaves a call to another one if it doesn't know the sandbox that is meant.
const STRANGE: Duration = Duration::from_secs(1);
/// The most that the machine says of what waits.
const LIST_BYTES: usize = 64 << 10;
/// How many calls of a machine are worked on at a time.
const AT_ONCE: usize = 16;
/// The longest id of a call.
const ID_BYTES: usize = 40;

/// This process, as it works on a machine's calls. Cheap to clone; clones share what runs.
#[derive(Clone)]
struct Host {
    /// What the machine knows it by.
    name: String,
    /// Calls that are worked on; cancelled once nobody waits for them.
    running: Arc<Mutex<HashMap<String, CancellationToken>>>,
    creating: Creating,
}

/// A call that is worked on, until it is dropped.
struct Running {
    host: Host,
    id: String,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.host.running.lock().remove(&self.id);
    }
}

impl Host {
    fn new() -> Self {
        Self {
            name: ulid::Ulid::generate().to_string(),
            running: Arc::default(),
            creating: Creating::default(),
        }
    }

    /// Cancels what nobody waits for any more; answers those that can be begun.
    fn sort(&self, calls: Vec<SandboxCallShown>, stop: &CancellationToken) -> Vec<Begun> {
        let mut running = self.running.lock();
        for (id, cancel) in running.iter() {
            if calls.iter().all(|call| call.id != *id) {
                cancel.cancel();
            }
        }
        let is_id = |id: &str| {
            (1..=ID_BYTES).contains(&id.len())
                && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let mut begun = Vec::new();
        for call in calls {
            let is_free = call.taken_by.is_none() && !running.contains_key(&call.id);
            if !is_free || !is_id(&call.id) || running.len() >= AT_ONCE {
                continue;
            }
            let cancel = stop.child_token();
            running.insert(call.id.clone(), cancel.clone());
            let running = Running {
                host: self.clone(),
                id: call.id.clone(),
            };
            begun.push(Begun {
                call,
                cancel,
                _running: running,
            });
        }
        begun
    }
}

/// A call that is about to be taken.
struct Begun {
    call: SandboxCallShown,
    cancel: CancellationToken,
    _running: Running,
}

fn concerns_calls(change: &Change) -> bool {
    matches!(change, Change::SandboxCalls | Change::Missed { .. })
}

impl MachineHandle {
    /// Answers what the machine's programs ask of sandboxes, until the app stops. For those that stay.
    pub(crate) fn answer_sandbox_calls(&self) {
        let machine = self.clone();
        self.inner.tasks.spawn(async move {
            let host = Host::new();
            loop {
                tokio::select! {
                    () = machine.inner.stop.cancelled() => return,
                    () = machine.hear_sandbox_calls(&host) => {}
                }
                // A machine that is made anew, stopped, or not there.
                tokio::select! {
                    () = machine.inner.stop.cancelled() => return,
                    _ = tokio::time::timeout(AGAIN, machine.machine_runs()) => {}
                }
            }
        });
    }

    /// Goes with the machine's changes until it tells nothing more.
    async fn hear_sandbox_calls(&self, host: &Host) {
        let Ok(mut changes) = self.open_changes().await else {
            return;
        };
        let mut is_tuned = false;
        // The first look is at once: what was put before is found with it.
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                _ = look.tick() => {
                    if !is_tuned {
                        is_tuned = self.tune_sandbox_server().await.is_ok();
                    }
                }
                heard = changes.next() => match heard {
                    None => return,
                    Some(heard) => if !heard.iter().any(concerns_calls) {
                        continue;
                    },
                },
            }
            if let Err(failure) = self.look_at_sandbox_calls(host).await {
                tracing::debug!(%failure, "the machine did not say which sandboxes are asked for");
            }
        }
    }

    async fn look_at_sandbox_calls(&self, host: &Host) -> Result<(), Failure> {
        let call = RouteCall::<ListSandboxCalls>::new((), &()).map_err(failed)?;
        let listed = self.call_up_to(LIST_BYTES, &call).await?;
        for begun in host.sort(listed.calls, &self.inner.stop) {
            let (machine, host) = (self.clone(), host.clone());
            self.inner.tasks.spawn(async move {
                let id = begun.call.id.clone();
                if let Err(failure) = machine.take_sandbox_call(&host, &begun).await {
                    tracing::debug!(id, %failure, "a call for a sandbox was not answered");
                }
            });
        }
        Ok(())
    }

    /// Takes a call, works on it, and answers it.
    async fn take_sandbox_call(&self, host: &Host, begun: &Begun) -> Result<(), Failure> {
        let id = &begun.call.id;
        let mine = owner(self.machine()?.id());
        if let Some(delay) = self.sandbox_delay(&mine, &begun.call) {
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = begun.cancel.cancelled() => return Ok(()),
            }
        }
        let by = SandboxCallHost {
            host: host.name.clone(),
        };
        let take = RouteCall::<TakeSandboxCall>::new(id, &by).map_err(failed)?;
        let taken = within(EXCHANGE, self.call_up_to(CALL_BYTES, &take)).await;
        let call = match taken {
            // Another process was quicker, or nobody waits any more.
            Err(failure) if is_gone(&failure) => return Ok(()),
            taken => taken?,
        };
        let keeping = async {
            let mut keep = tokio::time::interval(KEEP);
            loop {
                keep.tick().await;
                let kept = within(EXCHANGE, self.call::<KeepSandboxCall>(id, &by)).await;
                if kept.is_err_and(|failure| is_gone(&failure)) {
                    begun.cancel.cancel();
                }
            }
        };
        let answer = tokio::select! {
            answer = self.sandbox_answer(host, call, &begun.cancel) => answer,
            () = keeping => None,
        };
        let answer = match answer {
            Some(answer) => answer,
            None if self.inner.stop.is_cancelled() => {
                SandboxAnswer::failed(ErrorCode::NoSandboxHost, "Vivarium is stopping")
            }
            None => return Ok(()),
        };
        let answer = SandboxCallAnswer {
            host: host.name.clone(),
            answer,
        };
        within(EXCHANGE, self.call::<AnswerSandboxCall>(id, &answer)).await?;
        Ok(())
    }

    /// How long a call is left to another process, which may be quicker or know the sandbox.
    fn sandbox_delay(&self, owner: &Owner, call: &SandboxCallShown) -> Option<Duration> {
        let started = self.inner.sandboxes.started();
        let sandboxes = started.and_then(|service| service.sandboxes().ok());
        match (&call.sandbox, sandboxes) {
            (None, Some(_)) => None,
            (None, None) => Some(UNSTARTED),
            (Some(id), Some(sandboxes)) => {
                let mine = sandboxes.list(owner);
                let knows = mine.iter().any(|view| view.sandbox_id == *id);
                (!knows).then_some(STRANGE)
            }
            (Some(_), None) => Some(STRANGE),
        }
    }

    /// What comes of a call; `None` once it was cancelled.
    async fn sandbox_answer(
        &self,
        host: &Host,
        call: SandboxCall,
        cancelled: &CancellationToken,
    ) -> Option<SandboxAnswer> {
        let begun = async {
            // As its owner says now.
            let machine = self.machine()?;
            let caller = Caller {
                machine: self.name().to_owned(),
                owner: owner(machine.id()),
                access: self.sandbox_access(&machine),
            };
            Ok::<_, Failure>(caller)
        };
        let work = match begun.await {
            Err(failure) => return Some(refused(failure)),
            Ok(caller) => match caller.check() {
                // Nothing is started for a machine that isn't allowed to.
                Err(refusal) => return Some(SandboxAnswer::failed(refusal.code, refusal.message)),
                Ok(()) => match self.sandboxes_for_machine().await {
                    Err(answer) => return Some(answer),
                    Ok(runner) => Work {
                        runner,
                        caller,
                        tasks: self.inner.tasks.clone(),
                        creating: host.creating.clone(),
                    },
                },
            },
        };
        work.carry_out(call, cancelled).await
    }

    /// The sandboxes of this process, which are started with the first call.
    async fn sandboxes_for_machine(&self) -> Result<Sandboxes, SandboxAnswer> {
        let service = self.inner.sandboxes.start(true).await.map_err(refused)?;
        let sandboxes = service.sandboxes();
        let sandboxes =
            sandboxes.map_err(|refusal| SandboxAnswer::failed(refusal.code, refusal.message))?;
        Ok(sandboxes.clone())
    }
}

fn refused(failure: Failure) -> SandboxAnswer {
    let refusal = crate::sandboxes::Refusal::failed(failure);
    SandboxAnswer::failed(refusal.code, refusal.message)
}

/// Whether a call is somebody else's or nobody's.
fn is_gone(failure: &Failure) -> bool {
    let code = failure.error_code.as_deref();
    matches!(
        code,
        Some(ErrorCode::NotFound | ErrorCode::SandboxCallTaken)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(id: &str, taken_by: Option<&str>) -> SandboxCallShown {
        SandboxCallShown {
            id: id.into(),
            sandbox: None,
            taken_by: taken_by.map(Into::into),
        }
    }

    fn ids(begun: &[Begun]) -> Vec<&str> {
        begun.iter().map(|begun| begun.call.id.as_str()).collect()
    }

    #[test]
    fn a_call_is_begun_once_and_cancelled_when_nobody_waits_for_it() {
        let (host, stop) = (Host::new(), CancellationToken::new());
        let first = host.sort(vec![shown("a", None), shown("b", Some("other"))], &stop);
        assert_eq!(ids(&first), ["a"]);
        assert!(host.sort(vec![shown("a", None)], &stop).is_empty());
        assert!(!first[0].cancel.is_cancelled());
        assert!(host.sort(Vec::new(), &stop).is_empty());
        assert!(first[0].cancel.is_cancelled());
        drop(first);
        assert_eq!(ids(&host.sort(vec![shown("a", None)], &stop)), ["a"]);
    }

    #[test]
    fn odd_ids_are_left_alone_and_no_more_run_at_once_than_may() {
        let (host, stop) = (Host::new(), CancellationToken::new());
        let odd = ["", "../a", "a/b", "a b", "ä", &"a".repeat(ID_BYTES + 1)];
        let odd = odd.into_iter().map(|id| shown(id, None)).collect();
        assert!(host.sort(odd, &stop).is_empty());
        let many = (0..1000).map(|number| shown(&format!("a{number}"), None));
        assert_eq!(host.sort(many.collect(), &stop).len(), AT_ONCE);
    }
}
