//! Cheetah: a planar two-legged body with springy joints that runs, on two feet or one, and jumps.

use super::{Domain, REWARD, Task, find, names};
use crate::env::mujoco::model::{Body, Model, ModelError, Sensor};
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
    /// Run backward.
    RunBackward,
    /// Run forward with the torso and one foot held high.
    RunLifting(Foot),
    /// Jump on the spot.
    Jump,
}

#[derive(Clone, Copy)]
enum Foot {
    Back,
    Front,
}

/// A task is called after the foot that stays down.
const GOALS: &[(&str, Goal)] = &[
    ("run", Goal::Run),
    ("run_backward", Goal::RunBackward),
    ("run_front", Goal::RunLifting(Foot::Back)),
    ("run_back", Goal::RunLifting(Foot::Front)),
    ("jump", Goal::Jump),
];

/// Speed forward that earns the whole reward, m/s.
const RUNNING: Tolerance = Tolerance::at_least(10.0).falling(10.0, Sigmoid::Linear, 0.0);
/// The same backward, m/s.
const RUNNING_BACKWARD: Tolerance = Tolerance::at_least(8.0).falling(8.0, Sigmoid::Linear, 0.0);
/// The same on one foot, m/s.
const RUNNING_ON_ONE: Tolerance = Tolerance::at_least(6.0).falling(6.0, Sigmoid::Linear, 0.0);
/// Speed of one that jumps on the spot, m/s.
const STAYING: Tolerance = Tolerance::within(-0.5, 0.5).falling(0.5, Sigmoid::Linear, 0.0);
/// Height of a lifted foot or torso, m.
const HIGH: Tolerance = Tolerance::at_least(1.2).margin(0.6);

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
    torso: Body,
    back_foot: Body,
    front_foot: Body,
    /// Velocity of the whole body's center of mass.
    velocity: Sensor,
}

impl Cheetah {
    fn new(model: &Model, goal: Goal) -> Result<Box<dyn Task>, ModelError> {
        Ok(Box::new(Self {
            goal,
            torso: model.body("torso")?,
            back_foot: model.body("bfoot")?,
            front_foot: model.body("ffoot")?,
            velocity: model.sensor("torso_subtreelinvel")?,
        }))
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
        let [torso, back, front] = [self.torso, self.back_foot, self.front_foot].map(|body| physics.position(body)[2]);
        match self.goal {
            Goal::Run => RUNNING.of(speed),
            Goal::RunBackward => RUNNING_BACKWARD.of(-speed),
            Goal::RunLifting(foot) => {
                let foot = match foot {
                    Foot::Back => back,
                    Foot::Front => front,
                };
                let lifted = (3.0 * HIGH.of(foot) + 2.0 * HIGH.of(torso)) / 5.0;
                lifted * (5.0 * RUNNING_ON_ONE.of(speed) + 1.0) / 6.0
            }
            Goal::Jump => {
                let jump = |foot| (5.0 * HIGH.of(f64::midpoint(torso, foot)) + STAYING.of(speed)) / 6.0;
                f64::midpoint(jump(back), jump(front))
            }
        }
    }
}
