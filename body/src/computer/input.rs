//! The tools that touch: mouse, keyboard, clipboard, focus, new programs. Each is refused while the
//! person has mouse and keyboard for themselves.

use std::time::{Duration, Instant};

use rmcp::{
    Json,
    handler::server::wrapper::Parameters,
    schemars::{self, JsonSchema},
    tool, tool_router,
};
use serde::{Deserialize, Serialize};
use wire::{kernel::ShellRequest, routes::RunCommand};

use super::{
    Computer,
    error::ComputerError,
    frames::View,
    look::{ClipboardText, LOOK_EVERY, limit},
    screen::{Button, Chord, Direction, WindowShown},
};

/// Where a mouse tool acts.
#[derive(Deserialize, JsonSchema)]
pub struct Place {
    /// Pixels from the left edge of the screenshot.
    x: f64,
    /// Pixels from the top edge of the screenshot.
    y: f64,
    #[serde(flatten)]
    view: View,
}

#[derive(Deserialize, JsonSchema)]
pub struct ClickRequest {
    #[serde(flatten)]
    place: Place,
    #[serde(default)]
    button: Button,
    /// Modifier keys to hold: ctrl, shift, alt, super.
    #[serde(default)]
    modifiers: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
pub struct DragRequest {
    /// Position where the button is pressed.
    from_x: f64,
    from_y: f64,
    /// Position where the button is released.
    to_x: f64,
    to_y: f64,
    #[serde(flatten)]
    view: View,
    #[serde(default)]
    button: Button,
    /// Modifier keys to hold: ctrl, shift, alt, super.
    #[serde(default)]
    modifiers: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
pub struct ScrollRequest {
    #[serde(flatten)]
    place: Place,
    direction: Direction,
    /// Number of wheel notches; defaults to 3, at most 100.
    #[serde(default)]
    notches: Option<u32>,
    /// Modifier keys to hold; ctrl zooms in many programs.
    #[serde(default)]
    modifiers: Vec<String>,
}

/// Where the pointer is now.
#[derive(Serialize, JsonSchema)]
pub struct Pointer {
    /// In screen pixels.
    screen_x: i32,
    screen_y: i32,
}

#[derive(Deserialize, JsonSchema)]
pub struct TypeRequest {
    /// Any Unicode text; a newline presses Return, a tab the Tab key.
    text: String,
    /// Milliseconds between two characters, for programs that lose some; defaults to 3.
    #[serde(default)]
    pause_ms: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
pub struct KeyRequest {
    /// Key or chord, such as `Return`, `ctrl+c`, `ctrl+shift+t`, `alt+F4`, `Page_Down`, `super`.
    keys: String,
    /// Number of times to press it; defaults to 1, at most 100.
    #[serde(default)]
    times: Option<u32>,
}

#[derive(Deserialize, JsonSchema)]
pub struct WindowRequest {
    /// Window ID from list_windows.
    window: u32,
}

#[derive(Deserialize, JsonSchema)]
pub struct LaunchRequest {
    /// A shell command line, such as `chromium https://example.org` or `xterm`.
    command: String,
    /// Seconds to wait for its first window; defaults to 10.
    #[serde(default)]
    wait_s: Option<f64>,
}

/// A program that was started.
#[derive(Serialize, JsonSchema)]
pub struct Launched {
    /// Of the shell's child that became the program.
    pid: Option<u32>,
    /// The first window that was opened since, if one was.
    window: Option<WindowShown>,
}

/// It was done.
#[derive(Serialize, JsonSchema)]
pub struct Done {
    done: bool,
}

const DONE: Json<Done> = Json(Done { done: true });

#[tool_router(router = input_tools, vis = "pub(super)")]
impl Computer {
    /// Moves the mouse pointer without pressing a button, for example to show a tooltip.
    #[tool(annotations(
        title = "Move the mouse",
        destructive_hint = false,
        idempotent_hint = true,
        open_world_hint = false
    ))]
    async fn mouse_move(
        &self,
        Parameters(place): Parameters<Place>,
    ) -> Result<Json<Pointer>, ComputerError> {
        let at = self.place(&place)?;
        self.moved(move |screen| screen.point_at(at)).await
    }

