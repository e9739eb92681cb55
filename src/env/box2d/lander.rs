//! The lunar lander: land on the pad, hover at a spot, take off to one.

use bevy::prelude::Component;
use rapier2d::prelude::Vector;
use serde::{Deserialize, Serialize};

use super::body::{Body, Polygon, box_outline};
use super::contact::Pieces;
use super::exhaust::{Engine, Exhaust};
use super::joint::Joint;
use super::lander_picture;
use super::physics::{Physics, STEP_SECS};
use super::terrain::Point;
use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::Canvas;
use crate::sim::{Rng, Seed};

/// Width and height of the scene, m.
pub(super) const SIZE_M: f32 = 400.0 / 30.0;
/// Middle of the scene, m.
const MIDDLE_M: f32 = SIZE_M / 2.0;
/// Height of the pad that observations and flags refer to, m. The ground there is at 3.3 m.
pub(super) const PAD_M: f32 = SIZE_M / 4.0;
/// Height of the lander's origin over the pad where rewards count it as standing, m.
const STANDING_M: f32 = PAD_M + 0.6;

/// Impulse of the main engine at full power, N s.
const MAIN_POWER: f32 = 13.0;
/// Impulse of a side engine at full power, N s.
const SIDE_POWER: f32 = 0.6;
/// Largest force of the first step along each axis, N.
const START_FORCE_N: f64 = 600.0;

const HULL: [Point; 6] = [[17.0, -10.0], [17.0, 0.0], [14.0, 17.0], [-14.0, 17.0], [-17.0, 0.0], [-17.0, -10.0]];
const HULL_DENSITY: f32 = 5.0;
const HULL_FRICTION: f32 = 0.1;
const LEG_HALF: Point = [2.0 / 30.0, 8.0 / 30.0];
const LEG_DENSITY: f32 = 1.0;
const LEG_FRICTION: f32 = 0.2;
/// Where legs are made: left and right of the lander's origin, m, turned outward, rad. They are pulled to their hinges at
/// once.
const LEG_AWAY: (f32, f32) = (20.0 / 30.0, 0.05);
/// From a leg's center to its hinge, m; x for the left leg, the right leg's is negative.
const LEG_ANCHOR: Point = [20.0 / 30.0, 0.6];
/// Range of the right leg's hinge, rad. The left one's is mirrored.
const LEG_RANGE: [f32; 2] = [0.4, 0.9];
const LEG_MOTOR_SPEED: f32 = 0.3;
const LEG_MOTOR_TORQUE: f32 = 40.0;

/// Friction coefficients of the ground's line, and of the base line at height 0 that is hidden under it.
const GROUND_FRICTION: [f32; 2] = [0.1, 0.2];

/// What a lander should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Goal {
    /// Come to rest on the pad.
    Land,
    /// Stay at a spot in the air.
    Hover,
    /// Rise from the pad to a spot.
    Takeoff,
}

/// What a task varies.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LanderParams {
    /// What the lander should do.
    pub goal: Goal,
}

/// One lander and its ground.
#[derive(Component, Clone, Serialize, Deserialize)]
pub(super) struct Lander {
    pub(super) physics: Physics,
    pub(super) ground: Moon,
    /// Ends of the flat stretch, m.
    pub(super) pad: [f32; 2],
    pub(super) goal: Point,
    potential: f64,
    pub(super) exhaust: Exhaust,
    pub(super) palette: Seed,
}

const OBSERVATION: [Field; 6] = [
    Field::new("position", 2, "half the scene"),
    Field::new("velocity", 2, "7.5 m/s"),
    Field::new("angle", 1, "rad"),
    Field::new("spin", 1, "2.5 rad/s"),
    Field::new("contact of right and left leg", 2, "flag"),
    Field::new("from position to goal", 2, "half the scene"),
];
const ACTION: [Field; 2] = [Field::new("main engine", 1, "1"), Field::new("side engines", 1, "1")];

impl Lander {
    /// Hull, right leg and left leg.
    pub(super) fn bodies(&self) -> &[Body] {
        self.physics.bodies()
    }

    fn hull(&self) -> &Body {
        self.physics.body(0)
    }

    /// Fires the engines; their powers, 0 when off.
    pub(super) fn fire(&mut self, action: &[f32], rng: &mut Rng) -> (f32, f32) {
        let (d1, d2) = (rng.uniform(-1.0, 1.0) as f32 / 30.0, rng.uniform(-1.0, 1.0) as f32 / 30.0);
        let (sin, cos) = self.hull().place.angle.sin_cos();
        let (down, left) = (Vector::new(sin, -cos), Vector::new(-cos, -sin));
        let main = if action[0] > 0.0 { 0.5 + 0.5 * action[0].min(1.0) } else { 0.0 };
        let side = if action[1].abs() > 0.5 { action[1].abs().min(1.0) } else { 0.0 };
        if main > 0.0 {
            let offset = (4.0 / 30.0 + 2.0 * d1) * down + d2 * left;
            self.thrust(Engine::Main, offset, offset, -MAIN_POWER * main, main);
        }
        if side > 0.0 {
            let offset = d1 * down + (3.0 * d2 + 0.4 * action[1].signum()) * left;
            let nozzle = Vector::new(-17.0 / 30.0 * sin, 14.0 / 30.0 * cos);
            self.thrust(Engine::Side, offset, offset + nozzle, -SIDE_POWER * side, side);
        }
        (main, side)
    }

