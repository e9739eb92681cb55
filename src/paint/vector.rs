//! The smooth rasterizer at any scale.

use ab_glyph::{Font, OutlineCurve};
use tiny_skia::{
    BlendMode, ColorU8, FillRule, FilterQuality, LineJoin, Paint, Path, PathBuilder, Pattern, Pixmap, PixmapPaint,
    Rect, Shader, SpreadMode, Stroke, Transform,
};

use super::text::{SizedFace, face, place, unit};
use super::{Anchor, CANVAS_SIZE, Canvas, Color};

/// A picture of any size that shows the same drawing smoothly. Coordinates stay those of the canvas.
pub struct Vector {
    /// What is drawn on: the picture, or the layer while one is open (then `below` is the picture).
    pixmap: Pixmap,
    below: Pixmap,
    in_layer: bool,
    /// What the open layer covers, in coordinates of the canvas.
    touched: Option<Rect>,
    transform: Transform,
    /// Width and height of the canvas.
    canvas: (i32, i32),
}

impl Vector {
    /// A black picture of `width` by `height` pixels that shows the 224x224 canvas.
    ///
    /// # Panics
    ///
    /// When the picture is too large to address (2^29 pixels).
    pub fn new(width: u32, height: u32) -> Self {
        Self::with_canvas(width, height, CANVAS_SIZE, CANVAS_SIZE)
    }

    /// A black picture that shows a canvas of another size.
    ///
    /// # Panics
    ///
    /// As [`Vector::new`].
    pub fn with_canvas(width: u32, height: u32, canvas_width: i32, canvas_height: i32) -> Self {
        let (width, height) = (width.max(1), height.max(1));
        let canvas = (canvas_width.max(1), canvas_height.max(1));
        let blank = Pixmap::new(width, height).expect("a picture below 2^29 pixels");
        let mut pixmap = blank.clone();
        pixmap.fill(tiny_skia::Color::BLACK);
        let transform = Transform::from_scale(width as f32 / canvas.0 as f32, height as f32 / canvas.1 as f32);
        Self { pixmap, below: blank, in_layer: false, touched: None, transform, canvas }
    }

    /// Width, px.
    pub fn width(&self) -> u32 {
        self.pixmap.width()
    }

    /// Height, px.
    pub fn height(&self) -> u32 {
        self.pixmap.height()
    }

    /// Makes everything black.
    pub fn clear(&mut self) {
        self.pixmap.fill(tiny_skia::Color::BLACK);
    }

    /// The pixels, row by row: red, green, blue and opacity, which is 255 everywhere.
    pub fn bytes(&self) -> &[u8] {
        self.pixmap.data()
    }

