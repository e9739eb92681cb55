//! Finger: a planar two-joint finger beside a spinner on a hinge.

use std::f64::consts::PI;

use super::{Domain, REWARD, Task, find, names};
use crate::env::mujoco::model::{Joint, Model, ModelError, Sensor, Site};
use crate::env::mujoco::physics::{Field as ModelField, Physics};
use crate::env::mujoco::randomize;
use crate::env::mujoco::row::Row;
use crate::env::{Field, Layout};
use crate::sim::Rng;

pub(super) const DOMAIN: Domain = Domain {
    name: "finger",
    tasks: || names(GOALS),
    model: |_| Model::load("dm_control/finger.xml"),
    bind: |model, task| find(GOALS, task).map(|goal| Finger::new(model, goal)).transpose(),
};

/// What a task asks for.
#[derive(Clone, Copy)]
enum Goal {
    /// Keep the spinner turning.
    Spin,
    /// Bring the spinner's tip into a target of this radius, m.
    Turn(f64),
}

const GOALS: &[(&str, Goal)] =
    &[("spin", Goal::Spin), ("turn_easy", Goal::Turn(0.07)), ("turn_hard", Goal::Turn(0.03))];

/// Velocity of the spinner that counts as spinning, rad/s.
const SPINNING: f64 = -15.0;
/// Damping of the spinner's hinge when it should spin, N m s/rad; otherwise the model's own.
const SPIN_DAMPING: f64 = 0.03;
/// From the hinge to the target: the spinner's half length and radius, m.
const TARGET_DISTANCE: f64 = 0.09 + 0.04;
/// Draws of a start without contact.
const MAX_DRAWS: u32 = 1000;

const SPIN: Layout = Layout {
    observation: &[
        Field::new("proximal and distal angle", 2, "rad"),
        Field::new("from hinge to spinner's tip: sideways, up", 2, "m"),
        Field::new("proximal, distal and hinge velocity", 3, "rad/s"),
        Field::new("touch at the fingertip's top and bottom", 2, "ln(1 + N)"),
    ],
    action: &[Field::new("proximal and distal torque", 2, "30 and 15 N m")],
    rate_hz: 50.0,
    reward_terms: REWARD,
    constant_entries: &[],
};

const TURN: Layout = Layout {
    observation: &[
        Field::new("proximal and distal angle", 2, "rad"),
        Field::new("from hinge to spinner's tip: sideways, up", 2, "m"),
        Field::new("proximal, distal and hinge velocity", 3, "rad/s"),
        Field::new("touch at the fingertip's top and bottom", 2, "ln(1 + N)"),
        Field::new("from hinge to target: sideways, up", 2, "m"),
        Field::new("distance of the tip from the target's rim", 1, "m"),
    ],
    ..SPIN
};

struct Finger {
    goal: Goal,
    angles: [Sensor; 2],
    velocities: [Sensor; 3],
    tip: Sensor,
    hinge: Sensor,
    target: Sensor,
    touches: [Sensor; 2],
    target_site: Site,
    hinge_joint: Joint,
}

impl Finger {
    fn new(model: &Model, goal: Goal) -> Result<Box<dyn Task>, ModelError> {
        let sensor = |name| model.sensor(name);
        Ok(Box::new(Self {
            goal,
            angles: [sensor("proximal")?, sensor("distal")?],
            velocities: [sensor("proximal_velocity")?, sensor("distal_velocity")?, sensor("hinge_velocity")?],
            tip: sensor("tip")?,
            hinge: sensor("spinner")?,
            target: sensor("target")?,
            touches: [sensor("touchtop")?, sensor("touchbottom")?],
            target_site: model.site("target")?,
            hinge_joint: model.joint("hinge")?,
        }))
    }

    /// Distance of the spinner's tip from the rim of the target, m; negative inside.
    fn to_rim(&self, physics: &Physics) -> f64 {
        let [x, z] = between(physics, self.tip, self.target);
        x.hypot(z) - physics.field::<3>(ModelField::SiteSize, self.target_site.index())[0]
    }
}

impl Task for Finger {
    fn layout(&self) -> Layout {
        match self.goal {
            Goal::Spin => SPIN,
            Goal::Turn(_) => TURN,
        }
    }

    fn physics_steps(&self) -> u32 {
        2
    }

    fn initialize(&self, physics: &mut Physics, rng: &mut Rng) {
        match self.goal {
            Goal::Spin => physics.set_field(ModelField::DofDamping, self.hinge_joint.velocity, &[SPIN_DAMPING]),
            Goal::Turn(radius) => {
                let angle = rng.uniform(-PI, PI);
                let site = self.target_site.index();
                let [x, y, z] = [0, 1, 2].map(|axis| physics.sensor(self.hinge)[axis]);
                let target = [x + TARGET_DISTANCE * angle.sin(), y, z + TARGET_DISTANCE * angle.cos()];
                let [_, height, depth] = physics.field(ModelField::SiteSize, site);
                physics.set_field(ModelField::SitePos, site, &target);
                physics.set_field(ModelField::SiteSize, site, &[radius, height, depth]);
            }
        }
        for _ in 0..MAX_DRAWS {
            randomize::joints(physics, rng);
            physics.settle_state();
            if physics.contacts() == 0 {
                break;
            }
        }
    }

    fn observe(&self, physics: &Physics, row: &mut Row<'_>) {
        row.extend(self.angles.map(|sensor| physics.sensor(sensor)[0]));
        row.extend(between(physics, self.hinge, self.tip));
        row.extend(self.velocities.map(|sensor| physics.sensor(sensor)[0]));
        row.extend(self.touches.map(|sensor| physics.sensor(sensor)[0].ln_1p()));
        if let Goal::Turn(_) = self.goal {
            row.extend(between(physics, self.hinge, self.target));
            row.push(self.to_rim(physics));
        }
    }

    fn reward(&self, physics: &Physics) -> f64 {
        f64::from(match self.goal {
            Goal::Spin => physics.sensor(self.velocities[2])[0] <= SPINNING,
            Goal::Turn(_) => self.to_rim(physics) <= 0.0,
        })
    }
}

/// From one position sensor to another in the vertical plane: sideways, up.
fn between(physics: &Physics, from: Sensor, to: Sensor) -> [f64; 2] {
    let (from, to) = (physics.sensor(from), physics.sensor(to));
    [to[0] - from[0], to[2] - from[2]]
}
