//! Spaceship: fly through strings of coins and keep clear of the asteroid.
//!
//! An asteroid, and the flag that it was hit, outlive the episode: the next one starts with it where it is. Flying
//! through one costs 2 at every step of the way.

use std::f64::consts::TAU;

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use super::coins::{COIN_RADIUS, COIN_SPACING, CoinString};
use super::rect::Rect;
use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::{CANVAS_SIZE, Canvas, Color};
use crate::sim::{Purpose, Rng, Seed};

const SHIP_WIDTH: f64 = 28.0;
const SHIP_HEIGHT: f64 = 18.0;
/// Top-left corner of the ship at the start, px.
const SHIP_START: (f64, f64) = (40.0, 112.0);
/// px a step².
const THRUST: f64 = 0.65;
/// What a step leaves of the velocity.
const DAMPING: f64 = 0.95;
/// Speed of coins and asteroid, px a step.
const SCROLL_SPEED: i32 = 12;
/// Fewest and most coins of a string.
const STRING_COINS: (i32, i32) = (2, 4);
/// Columns and rows of a string's first coin, and the rows that its coins keep to, px.
const STRING_X: (i32, i32) = (CANVAS_SIZE + 20, CANVAS_SIZE + 59);
const STRING_Y: (i32, i32) = (30, 193);
const COIN_ROWS: (i32, i32) = (20, 204);
const ASTEROID_RADIUS: f64 = 18.0;
/// How often an asteroid comes with a new string when there is none.
const ASTEROID_CHANCE: f64 = 0.5;
const ASTEROID_ROWS: (i32, i32) = (40, 183);
/// rad a step.
const ASTEROID_SPIN: f64 = 0.02;
const COLLISION_REWARD: f64 = -2.0;

/// Stars in the picture and how fast they pass, px a step.
const STARS: usize = 50;
const STAR_SPEED: u32 = 6;
/// Steps from a star's entry at the right edge to its next.
const STAR_STEPS: u32 = CANVAS_SIZE as u32 / STAR_SPEED + 1;

const HULL_COLOR: Color = Color::rgb(180, 180, 255);
const WING_COLOR: Color = Color::rgb(100, 100, 200);
/// Color and relative size of the flames, outermost first.
const FLAMES: [(Color, f64); 3] =
    [(Color::rgb(255, 255, 120), 1.0), (Color::rgb(255, 200, 60), 0.7), (Color::rgb(255, 140, 0), 0.5)];
const COIN_COLOR: Color = Color::rgb(255, 215, 0);
const RIM_COLOR: Color = Color::rgb(200, 160, 0);
const ROCK_COLOR: Color = Color::rgb(100, 100, 100);
const ROCK_EDGE_COLOR: Color = Color::rgb(60, 60, 60);
const COLLISION_TINT: Color = Color::rgba(220, 60, 60, 40);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("ship position", 2, "px/224"),
        Field::new("ship velocity", 2, "px/step/10"),
        Field::new("coin positions, -1 where taken or none", 8, "px/224"),
        Field::new("asteroid position, -1 if none", 2, "px/224"),
    ],
    action: &[Field::new("thrust right, down", 2, "0.65 px/step²")],
    rate_hz: 30.0,
    reward_terms: &["coins", "collision"],
    constant_entries: &[],
};

/// Nothing varies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpaceshipParams {}

/// One flight.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(super) struct Spaceship {
    /// Top-left corner, px, and velocity, px a step.
    ship: (f64, f64),
    velocity: (f64, f64),
    coins: CoinString,
    asteroid: Option<Asteroid>,
    collided: bool,
    steps: u32,
    /// Draws what only pictures show.
    scenery: Seed,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Asteroid {
    /// Center, px.
    x: f64,
    y: f64,
    /// rad.
    angle: f64,
    /// Distances of the outline's corners from the center, px.
    radii: [f64; 10],
}

impl Asteroid {
    fn new(x: f64, y: f64, scenery: &mut Rng) -> Self {
        let radii = std::array::from_fn(|_| ASTEROID_RADIUS * (0.7 + 0.6 * scenery.unit()));
        Self { x, y, angle: 0.0, radii }
    }

    fn hit_box(&self) -> Rect {
        let side = 2.0 * ASTEROID_RADIUS;
        Rect::new(self.x - ASTEROID_RADIUS, self.y - ASTEROID_RADIUS, side, side)
    }

    fn draw(&self, canvas: &mut dyn Canvas) {
        let corners: [_; 10] = std::array::from_fn(|k| {
            let (sin, cos) = (TAU * k as f64 / 10.0 + self.angle).sin_cos();
            ((self.x + self.radii[k] * cos) as i32, (self.y + self.radii[k] * sin) as i32)
        });
        canvas.polygon(&corners, ROCK_COLOR);
        canvas.polygon_outline(&corners, 2, ROCK_EDGE_COLOR);
    }
}

