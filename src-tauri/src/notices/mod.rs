//! Listens to the app for what the window's frame shows: the tray's state, and a notification
//! when something long ends while nobody looks.
//!
//! What the stream says becomes a job ([`ended`]); whether and how a person is told of it is one rule for
//! all kinds ([`rule`]). Of agents those are told that wait for the person ([`agents`]).

mod agents;
mod ended;
mod markup;
mod notice;
mod recent;
mod rule;

use app::App;
use tauri::{AppHandle, Manager, Runtime};
use tauri_plugin_notification::NotificationExt;
use tokio_util::sync::CancellationToken;
use wire::{agent::AgentList, stream::Event};

use self::{agents::Waiting, ended::Jobs, notice::Notice, recent::Recent};
use crate::tray::Tray;

/// Goes on until `stop`.
pub async fn listen<R: Runtime>(
    window: AppHandle<R>,
    app: App,
    tray: Option<Tray<R>>,
    stop: CancellationToken,
) {
    let mut events = app.subscribe(0);
    let mut jobs = Jobs::default();
    let mut waiting = Waiting::default();
    let mut recent = Recent::default();
    let mut reads_markup = None;
    let machines = app.machines().unwrap_or_default();
    let mut several = machines.machines.len() > 1;
    if let Some(tray) = &tray {
        tray.list(&machines);
    }
    // Agents are followed from the first look on: an event says each time that they are others.
    let mut first_look = std::pin::pin!(agents_of(&app));
    let mut has_looked = false;
    loop {
        let event = tokio::select! {
            () = stop.cancelled() => return,
            event = events.next() => event,
            list = &mut first_look, if !has_looked => {
                has_looked = true;
                drop(list.map(|list| waiting.take(&list)));
                continue;
            }
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
        let mut notices: Vec<Notice> = match &event.event {
            Event::Agents => {
                let list = agents_of(&app).await;
                list.map(|list| waiting.take(&list)).unwrap_or_default()
            }
            _ => Vec::new(),
        };
        notices.extend(jobs.take(&event).and_then(|told| rule::notice(&told)));
        for notice in notices {
            let looked_at = window
                .get_webview_window("main")
                .is_some_and(|window| window.is_focused().unwrap_or(false));
            if looked_at || !app.settings().settings.notify || !recent.has_room(event.at_ms) {
                continue;
            }
            let is_markup = match reads_markup {
                Some(known) => known,
                None => *reads_markup.insert(markup::ask_whether_markup().await),
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
}

/// The agents as they stand, if they can be listed.
async fn agents_of(app: &App) -> Option<AgentList> {
    let list = app.rpc(None, "agent_list", serde_json::json!({})).await;
    serde_json::from_value(list.ok()?).ok()
}

#[cfg(test)]
mod tests {
    use app::untrusted;
    use wire::{
        failure::{Failure, FailureCode},
        job::JobKind,
        stream::StreamEvent,
    };

    use super::{notice::LONGEST, *};

    fn at(at_ms: u64, event: Event) -> StreamEvent {
        StreamEvent {
            seq: 1,
            at_ms,
            machine: None,
            event,
        }
    }

    #[test]
    fn what_the_inside_says_is_one_short_line_without_commands_or_markup() {
        let mut jobs = Jobs::default();
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
        jobs.take(&at(0, queued));
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
                job_kind: JobKind::Start,
                started_at: 0,
                failure: Some(
                    Failure::new(FailureCode::BuildFailed, "Step 3 failed").because(&*hostile),
                ),
            },
        ];
        for event in told {
            let told = jobs.take(&at(20_000, event)).unwrap();
            let notice = rule::notice(&told).unwrap();
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
