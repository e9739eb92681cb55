//! What the running games share: the runner with its jump, and the pebbles that pass by.

use serde::{Deserialize, Serialize};

use super::rect::Rect;
use crate::paint::{CANVAS_SIZE, Canvas, Color};
use crate::sim::Rng;

/// Row of the ground line, px.
pub(super) const GROUND: i32 = 184;
/// Left edge of the runner, px.
pub(super) const RUNNER_X: i32 = 40;
/// Size of the runner, px.
pub(super) const RUNNER_WIDTH: i32 = 18;
/// See [`RUNNER_WIDTH`].
pub(super) const RUNNER_HEIGHT: i32 = 30;
/// How far the world moves to the left, px a step.
pub(super) const SCROLL_SPEED: i32 = 10;

/// Top edge of a runner on the ground, px.
const RUNNING_Y: f64 = (GROUND - RUNNER_HEIGHT) as f64;
/// Speed at which a full jump starts, px a step.
const JUMP_SPEED: f64 = 12.0;
/// px a step².
const GRAVITY: f64 = 1.0;
/// Counts of the stride after which arms and legs change.
const STRIDE: u32 = 6;

/// A runner at a fixed horizontal place.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Runner {
    /// Top edge, px.
    pub y: f64,
    /// Downward speed, px a step.
    pub velocity: f64,
    /// Whether the ground stopped the last step.
    pub grounded: bool,
    stride: u32,
}

impl Runner {
    /// At rest on the ground.
    pub(super) fn standing() -> Self {
        Self { y: RUNNING_Y, velocity: 0.0, grounded: true, stride: 0 }
    }

    /// Whether a jump can start here.
    pub(super) fn on_ground(&self) -> bool {
        self.y >= RUNNING_Y - 0.001
    }

    /// Jumps if `thrust` is positive and there is ground to push from, then falls for one step; whether it jumped.
    pub(super) fn advance(&mut self, thrust: f32) -> bool {
        let jumps = thrust > 0.0 && self.on_ground();
        if jumps {
            self.velocity = -JUMP_SPEED * f64::from(thrust);
        }
        self.velocity += GRAVITY;
        self.y += self.velocity;
        self.grounded = self.y > RUNNING_Y;
        if self.grounded {
            (self.y, self.velocity) = (RUNNING_Y, 0.0);
        }
        jumps
    }

    /// Runs on by `counts` of the stride.
    pub(super) fn stride(&mut self, counts: u32) {
        self.stride += counts;
    }

    /// Which of the two poses arms and legs are in.
    pub(super) fn pose(&self) -> usize {
        (self.stride / STRIDE % 2) as usize
    }

    /// The box that touches things.
    pub(super) fn hit_box(&self) -> Rect {
        let top = self.y as i32;
        Rect { left: RUNNER_X, top, right: RUNNER_X + RUNNER_WIDTH, bottom: top + RUNNER_HEIGHT }
    }

    /// Height over the ground (px/224, negative above it) and downward speed (px/step/10).
    pub(super) fn observe(&self) -> [f32; 2] {
        [((self.y - RUNNING_Y) / f64::from(CANVAS_SIZE)) as f32, (self.velocity / 10.0) as f32]
    }
}

/// Pebbles on the ground, for pictures only.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Pebbles {
    positions: [(f64, f64); 10],
}

impl Pebbles {
    /// Pebbles whose columns `x` draws.
    pub(super) fn scattered(rng: &mut Rng, x: impl Fn(&mut Rng) -> f64) -> Self {
        Self { positions: std::array::from_fn(|_| (x(rng), Self::row(rng))) }
    }

    /// Moves the world on; a pebble left of `exit` comes back from the right.
    pub(super) fn scroll(&mut self, exit: f64, rng: &mut Rng) {
        for pebble in &mut self.positions {
            pebble.0 -= f64::from(SCROLL_SPEED);
            if pebble.0 < exit {
                *pebble = (f64::from(CANVAS_SIZE) + rng.uniform(0.0, 20.0), Self::row(rng));
            }
        }
    }

    /// Paints them.
    pub(super) fn draw(&self, canvas: &mut dyn Canvas, color: Color) {
        for &(x, y) in &self.positions {
            canvas.disc(x as i32, y as i32, 1, color);
        }
    }

    fn row(rng: &mut Rng) -> f64 {
        f64::from(GROUND) + rng.uniform(1.0, 4.0)
    }
}