    /// Opaque unless a layer is open, where a colour replaces what is there.
    fn paint(&self, color: Color) -> Paint<'static> {
        let mut paint = Paint { anti_alias: true, ..Paint::default() };
        if self.in_layer {
            paint.set_color_rgba8(color.r, color.g, color.b, color.a);
            paint.blend_mode = BlendMode::Source;
        } else {
            paint.set_color_rgba8(color.r, color.g, color.b, 255);
        }
        paint
    }

    /// Remembers that the layer is painted within `bounds`, widened by `margin`.
    fn touch(&mut self, bounds: Rect, margin: f32) {
        if self.in_layer {
            let (mut left, mut top) = (bounds.left() - margin, bounds.top() - margin);
            let (mut right, mut bottom) = (bounds.right() + margin, bounds.bottom() + margin);
            if let Some(old) = self.touched {
                (left, top) = (left.min(old.left()), top.min(old.top()));
                (right, bottom) = (right.max(old.right()), bottom.max(old.bottom()));
            }
            self.touched = Rect::from_ltrb(left, top, right, bottom).or(self.touched);
        }
    }

    fn fill_path(&mut self, path: Option<Path>, rule: FillRule, color: Color) {
        if let Some(path) = path {
            self.touch(path.bounds(), 1.0);
            let paint = self.paint(color);
            self.pixmap.fill_path(&path, &paint, rule, self.transform, None);
        }
    }

    fn stroke_path(&mut self, path: Option<Path>, width: i32, color: Color) {
        if let Some(path) = path
            && width > 0
        {
            self.touch(path.bounds(), width as f32 + 1.0);
            let paint = self.paint(color);
            let stroke = Stroke { width: width as f32, line_join: LineJoin::Round, ..Stroke::default() };
            self.pixmap.stroke_path(&path, &paint, &stroke, self.transform, None);
        }
    }

    /// A box with a hole in it, both made by `shape` from left, top, width and height.
    fn frame(
        &mut self,
        (x, y, w, h): (i32, i32, i32, i32),
        width: i32,
        color: Color,
        shape: impl Fn(&mut PathBuilder, Rect, f32),
    ) {
        let mut builder = PathBuilder::new();
        for inset in [0, width] {
            if let Some(rect) = rect(x + inset, y + inset, w - 2 * inset, h - 2 * inset) {
                shape(&mut builder, rect, inset as f32);
            }
        }
        self.fill_path(builder.finish(), FillRule::EvenOdd, color);
    }

    /// Shows a small picture of one pixel a unit of the canvas.
    fn picture(&mut self, x: i32, y: i32, size: (i32, i32), color: impl Fn(i32, i32) -> Color) {
        let Some(mut small) = Pixmap::new(size.0.max(0) as u32, size.1.max(0) as u32) else { return };
        for (index, pixel) in (0..).zip(small.pixels_mut()) {
            let color = color(x + index % size.0, y + index / size.0);
            let alpha = if self.in_layer { color.a } else { 255 };
            *pixel = ColorU8::from_rgba(color.r, color.g, color.b, alpha).premultiply();
        }
        let transform = self.transform.pre_translate(x as f32, y as f32);
        let blend_mode = if self.in_layer { BlendMode::Source } else { BlendMode::SourceOver };
        let paint = PixmapPaint { blend_mode, quality: FilterQuality::Bilinear, ..PixmapPaint::default() };
        if let Some(bounds) = rect(x, y, size.0, size.1) {
            self.touch(bounds, 1.0);
        }
        self.pixmap.draw_pixmap(0, 0, small.as_ref(), &paint, transform, None);
    }
}

/// A rectangle, if it has an area.
fn rect(x: i32, y: i32, w: i32, h: i32) -> Option<Rect> {
    (w > 0 && h > 0).then(|| Rect::from_xywh(x as f32, y as f32, w as f32, h as f32)).flatten()
}

/// How far the middle of a line of that width lies from its first pixel's left or top edge.
fn middle(width: i32) -> f32 {
    if width % 2 == 0 { 1.0 } else { 0.5 }
}

/// A path from point to point.
fn path(points: &[(i32, i32)], offset: f32, close: bool) -> Option<Path> {
    let mut builder = PathBuilder::new();
    for (index, &(x, y)) in points.iter().enumerate() {
        let (x, y) = (x as f32 + offset, y as f32 + offset);
        if index == 0 {
            builder.move_to(x, y);
        } else {
            builder.line_to(x, y);
        }
    }
    if close {
        builder.close();
    }
    builder.finish()
}

fn push_round_rect(builder: &mut PathBuilder, rect: Rect, radius: f32) {
    let radius = radius.clamp(0.0, rect.width().min(rect.height()) / 2.0);
    let (left, top, right, bottom) = (rect.left(), rect.top(), rect.right(), rect.bottom());
    // Handle length of a quarter circle as a cubic.
    let handle = radius * (1.0 - 0.552_284_8);
    builder.move_to(left + radius, top);
    builder.line_to(right - radius, top);
    builder.cubic_to(right - handle, top, right, top + handle, right, top + radius);
    builder.line_to(right, bottom - radius);
    builder.cubic_to(right, bottom - handle, right - handle, bottom, right - radius, bottom);
    builder.line_to(left + radius, bottom);
    builder.cubic_to(left + handle, bottom, left, bottom - handle, left, bottom - radius);
    builder.line_to(left, top + radius);
    builder.cubic_to(left, top + handle, left + handle, top, left + radius, top);
    builder.close();
}

