//! Hopper: a planar one-legged body that stands and hops.

use super::{Domain, REWARD, Task, find, names};
use crate::env::mujoco::model::{Body, Model, ModelError, Sensor};
use crate::env::mujoco::physics::Physics;
use crate::env::mujoco::randomize;
use crate::env::mujoco::row::Row;
use crate::env::mujoco::tolerance::{Sigmoid, Tolerance};
use crate::env::{Field, Layout};
use crate::sim::Rng;

pub(super) const DOMAIN: Domain = Domain {
    name: "hopper",
    tasks: || names(GOALS),
    model: |_| Model::load("dm_control/hopper.xml"),
    bind: |model, task| find(GOALS, task).map(|goal| Hopper::new(model, goal)).transpose(),
};

/// What a task asks for.
#[derive(Clone, Copy)]
enum Goal {
    /// Stand with little effort.
    Stand,
    /// Hop forward.
    Hop,
    /// Hop backward.
    HopBackward,
}

const GOALS: &[(&str, Goal)] = &[("stand", Goal::Stand), ("hop", Goal::Hop), ("hop_backward", Goal::HopBackward)];

/// How far the torso is above the foot when it stands, m.
const STANDING: Tolerance = Tolerance::within(0.6, 2.0);
const RELAXED: Tolerance = Tolerance::within(0.0, 0.0).falling(1.0, Sigmoid::Quadratic, 0.0);
/// Speed forward that earns the whole reward, m/s.
const HOPPING: Tolerance = Tolerance::at_least(2.0).falling(1.0, Sigmoid::Linear, 0.5);
/// The same backward, m/s.
const HOPPING_BACKWARD: Tolerance = Tolerance::at_least(1.0).falling(0.5, Sigmoid::Linear, 0.5);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("root height (1 m is 0) and pitch", 2, "m, rad"),
        Field::new("waist, hip, knee and ankle angle", 4, "rad"),
        Field::new("root velocity: forward, up, pitch", 3, "m/s, rad/s"),
        Field::new("waist, hip, knee and ankle velocity", 4, "rad/s"),
        Field::new("touch at toe and heel", 2, "ln(1 + N)"),
    ],
    action: &[Field::new("waist, hip, knee and ankle torque", 4, "30, 40, 30 and 10 N m")],
    rate_hz: 50.0,
    reward_terms: REWARD,
    constant_entries: &[],
};

struct Hopper {
    goal: Goal,
    torso: Body,
    foot: Body,
    /// Velocity of the whole body's center of mass.
    velocity: Sensor,
    touches: [Sensor; 2],
}

impl Hopper {
    fn new(model: &Model, goal: Goal) -> Result<Box<dyn Task>, ModelError> {
        Ok(Box::new(Self {
            goal,
            torso: model.body("torso")?,
            foot: model.body("foot")?,
            velocity: model.sensor("torso_subtreelinvel")?,
            touches: [model.sensor("touch_toe")?, model.sensor("touch_heel")?],
        }))
    }
}

impl Task for Hopper {
    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn physics_steps(&self) -> u32 {
        4
    }

    fn initialize(&self, physics: &mut Physics, rng: &mut Rng) {
        randomize::joints(physics, rng);
    }

    fn observe(&self, physics: &Physics, row: &mut Row<'_>) {
        // Where it is along the track is not seen.
        row.extend(physics.qpos()[1..].iter().copied());
        row.extend(physics.qvel().iter().copied());
        row.extend(self.touches.map(|touch| physics.sensor(touch)[0].ln_1p()));
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let [torso, foot] = [self.torso, self.foot].map(|body| physics.center_of_mass(body)[2]);
        let standing = STANDING.of(torso - foot);
        match self.goal {
            Goal::Stand => {
                let controls = physics.ctrl();
                let relaxed = controls.iter().map(|c| RELAXED.of(*c)).sum::<f64>() / controls.len() as f64;
                standing * (4.0 + relaxed) / 5.0
            }
            Goal::Hop => standing * HOPPING.of(physics.sensor(self.velocity)[0]),
            Goal::HopBackward => standing * HOPPING_BACKWARD.of(-physics.sensor(self.velocity)[0]),
        }
    }
}
