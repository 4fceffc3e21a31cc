//! Listens to the app for what the window's frame shows: the tray's state, and a notification
//! when something long ends while nobody looks.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use app::{App, untrusted};
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

/// How long the notification server may take to say what it can.
const ANSWER: Duration = Duration::from_secs(2);

/// Notifications within [`PERIOD_MS`]: the inside can have as many cells fail, and ask for as many
/// evolves, as it likes.
const MOST: usize = 5;
const PERIOD_MS: u64 = 60_000;

/// Letters of a notification's text: systems show two to four lines of it.
const LONGEST: usize = 240;

/// Letters of a machine's name in a title.
const LONGEST_NAME: usize = 60;

/// Goes on until `stop`.
pub async fn listen<R: Runtime>(
    window: AppHandle<R>,
    app: App,
    tray: Option<Tray<R>>,
    stop: CancellationToken,
) {
    let mut events = app.subscribe(0);
    let mut begun = Begun::default();
    let mut recent = Recent::default();
    let mut reads_markup = None;
    let machines = app.machines().unwrap_or_default();
    let mut several = machines.machines.len() > 1;
    if let Some(tray) = &tray {
        tray.list(&machines);
    }
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.next() => event,
        };
        let Some(event) = event else { return };
        match (&event.event, &tray) {
            (Event::Machine { status }, Some(tray)) => {
                let name = event.machine.as_deref().unwrap_or(&status.name);
                tray.show(name, status.state);
            }
            (Event::Machines { machines }, tray) => {
                several = machines.machines.len() > 1;
                if let Some(tray) = tray {
                    tray.list(machines);
                }
            }
            _ => {}
        }
        let Some(notice) = begun.take(&event) else {
            continue;
        };
        let looked_at = window
            .get_webview_window("main")
            .is_some_and(|window| window.is_focused().unwrap_or(false));
        if looked_at || !app.settings().settings.notify || !recent.has_room(event.at_ms) {
            continue;
        }
        let is_markup = match reads_markup {
            Some(known) => known,
            None => *reads_markup.insert(ask_whether_markup().await),
        };
        let body = notice.body_for(is_markup);
        if let Err(error) = window
            .notification()
            .builder()
            .title(notice.title_about(event.machine.as_deref().filter(|_| several)))
            .body(body)
            .show()
        {
            tracing::debug!(%error, "a notification could not be shown");
        }
    }
}

/// When the last notifications were shown, in Unix milliseconds.
#[derive(Debug, Default)]
struct Recent(VecDeque<u64>);

impl Recent {
    /// Whether one more may be shown now; it counts as shown then.
    fn has_room(&mut self, now_ms: u64) -> bool {
        while self
            .0
            .front()
            .is_some_and(|shown| now_ms.saturating_sub(*shown) >= PERIOD_MS)
        {
            self.0.pop_front();
        }
        let has_room = self.0.len() < MOST;
        if has_room {
            self.0.push_back(now_ms);
        }
        has_room
    }
}

/// What a person is told.
#[derive(Debug, PartialEq, Eq)]
struct Notice {
    /// Always our own words.
    title: &'static str,
    /// One line. It may quote what runs inside, or a failure that does.
    body: String,
}

impl Notice {
    fn new(title: &'static str, body: &str) -> Self {
        Self {
            title,
            body: untrusted::sentence(body, LONGEST),
        }
    }

    /// The title; with the machine's name if there are several.
    fn title_about(&self, machine: Option<&str>) -> String {
        match machine {
            Some(machine) => format!(
                "{} · {}",
                untrusted::sentence(machine, LONGEST_NAME),
                self.title
            ),
            None => self.title.to_owned(),
        }
    }

    /// The text for a notification server. One that reads markup would draw links and pictures of
    /// it, so nothing in it is markup there.
    fn body_for(&self, reads_markup: bool) -> String {
        if !reads_markup {
            return self.body.clone();
        }
        let escaped = self.body.replace('&', "&amp;");
        escaped.replace('<', "&lt;").replace('>', "&gt;")
    }
}

/// Asks the notification server whether it takes bodies for markup. One that does not answer in time
/// is taken for such a one.
async fn ask_whether_markup() -> bool {
    let asking = tokio::task::spawn_blocking(server_reads_markup);
    matches!(
        tokio::time::timeout(ANSWER, asking).await,
        Err(_) | Ok(Err(_) | Ok(true))
    )
}

/// The capability `body-markup` of the desktop notifications specification.
#[cfg(target_os = "linux")]
fn server_reads_markup() -> bool {
    notify_rust::get_capabilities()
        .map_or(true, |found| found.iter().any(|one| one == "body-markup"))
}

