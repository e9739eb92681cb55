//! Rocket-Collect: drift with thrust in two axes from coin to coin among bouncing asteroids.
//!
//! Touching an asteroid costs on every step and for each asteroid. The collision flag is seen on the step of a contact
//! and on the four after it. An asteroid is observed from its creation on, while still outside the canvas.

use std::f64::consts::TAU;
use std::io::Write as _;

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::{Anchor, CANVAS_SIZE, Canvas, Color};
use crate::sim::{Purpose, Rng, Seed};

const SIZE: f64 = CANVAS_SIZE as f64;
const ROCKET_RADIUS: f64 = 10.0;
/// Acceleration at full thrust, px/step².
const THRUST: f64 = 0.75;
/// Speed kept a step.
const DAMPING: f64 = 0.98;
/// Of the rocket, px a step.
const SPEED_LIMIT: f64 = 4.0;
/// Where the rocket may be, on both axes, px.
const ROCKET_RANGE: (f64, f64) = (15.0, 209.0);
const COIN_RADIUS: f64 = 9.0;
const ASTEROID_RADIUS: f64 = 14.0;
const MAX_ASTEROIDS: usize = 3;
/// Steps until one more asteroid comes.
const ASTEROID_INTERVAL: u32 = 150;
/// Between these an asteroid that has entered bounces, on both axes, px.
const ASTEROID_RANGE: (f64, f64) = (ASTEROID_RADIUS, SIZE - ASTEROID_RADIUS);
const ASTEROID_SPEED: (f64, f64) = (1.0, 2.2);
/// Steps that the collision flag is set; the step of the contact takes the first.
const COLLISION_STEPS: u32 = 6;
const CONTACT_REWARD: f64 = -0.2;
/// Reward a step for being at the coin; falls linearly to 0 over the canvas's diagonal.
const NEARNESS_REWARD: f64 = 0.002;
/// Corners of an asteroid's outline.
const CORNERS: usize = 8;
/// Pictures that show a pick-up's ring and its "+1".
const RING_STEPS: u32 = 8;
const PLUS_STEPS: u32 = 20;
/// Pick-ups that are shown at a time.
const SHOWN_PICK_UPS: usize = 4;

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("rocket position", 2, "px/224"),
        Field::new("rocket velocity", 2, "px/step/4"),
        Field::new("coin position", 2, "px/224"),
        Field::new("coin position relative to the rocket", 2, "px/224"),
        Field::new("collision flag", 1, "1"),
        Field::new("asteroid 1 position and velocity", 4, "px/224, px/step/4"),
        Field::new("asteroid 2 position and velocity", 4, "px/224, px/step/4"),
        Field::new("asteroid 3 position and velocity", 4, "px/224, px/step/4"),
    ],
    action: &[Field::new("thrust, right and down", 2, "0.75 px/step²")],
    rate_hz: 30.0,
    reward_terms: &["nearness", "coin", "contact"],
    constant_entries: &[],
};

/// Nothing varies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RocketCollectParams {}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Asteroid {
    /// Center, px, and velocity, px a step.
    x: f64,
    y: f64,
    vx: f64,
    vy: f64,
    /// Whether it has been wholly on the canvas, and bounces off its edges since.
    entered: bool,
    /// How far it has turned, rad, and by how much it turns a step; only seen.
    angle: f64,
    spin: f64,
    /// Corners about the center at angle 0, px; only seen.
    outline: [(f64, f64); CORNERS],
}

