//! The beach of Coconut-Dodge: sky, stars, sand, dunes and palms, different in every episode.

use std::f64::consts::TAU;

use crate::paint::{Canvas, Color};
use crate::sim::{Purpose, Rng, Seed};

/// Left and top edge of the picture, px, and its size.
const LOW: i32 = 12;
const SIZE: i32 = 200;
const HORIZON: i32 = 104;
const GROUND: i32 = LOW + SIZE;
const PALM_COLOR: Color = Color::rgb(50, 35, 20);

/// Paints the beach of one episode.
pub(super) fn draw(canvas: &mut dyn Canvas, scenery: Seed) {
    let rng = &mut scenery.rng(Purpose::Draw, 0, 0);
    canvas.fill(Color::BLACK);
    canvas.rows(LOW, LOW + SIZE, LOW, HORIZON, &|row| {
        let u = f64::from(row - LOW) / 91.0;
        over_black(Color::rgb(80, 40, 120).blend(Color::rgb(252, 165, 3), u))
    });
    draw_stars(canvas, rng);
    canvas.rect(LOW, HORIZON, SIZE, GROUND - HORIZON, over_black(Color::rgb(196, 178, 128)));
    let palm_scales = [1.1 * rng.uniform(0.9, 1.1), 0.55 * rng.uniform(0.9, 1.1)];
    let (amplitude, phase) = (rng.uniform(3.0, 5.0), rng.uniform(0.0, TAU));
    draw_dune(canvas, Color::rgb(208, 190, 140), |i| amplitude + amplitude * (i / 23.0 + phase).sin());
    let (amplitude, phase) = (rng.uniform(4.5, 6.0), rng.uniform(0.0, TAU));
    draw_dune(canvas, Color::rgb(192, 175, 132), |i| 12.0 + amplitude * ((i + 40.0) / 19.0 + phase).sin());
    draw_palm(canvas, (68, 120), palm_scales[0], 1.0);
    draw_palm(canvas, (164, 110), palm_scales[1], -1.0);
    canvas.rect_outline(LOW, LOW, SIZE, SIZE, 2, Color::rgb(230, 230, 230));
}

/// Sky and sand are painted at 235/255 over black.
fn over_black(color: Color) -> Color {
    Color::BLACK.blend(color, 235.0 / 255.0)
}

fn draw_stars(canvas: &mut dyn Canvas, rng: &mut Rng) {
    canvas.begin_layer();
    for _ in 0..22 {
        let (x, y, radius) = (rng.integer(18, 205), rng.integer(18, 97), rng.integer(1, 2));
        canvas.disc(x, y, radius, Color::WHITE.with_alpha(110));
    }
    canvas.end_layer();
}

/// Fills what lies under a curve that `height` gives below the horizon, px, for each column of the area.
fn draw_dune(canvas: &mut dyn Canvas, color: Color, height: impl Fn(f64) -> f64) {
    const COLUMNS: usize = SIZE as usize + 1;
    let mut points = [(0, 0); COLUMNS + 2];
    for (i, point) in points[..COLUMNS].iter_mut().enumerate() {
        *point = (LOW + i as i32, HORIZON + height(i as f64) as i32);
    }
    points[COLUMNS] = (LOW + SIZE, GROUND);
    points[COLUMNS + 1] = (LOW, GROUND);
    canvas.polygon(&points, color);
}

/// A palm's silhouette; `mirror` is +1 if it leans right, -1 if left.
fn draw_palm(canvas: &mut dyn Canvas, (base_x, base_y): (i32, i32), scale: f64, mirror: f64) {
    let trunk: [(i32, i32); 12] = std::array::from_fn(|k| {
        let u = k as f64 / 11.0;
        let lean = (5.0 * (1.2 * u).sin()) as i32;
        (base_x + mirror as i32 * lean, base_y - (44.0 * scale * u) as i32)
    });
    canvas.polyline(&trunk, 3, PALM_COLOR);
    let top = (f64::from(trunk[11].0), f64::from(trunk[11].1));
    for angle in [-1.05, -0.6, -0.2, 0.2, 0.6, 1.05_f64] {
        draw_frond(canvas, top, angle, scale, mirror);
    }
}

fn draw_frond(canvas: &mut dyn Canvas, (x, y): (f64, f64), angle: f64, scale: f64, mirror: f64) {
    let pixel = |(dx, dy): (f64, f64)| ((x + dx) as i32, (y + dy) as i32);
    let length = 26.0 * scale * (0.9 + 0.2 * (1.0 - angle.abs()));
    let (start, tip) = (pixel((0.0, 0.0)), pixel((mirror * length * angle.cos(), -length * angle.sin())));
    canvas.line(start.0, start.1, tip.0, tip.1, 2, PALM_COLOR);
    for leaflet in 1..=7 {
        let fraction = f64::from(leaflet) / 8.0;
        let (sin, cos) = (angle + 0.25 * (fraction - 0.5)).sin_cos();
        let (along, across) = ((mirror * cos, -sin), (sin, mirror * cos));
        let side = if leaflet % 2 == 1 { -1.0 } else { 1.0 };
        let reach = 2.2 * 5.0 * scale * (1.5 - fraction);
        let width = side * 5.0 * scale * (1.0 - 0.5 * fraction);
        let point = |forward: f64, sideways: f64| {
            pixel((forward * along.0 + sideways * across.0, forward * along.1 + sideways * across.1))
        };
        let foot = fraction * length;
        canvas.polygon(&[point(foot, 0.0), point(foot, width), point(foot + reach, 0.4 * width)], PALM_COLOR);
    }
}
