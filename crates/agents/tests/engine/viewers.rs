//! Terminals: several at once, of any size, fast and slow.

use std::time::{Duration, Instant};

use agents::{AgentError, Agents, Look, Viewer};
use wire::agent::AgentId;

use crate::{inside, made, soon, until, wanted};

const LOOK: Look = Look {
    cols: 100,
    rows: 30,
    read_only: false,
};

async fn look(agents: &Agents, id: &AgentId, look: Look) -> Viewer {
    soon(agents.attach(id, look)).await.expect("a terminal")
}

/// Reads until this was shown.
async fn shows(viewer: &Viewer, text: &str) {
    let reads = async {
        let mut seen = String::new();
        while !seen.contains(text) {
            let piece = viewer.next().await.expect("it shows").expect("it goes on");
            seen.push_str(&String::from_utf8_lossy(&piece));
        }
    };
    let read = tokio::time::timeout(Duration::from_secs(120), reads).await;
    assert!(read.is_ok(), "never shown: {text}");
}

#[tokio::test]
async fn several_look_and_whoever_types_last_decides_on_the_size() {
    if !wanted() {
        return;
    }
    let (_site, agents, id) = made("viewers").await;
    let first = look(&agents, &id, LOOK).await;
    let second = look(
        &agents,
        &id,
        Look {
            cols: 60,
            rows: 20,
            ..LOOK
        },
    )
    .await;
    let watcher = look(
        &agents,
        &id,
        Look {
            cols: 20,
            rows: 10,
            read_only: true,
        },
    )
    .await;
    let clients = async || inside(&agents, &id, "tmux list-clients | wc -l").await;
    until("all are there", async || clients().await == "3").await;
    assert!(first.write(b"echo s-$((6*7))-n\r").await);
    for viewer in [&first, &second] {
        shows(viewer, "s-42-n").await;
    }
    shows(&watcher, "s-").await;
    let size = async || {
        inside(
            &agents,
            &id,
            "tmux display -p -t =agent: '#{window_width}x#{window_height}'",
        )
        .await
    };
    until("the first one's size", async || size().await == "100x30").await;
    assert!(second.write(b"\r").await);
    until("the second one's size", async || size().await == "60x20").await;
    second.resize(70, 25);
    until("another size", async || size().await == "70x25").await;
    assert!(!watcher.write(b"exit\r").await);
    drop(first);
    until("two are left", async || {
        inside(&agents, &id, "tmux list-clients | wc -l").await == "2"
    })
    .await;
    assert!(second.write(b"echo still-$((1+1))\r").await);
    shows(&second, "still-2").await;
}

#[tokio::test]
async fn a_storm_of_sizes_is_borne() {
    if !wanted() {
        return;
    }
    let (_site, agents, id) = made("sizes").await;
    let viewer = look(&agents, &id, LOOK).await;
    for number in 0..5000_u16 {
        viewer.resize(number.wrapping_mul(7919), number.wrapping_mul(104));
    }
    viewer.resize(0, 0);
    viewer.resize(u16::MAX, u16::MAX);
    viewer.resize(90, 33);
    // Whoever looks at it slowly loses nothing but time.
    assert!(viewer.write(b"echo after-$((40+2))\r").await);
    shows(&viewer, "after-42").await;
    until("the last size", async || {
        inside(
            &agents,
            &id,
            "tmux display -p -t =agent: '#{window_width}x#{window_height}'",
        )
        .await
            == "90x33"
    })
    .await;
}

#[tokio::test]
async fn sixty_four_look_at_once_and_no_more() {
    if !wanted() {
        return;
    }
    let (_site, agents, id) = made("many").await;
    let mut viewers = Vec::new();
    for _ in 0..64 {
        viewers.push(
            look(
                &agents,
                &id,
                Look {
                    read_only: viewers.len() > 1,
                    ..LOOK
                },
            )
            .await,
        );
    }
    let more = soon(agents.attach(&id, LOOK)).await;
    assert!(matches!(
        more,
        Err(AgentError::TooManyViewers { limit: 64, .. })
    ));
    assert!(viewers[0].write(b"echo all-$((40+2))\r").await);
    for viewer in &viewers {
        shows(viewer, "all-42").await;
    }
    viewers.truncate(1);
    until("there is room", async || {
        agents.attach(&id, LOOK).await.is_ok()
    })
    .await;
    let memory = inside(
        &agents,
        &id,
        "cat /proc/1/status | awk '/VmRSS/ {print $2}'",
    )
    .await;
    assert!(memory.parse::<u64>().unwrap() < 15 << 10, "{memory} KiB");
}

#[tokio::test]
async fn endless_output_neither_fills_a_memory_nor_slows_who_looks_at_another() {
    if !wanted() {
        return;
    }
    let amount_mb: u64 = match std::env::var("VIVARIUM_TEST_TERMINAL_MB") {
        Ok(text) => text.parse().unwrap(),
        Err(_) => 64,
    };
    let (_site, agents, id) = made("endless").await;
    // One that never reads, and one that does.
    let stuck = look(&agents, &id, LOOK).await;
    let reader = look(&agents, &id, LOOK).await;
    let line =
        format!("head -c {amount_mb}M /dev/zero | tr '\\0' 'x' | fold -w 90; echo end-$((40+2))\r");
    assert!(reader.write(line.as_bytes()).await);
    let other = soon(agents.spawn(&crate::plain(), &crate::shell()))
        .await
        .unwrap()
        .agent
        .id;
    let quiet = look(&agents, &other, LOOK).await;
    let typed = async {
        let mut slowest = Duration::ZERO;
        for number in 0..20 {
            let began = Instant::now();
            assert!(
                quiet
                    .write(format!("echo q-$(({number}+1000))\r").as_bytes())
                    .await
            );
            shows(&quiet, &format!("q-{}", number + 1000)).await;
            slowest = slowest.max(began.elapsed());
        }
        slowest
    };
    let (slowest, ()) = tokio::join!(typed, shows(&reader, "end-42"));
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    // Of our programs, and of tmux, which keeps the last lines.
    for (name, most_mb) in [("sandbox-init", 16), ("tmux: server", 160)] {
        let line = format!(
            "for p in /proc/[0-9]*; do [ \"$(cat $p/comm)\" = '{name}' ] && awk '/VmHWM/ {{print $2}}' $p/status; done | sort -n | tail -1"
        );
        let memory = inside(&agents, &id, &line).await;
        let memory_kb: u64 = memory
            .parse()
            .unwrap_or_else(|_| panic!("{name}: {memory}"));
        assert!(memory_kb < most_mb << 10, "{name}: {memory_kb} KiB");
    }
    // The one that never read sees what is there now.
    shows(&stuck, "end-42").await;
}
