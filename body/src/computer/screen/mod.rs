//! The display: one connection to the X server, and what is asked of it. Blocking.
//!
//! - `picture`, `cursor`, `changes`: what it shows
//! - `keyboard`, `keysym`, `modifiers`, `pointer`, `clipboard`: what a person could do
//! - `windows`: windows, as the window manager tells of them

mod changes;
mod clipboard;
mod cursor;
mod keyboard;
mod keysym;
mod modifiers;
mod picture;
mod pointer;
mod windows;

use x11rb::{
    connection::Connection,
    protocol::xproto::{Atom, ConnectionExt as _, Window},
    rust_connection::RustConnection,
};

pub use self::{
    keysym::Chord,
    pointer::{Button, Direction},
    windows::WindowShown,
};
use super::error::ComputerError;

/// A rectangle of the screen, in its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    pub x: i32,
    pub y: i32,
    pub width: u32,
    pub height: u32,
}

impl Area {
    /// What of it is inside the other.
    pub fn within(self, other: Self) -> Option<Self> {
        let right = |area: Self| area.x.saturating_add_unsigned(area.width);
        let bottom = |area: Self| area.y.saturating_add_unsigned(area.height);
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let width = right(self).min(right(other)).checked_sub(x)?;
        let height = bottom(self).min(bottom(other)).checked_sub(y)?;
        let length = |length: i32| u32::try_from(length).ok().filter(|length| *length > 0);
        Some(Self {
            x,
            y,
            width: length(width)?,
            height: length(height)?,
        })
    }
}

/// The open display.
pub struct Screen {
    connection: RustConnection,
    root: Window,
    /// Owns the clipboard after `set_clipboard`, on a connection of its own.
    clipboard: Option<clipboard::Owner>,
}

/// The machine's display, unless the environment names another.
fn display() -> String {
    std::env::var("DISPLAY")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| ":99".to_owned())
}

impl Screen {
    /// Connects.
    pub fn open() -> Result<Self, ComputerError> {
        let (connection, number) = RustConnection::connect(Some(&display()))?;
        let root = connection.setup().roots[number].root;
        Ok(Self {
            connection,
            root,
            clipboard: None,
        })
    }

    /// Whether the X server still answers.
    pub fn is_alive(&self) -> bool {
        self.sync().is_ok()
    }

    /// All of it. People resize it while it is in use.
    pub fn whole(&self) -> Result<Area, ComputerError> {
        let geometry = self.connection.get_geometry(self.root)?.reply()?;
        Ok(Area {
            x: 0,
            y: 0,
            width: geometry.width.into(),
            height: geometry.height.into(),
        })
    }

    /// Returns once the server has done all that was asked before.
    fn sync(&self) -> Result<(), ComputerError> {
        self.connection.get_input_focus()?.reply()?;
        Ok(())
    }

    fn atom(&self, name: &str) -> Result<Atom, ComputerError> {
        atom(&self.connection, name)
    }
}

fn atom(connection: &RustConnection, name: &str) -> Result<Atom, ComputerError> {
    Ok(connection
        .intern_atom(false, name.as_bytes())?
        .reply()?
        .atom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_area_is_cut_to_the_screen() {
        let area = |x, y, width, height| Area {
            x,
            y,
            width,
            height,
        };
        let screen = area(0, 0, 1280, 800);
        assert_eq!(
            area(-10, 790, 30, 30).within(screen),
            Some(area(0, 790, 20, 10))
        );
        assert_eq!(area(1280, 0, 5, 5).within(screen), None);
        assert_eq!(
            area(0, 0, u32::MAX, 1).within(screen),
            Some(area(0, 0, 1280, 1))
        );
    }
}
