//! The exact rasterizer for observations.

use super::resize::Resizer;
use super::text::{SizedFace, place};
use super::{Anchor, CANVAS_SIZE, Canvas, Color, shapes};

/// Red, green, blue, opacity.
type Pixel = [u8; 4];

const BLACK: Pixel = [0, 0, 0, 255];

/// A picture that follows the tasks' pixel rules exactly: no smoothing but of text, integer coordinates.
pub struct Raster {
    width: i32,
    height: i32,
    /// What is drawn on: the picture, or the layer while one is open (then `below` is the picture).
    pixels: Vec<Pixel>,
    below: Vec<Pixel>,
    in_layer: bool,
    /// Per row of the open layer: the first column painted and the column after the last.
    painted: Vec<(i32, i32)>,
    crossings: Vec<i32>,
    resizer: Option<Resizer>,
    /// A picture before it is resized.
    unsized_image: Vec<Pixel>,
}

impl Default for Raster {
    fn default() -> Self {
        Self::new()
    }
}

impl Raster {
    /// A black picture of 224x224.
    pub fn new() -> Self {
        Self::with_size(CANVAS_SIZE, CANVAS_SIZE)
    }

    /// A black picture of another size, px.
    pub fn with_size(width: i32, height: i32) -> Self {
        let (width, height) = (width.clamp(0, shapes::FAR), height.clamp(0, shapes::FAR));
        let len = (width * height) as usize;
        Self {
            width,
            height,
            pixels: vec![BLACK; len],
            below: vec![[0; 4]; len],
            in_layer: false,
            painted: vec![UNPAINTED; height as usize],
            crossings: Vec::with_capacity(64),
            resizer: None,
            unsized_image: Vec::new(),
        }
    }

    /// Width, px.
    pub fn width(&self) -> usize {
        self.width as usize
    }

    /// Height, px.
    pub fn height(&self) -> usize {
        self.height as usize
    }

    /// Makes everything black.
    pub fn clear(&mut self) {
        self.pixels.fill(BLACK);
    }

    /// The pixels, row by row, four bytes each: red, green, blue and opacity, which is 255 everywhere.
    pub fn bytes(&self) -> &[u8] {
        self.pixels.as_flattened()
    }

    /// Takes over a picture that [`Raster::bytes`] gave.
    pub fn load(&mut self, bytes: &[u8]) {
        self.pixels.as_flattened_mut().copy_from_slice(bytes);
    }

    /// Writes the picture as `[3, height, width]`: `out` holds `3 * height * width` bytes.
    pub fn write_channels_first(&self, out: &mut [u8]) {
        let plane = self.pixels.len();
        let (red, rest) = out.split_at_mut(plane);
        let (green, blue) = rest.split_at_mut(plane);
        // Sixteen pixels at a time, which become one vector register a channel.
        let (pixels, last_pixels) = self.pixels.as_chunks::<16>();
        let (reds, last_red) = red.as_chunks_mut::<16>();
        let (greens, last_green) = green.as_chunks_mut::<16>();
        let (blues, last_blue) = blue[..plane].as_chunks_mut::<16>();
        for (((pixels, red), green), blue) in pixels.iter().zip(reds).zip(greens).zip(blues) {
            let pixels = pixels.map(u32::from_le_bytes);
            *red = pixels.map(|pixel| pixel as u8);
            *green = pixels.map(|pixel| (pixel >> 8) as u8);
            *blue = pixels.map(|pixel| (pixel >> 16) as u8);
        }
        for (((pixel, red), green), blue) in last_pixels.iter().zip(last_red).zip(last_green).zip(last_blue) {
            [*red, *green, *blue, _] = *pixel;
        }
    }

    /// Shows the picture in `target`, shrunk or enlarged bilinearly with antialiasing.
    pub fn resize_antialiased_into(&self, target: &mut Self) {
        let (from, to) = ((self.width(), self.height()), (target.width(), target.height()));
        resizer(&mut target.resizer, from, to).resize(&self.pixels, &mut target.pixels);
    }

    /// The colour as it is stored: opaque unless a layer is open.
    fn pack(&self, color: Color) -> Pixel {
        [color.r, color.g, color.b, if self.in_layer { color.a } else { 255 }]
    }

