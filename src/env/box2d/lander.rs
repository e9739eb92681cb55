//! The lunar lander: land on the pad, hover at a spot, take off to one.

use bevy::prelude::Component;
use rapier2d::prelude::Vector;
use serde::{Deserialize, Serialize};

use super::contact::Pieces;
use super::exhaust::{Engine, Exhaust};
use super::joints::Place;
use super::lander_picture;
use super::physics::{GRAVITY, Hinge, Part, Physics, STEP_SECS, box_outline};
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

const HULL: [[f32; 2]; 6] = [[-14.0, 17.0], [-17.0, 0.0], [-17.0, -10.0], [17.0, -10.0], [17.0, 0.0], [14.0, 17.0]];
/// Center of mass of the hull above the lander's origin, m.
pub(super) const HULL_CENTER_M: f32 = 0.101307;
const LEG_HALF: [f32; 2] = [2.0 / 30.0, 8.0 / 30.0];
/// From a leg's center to its hinge, m; x for the left leg, the right leg's is negative.
const LEG_ANCHOR: [f32; 2] = [20.0 / 30.0, 0.6];
/// Angle of each leg at which its hinge counts as 0, rad: right, left.
const LEG_REFERENCE: [f32; 2] = [-0.05, 0.05];
/// Range of the right leg's hinge, rad. The left one's is mirrored.
const LEG_RANGE: [f32; 2] = [0.4, 0.9];
/// Angle of the right hinge that Box2D's first step leaves, rad.
const LEG_START: f32 = 0.5419;
const LEG_MOTOR_SPEED: f32 = 0.3;
const LEG_MOTOR_TORQUE: f32 = 40.0;
/// How much Box2D's first step lifts the hull when it pulls the legs down to their hinges, m.
const SNAP_M: f32 = 0.0061;
/// Spin that the start force gives, rad/s for each m/s to the right (measured in Box2D).
const START_SPIN: f32 = -0.113;
const TOTAL_MASS_KG: f32 = 4.958889;

/// Sweeps of the velocity solver.
const SWEEPS: usize = 30;
/// Share of the craft's inertia that is legs orbiting the hull. Box2D moves a body straight ahead for a step and then pulls
/// it back to its hinge, at which the orbiting part of the angular momentum shrinks by the cosine of the turn.
const ORBIT_SHARE: f32 = 0.134;

const GROUND_FRICTION: f32 = 0.1;
/// Thickness of the ground, m: none in Box2D, but rapier needs something to push out of.
const GROUND_DEPTH_M: f32 = 1.5;

