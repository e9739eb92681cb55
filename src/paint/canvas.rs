//! The drawing calls.

use super::Color;

/// Width and height of an observation, px.
pub const CANVAS_SIZE: i32 = 224;

/// Which point of a text's box its position names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Left end of the top edge.
    TopLeft,
    /// Middle of the top edge.
    TopCenter,
    /// Right end of the top edge.
    TopRight,
    /// Middle of the box.
    Center,
    /// Middle of the bottom edge.
    BottomCenter,
}

/// Something to draw on. Later calls paint over earlier ones.
///
/// Outside a layer a colour is painted opaque whatever its `a`. Between [`begin_layer`](Canvas::begin_layer) and
/// [`end_layer`](Canvas::end_layer) calls go to a fresh transparent layer where they *replace* colour and opacity instead
/// of blending; ending the layer blends it onto what lies below. Layers do not nest.
#[expect(clippy::too_many_arguments, reason = "shapes are plain numbers, as in the rules they follow")]
pub trait Canvas {
    /// Fills everything.
    fn fill(&mut self, color: Color);
    /// Fills rows `y0..y1` over columns `x0..x1`, each row with the colour `color(row)`.
    fn rows(&mut self, x0: i32, x1: i32, y0: i32, y1: i32, color: &dyn Fn(i32) -> Color);
    /// Fills the rectangle with the colour `color(column, row)` at each pixel of the 224x224 canvas.
    fn pixels(&mut self, x: i32, y: i32, w: i32, h: i32, color: &dyn Fn(i32, i32) -> Color);
    /// Shows a finished picture over everything: `height` rows of `width` pixels, red, green, blue. One of another size
    /// than the canvas is resized smoothly. Not within a layer.
    fn image(&mut self, width: usize, height: usize, rgb: &[u8]);
    /// One pixel.
    fn pixel(&mut self, x: i32, y: i32, color: Color);
    /// A filled rectangle: columns `x..x+w`, rows `y..y+h`.
    fn rect(&mut self, x: i32, y: i32, w: i32, h: i32, color: Color);
    /// The `width` outermost pixel rings inside the same rectangle.
    fn rect_outline(&mut self, x: i32, y: i32, w: i32, h: i32, width: i32, color: Color);
    /// A filled rectangle with quarter-circle corners.
    fn round_rect(&mut self, x: i32, y: i32, w: i32, h: i32, radius: i32, color: Color);
    /// The `width` outermost pixels inside a rounded rectangle.
    fn round_rect_outline(&mut self, x: i32, y: i32, w: i32, h: i32, radius: i32, width: i32, color: Color);
    /// A filled circle.
    fn disc(&mut self, cx: i32, cy: i32, radius: i32, color: Color);
    /// The pixels of the disc within `width` of its rim.
    fn ring(&mut self, cx: i32, cy: i32, radius: i32, width: i32, color: Color);
    /// The filled ellipse inscribed in a box.
    fn ellipse(&mut self, x: i32, y: i32, w: i32, h: i32, color: Color);
    /// The pixels of the ellipse within `width` of its rim.
    fn ellipse_outline(&mut self, x: i32, y: i32, w: i32, h: i32, width: i32, color: Color);
    /// A filled ellipse of full axes `w` and `h` about a center, turned counter-clockwise by `angle` radians.
    fn ellipse_turned(&mut self, cx: i32, cy: i32, w: i32, h: i32, angle: f64, color: Color);
    /// A line, both ends included, thickened across its minor axis to `width`.
    fn line(&mut self, x0: i32, y0: i32, x1: i32, y1: i32, width: i32, color: Color);
    /// Lines from point to point.
    fn polyline(&mut self, points: &[(i32, i32)], width: i32, color: Color) {
        for pair in points.windows(2) {
            self.line(pair[0].0, pair[0].1, pair[1].0, pair[1].1, width, color);
        }
    }
    /// A filled polygon: interior and boundary.
    fn polygon(&mut self, points: &[(i32, i32)], color: Color);
    /// The closed sequence of lines around a polygon.
    fn polygon_outline(&mut self, points: &[(i32, i32)], width: i32, color: Color) {
        self.polyline(points, width, color);
        if let (Some(&last), Some(&first)) = (points.last(), points.first()) {
            self.line(last.0, last.1, first.0, first.1, width, color);
        }
    }
    /// The part of a ring from angle `start` to `end` (radians, counter-clockwise from +x as seen on screen).
    fn arc(&mut self, cx: i32, cy: i32, radius: i32, width: i32, start: f64, end: f64, color: Color);
    /// Bold sans-serif text of a nominal size, smooth-edged. In a layer, `color.a` applies.
    fn text(&mut self, x: i32, y: i32, anchor: Anchor, size: i32, color: Color, text: &str);
    /// The same for a number, without making a string of it.
    fn number(&mut self, x: i32, y: i32, anchor: Anchor, size: i32, color: Color, number: u32) {
        let mut digits = [0u8; 10];
        let mut first = digits.len();
        let mut rest = number;
        loop {
            first -= 1;
            digits[first] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.text(x, y, anchor, size, color, std::str::from_utf8(&digits[first..]).expect("digits are ASCII"));
    }
    /// Width and height of what [`Canvas::text`] would cover, px.
    fn text_size(&self, size: i32, text: &str) -> (i32, i32);
    /// Blends `color` by its opacity over the rectangle.
    fn tint(&mut self, x: i32, y: i32, w: i32, h: i32, color: Color);
    /// Starts a transparent layer.
    fn begin_layer(&mut self);
    /// Blends the layer onto what lies below it.
    fn end_layer(&mut self);
    /// Moves everything drawn so far by (`dx`, `dy`) and fills what that uncovers.
    fn shift(&mut self, dx: i32, dy: i32, border: Color);
}