impl Canvas for Vector {
    fn fill(&mut self, color: Color) {
        self.rect(0, 0, self.canvas.0, self.canvas.1, color);
    }

    fn rows(&mut self, x0: i32, x1: i32, y0: i32, y1: i32, color: &dyn Fn(i32) -> Color) {
        let Some(bounds) = rect(x0, y0, x1.saturating_sub(x0), y1.saturating_sub(y0)) else { return };
        self.touch(bounds, 1.0);
        let (scale_x, scale_y) = (self.transform.sx, self.transform.sy);
        let width = self.pixmap.width() as usize;
        let edge =
            |canvas: i32, scale: f32, end: u32| ((canvas as f32 * scale).round().max(0.0) as usize).min(end as usize);
        let columns = edge(x0, scale_x, self.pixmap.width())..edge(x1, scale_x, self.pixmap.width());
        let lines = edge(y0, scale_y, self.pixmap.height())..edge(y1, scale_y, self.pixmap.height());
        if columns.is_empty() {
            return;
        }
        for line in lines {
            // Between the middles of two rows lies a mixture of their colours.
            let middle = ((line as f32 + 0.5) / scale_y - 0.5).clamp(y0 as f32, (y1 - 1) as f32);
            let row = middle.floor() as i32;
            let (first, second) = (color(row), color((row + 1).min(y1 - 1)));
            let mixed = first.blend(second, f64::from(middle - row as f32));
            let alpha = if self.in_layer { first.a } else { 255 };
            let pixel = ColorU8::from_rgba(mixed.r, mixed.g, mixed.b, alpha).premultiply();
            self.pixmap.pixels_mut()[line * width + columns.start..line * width + columns.end].fill(pixel);
        }
    }

    fn pixels(&mut self, x: i32, y: i32, w: i32, h: i32, color: &dyn Fn(i32, i32) -> Color) {
        self.picture(x, y, (w, h), color);
    }

    fn image(&mut self, width: usize, height: usize, rgb: &[u8]) {
        assert!(!self.in_layer, "a whole picture goes below layers");
        let Some(mut image) = Pixmap::new(width as u32, height as u32) else { return };
        for (pixel, &[r, g, b]) in image.pixels_mut().iter_mut().zip(rgb.as_chunks().0) {
            *pixel = ColorU8::from_rgba(r, g, b, 255).premultiply();
        }
        let scale = Transform::from_scale(
            self.pixmap.width() as f32 / width as f32,
            self.pixmap.height() as f32 / height as f32,
        );
        let paint = PixmapPaint { quality: FilterQuality::Bilinear, ..PixmapPaint::default() };
        self.pixmap.draw_pixmap(0, 0, image.as_ref(), &paint, scale, None);
    }

    fn pixel(&mut self, x: i32, y: i32, color: Color) {
        self.rect(x, y, 1, 1, color);
    }

    fn rect(&mut self, x: i32, y: i32, w: i32, h: i32, color: Color) {
        self.fill_path(rect(x, y, w, h).map(PathBuilder::from_rect), FillRule::Winding, color);
    }

    fn rect_outline(&mut self, x: i32, y: i32, w: i32, h: i32, width: i32, color: Color) {
        self.frame((x, y, w, h), width, color, |builder, rect, _| builder.push_rect(rect));
    }

    fn round_rect(&mut self, x: i32, y: i32, w: i32, h: i32, radius: i32, color: Color) {
        if let Some(rect) = rect(x, y, w, h) {
            let mut builder = PathBuilder::new();
            push_round_rect(&mut builder, rect, radius as f32);
            self.fill_path(builder.finish(), FillRule::Winding, color);
        }
    }