#[cfg(not(target_os = "linux"))]
fn server_reads_markup() -> bool {
    false
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
    fn take(&mut self, StreamEvent { at_ms, event, .. }: &StreamEvent) -> Option<Notice> {
        let failed = |what, failure: &Failure| Some(Notice::new(what, &failure.to_string()));
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
                    Some(failure) => failed("The machine failed to start", failure),
                    None => long.then(|| {
                        Notice::new(
                            "The machine is ready",
                            "Its image is built and it is running.",
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
                    (_, Some(failure)) => failed("Cell did not finish", failure),
                    // Of many that were run at once, the last one.
                    (Some(answer), None) if answer.status == ExecStatus::Completed => {
                        self.cells.is_empty().then(|| {
                            let took = format!("It took {} s.", answer.timing_ms / 1000);
                            Notice::new("Cell finished", &took)
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
                        Some(Notice::new("Cell failed", &why))
                    }
                    (None, None) => None,
                }
            }
            Event::Evolve { run } => self.evolve(run),
            _ => None,
        }
    }

    /// A run that waits for the person, or has ended; once.
    fn evolve(&mut self, run: &EvolveRun) -> Option<Notice> {
        let now = (run.run_id.clone(), run.state);
        if self.told.as_ref() == Some(&now) {
            return None;
        }
        self.told = Some(now);
        let title = match run.state {
            RunState::AwaitsYes => "Evolve requested from inside the machine",
            RunState::Good => "The machine has evolved",
            RunState::Undone | RunState::Failed => "Evolve failed. The old machine was kept.",
            RunState::Asked | RunState::Running | RunState::Refused | RunState::Cancelled => {
                return None;
            }
        };
        let body = run.error.as_ref().or(run.note.as_ref());
        Some(Notice::new(title, body.map_or("", String::as_str)))
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
    fn of_several_machines_the_notification_names_its_own() {
        let notice = Notice::new("Evolve finished", "");
        assert_eq!(notice.title_about(None), "Evolve finished");
        assert_eq!(notice.title_about(Some("work")), "work · Evolve finished");
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
        let notice = begun.take(&at(1, ended(Some(broken)))).unwrap();
        assert_eq!(notice.body, "Step 3 failed");
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
            execution_id: None,
        };
        let started = |cell: &str, ran_ms| Event::CellStarted {
            cell_id: cell.to_owned(),
            run_id: String::new(),
            execution_id: None,
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
        let notice = begun.take(&at(21_000, ended("b", "failed"))).unwrap();
        assert_eq!(notice.title, "Cell failed");
        let notice = begun.take(&at(22_000, ended("c", "completed"))).unwrap();
        assert_eq!(notice.body, "It took 2 s.");

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
        let notice = begun.take(&run("awaits_yes")).unwrap();
        assert_eq!(notice.body, "ripgrep");
        assert_eq!(begun.take(&run("awaits_yes")), None);
        assert_eq!(begun.take(&run("running")), None);
        assert!(begun.take(&run("undone")).is_some());
    }

    #[test]
    fn a_flood_of_notifications_is_a_few() {
        let mut recent = Recent::default();
        let shown = (0..10_000).filter(|at| recent.has_room(at * 10)).count();
        // In 100 seconds.
        assert_eq!(shown, 2 * MOST);
        assert!(recent.has_room(10 * PERIOD_MS));
    }

    #[test]
    fn what_the_inside_says_is_one_short_line_without_commands_or_markup() {
        let mut begun = Begun::default();
        let hostile = format!(
            "\x1b]0;owned\x07two\nlines \u{202e}reversed\u{2029} <a href=\"https://evil.example\">&amp;</a> {}",
            "long ".repeat(10_000)
        );
        let answer = serde_json::json!({
            "id": "c", "execution_id": "e", "status": "failed", "stdout": "", "stderr": "", "result": null,
            "error": {"type": "E\u{202e}\n", "message": hostile, "traceback": ""},
            "timing_ms": 20_000, "execution_count": 1, "outputs": [],
        });
        let run = serde_json::json!({
            "run_id": "r", "kind": "evolve", "state": "awaits_yes", "asked_by": "machine", "note": hostile,
            "started_at": 1, "ended_at": null, "steps": [], "error": null, "failure": null,
            "generation": null, "from_generation": null, "commit": null, "report": {"proof": null, "downtime_ms": null},
        });
        let (cell_id, run_id) = ("c".to_owned(), String::new());
        let queued = Event::CellQueued {
            cell_id: cell_id.clone(),
            run_id: run_id.clone(),
            execution_id: None,
        };
        begun.take(&at(0, queued));
        let told = [
            Event::CellEnded {
                cell_id,
                run_id: run_id.clone(),
                answer: Some(serde_json::from_value(answer).unwrap()),
                failure: None,
            },
            Event::Evolve {
                run: serde_json::from_value(run).unwrap(),
            },
            Event::RunEnded {
                run_id,
                work: Work::Up,
                failure: Some(
                    Failure::new(FailureCode::BuildFailed, "Step 3 failed").because(&*hostile),
                ),
            },
        ];
        for event in told {
            let notice = begun.take(&at(20_000, event)).unwrap();
            let body = &notice.body;
            assert!(body.contains("two lines"), "{body}");
            assert!(!body.chars().any(untrusted::is_unseen), "{body}");
            assert!(body.chars().count() <= LONGEST, "{body}");
            assert_eq!(&notice.body_for(false), body);
            let markup = notice.body_for(true);
            assert!(!markup.contains(['<', '>']), "{markup}");
            assert!(markup.contains("&lt;a href"), "{markup}");
            assert!(markup.contains("&amp;amp;"), "{markup}");
        }
    }
}
