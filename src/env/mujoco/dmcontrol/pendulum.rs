//! Pendulum: swing up with a motor that is too weak to lift it in one go, or spin around.

use std::f64::consts::PI;

use super::{Domain, REWARD, Task, find, names};
use crate::env::mujoco::model::{Body, Model, ModelError};
use crate::env::mujoco::physics::Physics;
use crate::env::mujoco::row::Row;
use crate::env::mujoco::tolerance::{Sigmoid, Tolerance};
use crate::env::{Field, Layout};
use crate::sim::Rng;

pub(super) const DOMAIN: Domain = Domain {
    name: "pendulum",
    tasks: || names(GOALS),
    model: |_| Model::load("dm_control/pendulum.xml"),
    bind: |model, task| find(GOALS, task).map(|goal| Pendulum::new(model, goal)).transpose(),
};

/// What a task asks for.
#[derive(Clone, Copy)]
enum Goal {
    /// Stand upright.
    SwingUp,
    /// Turn fast, either way.
    Spin,
}

const GOALS: &[(&str, Goal)] = &[("swingup", Goal::SwingUp), ("spin", Goal::Spin)];

/// Angle from upright that still counts as upright, degrees.
const UPRIGHT_DEGREES: f64 = 8.0;
/// Angular speed that earns the whole reward, rad/s.
const SPINNING: Tolerance = Tolerance::at_least(9.0).falling(4.5, Sigmoid::Linear, 0.5);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("angle from upright, cosine and sine", 2, "1"),
        Field::new("angular velocity", 1, "rad/s"),
    ],
    action: &[Field::new("torque", 1, "1 N m")],
    rate_hz: 50.0,
    reward_terms: REWARD,
    constant_entries: &[],
};

struct Pendulum {
    goal: Goal,
    pole: Body,
}

impl Pendulum {
    fn new(model: &Model, goal: Goal) -> Result<Box<dyn Task>, ModelError> {
        Ok(Box::new(Self { goal, pole: model.body("pole")? }))
    }
}

impl Task for Pendulum {
    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn initialize(&self, physics: &mut Physics, rng: &mut Rng) {
        physics.qpos_mut()[0] = rng.uniform(-PI, PI);
    }

    fn observe(&self, physics: &Physics, row: &mut Row<'_>) {
        let rotation = physics.rotation(self.pole);
        row.extend([rotation[8], rotation[2], physics.qvel()[0]]);
    }

    fn reward(&self, physics: &Physics) -> f64 {
        match self.goal {
            Goal::SwingUp => f64::from(physics.rotation(self.pole)[8] >= UPRIGHT_DEGREES.to_radians().cos()),
            Goal::Spin => SPINNING.of(physics.qvel()[0].abs()),
        }
    }
}