    fn round_rect_outline(&mut self, x: i32, y: i32, w: i32, h: i32, radius: i32, width: i32, color: Color) {
        self.frame((x, y, w, h), width, color, |builder, rect, inset| {
            push_round_rect(builder, rect, radius as f32 - inset);
        });
    }

    fn disc(&mut self, cx: i32, cy: i32, radius: i32, color: Color) {
        self.ellipse(cx - radius, cy - radius, 2 * radius, 2 * radius, color);
    }

    fn ring(&mut self, cx: i32, cy: i32, radius: i32, width: i32, color: Color) {
        self.ellipse_outline(cx - radius, cy - radius, 2 * radius, 2 * radius, width, color);
    }

    fn ellipse(&mut self, x: i32, y: i32, w: i32, h: i32, color: Color) {
        self.fill_path(rect(x, y, w, h).and_then(PathBuilder::from_oval), FillRule::Winding, color);
    }

    fn ellipse_outline(&mut self, x: i32, y: i32, w: i32, h: i32, width: i32, color: Color) {
        self.frame((x, y, w, h), width, color, |builder, rect, _| builder.push_oval(rect));
    }

    fn ellipse_turned(&mut self, cx: i32, cy: i32, w: i32, h: i32, angle: f64, color: Color) {
        let oval =
            Rect::from_xywh(-w as f32 / 2.0, -h as f32 / 2.0, w as f32, h as f32).and_then(PathBuilder::from_oval);
        // Positive angles of a transform turn clockwise on screen.
        let turn = Transform::from_rotate(-angle.to_degrees() as f32).post_translate(cx as f32, cy as f32);
        self.fill_path(oval.and_then(|path| path.transform(turn)), FillRule::Winding, color);
    }

    fn line(&mut self, x0: i32, y0: i32, x1: i32, y1: i32, width: i32, color: Color) {
        // Both end pixels are whole, and only the minor axis is thickened.
        let (dx, dy) = ((x1 - x0) as f32, (y1 - y0) as f32);
        let (offset_x, offset_y) = if dx.abs() > dy.abs() { (0.5, middle(width)) } else { (middle(width), 0.5) };
        let length = dx.hypot(dy);
        let (end_x, end_y) = if length > 0.0 { (0.5 * dx / length, 0.5 * dy / length) } else { (0.5, 0.0) };
        let mut builder = PathBuilder::new();
        builder.move_to(x0 as f32 + offset_x - end_x, y0 as f32 + offset_y - end_y);
        builder.line_to(x1 as f32 + offset_x + end_x, y1 as f32 + offset_y + end_y);
        self.stroke_path(builder.finish(), width, color);
    }

    fn polyline(&mut self, points: &[(i32, i32)], width: i32, color: Color) {
        self.stroke_path(path(points, middle(width), false), width, color);
    }

    fn polygon(&mut self, points: &[(i32, i32)], color: Color) {
        let outline = path(points, 0.5, true);
        self.fill_path(outline.clone(), FillRule::EvenOdd, color);
        self.stroke_path(outline, 1, color);
    }

    fn polygon_outline(&mut self, points: &[(i32, i32)], width: i32, color: Color) {
        self.stroke_path(path(points, middle(width), true), width, color);
    }

    fn arc(&mut self, cx: i32, cy: i32, radius: i32, width: i32, start: f64, end: f64, color: Color) {
        let end = if end < start { end + std::f64::consts::TAU } else { end };
        let middle = f64::from(radius) - f64::from(width) / 2.0;
        let pieces = ((end - start) * 24.0).ceil().clamp(1.0, 256.0) as u32;
        let mut builder = PathBuilder::new();
        for piece in 0..=pieces {
            let (sin, cos) = (start + (end - start) * f64::from(piece) / f64::from(pieces)).sin_cos();
            let (x, y) = ((f64::from(cx) + middle * cos) as f32, (f64::from(cy) - middle * sin) as f32);
            if piece == 0 {
                builder.move_to(x, y);
            } else {
                builder.line_to(x, y);
            }
        }
        self.stroke_path(builder.finish(), width, color);
    }

