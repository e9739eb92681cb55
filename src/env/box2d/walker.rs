//! The bipedal walker: cross a ground on two legs of two joints each.

use bevy::prelude::Component;
use rapier2d::prelude::Vector;
use serde::{Deserialize, Serialize};

use super::body::{Body, box_outline};
use super::joint::Joint;
use super::physics::{Physics, STEP_SECS};
use super::terrain::{Ground, Point, Terrain};
use super::walker_picture;
use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::Canvas;
use crate::sim::{Rng, Seed};

/// Pixels to the meter of what the reference computes while running.
pub(super) const SCALE: f32 = 15.0;
/// Width of the view, m.
const VIEW_M: f32 = 224.0 / SCALE;

/// Rated speeds of hips and knees, rad/s.
const MOTOR_SPEED: [f32; 4] = [4.0, 6.0, 4.0, 6.0];
const MOTOR_TORQUE: f32 = 80.0;
/// Length of a lidar ray, m.
pub(super) const LIDAR_M: f32 = 160.0 / 30.0;
pub(super) const LIDAR_RAYS: usize = 10;
/// Angle between neighboring rays, rad.
const LIDAR_ANGLE: f32 = 0.15;
/// Largest force of the first step, N.
const START_FORCE_N: f64 = 5.0;
const START_M: f32 = 14.0 / 3.0;
/// Reward for a unit of torque on a joint, each step.
const EFFORT_REWARD: f64 = -0.00035 * 80.0;

const HULL: [Point; 5] = [[34.0, -8.0], [34.0, 1.0], [6.0, 9.0], [-30.0, 9.0], [-30.0, -8.0]];
const HULL_DENSITY: f32 = 5.0;
const HULL_FRICTION: f32 = 0.1;
/// Half sizes of upper and lower legs, m.
const LEG_HALF: [Point; 2] = [[4.0 / 30.0, 17.0 / 30.0], [3.2 / 30.0, 17.0 / 30.0]];
const LEG_DENSITY: f32 = 1.0;
const LEG_FRICTION: f32 = 0.2;
/// The hip below the hull's origin, m.
const HIP_M: f32 = -8.0 / 30.0;
/// How far below the hull's origin the centers of upper and lower legs are made, m, and their turn, rad, to either side.
/// They are pulled to their joints at once.
const LEG_BELOW: [f64; 2] = [9.0 / 30.0, 43.0 / 30.0];
const LEG_TURN: f32 = 0.05;
const HIP_RANGE: [f32; 2] = [-0.8, 1.1];
const KNEE_RANGE: [f32; 2] = [-1.6, -0.1];
/// Height of the hull's origin when it is made, m.
const START_HEIGHT_M: f64 = 10.0 / 3.0 + 2.0 * 34.0 / 30.0;

/// The bodies with a contact flag: the lower legs.
const FEET: [usize; 2] = [2, 4];

/// What a task varies.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WalkerParams {
    /// What it walks on.
    pub ground: Ground,
}

/// One walker and its ground.
#[derive(Component, Clone, Serialize, Deserialize)]
pub(super) struct Walker {
    pub(super) physics: Physics,
    pub(super) terrain: Terrain,
    potential: f64,
    /// Steps since the reset.
    pub(super) steps: u32,
    pub(super) palette: Seed,
}

const OBSERVATION: [Field; 8] = [
    Field::new("hull angle", 1, "rad"),
    Field::new("hull spin", 1, "25 rad/s"),
    Field::new("velocity", 2, "11.16 m/s"),
    Field::new("hip and knee, first leg (angle, speed; knee angle + 1)", 4, "rad, 4 rad/s, rad, 6 rad/s"),
    Field::new("contact, first leg", 1, "flag"),
    Field::new("hip and knee, second leg", 4, "rad, 4 rad/s, rad, 6 rad/s"),
    Field::new("contact, second leg", 1, "flag"),
    Field::new("lidar, from straight down to ahead", 10, "5.33 m"),
];
const ACTION: [Field; 2] =
    [Field::new("hip and knee, first leg", 2, "1"), Field::new("hip and knee, second leg", 2, "1")];

impl Walker {
    /// Hull, then upper and lower leg of either side.
    pub(super) fn bodies(&self) -> &[Body] {
        self.physics.bodies()
    }

    /// Position of the hull's origin, m.
    pub(super) fn origin(&self) -> Vector {
        self.physics.body(0).origin()
    }

    /// Direction and length of a lidar ray, m.
    pub(super) fn ray(i: usize) -> Point {
        let (sin, cos) = (LIDAR_ANGLE * i as f32).sin_cos();
        [LIDAR_M * sin, -LIDAR_M * cos]
    }

    /// Puts a new robot on a ground, at rest and with every sweep of Box2D's.
    #[cfg(test)]
    pub(super) fn stand_on(&mut self, terrain: Terrain) {
        self.terrain = terrain;
        let (bodies, joints) = robot();
        self.physics.restart(&bodies, &joints, &self.terrain);
        self.physics.sweep_all();
    }

