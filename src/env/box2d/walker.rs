//! The bipedal walker: cross a ground on two legs of two joints each.

use bevy::prelude::Component;
use rapier2d::prelude::Vector;
use serde::{Deserialize, Serialize};

use super::physics::{GRAVITY, Hinge, Part, Physics, STEP_SECS, box_outline};
use super::terrain::{Ground, Point, Terrain, block_corners};
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

const HULL: [[f32; 2]; 5] = [[-30.0, 9.0], [-30.0, -8.0], [34.0, -8.0], [34.0, 1.0], [6.0, 9.0]];
/// Center of mass of the hull from its origin, m.
const HULL_CENTER: Point = [-0.020036, -0.005647];
/// Half sizes of upper and lower legs, m.
const LEG_HALF: [Point; 2] = [[4.0 / 30.0, 17.0 / 30.0], [3.2 / 30.0, 17.0 / 30.0]];
/// The hip below the hull's origin, m.
const HIP_M: f32 = -8.0 / 30.0;
/// Angles that count as 0: those at which Box2D makes the joints.
const REFERENCE: [f32; 4] = [-0.05, 0.0, 0.05, 0.0];
const HIP_RANGE: [f32; 2] = [-0.8, 1.1];
const KNEE_RANGE: [f32; 2] = [-1.6, -0.1];
const TOTAL_MASS_KG: f32 = 6.510223;

/// The parts with a contact flag: the lower legs.
const FEET: [usize; 2] = [2, 4];
/// Sweeps of the velocity solver.
const SWEEPS: usize = 30;
const GROUND_FRICTION: f32 = 2.5;
/// Thickness of the ground, m: none in Box2D, but rapier needs something to push out of.
const GROUND_DEPTH_M: f32 = 2.0;

/// A pose: hull origin from [`START_M`] and 0, m, hull angle and joint angles, rad.
struct Start {
    hull: [f32; 3],
    joints: [f32; 4],
}

/// What Box2D's first step makes of a walker whose legs were created away from their hips.
const FIRST: [Start; 2] = [
    Start { hull: [-0.0030, 5.6843, 0.0027], joints: [0.0922, -0.1400, 0.0326, -0.1463] },
    Start { hull: [-0.0030, 5.6843, 0.0027], joints: [0.0922, -0.1810, 0.0326, -0.2354] },
];
/// Where its second step starts from, once the legs are pulled out of the ground: without speed.
const SETTLED: [Start; 2] = [
    Start { hull: [-0.0187, 5.7326, -0.0052], joints: [0.4354, -0.8835, 0.3381, -0.8819] },
    Start { hull: [-0.0030, 5.6843, 0.0027], joints: [0.1274, -0.2676, 0.0549, -0.2913] },
];

/// What a task varies.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WalkerParams {
    /// What it walks on.
    pub ground: Ground,
}

/// One walker and its ground.
#[derive(Component, Clone, Serialize, Deserialize)]
pub struct Walker {
    physics: Physics,
    pub(super) terrain: Terrain,
    /// Speed of the push of the first step, m/s; taken when the first step settles.
    settling: Option<f32>,
    fallen: bool,
    potential: f64,
    /// Pictures since the reset.
    pub(super) frames: u32,
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
    /// Position of the hull's origin, m.
    pub(super) fn origin(&self) -> Vector {
        self.physics.pose(0).transform_point(-Vector::from(HULL_CENTER))
    }

