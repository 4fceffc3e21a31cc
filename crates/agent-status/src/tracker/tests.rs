use super::*;
use crate::read_hook;

/// What a tool tells its hooks in a turn, and where the agent stands after each line: `state <- JSON`.
/// Lines that begin with `key` are a key of the person's, `answer N` an answer in the window.
const TURNS: [(&str, &str); 6] = [
    ("claude", include_str!("../../tests/hooks/claude.txt")),
    ("codex", include_str!("../../tests/hooks/codex.txt")),
    ("qwen", include_str!("../../tests/hooks/qwen.txt")),
    ("droid", include_str!("../../tests/hooks/droid.txt")),
    ("auggie", include_str!("../../tests/hooks/auggie.txt")),
    ("codebuddy", include_str!("../../tests/hooks/codebuddy.txt")),
];

fn said(tracker: &Tracker) -> String {
    match tracker.state() {
        AgentState::Waiting { on } => format!("waiting for {}", on.word()),
        state => state.word().to_owned(),
    }
}

fn event(name: &str) -> HookEvent {
    HookEvent {
        name: name.to_owned(),
        ..HookEvent::default()
    }
}

fn about(name: &str, tool: &str, detail: &str) -> HookEvent {
    HookEvent {
        tool: Some(tool.to_owned()),
        detail: Some(detail.to_owned()),
        ..event(name)
    }
}

#[test]
fn a_turn_of_each_tool_is_followed() {
    for (tool, turn) in TURNS {
        let mut tracker = Tracker::new(None);
        for (number, line) in turn.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (expected, what) = line.split_once(" <- ").expect("a state and what told it");
            match what {
                "key" => drop(tracker.typed()),
                "seen" => tracker.seen(),
                "answer" => {
                    let id = tracker.asks().first().expect("an ask").id;
                    assert!(tracker.answered(id));
                }
                json => {
                    let event = read_hook(json.as_bytes(), None).expect("an event");
                    tracker.hook(&event);
                }
            }
            assert_eq!(said(&tracker), expected, "{tool}, line {}", number + 1);
        }
        assert!(tracker.conversation().is_some(), "{tool}");
    }
}

#[test]
fn several_asks_end_one_by_one() {
    let mut tracker = Tracker::new(None);
    let first = tracker
        .hook(&about("PermissionRequest", "Bash", "ls"))
        .asked;
    let second = tracker
        .hook(&about("PermissionRequest", "Write", "/a"))
        .asked;
    assert_eq!((first, second, tracker.asks().len()), (Some(1), Some(2), 2));
    let outcome = tracker.hook(&about("PostToolUse", "Bash", "ls"));
    assert_eq!(outcome.released, [1]);
    assert_eq!(said(&tracker), "waiting for permission");
    assert!(tracker.answered(2) && !tracker.answered(2));
    assert_eq!(said(&tracker), "working");
}

#[test]
fn what_is_typed_or_sent_releases_who_waits() {
    for act in [Tracker::typed, Tracker::sent] {
        let mut tracker = Tracker::new(None);
        tracker.hook(&about("PermissionRequest", "Bash", "ls"));
        assert_eq!(act(&mut tracker), [1]);
        assert_eq!(said(&tracker), "working");
        assert!(tracker.asks().is_empty());
    }
}

#[test]
fn a_flood_of_asks_is_bounded() {
    let mut tracker = Tracker::new(None);
    for number in 0..10_000 {
        tracker.hook(&about("PermissionRequest", "Bash", &number.to_string()));
    }
    assert_eq!(tracker.asks().len(), crate::MOST_ASKS);
    assert_eq!(
        tracker.hook(&event("Stop")).released.len(),
        crate::MOST_ASKS
    );
}

#[test]
fn subagents_and_late_notifications_change_nothing() {
    let mut tracker = Tracker::new(None);
    tracker.hook(&about("PermissionRequest", "Bash", "ls"));
    tracker.hook(&about("PostToolUse", "Bash", "ls"));
    let late = HookEvent {
        kind: Some("permission_prompt".into()),
        ..event("Notification")
    };
    for told in [
        late,
        event("SubagentStop"),
        event("PreCompact"),
        event("Dance"),
    ] {
        tracker.hook(&told);
        assert_eq!(said(&tracker), "working", "{told:?}");
    }
}

#[test]
fn what_has_ended_stays_ended() {
    let mut tracker = Tracker::new(Some("c".into()));
    tracker.ended(AgentState::Exited { code: Some(0) });
    for name in ["PreToolUse", "PermissionRequest", "SessionStart", "Stop"] {
        tracker.hook(&event(name));
    }
    tracker.sent();
    assert_eq!(tracker.state(), &AgentState::Exited { code: Some(0) });
    assert_eq!(tracker.conversation(), Some("c"));
}

#[test]
fn a_tool_without_hooks_is_unknown_whatever_is_sent() {
    let mut tracker = Tracker::new(None);
    tracker.started(false);
    tracker.sent();
    assert_eq!(tracker.state(), &AgentState::Unknown);
}

#[test]
fn any_order_of_events_is_borne() {
    let names = [
        "SessionStart",
        "UserPromptSubmit",
        "PreToolUse",
        "PermissionRequest",
        "PostToolUse",
        "Notification",
        "Stop",
        "StopFailure",
        "SessionEnd",
        "",
    ];
    let mut number = 1_u64;
    let mut tracker = Tracker::new(None);
    for _ in 0..20_000 {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let name = names[(number >> 33) as usize % names.len()];
        let outcome = tracker.hook(&about(name, "Bash", &((number >> 40) % 7).to_string()));
        let open = tracker.asks();
        assert!(
            outcome
                .released
                .iter()
                .all(|id| open.iter().all(|ask| ask.id != *id))
        );
        let waits = matches!(
            tracker.state(),
            AgentState::Waiting {
                on: WaitingFor::Permission
            }
        );
        assert!(open.is_empty() || waits, "{name}: {:?}", tracker.state());
    }
}
