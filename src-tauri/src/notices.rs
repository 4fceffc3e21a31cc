//! Listens to the app for what the window's frame shows: the tray's state, and a notification
//! when something long ends while nobody looks.

use std::collections::HashMap;

use app::App;
use tauri::{AppHandle, Manager, Runtime};
use tauri_plugin_notification::NotificationExt;
use tokio_util::sync::CancellationToken;
use wire::{
    evolve::{EvolveRun, RunState},
    failure::Failure,
    kernel::ExecStatus,
    stream::{Event, StreamEvent, Work},
};

use crate::tray::Tray;

/// Shorter work ends before anybody looks away.
const LONG_MS: u64 = 10_000;

/// Goes on until `stop`.
pub async fn listen<R: Runtime>(
    window: AppHandle<R>,
    app: App,
    tray: Option<Tray<R>>,
    stop: CancellationToken,
) {
    let mut events = app.subscribe(0);
    let mut begun = Begun::default();
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.next() => event,
        };
        let Some(event) = event else { return };
        if let (Event::Machine { status }, Some(tray)) = (&event.event, &tray) {
            tray.show(status);
        }
        let Some((title, body)) = begun.take(&event) else {
            continue;
        };
        let looked_at = window
            .get_webview_window("main")
            .is_some_and(|window| window.is_focused().unwrap_or(false));
        if looked_at || !app.settings().settings.notify {
            continue;
        }
        if let Err(error) = window
            .notification()
            .builder()
            .title(title)
            .body(as_text(&body))
            .show()
        {
            tracing::debug!(%error, "a notification could not be shown");
        }
    }
}

/// Characters of a notification.
const LONGEST: usize = 300;

