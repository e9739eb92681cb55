//! CoinRun: run over the meadow and jump for the coins.
//!
//! A string of coins is replaced only when each of its coins is taken or gone, so a coin that was missed stays in the
//! observation, at falling and at last negative columns, until its whole string has passed.

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use super::coins::CoinString;
use super::meadow::{Meadow, draw_coin, draw_sparkles};
use super::runner::{RUNNER_X, Runner, SCROLL_SPEED};
use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::{CANVAS_SIZE, Canvas, Color};
use crate::sim::{Purpose, Rng, Seed};

/// Fewest and most coins of a string.
const STRING_COINS: (i32, i32) = (2, 5);
/// Columns of a string's first coin, px.
const STRING_X: (i32, i32) = (CANVAS_SIZE + 20, CANVAS_SIZE + 59);
/// Row of the lowest coin, and how many rows of 18 px above it a string may start, px.
const LOWEST_COIN: i32 = 173;
const FIRST_RISE: i32 = 18;
/// Rows that coins keep to, px.
const COIN_ROWS: (i32, i32) = (83, LOWEST_COIN);
/// A stride counts twice a step while the runner is on the ground.
const STRIDE_COUNTS: u32 = 2;
/// Coins taken so recently that they may still sparkle: never more than one string's.
const BURSTS: usize = 5;

const SKIN_COLOR: Color = Color::rgb(222, 184, 135);
const HAIR_COLOR: Color = Color::rgb(220, 20, 60);
const DRESS_COLOR: Color = Color::rgb(139, 69, 19);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("height, down", 1, "px/224"),
        Field::new("vertical velocity, down", 1, "px/step/10"),
        Field::new("coin positions, -1 where taken or none", 10, "px/224"),
    ],
    action: &[Field::new("jump", 1, "12 px/step")],
    rate_hz: 30.0,
    reward_terms: &["coins"],
    constant_entries: &[],
};

/// Nothing varies.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CoinRunParams {}

/// One run.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(super) struct CoinRun {
    runner: Runner,
    coins: CoinString,
    steps: u32,
    /// The coins taken last, a ring of `n_bursts` written so far.
    bursts: [Burst; BURSTS],
    n_bursts: usize,
    scenery_seed: Seed,
    meadow: Meadow,
}

/// Where a coin was taken, and after how many steps.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Burst {
    center: (i32, i32),
    step: u32,
}

impl CoinRun {
    fn start(rng: &mut Rng) -> Self {
        let coins = random_string(rng);
        let scenery_seed = Seed::new(rng.next_u64());
        Self {
            runner: Runner::standing(),
            coins,
            steps: 0,
            bursts: [Burst::default(); BURSTS],
            n_bursts: 0,
            scenery_seed,
            meadow: Meadow::random(scenery_seed.rng(Purpose::Draw, 0, 0)),
        }
    }

    fn draw_runner(&self, canvas: &mut dyn Canvas) {
        let (x, y) = (RUNNER_X, self.runner.y as i32);
        let pose = self.runner.pose();
        canvas.round_rect(x + 2, y - 1, 14, 18, 7, HAIR_COLOR);
        canvas.disc(x + 9, y + 5, 5, SKIN_COLOR);
        // Columns of both hands and their row, from the runner's corner.
        let hands = [[(4, 14, 14), (5, 17, 15)], [(0, 18, 16), (1, 21, 17)]];
        let (left, right, row) = hands[usize::from(self.runner.grounded)][pose];
        canvas.line(x + 6, y + 12, x + left, y + row, 2, Color::BLACK);
        canvas.line(x + 12, y + 12, x + right, y + row, 2, Color::BLACK);
        let (left, right) = [(4, 14), (2, 16)][pose];
        canvas.line(x + 8, y + 25, x + left, y + 35, 2, Color::BLACK);
        canvas.line(x + 10, y + 25, x + right, y + 35, 2, Color::BLACK);
        canvas.polygon(&[(x + 6, y + 10), (x + 12, y + 10), (x + 9, y + 25)], DRESS_COLOR);
        canvas.polygon(&[(x + 3, y + 30), (x + 15, y + 30), (x + 9, y + 18)], DRESS_COLOR);
    }
}

fn random_string(rng: &mut Rng) -> CoinString {
    let n = rng.integer(STRING_COINS.0, STRING_COINS.1) as usize;
    let x = rng.integer(STRING_X.0, STRING_X.1);
    let y = LOWEST_COIN - FIRST_RISE * rng.integer(1, 4);
    CoinString::random(n, x, y, COIN_ROWS, rng)
}