impl Spaceship {
    /// Brings the next string of coins and perhaps, if there is none, an asteroid behind it.
    fn spawn(&mut self, rng: &mut Rng) {
        let n = rng.integer(STRING_COINS.0, STRING_COINS.1);
        let x = rng.integer(STRING_X.0, STRING_X.1);
        let y = rng.integer(STRING_Y.0, STRING_Y.1);
        self.coins = CoinString::random(n as usize, x, y, COIN_ROWS, rng);
        if self.asteroid.is_none() && rng.chance(ASTEROID_CHANCE) {
            let x = f64::from(x + COIN_SPACING * (n + 2)) + rng.uniform(-30.0, 30.0);
            let y = f64::from(rng.integer(ASTEROID_ROWS.0, ASTEROID_ROWS.1));
            let mut scenery = self.scenery.rng(Purpose::Draw, 2, u64::from(self.steps));
            self.asteroid = Some(Asteroid::new(x, y, &mut scenery));
        }
    }

    fn start(&mut self, rng: &mut Rng) {
        (self.ship, self.velocity) = (SHIP_START, (0.0, 0.0));
        self.steps = 0;
        self.scenery = Seed::new(rng.next_u64());
        self.spawn(rng);
    }

    fn hit_box(&self) -> Rect {
        Rect::new(self.ship.0, self.ship.1, SHIP_WIDTH, SHIP_HEIGHT)
    }

    fn draw_stars(&self, canvas: &mut dyn Canvas) {
        let width = f64::from(CANVAS_SIZE);
        // Whichever of its entries at the right edge a star has behind it, it is one of these two.
        let entry = self.steps / STAR_STEPS;
        let mut columns = self.scenery.rng(Purpose::Draw, 0, 0);
        let mut rows = [entry, entry + 1].map(|entry| self.scenery.rng(Purpose::Draw, 1, u64::from(entry)));
        for _ in 0..STARS {
            let first = columns.uniform(0.0, width);
            let row = rows.each_mut().map(|rng| rng.uniform(0.0, width));
            let exit = first as u32 / STAR_SPEED + 1;
            let (x, entries) = match self.steps.checked_sub(exit) {
                None => (first - f64::from(STAR_SPEED * self.steps), 0),
                Some(since) => (width - f64::from(STAR_SPEED * (since % STAR_STEPS)), 1 + since / STAR_STEPS),
            };
            canvas.disc(x as i32, row[(entries - entry) as usize] as i32, 1, Color::WHITE);
        }
    }

    fn draw_ship(&self, canvas: &mut dyn Canvas, rng: &mut Rng) {
        let (x, y) = (self.ship.0 as i32, self.ship.1 as i32);
        canvas.polygon(&[(x, y), (x, y + 18), (x + 28, y + 9)], HULL_COLOR);
        canvas.line(x + 4, y - 2, x + 4, y + 20, 2, WING_COLOR);
        let speed = self.velocity.0.hypot(self.velocity.1);
        if speed <= 0.1 {
            return;
        }
        let length = (14.0 + 4.0 * speed).min(28.0) * (1.0 + rng.uniform(-0.1, 0.1));
        let half_width = (4.0 + 0.3 * speed) * (1.0 + rng.uniform(-0.1, 0.1));
        for (color, factor) in FLAMES {
            let tip = (f64::from(x) - factor * length) as i32;
            let half = (factor * half_width) as i32;
            canvas.polygon(&[(tip, y + 9), (x, y + 9 - half), (x, y + 9 + half)], color);
        }
    }
}

impl Environment for Spaceship {
    type Params = SpaceshipParams;
    const NAME: &'static str = "spaceship";
    const STEP_NANOS: u64 = 25;

    fn layout(_: &SpaceshipParams) -> Layout {
        LAYOUT
    }

    /// Starts an episode that nobody plays: its asteroid, if any, is there in the first one that is.
    fn new(_: &SpaceshipParams, rng: &mut Rng) -> Self {
        let mut state = Self {
            ship: SHIP_START,
            velocity: (0.0, 0.0),
            coins: CoinString::new(0, &[]),
            asteroid: None,
            collided: false,
            steps: 0,
            scenery: Seed::new(0),
        };
        state.start(rng);
        state
    }

    fn reset(&mut self, _: &SpaceshipParams, rng: &mut Rng) {
        self.start(rng);
    }

    fn step(&mut self, _: &SpaceshipParams, action: &[f32], rng: &mut Rng) -> Outcome {
        let (ship, velocity) = (&mut self.ship, &mut self.velocity);
        velocity.0 += THRUST * f64::from(action[0]);
        velocity.1 += THRUST * f64::from(action[1]);
        let size = f64::from(CANVAS_SIZE);
        ship.0 = (ship.0 + velocity.0).clamp(0.0, size - SHIP_WIDTH);
        ship.1 = (ship.1 + velocity.1).clamp(0.0, size - SHIP_HEIGHT);
        velocity.0 *= DAMPING;
        velocity.1 *= DAMPING;

        let ship_box = self.hit_box();
        let mut collision = 0.0;
        if let Some(asteroid) = &mut self.asteroid {
            asteroid.x -= f64::from(SCROLL_SPEED);
            asteroid.angle += ASTEROID_SPIN;
            self.collided = ship_box.overlaps(asteroid.hit_box());
            if self.collided {
                collision = COLLISION_REWARD;
            }
            if asteroid.x < -ASTEROID_RADIUS {
                self.asteroid = None;
            }
        }

        self.coins.scroll(SCROLL_SPEED);
        if self.coins.spent() {
            self.spawn(rng);
        }
        let coins = f64::from(self.coins.collect(ship_box, |_, _| {}));
        self.steps += 1;
        Outcome::new([coins, collision])
    }

