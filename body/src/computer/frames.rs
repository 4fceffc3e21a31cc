//! Pictures that were given out, so that a place in one is a place on the screen.

use std::collections::VecDeque;

use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;

use super::{error::ComputerError, screen::Area};

/// How many pictures are remembered.
const KEPT: usize = 64;

/// What a picture shows of the screen, and how large it is itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    pub area: Area,
    pub width: u32,
    pub height: u32,
}

impl Frame {
    /// How many of its pixels a pixel of the screen takes.
    pub fn scale(&self) -> f64 {
        f64::from(self.width) / f64::from(self.area.width)
    }

    /// The place on the screen that a place in the picture shows.
    fn on_screen(&self, x: f64, y: f64) -> Option<(i32, i32)> {
        let inside = |at: f64, length: u32| at >= 0.0 && at < f64::from(length);
        if !inside(x, self.width) || !inside(y, self.height) {
            return None;
        }
        // The middle of the picture's pixel, so that what is seen there is hit.
        let mapped = |at: f64, length: u32, from: i32, size: u32| {
            let at = (at.floor() + 0.5) * f64::from(size) / f64::from(length);
            from + (at.floor() as i32).min(size as i32 - 1)
        };
        Some((
            mapped(x, self.width, self.area.x, self.area.width),
            mapped(y, self.height, self.area.y, self.area.height),
        ))
    }
}

/// The last pictures, by their numbers.
#[derive(Debug, Default)]
pub struct Frames {
    last: u64,
    kept: VecDeque<(u64, Frame)>,
}

impl Frames {
    /// Remembers one; its number.
    pub fn add(&mut self, frame: Frame) -> u64 {
        self.last += 1;
        self.kept.push_back((self.last, frame));
        if self.kept.len() > KEPT {
            self.kept.pop_front();
        }
        self.last
    }

    /// A place on the screen.
    pub fn place(&self, x: f64, y: f64, view: View) -> Result<(i32, i32), ComputerError> {
        if let Some(scale) = view.scale {
            if !scale.is_finite() || scale <= 0.0 {
                return Err(ComputerError::Invalid(
                    "scale must be greater than 0".to_owned(),
                ));
            }
            return Ok(((x / scale).floor() as i32, (y / scale).floor() as i32));
        }
        let Some((id, frame)) = self.of(view)? else {
            return Ok((x.floor() as i32, y.floor() as i32));
        };
        frame.on_screen(x, y).ok_or_else(|| {
            ComputerError::Invalid(format!(
                "({x}, {y}) is outside screenshot {id}, which is {} x {}",
                frame.width, frame.height
            ))
        })
    }

    /// A rectangle on the screen.
    pub fn area(&self, region: &Region) -> Result<Area, ComputerError> {
        if region.width <= 0.0 || region.height <= 0.0 {
            return Err(ComputerError::Invalid(
                "a region must have a width and a height".to_owned(),
            ));
        }
        let scale = match (region.view.scale, self.of(region.view)?) {
            (Some(scale), _) => scale,
            (None, Some((_, frame))) => frame.scale(),
            (None, None) => 1.0,
        };
        let (x, y) = self.place(region.x, region.y, region.view)?;
        let length = |length: f64| ((length / scale).ceil() as u32).max(1);
        Ok(Area {
            x,
            y,
            width: length(region.width),
            height: length(region.height),
        })
    }

    fn of(&self, view: View) -> Result<Option<(u64, Frame)>, ComputerError> {
        if view.scale.is_some() {
            return Ok(None);
        }
        match view.screenshot_id {
            None => Ok(self.kept.back().copied()),
            Some(id) => self
                .kept
                .iter()
                .find(|(kept, _)| *kept == id)
                .copied()
                .map(Some)
                .ok_or_else(|| {
                    ComputerError::Invalid(format!(
                        "screenshot {id} is unknown or too old: take a new one"
                    ))
                }),
        }
    }
}

/// In which picture a place is meant.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
pub struct View {
    /// Screenshot that the coordinates refer to; defaults to the last one. Set it if several
    /// clients use this server.
    #[serde(default)]
    pub screenshot_id: Option<u64>,
    /// Alternative to a screenshot: picture pixels per screen pixel, from the screen's top left. 1 means
    /// that the coordinates are screen pixels, as returned by list_windows.
    #[serde(default)]
    pub scale: Option<f64>,
}

/// A rectangle, in a screenshot's coordinates.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub struct Region {
    /// Position of the left edge.
    pub x: f64,
    /// Position of the top edge.
    pub y: f64,
    pub width: f64,
    pub height: f64,
    #[serde(flatten)]
    pub view: View,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(area: (i32, i32, u32, u32), width: u32, height: u32) -> Frame {
        let (x, y, w, h) = area;
        let area = Area {
            x,
            y,
            width: w,
            height: h,
        };
        Frame {
            area,
            width,
            height,
        }
    }

    #[test]
    fn a_place_in_a_scaled_picture_is_one_on_the_screen() {
        let mut frames = Frames::default();
        let last = View::default();
        // No picture yet: screen pixels.
        assert_eq!(frames.place(5.0, 6.9, last).unwrap(), (5, 6));
        let half = frames.add(frame((0, 0, 1280, 800), 640, 400));
        assert_eq!(frames.place(0.0, 0.0, last).unwrap(), (1, 1));
        assert_eq!(frames.place(639.0, 399.0, last).unwrap(), (1279, 799));
        // A part of the screen, at its own size and larger than a picture of it may be.
        frames.add(frame((100, 50, 300, 200), 300, 200));
        assert_eq!(frames.place(7.0, 9.0, last).unwrap(), (107, 59));
        frames.add(frame((100, 50, 300, 200), 100, 67));
        assert_eq!(frames.place(99.0, 66.0, last).unwrap(), (398, 248));
        let of_half = View {
            screenshot_id: Some(half),
            scale: None,
        };
        assert_eq!(frames.place(320.0, 200.0, of_half).unwrap(), (641, 401));
        let on_screen = View {
            screenshot_id: None,
            scale: Some(1.0),
        };
        assert_eq!(frames.place(1279.0, 3.0, on_screen).unwrap(), (1279, 3));
    }

    #[test]
    fn places_outside_and_pictures_forgotten_are_told() {
        let mut frames = Frames::default();
        let first = frames.add(frame((0, 0, 1280, 800), 640, 400));
        assert!(frames.place(640.0, 0.0, View::default()).is_err());
        assert!(frames.place(-1.0, 0.0, View::default()).is_err());
        let zero = View {
            screenshot_id: None,
            scale: Some(0.0),
        };
        assert!(frames.place(1.0, 1.0, zero).is_err());
        for _ in 0..KEPT {
            frames.add(frame((0, 0, 10, 10), 10, 10));
        }
        let forgotten = View {
            screenshot_id: Some(first),
            scale: None,
        };
        assert!(frames.place(1.0, 1.0, forgotten).is_err());
    }

    #[test]
    fn a_region_grows_back_to_the_screens_size() {
        let mut frames = Frames::default();
        frames.add(frame((0, 0, 1280, 800), 640, 400));
        let region = Region {
            x: 10.0,
            y: 20.0,
            width: 100.0,
            height: 50.0,
            view: View::default(),
        };
        let area = frames.area(&region).unwrap();
        assert_eq!(
            (area.x, area.y, area.width, area.height),
            (21, 41, 200, 100)
        );
    }
}
