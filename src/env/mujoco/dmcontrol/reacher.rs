//! Reacher: a planar arm of two or more links whose fingertip should rest in a round target.

use std::f64::consts::TAU;

use super::{Domain, REWARD, Task, find, names};
use crate::env::mujoco::model::{Geom, Model, ModelError};
use crate::env::mujoco::physics::{Field as ModelField, Physics};
use crate::env::mujoco::randomize;
use crate::env::mujoco::row::Row;
use crate::env::{Field, Layout};
use crate::sim::Rng;

pub(super) const DOMAIN: Domain = Domain {
    name: "reacher",
    tasks: || names(GOALS),
    model: |_| Model::load("dm_control/reacher.xml"),
    bind: |model, task| find(GOALS, task).map(|radius| Reacher::new(model, radius)).transpose(),
};

/// Radius of each task's target, m.
const GOALS: &[(&str, f64)] = &[("easy", 0.05), ("hard", 0.015)];

/// How far from the shoulder targets lie, m.
const TARGET_DISTANCE: (f64, f64) = (0.05, 0.20);
/// Height of the plane that the arm moves in, m.
const ARM_HEIGHT: f64 = 0.01;

const TWO_LINKS: Layout = Layout {
    observation: &[
        Field::new("shoulder and wrist angle", 2, "rad"),
        Field::new("from fingertip to target", 2, "m"),
        Field::new("shoulder and wrist velocity", 2, "rad/s"),
    ],
    action: &[Field::new("shoulder and wrist torque", 2, "0.05 N m")],
    rate_hz: 50.0,
    reward_terms: REWARD,
    constant_entries: &[],
};

const THREE_LINKS: Layout = Layout {
    observation: &[
        Field::new("joint angles", 3, "rad"),
        Field::new("from fingertip to target", 2, "m"),
        Field::new("joint velocities", 3, "rad/s"),
    ],
    action: &[Field::new("joint torques", 3, "0.05 N m")],
    ..TWO_LINKS
};

struct Reacher {
    links: usize,
    target_radius: f64,
    finger: Geom,
    target: Geom,
}

impl Reacher {
    fn new(model: &Model, target_radius: f64) -> Result<Box<dyn Task>, ModelError> {
        let links = model.joints().count();
        Ok(Box::new(Self { links, target_radius, finger: model.geom("finger")?, target: model.geom("target")? }))
    }

    /// From the fingertip to the target in the plane, m.
    fn to_target(&self, physics: &Physics) -> [f64; 2] {
        let [finger, target] = [self.finger, self.target].map(|geom| physics.geom_position(geom));
        [target[0] - finger[0], target[1] - finger[1]]
    }
}

impl Task for Reacher {
    fn layout(&self) -> Layout {
        if self.links == 2 { TWO_LINKS } else { THREE_LINKS }
    }

    fn initialize(&self, physics: &mut Physics, rng: &mut Rng) {
        randomize::joints(physics, rng);
        let (angle, distance) = (rng.uniform(0.0, TAU), rng.uniform(TARGET_DISTANCE.0, TARGET_DISTANCE.1));
        let target = self.target.index();
        physics.set_field(ModelField::GeomSize, target, &[self.target_radius, 0.0, 0.0]);
        physics.set_field(ModelField::GeomPos, target, &[distance * angle.sin(), distance * angle.cos(), ARM_HEIGHT]);
    }

    fn observe(&self, physics: &Physics, row: &mut Row<'_>) {
        row.extend(physics.qpos().iter().copied());
        row.extend(self.to_target(physics));
        row.extend(physics.qvel().iter().copied());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let [x, y] = self.to_target(physics);
        let radii = [self.target, self.finger].map(|geom| physics.field::<3>(ModelField::GeomSize, geom.index())[0]);
        f64::from(x.hypot(y) <= radii.iter().sum())
    }
}
