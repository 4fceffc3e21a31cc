//! Streams that say now and then that they live.

use std::time::Duration;

use axum::http::HeaderMap;
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// The header that asks for it, in seconds.
const HEADER: &str = "keepalive-ping-interval";
/// The shortest that is granted.
const SHORTEST: Duration = Duration::from_secs(1);

/// How often a client wants to hear that the stream lives.
pub(super) fn wanted(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(HEADER)?.to_str().ok()?;
    let seconds: u64 = text.parse().ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds).max(SHORTEST))
}

/// The same messages, with another one whenever nothing was said for so long.
pub(super) fn kept_alive<S, T>(
    messages: S,
    every: Option<Duration>,
    sign: impl Fn() -> T + Send + 'static,
) -> impl Stream<Item = T> + Send
where
    S: Stream<Item = T> + Send + 'static,
    T: Send + 'static,
{
    let clock = every.map(|every| {
        let mut clock = interval_at(Instant::now() + every, every);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        clock
    });
    stream::unfold(
        (messages.boxed(), clock, sign),
        |(mut messages, mut clock, sign)| async {
            let message = tokio::select! {
                biased;
                message = messages.next() => {
                    if let Some(clock) = &mut clock {
                        clock.reset();
                    }
                    message?
                }
                () = tick(&mut clock) => sign(),
            };
            Some((message, (messages, clock, sign)))
        },
    )
}

async fn tick(clock: &mut Option<Interval>) {
    match clock {
        Some(clock) => {
            clock.tick().await;
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn silence_is_filled_and_speech_isn_t() {
        let every = Duration::from_secs(50);
        let late = stream::once(async {
            tokio::time::sleep(Duration::from_secs(120)).await;
            "said"
        });
        let messages = stream::once(future::ready("first")).chain(late);
        let all: Vec<_> = kept_alive(messages, Some(every), || "alive")
            .collect()
            .await;
        assert_eq!(all, ["first", "alive", "alive", "said"]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_asked_and_nothing_is_added() {
        let late = stream::once(async {
            tokio::time::sleep(Duration::from_secs(120)).await;
            "said"
        });
        let all: Vec<_> = kept_alive(late, None, || "alive").collect().await;
        assert_eq!(all, ["said"]);
        let wants = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HEADER, text.parse().unwrap());
            wanted(&headers)
        };
        assert_eq!(wants("50"), Some(Duration::from_secs(50)));
        assert_eq!(wants("0"), None);
        assert_eq!(wants("often"), None);
        assert_eq!(wanted(&HeaderMap::new()), None);
    }
}
