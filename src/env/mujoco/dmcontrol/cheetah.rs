//! Cheetah: a planar two-legged runner with springy joints.

use super::{Domain, REWARD, Task, find, names};
use crate::env::mujoco::model::{Model, ModelError, Sensor};
use crate::env::mujoco::physics::Physics;
use crate::env::mujoco::randomize;
use crate::env::mujoco::row::Row;
use crate::env::mujoco::tolerance::{Sigmoid, Tolerance};
use crate::env::{Field, Layout};
use crate::sim::Rng;

pub(super) const DOMAIN: Domain = Domain {
    name: "cheetah",
    tasks: || names(GOALS),
    model: |_| Model::load("dm_control/cheetah.xml"),
    bind: |model, task| find(GOALS, task).map(|goal| Cheetah::new(model, goal)).transpose(),
};

/// What a task asks for.
#[derive(Clone, Copy)]
enum Goal {
    /// Run forward.
    Run,
}

const GOALS: &[(&str, Goal)] = &[("run", Goal::Run)];

/// Speed forward that earns the whole reward, m/s.
const RUNNING: Tolerance = Tolerance::at_least(10.0).falling(10.0, Sigmoid::Linear, 0.0);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("root height (0.7 m at rest is 0) and pitch", 2, "m, rad"),
        Field::new("back thigh, shin and foot, front ones: angle", 6, "rad"),
        Field::new("root velocity: forward, up, pitch", 3, "m/s, rad/s"),
        Field::new("back thigh, shin and foot, front ones: velocity", 6, "rad/s"),
    ],
    action: &[Field::new("back thigh, shin and foot, front ones: torque", 6, "120, 90, 60, 90, 60 and 30 N m")],
    rate_hz: 100.0,
    reward_terms: REWARD,
    constant_entries: &[],
};

struct Cheetah {
    goal: Goal,
    /// Velocity of the whole body's center of mass.
    velocity: Sensor,
}

impl Cheetah {
    fn new(model: &Model, goal: Goal) -> Result<Box<dyn Task>, ModelError> {
        Ok(Box::new(Self { goal, velocity: model.sensor("torso_subtreelinvel")? }))
    }
}

impl Task for Cheetah {
    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn initialize(&self, physics: &mut Physics, rng: &mut Rng) {
        randomize::settle(physics, rng);
    }

    fn observe(&self, physics: &Physics, row: &mut Row<'_>) {
        // Where it is along the track is not seen.
        row.extend(physics.qpos()[1..].iter().copied());
        row.extend(physics.qvel().iter().copied());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let speed = physics.sensor(self.velocity)[0];
        match self.goal {
            Goal::Run => RUNNING.of(speed),
        }
    }
}
