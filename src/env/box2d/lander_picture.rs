//! What the lander looks like. The reference draws at 400x400 and shrinks; this draws at 224x224 at once, so edges are
//! not smoothed and an outline of less than a pixel is painted half as strong.

use super::body::MAX_CORNERS;
use super::lander::{Goal, Lander, LanderParams, PAD_M, SIZE_M};
use super::terrain::Point;
use crate::paint::{CANVAS_SIZE, Canvas, Color};
use crate::sim::{Purpose, Rng};

/// Width and height of the reference's canvas, px.
const CANVAS: f32 = 400.0;
/// Pixels of the reference's canvas to pixels of ours.
const SHRINK: f32 = CANVAS_SIZE as f32 / CANVAS;
/// Opacity of the goal's disc.
const GOAL_ALPHA: u8 = 104;

/// The colors of an episode.
struct Palette {
    moon: Color,
    sky: Color,
    lander: Color,
    flag: Color,
}

impl Palette {
    fn of(lander: &Lander) -> Self {
        let rng = &mut lander.palette.rng(Purpose::Draw, 0, 0);
        Self {
            moon: varied([230, 215, 220], (-15, 14), (-10, 9), rng),
            sky: varied([20, 10, 15], (-10, 9), (-5, 4), rng),
            lander: varied([128, 102, 230], (-10, 9), (-5, 4), rng),
            flag: varied([204, 204, 0], (-15, 14), (-5, 4), rng),
        }
    }
}

/// A color with one change to all channels and one to each.
pub(super) fn varied(base: [i32; 3], common: (i32, i32), each: (i32, i32), rng: &mut Rng) -> Color {
    let common = rng.integer(common.0, common.1);
    let [r, g, b] = base.map(|channel| (channel + common + rng.integer(each.0, each.1)).clamp(0, 255) as u8);
    Color::rgb(r, g, b)
}

/// Pixel of a place: that of the reference's canvas, where it cuts off and draws upside down, seen in ours.
fn pixel([x, y]: Point) -> (i32, i32) {
    const SCALE: f32 = CANVAS / SIZE_M;
    let cut = |meters: f32| (meters * SCALE).clamp(-1e4, 1e4).trunc();
    let shrunk = |pixel: f32| ((pixel + 0.5) * SHRINK).floor() as i32;
    (shrunk(cut(x)), shrunk(CANVAS - 1.0 - cut(y)))
}

/// The ground below the sky.
pub(super) fn backdrop(lander: &Lander, canvas: &mut dyn Canvas) {
    let palette = Palette::of(lander);
    canvas.fill(palette.moon);
    for edge in lander.ground.corners.windows(2) {
        let above = |[x, _]: Point| pixel([x, SIZE_M]);
        canvas.polygon(&[pixel(edge[0]), above(edge[0]), above(edge[1]), pixel(edge[1])], palette.sky);
    }
}

/// Everything that moves, and what is drawn over it.
pub(super) fn draw(lander: &Lander, params: &LanderParams, canvas: &mut dyn Canvas) {
    let palette = Palette::of(lander);
    for particle in &lander.exhaust.particles {
        let glow = |floor: f32| (255.0 * floor.clamp(0.2, 1.0)) as u8;
        let (x, y) = pixel(particle.at);
        let dim = glow(0.5 * particle.life());
        canvas.disc(x, y, 2, Color::rgb(glow(0.15 + particle.life()), dim, dim));
    }
    for body in lander.bodies() {
        let (outline, mut corners) = (body.outline(), [(0, 0); MAX_CORNERS]);
        let count =
            corners.iter_mut().zip(outline.corners()).map(|(corner, &point)| *corner = pixel(point.into())).count();
        part(&corners[..count], palette.lander, canvas);
    }
    if params.goal == Goal::Land {
        for foot in lander.pad {
            flag(pixel([foot, PAD_M]), &palette, canvas);
        }
    } else {
        let (x, y) = pixel(lander.goal);
        canvas.begin_layer();
        canvas.disc(x, y, (30.0 * SHRINK).round() as i32, palette.flag.with_alpha(GOAL_ALPHA));
        canvas.end_layer();
    }
}

fn part(corners: &[(i32, i32)], fill: Color, canvas: &mut dyn Canvas) {
    canvas.polygon(corners, fill);
    canvas.polygon_outline(corners, 1, fill.blend(Color::rgb(77, 77, 128), f64::from(SHRINK)));
}

fn flag((x, y): (i32, i32), palette: &Palette, canvas: &mut dyn Canvas) {
    let up = |pixels: f32| y - (pixels * SHRINK).round() as i32;
    canvas.line(x, y, x, up(50.0), 1, palette.moon);
    canvas.polygon(&[(x, up(50.0)), (x, up(40.0)), (x + (25.0 * SHRINK) as i32, up(45.0))], palette.flag);
}
