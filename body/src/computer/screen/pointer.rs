//! The mouse: moved and pressed as if it were there, through XTest.

use std::time::Duration;

use rmcp::schemars::{self, JsonSchema};
use serde::{Deserialize, Serialize};
use x11rb::protocol::{
    xproto::{BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ConnectionExt as _, MOTION_NOTIFY_EVENT},
    xtest::ConnectionExt as _,
};

use super::{Area, Screen};
use crate::computer::error::ComputerError;

/// A mouse button.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Button {
    #[default]
    Left,
    Middle,
    Right,
    Back,
    Forward,
}

impl Button {
    fn number(self) -> u8 {
        match self {
            Self::Left => 1,
            Self::Middle => 2,
            Self::Right => 3,
            Self::Back => 8,
            Self::Forward => 9,
        }
    }
}

/// Where a wheel turns to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    Up,
    Down,
    Left,
    Right,
}

/// Between two events of one gesture: programs that draw in between see each.
const STEP: Duration = Duration::from_millis(12);
/// Moves of a drag.
const DRAG_STEPS: i32 = 16;

impl Screen {
    /// Where the pointer is.
    pub fn pointer(&self) -> Result<(i32, i32), ComputerError> {
        let pointer = self.connection.query_pointer(self.root)?.reply()?;
        Ok((pointer.root_x.into(), pointer.root_y.into()))
    }

    /// Moves it.
    pub fn point_at(&self, at: (i32, i32)) -> Result<(), ComputerError> {
        let whole = self.whole()?;
        let spot = Area {
            x: at.0,
            y: at.1,
            width: 1,
            height: 1,
        };
        if spot.within(whole).is_none() {
            return Err(ComputerError::Invalid(format!(
                "({}, {}) is outside the screen, which is {} x {}",
                at.0, at.1, whole.width, whole.height
            )));
        }
        self.fake(MOTION_NOTIFY_EVENT, 0, at)?;
        self.sync()
    }

    /// Presses and releases a button so many times, where the pointer is.
    pub fn click(&self, button: Button, times: u32) -> Result<(), ComputerError> {
        for _ in 0..times {
            self.fake(BUTTON_PRESS_EVENT, button.number(), (0, 0))?;
            self.sync()?;
            std::thread::sleep(STEP);
            self.fake(BUTTON_RELEASE_EVENT, button.number(), (0, 0))?;
            self.sync()?;
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    /// Presses at one place and releases at the other.
    pub fn drag(
        &self,
        button: Button,
        from: (i32, i32),
        to: (i32, i32),
    ) -> Result<(), ComputerError> {
        self.point_at(from)?;
        std::thread::sleep(STEP);
        self.fake(BUTTON_PRESS_EVENT, button.number(), (0, 0))?;
        self.sync()?;
        let moved = (1..=DRAG_STEPS).try_for_each(|step| {
            std::thread::sleep(STEP);
            let between = |from: i32, to: i32| from + (to - from) * step / DRAG_STEPS;
            self.point_at((between(from.0, to.0), between(from.1, to.1)))
        });
        std::thread::sleep(STEP * 4);
        // Whatever happened, no button stays pressed.
        self.fake(BUTTON_RELEASE_EVENT, button.number(), (0, 0))?;
        self.sync()?;
        moved
    }

    /// Turns the wheel by so many notches.
    pub fn scroll(&self, direction: Direction, notches: u32) -> Result<(), ComputerError> {
        let button = match direction {
            Direction::Up => 4,
            Direction::Down => 5,
            Direction::Left => 6,
            Direction::Right => 7,
        };
        for _ in 0..notches {
            self.fake(BUTTON_PRESS_EVENT, button, (0, 0))?;
            self.fake(BUTTON_RELEASE_EVENT, button, (0, 0))?;
            self.sync()?;
            std::thread::sleep(STEP);
        }
        Ok(())
    }

    /// One event, as from a device.
    pub(super) fn fake(&self, kind: u8, detail: u8, at: (i32, i32)) -> Result<(), ComputerError> {
        let small = |number: i32| i16::try_from(number).unwrap_or(i16::MAX);
        let root = if kind == MOTION_NOTIFY_EVENT {
            self.root
        } else {
            x11rb::NONE
        };
        self.connection
            .xtest_fake_input(
                kind,
                detail,
                x11rb::CURRENT_TIME,
                root,
                small(at.0),
                small(at.1),
                0,
            )?
            .check()?;
        Ok(())
    }
}
