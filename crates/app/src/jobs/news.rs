//! Tells views that a machine's jobs are others now: a moment later, so that a short cell neither waits
//! for a view that fetches the list nor flashes in it, and no more often than they can fetch it.

use std::{sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use wire::stream::Event;

use crate::journal::Journal;

/// What ends within this time is told of once.
const SETTLE: Duration = Duration::from_millis(200);
/// Between two times that it is told.
const PAUSE: Duration = Duration::from_millis(300);

/// Takes down that jobs changed; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct News(Arc<Notify>);

impl News {
    /// Jobs changed.
    pub(crate) fn changed(&self) {
        self.0.notify_one();
    }

    /// Tells it, until `stop`.
    pub(crate) async fn tell(self, journal: Journal, stop: CancellationToken) {
        let telling = async {
            loop {
                self.0.notified().await;
                tokio::time::sleep(SETTLE).await;
                // What was taken down meanwhile is told with it.
                let _ = self.0.notified().now_or_never();
                journal.publish(Event::Jobs);
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = telling => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_told_of_once_and_what_came_meanwhile_once_more() {
        let (news, journal, stop) = (News::default(), Journal::new(), CancellationToken::new());
        let telling = tokio::spawn(news.clone().tell(journal.clone(), stop.clone()));
        let mut events = journal.subscribe(0);
        news.changed();
        tokio::time::sleep(SETTLE / 2).await;
        news.changed();
        assert_eq!(events.next().await.map(|one| one.event), Some(Event::Jobs));
        for _ in 0..1000 {
            news.changed();
        }
        assert_eq!(events.next().await.map(|one| one.event), Some(Event::Jobs));
        tokio::time::sleep(10 * PAUSE).await;
        assert_eq!(journal.last_seq(), 2);
        stop.cancel();
        telling.await.unwrap();
    }
}
