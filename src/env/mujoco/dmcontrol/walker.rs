//! Walker: a planar biped that stands, walks and runs, forward or backward, and holds poses.

use super::poses::{Figure, Pose};
use super::{Domain, REWARD, Task, find, names};
use crate::env::mujoco::model::{Body, Model, ModelError, Sensor};
use crate::env::mujoco::physics::Physics;
use crate::env::mujoco::randomize;
use crate::env::mujoco::row::Row;
use crate::env::mujoco::tolerance::{Sigmoid, Tolerance};
use crate::env::{Field, Layout};
use crate::sim::Rng;

pub(super) const DOMAIN: Domain = Domain {
    name: "walker",
    tasks: || names(GOALS),
    model: |_| Model::load("dm_control/walker.xml"),
    bind: |model, task| find(GOALS, task).map(|goal| Walker::new(model, goal)).transpose(),
};

/// What a task asks for.
#[derive(Clone, Copy)]
enum Goal {
    /// Stand upright.
    Stand,
    /// Stand and move forward at this speed, m/s; backward if it is negative.
    Move(f64),
    /// Hold a pose.
    Hold(Pose),
}

const GOALS: &[(&str, Goal)] = &[
    ("stand", Goal::Stand),
    ("walk", Goal::Move(1.0)),
    ("run", Goal::Move(8.0)),
    ("walk_backward", Goal::Move(-1.0)),
    ("run_backward", Goal::Move(-8.0)),
    ("arabesque", Goal::Hold(Pose::Arabesque)),
    ("lie_down", Goal::Hold(Pose::LieDown)),
    ("legs_up", Goal::Hold(Pose::LegsUp)),
    ("headstand", Goal::Hold(Pose::Headstand)),
];

/// Height of the torso that counts as standing, m.
const STANDING: Tolerance = Tolerance::at_least(1.2).margin(0.6);

/// In the order of their orientations in the observation.
const BODIES: [&str; 7] = ["torso", "right_thigh", "right_leg", "right_foot", "left_thigh", "left_leg", "left_foot"];

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("pitch of torso, right and left thigh, leg and foot: cosine and sine each", 14, "1"),
        Field::new("torso height", 1, "m"),
        Field::new("root velocity: up, forward, pitch", 3, "m/s, rad/s"),
        Field::new("right hip, knee and ankle, left ones: velocity", 6, "rad/s"),
    ],
    action: &[Field::new("right hip, knee and ankle, left ones: torque", 6, "100, 50 and 20 N m")],
    rate_hz: 40.0,
    reward_terms: REWARD,
    constant_entries: &[],
};

struct Walker {
    goal: Goal,
    bodies: [Body; 7],
    /// Velocity of the whole body's center of mass.
    velocity: Sensor,
}

impl Walker {
    fn new(model: &Model, goal: Goal) -> Result<Box<dyn Task>, ModelError> {
        let torso = model.body("torso")?;
        let mut bodies = [torso; 7];
        for (body, name) in bodies.iter_mut().zip(BODIES) {
            *body = model.body(name)?;
        }
        Ok(Box::new(Self { goal, bodies, velocity: model.sensor("torso_subtreelinvel")? }))
    }
}

impl Task for Walker {
    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn physics_steps(&self) -> u32 {
        10
    }

    fn initialize(&self, physics: &mut Physics, rng: &mut Rng) {
        randomize::joints(physics, rng);
    }

    fn observe(&self, physics: &Physics, row: &mut Row<'_>) {
        for body in self.bodies {
            let rotation = physics.rotation(body);
            row.extend([rotation[0], rotation[2]]);
        }
        row.push(physics.position(self.bodies[0])[2]);
        row.extend(physics.qvel().iter().copied());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let [torso, right_thigh, _, right_foot, left_thigh, _, left_foot] = self.bodies;
        let height = |body| physics.position(body)[2];
        let upright = physics.rotation(torso)[8];
        let stand = (3.0 * STANDING.of(height(torso)) + (1.0 + upright) / 2.0) / 4.0;
        match self.goal {
            Goal::Stand => stand,
            Goal::Move(speed) => {
                let moving = Tolerance::at_least(speed.abs()).falling(speed.abs() / 2.0, Sigmoid::Linear, 0.5);
                stand * (5.0 * moving.of(speed.signum() * physics.sensor(self.velocity)[0]) + 1.0) / 6.0
            }
            Goal::Hold(pose) => pose.reward(&Figure {
                torso: height(torso),
                feet: [left_foot, right_foot].map(height),
                hips: f64::midpoint(height(left_thigh), height(right_thigh)),
                upright,
            }),
        }
    }
}