    /// An impulse of `scale * offset` at `at` from the origin, and the opposite one on a particle.
    fn thrust(&mut self, engine: Engine, offset: Vector, at: Vector, scale: f32, power: f32) {
        let (impulse, at) = (scale * offset, self.hull().origin() + at);
        self.physics.push(0, impulse, at);
        self.exhaust.emit(engine, at, -impulse, power);
    }

    fn advance(&mut self) {
        self.exhaust.fall(&self.ground.corners);
        self.physics.step(&self.ground);
    }

    fn state(&self) -> [f32; 8] {
        let hull = self.hull();
        let (origin, velocity) = (hull.origin(), hull.motion.velocity);
        let contact = |leg| f32::from(u8::from(self.physics.body(leg).contact));
        [
            (origin.x - MIDDLE_M) / MIDDLE_M,
            (origin.y - STANDING_M) / MIDDLE_M,
            velocity.x * MIDDLE_M * STEP_SECS,
            velocity.y * MIDDLE_M * STEP_SECS,
            hull.place.angle,
            20.0 * hull.motion.spin * STEP_SECS,
            contact(1),
            contact(2),
        ]
    }

    /// Reward of landing, and what it becomes to the agent.
    fn land_reward(&mut self, main: f32, side: f32) -> f64 {
        let state = self.state().map(f64::from);
        let potential = -100.0 * state[0].hypot(state[1]) - 100.0 * state[2].hypot(state[3]) - 100.0 * state[4].abs()
            + 10.0 * (state[6] + state[7]);
        let gain = potential - std::mem::replace(&mut self.potential, potential);
        let reward = if self.physics.asleep() {
            100.0
        } else if self.hull().touched || state[0].abs() >= 1.0 {
            -100.0
        } else {
            gain - 0.3 * f64::from(main) - 0.03 * f64::from(side)
        };
        reward.clamp(-5.0, 10.0) / 20.0
    }

    fn goal_reward(&self, main: f32, side: f32) -> f64 {
        let origin = self.hull().origin();
        if origin.y < STANDING_M {
            return 0.0;
        }
        let distance = f64::from((origin.x - self.goal[0]).hypot(origin.y - self.goal[1]));
        (1.0 - distance / 6.0 - 0.03 * f64::from(main) - 0.003 * f64::from(side)).clamp(0.0, 1.0)
    }
}

/// The line of the ground.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Moon {
    /// Its corners from left to right, at equal distances, m.
    pub corners: Vec<Point>,
}

impl Moon {
    /// Draws another line; the ends of its flat stretch, m.
    fn redraw(&mut self, rng: &mut Rng) -> [f32; 2] {
        let columns = if rng.chance(0.5) { 7 } else { 9 };
        let mut raw = [0.0; 10];
        let raw = &mut raw[..=columns];
        raw.fill_with(|| rng.uniform(0.0, f64::from(SIZE_M) / 2.0));
        let middle = columns / 2;
        raw[middle - 2..=middle + 2].fill(f64::from(PAD_M));
        let x = |i: usize| i as f32 * SIZE_M / (columns - 1) as f32;
        let height = |i: usize| 0.33 * (raw[(i + columns) % (columns + 1)] + raw[i] + raw[i + 1]);
        self.corners.clear();
        self.corners.reserve(9);
        self.corners.extend((0..columns).map(|i| [x(i), height(i) as f32]));
        [x(middle - 1), x(middle + 1)]
    }
}

impl Pieces for Moon {
    fn near(&self, min: f32, max: f32, visit: &mut dyn FnMut(u16)) {
        visit(0);
        for (edge, number) in self.corners.windows(2).zip(1..) {
            if edge[0][0] <= max && min <= edge[1][0] {
                visit(number);
            }
        }
    }

    fn piece(&self, number: u16) -> Polygon {
        match usize::from(number) {
            0 => Polygon::new(&[Vector::ZERO, Vector::new(SIZE_M, 0.0)]),
            edge => Polygon::new(&[self.corners[edge - 1].into(), self.corners[edge].into()]),
        }
    }

    fn friction(&self, number: u16) -> f32 {
        GROUND_FRICTION[usize::from(number == 0)]
    }

    fn whole(&self, _: u16) -> u16 {
        0
    }

    fn comes_after(&self, _: u16, _: usize) -> bool {
        false
    }
}

impl Environment for Lander {
    type Params = LanderParams;
    const NAME: &'static str = "lander";
    const STEP_NANOS: u64 = 15_000;

