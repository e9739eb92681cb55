//! The scenery of CoinRun: sky, clouds, grass, flowers, and the shine of its coins. Only pictures show any of it.

use std::f64::consts::TAU;

use serde::{Deserialize, Serialize};

use super::coins::COIN_RADIUS;
use super::runner::{GROUND, Pebbles, SCROLL_SPEED};
use crate::paint::{CANVAS_SIZE, Canvas, Color};
use crate::sim::Rng;

/// Width of the picture, px.
const WIDTH: f64 = CANVAS_SIZE as f64;
const GROUND_Y: f64 = GROUND as f64;
const SPEED: f64 = SCROLL_SPEED as f64;
/// A thing whose anchor is this far left of the picture comes back from the right, px.
const PLANT_EXIT: f64 = -6.0;
const PEBBLE_EXIT: f64 = -5.0;
/// How many of each kind start within the picture; the others may start beside it.
const CENTRAL_CLOUDS: usize = 4;
const CENTRAL_TUFTS: usize = 5;
const CENTRAL_FLOWERS: usize = 2;

/// Rays of sparkles from a coin and the gravity on them, px a step².
const SPARKLES: u32 = 8;
const SPARKLE_GRAVITY: f64 = 0.05;

const SKY_COLORS: [Color; 2] = [Color::rgb(173, 216, 230), Color::rgb(255, 182, 193)];
const GROUND_COLORS: [Color; 2] = [Color::rgb(76, 130, 78), Color::rgb(112, 170, 112)];
const SOIL_COLOR: Color = Color::rgb(51, 92, 53);
const CLOUD_COLOR: Color = Color::rgb(255, 204, 214);
/// From far to near: the line a tuft stands on, its even and its odd blades.
const TUFT_COLORS: [Color; 2] = [Color::rgb(46, 102, 50), Color::rgb(66, 132, 70)];
const EVEN_BLADE_COLORS: [Color; 2] = [Color::rgb(34, 110, 38), Color::rgb(60, 150, 64)];
const ODD_BLADE_COLORS: [Color; 2] = [Color::rgb(40, 120, 42), Color::rgb(70, 160, 72)];
const STEM_COLOR: Color = Color::rgb(60, 120, 60);
const PISTIL_COLOR: Color = Color::rgb(255, 230, 120);
const PETAL_COLORS: [Color; 4] =
    [Color::rgb(255, 182, 193), Color::rgb(255, 204, 229), Color::rgb(255, 255, 153), Color::rgb(221, 160, 221)];
/// Cosine and sine of the directions of a flower's five petals.
const PETALS: [(f64, f64); 5] = [
    (1.0, 0.0),
    (0.309_016_994_374_947_45, 0.951_056_516_295_153_5),
    (-0.809_016_994_374_947_5, 0.587_785_252_292_473_1),
    (-0.809_016_994_374_947_5, -0.587_785_252_292_473_1),
    (0.309_016_994_374_947_45, -0.951_056_516_295_153_5),
];
const COIN_COLOR: Color = Color::rgb(255, 215, 0);
const RIM_COLORS: [Color; 2] = [Color::rgb(200, 160, 0), Color::rgb(255, 220, 60)];
const GLINT_COLOR: Color = Color::rgb(245, 245, 235);
const SHINE_COLOR: Color = Color::rgb(250, 245, 200);
const SPARKLE_COLORS: [Color; 2] = [Color::rgb(255, 230, 120), Color::WHITE];

