//! The tools about the display: looking at it, mouse, keyboard, clipboard, windows.

use std::time::{Duration, Instant};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rmcp::{
    Json,
    handler::server::wrapper::Parameters,
    model::{CallToolResult, ContentBlock},
    schemars::{self, JsonSchema},
    tool, tool_router,
};
use serde::{Deserialize, Serialize};
use wire::kernel::{ShellAnswer, ShellRequest};

use super::{
    Computer,
    error::ComputerError,
    frames::{Frame, Region, View},
    screen::{Area, Button, Chord, Direction, WindowShown},
};

/// Where nothing is said of a picture's size.
const LONGEST_EDGE: u32 = 1280;
/// How often the screen is looked at for a change.
const LOOK_EVERY: Duration = Duration::from_millis(60);
/// The longest that a tool waits.
const LONGEST_WAIT_S: f64 = 3600.0;

#[derive(Deserialize, JsonSchema)]
pub struct ScreenshotRequest {
    /// A part of the screen, in the coordinates of an earlier screenshot: a closer look.
    #[serde(default)]
    region: Option<Region>,
    /// A window's id from list_windows: the part of the screen that it takes. What covers it is seen.
    #[serde(default)]
    window: Option<u32>,
    /// The picture is scaled down until no edge is longer, in pixels; 1280 where left out.
    #[serde(default)]
    longest_edge: Option<u32>,
}

/// What a screenshot shows.
#[derive(Serialize, JsonSchema)]
pub struct Shot {
    /// Names the picture for tools that take coordinates.
    screenshot_id: u64,
    /// Of the picture, in its pixels.
    width: u32,
    height: u32,
    /// Picture pixels per screen pixel.
    scale: f64,
    /// What of the screen it shows, in screen pixels.
    screen_x: i32,
    screen_y: i32,
    screen_width: u32,
    screen_height: u32,
}

