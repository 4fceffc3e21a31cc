//! Tells views that the list of agents is another.

use std::time::Duration;

use tokio::sync::broadcast::{Receiver, error::RecvError};
use tokio_util::sync::CancellationToken;
use wire::{agent::AgentId, stream::Event};

use crate::journal::Journal;

/// Changes that follow one another faster are told as one.
const TOGETHER: Duration = Duration::from_millis(40);

/// Tells it until the app stops.
pub(super) async fn tell(
    mut changes: Receiver<AgentId>,
    journal: Journal,
    stop: CancellationToken,
) {
    loop {
        let heard = tokio::select! {
            () = stop.cancelled() => return,
            heard = changes.recv() => heard,
        };
        if matches!(heard, Err(RecvError::Closed)) {
            return;
        }
        journal.publish(Event::Agents);
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(TOGETHER) => {}
        }
        // One more is told for all that came meanwhile.
        let mut more = false;
        while !matches!(
            changes.try_recv(),
            Err(tokio::sync::broadcast::error::TryRecvError::Empty
                | tokio::sync::broadcast::error::TryRecvError::Closed)
        ) {
            more = true;
        }
        if more {
            journal.publish(Event::Agents);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_changes_are_told_as_few() {
        let journal = Journal::new();
        let mut events = journal.subscribe(0);
        let (sender, changes) = tokio::sync::broadcast::channel(4);
        let stop = CancellationToken::new();
        let telling = tokio::spawn(tell(changes, journal.clone(), stop.clone()));
        // More than the channel holds.
        for _ in 0..100 {
            let _ = sender.send("a1".parse::<AgentId>().unwrap());
        }
        assert_eq!(events.next().await.unwrap().event, Event::Agents);
        tokio::time::sleep(10 * TOGETHER).await;
        let told = journal.last_seq();
        assert!((1..=2).contains(&told), "{told}");
        sender.send("a1".parse().unwrap()).unwrap();
        tokio::time::sleep(10 * TOGETHER).await;
        assert!(journal.last_seq() > told);
        stop.cancel();
        telling.await.unwrap();
    }
}