    fn text(&mut self, x: i32, y: i32, anchor: Anchor, size: i32, color: Color, text: &str) {
        let sized = SizedFace::of(size);
        let (mut pen, top) = place(x, y, anchor, sized.measure(text));
        let baseline = (top + sized.ascent) as f32;
        let unit = unit(size as f32);
        let mut builder = PathBuilder::new();
        for character in text.chars() {
            if let Some(outline) = face().outline(face().glyph_id(character)) {
                let at = |p: ab_glyph::Point| (pen as f32 + p.x * unit, baseline - p.y * unit);
                let mut end = None;
                for curve in outline.curves {
                    let (from, to) = match &curve {
                        OutlineCurve::Line(a, b) => (*a, *b),
                        OutlineCurve::Quad(a, _, c) => (*a, *c),
                        OutlineCurve::Cubic(a, _, _, d) => (*a, *d),
                    };
                    if end != Some(from) {
                        builder.move_to(at(from).0, at(from).1);
                    }
                    let (x, y) = at(to);
                    match curve {
                        OutlineCurve::Line(..) => builder.line_to(x, y),
                        OutlineCurve::Quad(_, b, _) => builder.quad_to(at(b).0, at(b).1, x, y),
                        OutlineCurve::Cubic(_, b, c, _) => builder.cubic_to(at(b).0, at(b).1, at(c).0, at(c).1, x, y),
                    }
                    end = Some(to);
                }
            }
            pen += sized.glyph(character).advance;
        }
        self.fill_path(builder.finish(), FillRule::Winding, color);
    }

    fn text_size(&self, size: i32, text: &str) -> (i32, i32) {
        SizedFace::of(size).measure(text)
    }

    fn tint(&mut self, x: i32, y: i32, w: i32, h: i32, color: Color) {
        if let Some(rect) = rect(x, y, w, h) {
            self.touch(rect, 1.0);
            let mut paint = Paint::default();
            paint.set_color_rgba8(color.r, color.g, color.b, color.a);
            self.pixmap.fill_rect(rect, &paint, self.transform, None);
        }
    }

    fn begin_layer(&mut self) {
        assert!(!self.in_layer, "layers do not nest");
        std::mem::swap(&mut self.pixmap, &mut self.below);
        self.in_layer = true;
    }

    fn end_layer(&mut self) {
        assert!(self.in_layer, "no layer is open");
        std::mem::swap(&mut self.pixmap, &mut self.below);
        self.in_layer = false;
        let Some(touched) = self.touched.take().and_then(|rect| rect.transform(self.transform)) else { return };
        let Some(pixels) = touched.round_out().map(|pixels| pixels.to_rect()) else { return };
        let shader: Shader<'_> =
            Pattern::new(self.below.as_ref(), SpreadMode::Pad, FilterQuality::Nearest, 1.0, Transform::identity());
        let paint = Paint { shader, anti_alias: false, ..Paint::default() };
        self.pixmap.fill_rect(pixels, &paint, Transform::identity(), None);
        let erase = Paint { blend_mode: BlendMode::Clear, anti_alias: false, ..Paint::default() };
        self.below.fill_rect(pixels, &erase, Transform::identity(), None);
    }

    fn shift(&mut self, dx: i32, dy: i32, border: Color) {
        let before = self.pixmap.clone();
        let shift = (dx as f32 * self.transform.sx, dy as f32 * self.transform.sy);
        self.fill(border);
        let paint = PixmapPaint { blend_mode: BlendMode::Source, ..PixmapPaint::default() };
        let (dx, dy) = (shift.0.round() as i32, shift.1.round() as i32);
        self.pixmap.draw_pixmap(dx, dy, before.as_ref(), &paint, Transform::identity(), None);
    }
}
