//! The bipedal walker: cross a ground on two legs of two joints each.

use bevy::prelude::Component;
use rapier2d::prelude::Vector;
use serde::{Deserialize, Serialize};

use super::joints::{Place, turned};
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
pub(super) const REFERENCE: [f32; 4] = [-0.05, 0.0, 0.05, 0.0];
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

/// Where the parts are: x from [`START_M`], y of a part's origin, m, and its angle, rad; hull, then upper and lower leg of
/// either side.
type Start = [[f32; 3]; 5];

/// What Box2D's first step makes of a walker whose legs were created away from their hips: with level ground below, and with
/// none. Measured.
const FIRST: [Start; 2] = [
    [
        [-0.0030, 5.684341, 0.002747],
        [0.0230, 4.8524, 0.044949],
        [-0.0164, 3.9224, -0.094994],
        [0.0460, 4.8530, 0.085318],
        [0.0056, 3.9203, -0.060995],
    ],
    [
        [-0.0030, 5.684341, 0.002747],
        [0.0230, 4.8524, 0.044938],
        [-0.0284, 3.7250, -0.136044],
        [0.0460, 4.8530, 0.085309],
        [0.0096, 3.7289, -0.150094],
    ],
];
/// What the second step makes of the first case, without speed: feet out of the ground, legs at their hips. Measured.
const SETTLED: Start = [
    [-0.0187, 5.7326, -0.0052],
    [0.1894, 4.9402, 0.3801],
    [0.1263, 3.9176, -0.5034],
    [0.1917, 4.9402, 0.3829],
    [0.1322, 3.9175, -0.4990],
];
/// Speeds of the joints after the first step, rad/s, and how much of the push, 1/m, is in them. Measured.
const FIRST_SPEEDS: [[(f32, f32); 4]; 2] = [
    [(0.0021, -0.839), (0.0057, 0.971), (0.0021, -0.839), (-0.0020, 0.871)],
    [(0.0021, -0.879), (-0.0067, 0.780), (0.0021, -0.879), (-0.0067, 0.780)],
];
/// Joint angles to which the legs of the second case move, rad. Measured.
const HANGING: [f32; 4] = [0.1274, -0.2676, 0.0549, -0.2913];

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
    /// Speed of the push of the first step, m/s; taken when the first step settles.
    pub(super) settling: Option<f32>,
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

    /// Puts the parts where `start` says, their hinges not yet together, with this velocity of the hull and these speeds
    /// of the joints.
    fn place(&mut self, start: &Start, velocity: Point, joints: [f32; 4]) {
        let mut places = start.map(|[x, y, angle]| Place { center: Vector::new(START_M + x, y), angle });
        places[0].center += turned(HULL_CENTER.into(), places[0].angle);
        self.physics.set_places(&places);
        let [a, b, c, d] = joints;
        self.physics.set_velocity(&[velocity[0], velocity[1], 0.0, a, b, c, d]);
    }

    /// What Box2D's second step does before it moves anything.
    fn settle(&mut self, params: &WalkerParams, push: f32) {
        if airborne(params) == 0 {
            self.place(&SETTLED, [push, 0.0], [0.0; 4]);
        } else {
            let angles: [f32; 4] = std::array::from_fn(|i| HANGING[i] + REFERENCE[i]);
            self.physics.set_angles(&angles);
        }
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
        let start = airborne(params);
        let speeds = FIRST_SPEEDS[start].map(|(speed, share)| speed + share * push);
        self.place(&FIRST[start], [push, -GRAVITY * STEP_SECS], speeds);
        // The feet that the first step pushed into the ground touch it.
        FEET.iter().for_each(|&foot| self.physics.notice_contacts(foot, &self.terrain));
        self.settling = Some(push);
        self.fallen = false;
        self.potential = self.potential();
    }

    fn step(&mut self, params: &WalkerParams, action: &[f32], _: &mut Rng) -> Outcome {
        if let Some(push) = self.settling.take() {
            self.settle(params, push);
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
