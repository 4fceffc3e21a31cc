//! What changed on the screen since it was last looked at.

use super::{Area, Screen};
use crate::computer::error::ComputerError;

/// An area as it was, to compare it.
pub struct Watched {
    pub area: Area,
    pixels: Vec<u8>,
}

impl Screen {
    /// Remembers what an area looks like now.
    pub fn watch(&self, area: Area) -> Result<Watched, ComputerError> {
        Ok(Watched {
            area,
            pixels: self.pixels(area)?,
        })
    }

    /// The smallest rectangle of the screen that holds all that looks different.
    pub fn changed(&self, watched: &Watched) -> Result<Option<Area>, ComputerError> {
        let whole = self.whole()?;
        if watched.area.within(whole) != Some(watched.area) {
            // The screen was made smaller: nothing is where it was.
            return Ok(Some(whole));
        }
        Ok(difference(watched, &self.pixels(watched.area)?))
    }
}

fn difference(watched: &Watched, now: &[u8]) -> Option<Area> {
    if watched.pixels == now {
        return None;
    }
    let row = watched.area.width as usize * 4;
    let (mut left, mut right, mut top, mut bottom) = (u32::MAX, 0, u32::MAX, 0);
    for (y, (before, after)) in (0..).zip(watched.pixels.chunks(row).zip(now.chunks(row))) {
        if before == after {
            continue;
        }
        top = top.min(y);
        bottom = y;
        for (x, (before, after)) in (0..).zip(before.chunks(4).zip(after.chunks(4))) {
            if before != after {
                left = left.min(x);
                right = right.max(x);
            }
        }
    }
    Some(Area {
        x: watched.area.x.saturating_add_unsigned(left),
        y: watched.area.y.saturating_add_unsigned(top),
        width: right - left + 1,
        height: bottom - top + 1,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_rectangle_is_told() {
        let area = Area {
            x: 10,
            y: 20,
            width: 4,
            height: 3,
        };
        let watched = Watched {
            area,
            pixels: vec![0; 48],
        };
        assert_eq!(difference(&watched, &[0; 48]), None);
        let mut now = vec![0; 48];
        now[(4 + 1) * 4] = 9;
        now[(8 + 2) * 4 + 2] = 9;
        assert_eq!(
            difference(&watched, &now),
            Some(Area {
                x: 11,
                y: 21,
                width: 2,
                height: 2
            })
        );
    }
}