    /// The part of columns `x0..x1` of row `y` that lies on the canvas.
    fn clip(&mut self, y: i32, x0: i32, x1: i32) -> Option<&mut [Pixel]> {
        let (x0, x1) = (x0.max(0), x1.min(self.width));
        if y < 0 || y >= self.height || x0 >= x1 {
            return None;
        }
        if self.in_layer {
            let row = &mut self.painted[y as usize];
            *row = (row.0.min(x0), row.1.max(x1));
        }
        let start = (y * self.width) as usize;
        Some(&mut self.pixels[start + x0 as usize..start + x1 as usize])
    }

    fn span(&mut self, y: i32, x0: i32, x1: i32, pixel: Pixel) {
        if let Some(row) = self.clip(y, x0, x1) {
            row.fill(pixel);
        }
    }

    /// Rows of a box of height `h` from `y` that lie on the canvas.
    fn rows_on_canvas(&self, y: i32, h: i32) -> std::ops::Range<i32> {
        y.max(0)..y.saturating_add(h.max(0)).min(self.height)
    }
}

/// A row nothing was painted on.
const UNPAINTED: (i32, i32) = (i32::MAX, 0);

impl Canvas for Raster {
    fn fill(&mut self, color: Color) {
        self.rect(0, 0, self.width, self.height, color);
    }

    fn rows(&mut self, x0: i32, x1: i32, y0: i32, y1: i32, color: &dyn Fn(i32) -> Color) {
        for y in y0.max(0)..y1.min(self.height) {
            let pixel = self.pack(color(y));
            self.span(y, x0, x1, pixel);
        }
    }

    fn pixels(&mut self, x: i32, y: i32, w: i32, h: i32, color: &dyn Fn(i32, i32) -> Color) {
        let left = x.max(0);
        let opaque = if self.in_layer { 0 } else { 255 };
        for row in self.rows_on_canvas(y, h) {
            if let Some(span) = self.clip(row, x, x.saturating_add(w)) {
                for (column, pixel) in (left..).zip(span) {
                    let color = color(column, row);
                    *pixel = [color.r, color.g, color.b, color.a | opaque];
                }
            }
        }
    }

    fn image(&mut self, width: usize, height: usize, rgb: &[u8]) {
        assert!(!self.in_layer, "a whole picture goes below layers");
        let opaque = rgb.as_chunks().0.iter().map(|&[r, g, b]| [r, g, b, 255]);
        if (width, height) == (self.width(), self.height()) {
            self.pixels.iter_mut().zip(opaque).for_each(|(pixel, shown)| *pixel = shown);
            return;
        }
        self.unsized_image.clear();
        self.unsized_image.extend(opaque);
        resizer(&mut self.resizer, (width, height), (self.width as usize, self.height as usize))
            .resize(&self.unsized_image, &mut self.pixels);
    }

    fn pixel(&mut self, x: i32, y: i32, color: Color) {
        self.span(y, x, x.saturating_add(1), self.pack(color));
    }

    fn rect(&mut self, x: i32, y: i32, w: i32, h: i32, color: Color) {
        let pixel = self.pack(color);
        for row in self.rows_on_canvas(y, h) {
            self.span(row, x, x.saturating_add(w), pixel);
        }
    }

    fn rect_outline(&mut self, x: i32, y: i32, w: i32, h: i32, width: i32, color: Color) {
        if 2 * width >= w.min(h) {
            return self.rect(x, y, w, h, color);
        }
        self.rect(x, y, w, width, color);
        self.rect(x, y + h - width, w, width, color);
        self.rect(x, y + width, width, h - 2 * width, color);
        self.rect(x + w - width, y + width, width, h - 2 * width, color);
    }

    fn round_rect(&mut self, x: i32, y: i32, w: i32, h: i32, radius: i32, color: Color) {
        let pixel = self.pack(color);
        shapes::round_rect(x, y, w, h, radius, |y, x0, x1| self.span(y, x0, x1, pixel));
    }

