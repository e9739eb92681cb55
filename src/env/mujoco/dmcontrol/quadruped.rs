//! Quadruped: a four-legged body whose legs yaw, lift and extend.

use std::sync::Arc;

use super::{Domain, REWARD, Task, find, names};
use crate::env::mujoco::model::{Body, Draft, Joint, JointKind, Model, ModelError, Removable, Sensor};
use crate::env::mujoco::physics::Physics;
use crate::env::mujoco::randomize;
use crate::env::mujoco::row::Row;
use crate::env::mujoco::tolerance::{Sigmoid, Tolerance};
use crate::env::{Field, Layout};
use crate::sim::Rng;

pub(super) const DOMAIN: Domain = Domain {
    name: "quadruped",
    tasks: || names(GOALS),
    model,
    bind: |model, task| find(GOALS, task).map(|speed| Quadruped::new(model, speed)).transpose(),
};

/// Speed that each task asks for, m/s.
const GOALS: &[(&str, f64)] = &[("walk", 0.5), ("run", 5.0)];

/// Length of an episode, s: the floor is as large as one can get in it.
const EPISODE_SECS: f64 = 20.0;
/// How far the root is lifted at a time until nothing touches the floor, m.
const LIFT: f64 = 0.01;
/// In the order of the observation.
const LEGS: [&str; 4] = ["front_left", "front_right", "back_right", "back_left"];

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("yaw, pitch, knee and ankle of each leg: angle", 16, "rad"),
        Field::new("yaw, pitch, knee and ankle of each leg: velocity", 16, "rad/s"),
        Field::new("yaw, lift and extension of each leg: activation", 12, "1"),
        Field::new("torso velocity, in its frame", 3, "m/s"),
        Field::new("uprightness", 1, "1"),
        Field::new("acceleration, in the torso's frame", 3, "m/s²"),
        Field::new("angular velocity, in the torso's frame", 3, "rad/s"),
        Field::new("force at each toe", 12, "asinh(N)"),
        Field::new("torque at each toe", 12, "asinh(N m)"),
    ],
    action: &[Field::new("yaw, lift and extension of each leg", 12, "its range")],
    rate_hz: 50.0,
    reward_terms: REWARD,
    constant_entries: &[],
};

/// The stock model without what other tasks need: walls, ball, target, terrain and range finders.
fn model(task: &str) -> Result<Arc<Model>, ModelError> {
    let floor = EPISODE_SECS * find(GOALS, task).unwrap_or(GOALS[0].1);
    Model::load_edited("dm_control/quadruped.xml", &format!("floor of {floor} m"), |draft| strip(draft, floor))
}

fn strip(draft: &mut Draft, floor: f64) -> Result<(), String> {
    for finder in (0..4).flat_map(|row| (0..5).map(move |column| format!("rf_{row}{column}"))) {
        draft.remove(Removable::Sensor, &finder)?;
        draft.remove(Removable::Site, &finder)?;
    }
    for wall in ["wall_px", "wall_py", "wall_nx", "wall_ny", "terrain"] {
        draft.remove(Removable::Geom, wall)?;
    }
    draft.remove(Removable::Body, "ball")?;
    draft.remove(Removable::Site, "target")?;
    draft.set_geom_size("floor", [floor, floor, 0.5])
}

struct Quadruped {
    moving: Tolerance,
    torso: Body,
    root: Joint,
    hinges: Vec<Joint>,
    velocity: Sensor,
    acceleration: Sensor,
    turning: Sensor,
    /// Forces at the toes, then torques.
    loads: Vec<Sensor>,
}

impl Quadruped {
    fn new(model: &Model, speed: f64) -> Result<Box<dyn Task>, ModelError> {
        let loads = ["force", "torque"].into_iter().flat_map(|load| LEGS.map(|leg| format!("{load}_toe_{leg}")));
        Ok(Box::new(Self {
            moving: Tolerance::at_least(speed).falling(speed, Sigmoid::Linear, 0.5),
            torso: model.body("torso")?,
            root: model.joint("root")?,
            hinges: model.joints().filter(|joint| joint.kind == JointKind::Hinge).collect(),
            velocity: model.sensor("velocimeter")?,
            acceleration: model.sensor("imu_accel")?,
            turning: model.sensor("imu_gyro")?,
            loads: loads.map(|name| model.sensor(&name)).collect::<Result<_, _>>()?,
        }))
    }
}

impl Task for Quadruped {
    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn physics_steps(&self) -> u32 {
        4
    }

    fn initialize(&self, physics: &mut Physics, rng: &mut Rng) {
        let orientation = randomize::rotation(rng);
        for lifted in 0.. {
            let root = &mut physics.qpos_mut()[self.root.position..][..7];
            root[..3].copy_from_slice(&[0.0, 0.0, LIFT * f64::from(lifted)]);
            root[3..].copy_from_slice(&orientation);
            physics.settle_state();
            if physics.contacts() == 0 {
                return;
            }
        }
    }

    fn observe(&self, physics: &Physics, row: &mut Row<'_>) {
        let read = |sensor: Sensor| physics.sensor(sensor).iter().copied();
        row.extend(self.hinges.iter().map(|hinge| physics.qpos()[hinge.position]));
        row.extend(self.hinges.iter().map(|hinge| physics.qvel()[hinge.velocity]));
        row.extend(physics.act().iter().copied());
        row.extend(read(self.velocity));
        row.push(physics.rotation(self.torso)[8]);
        row.extend(read(self.acceleration));
        row.extend(read(self.turning));
        row.extend(self.loads.iter().flat_map(|load| read(*load).map(f64::asinh)));
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let upright = (1.0 + physics.rotation(self.torso)[8]) / 2.0;
        upright * self.moving.of(physics.sensor(self.velocity)[0])
    }
}
