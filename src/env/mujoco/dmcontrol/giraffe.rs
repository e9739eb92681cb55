//! Giraffe: the cheetah's legs under a long neck; it runs and must not let its head drop.

use super::{Domain, REWARD, Task, find, names};
use crate::env::mujoco::model::{Body, Model, ModelError, Sensor};
use crate::env::mujoco::physics::Physics;
use crate::env::mujoco::randomize;
use crate::env::mujoco::row::Row;
use crate::env::mujoco::tolerance::{Sigmoid, Tolerance};
use crate::env::{Field, Layout};
use crate::sim::Rng;

pub(super) const DOMAIN: Domain = Domain {
    name: "giraffe",
    tasks: || names(GOALS),
    model: |_| Model::load("giraffe.xml"),
    bind: |model, task| find(GOALS, task).map(|()| Giraffe::new(model)).transpose(),
};

const GOALS: &[(&str, ())] = &[("run", ())];

/// Height of the head that counts as held up, m. At rest it is at twice that, so only a fall costs.
const HEAD_UP: Tolerance = Tolerance::at_least(0.5).margin(0.25);
/// Forward speed, m/s.
const RUNNING: Tolerance = Tolerance::at_least(10.0).falling(10.0, Sigmoid::Linear, 0.0);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("root height from its default, pitch", 2, "m, rad"),
        Field::new("neck, hind thigh, shin and foot, front ones: angle", 7, "rad"),
        Field::new("root velocity: forward, up, pitch", 3, "m/s, rad/s"),
        Field::new("neck, hind thigh, shin and foot, front ones: velocity", 7, "rad/s"),
    ],
    action: &[Field::new("hind thigh, shin and foot, front ones, neck: torque", 7, "120, 90, 60, 90, 60, 30, 30 N m")],
    rate_hz: 100.0,
    reward_terms: REWARD,
    constant_entries: &[],
};

struct Giraffe {
    head: Body,
    /// Velocity of the whole body's center of mass.
    velocity: Sensor,
}

impl Giraffe {
    fn new(model: &Model) -> Result<Box<dyn Task>, ModelError> {
        Ok(Box::new(Self { head: model.body("head")?, velocity: model.sensor("torso_subtreelinvel")? }))
    }
}

impl Task for Giraffe {
    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn initialize(&self, physics: &mut Physics, rng: &mut Rng) {
        randomize::settle(physics, rng);
    }

    fn observe(&self, physics: &Physics, row: &mut Row<'_>) {
        row.extend(physics.qpos()[1..].iter().copied());
        row.extend(physics.qvel().iter().copied());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let head_up = HEAD_UP.of(physics.position(self.head)[2]);
        let running = RUNNING.of(physics.sensor(self.velocity)[0]);
        head_up * (3.0 * running + 1.0) / 4.0
    }
}
