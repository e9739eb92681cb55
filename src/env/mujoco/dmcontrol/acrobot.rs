//! Acrobot: two hinged links, driven at the joint between them only.

use std::f64::consts::PI;

use super::{Domain, REWARD, Task, find, names};
use crate::env::mujoco::model::{Body, Model, ModelError, Site};
use crate::env::mujoco::physics::Physics;
use crate::env::mujoco::row::Row;
use crate::env::mujoco::tolerance::Tolerance;
use crate::env::{Field, Layout};
use crate::sim::Rng;

pub(super) const DOMAIN: Domain = Domain {
    name: "acrobot",
    tasks: || names(GOALS),
    model: |_| Model::load("dm_control/acrobot.xml"),
    bind: |model, task| find(GOALS, task).map(|()| Acrobot::new(model)).transpose(),
};

const GOALS: &[(&str, ())] = &[("swingup", ())];

/// Distance of the tip from the target, m; the target is that large.
const AT_TARGET: Tolerance = Tolerance::within(0.0, 0.2).margin(1.0);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("sine of upper and lower arm's angle", 2, "1"),
        Field::new("cosine of upper and lower arm's angle", 2, "1"),
        Field::new("shoulder and elbow velocity", 2, "rad/s"),
    ],
    action: &[Field::new("elbow torque", 1, "2 N m")],
    rate_hz: 100.0,
    reward_terms: REWARD,
    constant_entries: &[],
};

struct Acrobot {
    arms: [Body; 2],
    tip: Site,
    target: Site,
}

impl Acrobot {
    fn new(model: &Model) -> Result<Box<dyn Task>, ModelError> {
        let arms = [model.body("upper_arm")?, model.body("lower_arm")?];
        Ok(Box::new(Self { arms, tip: model.site("tip")?, target: model.site("target")? }))
    }
}

impl Task for Acrobot {
    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn initialize(&self, physics: &mut Physics, rng: &mut Rng) {
        physics.qpos_mut().fill_with(|| rng.uniform(-PI, PI));
    }

    fn observe(&self, physics: &Physics, row: &mut Row<'_>) {
        let rotations = self.arms.map(|arm| physics.rotation(arm));
        row.extend(rotations.map(|rotation| rotation[2]));
        row.extend(rotations.map(|rotation| rotation[8]));
        row.extend(physics.qvel().iter().copied());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        AT_TARGET.of(distance(physics.site_position(self.tip), physics.site_position(self.target)))
    }
}

fn distance(a: [f64; 3], b: [f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt()
}
