//! Ball in cup: a cup that moves in a vertical plane, with a ball on a string.

use super::{Domain, REWARD, Task, find, names};
use crate::env::mujoco::model::{Body, Geom, Joint, Model, ModelError, Site};
use crate::env::mujoco::physics::{Field as ModelField, Physics};
use crate::env::mujoco::row::Row;
use crate::env::{Field, Layout};
use crate::sim::Rng;

pub(super) const DOMAIN: Domain = Domain {
    name: "ball_in_cup",
    tasks: || names(GOALS),
    model: |_| Model::load("dm_control/ball_in_cup.xml"),
    bind: |model, task| find(GOALS, task).map(|goal| BallInCup::new(model, goal)).transpose(),
};

/// What a task asks for.
#[derive(Clone, Copy)]
enum Goal {
    /// Have the ball in the cup.
    Catch,
}

const GOALS: &[(&str, Goal)] = &[("catch", Goal::Catch)];

/// Where the ball starts, sideways and up, m.
const START_X: (f64, f64) = (-0.2, 0.2);
const START_Z: (f64, f64) = (0.2, 0.5);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("cup and ball position: sideways, up", 4, "m"),
        Field::new("cup and ball velocity: sideways, up", 4, "m/s"),
    ],
    action: &[Field::new("force on the cup: sideways, up", 2, "5 N")],
    rate_hz: 50.0,
    reward_terms: REWARD,
    constant_entries: &[],
};

struct BallInCup {
    goal: Goal,
    ball: Body,
    ball_geom: Geom,
    /// The inside of the cup.
    target: Site,
    ball_x: Joint,
    ball_z: Joint,
}

impl BallInCup {
    fn new(model: &Model, goal: Goal) -> Result<Box<dyn Task>, ModelError> {
        Ok(Box::new(Self {
            goal,
            ball: model.body("ball")?,
            ball_geom: model.geom("ball")?,
            target: model.site("target")?,
            ball_x: model.joint("ball_x")?,
            ball_z: model.joint("ball_z")?,
        }))
    }

    fn caught(&self, physics: &Physics) -> bool {
        let (ball, target) = (physics.position(self.ball), physics.site_position(self.target));
        let room: [f64; 3] = physics.field(ModelField::SiteSize, self.target.index());
        let [radius, ..] = physics.field::<3>(ModelField::GeomSize, self.ball_geom.index());
        [0, 2].iter().all(|&axis| (target[axis] - ball[axis]).abs() < room[axis] - radius)
    }
}

impl Task for BallInCup {
    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn physics_steps(&self) -> u32 {
        10
    }

    fn initialize(&self, physics: &mut Physics, rng: &mut Rng) {
        loop {
            physics.qpos_mut()[self.ball_x.position] = rng.uniform(START_X.0, START_X.1);
            physics.qpos_mut()[self.ball_z.position] = rng.uniform(START_Z.0, START_Z.1);
            physics.settle_state();
            if physics.contacts() == 0 {
                return;
            }
        }
    }

    fn observe(&self, physics: &Physics, row: &mut Row<'_>) {
        row.extend(physics.qpos().iter().copied());
        row.extend(physics.qvel().iter().copied());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        match self.goal {
            Goal::Catch => f64::from(self.caught(physics)),
        }
    }
}
