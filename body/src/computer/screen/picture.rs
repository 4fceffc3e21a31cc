//! Pictures of the screen: taken, scaled down, written as PNG.

use x11rb::{
    connection::Connection,
    protocol::xproto::{ConnectionExt as _, ImageFormat, ImageOrder},
};

use super::{Area, Screen};
use crate::computer::error::ComputerError;

/// Rows of red, green and blue.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pub width: u32,
    pub height: u32,
    rgb: Vec<u8>,
}

impl Screen {
    /// What is seen of an area that lies on the screen, with the mouse pointer.
    pub fn picture(&self, area: Area) -> Result<Picture, ComputerError> {
        let bytes = self.pixels(area)?;
        // Blue, green, red and nothing.
        let mut rgb: Vec<u8> = bytes
            .chunks_exact(4)
            .flat_map(|pixel| [pixel[2], pixel[1], pixel[0]])
            .collect();
        self.draw_pointer(area, &mut rgb);
        Ok(Picture {
            width: area.width,
            height: area.height,
            rgb,
        })
    }

    /// The same as the server has it: four bytes a pixel.
    pub(super) fn pixels(&self, area: Area) -> Result<Vec<u8>, ComputerError> {
        let setup = self.connection.setup();
        let format = setup
            .pixmap_formats
            .iter()
            .find(|format| format.depth == 24);
        if setup.image_byte_order != ImageOrder::LSB_FIRST
            || format.is_none_or(|format| format.bits_per_pixel != 32)
        {
            return Err(ComputerError::Refused(
                "its pixel format is not supported: 24 bits in four bytes are required".to_owned(),
            ));
        }
        let small = |number: i32| i16::try_from(number).unwrap_or(i16::MAX);
        let length = |number: u32| u16::try_from(number).unwrap_or(u16::MAX);
        let image = self.connection.get_image(
            ImageFormat::Z_PIXMAP,
            self.root,
            small(area.x),
            small(area.y),
            length(area.width),
            length(area.height),
            u32::MAX,
        )?;
        Ok(image.reply()?.data)
    }
}

impl Picture {
    /// Scaled down so that no edge is longer; never up. Each pixel is the mean of what it covers.
    pub fn fitted(self, longest: u32) -> Self {
        let edge = self.width.max(self.height);
        if edge <= longest || longest == 0 {
            return self;
        }
        let fit = |length: u32| {
            let scaled = u64::from(length) * u64::from(longest) / u64::from(edge);
            u32::try_from(scaled).unwrap_or(longest).max(1)
        };
        let (width, height) = (fit(self.width), fit(self.height));
        let columns = shares(self.width, width);
        let rows = shares(self.height, height);
        let source_row = self.width as usize * 3;
        let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
        let mut line = vec![0.0_f32; source_row];
        for (first, weights) in &rows {
            line.fill(0.0);
            for (offset, weight) in weights.iter().enumerate() {
                let from = (first + offset) * source_row;
                let source = &self.rgb[from..from + source_row];
                for (sum, value) in line.iter_mut().zip(source) {
                    *sum += f32::from(*value) * weight;
                }
            }
            for (first, weights) in &columns {
                for channel in 0..3 {
                    let sum: f32 = weights
                        .iter()
                        .enumerate()
                        .map(|(offset, weight)| line[(first + offset) * 3 + channel] * weight)
                        .sum();
                    rgb.push(sum.round().clamp(0.0, 255.0) as u8);
                }
            }
        }
        Self { width, height, rgb }
    }

    /// As a PNG file.
    pub fn png(&self) -> Result<Vec<u8>, ComputerError> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Balanced);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&self.rgb)?;
        writer.finish()?;
        Ok(file)
    }
}

/// For each place of a shorter line, where of the longer one it begins, and how much of it each of the
/// places from there on gives.
fn shares(long: u32, short: u32) -> Vec<(usize, Vec<f32>)> {
    let ratio = f64::from(long) / f64::from(short);
    (0..short)
        .map(|place| {
            let (from, to) = (f64::from(place) * ratio, f64::from(place + 1) * ratio);
            let (first, last) = (
                from.floor() as usize,
                (to.ceil() as usize).min(long as usize),
            );
            let weights = (first..last)
                .map(|at| {
                    let covered = to.min(at as f64 + 1.0) - from.max(at as f64);
                    (covered / ratio) as f32
                })
                .collect();
            (first, weights)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_shrinks_to_the_mean_of_what_it_covers() {
        let grey = |values: &[u8]| values.iter().flat_map(|value| [*value; 3]).collect();
        let picture = Picture {
            width: 4,
            height: 2,
            rgb: grey(&[0, 100, 200, 200, 100, 200, 0, 0]),
        };
        let half = picture.clone().fitted(2);
        assert_eq!(
            half,
            Picture {
                width: 2,
                height: 1,
                rgb: grey(&[100, 100])
            }
        );
        assert_eq!(picture.clone().fitted(4), picture);
        // One pixel for one and a half: the weights of each still make one.
        for (_, weights) in shares(1280, 1023) {
            assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-4);
        }
        let thin = Picture {
            width: 1000,
            height: 1,
            rgb: vec![7; 3000],
        }
        .fitted(10);
        assert_eq!((thin.width, thin.height, thin.rgb), (10, 1, vec![7; 30]));
    }

    #[test]
    fn a_png_holds_the_same_pixels() {
        let picture = Picture {
            width: 2,
            height: 1,
            rgb: vec![1, 2, 3, 250, 251, 252],
        };
        let file = picture.png().unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .unwrap();
        let mut rgb = vec![0; 6];
        reader.next_frame(&mut rgb).unwrap();
        assert_eq!(rgb, picture.rgb);
    }
}
