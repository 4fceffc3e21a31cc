//! The main job in the real window: start, desktop, a cell, remove.

#[path = "support/window.rs"]
mod driver;

use std::time::Duration;

use driver::Window;
use e2e::{Instance, docker};
use fantoccini::actions::{InputSource, KeyAction, KeyActions};

/// Long, as the computer may be busy with much else.
const SHORT: Duration = Duration::from_secs(90);

/// How many pixels of the desktop's canvas are magenta.
const MAGENTA: &str = "
    const canvas = document.querySelector('[data-testid=desktop-screen] canvas');
    if (!canvas) return 0;
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let at = 0; at < data.length; at += 4)
        if (data[at] > 200 && data[at + 1] < 60 && data[at + 2] > 200) count += 1;
    return count;";

#[tokio::test(flavor = "multi_thread")]
async fn a_person_starts_a_machine_sees_its_desktop_runs_a_cell_and_removes_it() {
    let machine = Instance::new();
    let window = Window::open(&machine).await;
    let page = &window.client;

    window.click("nav-machine").await;
    window.click("machine-start").await;
    window
        .until(
            "the machine runs",
            2 * SHORT,
            "const state = document.querySelector('[data-testid=machine-state]');
             return !!state && state.dataset.state === 'running';",
        )
        .await;
    window.keep_picture("machine").await;

    // What is copied is on the system's clipboard, which pages of WebKit can't reach.
    page.find(fantoccini::Locator::Css(
        "[aria-label=\"Copy the kernel's address\"]",
    ))
    .await
    .expect("a button")
    .click()
    .await
    .expect("a click");
    let address = format!("http://127.0.0.1:{}", machine.ports[0]);
    let read = "const done = arguments[arguments.length - 1];
        window.__TAURI_INTERNALS__.invoke('clipboard_read').then(done, (failure) => done(failure.message));";
    let deadline = std::time::Instant::now() + SHORT;
    loop {
        let copied = page
            .execute_async(read, Vec::new())
            .await
            .expect("an answer");
        if copied == address.as_str() {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "{copied}");
    }

    // The live desktop: what is typed in the window shows in an xterm on the machine's screen.
    window.click("nav-desktop").await;
    window
        .until(
            "the desktop is connected",
            SHORT,
            "return document.querySelector('[data-testid=desktop-screen]')?.dataset.state === 'connected';",
        )
        .await;
    let terminal = "setsid xterm -geometry 80x24+0+0 -bg black -fg '#ff00ff' -cr black -fa Monospace -fs 14 -e cat \
                    >/dev/null 2>&1 </dev/null & until xdotool search --class xterm windowfocus; do :; done";
    let body =
        serde_json::json!({"command": format!("export DISPLAY=:99; {terminal}"), "timeout_s": 90})
            .to_string();
    let (status, answer) = machine.api("POST", "/shell", &body);
    assert_eq!(
        (status, &answer["returncode"]),
        (200, &serde_json::json!(0)),
        "{answer}"
    );
    page.execute(
        "document.querySelector('[data-testid=desktop-screen] canvas').focus();",
        Vec::new(),
    )
    .await
    .unwrap();
    let before = page
        .execute(MAGENTA, Vec::new())
        .await
        .unwrap()
        .as_u64()
        .unwrap();
    window.type_keys("vivarium").await;
    window
        .until(
            "typed text shows on the desktop",
            SHORT,
            &format!("return (() => {{{MAGENTA}}})() > {};", before + 100),
        )
        .await;
    window.keep_picture("desktop").await;

    // A cell, whose output appears while it still runs.
    window.click("nav-notebook").await;
    window.click("cell-input").await;
    window
        .type_keys(
            "import os, time; print('first', flush=True)\n\
             while not os.path.exists('/tmp/go'): time.sleep(0.01)\n\
             print('second')",
        )
        .await;
    window.click("cell-run").await;
    window
        .until(
            "the first line shows while the cell runs",
            SHORT,
            "const text = document.querySelector('[data-testid=cell-outputs]')?.textContent ?? '';
             return text.includes('first') && !text.includes('second');",
        )
        .await;
    machine.api("POST", "/shell", r#"{"command":"touch /tmp/go"}"#);
    window
        .until(
            "the second line",
            SHORT,
            "return document.querySelector('[data-testid=cell-outputs]')?.textContent.includes('second');",
        )
        .await;

    // A plot, as a picture that really loads: all of the cell is typed anew.
    window.click("cell-input").await;
    select_all(page).await;
    window
        .type_keys("import matplotlib.pyplot as plt\nplt.plot([1, 4, 9]);")
        .await;
    window.click("cell-run").await;
    window
        .until(
            "a plot",
            SHORT,
            "const image = document.querySelector('[data-testid=cell-outputs] img');
             return !!image && image.complete && image.naturalWidth > 100;",
        )
        .await;
    window.keep_picture("notebook").await;

    // A second start calls this window to the front, and ends.
    let second = std::process::Command::new(driver::binary())
        .envs(machine.environment())
        .output()
        .expect("the app starts");
    assert!(second.status.success(), "{second:?}");

    // Stop, remove; nothing is left.
    window.click("nav-machine").await;
    window.click("machine-stop").await;
    window
        .until(
            "it is stopped",
            SHORT,
            "return document.querySelector('[data-testid=machine-state]')?.dataset.state === 'stopped';",
        )
        .await;
    window.click("machine-remove").await;
    window.click("machine-remove-confirm").await;
    window
        .until(
            "it is gone",
            SHORT,
            "return document.querySelector('[data-testid=machine-state]')?.dataset.state === 'absent';",
        )
        .await;
    assert_eq!(
        docker(&[
            "ps",
            "-aq",
            "--filter",
            &format!("name={}", machine.container())
        ]),
        ""
    );
    assert_eq!(
        docker(&[
            "network",
            "ls",
            "-q",
            "--filter",
            &format!("name={}", machine.name)
        ]),
        ""
    );
}

/// Presses Ctrl+A.
async fn select_all(page: &fantoccini::Client) {
    let control = '\u{E009}';
    let keys = KeyActions::new("keyboard".to_owned())
        .then(KeyAction::Down { value: control })
        .then(KeyAction::Down { value: 'a' })
        .then(KeyAction::Up { value: 'a' })
        .then(KeyAction::Up { value: control });
    page.perform_actions(keys).await.expect("keys");
}