impl Asteroid {
    /// A new one outside the canvas, on its way to the middle. `looks` feeds what is only seen.
    fn random(rng: &mut Rng, looks: &mut Rng) -> Self {
        let (low, high) = (-2.0 * ASTEROID_RADIUS, SIZE + 2.0 * ASTEROID_RADIUS);
        let side = rng.integer(0, 3);
        let along = f64::from(rng.integer(20, 203));
        let (x, y) = match side {
            0 => (along, low),
            1 => (along, high),
            2 => (low, along),
            _ => (high, along),
        };
        let (dx, dy) = (rng.uniform(56.0, 168.0) - x, rng.uniform(56.0, 168.0) - y);
        let scale = rng.uniform(ASTEROID_SPEED.0, ASTEROID_SPEED.1) / ((dx * dx + dy * dy).sqrt() + 1e-6);
        let mut corner_radius = || ASTEROID_RADIUS + f64::from(looks.integer(-3, 3));
        let outline = std::array::from_fn(|k| {
            let (sin, cos) = (TAU * k as f64 / CORNERS as f64).sin_cos();
            (corner_radius() * cos, corner_radius() * sin)
        });
        let spin = looks.uniform(-0.02, 0.02);
        Self { x, y, vx: dx * scale, vy: dy * scale, entered: false, angle: 0.0, spin, outline }
    }

    fn step(&mut self) {
        let bounce = |position: &mut f64, velocity: &mut f64| {
            let inside = position.clamp(ASTEROID_RANGE.0, ASTEROID_RANGE.1);
            if inside != *position {
                (*position, *velocity) = (inside, -*velocity);
            }
        };
        self.x += self.vx;
        self.y += self.vy;
        self.angle += self.spin;
        let range = ASTEROID_RANGE.0..=ASTEROID_RANGE.1;
        self.entered |= range.contains(&self.x) && range.contains(&self.y);
        if self.entered {
            bounce(&mut self.x, &mut self.vx);
            bounce(&mut self.y, &mut self.vy);
        }
    }

    fn draw(&self, canvas: &mut dyn Canvas) {
        let (sin, cos) = self.angle.sin_cos();
        let corners =
            self.outline.map(|(x, y)| ((self.x + x * cos - y * sin) as i32, (self.y + x * sin + y * cos) as i32));
        canvas.polygon(&corners, Color::rgb(120, 120, 120));
    }
}

/// A coin that was collected a short while ago; only seen.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct PickUp {
    /// Steps since.
    age: u32,
    /// Where the coin and the rocket were, px.
    coin: (f64, f64),
    rocket: (f64, f64),
}

impl PickUp {
    const NONE: Self = Self { age: PLUS_STEPS, coin: (0.0, 0.0), rocket: (0.0, 0.0) };

    fn draw_ring(&self, canvas: &mut dyn Canvas) {
        if self.age >= RING_STEPS {
            return;
        }
        let radius = COIN_RADIUS as i32 + 2 * self.age as i32;
        canvas.begin_layer();
        let alpha = 255 * (RING_STEPS - self.age) / RING_STEPS;
        canvas.ring(self.coin.0 as i32, self.coin.1 as i32, radius, 2, Color::rgba(255, 220, 100, alpha as u8));
        canvas.end_layer();
    }

    fn draw_plus(&self, canvas: &mut dyn Canvas) {
        if self.age >= PLUS_STEPS {
            return;
        }
        let alpha = 255 * (PLUS_STEPS - self.age) / PLUS_STEPS;
        let (x, y) = (self.rocket.0 as i32, (self.rocket.1 - 15.0 - 0.5 * f64::from(self.age)) as i32);
        canvas.begin_layer();
        canvas.text(x, y, Anchor::TopLeft, 16, Color::rgba(255, 255, 0, alpha as u8), "+1");
        canvas.end_layer();
    }
}

/// One game of Rocket-Collect.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(super) struct RocketCollect {
    /// Center of the rocket, px, and its velocity, px a step.
    x: f64,
    y: f64,
    vx: f64,
    vy: f64,
    /// Center of the coin, px.
    coin: (f64, f64),
    /// In the order of creation; the first [`RocketCollect::asteroid_count`] exist.
    asteroids: [Asteroid; MAX_ASTEROIDS],
    asteroid_count: usize,
    /// Steps that the collision flag stays set.
    collision_steps: u32,
    coins_collected: u32,
    step: u32,
    pick_ups: [PickUp; SHOWN_PICK_UPS],
    /// What the sky looks like.
    scenery: Seed,
    /// Numbers for what is only seen.
    looks: Rng,
}

