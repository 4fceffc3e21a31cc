//! The real window, driven through WebKitWebDriver.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource, KeyAction, KeyActions},
    elements::Element,
};
use serde_json::{Value, json};

use e2e::{Instance, free_port, project, wait_until};

/// The app: the debug build, unless `VIVARIUM_DESKTOP` names another.
pub fn binary() -> PathBuf {
    std::env::var_os("VIVARIUM_DESKTOP").map_or_else(
        || project().join("target/debug/vivarium-desktop"),
        PathBuf::from,
    )
}

/// Between two looks at the page.
const BETWEEN: Duration = Duration::from_millis(20);

/// A driver and the app that it started; both are gone when dropped.
pub struct Window {
    pub client: Client,
    driver: Child,
}

impl Window {
    /// Opens the app on this instance.
    pub async fn open(instance: &Instance) -> Self {
        let port = free_port();
        let driver = Command::new("WebKitWebDriver")
            .arg(format!("--port={port}"))
            .envs(instance.environment())
            .env("TAURI_WEBVIEW_AUTOMATION", "true")
            .env("XDG_DATA_HOME", instance.home.path().join("webview"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("WebKitWebDriver (package webkit2gtk-driver)");
        wait_until("the driver listens", Duration::from_secs(90), || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
        let options = json!({"binary": binary(), "args": []});
        let capabilities = [("webkitgtk:browserOptions".to_owned(), options)]
            .into_iter()
            .collect();
        let client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("the app starts");
        Self { client, driver }
    }

    /// The element with this `data-testid`, once it is there.
    pub async fn get(&self, id: &str) -> Element {
        self.client
            .wait()
            .at_most(Duration::from_secs(90))
            .for_element(Locator::Css(&format!("[data-testid='{id}']")))
            .await
            .unwrap_or_else(|error| panic!("no {id} in the window: {error}"))
    }

    /// Clicks it.
    pub async fn click(&self, id: &str) {
        let element = self.get(id).await;
        element
            .click()
            .await
            .unwrap_or_else(|error| panic!("{id} can't be clicked: {error}"));
    }

    /// Waits until a script's value is true.
    pub async fn until(&self, what: &str, deadline: Duration, script: &str) -> Value {
        let begin = std::time::Instant::now();
        loop {
            let value = self
                .client
                .execute(script, Vec::new())
                .await
                .unwrap_or(Value::Null);
            if !matches!(value, Value::Null | Value::Bool(false)) {
                return value;
            }
            if begin.elapsed() >= deadline {
                self.keep_picture(what).await;
                panic!("not within {deadline:?}: {what}");
            }
            // The page has work of its own between two questions.
            tokio::time::sleep(BETWEEN).await;
        }
    }

    /// Types on the keyboard, wherever the focus is.
    pub async fn type_keys(&self, text: &str) {
        let mut keys = KeyActions::new("keyboard".to_owned());
        // WebDriver's own code for the Enter key.
        for value in text
            .chars()
            .map(|value| if value == '\n' { '\u{E007}' } else { value })
        {
            keys = keys
                .then(KeyAction::Down { value })
                .then(KeyAction::Up { value });
        }
        self.client.perform_actions(keys).await.expect("keys");
    }

    /// Writes a picture of the window to target/screenshots, for people.
    pub async fn keep_picture(&self, name: &str) {
        self.picture_into(&project().join("target/screenshots"), name)
            .await;
    }

    /// Writes a picture of the window into a folder, once it is painted.
    pub async fn picture_into(&self, folder: &Path, name: &str) {
        // Two frames: the first only begins to decode images.
        let painted = "const done = arguments[arguments.length - 1];
            requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 100)));";
        let _ = self.client.execute_async(painted, Vec::new()).await;
        std::fs::create_dir_all(folder).expect("a folder");
        let file = folder.join(format!("{}.png", name.replace([' ', '/'], "-")));
        // Of the screen: WebKit's own picture through WebDriver never comes where its plain
        // renderer shows the desktop's canvas.
        let place = "return `${outerWidth}x${outerHeight}+${screenX}+${screenY}`;";
        let Ok(place) = self.client.execute(place, Vec::new()).await else {
            return;
        };
        let taken = Command::new("import")
            .args(["-window", "root", "-crop", place.as_str().expect("a place")])
            .arg("+repage")
            .arg(file)
            .status()
            .expect("ImageMagick's import");
        assert!(taken.success());
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // The app is in the driver's process group, so it ends too.
        let group = nix::unistd::Pid::from_raw(i32::try_from(self.driver.id()).expect("a pid"));
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.driver.wait();
    }
}
