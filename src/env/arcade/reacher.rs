//! Reacher: bring the fingertip of a planar two-link arm into a disc and hold it there.
//!
//! The joints do not feel each other, gravity or inertia: each is a damped axis of its own. The shoulder turns without
//! limit and its angle is observed raw. Units are SI, x right and y up, the shoulder at the origin.

use std::f64::consts::{PI, TAU};

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::{CANVAS_SIZE, Canvas, Color};
use crate::sim::Rng;

/// Length of each link, m.
const LINK_M: f64 = 0.11;
/// Largest bend of the elbow to either side, rad.
const ELBOW_LIMIT_RAD: f64 = 160.0 * PI / 180.0;
const TIME_STEP_SECS: f64 = 0.02;
const SHOULDER: Joint = Joint { gain: 90.0, drag: 4.0, quadratic_drag: 1.2 };
const ELBOW: Joint = Joint { gain: 180.0, drag: 38.0, quadratic_drag: 0.05 };
/// Largest joint velocity, rad/s.
const MAX_VELOCITY: f32 = 30.0;
/// Distances of targets from the shoulder, m.
const TARGET_DISTANCE_M: (f64, f64) = (0.05, 0.20);

/// Picture scale: an arm of two links covers 90% of half the panel's width.
const PX_PER_M: f64 = 0.45 * 184.0 / 0.22;
/// Fingertip places that stay visible.
const TRAIL: usize = 10;

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("joint angles, unwrapped", 2, "rad"),
        Field::new("fingertip to target", 2, "m"),
        Field::new("joint velocities", 2, "rad/s"),
    ],
    action: &[Field::new("shoulder acceleration", 1, "90 rad/s^2"), Field::new("elbow acceleration", 1, "180 rad/s^2")],
    rate_hz: 50.0,
    reward_terms: &["on target"],
    constant_entries: &[],
};

/// The size of the target.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReacherParams {
    target_radius_m: f64,
}

/// One arm with its target.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(super) struct Reacher {
    /// Shoulder and elbow, rad and rad/s.
    angles: [f64; 2],
    velocities: [f32; 2],
    target: (f64, f64),
    /// Follows from the angles.
    tip: (f64, f64),
    /// The latest fingertip places, px, a ring; it outlives episodes.
    trail: [(u8, u8); TRAIL],
    trail_count: usize,
}

/// How a joint answers to its action. 32-bit, as the reference computes it.
struct Joint {
    /// Acceleration of a full action, rad/s².
    gain: f32,
    /// Linear drag, 1/s.
    drag: f32,
    /// Quadratic drag, 1/rad.
    quadratic_drag: f32,
}

impl Joint {
    fn velocity_after(&self, velocity: f32, action: f32) -> f32 {
        let acceleration = self.gain * action - self.drag * velocity - self.quadratic_drag * velocity.abs() * velocity;
        (velocity + TIME_STEP_SECS as f32 * acceleration).clamp(-MAX_VELOCITY, MAX_VELOCITY)
    }
}

impl Reacher {
    fn elbow(&self) -> (f64, f64) {
        let (sin, cos) = self.angles[0].sin_cos();
        (LINK_M * cos, LINK_M * sin)
    }

    fn move_tip(&mut self) {
        let elbow = self.elbow();
        let (sin, cos) = (self.angles[0] + self.angles[1]).sin_cos();
        self.tip = (elbow.0 + LINK_M * cos, elbow.1 + LINK_M * sin);
        let (x, y) = to_pixel(self.tip);
        self.trail[self.trail_count % TRAIL] = (x as u8, y as u8);
        self.trail_count += 1;
    }
}

/// From meters about the shoulder to pixels.
fn to_pixel(point: (f64, f64)) -> (i32, i32) {
    ((112.0 + PX_PER_M * point.0) as i32, (112.0 - PX_PER_M * point.1) as i32)
}

impl Environment for Reacher {
    type Params = ReacherParams;
    const NAME: &'static str = "reacher";
    const STEP_NANOS: u64 = 60;

    fn layout(_: &ReacherParams) -> Layout {
        LAYOUT
    }

    fn new(_: &ReacherParams, _: &mut Rng) -> Self {
        Self {
            angles: [0.0; 2],
            velocities: [0.0; 2],
            target: (0.0, 0.0),
            tip: (2.0 * LINK_M, 0.0),
            trail: [(0, 0); TRAIL],
            trail_count: 0,
        }
    }

    fn reset(&mut self, _: &ReacherParams, rng: &mut Rng) {
        self.angles = [rng.uniform(-PI, PI), rng.uniform(-ELBOW_LIMIT_RAD, ELBOW_LIMIT_RAD)];
        self.velocities = [0.0; 2];
        let (sin, cos) = rng.uniform(0.0, TAU).sin_cos();
        let distance = rng.uniform(TARGET_DISTANCE_M.0, TARGET_DISTANCE_M.1);
        self.target = (distance * cos, distance * sin);
        self.move_tip();
    }

