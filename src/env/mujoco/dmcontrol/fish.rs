//! Fish: swim to a target in still water.

use super::{Domain, REWARD, Task, find, names};
use crate::env::mujoco::model::{Body, Geom, Joint, Model, ModelError};
use crate::env::mujoco::physics::{Field as ModelField, Physics};
use crate::env::mujoco::randomize;
use crate::env::mujoco::row::Row;
use crate::env::mujoco::tolerance::Tolerance;
use crate::env::{Field, Layout};
use crate::sim::Rng;

pub(super) const DOMAIN: Domain = Domain {
    name: "fish",
    tasks: || names(GOALS),
    model: |_| Model::load("dm_control/fish.xml"),
    bind: |model, task| find(GOALS, task).map(|()| Fish::new(model)).transpose(),
};

const GOALS: &[(&str, ())] = &[("swim", ())];

/// In the order of the observation.
const JOINTS: [&str; 7] =
    ["tail1", "tail_twist", "tail2", "finright_roll", "finright_pitch", "finleft_roll", "finleft_pitch"];

/// Largest angle of a joint at the start, rad.
const START_ANGLE: f64 = 0.2;
/// Where targets lie: sideways (both directions), up, m.
const TARGET_ACROSS: (f64, f64) = (-0.4, 0.4);
const TARGET_HEIGHT: (f64, f64) = (0.1, 0.3);

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("tail, its twist, tail's end, right fin's roll and pitch, left one's: angle", 7, "rad"),
        Field::new("uprightness", 1, "1"),
        Field::new("from mouth to target, in the mouth's frame", 3, "m"),
        Field::new("root velocity", 6, "m/s, rad/s"),
        Field::new("joint velocities", 7, "rad/s"),
    ],
    action: &[Field::new("tail, its twist, flapping of the fins, left and right fin's pitch: wanted angle", 5, "rad")],
    rate_hz: 25.0,
    reward_terms: REWARD,
    constant_entries: &[],
};

struct Fish {
    root: Joint,
    joints: [Joint; 7],
    torso: Body,
    mouth: Geom,
    target: Geom,
    at_target: Tolerance,
}

impl Fish {
    fn new(model: &Model) -> Result<Box<dyn Task>, ModelError> {
        let root = model.joint("root")?;
        let mut joints = [root; 7];
        for (joint, name) in joints.iter_mut().zip(JOINTS) {
            *joint = model.joint(name)?;
        }
        let (mouth, target) = (model.geom("mouth")?, model.geom("target")?);
        let radii: f64 = [mouth, target].iter().map(|geom| model.geom_size(*geom)[0]).sum();
        let at_target = Tolerance::within(0.0, radii).margin(2.0 * radii);
        Ok(Box::new(Self { root, joints, torso: model.body("torso")?, mouth, target, at_target }))
    }

    /// From the mouth to the target, in the mouth's frame, m.
    fn to_target(&self, physics: &Physics) -> [f64; 3] {
        let (mouth, target) = (physics.geom_position(self.mouth), physics.geom_position(self.target));
        let rotation = physics.geom_rotation(self.mouth);
        [0, 1, 2].map(|axis| (0..3).map(|row| (target[row] - mouth[row]) * rotation[3 * row + axis]).sum())
    }

    fn uprightness(&self, physics: &Physics) -> f64 {
        physics.rotation(self.torso)[8]
    }
}

impl Task for Fish {
    fn layout(&self) -> Layout {
        LAYOUT
    }

    fn physics_steps(&self) -> u32 {
        10
    }

    fn initialize(&self, physics: &mut Physics, rng: &mut Rng) {
        let qpos = physics.qpos_mut();
        qpos[self.root.position + 3..][..4].copy_from_slice(&randomize::rotation(rng));
        self.joints.iter().for_each(|joint| qpos[joint.position] = rng.uniform(-START_ANGLE, START_ANGLE));
        let [across, height] = [TARGET_ACROSS, TARGET_HEIGHT];
        let target = [across, across, height].map(|(low, high)| rng.uniform(low, high));
        physics.set_field(ModelField::GeomPos, self.target.index(), &target);
    }

    fn observe(&self, physics: &Physics, row: &mut Row<'_>) {
        row.extend(self.joints.iter().map(|joint| physics.qpos()[joint.position]));
        row.push(self.uprightness(physics));
        row.extend(self.to_target(physics));
        row.extend(physics.qvel().iter().copied());
    }

    fn reward(&self, physics: &Physics) -> f64 {
        let distance = self.to_target(physics).iter().map(|x| x * x).sum::<f64>().sqrt();
        (7.0 * self.at_target.of(distance) + (1.0 + self.uprightness(physics)) / 2.0) / 8.0
    }
}