impl RocketCollect {
    fn place_coin(&mut self, rng: &mut Rng) {
        self.coin = (f64::from(rng.integer(30, 193)), f64::from(rng.integer(40, 111)));
    }

    fn add_asteroids(&mut self, rng: &mut Rng) {
        let wanted = (1 + self.step / ASTEROID_INTERVAL).min(MAX_ASTEROIDS as u32) as usize;
        while self.asteroid_count < wanted {
            self.asteroids[self.asteroid_count] = Asteroid::random(rng, &mut self.looks);
            self.asteroid_count += 1;
        }
    }

    fn asteroids(&self) -> &[Asteroid] {
        &self.asteroids[..self.asteroid_count]
    }

    fn fly(&mut self, action: &[f32]) {
        self.vx = DAMPING * (self.vx + THRUST * f64::from(action[0]));
        self.vy = DAMPING * (self.vy + THRUST * f64::from(action[1]));
        let speed = (self.vx * self.vx + self.vy * self.vy).sqrt();
        if speed > SPEED_LIMIT {
            self.vx *= SPEED_LIMIT / speed;
            self.vy *= SPEED_LIMIT / speed;
        }
        self.x = (self.x + self.vx).clamp(ROCKET_RANGE.0, ROCKET_RANGE.1);
        self.y = (self.y + self.vy).clamp(ROCKET_RANGE.0, ROCKET_RANGE.1);
    }

    fn distance(&self, x: f64, y: f64) -> f64 {
        ((x - self.x) * (x - self.x) + (y - self.y) * (y - self.y)).sqrt()
    }

    fn collect(&mut self, rng: &mut Rng) {
        self.coins_collected += 1;
        self.pick_ups.rotate_right(1);
        self.pick_ups[0] = PickUp { age: 0, coin: self.coin, rocket: (self.x, self.y) };
        self.place_coin(rng);
    }

    fn draw_rocket(&self, canvas: &mut dyn Canvas, rng: &mut Rng) {
        let (x, y) = (self.x as i32, self.y as i32);
        let fin_color = Color::rgb(150, 150, 200);
        canvas.polygon(&[(x, y - 14), (x - 8, y + 10), (x + 8, y + 10)], Color::rgb(180, 180, 255));
        canvas.polygon(&[(x - 8, y + 10), (x - 12, y + 16), (x - 4, y + 10)], fin_color);
        canvas.polygon(&[(x + 8, y + 10), (x + 12, y + 16), (x + 4, y + 10)], fin_color);
        let speed = (self.vx * self.vx + self.vy * self.vy).sqrt();
        if speed > 0.05 {
            let length = (3.0 + 4.0 * speed + f64::from(rng.integer(-1, 1))) as i32;
            let color = Color::rgb(255, rng.integer(150, 199) as u8, 80);
            canvas.polygon(&[(x - 3, y + 10), (x + 3, y + 10), (x, y + 10 + length)], color);
        }
    }
}

impl Environment for RocketCollect {
    type Params = RocketCollectParams;
    const NAME: &'static str = "rocket-collect";
    const STEP_NANOS: u64 = 50;

    fn layout(_: &RocketCollectParams) -> Layout {
        LAYOUT
    }

    fn new(_: &RocketCollectParams, rng: &mut Rng) -> Self {
        let scenery = Seed::new(rng.next_u64());
        Self {
            x: 112.0,
            y: 184.0,
            vx: 0.0,
            vy: 0.0,
            coin: (112.0, 75.0),
            asteroids: [Asteroid::default(); MAX_ASTEROIDS],
            asteroid_count: 0,
            collision_steps: 0,
            coins_collected: 0,
            step: 0,
            pick_ups: [PickUp::NONE; SHOWN_PICK_UPS],
            scenery,
            looks: scenery.rng(Purpose::Draw, 1, 0),
        }
    }

    fn reset(&mut self, params: &RocketCollectParams, rng: &mut Rng) {
        *self = Self::new(params, rng);
        self.place_coin(rng);
        self.add_asteroids(rng);
    }

