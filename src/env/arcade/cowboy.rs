//! Cowboy: run through the desert and jump over the cacti.
//!
//! The observation shows where the cactus begins but not how high or wide it is. Running into one stops the world until
//! the runner jumps clear; one who lands on top cannot jump from there and slides off into it.

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use super::rect::Rect;
use super::runner::{GROUND, Pebbles, RUNNER_HEIGHT, RUNNER_WIDTH, RUNNER_X, Runner, SCROLL_SPEED};
use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::{CANVAS_SIZE, Canvas, Color};
use crate::sim::{Purpose, Rng, Seed};

/// Left edge of a new cactus, px.
const SPAWN_X: i32 = 264;
/// A runner stays on top while more than this part of its width is over the cactus.
const FOOTHOLD: f64 = 0.5;
/// Steps that dust from a jump lasts, its puffs a jump, and how fast they begin to fall, px a step².
const DUST_STEPS: u32 = 20;
const DUST_PUFFS: u32 = 5;
const DUST_GRAVITY: f64 = 0.1;
const DUST_ORIGIN: (f64, f64) = (49.0, 182.0);

/// The parts of each kind of cactus: left offset, height, width, px.
const CACTI: [&[(i32, i32, i32)]; 4] =
    [&[(0, 25, 15)], &[(0, 40, 20)], &[(0, 25, 15), (20, 40, 20)], &[(0, 40, 20), (25, 25, 15)]];
/// Width and height around all parts of each kind, px.
const CACTUS_SIZES: [(i32, i32); 4] = [(15, 25), (20, 40), (40, 40), (40, 40)];

const SKY_COLORS: [Color; 2] = [Color::rgb(150, 190, 220), Color::rgb(210, 220, 235)];
const GROUND_COLORS: [Color; 2] = [Color::rgb(196, 166, 135), Color::rgb(140, 110, 90)];
const STONE_COLOR: Color = Color::rgb(115, 90, 65);
const SKIN_COLOR: Color = Color::rgb(222, 184, 135);
const SHIRT_COLOR: Color = Color::rgb(139, 69, 19);
const CACTUS_COLOR: Color = Color::rgb(108, 138, 72);
const DUST_COLOR: Color = Color::rgb(150, 120, 100);
const SUN_COLOR: [i32; 3] = [230, 212, 100];
const COLLISION_TINT: Color = Color::rgba(220, 60, 60, 20);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("height, down", 1, "px/224"),
        Field::new("vertical velocity, down", 1, "px/step/10"),
        Field::new("cactus left edge", 1, "px/224"),
    ],
    action: &[Field::new("jump", 1, "12 px/step")],
    rate_hz: 30.0,
    reward_terms: &["running"],
    constant_entries: &[],
};

/// Nothing varies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CowboyParams {}