    fn layout(params: &LanderParams) -> Layout {
        Layout {
            observation: if params.goal == Goal::Land { &OBSERVATION[..5] } else { &OBSERVATION },
            action: &ACTION,
            rate_hz: f64::from(1.0 / STEP_SECS),
            reward_terms: &["progress"],
            constant_entries: &[],
        }
    }

    fn new(_: &LanderParams, rng: &mut Rng) -> Self {
        Self {
            physics: Physics::default(),
            ground: Moon::default(),
            pad: [0.0; 2],
            goal: [0.0; 2],
            potential: 0.0,
            exhaust: Exhaust::default(),
            palette: Seed::new(rng.next_u64()),
        }
    }

    fn reset(&mut self, params: &LanderParams, rng: &mut Rng) {
        self.pad = self.ground.redraw(rng);
        self.exhaust.clear();
        self.palette = Seed::new(rng.next_u64());

        let middle = f64::from(MIDDLE_M);
        let takeoff = params.goal == Goal::Takeoff;
        let force = |rng: &mut Rng| rng.uniform(-START_FORCE_N, START_FORCE_N) as f32;
        let (x, y, force) = if takeoff {
            let quarter = (self.pad[1] - self.pad[0]) / 4.0;
            let x = rng.uniform(f64::from(self.pad[0] + quarter), f64::from(self.pad[1] - quarter));
            (x as f32, STANDING_M, [0.5 * force(rng), -2.0 * START_FORCE_N as f32])
        } else {
            let x = middle * rng.uniform(0.95, 1.05);
            let y = 1.6 * middle * rng.uniform(0.95, 1.05);
            (x as f32, y as f32, [force(rng), force(rng)])
        };
        self.goal = match params.goal {
            Goal::Land => [0.0; 2],
            Goal::Hover => {
                [rng.uniform(middle - 1.0, middle + 1.0) as f32, rng.uniform(middle - 1.0, middle + 1.0) as f32]
            }
            Goal::Takeoff => {
                [rng.uniform(0.4 * middle, 1.6 * middle) as f32, rng.uniform(1.2 * middle, 1.6 * middle) as f32]
            }
        };
        let (bodies, joints) = robot(Vector::new(x, y));
        self.physics.restart(&bodies, &joints, &self.ground);
        self.physics.push(0, STEP_SECS * Vector::from(force), self.hull().place.center);
        (0..if takeoff { 6 } else { 1 }).for_each(|_| self.advance());
        if params.goal == Goal::Land {
            self.land_reward(0.0, 0.0);
        }
    }

    fn step(&mut self, params: &LanderParams, action: &[f32], rng: &mut Rng) -> Outcome {
        let (main, side) = self.fire(action, rng);
        self.advance();
        Outcome::new([match params.goal {
            Goal::Land => self.land_reward(main, side),
            Goal::Hover | Goal::Takeoff => self.goal_reward(main, side),
        }])
    }

    fn observe(&self, params: &LanderParams, row: &mut [f32]) {
        row[..8].copy_from_slice(&self.state());
        if params.goal != Goal::Land {
            let origin = self.hull().origin();
            row[8] = (self.goal[0] - origin.x) / MIDDLE_M;
            row[9] = (self.goal[1] - origin.y) / MIDDLE_M;
        }
    }

    fn draw_backdrop(&self, _: &LanderParams, canvas: &mut dyn Canvas) {
        lander_picture::backdrop(self, canvas);
    }

    fn draw(&self, params: &LanderParams, canvas: &mut dyn Canvas, _: &mut Rng) {
        lander_picture::draw(self, params, canvas);
    }
}

/// A lander's bodies and joints with its origin at a place, the legs not yet at their hinges.
fn robot(origin: Vector) -> ([Body; 3], [Joint; 2]) {
    let hull = Body::new(&HULL.map(|[x, y]| Vector::new(x, y) / 30.0), HULL_DENSITY, HULL_FRICTION, origin, 0.0);
    let (away, turn) = LEG_AWAY;
    let leg = |side: f32| {
        let at = origin - Vector::new(side * away, 0.0);
        Body::new(&box_outline(LEG_HALF), LEG_DENSITY, LEG_FRICTION, at, side * turn)
    };
    let joint = |b, side: f32| Joint {
        a: 0,
        b,
        anchor_a: -hull.center,
        anchor_b: Vector::new(side * LEG_ANCHOR[0], LEG_ANCHOR[1]),
        reference: side * turn,
        limits: if side < 0.0 { LEG_RANGE } else { [-LEG_RANGE[1], -LEG_RANGE[0]] },
        motor_speed: side * LEG_MOTOR_SPEED,
        motor_torque: LEG_MOTOR_TORQUE,
        ..Joint::default()
    };
    ([hull, leg(-1.0), leg(1.0)], [joint(1, -1.0), joint(2, 1.0)])
}
