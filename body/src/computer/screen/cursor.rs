//! The mouse pointer as the person sees it: a picture of the screen has none by itself.

use x11rb::protocol::xfixes::{ConnectionExt as _, GetCursorImageReply};

use super::{Area, Screen};

impl Screen {
    /// Draws the pointer onto a picture of an area; leaves it out where the server knows none.
    pub(super) fn draw_pointer(&self, area: Area, rgb: &mut [u8]) {
        let image = || {
            // The server answers nothing of the extension to who has not said this.
            self.connection
                .xfixes_query_version(5, 0)
                .ok()?
                .reply()
                .ok()?;
            self.connection.xfixes_get_cursor_image().ok()?.reply().ok()
        };
        if let Some(image) = image() {
            draw(&image, area, rgb);
        }
    }
}

/// Its pixels are alpha, red, green and blue, the colours multiplied by alpha already.
fn draw(image: &GetCursorImageReply, area: Area, rgb: &mut [u8]) {
    let left = i32::from(image.x) - i32::from(image.xhot) - area.x;
    let top = i32::from(image.y) - i32::from(image.yhot) - area.y;
    let columns = usize::from(image.width.max(1));
    for (at, pixel) in image.cursor_image.iter().enumerate() {
        let place = |from: i32, by: usize, length: u32| {
            let place = u32::try_from(from.checked_add(i32::try_from(by).ok()?)?).ok()?;
            (place < length).then_some(place as usize)
        };
        let (Some(x), Some(y)) = (
            place(left, at % columns, area.width),
            place(top, at / columns, area.height),
        ) else {
            continue;
        };
        let [alpha, colours @ ..] = pixel.to_be_bytes();
        let start = (y * area.width as usize + x) * 3;
        let Some(under) = rgb.get_mut(start..start + 3) else {
            continue;
        };
        for (under, colour) in under.iter_mut().zip(colours) {
            let kept = u16::from(*under) * u16::from(255 - alpha) / 255;
            *under = colour.saturating_add(u8::try_from(kept).unwrap_or(u8::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pointer_covers_by_its_alpha_and_is_cut_at_the_edges() {
        let image = GetCursorImageReply {
            x: 10,
            y: 10,
            width: 2,
            height: 2,
            xhot: 1,
            yhot: 0,
            // Opaque red, nothing, half of white, opaque blue.
            cursor_image: vec![0xff_ff_00_00, 0, 0x80_80_80_80, 0xff_00_00_ff],
            ..GetCursorImageReply::default()
        };
        let area = |x, y| Area {
            x,
            y,
            width: 2,
            height: 2,
        };
        let mut rgb = vec![100; 12];
        draw(&image, area(9, 10), &mut rgb);
        assert_eq!(rgb, [255, 0, 0, 100, 100, 100, 177, 177, 177, 0, 0, 255]);
        let mut rgb = vec![100; 12];
        draw(&image, area(10, 11), &mut rgb);
        assert_eq!(rgb[..6], [0, 0, 255, 100, 100, 100]);
        let mut rgb = vec![100; 12];
        draw(&image, area(500, 0), &mut rgb);
        assert_eq!(rgb, [100; 12]);
    }
}
