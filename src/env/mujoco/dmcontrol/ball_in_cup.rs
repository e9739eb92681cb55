//! Ball in cup: a cup that moves in a vertical plane, with a ball on a string.

use super::{Domain, REWARD, Task, find, names};
use crate::env::mujoco::model::{Body, Geom, Joint, Model, ModelError, Site};
use crate::env::mujoco::physics::{Field as ModelField, Physics};
use crate::env::mujoco::row::Row;
use crate::env::mujoco::tolerance::{Sigmoid, Tolerance};
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
    /// Swing the ball around outside of the cup.
    Spin,
}

const GOALS: &[(&str, Goal)] = &[("catch", Goal::Catch), ("spin", Goal::Spin)];

/// Where the ball starts, sideways and up, m.
const START_X: (f64, f64) = (-0.2, 0.2);
const START_Z: (f64, f64) = (0.2, 0.5);
/// How often the ball may start outside of the cup where it is to be swung out.
const STARTS_ANYWHERE: f64 = 0.1;
/// Distance from the inside of the cup, m.
const AWAY: Tolerance = Tolerance::at_least(0.5).falling(0.25, Sigmoid::Linear, 0.5);
/// Speed of the ball, m/s.
const SPINNING: Tolerance = Tolerance::at_least(6.0).falling(3.0, Sigmoid::Linear, 0.5);

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

    /// From the ball to the inside of the cup, sideways and up, m.
    fn to_target(&self, physics: &Physics) -> [f64; 2] {
        let (ball, target) = (physics.position(self.ball), physics.site_position(self.target));
        [target[0] - ball[0], target[2] - ball[2]]
    }

    fn caught(&self, physics: &Physics) -> bool {
        let [x, z] = self.to_target(physics);
        let room: [f64; 3] = physics.field(ModelField::SiteSize, self.target.index());
        let [radius, ..] = physics.field::<3>(ModelField::GeomSize, self.ball_geom.index());
        x.abs() < room[0] - radius && z.abs() < room[2] - radius
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
        let anywhere = match self.goal {
            Goal::Catch => true,
            Goal::Spin => rng.unit() < STARTS_ANYWHERE,
        };
        loop {
            physics.qpos_mut()[self.ball_x.position] = rng.uniform(START_X.0, START_X.1);
            physics.qpos_mut()[self.ball_z.position] = rng.uniform(START_Z.0, START_Z.1);
            physics.settle_state();
            if physics.contacts() == 0 && (anywhere || self.caught(physics)) {
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
            Goal::Spin if self.caught(physics) => 0.0,
            Goal::Spin => {
                let [x, z] = self.to_target(physics);
                let velocities = physics.qvel();
                let speed = velocities[self.ball_x.velocity].hypot(velocities[self.ball_z.velocity]);
                (AWAY.of(x.hypot(z)) + 2.0 * SPINNING.of(speed)) / 3.0
            }
        }
    }
}