    fn observe(&self, _: &SpaceshipParams, row: &mut [f32]) {
        let size = f64::from(CANVAS_SIZE);
        row[0] = (self.ship.0 / size) as f32;
        row[1] = (self.ship.1 / size) as f32;
        row[2] = (self.velocity.0 / 10.0) as f32;
        row[3] = (self.velocity.1 / 10.0) as f32;
        self.coins.observe(&mut row[4..12]);
        let asteroid = self.asteroid.as_ref().map_or((-1.0, -1.0), |a| ((a.x / size) as f32, (a.y / size) as f32));
        (row[12], row[13]) = asteroid;
    }

    fn draw_backdrop(&self, _: &SpaceshipParams, canvas: &mut dyn Canvas) {
        canvas.fill(Color::BLACK);
    }

    fn draw(&self, _: &SpaceshipParams, canvas: &mut dyn Canvas, rng: &mut Rng) {
        self.draw_stars(canvas);
        self.draw_ship(canvas, rng);
        for (_, x, y) in self.coins.iter() {
            canvas.disc(x, y, COIN_RADIUS, COIN_COLOR);
            canvas.ring(x, y, COIN_RADIUS, 2, RIM_COLOR);
        }
        if let Some(asteroid) = &self.asteroid {
            asteroid.draw(canvas);
        }
        if self.collided {
            canvas.tint(0, 0, CANVAS_SIZE, CANVAS_SIZE, COLLISION_TINT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector_test::{Expect, run};
    use super::*;

    fn rng(stream: u64) -> Rng {
        Seed::new(0).rng(Purpose::Episode, stream, 0)
    }

    fn with(coins: CoinString, asteroid: (f64, f64)) -> Spaceship {
        let asteroid = Some(Asteroid::new(asteroid.0, asteroid.1, &mut rng(1)));
        Spaceship { coins, asteroid, ..Spaceship::new(&SpaceshipParams {}, &mut rng(0)) }
    }

    #[test]
    fn matches_the_reference_trajectory() {
        let state = with(CoinString::new(100, &[112, 130]), (190.5, 120.0));
        let rows = [
            (0.0, [0.180022, 0.499275, 0.030875, -0.0154375, 0.392857, 0.5, 0.513393, 0.580357], 0.796875),
            (1.0, [0.182852, 0.49786, 0.0602062, -0.0301031, -1.0, -1.0, 0.459821, 0.580357], 0.743304),
            (0.0, [0.18699, 0.495791, 0.0880709, -0.0440355, -1.0, -1.0, 0.40625, 0.580357], 0.689732),
            (1.0, [0.192373, 0.493099, 0.114542, -0.0572712, -1.0, -1.0, -1.0, -1.0], 0.636161),
        ];
        let expected: Vec<Expect> = (1..)
            .zip(rows)
            .flat_map(|(step, (reward, values, asteroid_x))| {
                let asteroid = Expect::new(step, 12..14, &[asteroid_x, 0.535714]);
                [Expect::new(step, 0..8, &values).reward(reward), asteroid]
            })
            .collect();
        run(state, &SpaceshipParams {}, |_| vec![0.5, -0.25], &expected);
    }

    #[test]
    fn every_step_within_the_asteroid_costs() {
        let state = with(CoinString::new(400, &[30]), (100.5, 120.0));
        let columns = [0.395089, 0.341518, 0.287946, 0.234375, 0.180804, 0.127232, 0.0736607, 0.0200893, -0.0334821];
        let expected: Vec<Expect> = (1..=12)
            .map(|step| {
                let column = columns.get(step as usize - 1).copied().unwrap_or(-1.0);
                let reward = if (2..=6).contains(&step) { -2.0 } else { 0.0 };
                Expect::new(step, 12..13, &[column]).reward(reward)
            })
            .collect();
        run(state, &SpaceshipParams {}, |_| vec![0.0, 0.0], &expected);
    }

    #[test]
    fn the_asteroid_outlives_the_episode() {
        let mut state = with(CoinString::new(400, &[30]), (100.5, 120.0));
        state.collided = true;
        state.reset(&SpaceshipParams {}, &mut rng(2));
        assert_eq!(state.asteroid.map(|asteroid| asteroid.x), Some(100.5));
        assert!(state.collided);
    }

    #[test]
    fn three_of_four_first_episodes_start_with_an_asteroid() {
        let found = (0..2000).filter(|&stream| {
            let mut rng = rng(stream);
            let mut state = Spaceship::new(&SpaceshipParams {}, &mut rng);
            state.reset(&SpaceshipParams {}, &mut rng);
            state.asteroid.is_some()
        });
        let share = found.count() as f64 / 2000.0;
        assert!((share - 0.75).abs() < 0.04, "{share}");
    }
}
