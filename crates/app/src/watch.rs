//! Tells the stream when the machine's state changes, also where somebody else changed it, and
//! when the container engine goes away or comes back.

use std::time::Duration;

use lifecycle::{CancellationToken, Change, LifecycleError, MachineOptions};
use tokio::sync::mpsc::{self, Receiver, Sender};
use wire::{
    failure::Failure,
    machine::{MachineState, MachineStatus},
    stream::Event,
};

use crate::{
    endpoint::{Endpoints, Watched},
    journal::Journal,
    machine::{connect, load},
};

/// Between two looks at whether anybody listens.
const LISTENER: Duration = Duration::from_millis(500);
/// Between two looks at a machine that starts: no event tells when its kernel answers.
const STARTING: Duration = Duration::from_millis(500);
/// Between two looks at one that rests: its kernel may end, the template's files may change.
const RESTING: Duration = Duration::from_secs(10);

/// Goes on until the app stops.
pub(crate) async fn watch(
    options: MachineOptions,
    endpoints: Endpoints,
    journal: Journal,
    stop: CancellationToken,
) {
    let watching = async {
        loop {
            while !journal.has_listeners() {
                tokio::time::sleep(LISTENER).await;
            }
            let Ok(machine) = load(&options) else {
                // A view asks for the status itself and shows what is wrong with the spec.
                tokio::time::sleep(RESTING).await;
                continue;
            };
            let (tell, heard) = mpsc::channel(64);
            let (pass_on, changes) = mpsc::channel(64);
            tokio::select! {
                () = machine.watch(tell) => {}
                () = keep_endpoint(&endpoints, heard, pass_on) => {}
                () = follow(&options, machine.container_name(), &journal, changes) => {}
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = watching => {}
    }
}

/// Forgets the endpoint at each change, before anybody looks at what changed; it is kept from when the
/// engine tells of changes until it no longer does.
async fn keep_endpoint(
    endpoints: &Endpoints,
    mut heard: Receiver<Change>,
    pass_on: Sender<Change>,
) {
    let mut watched: Option<Watched> = None;
    while let Some(change) = heard.recv().await {
        match change {
            Change::EngineGone(_) => watched = None,
            Change::EngineHere => {
                watched.get_or_insert_with(|| endpoints.watched());
                endpoints.forget();
            }
            Change::Container(_) => endpoints.forget(),
            Change::Image => {}
        }
        if pass_on.send(change).await.is_err() {
            return;
        }
    }
}

/// Looks at the machine after each change; ends where nobody listens any more, or where the
/// spec names another container.
async fn follow(
    options: &MachineOptions,
    container: &str,
    journal: &Journal,
    mut changes: Receiver<Change>,
) {
    let mut last: Option<MachineStatus> = None;
    let mut reach = Reach::Unknown;
    while journal.has_listeners() {
        let starting = last
            .as_ref()
            .is_some_and(|status| status.state == MachineState::Starting);
        let pause = if starting { STARTING } else { RESTING };
        // Nothing within that time is a look too.
        if let Ok(change) = tokio::time::timeout(pause, changes.recv()).await {
            let Some(change) = change else { return };
            reach = reach.after(change, journal);
            // What came at once is looked at once.
            while let Ok(change) = changes.try_recv() {
                reach = reach.after(change, journal);
            }
        }
        if reach != Reach::Here {
            last = None;
            continue;
        }
        let look = async {
            let machine = load(options)?;
            if machine.container_name() != container {
                return Ok(None);
            }
            Ok::<_, Failure>(Some(machine.status(&connect(options).await?).await?))
        };
        match look.await {
            Ok(None) => return,
            Ok(Some(status)) if last.as_ref() != Some(&status) => {
                journal.publish(Event::Machine {
                    status: status.clone(),
                });
                last = Some(status);
            }
            Ok(Some(_)) => {}
            // A view asks for the status itself and shows the failure; here it only means "not now".
            Err(failure) => tracing::debug!(%failure, "could not look at the machine"),
        }
    }
}

/// Whether the container engine answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Not known yet.
    Unknown,
    /// It does.
    Here,
    /// It does not, and the stream knows.
    Away,
}

impl Reach {
    /// Takes a change in, and passes on that the engine went away or is back.
    fn after(self, change: Change, journal: &Journal) -> Self {
        match change {
            Change::EngineGone(error) => {
                let failure = Some(LifecycleError::from(error).into());
                journal.publish(Event::Engine { failure });
                Self::Away
            }
            Change::EngineHere => {
                if self == Self::Away {
                    journal.publish(Event::Engine { failure: None });
                }
                Self::Here
            }
            Change::Container(_) | Change::Image => self,
        }
    }
}
