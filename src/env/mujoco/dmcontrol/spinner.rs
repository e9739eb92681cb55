//! Spinner and jumper: balls in a plane with sprung limbs, five or four arms to tumble on or two legs to jump with.

use super::{Domain, REWARD, Task, find, names};
use crate::env::mujoco::model::{Body, Model, ModelError, Sensor};
use crate::env::mujoco::physics::Physics;
use crate::env::mujoco::randomize;
use crate::env::mujoco::row::Row;
use crate::env::mujoco::tolerance::{Sigmoid, Tolerance};
use crate::env::{Field, Layout};
use crate::sim::Rng;

pub(super) const SPINNER: Domain = Domain {
    name: "spinner",
    tasks: || names(SPINNER_GOALS),
    model: |_| Model::load("spinner.xml"),
    bind: |model, task| find(SPINNER_GOALS, task).map(|goal| Spinner::new(model, goal)).transpose(),
};

pub(super) const JUMPER: Domain = Domain {
    name: "jumper",
    tasks: || names(JUMPER_GOALS),
    model: |_| Model::load("jumper.xml"),
    bind: |model, task| find(JUMPER_GOALS, task).map(|goal| Spinner::new(model, goal)).transpose(),
};

/// What a task asks for.
#[derive(Clone, Copy)]
enum Goal {
    /// Rise high above the floor.
    Jump,
    /// Spin and travel, forward (1) or backward (-1).
    Tumble(f64),
}

const SPINNER_GOALS: &[(&str, Goal)] =
    &[("spin", Goal::Tumble(1.0)), ("spin_backward", Goal::Tumble(-1.0)), ("jump", Goal::Jump)];
const JUMPER_GOALS: &[(&str, Goal)] = &[("jump", Goal::Jump)];

/// Height of the torso, m.
const HIGH: Tolerance = Tolerance::at_least(1.5).margin(0.75);
/// Angular momentum about the center of mass, kg m²/s.
const SPINNING: Tolerance = Tolerance::at_least(8.0).falling(8.0, Sigmoid::Linear, 0.0);
/// Speed, m/s.
const TRAVELING: Tolerance = Tolerance::at_least(8.0).falling(8.0, Sigmoid::Linear, 0.0);

const FIVE_ARMS: Layout = Layout {
    observation: &[
        Field::new("root height from its default, pitch", 2, "m, rad"),
        Field::new("arm angles", 5, "rad"),
        Field::new("root velocity: forward, up, pitch", 3, "m/s, rad/s"),
        Field::new("arm velocities", 5, "rad/s"),
    ],
    action: &[Field::new("arm torques", 5, "100 N m")],
    rate_hz: 100.0,
    reward_terms: REWARD,
    constant_entries: &[],
};

const FOUR_ARMS: Layout = Layout {
    observation: &[
        Field::new("root height from its default, pitch", 2, "m, rad"),
        Field::new("arm angles", 4, "rad"),
        Field::new("root velocity: forward, up, pitch", 3, "m/s, rad/s"),
        Field::new("arm velocities", 4, "rad/s"),
    ],
    action: &[Field::new("arm torques", 4, "100 N m")],
    ..FIVE_ARMS
};

const TWO_LEGS: Layout = Layout {
    observation: &[
        Field::new("root height from its default, pitch", 2, "m, rad"),
        Field::new("leg angles", 2, "rad"),
        Field::new("root velocity: forward, up, pitch", 3, "m/s, rad/s"),
        Field::new("leg velocities", 2, "rad/s"),
    ],
    action: &[Field::new("leg torques", 2, "100 N m")],
    ..FIVE_ARMS
};

struct Spinner {
    layout: Layout,
    reward: Reward,
}

/// A goal on a model.
enum Reward {
    Jump {
        torso: Body,
    },
    /// `velocity` and `momentum` are those of the whole body.
    Tumble {
        direction: f64,
        velocity: Sensor,
        momentum: Sensor,
    },
}

impl Spinner {
    fn new(model: &Model, goal: Goal) -> Result<Box<dyn Task>, ModelError> {
        let layout = match model.control_ranges().len() {
            2 => TWO_LEGS,
            4 => FOUR_ARMS,
            _ => FIVE_ARMS,
        };
        let reward = match goal {
            Goal::Jump => Reward::Jump { torso: model.body("torso")? },
            Goal::Tumble(direction) => Reward::Tumble {
                direction,
                velocity: model.sensor("torso_subtreelinvel")?,
                momentum: model.sensor("torso_subtreeangmom")?,
            },
        };
        Ok(Box::new(Self { layout, reward }))
    }
}

impl Task for Spinner {
    fn layout(&self) -> Layout {
        self.layout
    }

    fn initialize(&self, physics: &mut Physics, rng: &mut Rng) {
        randomize::settle(physics, rng);
    }

    fn observe(&self, physics: &Physics, row: &mut Row<'_>) {
        row.extend(physics.qpos()[1..].iter().copied());
        row.extend(physics.qvel().iter().copied());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        match self.reward {
            Reward::Jump { torso } => HIGH.of(physics.position(torso)[2]),
            Reward::Tumble { direction, velocity, momentum } => {
                let spinning = SPINNING.of(direction * physics.sensor(momentum)[1]);
                let traveling = TRAVELING.of(direction * physics.sensor(velocity)[0]);
                (2.0 * spinning + 3.0 * traveling) / 5.0
            }
        }
    }
}