    fn step(&mut self, _: &RocketCollectParams, action: &[f32], rng: &mut Rng) -> Outcome {
        for pick_up in &mut self.pick_ups {
            pick_up.age = (pick_up.age + 1).min(PLUS_STEPS);
        }
        self.fly(action);
        for asteroid in &mut self.asteroids[..self.asteroid_count] {
            asteroid.step();
        }

        let coin_distance = self.distance(self.coin.0, self.coin.1);
        let nearness = NEARNESS_REWARD * (1.0 - (coin_distance / (SIZE * std::f64::consts::SQRT_2)).min(1.0));
        let collected = coin_distance < ROCKET_RADIUS + COIN_RADIUS;
        if collected {
            self.collect(rng);
        }
        let reach = ROCKET_RADIUS + ASTEROID_RADIUS;
        let contacts = self.asteroids().iter().filter(|asteroid| self.distance(asteroid.x, asteroid.y) < reach).count();
        if contacts > 0 {
            self.collision_steps = COLLISION_STEPS;
        }

        self.step += 1;
        self.add_asteroids(rng);
        self.collision_steps = self.collision_steps.saturating_sub(1);
        Outcome::new([nearness, f64::from(u8::from(collected)), CONTACT_REWARD * contacts as f64])
    }

    fn observe(&self, _: &RocketCollectParams, row: &mut [f32]) {
        let (own, others) = row.split_at_mut(9);
        own.copy_from_slice(&[
            (self.x / SIZE) as f32,
            (self.y / SIZE) as f32,
            (self.vx / SPEED_LIMIT) as f32,
            (self.vy / SPEED_LIMIT) as f32,
            (self.coin.0 / SIZE) as f32,
            (self.coin.1 / SIZE) as f32,
            ((self.coin.0 - self.x) / SIZE) as f32,
            ((self.coin.1 - self.y) / SIZE) as f32,
            f32::from(u8::from(self.collision_steps > 0)),
        ]);
        others.fill(0.0);
        for (entries, asteroid) in others.chunks_exact_mut(4).zip(self.asteroids()) {
            entries.copy_from_slice(&[
                (asteroid.x / SIZE) as f32,
                (asteroid.y / SIZE) as f32,
                (asteroid.vx / SPEED_LIMIT) as f32,
                (asteroid.vy / SPEED_LIMIT) as f32,
            ]);
        }
    }

    fn draw_backdrop(&self, _: &RocketCollectParams, canvas: &mut dyn Canvas) {
        canvas.rows(0, CANVAS_SIZE, 0, CANVAS_SIZE, &|row| {
            let c = (20.0 + 40.0 * f64::from(row) / SIZE) as u8;
            Color::rgb(c / 2, 0, c)
        });
        let rng = &mut self.scenery.rng(Purpose::Draw, 0, 0);
        for _ in 0..40 {
            canvas.disc(rng.integer(0, 223), rng.integer(0, 223), rng.integer(1, 2), Color::WHITE);
        }
    }