    fn round_rect_outline(&mut self, x: i32, y: i32, w: i32, h: i32, radius: i32, width: i32, color: Color) {
        let pixel = self.pack(color);
        shapes::round_rect_outline((x, y, w, h), radius, width, |y, x0, x1| self.span(y, x0, x1, pixel));
    }

    fn disc(&mut self, cx: i32, cy: i32, radius: i32, color: Color) {
        let pixel = self.pack(color);
        shapes::disc(cx, cy, radius, |y, x0, x1| self.span(y, x0, x1, pixel));
    }

    fn ring(&mut self, cx: i32, cy: i32, radius: i32, width: i32, color: Color) {
        let pixel = self.pack(color);
        shapes::ring(cx, cy, radius, width, |y, x0, x1| self.span(y, x0, x1, pixel));
    }

    fn ellipse(&mut self, x: i32, y: i32, w: i32, h: i32, color: Color) {
        let pixel = self.pack(color);
        shapes::ellipse(x, y, w, h, |y, x0, x1| self.span(y, x0, x1, pixel));
    }

    fn ellipse_outline(&mut self, x: i32, y: i32, w: i32, h: i32, width: i32, color: Color) {
        let pixel = self.pack(color);
        shapes::ellipse_outline(x, y, w, h, width, |y, x0, x1| self.span(y, x0, x1, pixel));
    }

    fn ellipse_turned(&mut self, cx: i32, cy: i32, w: i32, h: i32, angle: f64, color: Color) {
        let pixel = self.pack(color);
        shapes::ellipse_turned((cx, cy), w, h, angle, |y, x0, x1| self.span(y, x0, x1, pixel));
    }

    fn line(&mut self, x0: i32, y0: i32, x1: i32, y1: i32, width: i32, color: Color) {
        let pixel = self.pack(color);
        shapes::line((x0, y0), (x1, y1), width, |y, x0, x1| self.span(y, x0, x1, pixel));
    }

    fn polygon(&mut self, points: &[(i32, i32)], color: Color) {
        let pixel = self.pack(color);
        let mut crossings = std::mem::take(&mut self.crossings);
        shapes::polygon(points, 0..self.height, &mut crossings, |y, x0, x1| self.span(y, x0, x1, pixel));
        self.crossings = crossings;
    }

    fn arc(&mut self, cx: i32, cy: i32, radius: i32, width: i32, start: f64, end: f64, color: Color) {
        let pixel = self.pack(color);
        shapes::arc((cx, cy), radius, width, (start, end), |y, x0, x1| self.span(y, x0, x1, pixel));
    }

    fn text(&mut self, x: i32, y: i32, anchor: Anchor, size: i32, color: Color, text: &str) {
        let face = SizedFace::of(size);
        let (mut pen, top) = place(x, y, anchor, face.measure(text));
        let source = self.pack(color);
        for character in text.chars() {
            let glyph = face.glyph(character);
            let left = pen + glyph.left;
            if glyph.width > 0 {
                let hidden = (-left).max(0) as usize;
                for (row, coverage) in (top + glyph.top..).zip(glyph.coverage.chunks_exact(glyph.width)) {
                    if let Some(span) = self.clip(row, left, left + glyph.width as i32) {
                        for (pixel, &covered) in span.iter_mut().zip(&coverage[hidden..]) {
                            *pixel = over(*pixel, source, covered);
                        }
                    }
                }
            }
            pen += glyph.advance;
        }
    }

    fn text_size(&self, size: i32, text: &str) -> (i32, i32) {
        SizedFace::of(size).measure(text)
    }

    fn tint(&mut self, x: i32, y: i32, w: i32, h: i32, color: Color) {
        let source = [color.r, color.g, color.b, color.a];
        let in_layer = self.in_layer;
        for row in self.rows_on_canvas(y, h) {
            if let Some(span) = self.clip(row, x, x.saturating_add(w)) {
                if in_layer {
                    span.iter_mut().for_each(|pixel| *pixel = over(*pixel, source, 255));
                } else {
                    blend_all(span, source);
                }
            }
        }
    }

    fn begin_layer(&mut self) {
        assert!(!self.in_layer, "layers do not nest");
        std::mem::swap(&mut self.pixels, &mut self.below);
        self.in_layer = true;
    }