impl Environment for CoinRun {
    type Params = CoinRunParams;
    const NAME: &'static str = "coinrun";
    const STEP_NANOS: u64 = 65;

    fn layout(_: &CoinRunParams) -> Layout {
        LAYOUT
    }

    fn new(_: &CoinRunParams, rng: &mut Rng) -> Self {
        Self::start(rng)
    }

    fn reset(&mut self, _: &CoinRunParams, rng: &mut Rng) {
        *self = Self::start(rng);
    }

    fn step(&mut self, _: &CoinRunParams, action: &[f32], rng: &mut Rng) -> Outcome {
        self.runner.advance(action[0]);
        if self.runner.grounded {
            self.runner.stride(STRIDE_COUNTS);
        }
        self.coins.scroll(SCROLL_SPEED);
        self.meadow.scroll();
        if self.coins.spent() {
            self.coins = random_string(rng);
        }
        let taken = self.coins.collect(self.runner.hit_box(), |x, y| {
            self.bursts[self.n_bursts % BURSTS] = Burst { center: (x, y), step: self.steps };
            self.n_bursts += 1;
        });
        self.steps += 1;
        Outcome::new([f64::from(taken)])
    }

    fn observe(&self, _: &CoinRunParams, row: &mut [f32]) {
        row[..2].copy_from_slice(&self.runner.observe());
        self.coins.observe(&mut row[2..]);
    }

    fn draw_backdrop(&self, _: &CoinRunParams, canvas: &mut dyn Canvas) {
        Meadow::draw_backdrop(canvas);
    }

    fn draw(&self, _: &CoinRunParams, canvas: &mut dyn Canvas, rng: &mut Rng) {
        self.meadow.draw_behind(canvas, rng);
        self.draw_runner(canvas);
        self.meadow.draw_in_front(canvas, rng);
        for (i, x, y) in self.coins.iter() {
            draw_coin(canvas, x, y, f64::from(self.steps) + 7.0 * i as f64);
        }
        for i in self.n_bursts.saturating_sub(BURSTS)..self.n_bursts {
            let burst = self.bursts[i % BURSTS];
            let mut rng = self.scenery_seed.rng(Purpose::Draw, 1 + i as u64, 0);
            draw_sparkles(canvas, burst.center, self.steps - burst.step, &mut rng);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector_test::{Expect, run};
    use super::*;

    #[test]
    fn matches_the_reference_trajectory() {
        let state = CoinRun {
            coins: CoinString::new(100, &[137, 119, 155]),
            ..CoinRun::start(&mut Seed::new(0).rng(Purpose::Episode, 0, 0))
        };
        let row = |step, values: [f32; 8], reward| {
            let mut all = [-1.0; 12];
            all[..8].copy_from_slice(&values);
            Expect::new(step, 0..12, &all).reward(reward)
        };
        let expected = [
            row(1, [0.0, 0.0, 0.401786, 0.611607, 0.522321, 0.53125, 0.642857, 0.691964], 0.0),
            row(2, [-0.04375, -0.98, 0.357143, 0.611607, 0.477679, 0.53125, 0.598214, 0.691964], 0.0),
            row(3, [-0.0830357, -0.88, 0.3125, 0.611607, 0.433036, 0.53125, 0.553571, 0.691964], 0.0),
            row(4, [-0.117857, -0.78, -1.0, -1.0, 0.388393, 0.53125, 0.508929, 0.691964], 1.0),
            row(7, [-0.195536, -0.48, -1.0, -1.0, -1.0, -1.0, 0.375, 0.691964], 1.0),
            row(10, [-0.233036, -0.18, -1.0, -1.0, -1.0, -1.0, 0.241071, 0.691964], 0.0),
        ];
        let jump = |step| vec![if step == 2 { 0.9 } else { 0.0 }];
        run(state, &CoinRunParams {}, jump, &expected);
    }

    #[test]
    fn a_new_string_comes_one_step_after_the_last_coin() {
        let mut rng = Seed::new(0).rng(Purpose::Episode, 0, 0);
        let mut state = CoinRun { coins: CoinString::new(60, &[160]), ..CoinRun::start(&mut rng) };
        assert_eq!(state.step(&CoinRunParams {}, &[0.0], &mut rng).reward(), 1.0);
        assert_eq!(state.coins.iter().count(), 0);
        assert_eq!(state.step(&CoinRunParams {}, &[0.0], &mut rng).reward(), 0.0);
        assert!(state.coins.iter().count() >= 2);
        assert!(state.coins.iter().all(|(_, x, _)| x >= STRING_X.0));
    }
}
