//! What is sent arrives as it was, and as nothing else.

use agents::AgentError;

use crate::{inside, made, made_with, soon, tool, until, wanted};

#[tokio::test]
async fn a_prompt_arrives_whole_whatever_is_in_it() {
    if !wanted() {
        return;
    }
    // It takes pastes as tools do: between the two marks, unread by the terminal.
    let reads = r#"stty raw -echo; printf '\e[?2004h'; echo ready >~/ready; cat >~/got"#;
    let (_site, agents, id) = made_with("send", &tool("tool", reads, reads)).await;
    until("it reads", async || {
        inside(&agents, &id, "cat ~/ready").await == "ready"
    })
    .await;
    let controls: String = ('\0'..='\u{9f}').filter(|it| it.is_control()).collect();
    let prompt = format!(
        "first{controls} line\nzweite Zeile – 漢字 🦀 e\u{301}\n\ttab; $(rm -rf /) `x` \\ ; \x1b[201~ end;"
    );
    soon(agents.send(&id, &prompt)).await.unwrap();
    until("all of it", async || {
        inside(&agents, &id, "cat ~/got").await.contains("end;")
    })
    .await;
    until("Enter", async || {
        inside(&agents, &id, "tail -c 1 ~/got | od -An -tx1").await == "0d"
    })
    .await;
    let got = soon(agents.run(&id, &["cat", "/home/agent/got"], b""))
        .await
        .unwrap()
        .bytes;
    let got = String::from_utf8(got).expect("UTF-8");
    let pasted = got
        .strip_prefix("\x1b[200~")
        .and_then(|got| got.strip_suffix("\x1b[201~\r"));
    let pasted = pasted.unwrap_or_else(|| panic!("{got:?}"));
    // What a control was is gone, its ends of lines are lines.
    assert!(pasted.starts_with("first"), "{pasted:?}");
    assert!(
        pasted.ends_with(
            " line\nzweite Zeile – 漢字 🦀 e\u{301}\n\ttab; $(rm -rf /) `x` \\ ; [201~ end;"
        ),
        "{pasted:?}"
    );
    assert!(
        pasted
            .chars()
            .all(|it| !it.is_control() || it == '\n' || it == '\t'),
        "{pasted:?}"
    );
    let log = soon(agents.logs(&id, 20)).await.unwrap().join("\n");
    assert!(log.contains("prompt sent"), "{log}");
    assert!(!log.contains("zweite"), "{log}");
}

#[tokio::test]
async fn many_lines_arrive_in_their_order() {
    if !wanted() {
        return;
    }
    let reads = "stty raw -echo; echo ready >~/ready; cat >~/got";
    let (_site, agents, id) = made_with("lines", &tool("tool", reads, reads)).await;
    until("it reads", async || {
        inside(&agents, &id, "cat ~/ready").await == "ready"
    })
    .await;
    let prompt: String = (0..20_000)
        .map(|number| format!("line {number} ü\n"))
        .collect();
    soon(agents.send(&id, &prompt)).await.unwrap();
    let size = (prompt.len() + 1).to_string();
    until("all of it", async || {
        inside(&agents, &id, "stat -c %s ~/got").await == size
    })
    .await;
    let got = soon(agents.run(&id, &["cat", "/home/agent/got"], b""))
        .await
        .unwrap()
        .bytes;
    assert!(got == format!("{prompt}\r").as_bytes());
}

#[tokio::test]
async fn keys_are_typed_and_only_keys() {
    if !wanted() {
        return;
    }
    let (_site, agents, id) = made("keys").await;
    let keys = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    soon(agents.keys(&id, &keys("t o u c h Space k e y s Enter")))
        .await
        .unwrap();
    until("they were typed", async || {
        inside(&agents, &id, "ls /workspace").await == "keys"
    })
    .await;
    for wrong in ["", "a;", "with\nline", &"x".repeat(17), "ü"] {
        let typed = soon(agents.keys(&id, &[wrong.to_owned()])).await;
        assert!(
            matches!(typed, Err(AgentError::Invalid { .. })),
            "{wrong:?}"
        );
    }
    for wrong in ["", "  \n", "\x1b\x03"] {
        let sent = soon(agents.send(&id, wrong)).await;
        assert!(matches!(sent, Err(AgentError::Invalid { .. })), "{wrong:?}");
    }
}
