//! The real window: the main job (start, desktop, a cell, remove), and a machine whose inside does what
//! it can to the pages.

#[path = "support/window.rs"]
mod driver;

use std::time::Duration;

use driver::Window;
use e2e::{Instance, docker};
use fantoccini::actions::{
    InputSource, KeyAction, KeyActions, MOUSE_BUTTON_LEFT, MouseActions, PointerAction,
};

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
        "[aria-label=\"Copy kernel address\"]",
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

/// Whether the page is still ours, and nothing that came from inside has run in it.
const UNHARMED: &str = "return window.owned === undefined
    && location.href.startsWith('tauri://localhost') && document.title === 'Vivarium'
    && document.querySelector('#app > *') !== null;";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hostile_machine_puts_out_is_only_drawn() {
    let machine = Instance::new();
    machine.ok(&["up"]);
    let data = machine
        .home
        .path()
        .join("data/instances")
        .join(&machine.name);
    let repo = data.join("machines/os-host/repo");
    let hostile = e2e::project().join("tests/hostile");
    for name in ["cell.py", "window_server.py"] {
        std::fs::copy(hostile.join(name), repo.join(name)).expect("a file for the machine");
    }
    std::fs::write(
        repo.join("mcp.json"),
        r#"{"mcpServers": {"hostile": {"command": "/opt/venv/kernel/bin/python", "args": ["/repo/window_server.py"]}}}"#,
    )
    .expect("a configuration for the machine");
    let window = Window::open(&machine).await;

    a_cell_puts_out_what_it_can(&window).await;
    a_server_offers_what_it_can(&window).await;

    // The policy is in force: no worker but the page's own, nothing that is fetched from elsewhere.
    let tried = "const done = arguments[arguments.length - 1];
        const found = [];
        document.addEventListener('securitypolicyviolation', (event) => found.push(event.effectiveDirective));
        try { new Worker(URL.createObjectURL(new Blob(['0']))).onerror = () => {}; } catch { }
        fetch('https://evil.example/').catch(() => {}).then(() => setTimeout(() => done(found.sort().join()), 0));";
    let found = window
        .client
        .execute_async(tried, Vec::new())
        .await
        .expect("an answer");
    assert_eq!(found, "connect-src,worker-src");

    // And the page answers.
    window.click("nav-machine").await;
    window
        .until(
            "the machine's page",
            SHORT,
            "return document.querySelector('[data-testid=machine-state]')?.dataset.state === 'running';",
        )
        .await;
    window.until("nothing has run", SHORT, UNHARMED).await;
    let windows = window.client.windows().await.expect("the windows");
    assert_eq!(windows.len(), 1);
    drop(window);
    machine.ok(&["rm", "--home-volume"]);
}

async fn a_cell_puts_out_what_it_can(window: &Window) {
    window.click("nav-notebook").await;
    window.click("cell-input").await;
    window.type_keys("%run /repo/cell.py").await;
    window.click("cell-run").await;
    window
        .until(
            "what the cell prints, as text",
            SHORT,
            "const text = document.querySelector('[data-testid=cell-outputs]')?.textContent ?? '';
             return text.includes('visible ⟨U+202E⟩end') && !text.includes('owned\\u0007');",
        )
        .await;
    window
        .until(
            "a formula that covers nothing else",
            SHORT,
            "const box = document.querySelector('[data-testid=markdown]')?.getBoundingClientRect();
             const math = document.querySelector('[data-testid=markdown] math');
             return !!math && box.right <= innerWidth && document.documentElement.scrollWidth <= innerWidth
                 && document.elementFromPoint(box.left + 20, Math.min(innerHeight - 4, box.bottom + 30))?.closest('math') === null;",
        )
        .await;
    let links = window
        .until(
            "links that say where they lead",
            SHORT,
            "return [...document.querySelectorAll('[data-testid=markdown] a')].map((link) => link.title + ' ' + link.protocol).join();",
        )
        .await;
    assert_eq!(links, "https://evil.example https:");

    // The frame is as high as what is in it, whatever its elements are called; and of what can be
    // clicked in there nothing leads away.
    for id in ["named", "leave", "run", "open", "send"] {
        let place = window
            .until(
                "an element of the output",
                SHORT,
                &format!(
                    "const frame = document.querySelector('[data-testid=cell-outputs] iframe');
                     const inside = frame?.contentDocument && Document.prototype.getElementById.call(frame.contentDocument, '{id}');
                     if (!inside) return false;
                     frame.scrollIntoView({{block: 'center'}});
                     const outer = frame.getBoundingClientRect(), inner = Element.prototype.getBoundingClientRect.call(inside);
                     if (inner.bottom > outer.height) return false;
                     return [Math.round(outer.left + inner.left + 4), Math.round(outer.top + inner.top + 4)];"
                ),
            )
            .await;
        let at = |axis: usize| place[axis].as_i64().expect("a place");
        let click = MouseActions::new("mouse".to_owned())
            .then(PointerAction::MoveTo {
                duration: None,
                x: at(0) as f64,
                y: at(1) as f64,
            })
            .then(PointerAction::Down {
                button: MOUSE_BUTTON_LEFT,
            })
            .then(PointerAction::Up {
                button: MOUSE_BUTTON_LEFT,
            });
        window.client.perform_actions(click).await.expect("a click");
        window
            .until(&format!("the page after a click on {id}"), SHORT, UNHARMED)
            .await;
    }
    window.keep_picture("hostile notebook").await;
    window.click("variables-toggle").await;
    window
        .until(
            "a name with what can't be seen in it",
            SHORT,
            "return document.querySelector('[data-testid=variables]')?.textContent.includes('na⟨U+2066⟩me');",
        )
        .await;
}

async fn a_server_offers_what_it_can(window: &Window) {
    window.click("nav-mcp").await;
    window.click("mcp-server-hostile").await;
    window.click("mcp-connect").await;
    window
        .until(
            "the tools, as text",
            SHORT,
            "const text = document.querySelector('ul[aria-label=tools]')?.textContent ?? '';
             return text.includes('gpj.⟨U+202E⟩exe') && text.includes('⟨U+001B⟩[2J');",
        )
        .await;
    for (tool, words) in [
        ("payload", "called payload"),
        ("self", "called self"),
        ("pattern", "called pattern"),
        ("deep", "<script>"),
    ] {
        window.click(&format!("mcp-offer-{tool}")).await;
        window
            .until(
                &format!("the form of {tool}"),
                SHORT,
                &format!("return document.querySelector('[data-testid=mcp-form]')?.dataset.offer === '{tool}';"),
            )
            .await;
        window.click("mcp-call").await;
        if tool == "pattern" {
            // Some engines get done with such a pattern, and the value doesn't match.
            let anyway = "const anyway = [...document.querySelectorAll('button')].find((one) => one.textContent.includes('Call anyway'));
                anyway?.click();
                return !!anyway || !!document.querySelector('[data-testid=mcp-outcome][data-outcome=done]');";
            window
                .until("a verdict on the pattern", SHORT, anyway)
                .await;
        }
        window
            .until(
                &format!("the answer of {tool}"),
                SHORT,
                &format!("return document.querySelector('[data-testid=mcp-outcome][data-outcome=done]')?.textContent.includes('{words}');"),
            )
            .await;
        let elements = window
            .until(
                "a page of some size",
                SHORT,
                "return document.querySelectorAll('*').length;",
            )
            .await;
        assert!(elements.as_u64().expect("a count") < 4000, "{elements}");
    }
    window.keep_picture("hostile tools").await;
}