/// One run.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(super) struct Cowboy {
    runner: Runner,
    cactus: Cactus,
    collided: bool,
    steps: u32,
    /// Bit k: a jump raised dust k steps ago.
    dust: u32,
    dust_seed: Seed,
    pebbles: Pebbles,
    sun: Sun,
    /// Draws what only pictures show.
    scenery: Rng,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Cactus {
    /// Index into [`CACTI`].
    kind: usize,
    /// px.
    left: i32,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Sun {
    center: (i32, i32),
    radius: i32,
    rgb: [u8; 3],
}

impl Cactus {
    fn random(rng: &mut Rng) -> Self {
        Self { kind: rng.integer(0, 3) as usize, left: SPAWN_X }
    }

    fn hit_box(&self) -> Rect {
        let (width, height) = CACTUS_SIZES[self.kind];
        Rect { left: self.left, top: GROUND - height, right: self.left + width, bottom: GROUND }
    }
}

impl Cowboy {
    fn start(rng: &mut Rng) -> Self {
        let cactus = Cactus::random(rng);
        let dust_seed = Seed::new(rng.next_u64());
        let mut scenery = dust_seed.rng(Purpose::Draw, 0, 0);
        let pebbles = Pebbles::scattered(&mut scenery, |rng| rng.uniform(224.0, 448.0));
        let radius = scenery.integer(12, 19);
        let center = (CANVAS_SIZE - scenery.integer(20, 39), scenery.integer(15, 34));
        let rgb = SUN_COLOR.map(|channel| (channel + scenery.integer(-10, 9)).clamp(0, 255) as u8);
        Self {
            runner: Runner::standing(),
            cactus,
            collided: false,
            steps: 0,
            dust: 0,
            dust_seed,
            pebbles,
            sun: Sun { center, radius, rgb },
            scenery,
        }
    }

    /// Puts a falling runner on top of the cactus if enough of it is above.
    fn land(&mut self) {
        let cactus = self.cactus.hit_box();
        if self.runner.velocity <= 0.0 || !self.runner.hit_box().overlaps(cactus) {
            return;
        }
        let overlap = (RUNNER_X + RUNNER_WIDTH).min(cactus.right) - RUNNER_X.max(cactus.left);
        let feet = self.runner.y + f64::from(RUNNER_HEIGHT);
        if f64::from(overlap) / f64::from(RUNNER_WIDTH) > FOOTHOLD && feet > f64::from(cactus.top) {
            self.runner.y = f64::from(cactus.top - RUNNER_HEIGHT);
            self.runner.velocity = 0.0;
        }
    }

    fn draw_runner(&self, canvas: &mut dyn Canvas) {
        let (x, y) = (RUNNER_X, self.runner.y as i32);
        canvas.rect(x + 6, y + 10, 6, 15, SHIRT_COLOR);
        canvas.disc(x + 9, y + 5, 5, SKIN_COLOR);
        canvas.line(x, y + 1, x + 18, y + 1, 2, Color::BLACK);
        canvas.polygon(&[(x + 5, y - 3), (x + 13, y - 3), (x + 9, y - 8)], Color::BLACK);
        let pose = self.runner.pose();
        let (dx, dy) = [(0, 0), (2, 2)][pose];
        canvas.line(x + 6, y + 12, x - 2 + dx, y + 18 + dy, 2, Color::BLACK);
        canvas.line(x + 12, y + 12, x + 20 + dx, y + 18 + dy, 2, Color::BLACK);
        let spread = [0, 2][pose];
        canvas.line(x + 6, y + 25, x - spread, y + 35, 2, Color::BLACK);
        canvas.line(x + 12, y + 25, x + 18 + spread, y + 35, 2, Color::BLACK);
    }

    fn draw_cactus(&self, canvas: &mut dyn Canvas) {
        for &(offset, height, width) in CACTI[self.cactus.kind] {
            let (left, top) = (self.cactus.left + offset, GROUND - height);
            let arm = top + height / 3;
            canvas.rect(left, top, width, height, CACTUS_COLOR);
            canvas.rect(left - 4, arm, 4, 10, CACTUS_COLOR);
            canvas.rect(left + width, arm - 5, 4, 10, CACTUS_COLOR);
        }
    }

    fn draw_dust(&self, canvas: &mut dyn Canvas) {
        for age in (0..DUST_STEPS - 1).rev().filter(|age| self.dust >> age & 1 == 1) {
            let moves = f64::from(age + 1);
            let alpha = (255.0 * f64::from(DUST_STEPS - age - 1) / f64::from(DUST_STEPS)) as u8;
            let mut rng = self.dust_seed.rng(Purpose::Draw, 1 + u64::from(self.steps - age), 0);
            for _ in 0..DUST_PUFFS {
                let (vx, vy) = (rng.uniform(-1.0, 1.0), rng.uniform(-2.0, 0.0));
                let x = DUST_ORIGIN.0 + moves * vx;
                let y = DUST_ORIGIN.1 + moves * vy + DUST_GRAVITY * moves * (moves - 1.0) / 2.0;
                canvas.begin_layer();
                canvas.disc(x as i32 + 2, y as i32 + 2, 2, DUST_COLOR.with_alpha(alpha));
                canvas.end_layer();
            }
        }
    }
}

impl Environment for Cowboy {
    type Params = CowboyParams;
    const NAME: &'static str = "cowboy";
    const STEP_NANOS: u64 = 20;

    fn layout(_: &CowboyParams) -> Layout {
        LAYOUT
    }

    fn new(_: &CowboyParams, rng: &mut Rng) -> Self {
        Self::start(rng)
    }

    fn reset(&mut self, _: &CowboyParams, rng: &mut Rng) {
        *self = Self::start(rng);
    }

    fn step(&mut self, _: &CowboyParams, action: &[f32], rng: &mut Rng) -> Outcome {
        let jumped = self.runner.advance(action[0]);
        self.dust = self.dust << 1 | u32::from(jumped);
        self.land();
        self.collided = self.runner.hit_box().overlaps(self.cactus.hit_box());
        if !self.collided {
            self.cactus.left -= SCROLL_SPEED;
            self.pebbles.scroll(0.0, &mut self.scenery);
        }
        if self.cactus.hit_box().right < 0 {
            self.cactus = Cactus::random(rng);
            self.collided = false;
        }
        if self.runner.on_ground() && !self.collided {
            self.runner.stride(1);
        }
        self.steps += 1;
        Outcome::new([if self.collided { -1.0 } else { 1.0 }])
    }

    fn observe(&self, _: &CowboyParams, row: &mut [f32]) {
        let [height, velocity] = self.runner.observe();
        let cactus = f64::from(self.cactus.left) / f64::from(CANVAS_SIZE);
        row.copy_from_slice(&[height, velocity, cactus as f32]);
    }

    fn draw_backdrop(&self, _: &CowboyParams, canvas: &mut dyn Canvas) {
        canvas.rows(0, CANVAS_SIZE, 0, GROUND, &|row| SKY_COLORS[0].blend(SKY_COLORS[1], f64::from(row) / 224.0));
        canvas.rows(0, CANVAS_SIZE, GROUND, CANVAS_SIZE, &|row| {
            GROUND_COLORS[0].blend(GROUND_COLORS[1], f64::from(row - GROUND) / 40.0)
        });
        canvas.line(0, GROUND, CANVAS_SIZE - 1, GROUND, 2, STONE_COLOR);

        // Nothing that moves reaches the sun, so it can be below the rest.
        let Sun { center: (x, y), radius, rgb: [r, g, b] } = self.sun;
        for glow in (radius + 1..=2 * radius).rev().step_by(4) {
            let alpha = (30 - (2 * radius - glow) / 2).max(0) as u8;
            canvas.begin_layer();
            canvas.disc(x, y, glow, Color::rgba(r, g, b, alpha));
            canvas.end_layer();
        }
        canvas.disc(x, y, radius, Color::rgb(r, g, b));
    }

    fn draw(&self, _: &CowboyParams, canvas: &mut dyn Canvas, _: &mut Rng) {
        self.pebbles.draw(canvas, STONE_COLOR);
        self.draw_runner(canvas);
        self.draw_cactus(canvas);
        self.draw_dust(canvas);
        if self.collided {
            canvas.tint(0, 0, CANVAS_SIZE, CANVAS_SIZE, COLLISION_TINT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector_test::{Expect, run};
    use super::*;

    fn before_a_high_cactus() -> Cowboy {
        let mut state = Cowboy::start(&mut Seed::new(0).rng(Purpose::Episode, 0, 0));
        state.cactus = Cactus { kind: 1, left: SPAWN_X };
        state
    }

    #[test]
    fn running_into_a_cactus_stops_the_world_until_a_jump() {
        let row = |step, values: [f32; 3], reward| Expect::new(step, 0..3, &values).reward(reward);
        let expected = [
            row(1, [0.0, 0.0, 1.13393], 1.0),
            row(20, [0.0, 0.0, 0.285714], 1.0),
            row(21, [0.0, 0.0, 0.241071], 1.0),
            row(22, [0.0, 0.0, 0.241071], -1.0),
            row(23, [0.0, 0.0, 0.241071], -1.0),
            row(24, [0.0, 0.0, 0.241071], -1.0),
            row(25, [-0.0491071, -1.1, 0.241071], -1.0),
            row(26, [-0.09375, -1.0, 0.241071], -1.0),
            row(28, [-0.169643, -0.8, 0.241071], -1.0),
            row(29, [-0.200893, -0.7, 0.196429], 1.0),
            row(32, [-0.267857, -0.4, 0.0625], 1.0),
            row(36, [-0.294643, 0.0, 1.17857], 1.0),
            row(46, [-0.0491071, 1.0, 0.732143], 1.0),
            row(47, [0.0, 1.1, 0.6875], 1.0),
            row(48, [0.0, 0.0, 0.642857], 1.0),
        ];
        let jump = |step| vec![if step == 25 { 1.0 } else { -1.0 }];
        run(before_a_high_cactus(), &CowboyParams {}, jump, &expected);
    }

    #[test]
    fn landing_on_a_cactus_is_a_trap() {
        let row = |step, values: [f32; 3], reward| Expect::new(step, 0..3, &values).reward(reward);
        let expected = [
            row(22, [-0.200893, 0.6, 0.196429], 1.0),
            row(23, [-0.178571, 0.0, 0.151786], 1.0),
            row(24, [-0.178571, 0.0, 0.107143], 1.0),
            row(25, [-0.174107, 0.1, 0.107143], -1.0),
            row(26, [-0.165179, 0.2, 0.107143], -1.0),
            row(32, [-0.0178571, 0.8, 0.107143], -1.0),
            row(33, [0.0, 0.0, 0.107143], -1.0),
            row(35, [0.0, 0.0, 0.107143], -1.0),
            row(36, [-0.0491071, -1.1, 0.107143], -1.0),
            row(39, [-0.169643, -0.8, 0.107143], -1.0),
            row(40, [-0.200893, -0.7, 0.0625], 1.0),
        ];
        let jump = |step| vec![if step == 5 || step == 36 { 1.0 } else { -1.0 }];
        run(before_a_high_cactus(), &CowboyParams {}, jump, &expected);
    }
}