    fn step(&mut self, params: &ReacherParams, action: &[f32], _: &mut Rng) -> Outcome {
        for (index, joint) in [SHOULDER, ELBOW].iter().enumerate() {
            self.velocities[index] = joint.velocity_after(self.velocities[index], action[index]);
            self.angles[index] += TIME_STEP_SECS * f64::from(self.velocities[index]);
        }
        if self.angles[1].abs() > ELBOW_LIMIT_RAD {
            self.angles[1] = ELBOW_LIMIT_RAD.copysign(self.angles[1]);
            self.velocities[1] = 0.0;
        }
        self.move_tip();
        let distance = (self.target.0 - self.tip.0).hypot(self.target.1 - self.tip.1);
        Outcome::new([if distance <= params.target_radius_m { 1.0 } else { 0.0 }])
    }

    fn observe(&self, _: &ReacherParams, row: &mut [f32]) {
        row.copy_from_slice(&[
            self.angles[0] as f32,
            self.angles[1] as f32,
            (self.target.0 - self.tip.0) as f32,
            (self.target.1 - self.tip.1) as f32,
            self.velocities[0],
            self.velocities[1],
        ]);
    }

    fn draw_backdrop(&self, params: &ReacherParams, canvas: &mut dyn Canvas) {
        let (near, middle, far) = (Color::rgb(120, 160, 160), Color::rgb(115, 95, 165), Color::rgb(160, 90, 130));
        canvas.pixels(0, 0, CANVAS_SIZE, CANVAS_SIZE, &|column, row| {
            let along = f64::from(column + row) / 223.0;
            if along <= 1.0 { near.blend(middle, along) } else { middle.blend(far, along - 1.0) }
        });
        canvas.begin_layer();
        canvas.round_rect(20, 20, 184, 184, 14, Color::BLACK.with_alpha(30));
        canvas.end_layer();
        canvas.round_rect_outline(20, 20, 184, 184, 14, 2, Color::rgb(60, 220, 255));
        canvas.round_rect_outline(23, 23, 178, 178, 12, 1, Color::rgb(255, 70, 200));
        let (x, y) = to_pixel(self.target);
        let radius = (PX_PER_M * params.target_radius_m) as i32;
        canvas.disc(x, y, radius, Color::rgb(210, 70, 60));
        canvas.ring(x, y, radius, 3, Color::rgb(220, 80, 70));
    }

    fn draw(&self, _: &ReacherParams, canvas: &mut dyn Canvas, _: &mut Rng) {
        let (shoulder, elbow, tip) = (to_pixel((0.0, 0.0)), to_pixel(self.elbow()), to_pixel(self.tip));
        canvas.line(shoulder.0, shoulder.1, elbow.0, elbow.1, 6, Color::rgb(180, 180, 180));
        canvas.line(elbow.0, elbow.1, tip.0, tip.1, 6, Color::rgb(255, 140, 0));
        canvas.disc(shoulder.0, shoulder.1, 4, Color::rgb(160, 160, 160));
        canvas.disc(elbow.0, elbow.1, 4, Color::rgb(255, 200, 120));
        for &(x, y) in &self.trail[..self.trail_count.min(TRAIL)] {
            canvas.disc(x.into(), y.into(), 3, Color::WHITE);
        }
        canvas.disc(tip.0, tip.1, 3, Color::rgb(230, 230, 230));
    }
}

#[cfg(test)]
mod tests {
    use super::super::vector_test::{Expect, run};
    use super::*;
    use crate::sim::{Purpose, Seed};

    const EASY: ReacherParams = ReacherParams { target_radius_m: 0.04 };

    fn at(angles: [f64; 2], velocities: [f32; 2], target: (f64, f64)) -> Reacher {
        let new = Reacher::new(&EASY, &mut Seed::new(0).rng(Purpose::Episode, 0, 0));
        Reacher { angles, velocities, target, ..new }
    }

    #[test]
    fn matches_the_reference_trajectory() {
        let expected = [
            Expect::new(1, 0..6, &[0.53592, 2.792527, 0.06350737, 0.06426501, 1.796, 0.0]),
            Expect::new(2, 0..6, &[0.5854181, 2.792527, 0.06525892, 0.06497709, 2.474905, 0.0]),
            Expect::new(3, 0..6, &[0.6460163, 2.792527, 0.06735194, 0.06596547, 3.029909, 0.0]),
            Expect::new(4, 0..6, &[0.71536, 2.792527, 0.06966843, 0.06724956, 3.467188, 0.0]),
        ];
        run(at([0.5, 2.75], [1.0, 2.0], (0.05, 0.1)), &EASY, |_| vec![0.5, 1.0], &expected);
    }

    #[test]
    fn the_reward_is_the_fingertip_within_the_target() {
        let reward = |target_radius_m| {
            let mut state = at([0.0, 0.0], [0.0, 0.0], (0.22, 0.03));
            let rng = &mut Seed::new(0).rng(Purpose::Episode, 0, 0);
            state.step(&ReacherParams { target_radius_m }, &[0.0, 0.0], rng).reward()
        };
        assert_eq!((reward(0.04), reward(0.025)), (1.0, 0.0));
    }

    #[test]
    fn the_shoulder_turns_without_limit() {
        let mut state = at([0.0, 0.0], [0.0, 0.0], (0.1, 0.0));
        let mut rng = Seed::new(0).rng(Purpose::Episode, 0, 0);
        for _ in 0..200 {
            state.step(&EASY, &[1.0, 0.0], &mut rng);
        }
        assert!(state.angles[0] > 2.0 * TAU, "{:?}", state.angles);
        assert!(state.angles[1] == 0.0);
    }
}