    fn potential(&self) -> f64 {
        130.0 / f64::from(SCALE) * f64::from(self.origin().x) - 5.0 * f64::from(self.physics.body(0).place.angle.abs())
    }
}

impl Environment for Walker {
    type Params = WalkerParams;
    const NAME: &'static str = "walker";
    const STEP_NANOS: u64 = 30_000;

    fn layout(_: &WalkerParams) -> Layout {
        Layout {
            observation: &OBSERVATION,
            action: &ACTION,
            rate_hz: f64::from(1.0 / STEP_SECS),
            reward_terms: &["progress"],
            constant_entries: &[],
        }
    }

    fn new(_: &WalkerParams, rng: &mut Rng) -> Self {
        Self {
            physics: Physics::default(),
            terrain: Terrain::default(),
            potential: 0.0,
            steps: 0,
            palette: Seed::new(rng.next_u64()),
        }
    }

    fn reset(&mut self, params: &WalkerParams, rng: &mut Rng) {
        self.terrain.redraw(params.ground, rng);
        self.palette = Seed::new(rng.next_u64());
        self.steps = 0;
        let (bodies, joints) = robot();
        self.physics.restart(&bodies, &joints, &self.terrain);
        let push = rng.uniform(-START_FORCE_N, START_FORCE_N) as f32 * STEP_SECS;
        self.physics.push(0, Vector::new(push, 0.0), self.physics.body(0).place.center);
        self.physics.step(&self.terrain);
        self.potential = self.potential();
    }

    fn step(&mut self, _: &WalkerParams, action: &[f32], _: &mut Rng) -> Outcome {
        for (joint, &a) in action.iter().enumerate() {
            let speed = if a == 0.0 { 0.0 } else { a.signum() * MOTOR_SPEED[joint] };
            self.physics.drive(joint, speed, MOTOR_TORQUE * a.abs().min(1.0));
        }
        self.physics.step(&self.terrain);
        self.steps += 1;

        let potential = self.potential();
        let progress = potential - std::mem::replace(&mut self.potential, potential);
        let effort: f64 = action.iter().map(|&a| f64::from(a.abs().min(1.0))).sum();
        let failed = self.physics.body(0).touched || self.origin().x < 0.0;
        let reward = if failed { -100.0 } else { progress + EFFORT_REWARD * effort };
        Outcome::new([reward.clamp(-1.0, 10.0)])
    }

    fn observe(&self, _: &WalkerParams, row: &mut [f32]) {
        let hull = self.physics.body(0);
        let pixels = 0.3 * VIEW_M * STEP_SECS;
        row[..4].copy_from_slice(&[
            hull.place.angle,
            2.0 * hull.motion.spin * STEP_SECS,
            pixels * hull.motion.velocity.x,
            pixels * hull.motion.velocity.y,
        ]);
        for (leg, row) in row[4..14].chunks_exact_mut(5).enumerate() {
            for joint in 0..2 {
                let i = 2 * leg + joint;
                row[2 * joint] = self.physics.joint_angle(i) + joint as f32;
                row[2 * joint + 1] = self.physics.joint_speed(i) / MOTOR_SPEED[i];
            }
            row[4] = f32::from(u8::from(self.physics.body(FEET[leg]).contact));
        }
        let origin = self.origin().into();
        for (i, value) in row[14..24].iter_mut().enumerate() {
            *value = self.terrain.cast(origin, Self::ray(i));
        }
    }

    fn draw(&self, _: &WalkerParams, canvas: &mut dyn Canvas, _: &mut Rng) {
        walker_picture::draw(self, canvas);
    }
}

/// A walker's bodies and joints at the start, the legs not yet at their hips.
fn robot() -> ([Body; 5], [Joint; 4]) {
    let origin = Vector::new(START_M, START_HEIGHT_M as f32);
    let hull = Body::new(&HULL.map(|[x, y]| Vector::new(x, y) / 30.0), HULL_DENSITY, HULL_FRICTION, origin, 0.0);
    let leg = |lower: usize, turn| {
        let at = Vector::new(START_M, (START_HEIGHT_M - LEG_BELOW[lower]) as f32);
        Body::new(&box_outline(LEG_HALF[lower]), LEG_DENSITY, LEG_FRICTION, at, turn)
    };
    let top = Vector::new(0.0, LEG_HALF[0][1]);
    let hip = |b, reference| {
        let anchor_a = Vector::new(0.0, HIP_M) - hull.center;
        Joint { a: 0, b, anchor_a, anchor_b: top, reference, limits: HIP_RANGE, ..Joint::default() }
    };
    let knee = |a, b| Joint { a, b, anchor_a: -top, anchor_b: top, limits: KNEE_RANGE, ..Joint::default() };
    let (first, second) = (-LEG_TURN, LEG_TURN);
    let bodies = [hull, leg(0, first), leg(1, first), leg(0, second), leg(1, second)];
    (bodies, [hip(1, first), knee(1, 2), hip(3, second), knee(3, 4)])
}
