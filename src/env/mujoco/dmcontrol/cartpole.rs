//! Cart-pole: keep one or more hinged poles upright by pushing the cart that carries them.

use std::f64::consts::PI;

use super::{Domain, REWARD, Task, find, names};
use crate::env::mujoco::model::{Body, Joint, Model, ModelError};
use crate::env::mujoco::physics::Physics;
use crate::env::mujoco::row::Row;
use crate::env::mujoco::tolerance::{Sigmoid, Tolerance};
use crate::env::{Field, Layout};
use crate::sim::Rng;

pub(super) const DOMAIN: Domain = Domain {
    name: "cartpole",
    tasks: || names(GOALS),
    model: |_| Model::load("dm_control/cartpole.xml"),
    bind: |model, task| find(GOALS, task).map(|goal| Cartpole::new(model, goal)).transpose(),
};

/// What a task asks for.
#[derive(Clone, Copy)]
struct Goal {
    /// Starts hanging.
    swing_up: bool,
    /// Rewards only what is upright and in the middle.
    sparse: bool,
}

const GOALS: &[(&str, Goal)] = &[
    ("balance", Goal { swing_up: false, sparse: false }),
    ("balance_sparse", Goal { swing_up: false, sparse: true }),
    ("swingup", Goal { swing_up: true, sparse: false }),
    ("swingup_sparse", Goal { swing_up: true, sparse: true }),
];

const IN_THE_MIDDLE: Tolerance = Tolerance::within(-0.25, 0.25);
const UPRIGHT: Tolerance = Tolerance::within(0.995, 1.0);
const CENTERED: Tolerance = Tolerance::within(0.0, 0.0).margin(2.0);
const RELAXED: Tolerance = Tolerance::within(0.0, 0.0).falling(1.0, Sigmoid::Quadratic, 0.0);
const CALM: Tolerance = Tolerance::within(0.0, 0.0).margin(5.0);

const ONE_POLE: Layout = Layout {
    observation: &[
        Field::new("cart position", 1, "m"),
        Field::new("pole angle, cosine and sine", 2, "1"),
        Field::new("cart velocity", 1, "m/s"),
        Field::new("pole angular velocity", 1, "rad/s"),
    ],
    action: &[Field::new("push", 1, "10 N")],
    rate_hz: 100.0,
    reward_terms: REWARD,
    constant_entries: &[],
};

const TWO_POLES: Layout = Layout {
    observation: &[
        Field::new("cart position", 1, "m"),
        Field::new("pole angles, cosine and sine each", 4, "1"),
        Field::new("cart velocity", 1, "m/s"),
        Field::new("hinge velocities", 2, "rad/s"),
    ],
    ..ONE_POLE
};

struct Cartpole {
    goal: Goal,
    slider: Joint,
    hinges: Vec<Joint>,
    poles: Vec<Body>,
}

impl Cartpole {
    fn new(model: &Model, goal: Goal) -> Result<Box<dyn Task>, ModelError> {
        let count = model.joints().count() - 1;
        Ok(Box::new(Self {
            goal,
            slider: model.joint("slider")?,
            hinges: (1..=count).map(|pole| model.joint(&format!("hinge_{pole}"))).collect::<Result<_, _>>()?,
            poles: (1..=count).map(|pole| model.body(&format!("pole_{pole}"))).collect::<Result<_, _>>()?,
        }))
    }

    /// (cos, sin) of every pole's absolute angle.
    fn angles(&self, physics: &Physics) -> impl Iterator<Item = (f64, f64)> {
        self.poles.iter().map(|&pole| {
            let rotation = physics.rotation(pole);
            (rotation[8], rotation[2])
        })
    }
}

impl Task for Cartpole {
    fn layout(&self) -> Layout {
        if self.poles.len() == 1 { ONE_POLE } else { TWO_POLES }
    }

    fn initialize(&self, physics: &mut Physics, rng: &mut Rng) {
        let qpos = physics.qpos_mut();
        if self.goal.swing_up {
            qpos[self.slider.position] = rng.normal(0.0, 0.01);
            for (index, hinge) in self.hinges.iter().enumerate() {
                qpos[hinge.position] = if index == 0 { rng.normal(PI, 0.01) } else { rng.normal(0.0, 0.1) };
            }
        } else {
            qpos[self.slider.position] = rng.uniform(-0.1, 0.1);
            self.hinges.iter().for_each(|hinge| qpos[hinge.position] = rng.uniform(-0.034, 0.034));
        }
        physics.qvel_mut().fill_with(|| rng.normal(0.0, 0.01));
    }

    fn observe(&self, physics: &Physics, row: &mut Row<'_>) {
        row.push(physics.qpos()[self.slider.position]);
        row.extend(self.angles(physics).flat_map(|(cos, sin)| [cos, sin]));
        row.extend(physics.qvel().iter().copied());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let x = physics.qpos()[self.slider.position];
        let cosines = self.angles(physics).map(|(cos, _)| cos);
        if self.goal.sparse {
            return IN_THE_MIDDLE.of(x) * cosines.map(|cos| UPRIGHT.of(cos)).product::<f64>();
        }
        let upright = cosines.map(|cos| (cos + 1.0) / 2.0).sum::<f64>() / self.poles.len() as f64;
        let centered = (1.0 + CENTERED.of(x)) / 2.0;
        let relaxed = (4.0 + RELAXED.of(physics.ctrl()[0])) / 5.0;
        let velocities = self.hinges.iter().map(|hinge| CALM.of(physics.qvel()[hinge.velocity]));
        let calm = (1.0 + velocities.fold(1.0, f64::min)) / 2.0;
        upright * relaxed * calm * centered
    }
}