/// Where a mouse tool acts.
#[derive(Deserialize, JsonSchema)]
pub struct Place {
    /// From the left of the screenshot.
    x: f64,
    /// From its top.
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
    /// Held meanwhile: ctrl, shift, alt, super.
    #[serde(default)]
    modifiers: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
pub struct DragRequest {
    /// Where the button is pressed.
    from_x: f64,
    from_y: f64,
    /// Where it is released.
    to_x: f64,
    to_y: f64,
    #[serde(flatten)]
    view: View,
    #[serde(default)]
    button: Button,
    /// Held meanwhile: ctrl, shift, alt, super.
    #[serde(default)]
    modifiers: Vec<String>,
}

#[derive(Deserialize, JsonSchema)]
pub struct ScrollRequest {
    #[serde(flatten)]
    place: Place,
    direction: Direction,
    /// Of the wheel; 3 where left out, at most 100.
    #[serde(default)]
    notches: Option<u32>,
    /// Held meanwhile: ctrl zooms in many programs.
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
    /// Between two characters, for programs that lose some; 3 where left out.
    #[serde(default)]
    pause_ms: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
pub struct KeyRequest {
    /// Such as `Return`, `ctrl+c`, `ctrl+shift+t`, `alt+F4`, `Page_Down`, `super`.
    keys: String,
    /// How many times; once where left out, at most 100.
    #[serde(default)]
    times: Option<u32>,
}

/// A text.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct ClipboardText {
    text: String,
}

/// Windows.
#[derive(Serialize, JsonSchema)]
pub struct WindowList {
    /// The topmost first.
    windows: Vec<WindowShown>,
}

#[derive(Deserialize, JsonSchema)]
pub struct WindowRequest {
    /// Its id from list_windows.
    window: u32,
}

#[derive(Deserialize, JsonSchema)]
pub struct LaunchRequest {
    /// A shell command line, such as `chromium https://example.org` or `xterm`.
    command: String,
    /// How long to wait for its first window; 10 where left out.
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

#[derive(Deserialize, JsonSchema)]
pub struct ChangeRequest {
    /// A part of the screen, in the coordinates of an earlier screenshot; all of it where left out.
    #[serde(default)]
    region: Option<Region>,
    /// How long to wait, in seconds; 10 where left out.
    #[serde(default)]
    timeout_s: Option<f64>,
}

/// Whether the screen changed.
#[derive(Serialize, JsonSchema)]
pub struct ChangeSeen {
    changed: bool,
    /// What changed first, in screen pixels: x, y, width, height.
    area: Option<[i64; 4]>,
    waited_ms: u64,
}

#[derive(Deserialize, JsonSchema)]
pub struct HandbackRequest {
    /// How long to wait, in seconds; 300 where left out.
    #[serde(default)]
    timeout_s: Option<f64>,
}

/// Whether mouse and keyboard are free.
#[derive(Serialize, JsonSchema)]
pub struct Handback {
    handed_back: bool,
}

/// It was done.
#[derive(Serialize, JsonSchema)]
pub struct Done {
    done: bool,
}

const DONE: Json<Done> = Json(Done { done: true });

#[tool_router(router = desktop_tools, vis = "pub(super)")]
impl Computer {
    /// Takes a picture of the display that you and the person share: all of it, a region or a window.
    /// Coordinates for click, drag, scroll and regions are pixels of the last picture taken, from its
    /// top left; say screenshot_id for another.
    #[tool(
        output_schema = rmcp::handler::server::tool::schema_for_output::<Shot>(),
        annotations(title = "Look at the screen", read_only_hint = true, open_world_hint = false)
    )]
    async fn screenshot(
        &self,
        Parameters(request): Parameters<ScreenshotRequest>,
    ) -> Result<CallToolResult, ComputerError> {
        let region = request
            .region
            .map(|region| self.area(&region))
            .transpose()?;
        if region.is_some() && request.window.is_some() {
            let both = "say a region or a window, not both".to_owned();
            return Err(ComputerError::Invalid(both));
        }
        let longest = request
            .longest_edge
            .unwrap_or(LONGEST_EDGE)
            .clamp(16, 16_384);
        let (area, width, height, png) = self
            .on_screen(move |screen| {
                let whole = screen.whole()?;
                let wanted = match request.window {
                    Some(id) => screen.window_area(id)?,
                    None => region.unwrap_or(whole),
                };
                let area = seen(wanted, whole)?;
                let picture = screen.picture(area)?.fitted(longest);
                Ok((area, picture.width, picture.height, picture.png()?))
            })
            .await?;
        let frame = Frame {
            area,
            width,
            height,
        };
        let shot = Shot {
            screenshot_id: self.frames().add(frame),
            width,
            height,
            scale: frame.scale(),
            screen_x: area.x,
            screen_y: area.y,
            screen_width: area.width,
            screen_height: area.height,
        };
        let value = serde_json::to_value(&shot)
            .map_err(|error| ComputerError::Internal(error.to_string()))?;
        let mut result = CallToolResult::structured(value);
        result
            .content
            .push(ContentBlock::image(STANDARD.encode(png), "image/png"));
        Ok(result)
    }