/// Text of the machine's as a notification may show it: desktops read markup in it, obey control
/// characters or let it turn the order of letters.
fn as_text(text: &str) -> String {
    let plain = |c: char| match c {
        '<' => '‹',
        '>' => '›',
        '&' => '＆',
        '\n' | '\t' => ' ',
        '\u{61c}' | '\u{200e}' | '\u{200f}' => '\u{fffd}',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    let mut shown: String = text.chars().take(LONGEST).map(plain).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

/// When what goes on began, in Unix milliseconds.
#[derive(Debug, Default)]
struct Begun {
    /// Runs of the machine.
    at_ms: HashMap<String, u64>,
    /// Cells that wait or run.
    cells: HashMap<String, u64>,
    /// The run of evolve that was told of, and where it stood.
    told: Option<(String, RunState)>,
}

impl Begun {
    /// The words for an event that is worth a notification.
    fn take(&mut self, StreamEvent { at_ms, event, .. }: &StreamEvent) -> Option<(String, String)> {
        let failed = |what: &str, failure: &Failure| Some((what.to_owned(), failure.to_string()));
        match event {
            Event::RunProgress { run_id, .. } => {
                self.at_ms.entry(run_id.clone()).or_insert(*at_ms);
                None
            }
            Event::CellQueued { cell_id, .. } => {
                self.cells.insert(cell_id.clone(), *at_ms);
                None
            }
            // One that ran before this window looked.
            Event::CellStarted {
                cell_id, ran_ms, ..
            } => {
                let began = at_ms.saturating_sub(*ran_ms);
                let cell = self.cells.entry(cell_id.clone()).or_insert(began);
                *cell = began.min(*cell);
                None
            }
            // How an evolve ended its own event says.
            Event::RunEnded {
                work: Work::Evolve | Work::Rollback,
                ..
            } => None,
            Event::RunEnded {
                run_id, failure, ..
            } => {
                let long = was_long(self.at_ms.remove(run_id), *at_ms);
                match failure {
                    Some(failure) if failure.code == wire::failure::FailureCode::Cancelled => None,
                    Some(failure) => failed("The machine did not come up", failure),
                    None => long.then(|| {
                        (
                            "The machine is ready".into(),
                            "Its image is built, and it runs.".into(),
                        )
                    }),
                }
            }
            Event::CellEnded {
                cell_id,
                answer,
                failure,
                ..
            } => {
                let long = was_long(self.cells.remove(cell_id), *at_ms);
                match (answer, failure) {
                    _ if !long => None,
                    (_, Some(failure)) => failed("A cell was not run to its end", failure),
                    // Of many that were run at once, the last one.
                    (Some(answer), None) if answer.status == ExecStatus::Completed => {
                        self.cells.is_empty().then(|| {
                            let took = format!("It took {} s.", answer.timing_ms / 1000);
                            ("A cell has ended".into(), took)
                        })
                    }
                    // It only waited: it was taken out of the queue.
                    (Some(answer), None)
                        if answer
                            .error
                            .as_ref()
                            .is_some_and(|error| error.kind == "Cancelled") =>
                    {
                        None
                    }
                    (Some(answer), None) => {
                        let why = answer.error.as_ref().map_or_else(String::new, |error| {
                            format!("{}: {}", error.kind, error.message)
                        });
                        Some(("A cell has failed".into(), why))
                    }
                    (None, None) => None,
                }
            }
            Event::Evolve { run } => self.evolve(run),
            _ => None,
        }
    }

    /// A run that waits for the person, or has ended; once.
    fn evolve(&mut self, run: &EvolveRun) -> Option<(String, String)> {
        let now = (run.run_id.clone(), run.state);
        if self.told.as_ref() == Some(&now) {
            return None;
        }
        self.told = Some(now);
        let title = match run.state {
            RunState::AwaitsYes => "The machine asks for an evolve",
            RunState::Good => "The machine has evolved",
            RunState::Undone | RunState::Failed => "The evolve failed; the old machine is in place",
            RunState::Asked | RunState::Running | RunState::Refused | RunState::Cancelled => {
                return None;
            }
        };
        let body = run.error.as_ref().or(run.note.as_ref());
        Some((title.into(), body.cloned().unwrap_or_default()))
    }
}

fn was_long(began_ms: Option<u64>, now_ms: u64) -> bool {
    began_ms.is_some_and(|began| now_ms.saturating_sub(began) >= LONG_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::failure::FailureCode;

    fn at(at_ms: u64, event: Event) -> StreamEvent {
        StreamEvent {
            seq: 1,
            at_ms,
            machine: None,
            event,
        }
    }

    #[test]
    fn a_failed_evolve_is_no_machine_that_did_not_come_up() {
        let failure = Failure::new(FailureCode::Internal, "The disk is full");
        let event = Event::RunEnded {
            run_id: "r".into(),
            work: Work::Evolve,
            failure: Some(failure),
        };
        assert_eq!(Begun::default().take(&at(20_000, event)), None);
    }

    #[test]
    fn what_the_machine_says_is_text() {
        let note = "<a href=x>\u{1b}]0;owned\u{7}\n\u{202e}txt &amp; ä";
        assert_eq!(
            as_text(note),
            "‹a href=x›\u{fffd}]0;owned\u{fffd} \u{fffd}txt ＆amp; ä"
        );
        assert_eq!(as_text(&"x".repeat(1 << 20)).chars().count(), LONGEST + 1);
    }

    #[test]
    fn long_work_and_failures_are_told() {
        let mut begun = Begun::default();
        let run = || "r".to_owned();
        let progress = || Event::RunProgress {
            run_id: run(),
            progress: wire::machine::Progress::Line {
                text: String::new(),
            },
        };
        let ended = |failure| Event::RunEnded {
            work: Work::Up,
            run_id: run(),
            failure,
        };
        assert_eq!(begun.take(&at(0, progress())), None);
        assert_eq!(begun.take(&at(9_000, ended(None))), None);
        begun.take(&at(0, progress()));
        assert!(begun.take(&at(10_000, ended(None))).is_some());
        let broken = Failure::new(FailureCode::BuildFailed, "Step 3 failed");
        let (_, body) = begun.take(&at(1, ended(Some(broken)))).unwrap();
        assert_eq!(body, "Step 3 failed");
        let cancelled = Failure::new(FailureCode::Cancelled, "Cancelled");
        assert_eq!(begun.take(&at(1, ended(Some(cancelled)))), None);
        assert!(begun.at_ms.is_empty());
    }

    #[test]
    fn of_cells_that_were_run_at_once_the_last_is_told_and_each_that_fails() {
        let mut begun = Begun::default();
        let queued = |cell: &str| Event::CellQueued {
            cell_id: cell.to_owned(),
            run_id: String::new(),
        };
        let started = |cell: &str, ran_ms| Event::CellStarted {
            cell_id: cell.to_owned(),
            run_id: String::new(),
            ran_ms,
        };
        let ended = |cell: &str, status: &str| {
            let answer = serde_json::json!({
                "id": cell, "execution_id": "e", "status": status, "stdout": "", "stderr": "",
                "result": null, "error": null, "timing_ms": 2000, "execution_count": 1, "outputs": [],
            });
            Event::CellEnded {
                cell_id: cell.to_owned(),
                run_id: String::new(),
                answer: Some(serde_json::from_value(answer).unwrap()),
                failure: None,
            }
        };
        for cell in ["a", "b", "c"] {
            begun.take(&at(0, queued(cell)));
        }
        assert_eq!(begun.take(&at(20_000, ended("a", "completed"))), None);
        let (title, _) = begun.take(&at(21_000, ended("b", "failed"))).unwrap();
        assert_eq!(title, "A cell has failed");
        let (_, body) = begun.take(&at(22_000, ended("c", "completed"))).unwrap();
        assert_eq!(body, "It took 2 s.");

        // One that this window takes up late.
        begun.take(&at(60_000, queued("d")));
        begun.take(&at(60_001, started("d", 50_000)));
        assert!(begun.take(&at(61_000, ended("d", "completed"))).is_some());
    }

    #[test]
    fn an_evolve_is_told_where_somebody_should_know_and_once() {
        let mut begun = Begun::default();
        let run = |state| {
            let run = serde_json::json!({
                "run_id": "r", "kind": "evolve", "state": state, "asked_by": "machine", "note": "ripgrep",
                "started_at": 1, "ended_at": null, "steps": [], "error": null, "failure": null,
                "generation": null, "from_generation": null, "commit": null, "report": {"proof": null, "downtime_ms": null},
            });
            at(
                1,
                Event::Evolve {
                    run: serde_json::from_value(run).unwrap(),
                },
            )
        };
        let (_, body) = begun.take(&run("awaits_yes")).unwrap();
        assert_eq!(body, "ripgrep");
        assert_eq!(begun.take(&run("awaits_yes")), None);
        assert_eq!(begun.take(&run("running")), None);
        assert!(begun.take(&run("undone")).is_some());
    }
}
