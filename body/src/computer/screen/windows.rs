//! Windows, as the window manager tells of them.
//! <https://specifications.freedesktop.org/wm-spec/latest/>

use std::time::{Duration, Instant};

use rmcp::schemars::{self, JsonSchema};
use serde::Serialize;
use x11rb::{
    connection::Connection,
    protocol::xproto::{Atom, AtomEnum, ClientMessageEvent, ConnectionExt as _, EventMask, Window},
};

use super::{Area, Screen};
use crate::computer::error::ComputerError;

/// How long a window manager has to hand over the focus.
const FOCUS: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What a window manager writes into WM_STATE of a window that it has placed.
/// <https://www.x.org/releases/current/doc/xorg-docs/icccm/icccm.html#WM_STATE_Property>
const NORMAL: u32 = 1;
const ICONIC: u32 = 3;

/// A window of a program.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct WindowShown {
    /// Window ID, for focus_window and screenshot.
    pub id: u32,
    /// Text of the title bar.
    pub title: String,
    /// Program class, such as `Chromium` or `XTerm`.
    pub class: String,
    /// Process ID, if the program reports it.
    pub pid: Option<u32>,
    /// Position and size of the frame in screen pixels.
    pub x: i32,
    pub y: i32,
    pub width: u32,
    pub height: u32,
    /// Whether the window has the keyboard focus.
    pub active: bool,
    /// Whether the window is minimised.
    pub hidden: bool,
}

impl Screen {
    /// All of them, the topmost first.
    pub fn windows(&self) -> Result<Vec<WindowShown>, ComputerError> {
        let mut ids = self.numbers(
            self.root,
            "_NET_CLIENT_LIST_STACKING",
            AtomEnum::WINDOW.into(),
        )?;
        ids.reverse();
        let active = self.active()?;
        let mut windows = Vec::new();
        for id in ids {
            // One that was closed meanwhile is none.
            if let Ok(window) = self.window(id, active) {
                windows.push(window);
            }
        }
        Ok(windows)
    }

    /// The part of the screen that a window and its frame take.
    pub fn window_area(&self, id: Window) -> Result<Area, ComputerError> {
        let found = self.framed(id);
        found.map_err(|error| match error {
            ComputerError::Refused(_) => ComputerError::NoWindow(id),
            other => other,
        })
    }

    /// Brings a window to the front, and keys to it.
    pub fn focus(&self, id: Window) -> Result<(), ComputerError> {
        self.window_area(id)?;
        // 2: the wish of somebody who looks at the windows, not of a program for itself.
        let wish =
            ClientMessageEvent::new(32, id, self.atom("_NET_ACTIVE_WINDOW")?, [2, 0, 0, 0, 0]);
        let mask = EventMask::SUBSTRUCTURE_REDIRECT | EventMask::SUBSTRUCTURE_NOTIFY;
        self.connection
            .send_event(false, self.root, mask, wish)?
            .check()?;
        self.connection.flush()?;
        let begin = Instant::now();
        while self.active()? != Some(id) {
            if begin.elapsed() > FOCUS {
                return Err(ComputerError::Refused(format!(
                    "the window manager did not give window {id} the focus"
                )));
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.sync()
    }

    fn active(&self) -> Result<Option<Window>, ComputerError> {
        let active = self.numbers(self.root, "_NET_ACTIVE_WINDOW", AtomEnum::WINDOW.into())?;
        Ok(active.first().copied().filter(|id| *id != 0))
    }

    fn window(&self, id: Window, active: Option<Window>) -> Result<WindowShown, ComputerError> {
        // A busy window manager's list still has the numbers of windows that were closed, and the
        // server gives them to new ones, which it has not placed yet.
        let wm_state = self.numbers(id, "WM_STATE", self.atom("WM_STATE")?)?;
        if !matches!(wm_state.first(), Some(&(NORMAL | ICONIC))) {
            return Err(ComputerError::NoWindow(id));
        }
        let area = self.framed(id)?;
        let utf8 = self.atom("UTF8_STRING")?;
        let mut title = self.text(id, self.atom("_NET_WM_NAME")?, utf8)?;
        if title.is_empty() {
            title = self.text(id, AtomEnum::WM_NAME.into(), AtomEnum::ANY.into())?;
        }
        // Two words, each with a zero at its end: the instance, the class.
        let class = self.text(id, AtomEnum::WM_CLASS.into(), AtomEnum::STRING.into())?;
        let class = class.split('\0').nth(1).unwrap_or_default().to_owned();
        let states = self.numbers(id, "_NET_WM_STATE", AtomEnum::ATOM.into())?;
        Ok(WindowShown {
            id,
            title,
            class,
            pid: self
                .numbers(id, "_NET_WM_PID", AtomEnum::CARDINAL.into())?
                .first()
                .copied(),
            x: area.x,
            y: area.y,
            width: area.width,
            height: area.height,
            active: active == Some(id),
            hidden: states.contains(&self.atom("_NET_WM_STATE_HIDDEN")?),
        })
    }

    fn framed(&self, id: Window) -> Result<Area, ComputerError> {
        let geometry = self.connection.get_geometry(id)?.reply()?;
        let place = self
            .connection
            .translate_coordinates(id, self.root, 0, 0)?
            .reply()?;
        let frame = self.numbers(id, "_NET_FRAME_EXTENTS", AtomEnum::CARDINAL.into())?;
        let [left, right, top, bottom] = <[u32; 4]>::try_from(frame).unwrap_or_default();
        Ok(Area {
            x: i32::from(place.dst_x).saturating_sub_unsigned(left),
            y: i32::from(place.dst_y).saturating_sub_unsigned(top),
            width: u32::from(geometry.width) + left + right,
            height: u32::from(geometry.height) + top + bottom,
        })
    }

    fn numbers(&self, id: Window, name: &str, kind: Atom) -> Result<Vec<u32>, ComputerError> {
        let property = self
            .connection
            .get_property(false, id, self.atom(name)?, kind, 0, 4096)?
            .reply()?;
        Ok(property
            .value32()
            .map(Iterator::collect)
            .unwrap_or_default())
    }

    fn text(&self, id: Window, name: Atom, kind: Atom) -> Result<String, ComputerError> {
        let property = self
            .connection
            .get_property(false, id, name, kind, 0, 4096)?
            .reply()?;
        Ok(String::from_utf8_lossy(&property.value).into_owned())
    }
}
