//! Makes the pictures of README and docs from the real window: `scripts/screenshots.sh`.

#[path = "support/window.rs"]
mod driver;

use std::time::Duration;

use driver::Window;
use e2e::{Instance, project};

const SOON: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let folder = project().join("docs/images");
    let machine = Instance::new();
    let window = Window::open(&machine).await;
    let client = &window.client;
    client.set_window_size(1280, 820).await.expect("a size");

    window.click("nav-machine").await;
    window.get("machine-start").await;
    window.picture_into(&folder, "machine-absent").await;
    window.click("machine-start").await;
    window
        .until(
            "the machine runs",
            SOON,
            "return document.querySelector('[data-testid=machine-state]')?.dataset.state === 'running';",
        )
        .await;

    // Something to see on the desktop: a page in the browser, and a terminal.
    let scene = r#"export DISPLAY=:99
cat > /tmp/hello.html <<'END'
<!doctype html><title>Vivarium</title>
<body style="font: 20px sans-serif; margin: 15vh auto; width: 30em; color: #1d3b3a">
<h1>A computer for two</h1><p>This browser runs inside the machine. Whoever has the keyboard, you or your AI, sees the same screen.</p>
END
setsid xterm -geometry 64x15+150+70 -bg '#101312' -fg '#8fd3a9' -fa Monospace -fs 12 -e sh -c 'cd; id -un; python3 --version; node --version; chromium --version; echo; exec bash' </dev/null >/dev/null 2>&1 &
until xdotool search --class xterm >/dev/null 2>&1; do :; done
setsid chromium --no-first-run --window-size=720,540 --window-position=520,160 /tmp/hello.html </dev/null >/dev/null 2>&1 &
until xdotool search --name 'Vivarium' >/dev/null 2>&1; do :; done"#;
    let body = serde_json::json!({"command": scene, "timeout_s": 40}).to_string();
    let (status, answer) = machine.api("POST", "/shell", &body);
    assert_eq!(status, 200, "{answer}");

    window.click("nav-notebook").await;
    window.click("cell-input").await;
    window
        .type_keys(
            "import numpy as np, pandas as pd, matplotlib.pyplot as plt\n\
             t = np.linspace(0, 12, 400)\n\
             plt.figure(figsize=(8, 2.6)); plt.plot(t, np.sin(t) * np.exp(-t / 6)); plt.grid(alpha=.3); plt.show()\n\
             pd.DataFrame({'t': t[:4], 'value': np.sin(t[:4])})",
        )
        .await;
    window.click("cell-run").await;
    window
        .until(
            "a plot and a table",
            SOON,
            "const image = document.querySelector('[data-testid=cell-outputs] img');
             return !!image && image.complete && !!document.querySelector('[data-testid=cell-outputs] iframe');",
        )
        .await;
    window.click("variables-toggle").await;
    window
        .until(
            "the variables",
            SOON,
            "return document.querySelector('[data-testid=variables]')?.textContent.includes('ndarray');",
        )
        .await;
    window.picture_into(&folder, "notebook").await;

    window.click("nav-desktop").await;
    window
        .until(
            "the desktop is connected",
            SOON,
            "return document.querySelector('[data-testid=desktop-screen]')?.dataset.state === 'connected';",
        )
        .await;
    // The browser's page has a white ground: wait until much of the picture is white.
    window
        .until(
            "the browser shows its page",
            SOON,
            "const canvas = document.querySelector('[data-testid=desktop-screen] canvas');
             if (!canvas) return false;
             const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
             let white = 0;
             for (let at = 0; at < data.length; at += 64) if (data[at] + data[at + 1] + data[at + 2] > 750) white += 1;
             return white * 16 > 100000;",
        )
        .await;
    window.picture_into(&folder, "desktop").await;
    // A tool that shows the same screen.
    window.click("nav-mcp").await;
    window.click("mcp-server-computer").await;
    window.click("mcp-connect").await;
    window.click("mcp-offer-screenshot").await;
    window.click("mcp-call").await;
    window
        .until(
            "a picture from the tool",
            SOON,
            "const image = document.querySelector('[data-testid=mcp-result] img');
             return !!image && image.complete;",
        )
        .await;
    window.picture_into(&folder, "mcp").await;

    machine.inside("echo Hello from the repo. >/repo/body/rootfs/usr/share/vivarium/motd");
    window.click("nav-evolve").await;
    window.get("evolve-diff").await;
    window.click("evolve-note").await;
    window.type_keys("a greeting").await;
    window.click("evolve-start").await;
    window
        .until(
            "a new generation",
            3 * SOON,
            "return document.querySelector('[data-testid=evolve-run]')?.dataset.state === 'good';",
        )
        .await;
    window.picture_into(&folder, "evolve").await;

    window.click("nav-settings").await;
    window.get("about").await;
    window.picture_into(&folder, "settings").await;
    window.click("nav-machine").await;
    // Some of the plots' history.
    window
        .until(
            "a minute of plots",
            SOON,
            "const points = document.querySelector('[data-testid=resources] polyline')?.getAttribute('points') ?? '';
             return points.split(' ').length > 12;",
        )
        .await;
    window.picture_into(&folder, "machine").await;
    window.click("nav-settings").await;
    client
        .execute(
            "document.querySelector('input[type=radio][value=dark]').click()",
            Vec::new(),
        )
        .await
        .expect("a click");
    window.click("nav-machine").await;
    window
        .until(
            "the dark theme",
            SOON,
            "return document.documentElement.dataset.theme === 'dark';",
        )
        .await;
    window.picture_into(&folder, "machine-dark").await;
}
