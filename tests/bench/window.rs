//! Measures the window in use: pages, a cell's result, keys on the desktop.

#[path = "../support/window.rs"]
mod driver;

use std::time::Duration;

use driver::Window;
use e2e::{Instance, measure::median};
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use serde_json::Value;

const SOON: Duration = Duration::from_secs(60);
const TIMES: usize = 30;

/// Milliseconds from a click on a page's button until that page is painted.
const SWITCH: &str = "
    const [id, done] = arguments;
    const begun = performance.now();
    document.querySelector(`[data-testid=nav-${id}]`).click();
    requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - begun)));";

/// From the key's event until the next result is painted.
const RESULT: &str = "
    window.measured = null;
    let begun = 0;
    addEventListener('keydown', (event) => { if (event.key === 'Enter') begun = event.timeStamp; }, {capture: true});
    new MutationObserver((_, watch) => {
      if (document.querySelector('[data-testid=cell]').dataset.state !== 'completed' || begun === 0) return;
      watch.disconnect();
      requestAnimationFrame(() => { window.measured = performance.now() - begun; });
    }).observe(document.querySelector('[data-testid=cell]'), {attributes: true, subtree: true, childList: true});";

/// From the key's event until the canvas shows another picture where the letters are.
const PIXEL: &str = "
    window.measured = null;
    const canvas = document.querySelector('[data-testid=desktop-screen] canvas');
    const context = canvas.getContext('2d');
    const look = () => context.getImageData(0, 0, 640, 48).data.join();
    const before = look();
    canvas.addEventListener('keydown', (event) => {
      const begun = event.timeStamp;
      const watch = () => {
        if (look() === before) requestAnimationFrame(watch);
        else window.measured = performance.now() - begun;
      };
      requestAnimationFrame(watch);
    }, {once: true, capture: true});
    canvas.focus();";

async fn measured(window: &Window) -> f64 {
    let script = "return window.measured;";
    window
        .until("a measurement", SOON, script)
        .await
        .as_f64()
        .expect("milliseconds")
}

async fn press(window: &Window, held: Option<char>, key: char) {
    let mut keys = KeyActions::new("keyboard".to_owned());
    if let Some(value) = held {
        keys = keys.then(KeyAction::Down { value });
    }
    keys = keys
        .then(KeyAction::Down { value: key })
        .then(KeyAction::Up { value: key });
    if let Some(value) = held {
        keys = keys.then(KeyAction::Up { value });
    }
    window.client.perform_actions(keys).await.expect("keys");
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let machine = Instance::new();
    machine.ok(&["up"]);
    let window = Window::open(&machine).await;
    window.until("the machine runs", SOON, "return document.querySelector('[data-testid=machine-state]')?.dataset.state === 'running';").await;
    for page in ["desktop", "notebook", "machine"] {
        window.click(&format!("nav-{page}")).await;
    }
    window.get("cell-input").await;

    let mut switches = Vec::new();
    for at in 0..TIMES {
        let page = ["desktop", "notebook", "machine"][at % 3];
        let took = window
            .client
            .execute_async(SWITCH, vec![Value::from(page)])
            .await
            .expect("a switch");
        switches.push(took.as_f64().expect("milliseconds"));
    }

    window.click("nav-notebook").await;
    window.click("cell-input").await;
    window.type_keys("1+1").await;
    let mut results = Vec::new();
    for _ in 0..TIMES {
        window
            .client
            .execute(RESULT, Vec::new())
            .await
            .expect("an observer");
        press(&window, Some('\u{E009}'), '\u{E007}').await;
        results.push(measured(&window).await);
    }

    let terminal = "export DISPLAY=:99; setsid xterm -geometry 100x30+0+0 +bc -e cat >/dev/null 2>&1 </dev/null & \
                    until xdotool search --class xterm windowfocus; do :; done";
    machine.api(
        "POST",
        "/shell",
        &serde_json::json!({"command": terminal, "timeout_s": 20}).to_string(),
    );
    window.click("nav-desktop").await;
    window.until("the desktop is connected", SOON, "return document.querySelector('[data-testid=desktop-screen]')?.dataset.state === 'connected';").await;
    let mut pixels = Vec::new();
    for at in 0..TIMES {
        window
            .client
            .execute(PIXEL, Vec::new())
            .await
            .expect("a watch");
        press(
            &window,
            None,
            char::from(b'a' + u8::try_from(at % 26).expect("a letter")),
        )
        .await;
        pixels.push(measured(&window).await);
    }

    println!(
        "| window: another page painted, p50 of {TIMES} | {:.0} ms | | | <= 100 ms |",
        median(switches)
    );
    println!(
        "| window: result of 1+1 after the key, p50 of {TIMES} | {:.0} ms | | | <= 50 ms |",
        median(results)
    );
    println!(
        "| window: key to pixel on the desktop, p50 of {TIMES} | {:.0} ms | | | <= 40 ms |",
        median(pixels)
    );
}