    fn end_layer(&mut self) {
        assert!(self.in_layer, "no layer is open");
        std::mem::swap(&mut self.pixels, &mut self.below);
        self.in_layer = false;
        let width = self.width as usize;
        for (y, painted) in self.painted.iter_mut().enumerate() {
            let (x0, x1) = std::mem::replace(painted, UNPAINTED);
            if x0 < x1 {
                let columns = y * width + x0 as usize..y * width + x1 as usize;
                let layer = &mut self.below[columns.clone()];
                for (pixel, &source) in self.pixels[columns].iter_mut().zip(&*layer) {
                    *pixel = blend(*pixel, source);
                }
                layer.fill([0; 4]);
            }
        }
    }

    fn shift(&mut self, dx: i32, dy: i32, border: Color) {
        let (width, height) = (self.width, self.height);
        let (left, right) = (dx.clamp(0, width), (width.saturating_add(dx)).clamp(0, width));
        let move_row = |pixels: &mut [Pixel], y: i32| {
            let source = y.saturating_sub(dy);
            if (0..height).contains(&source) && left < right {
                let from = source * width - dx;
                pixels.copy_within((from + left) as usize..(from + right) as usize, (y * width + left) as usize);
            }
        };
        if dy > 0 {
            (0..height).rev().for_each(|y| move_row(&mut self.pixels, y));
        } else {
            (0..height).for_each(|y| move_row(&mut self.pixels, y));
        }
        let (top, bottom) = (dy.clamp(0, height), height.saturating_add(dy).clamp(0, height));
        self.rect(0, 0, width, top, border);
        self.rect(0, bottom, width, height - bottom, border);
        self.rect(0, top, left, bottom - top, border);
        self.rect(right, top, width - right, bottom - top, border);
    }
}

/// The kept resizer, or a new one where it does not fit.
fn resizer(kept: &mut Option<Resizer>, from: (usize, usize), to: (usize, usize)) -> &mut Resizer {
    kept.take_if(|resizer| !resizer.fits(from, to));
    kept.get_or_insert_with(|| Resizer::new(from, to))
}

/// `below + (source - below) * alpha / 255`, rounded as the reference's pictures are.
fn blend(below: Pixel, source: Pixel) -> Pixel {
    // Two channels at a time, 16 bits each: (below * (256 - alpha) + source * (alpha + 1)) / 256.
    const HALF: u32 = 0x00ff_00ff;
    let (below, source) = (u32::from_le_bytes(below), u32::from_le_bytes(source));
    let alpha = source >> 24;
    let mix = |below: u32, source: u32| ((below & HALF) * (256 - alpha) + (source & HALF) * (alpha + 1)) >> 8 & HALF;
    let green = mix(below >> 8, source >> 8) & 0xff;
    (mix(below, source) | green << 8 | 0xff00_0000).to_le_bytes()
}

/// The same source blended over a row.
fn blend_all(row: &mut [Pixel], source: Pixel) {
    // Sixteen bytes at a time, which is what a vector register holds.
    let alpha = u16::from(source[3]);
    let opaque = [source[0], source[1], source[2], 255];
    let added: [u16; 16] = std::array::from_fn(|lane| u16::from(opaque[lane % 4]) * (alpha + 1));
    let (groups, rest) = row.as_flattened_mut().as_chunks_mut::<16>();
    for group in groups {
        for (byte, added) in group.iter_mut().zip(added) {
            *byte = ((u16::from(*byte) * (256 - alpha) + added) >> 8) as u8;
        }
    }
    for (byte, added) in rest.iter_mut().zip(added) {
        *byte = ((u16::from(*byte) * (256 - alpha) + added) >> 8) as u8;
    }
}

/// `source` with its opacity scaled by `coverage` over a pixel that may itself be translucent.
fn over(below: Pixel, source: Pixel, coverage: u8) -> Pixel {
    let alpha = (u32::from(source[3]) * u32::from(coverage) / 255) as u8;
    let source = [source[0], source[1], source[2], alpha];
    if below[3] == 0 {
        return source;
    }
    let mut out = blend(below, source);
    let (a, b) = (u32::from(alpha), u32::from(below[3]));
    out[3] = (a + b - a * b / 255) as u8;
    out
}
