//! The one typeface: DejaVu Sans Condensed Bold, unhinted, with whole-pixel advances.

use std::sync::{LazyLock, OnceLock};

use ab_glyph::{Font, FontRef, GlyphId, OutlineCurve, Point, point};
use ab_glyph_rasterizer::Rasterizer;

use super::Anchor;

/// Sizes beyond this are drawn at it, px an em.
const LARGEST_SIZE: usize = 127;
/// Characters drawn; any other shows as the last of them.
const CHARACTERS: std::ops::RangeInclusive<char> = ' '..='~';

static FACE: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(include_bytes!("../../assets/fonts/DejaVuSansCondensed-Bold.ttf"))
        .expect("the face in assets/fonts can be read")
});

static SIZES: [OnceLock<SizedFace>; LARGEST_SIZE + 1] = [const { OnceLock::new() }; LARGEST_SIZE + 1];

/// The outlines of the typeface.
pub(super) fn face() -> &'static FontRef<'static> {
    &FACE
}

/// The characters of the face at one size.
pub(super) struct SizedFace {
    /// From the top of a text's box to the baseline, px.
    pub(super) ascent: i32,
    /// Height of a text's box, px.
    height: i32,
    glyphs: Vec<Glyph>,
}

/// One character as it is painted.
pub(super) struct Glyph {
    /// From the pen to the first column, and from the top of the text's box to the first row, px.
    pub(super) left: i32,
    pub(super) top: i32,
    pub(super) width: usize,
    /// How far the pen moves, px.
    pub(super) advance: i32,
    /// How much of each pixel is covered, 0 to 255, row by row.
    pub(super) coverage: Vec<u8>,
}

impl SizedFace {
    /// The face at a nominal size, px an em. Rasterized once per size.
    pub(super) fn of(size: i32) -> &'static Self {
        let size = size.clamp(1, LARGEST_SIZE as i32);
        SIZES[size as usize].get_or_init(|| Self::rasterize(size))
    }

    fn rasterize(size: i32) -> Self {
        let unit = unit(size as f32);
        let ascent = (face().ascent_unscaled() * unit).round() as i32;
        let descent = (face().descent_unscaled() * unit).round() as i32;
        let glyphs = CHARACTERS.map(|character| Glyph::rasterize(face().glyph_id(character), unit, ascent)).collect();
        Self { ascent, height: ascent - descent, glyphs }
    }

    /// The glyph of a character.
    pub(super) fn glyph(&self, character: char) -> &Glyph {
        let last = self.glyphs.len() - 1;
        let index = (character as usize).wrapping_sub(*CHARACTERS.start() as usize);
        &self.glyphs[index.min(last)]
    }

    /// Width and height of a text's box, px.
    pub(super) fn measure(&self, text: &str) -> (i32, i32) {
        (text.chars().map(|character| self.glyph(character).advance).sum(), self.height)
    }
}

impl Glyph {
    fn rasterize(id: GlyphId, unit: f32, ascent: i32) -> Self {
        let advance = (face().h_advance_unscaled(id) * unit).round() as i32;
        let Some(outline) = face().outline(id) else {
            return Self { left: 0, top: 0, width: 0, advance, coverage: Vec::new() };
        };
        let left = (outline.bounds.min.x * unit).floor();
        let top = (outline.bounds.min.y * unit).ceil();
        let width = ((outline.bounds.max.x * unit).ceil() - left) as usize;
        let height = (top - (outline.bounds.max.y * unit).floor()) as usize;
        let mut rasterizer = Rasterizer::new(width, height);
        let to_pixel = |p: Point| point(snap(p.x * unit) - left, top - snap(p.y * unit));
        for curve in outline.curves {
            match curve {
                OutlineCurve::Line(a, b) => rasterizer.draw_line(to_pixel(a), to_pixel(b)),
                OutlineCurve::Quad(a, b, c) => {
                    let (a, b, c) = (to_pixel(a), to_pixel(b), to_pixel(c));
                    let chords = chords(a, b, c);
                    let at = |chord: u32| {
                        let t = chord as f32 / chords as f32;
                        lerp(lerp(a, b, t), lerp(b, c, t), t)
                    };
                    (0..chords).for_each(|chord| rasterizer.draw_line(at(chord), at(chord + 1)));
                }
                OutlineCurve::Cubic(a, b, c, d) => {
                    rasterizer.draw_cubic(to_pixel(a), to_pixel(b), to_pixel(c), to_pixel(d));
                }
            }
        }
        let mut coverage = vec![0; width * height];
        rasterizer.for_each_pixel(|index, covered| coverage[index] = (covered * 256.0).min(255.0) as u8);
        Self { left: left as i32, top: ascent - top as i32, width, advance, coverage }
    }
}

/// Outlines are placed on a grid of 1/64 px.
fn snap(px: f32) -> f32 {
    (px * 64.0).round() / 64.0
}

/// Straight pieces that stay within 1/16 px of a curve.
fn chords(a: Point, b: Point, c: Point) -> u32 {
    let mut bend = (a.x - 2.0 * b.x + c.x).abs().max((a.y - 2.0 * b.y + c.y).abs());
    let mut chords = 1;
    while bend > 0.25 {
        bend /= 4.0;
        chords *= 2;
    }
    chords
}

fn lerp(a: Point, b: Point, t: f32) -> Point {
    point(a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t)
}

/// Pixels of one unit of the face's outlines at `size` pixels an em.
pub(super) fn unit(size: f32) -> f32 {
    size / face().units_per_em().expect("a scalable face has an em")
}

/// Top left corner of a box of the given size whose `anchor` is at (`x`, `y`).
pub(super) fn place(x: i32, y: i32, anchor: Anchor, (width, height): (i32, i32)) -> (i32, i32) {
    match anchor {
        Anchor::TopLeft => (x, y),
        Anchor::TopCenter => (x - width / 2, y),
        Anchor::TopRight => (x - width, y),
        Anchor::Center => (x - width / 2, y - height / 2),
        Anchor::BottomCenter => (x - width / 2, y - height),
    }
}