/// Below this speed, m/s, and spin, rad/s, a body is calm.
const CALM: (f32, f32) = (0.01, 0.0349);
/// Calm steps after which everything falls asleep.
const CALM_STEPS: u8 = 25;

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
    crashed: bool,
    calm_steps: u8,
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
    /// Position of the lander's origin, m.
    fn origin(&self) -> Vector {
        self.physics.pose(0).transform_point(Vector::new(0.0, -HULL_CENTER_M))
    }

    /// Corners of hull (0), right leg (1) or left leg (2), m.
    pub(super) fn outline<'a>(&self, part: usize, buffer: &'a mut [Vector; 8]) -> &'a [Vector] {
        self.physics.outline(part, buffer)
    }

    /// Whether everything is at rest.
    pub(super) fn asleep(&self) -> bool {
        self.calm_steps >= CALM_STEPS
    }

    /// Fires the engines; their powers, 0 when off.
    pub(super) fn fire(&mut self, action: &[f32], rng: &mut Rng) -> (f32, f32) {
        let (d1, d2) = (rng.uniform(-1.0, 1.0) as f32 / 30.0, rng.uniform(-1.0, 1.0) as f32 / 30.0);
        let (sin, cos) = self.physics.root_angle().sin_cos();
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
        let (impulse, at) = (scale * offset, self.origin() + at);
        let arm = at - self.physics.pose(0).translation;
        self.physics.push(0, [impulse.x, impulse.y, arm.perp_dot(impulse)]);
        self.calm_steps = 0;
        self.exhaust.emit(engine, at, -impulse, power);
    }

    fn advance(&mut self) {
        self.exhaust.fall(&self.ground.corners);
        if self.asleep() {
            return;
        }
        self.physics.step(&self.ground);
        // Rapier's joints lose nothing of a spin, Box2D's do.
        let turn = self.physics.velocity()[2] * STEP_SECS;
        self.physics.scale_spin(1.0 - ORBIT_SHARE * (1.0 - turn.cos()));
        self.crashed |= self.physics.in_contact(0);
        self.calm_steps = if self.calm() { self.calm_steps + 1 } else { 0 };
        if self.asleep() {
            self.physics.stop();
        }
    }

    /// Whether hull and legs all but rest.
    fn calm(&self) -> bool {
        let velocity = self.physics.velocity();
        let (linear, spin) = (Vector::new(velocity[0], velocity[1]), velocity[2]);
        let calm = |linear: Vector, spin: f32| linear.length() <= CALM.0 && spin.abs() <= CALM.1;
        let turned = |spin: f32, arm: Vector| Vector::new(-spin * arm.y, spin * arm.x);
        let hinge = self.origin();
        let at_hinge = linear + turned(spin, hinge - self.physics.pose(0).translation);
        calm(linear, spin)
            && (1..3).all(|leg| {
                let spin = spin + velocity[2 + leg];
                calm(at_hinge + turned(spin, self.physics.pose(leg).translation - hinge), spin)
            })
    }

    fn state(&self) -> [f32; 8] {
        let (origin, velocity) = (self.origin(), self.physics.velocity());
        [
            (origin.x - MIDDLE_M) / MIDDLE_M,
            (origin.y - STANDING_M) / MIDDLE_M,
            velocity[0] * MIDDLE_M * STEP_SECS,
            velocity[1] * MIDDLE_M * STEP_SECS,
            self.physics.root_angle(),
            20.0 * velocity[2] * STEP_SECS,
            f32::from(u8::from(self.physics.in_contact(1))),
            f32::from(u8::from(self.physics.in_contact(2))),
        ]
    }

    /// Reward of landing, and what it becomes to the agent.
    fn land_reward(&mut self, main: f32, side: f32) -> f64 {
        let state = self.state().map(f64::from);
        let potential = -100.0 * state[0].hypot(state[1]) - 100.0 * state[2].hypot(state[3]) - 100.0 * state[4].abs()
            + 10.0 * (state[6] + state[7]);
        let gain = potential - std::mem::replace(&mut self.potential, potential);
        let reward = if self.asleep() {
            100.0
        } else if self.crashed || state[0].abs() >= 1.0 {
            -100.0
        } else {
            gain - 0.3 * f64::from(main) - 0.03 * f64::from(side)
        };
        reward.clamp(-5.0, 10.0) / 20.0
    }

    fn goal_reward(&self, main: f32, side: f32) -> f64 {
        let origin = self.origin();
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

impl Pieces for Moon {
    fn near(&self, min: f32, max: f32, visit: &mut dyn FnMut(u16, &[Vector])) {
        for (edge, number) in self.corners.windows(2).zip(0..) {
            if edge[0][0] <= max && min <= edge[1][0] {
                visit(number, &[Vector::from(edge[0]), Vector::from(edge[1])]);
            }
        }
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
            physics: physics(),
            ground: Moon::default(),
            pad: [0.0; 2],
            goal: [0.0; 2],
            crashed: false,
            calm_steps: 0,
            potential: 0.0,
            exhaust: Exhaust::default(),
            palette: Seed::new(rng.next_u64()),
        }
    }

    fn reset(&mut self, params: &LanderParams, rng: &mut Rng) {
        (self.ground, self.pad) = moon(rng);
        self.physics = physics();
        for edge in self.ground.corners.windows(2) {
            let [left, right] = [edge[0], edge[1]].map(|[x, y]| Vector::new(x, y));
            let down = Vector::new(0.0, GROUND_DEPTH_M);
            self.physics.add_ground(&[left - down, right - down, right, left]);
        }
        (self.crashed, self.calm_steps) = (false, 0);
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
        self.first_step([x, y], force);
        if takeoff {
            (0..5).for_each(|_| self.advance());
        }
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
            let origin = self.origin();
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

    fn after_draw(&mut self) {
        self.exhaust.fade();
    }
}

impl Lander {
    /// The first step in closed form: Box2D pulls the legs to their hinges without giving them speed, and the start force
    /// moves and turns the craft.
    fn first_step(&mut self, [x, y]: Point, force: [f32; 2]) {
        let speed = |force: f32| force * STEP_SECS / TOTAL_MASS_KG;
        let velocity = [speed(force[0]), speed(force[1]) - GRAVITY * STEP_SECS];
        let spin = START_SPIN * velocity[0];
        let center = Vector::new(x, y + HULL_CENTER_M + SNAP_M) + STEP_SECS * Vector::from(velocity);
        let root = Place { center, angle: spin * STEP_SECS };
        self.physics.place(root, &[LEG_START + LEG_REFERENCE[0], -LEG_START + LEG_REFERENCE[1]]);
        self.physics.set_velocity(&[velocity[0], velocity[1], spin, -LEG_MOTOR_SPEED, LEG_MOTOR_SPEED]);
    }
}

/// The ground's corners and the ends of its flat stretch, m.
fn moon(rng: &mut Rng) -> (Moon, [f32; 2]) {
    let columns = if rng.chance(0.5) { 7 } else { 9 };
    let mut raw: Vec<f64> = (0..=columns).map(|_| rng.uniform(0.0, f64::from(SIZE_M) / 2.0)).collect();
    let middle = columns / 2;
    raw[middle - 2..=middle + 2].fill(f64::from(PAD_M));
    let x = |i: usize| i as f32 * SIZE_M / (columns - 1) as f32;
    let height = |i: usize| 0.33 * (raw[(i + columns) % (columns + 1)] + raw[i] + raw[i + 1]);
    let corners = (0..columns).map(|i| [x(i), height(i) as f32]).collect();
    (Moon { corners }, [x(middle - 1), x(middle + 1)])
}

/// A lander without ground.
fn physics() -> Physics {
    let hull = Part {
        outline: HULL.map(|[x, y]| Vector::new(x / 30.0, y / 30.0 - HULL_CENTER_M)).to_vec(),
        mass: 4.816667,
        inertia: 0.783881,
        friction: 0.1,
    };
    let leg = |side: usize| {
        let part = Part { outline: box_outline(LEG_HALF), mass: 0.071111, inertia: 0.001791, friction: 0.2 };
        let sign = [-1.0, 1.0][side];
        let range = if side == 0 { LEG_RANGE } else { [-LEG_RANGE[1], -LEG_RANGE[0]] };
        let hinge = Hinge {
            parent: 0,
            parent_anchor: Vector::new(0.0, -HULL_CENTER_M),
            anchor: Vector::new(sign * LEG_ANCHOR[0], LEG_ANCHOR[1]),
            limits: range.map(|angle| angle + LEG_REFERENCE[side]),
        };
        (part, hinge)
    };
    let mut physics = Physics::new(&hull, &[leg(0), leg(1)], GROUND_FRICTION, SWEEPS);
    physics.drive(0, -LEG_MOTOR_SPEED, LEG_MOTOR_TORQUE);
    physics.drive(1, LEG_MOTOR_SPEED, LEG_MOTOR_TORQUE);
    physics
}