/// What scrolls by, and the generator that replaces what has left.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Meadow {
    pebbles: Pebbles,
    clouds: [Cloud; 7],
    tufts: [Tuft; 8],
    flowers: [Flower; 4],
    rng: Rng,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Cloud {
    x: f64,
    y: f64,
    size: f64,
    speed: f64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Tuft {
    x: f64,
    y: f64,
    height: f64,
    spread: f64,
    in_front: bool,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Flower {
    x: f64,
    /// Row of the head's center.
    y: f64,
    size: f64,
    petals: usize,
    in_front: bool,
}

impl Meadow {
    /// A meadow at the start of an episode.
    pub(super) fn random(mut rng: Rng) -> Self {
        let range = |i, central, outside: (f64, f64)| if i < central { (0.0, WIDTH) } else { outside };
        let pebbles = Pebbles::scattered(&mut rng, |rng| WIDTH * rng.uniform(-0.1, 1.0));
        let clouds = std::array::from_fn(|i| Cloud::random(range(i, CENTRAL_CLOUDS, (-67.2, 291.2)), &mut rng));
        let tufts = std::array::from_fn(|i| Tuft::random(range(i, CENTRAL_TUFTS, (-22.4, 291.2)), &mut rng));
        let flowers = std::array::from_fn(|i| {
            let petals = rng.integer(0, PETAL_COLORS.len() as i32 - 1) as usize;
            Flower::random(range(i, CENTRAL_FLOWERS, (-22.4, 268.8)), petals, &mut rng)
        });
        Self { pebbles, clouds, tufts, flowers, rng }
    }

    /// Moves the meadow by one step.
    pub(super) fn scroll(&mut self) {
        let rng = &mut self.rng;
        self.pebbles.scroll(PEBBLE_EXIT, rng);
        for tuft in &mut self.tufts {
            tuft.x -= SPEED;
            if tuft.x < PLANT_EXIT {
                *tuft = Tuft::random((WIDTH, WIDTH + 40.0), rng);
            }
        }
        for flower in &mut self.flowers {
            flower.x -= SPEED;
            if flower.x < PLANT_EXIT {
                *flower = Flower::random((WIDTH, WIDTH + 60.0), flower.petals, rng);
            }
        }
        for cloud in &mut self.clouds {
            cloud.x -= cloud.speed;
            if cloud.x < -3.0 * cloud.size {
                *cloud = Cloud::random((WIDTH, WIDTH + 60.0), rng);
            }
        }
    }

    /// Paints sky and ground.
    pub(super) fn draw_backdrop(canvas: &mut dyn Canvas) {
        canvas.rows(0, CANVAS_SIZE, 0, GROUND, &|row| SKY_COLORS[0].blend(SKY_COLORS[1], f64::from(row) / GROUND_Y));
        canvas.rows(0, CANVAS_SIZE, GROUND, CANVAS_SIZE, &|row| {
            GROUND_COLORS[0].blend(GROUND_COLORS[1], f64::from(row - GROUND) / 39.0)
        });
        canvas.line(0, GROUND, CANVAS_SIZE - 1, GROUND, 2, SOIL_COLOR);
    }

    /// Paints what is behind the runner.
    pub(super) fn draw_behind(&self, canvas: &mut dyn Canvas, rng: &mut Rng) {
        self.clouds.iter().for_each(|cloud| cloud.draw(canvas));
        self.draw_plants(false, canvas, rng);
        self.pebbles.draw(canvas, SOIL_COLOR);
    }

    /// Paints what is in front of the runner.
    pub(super) fn draw_in_front(&self, canvas: &mut dyn Canvas, rng: &mut Rng) {
        self.draw_plants(true, canvas, rng);
    }

    fn draw_plants(&self, in_front: bool, canvas: &mut dyn Canvas, rng: &mut Rng) {
        self.tufts.iter().filter(|tuft| tuft.in_front == in_front).for_each(|tuft| tuft.draw(canvas, rng));
        self.flowers.iter().filter(|flower| flower.in_front == in_front).for_each(|flower| flower.draw(canvas));
    }
}

impl Cloud {
    fn random(x: (f64, f64), rng: &mut Rng) -> Self {
        Self {
            x: rng.uniform(x.0, x.1),
            y: rng.uniform(15.0, 82.8),
            size: rng.uniform(16.0, 26.0),
            speed: SPEED * rng.uniform(0.18, 0.42),
        }
    }

    fn draw(&self, canvas: &mut dyn Canvas) {
        let Self { x, y, size, .. } = *self;
        // Left, top, width and height of each puff, in sizes.
        for (dx, dy, w, h) in [(0.0, 0.0, 2.0, 1.0), (-0.6, 0.15, 1.6, 0.9), (0.9, 0.1, 1.6, 0.9)] {
            let (left, top) = ((x + dx * size) as i32, (y + dy * size) as i32);
            canvas.ellipse(left, top, (w * size) as i32, (h * size) as i32, CLOUD_COLOR);
        }
    }
}

impl Tuft {
    fn random(x: (f64, f64), rng: &mut Rng) -> Self {
        Self {
            x: rng.uniform(x.0, x.1),
            y: GROUND_Y + rng.uniform(-2.0, 3.0),
            height: rng.uniform(5.0, 10.0),
            spread: rng.uniform(2.0, 4.0),
            in_front: rng.chance(0.35),
        }
    }

    /// The blades are new in every picture: they flicker.
    fn draw(&self, canvas: &mut dyn Canvas, rng: &mut Rng) {
        let Self { x, y, height, spread, .. } = *self;
        let nearness = ((y - 178.0) / 12.0).clamp(0.0, 1.0);
        let color = |colors: [Color; 2]| colors[0].blend(colors[1], nearness);
        canvas.line((x - spread) as i32, y as i32, (x + spread) as i32, y as i32, 2, color(TUFT_COLORS));
        let n_blades = 3 + rng.integer(0, 2);
        let middle = f64::from(n_blades - 1) / 2.0;
        for blade in 0..n_blades {
            let side = (f64::from(blade) - middle) / middle;
            let tip = y - height * rng.uniform(0.85, 1.1);
            let colors = if blade % 2 == 0 { EVEN_BLADE_COLORS } else { ODD_BLADE_COLORS };
            let (root, end) = (x + 0.4 * side * spread, x + 1.2 * side * spread);
            canvas.line(root as i32, y as i32, end as i32, tip as i32, 2, color(colors));
        }
    }
}

impl Flower {
    fn random(x: (f64, f64), petals: usize, rng: &mut Rng) -> Self {
        Self {
            x: rng.uniform(x.0, x.1),
            y: GROUND_Y - rng.uniform(1.0, 6.0) + rng.uniform(-2.0, 2.0),
            size: rng.uniform(2.0, 3.2),
            petals,
            in_front: rng.chance(0.3),
        }
    }

    fn draw(&self, canvas: &mut dyn Canvas) {
        let Self { x, y, size, .. } = *self;
        let mut line = |x0: f64, y0: f64, x1: f64, y1: f64, width: i32| {
            canvas.line(x0 as i32, y0 as i32, x1 as i32, y1 as i32, width, STEM_COLOR);
        };
        line(x, y + 1.2 * size, x, GROUND_Y, 2);
        line(x, y + 0.8 * size, x - size, y + 0.9 * size, 1);
        line(x, y + 0.6 * size, x + size, y + 0.7 * size, 1);
        let distance = 1.6 * size;
        for (cos, sin) in PETALS {
            let (petal_x, petal_y) = ((x + distance * cos) as i32, (y + distance * sin) as i32);
            canvas.disc(petal_x, petal_y, size.max(1.0) as i32, PETAL_COLORS[self.petals]);
        }
        canvas.disc(x as i32, y as i32, (0.9 * size).max(1.0) as i32, PISTIL_COLOR);
    }
}

/// Paints a coin whose shine has been running for `phase` steps.
pub(super) fn draw_coin(canvas: &mut dyn Canvas, x: i32, y: i32, phase: f64) {
    if x - 2 * COIN_RADIUS > CANVAS_SIZE || x + 2 * COIN_RADIUS < 0 {
        return;
    }
    let glow = 0.5 + 0.125 * (TAU * phase / 30.0).sin();
    canvas.disc(x, y, COIN_RADIUS, COIN_COLOR);
    canvas.ring(x, y, COIN_RADIUS, 2, RIM_COLORS[0].blend(RIM_COLORS[1], glow));
    let (sin, cos) = (TAU * phase / 45.0).sin_cos();
    let (glint_x, glint_y) = ((f64::from(x) + 8.0 * cos) as i32, (f64::from(y) + 8.0 * sin) as i32);
    canvas.rect(glint_x - 1, glint_y, 3, 1, GLINT_COLOR);
    canvas.rect(glint_x, glint_y - 1, 1, 3, GLINT_COLOR);
    canvas.arc(x, y, 11, 1, 300_f64.to_radians(), 20_f64.to_radians(), SHINE_COLOR);
}

/// Paints the sparkles of a coin taken `age` steps ago (1 in the step that took it); `rng` is the same at every age.
pub(super) fn draw_sparkles(canvas: &mut dyn Canvas, center: (i32, i32), age: u32, rng: &mut Rng) {
    if age > 15 {
        return;
    }
    let moves = f64::from(age);
    for ray in 0..SPARKLES {
        let angle = TAU * f64::from(ray) / f64::from(SPARKLES) + rng.uniform(-0.25, 0.25);
        let speed = rng.uniform(1.0, 2.4);
        let (vx, vy) = (angle.cos() * speed, angle.sin() * speed - rng.uniform(0.0, 0.3));
        let life = rng.integer(10, 15);
        let size = rng.uniform(1.0, 2.0);
        let left = 1.0 - moves / f64::from(life);
        if left <= 0.0 {
            continue;
        }
        let x = f64::from(center.0) + moves * vx;
        let y = f64::from(center.1) + moves * vy + SPARKLE_GRAVITY * moves * (moves - 1.0) / 2.0;
        let radius = (size * (0.6 + 0.8 * left)).max(1.0) as i32;
        let color = Color::BLACK.blend(SPARKLE_COLORS[ray as usize % 2], 0.6 + 0.4 * left);
        canvas.disc(x as i32, y as i32, radius, color);
    }
}