    fn draw(&self, _: &RocketCollectParams, canvas: &mut dyn Canvas, rng: &mut Rng) {
        self.draw_rocket(canvas, rng);
        for asteroid in self.asteroids() {
            asteroid.draw(canvas);
        }
        let (coin_x, coin_y) = (self.coin.0 as i32, self.coin.1 as i32);
        canvas.disc(coin_x, coin_y, COIN_RADIUS as i32, Color::rgb(255, 215, 0));
        canvas.ring(coin_x, coin_y, COIN_RADIUS as i32, 2, Color::rgb(200, 120, 0));
        self.pick_ups.iter().rev().for_each(|pick_up| pick_up.draw_ring(canvas));

        let mut text = [0; 20];
        let mut rest = &mut text[..];
        write!(rest, "Score: {}", self.coins_collected).expect("the text fits");
        let unused = rest.len();
        let text = std::str::from_utf8(&text[..text.len() - unused]).expect("the text is ASCII");
        canvas.text(5, 5, Anchor::TopLeft, 16, Color::WHITE, text);
        self.pick_ups.iter().rev().for_each(|pick_up| pick_up.draw_plus(canvas));

        if self.collision_steps > 0 {
            canvas.tint(0, 0, CANVAS_SIZE, CANVAS_SIZE, Color::rgba(255, 0, 0, 80));
            canvas.shift(rng.integer(-3, 3), rng.integer(-3, 3), Color::BLACK);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector_test::{Expect, run};
    use super::*;

    const PARAMS: RocketCollectParams = RocketCollectParams {};

    fn state(coin: (f64, f64), asteroid: Asteroid) -> RocketCollect {
        let mut rng = Seed::new(0).rng(Purpose::Episode, 0, 0);
        let mut state = RocketCollect { coin, asteroid_count: 1, ..RocketCollect::new(&PARAMS, &mut rng) };
        state.asteroids[0] = asteroid;
        state
    }

    #[test]
    fn collects_a_coin_as_in_the_reference() {
        let asteroid = Asteroid { x: -28.0, y: 100.0, vx: 2.0, vy: 0.5, ..Asteroid::default() };
        let first = [
            0.500984, 0.818147, 0.055125, -0.18375, 0.535714, 0.669643, 0.0347299, -0.148504, 0.0, -0.116071, 0.448661,
            0.5, 0.125,
        ];
        let second = [
            0.502933, 0.81165, 0.109148, -0.363825, 0.535714, 0.669643, 0.0327808, -0.142008, 0.0, -0.107143, 0.450893,
            0.5, 0.125,
        ];
        let sixth = [
            0.519509, 0.756399, 0.287348, -0.957826, 0.535714, 0.669643, 0.0162053, -0.0867559, 0.0, -0.0714286,
            0.459821, 0.5, 0.125,
        ];
        let expected = [
            Expect::new(1, 0..13, &first).reward(0.0017843),
            Expect::new(2, 0..13, &second).reward(0.0017939),
            Expect::new(6, 0..13, &sixth).reward(0.0018752),
            Expect::new(7, 0..4, &[0.52464, 0.739295, 0.287348, -0.957826]).reward(1.0019003),
            Expect::new(7, 8..13, &[0.0, -0.0625, 0.462054, 0.5, 0.125]),
        ];
        let end = run(state((120.0, 150.0), asteroid), &PARAMS, |_| vec![0.3, -1.0], &expected);
        assert_eq!(end.coins_collected, 1);
        assert_ne!(end.coin, (120.0, 150.0));
    }

    #[test]
    fn the_collision_flag_outlasts_a_contact_by_four_steps() {
        let asteroid = Asteroid { x: 112.0, y: 162.0, entered: true, ..Asteroid::default() };
        let mut game = state((30.0, 40.0), asteroid);
        let (mut rng, mut row) = (Seed::new(0).rng(Purpose::Episode, 0, 0), [0.0; 21]);
        for step in 1..=7 {
            let outcome = game.step(&PARAMS, &[0.0, 1.0], &mut rng);
            game.observe(&PARAMS, &mut row);
            assert_eq!(row[8], if step <= 5 { 1.0 } else { 0.0 }, "step {step}");
            assert_eq!(outcome.terms[2], if step == 1 { CONTACT_REWARD } else { 0.0 }, "step {step}");
            if step == 1 {
                assert!((outcome.reward() - -0.1991).abs() < 5e-5, "{}", outcome.reward());
            }
        }
    }

    #[test]
    fn asteroids_join_after_150_and_300_steps_from_outside() {
        let mut rng = Seed::new(0).rng(Purpose::Episode, 0, 0);
        let mut game = RocketCollect::new(&PARAMS, &mut rng);
        game.reset(&PARAMS, &mut rng);
        for step in 1..=500 {
            game.step(&PARAMS, &[0.0, 0.0], &mut rng);
            assert_eq!(game.asteroid_count, 1 + usize::from(step >= 150) + usize::from(step >= 300), "step {step}");
            if step == 150 {
                let new = &game.asteroids[1];
                assert!([-28.0, 252.0].iter().any(|&edge| new.x == edge || new.y == edge), "{new:?}");
            }
        }
        assert!(game.asteroids().iter().all(|asteroid| asteroid.entered));
    }
}