    /// Clicks at a position of a screenshot, with the left button by default.
    #[tool(annotations(title = "Click", destructive_hint = true, open_world_hint = true))]
    async fn click(
        &self,
        Parameters(request): Parameters<ClickRequest>,
    ) -> Result<Json<Pointer>, ComputerError> {
        self.clicks(request, 1).await
    }

    /// Double-clicks at a position of a screenshot: opens an icon, selects a word.
    #[tool(annotations(
        title = "Double-click",
        destructive_hint = true,
        open_world_hint = true
    ))]
    async fn double_click(
        &self,
        Parameters(request): Parameters<ClickRequest>,
    ) -> Result<Json<Pointer>, ComputerError> {
        self.clicks(request, 2).await
    }

    /// Presses a mouse button at one position and releases it at another: moves a window by
    /// its title bar, selects text, moves a slider.
    #[tool(annotations(title = "Drag", destructive_hint = true, open_world_hint = false))]
    async fn drag(
        &self,
        Parameters(request): Parameters<DragRequest>,
    ) -> Result<Json<Pointer>, ComputerError> {
        let from = self
            .frames()
            .place(request.from_x, request.from_y, request.view)?;
        let to = self
            .frames()
            .place(request.to_x, request.to_y, request.view)?;
        let held = Chord::of_modifiers(&request.modifiers)?;
        let button = request.button;
        self.input(move |screen| screen.with_modifiers(&held, || screen.drag(button, from, to)))
            .await
    }

    /// Turns the mouse wheel at a position of a screenshot.
    #[tool(annotations(title = "Scroll", destructive_hint = false, open_world_hint = false))]
    async fn scroll(
        &self,
        Parameters(request): Parameters<ScrollRequest>,
    ) -> Result<Json<Pointer>, ComputerError> {
        let at = self.place(&request.place)?;
        let held = Chord::of_modifiers(&request.modifiers)?;
        let notches = request.notches.unwrap_or(3).min(100);
        self.input(move |screen| {
            screen.point_at(at)?;
            screen.with_modifiers(&held, || screen.scroll(request.direction, notches))
        })
        .await
    }

    /// Types text, including any Unicode character, into the focused window. Click where
    /// the text belongs first. For long texts, clipboard_set and key ctrl+v are faster.
    #[tool(annotations(title = "Type", destructive_hint = true, open_world_hint = true))]
    async fn type_text(
        &self,
        Parameters(request): Parameters<TypeRequest>,
    ) -> Result<Json<Pointer>, ComputerError> {
        let pause = Duration::from_millis(request.pause_ms.unwrap_or(3).min(1000));
        self.input(move |screen| screen.type_text(&request.text, pause))
            .await
    }

    /// Presses a key or a chord, such as Return, ctrl+c or ctrl+shift+t, in the focused
    /// window.
    #[tool(annotations(title = "Press keys", destructive_hint = true, open_world_hint = true))]
    async fn key(
        &self,
        Parameters(request): Parameters<KeyRequest>,
    ) -> Result<Json<Pointer>, ComputerError> {
        let chord = Chord::read(&request.keys)?;
        let times = request.times.unwrap_or(1).min(100);
        self.input(move |screen| (0..times).try_for_each(|_| screen.press(&chord)))
            .await
    }

    /// Copies text to the clipboard; `key ctrl+v` (`ctrl+shift+v` in some terminals) then pastes it.
    #[tool(annotations(
        title = "Write to clipboard",
        destructive_hint = true,
        idempotent_hint = true,
        open_world_hint = false
    ))]
    async fn clipboard_set(
        &self,
        Parameters(request): Parameters<ClipboardText>,
    ) -> Result<Json<Done>, ComputerError> {
        self.not_taken_over().await?;
        self.on_screen(move |screen| screen.set_clipboard(request.text))
            .await?;
        Ok(DONE)
    }

    /// Brings a window to the front and gives it the keyboard focus; restores it if it is minimised.
    #[tool(annotations(
        title = "Focus a window",
        destructive_hint = false,
        idempotent_hint = true,
        open_world_hint = false
    ))]
    async fn focus_window(
        &self,
        Parameters(request): Parameters<WindowRequest>,
    ) -> Result<Json<Done>, ComputerError> {
        self.not_taken_over().await?;
        self.on_screen(move |screen| screen.focus(request.window))
            .await?;
        Ok(DONE)
    }

    /// Starts a program on the display and waits for its first window. It keeps running when this server
    /// stops. If the program fails at once, the result contains its output.
    #[tool(annotations(
        title = "Start a program",
        destructive_hint = true,
        open_world_hint = true
    ))]
    async fn launch(
        &self,
        Parameters(request): Parameters<LaunchRequest>,
    ) -> Result<Json<Launched>, ComputerError> {
        self.not_taken_over().await?;
        let ids =
            |windows: &[WindowShown]| windows.iter().map(|window| window.id).collect::<Vec<_>>();
        let before = ids(&self.on_screen(|screen| screen.windows()).await?);
        let request_to_shell = ShellRequest {
            command: launching(&request.command).into(),
            timeout_s: Some(10.0),
        };
        let answer = self.client.call::<RunCommand>(&request_to_shell).await?;
        if answer.returncode != Some(0) {
            let said = answer.stdout.trim();
            let code = answer.returncode.unwrap_or(-1);
            return Err(ComputerError::Invalid(format!(
                "it exited at once with code {code}: {said}"
            )));
        }
        let pid = answer.stdout.trim().parse().ok();
        let end = Instant::now() + limit(request.wait_s, 10.0)?;
        loop {
            let windows = self.on_screen(|screen| screen.windows()).await?;
            let window = windows
                .into_iter()
                .find(|window| !before.contains(&window.id));
            if window.is_some() || Instant::now() >= end {
                return Ok(Json(Launched { pid, window }));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

impl Computer {
    fn place(&self, place: &Place) -> Result<(i32, i32), ComputerError> {
        self.frames().place(place.x, place.y, place.view)
    }

    async fn clicks(
        &self,
        request: ClickRequest,
        times: u32,
    ) -> Result<Json<Pointer>, ComputerError> {
        let at = self.place(&request.place)?;
        let held = Chord::of_modifiers(&request.modifiers)?;
        self.input(move |screen| {
            screen.point_at(at)?;
            screen.with_modifiers(&held, || screen.click(request.button, times))
        })
        .await
    }

    /// Uses mouse or keyboard, unless the person has them. Nobody else's modifiers are held meanwhile.
    async fn input(
        &self,
        work: impl FnOnce(&super::Screen) -> Result<(), ComputerError> + Send + 'static,
    ) -> Result<Json<Pointer>, ComputerError> {
        self.moved(move |screen| screen.without_modifiers(|| work(screen)))
            .await
    }

    /// Moves the mouse, unless the person has it.
    async fn moved(
        &self,
        work: impl FnOnce(&super::Screen) -> Result<(), ComputerError> + Send + 'static,
    ) -> Result<Json<Pointer>, ComputerError> {
        self.not_taken_over().await?;
        let (screen_x, screen_y) = self
            .on_screen(move |screen| {
                work(screen)?;
                screen.pointer()
            })
            .await?;
        Ok(Json(Pointer { screen_x, screen_y }))
    }
}

/// A script that starts a command line in a session of its own, and says its process id; or what it
/// said, where it ends at once and badly.
fn launching(command: &str) -> String {
    let quoted = command.replace('\'', r"'\''");
    let display = std::env::var("DISPLAY").unwrap_or_else(|_| ":99".to_owned());
    format!(
        "log=$(mktemp) || exit; DISPLAY='{display}' setsid bash -c '{quoted}' >\"$log\" 2>&1 </dev/null &\n\
         pid=$!; for _ in 1 2 3 4 5 6; do sleep 0.05; kill -0 \"$pid\" 2>/dev/null || break; done\n\
         if kill -0 \"$pid\" 2>/dev/null; then echo \"$pid\"; rm -f \"$log\"; exit; fi\n\
         wait \"$pid\"; code=$?; [ \"$code\" = 0 ] || tail -c 2000 \"$log\"; rm -f \"$log\"; exit \"$code\""
    )
}
