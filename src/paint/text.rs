//! The one typeface: DejaVu Sans Condensed Bold, unhinted, with whole-pixel advances.

use std::sync::{LazyLock, OnceLock};

use ab_glyph::{Font, FontRef, PxScale, ScaleFont};

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
    pub(super) height: i32,
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
        let face = face();
        let scale = px_scale(size as f32);
        let scaled = face.as_scaled(scale);
        let ascent = scaled.ascent().round() as i32;
        let glyphs = CHARACTERS
            .map(|character| {
                let id = face.glyph_id(character);
                let advance = scaled.h_advance(id).round() as i32;
                let Some(outline) = face.outline_glyph(id.with_scale(scale)) else {
                    return Glyph { left: 0, top: 0, width: 0, advance, coverage: Vec::new() };
                };
                let bounds = outline.px_bounds();
                let (width, height) = (bounds.width() as usize, bounds.height() as usize);
                let mut coverage = vec![0; width * height];
                outline.draw(|x, y, covered| {
                    coverage[y as usize * width + x as usize] = (covered * 255.0).round() as u8;
                });
                Glyph { left: bounds.min.x as i32, top: ascent + bounds.min.y as i32, width, advance, coverage }
            })
            .collect();
        Self { ascent, height: ascent - scaled.descent().round() as i32, glyphs }
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

/// The scale at which the face has `size` pixels an em.
pub(super) fn px_scale(size: f32) -> PxScale {
    let face = face();
    PxScale::from(size * face.height_unscaled() / face.units_per_em().expect("a scalable face has an em"))
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
