//! Hears what changes inside the machine: its `GET /events`, as long as it runs.

use machine_client::{Answer, EventReader, RouteCall};
use wire::{
    body::Change,
    failure::Failure,
    machine::MachineState,
    routes::{FollowChanges, GetTakeover},
    stream::Event,
};

use crate::{MachineHandle, body::failed, endpoint::ApiCall};

/// What changed is told in a few words.
const CHANGE_BYTES: usize = 1 << 20;

/// What the machine tells, until it ends.
pub(crate) struct Changes {
    answer: Answer,
    reader: EventReader,
}

impl Changes {
    /// The next ones, perhaps none; `None` once the machine tells nothing more. May be dropped
    /// without losing any.
    pub(crate) async fn next(&mut self) -> Option<Vec<Change>> {
        let chunk = self.answer.chunk().await.ok()??;
        let events = self.reader.push(&chunk).ok()?;
        let changes = events
            .iter()
            .filter_map(|event| serde_json::from_str(&event.data).ok());
        Some(changes.collect())
    }
}

impl MachineHandle {
    /// Begins to hear it.
    pub(crate) async fn hear_changes(&self) -> Result<Changes, Failure> {
        let changes = self.open_changes().await?;
        // What was changed before somebody listened.
        if let Ok(takeover) = self.call::<GetTakeover>((), &()).await {
            self.inner.journal.publish(Event::Takeover { takeover });
        }
        Ok(changes)
    }

    /// The same, for those who tell views nothing.
    pub(crate) async fn open_changes(&self) -> Result<Changes, Failure> {
        let events = RouteCall::<FollowChanges>::new((), &()).map_err(failed)?;
        let call = ApiCall::events_of(&events);
        let answer = self.inner.endpoints.send(&call).await?;
        Ok(Changes {
            answer,
            reader: EventReader::with_limit(CHANGE_BYTES),
        })
    }

    /// Tells views what concerns them.
    pub(crate) fn pass_on(&self, change: &Change) {
        let is_of_jobs = matches!(
            change,
            Change::Jobs
                | Change::Kernel { .. }
                | Change::KernelEnded { .. }
                | Change::Evolve { .. }
                | Change::Missed { .. }
        );
        if is_of_jobs {
            self.inner.jobs.changed();
        }
        if let Change::Takeover { takeover } = change {
            self.inner.journal.publish(Event::Takeover {
                takeover: takeover.clone(),
            });
        }
    }

    /// Until the stream says that the machine runs.
    pub(crate) async fn machine_runs(&self) {
        let mut events = self.inner.journal.subscribe(self.inner.journal.last_seq());
        while let Some(event) = events.next().await {
            let ours = event.machine.as_deref() == Some(self.name());
            if ours
                && matches!(event.event, Event::Machine { status } if status.state == MachineState::Running)
            {
                return;
            }
        }
        // The app stops: whoever waits is dropped.
        std::future::pending().await
    }
}