    /// Corners of a part, m: hull (0), upper and lower first leg (1, 2), second leg (3, 4).
    pub(super) fn outline<'a>(&self, part: usize, buffer: &'a mut [Vector; 8]) -> &'a [Vector] {
        self.physics.outline(part, buffer)
    }

    /// Direction and length of a lidar ray, m.
    pub(super) fn ray(i: usize) -> Point {
        let (sin, cos) = (LIDAR_ANGLE * i as f32).sin_cos();
        [LIDAR_M * sin, -LIDAR_M * cos]
    }

    fn place(&mut self, start: &Start, velocity: Point) {
        let [x, y, angle] = start.hull;
        let (sin, cos) = angle.sin_cos();
        let center = [cos * HULL_CENTER[0] - sin * HULL_CENTER[1], sin * HULL_CENTER[0] + cos * HULL_CENTER[1]];
        let joints: [f32; 4] = std::array::from_fn(|i| start.joints[i] + REFERENCE[i]);
        self.physics.place([START_M + x + center[0], y + center[1], angle], &joints);
        self.physics.set_velocity(&[velocity[0], velocity[1], 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    fn potential(&self) -> f64 {
        130.0 / f64::from(SCALE) * f64::from(self.origin().x) - 5.0 * f64::from(self.physics.root_angle().abs())
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
            physics: physics(),
            terrain: Terrain::default(),
            settling: None,
            fallen: false,
            potential: 0.0,
            frames: 0,
            palette: Seed::new(rng.next_u64()),
        }
    }

    fn reset(&mut self, params: &WalkerParams, rng: &mut Rng) {
        self.terrain = Terrain::draw(params.ground, rng);
        self.palette = Seed::new(rng.next_u64());
        self.frames = 0;
        self.physics = physics();
        for [left, right] in self.terrain.edges() {
            let [left, right] = [left, right].map(Vector::from);
            let down = Vector::new(0.0, GROUND_DEPTH_M);
            self.physics.add_ground(&[left - down, right - down, right, left]);
        }
        for block in &self.terrain.blocks {
            self.physics.add_ground(&block_corners(block).map(Vector::from));
        }
        let push = rng.uniform(-START_FORCE_N, START_FORCE_N) as f32 * STEP_SECS / TOTAL_MASS_KG;
        self.place(&FIRST[airborne(params)], [push, -GRAVITY * STEP_SECS]);
        self.settling = Some(push);
        FEET.iter().for_each(|&foot| self.physics.set_contact(foot, airborne(params) == 0));
        self.fallen = false;
        self.potential = self.potential();
    }

    fn step(&mut self, params: &WalkerParams, action: &[f32], _: &mut Rng) -> Outcome {
        if let Some(push) = self.settling.take() {
            let start = airborne(params);
            self.place(&SETTLED[start], [push, if start == 1 { -GRAVITY * STEP_SECS } else { 0.0 }]);
        }
        for (joint, &a) in action.iter().enumerate() {
            let speed = if a == 0.0 { 0.0 } else { a.signum() * MOTOR_SPEED[joint] };
            self.physics.drive(joint, speed, MOTOR_TORQUE * a.abs().min(1.0));
        }
        self.physics.step(&self.terrain);
        self.fallen |= self.physics.in_contact(0);

        let potential = self.potential();
        let progress = potential - std::mem::replace(&mut self.potential, potential);
        let effort: f64 = action.iter().map(|&a| f64::from(a.abs().min(1.0))).sum();
        let failed = self.fallen || self.origin().x < 0.0;
        let reward = if failed { -100.0 } else { progress + EFFORT_REWARD * effort };
        Outcome::new([reward.clamp(-1.0, 10.0)])
    }

    fn observe(&self, _: &WalkerParams, row: &mut [f32]) {
        let velocity = self.physics.velocity();
        let pixels = 0.3 * VIEW_M * STEP_SECS;
        row[..4].copy_from_slice(&[
            self.physics.root_angle(),
            2.0 * velocity[2] * STEP_SECS,
            pixels * velocity[0],
            pixels * velocity[1],
        ]);
        for (leg, row) in row[4..14].chunks_exact_mut(5).enumerate() {
            for joint in 0..2 {
                let i = 2 * leg + joint;
                row[2 * joint] = self.physics.angle(i) - REFERENCE[i] + joint as f32;
                row[2 * joint + 1] = velocity[3 + i] / MOTOR_SPEED[i];
            }
            row[4] = f32::from(u8::from(self.physics.in_contact(FEET[leg])));
        }
        let origin = self.origin().into();
        for (i, value) in row[14..24].iter_mut().enumerate() {
            *value = self.terrain.cast(origin, Self::ray(i));
        }
    }

    fn draw(&self, _: &WalkerParams, canvas: &mut dyn Canvas, _: &mut Rng) {
        walker_picture::draw(self, canvas);
    }

    fn after_draw(&mut self) {
        self.frames += 1;
    }
}

/// 1 where the walker starts in the air, 0 where its feet meet level ground.
fn airborne(params: &WalkerParams) -> usize {
    usize::from(params.ground == Ground::Hills)
}

/// A walker without ground.
fn physics() -> Physics {
    let hull = Part {
        outline: HULL.map(|[x, y]| Vector::new(x / 30.0 - HULL_CENTER[0], y / 30.0 - HULL_CENTER[1])).to_vec(),
        mass: 5.422223,
        inertia: 1.999395,
        friction: 0.1,
    };
    let part = |lower: usize| Part {
        outline: box_outline(LEG_HALF[lower]),
        mass: [0.302222, 0.241778][lower],
        inertia: [0.034140, 0.026796][lower],
        friction: 0.2,
    };
    let top = Vector::new(0.0, LEG_HALF[0][1]);
    let hip = |reference| Hinge {
        parent: 0,
        parent_anchor: Vector::new(-HULL_CENTER[0], HIP_M - HULL_CENTER[1]),
        anchor: top,
        limits: HIP_RANGE.map(|angle| angle + reference),
    };
    let knee = |parent| Hinge { parent, parent_anchor: -top, anchor: top, limits: KNEE_RANGE };
    let hung = [(part(0), hip(REFERENCE[0])), (part(1), knee(1)), (part(0), hip(REFERENCE[2])), (part(1), knee(3))];
    Physics::new(&hull, &hung, GROUND_FRICTION, SWEEPS)
}
