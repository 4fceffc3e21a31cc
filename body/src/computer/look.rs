//! The tools that look: pictures, windows, the clipboard, changes, and whether the person has given
//! mouse and keyboard back. They work whoever has those.

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

use super::{
    Computer,
    error::ComputerError,
    frames::{Frame, Region},
    screen::{Area, WindowShown},
};

/// Where nothing is said of a picture's size.
const LONGEST_EDGE: u32 = 1280;
/// How often the screen is looked at for a change.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(60);
/// The longest that a tool waits.
const LONGEST_WAIT_S: f64 = 3600.0;

#[derive(Deserialize, JsonSchema)]
pub struct ScreenshotRequest {
    /// A part of the screen, in the coordinates of an earlier screenshot: a closer look.
    #[serde(default)]
    region: Option<Region>,
    /// Window ID from list_windows: captures the part of the screen with the window, including windows that cover it.
    #[serde(default)]
    window: Option<u32>,
    /// Longest edge of the picture in pixels: larger pictures are scaled down; defaults to 1280.
    #[serde(default)]
    longest_edge: Option<u32>,
}

/// What a screenshot shows.
#[derive(Serialize, JsonSchema)]
pub struct Shot {
    /// ID of the picture, for tools that take coordinates.
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

/// A text.
#[derive(Serialize, Deserialize, JsonSchema)]
pub struct ClipboardText {
    pub(super) text: String,
}

/// Windows.
#[derive(Serialize, JsonSchema)]
pub struct WindowList {
    /// The topmost first.
    windows: Vec<WindowShown>,
}

#[derive(Deserialize, JsonSchema)]
pub struct ChangeRequest {
    /// A part of the screen, in the coordinates of an earlier screenshot; defaults to the whole screen.
    #[serde(default)]
    region: Option<Region>,
    /// Seconds to wait; defaults to 10.
    #[serde(default)]
    timeout_s: Option<f64>,
}

/// Whether the screen changed.
#[derive(Serialize, JsonSchema)]
pub struct ChangeSeen {
    changed: bool,
    /// Area that changed first, in screen pixels: x, y, width, height.
    area: Option<[i64; 4]>,
    waited_ms: u64,
}

#[derive(Deserialize, JsonSchema)]
pub struct HandbackRequest {
    /// Seconds to wait; defaults to 300.
    #[serde(default)]
    timeout_s: Option<f64>,
}

/// Whether mouse and keyboard are free.
#[derive(Serialize, JsonSchema)]
pub struct Handback {
    handed_back: bool,
}

#[tool_router(router = looking_tools, vis = "pub(super)")]
impl Computer {
    /// Takes a screenshot of the display that you share with the person: the whole screen, a region or a window.
    /// Coordinates for click, drag, scroll and regions are pixels of the last screenshot, from its
    /// top left corner; pass screenshot_id to use another one.
    #[tool(
        output_schema = rmcp::handler::server::tool::schema_for_output::<Shot>(),
        annotations(title = "Take a screenshot", read_only_hint = true, open_world_hint = false)
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
            let both = "pass a region or a window, not both".to_owned();
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

    /// Lists the windows on the display, topmost first, with titles, programs and positions in screen
    /// pixels (for tools that take coordinates: scale 1).
    #[tool(annotations(title = "List windows", read_only_hint = true, open_world_hint = false))]
    async fn list_windows(&self) -> Result<Json<WindowList>, ComputerError> {
        let windows = self.on_screen(|screen| screen.windows()).await?;
        Ok(Json(WindowList { windows }))
    }

    /// Waits until the screen, or a region of it, looks different from when this was
    /// called: a page that loads, a dialog, a command's output. A blinking cursor is also a change: leave it
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

    /// Reads the text in the clipboard that the display's programs and viewers share; empty if there
    /// is none.
    #[tool(annotations(
        title = "Read clipboard",
        read_only_hint = true,
        open_world_hint = false
    ))]
    async fn clipboard_get(&self) -> Result<Json<ClipboardText>, ComputerError> {
        let text = self.on_screen(|screen| screen.clipboard()).await?;
        Ok(Json(ClipboardText { text }))
    }

    /// Waits until the person releases mouse and keyboard, after a tool was refused because they
    /// have control. Returns at once if nobody has taken control.
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
    fn area(&self, region: &Region) -> Result<Area, ComputerError> {
        self.frames().area(region)
    }
}

/// The part of an area that is on the screen.
fn seen(area: Area, whole: Area) -> Result<Area, ComputerError> {
    area.within(whole)
        .ok_or_else(|| ComputerError::Invalid("it is outside the screen".to_owned()))
}

/// A time to wait, of so many seconds.
pub(super) fn limit(seconds: Option<f64>, otherwise: f64) -> Result<Duration, ComputerError> {
    let seconds = seconds.unwrap_or(otherwise);
    if (0.0..=LONGEST_WAIT_S).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(ComputerError::Invalid(format!(
            "the wait must be between 0 and {LONGEST_WAIT_S} s"
        )))
    }
}