    /// Moves the mouse pointer without pressing anything, so that what is under it shows itself.
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
        self.input(move |screen| screen.point_at(at)).await
    }

    /// Clicks once at a place of a screenshot, with the left button unless another is said.
    #[tool(annotations(title = "Click", destructive_hint = true, open_world_hint = true))]
    async fn click(
        &self,
        Parameters(request): Parameters<ClickRequest>,
    ) -> Result<Json<Pointer>, ComputerError> {
        self.clicks(request, 1).await
    }

    /// Clicks twice quickly at a place of a screenshot: opens an icon, selects a word.
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

    /// Presses a mouse button at one place, moves to another and releases it there: moves a window by
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

    /// Turns the mouse wheel at a place of a screenshot.
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

    /// Types text into the window that has the focus, as the keyboard would; any Unicode. Click where
    /// it belongs first. Long texts go quicker through clipboard_set and key ctrl+v.
    #[tool(annotations(title = "Type", destructive_hint = true, open_world_hint = true))]
    async fn type_text(
        &self,
        Parameters(request): Parameters<TypeRequest>,
    ) -> Result<Json<Pointer>, ComputerError> {
        let pause = Duration::from_millis(request.pause_ms.unwrap_or(3).min(1000));
        self.input(move |screen| screen.type_text(&request.text, pause))
            .await
    }

    /// Presses a key or a chord, such as Return, ctrl+c or ctrl+shift+t, in the window that has the
    /// focus.
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

    /// The text in the clipboard that programs of the display and its viewers share; empty where there
    /// is none.
    #[tool(annotations(
        title = "Read the clipboard",
        read_only_hint = true,
        open_world_hint = false
    ))]
    async fn clipboard_get(&self) -> Result<Json<ClipboardText>, ComputerError> {
        let text = self.on_screen(|screen| screen.clipboard()).await?;
        Ok(Json(ClipboardText { text }))
    }

    /// Puts text into that clipboard; `key ctrl+v` (`ctrl+shift+v` in some terminals) then pastes it.
    #[tool(annotations(
        title = "Fill the clipboard",
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

    /// The windows on the display, the topmost first, with their titles, programs and places in screen
    /// pixels (for tools that take coordinates: scale 1).
    #[tool(annotations(title = "List windows", read_only_hint = true, open_world_hint = false))]
    async fn list_windows(&self) -> Result<Json<WindowList>, ComputerError> {
        let windows = self.on_screen(|screen| screen.windows()).await?;
        Ok(Json(WindowList { windows }))
    }

    /// Brings a window to the front, out of the task bar where it was minimised, and gives it the keys.
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

    /// Starts a program on the display and waits for its first window. It goes on when this server
    /// ends. A program that fails at once is told with what it said.
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
            command: launching(&request.command),
            timeout_s: Some(10.0),
        };
        let answer: ShellAnswer = self.client.post("/shell", &request_to_shell).await?;
        if answer.returncode != Some(0) {
            let said = answer.stdout.trim();
            let code = answer.returncode.unwrap_or(-1);
            return Err(ComputerError::Invalid(format!(
                "it ended at once with exit status {code}: {said}"
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

    /// Waits until something on the screen, or in a region of it, looks different from when this was
    /// called: a page that loads, a dialog, a command's output. A blinking cursor counts too: leave it
    /// out of the region.
    #[tool(annotations(
        title = "Wait for a change",
        read_only_hint = true,
        open_world_hint = false
    ))]
    async fn wait_for_change(
        &self,
        Parameters(request): Parameters<ChangeRequest>,
    ) -> Result<Json<ChangeSeen>, ComputerError> {
        let region = request
            .region
            .map(|region| self.area(&region))
            .transpose()?;
        let limit = limit(request.timeout_s, 10.0)?;
        let begin = Instant::now();
        let mut watched = self
            .on_screen(move |screen| {
                let whole = screen.whole()?;
                screen.watch(seen(region.unwrap_or(whole), whole)?)
            })
            .await?;
        loop {
            let (looked, area) = self
                .on_screen(move |screen| {
                    let area = screen.changed(&watched)?;
                    Ok((watched, area))
                })
                .await?;
            watched = looked;
            if area.is_some() || begin.elapsed() >= limit {
                return Ok(Json(ChangeSeen {
                    changed: area.is_some(),
                    area: area.map(|area| {
                        [
                            area.x.into(),
                            area.y.into(),
                            area.width.into(),
                            area.height.into(),
                        ]
                    }),
                    waited_ms: u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
                }));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the person gives mouse and keyboard back, after a tool was refused because they
    /// have them. Answers at once where nobody has taken them.
    #[tool(annotations(
        title = "Wait for the person",
        read_only_hint = true,
        open_world_hint = false
    ))]
    async fn wait_for_handback(
        &self,
        Parameters(request): Parameters<HandbackRequest>,
    ) -> Result<Json<Handback>, ComputerError> {
        let handed_back = self.handed_back(limit(request.timeout_s, 300.0)?).await?;
        Ok(Json(Handback { handed_back }))
    }
}

impl Computer {
    fn frames(&self) -> std::sync::MutexGuard<'_, super::Frames> {
        self.frames
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn place(&self, place: &Place) -> Result<(i32, i32), ComputerError> {
        self.frames().place(place.x, place.y, place.view)
    }

    fn area(&self, region: &Region) -> Result<Area, ComputerError> {
        self.frames().area(region)
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

    /// Uses mouse or keyboard, unless the person has them.
    async fn input(
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

/// The part of an area that is on the screen.
fn seen(area: Area, whole: Area) -> Result<Area, ComputerError> {
    area.within(whole)
        .ok_or_else(|| ComputerError::Invalid("nothing of it is on the screen".to_owned()))
}

fn limit(seconds: Option<f64>, otherwise: f64) -> Result<Duration, ComputerError> {
    let seconds = seconds.unwrap_or(otherwise);
    if (0.0..=LONGEST_WAIT_S).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(ComputerError::Invalid(format!(
            "a wait lasts from 0 to {LONGEST_WAIT_S} s"
        )))
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
