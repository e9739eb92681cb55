//! Gymnasium's MuJoCo tasks in version 4: six bodies, one environment.
//!
//! Episodes never end early. Ant, Hopper and Walker lose their reward instead of their episode when they fall, and the
//! inverted pendulum pays nothing more once its pole has tipped over.

use std::sync::Arc;

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use super::model::{Body, Model, ModelError};
use super::physics::Physics;
use super::picture::Pictures;
use super::randomize;
use super::render::View;
use super::row::Row;
use super::trace::{Start, Traceable};
use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::Canvas;
use crate::sim::Rng;

/// Largest velocity that a hopper or walker sees, m/s or rad/s.
const SEEN_SPEED: f64 = 10.0;
/// Pole angle beyond which the inverted pendulum counts as tipped over, rad.
const TIPPED_RAD: f64 = 0.2;
/// Distance from the center within which a reacher's target lies, m.
const TARGET_REACH_M: f64 = 0.2;

/// Width and height at which pictures are drawn before they are made as small as an observation, px.
const DRAWN_PX: usize = 480;

/// One of the six tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Task {
    /// Four legs, in three dimensions.
    Ant,
    /// Two legs, in a plane; cannot fall for good.
    HalfCheetah,
    /// One leg, in a plane.
    Hopper,
    /// A pole on a cart.
    InvertedPendulum,
    /// An arm of two links.
    Reacher,
    /// Two legs, in a plane.
    Walker,
}

const ANT: Layout = Layout {
    observation: &[
        Field::new("torso height", 1, "m"),
        Field::new("torso orientation", 4, "quaternion"),
        Field::new("joint angles", 8, "rad"),
        Field::new("torso velocity", 3, "m/s"),
        Field::new("torso angular velocity", 3, "rad/s"),
        Field::new("joint velocities", 8, "rad/s"),
    ],
    action: &[Field::new("joint torques", 8, "150 N m")],
    rate_hz: 20.0,
    reward_terms: &["forward", "healthy", "effort"],
    constant_entries: &[],
};

const HALF_CHEETAH: Layout = Layout {
    observation: &[
        Field::new("height", 1, "m"),
        Field::new("pitch", 1, "rad"),
        Field::new("joint angles", 6, "rad"),
        Field::new("velocity along and up", 2, "m/s"),
        Field::new("pitch rate", 1, "rad/s"),
        Field::new("joint velocities", 6, "rad/s"),
    ],
    action: &[Field::new("joint torques", 6, "of each motor's range")],
    rate_hz: 20.0,
    reward_terms: &["forward", "effort"],
    constant_entries: &[],
};

const HOPPER: Layout = Layout {
    observation: &[
        Field::new("height", 1, "m"),
        Field::new("pitch", 1, "rad"),
        Field::new("joint angles", 3, "rad"),
        Field::new("velocity along and up", 2, "m/s"),
        Field::new("pitch rate", 1, "rad/s"),
        Field::new("joint velocities", 3, "rad/s"),
    ],
    action: &[Field::new("joint torques", 3, "200 N m")],
    rate_hz: 125.0,
    reward_terms: &["upright", "fallen"],
    constant_entries: &[],
};

const WALKER: Layout = Layout {
    observation: &[
        Field::new("height", 1, "m"),
        Field::new("pitch", 1, "rad"),
        Field::new("joint angles", 6, "rad"),
        Field::new("velocity along and up", 2, "m/s"),
        Field::new("pitch rate", 1, "rad/s"),
        Field::new("joint velocities", 6, "rad/s"),
    ],
    action: &[Field::new("joint torques", 6, "100 N m")],
    ..HOPPER
};

const INVERTED_PENDULUM: Layout = Layout {
    observation: &[
        Field::new("cart position", 1, "m"),
        Field::new("pole angle", 1, "rad"),
        Field::new("cart velocity", 1, "m/s"),
        Field::new("pole angular velocity", 1, "rad/s"),
    ],
    action: &[Field::new("push", 1, "300 N")],
    rate_hz: 25.0,
    reward_terms: &["upright"],
    constant_entries: &[],
};

const REACHER: Layout = Layout {
    observation: &[
        Field::new("joint angles, cosines", 2, "1"),
        Field::new("joint angles, sines", 2, "1"),
        Field::new("target position", 2, "m"),
        Field::new("joint velocities", 2, "rad/s"),
        Field::new("from target to fingertip", 3, "m"),
    ],
    action: &[Field::new("joint torques", 2, "200 N m")],
    rate_hz: 50.0,
    reward_terms: &["distance", "effort"],
    // Arm and target lie in one plane.
    constant_entries: &[10],
};

impl Task {
    fn layout(self) -> Layout {
        match self {
            Self::Ant => ANT,
            Self::HalfCheetah => HALF_CHEETAH,
            Self::Hopper => HOPPER,
            Self::InvertedPendulum => INVERTED_PENDULUM,
            Self::Reacher => REACHER,
            Self::Walker => WALKER,
        }
    }

    fn model(self) -> &'static str {
        match self {
            Self::Ant => "gymnasium/ant.xml",
            Self::HalfCheetah => "gymnasium/half_cheetah.xml",
            Self::Hopper => "gymnasium/hopper.xml",
            Self::InvertedPendulum => "gymnasium/inverted_pendulum.xml",
            Self::Reacher => "gymnasium/reacher.xml",
            Self::Walker => "gymnasium/walker2d.xml",
        }
    }

    /// Physics steps of a control step.
    fn physics_steps(self) -> u32 {
        match self {
            Self::Ant | Self::HalfCheetah => 5,
            Self::Hopper | Self::Walker => 4,
            Self::InvertedPendulum | Self::Reacher => 2,
        }
    }

    /// Control at full action.
    fn strength(self) -> f32 {
        if self == Self::InvertedPendulum { 3.0 } else { 1.0 }
    }

    /// The bodies whose positions count.
    fn bodies(self) -> &'static [&'static str] {
        match self {
            Self::Ant => &["torso"],
            Self::Reacher => &["fingertip", "target"],
            _ => &[],
        }
    }

    /// Whether the body is where its task wants it, not fallen.
    fn is_healthy(self, physics: &Physics) -> bool {
        let (qpos, qvel) = (physics.qpos(), physics.qvel());
        match self {
            Self::Ant => (0.2..=1.0).contains(&qpos[2]),
            Self::Hopper => {
                let tame = qpos[2..].iter().chain(qvel).all(|x| x.abs() < 100.0);
                tame && qpos[1] > 0.7 && qpos[2].abs() < 0.2
            }
            Self::Walker => qpos[1] > 0.8 && qpos[1] < 2.0 && qpos[2].abs() < 1.0,
            Self::InvertedPendulum => qpos[1].abs() <= TIPPED_RAD,
            Self::HalfCheetah | Self::Reacher => true,
        }
    }

    /// From where it is seen: through the model's own camera, or, where it has none, Gymnasium's free one, which looks at
    /// the median of the model's shapes.
    fn view(self) -> View {
        let free = |lookat, distance| View::Free { lookat, distance, azimuth_deg: 90.0, elevation_deg: -45.0 };
        match self {
            Self::InvertedPendulum => free([0.0; 3], 2.04),
            Self::Reacher => free([0.025, 0.0, 0.01], 1.24),
            Self::Ant | Self::HalfCheetah | Self::Hopper | Self::Walker => View::Fixed(0),
        }
    }
}

/// What a row of the task table says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    task: Task,
}

/// A task and the model that its instances share.
#[derive(Deserialize)]
#[serde(try_from = "Choice")]
pub(super) struct GymParams {
    task: Task,
    model: Arc<Model>,
    bodies: Vec<Body>,
    pictures: Pictures,
}

impl TryFrom<Choice> for GymParams {
    type Error = ModelError;

    fn try_from(Choice { task }: Choice) -> Result<Self, ModelError> {
        let model = Model::load(task.model())?;
        let bodies = task.bodies().iter().map(|name| model.body(name)).collect::<Result<_, _>>()?;
        let pictures = Pictures::drawn_at(task.view(), DRAWN_PX);
        Ok(Self { task, model, bodies, pictures })
    }
}

impl GymParams {
    /// What progress is measured by: the ant's torso, the way from the target to the fingertip, or how far along a planar
    /// body is. Positions of bodies are those that the last physics step computed on its way, not those of the state it
    /// arrived at; the tasks are defined so.
    fn place(&self, physics: &Physics) -> [f64; 3] {
        match self.bodies[..] {
            [torso] => physics.position(torso),
            [fingertip, target] => {
                let (tip, target) = (physics.position(fingertip), physics.position(target));
                std::array::from_fn(|axis| tip[axis] - target[axis])
            }
            _ => [physics.qpos()[0], 0.0, 0.0],
        }
    }
}

/// One instance of a task.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(super) struct Gym {
    physics: Physics,
    /// See [`GymParams::place`].
    place: [f64; 3],
    /// Whether the pole has tipped over in this episode.
    tipped: bool,
}

impl Environment for Gym {
    type Params = GymParams;
    const NAME: &'static str = "gym";
    const STEP_NANOS: u64 = 50_000;

    fn layout(params: &GymParams) -> Layout {
        params.task.layout()
    }

    fn new(params: &GymParams, _: &mut Rng) -> Self {
        Self { physics: Physics::new(&params.model), place: [0.0; 3], tipped: false }
    }

    fn revive(&mut self, params: &GymParams) -> Result<(), String> {
        self.physics.revive(&params.model)
    }

    fn reset(&mut self, params: &GymParams, rng: &mut Rng) {
        self.physics.reset();
        match params.task {
            Task::Ant | Task::HalfCheetah => randomize::jitter(&mut self.physics, 0.1, rng),
            Task::Hopper | Task::Walker => randomize::shake(&mut self.physics, 0.005, 0.005, rng),
            Task::InvertedPendulum => randomize::shake(&mut self.physics, 0.01, 0.01, rng),
            Task::Reacher => {
                randomize::shake(&mut self.physics, 0.1, 0.005, rng);
                let target = loop {
                    let [x, y] = std::array::from_fn(|_| rng.uniform(-TARGET_REACH_M, TARGET_REACH_M));
                    if x.hypot(y) < TARGET_REACH_M {
                        break [x, y];
                    }
                };
                self.physics.qpos_mut()[2..].copy_from_slice(&target);
                self.physics.qvel_mut()[2..].fill(0.0);
            }
        }
        self.physics.settle_state();
        self.place = params.place(&self.physics);
        self.tipped = false;
    }

    fn step(&mut self, params: &GymParams, action: &[f32], _: &mut Rng) -> Outcome {
        let (task, before) = (params.task, self.place);
        for (control, action) in self.physics.ctrl_mut().iter_mut().zip(action) {
            // Single precision, as the original.
            *control = f64::from(task.strength() * action);
        }
        self.physics.advance(task.physics_steps());
        self.place = params.place(&self.physics);

        let seconds = f64::from(task.physics_steps()) * params.model.timestep();
        let speed = (self.place[0] - before[0]) / seconds;
        let effort: f64 = action.iter().map(|&a| f64::from(a) * f64::from(a)).sum();
        let healthy = task.is_healthy(&self.physics);
        let outcome = match task {
            Task::Ant => Outcome::new([speed, f64::from(u8::from(healthy)), -0.5 * effort]),
            Task::HalfCheetah => Outcome::new([speed, -0.1 * effort]),
            Task::Hopper | Task::Walker if healthy => Outcome::new([(speed + 1.0 - 0.001 * effort).max(0.0), 0.0]),
            Task::Hopper | Task::Walker => Outcome::new([0.0, -1.0]),
            Task::InvertedPendulum => {
                self.tipped |= !healthy;
                Outcome::new([f64::from(u8::from(!self.tipped))])
            }
            // The distance is the one before the step.
            Task::Reacher => Outcome::new([-before.iter().map(|x| x * x).sum::<f64>().sqrt(), -effort]),
        };
        outcome.with_fault(self.physics.divergence())
    }

    fn observe(&self, params: &GymParams, row: &mut [f32]) {
        let (qpos, qvel) = (self.physics.qpos(), self.physics.qvel());
        let mut row = Row::new(row);
        match params.task {
            Task::Ant => row.extend(qpos[2..].iter().chain(qvel).copied()),
            Task::HalfCheetah => row.extend(qpos[1..].iter().chain(qvel).copied()),
            Task::Hopper | Task::Walker => {
                row.extend(qpos[1..].iter().copied());
                row.extend(qvel.iter().map(|v| v.clamp(-SEEN_SPEED, SEEN_SPEED)));
            }
            Task::InvertedPendulum => row.extend(qpos.iter().chain(qvel).copied()),
            Task::Reacher => {
                row.extend(qpos[..2].iter().map(|angle| angle.cos()));
                row.extend(qpos[..2].iter().map(|angle| angle.sin()));
                row.extend(qpos[2..].iter().copied());
                row.extend(qvel[..2].iter().copied());
                row.extend(self.place);
            }
        }
        debug_assert!(row.is_full());
    }

    fn mujoco(&self) -> Option<&Physics> {
        Some(&self.physics)
    }

    fn check_drawing(params: &GymParams) -> Result<(), String> {
        params.pictures.check()
    }

    fn draw(&self, params: &GymParams, canvas: &mut dyn Canvas, _: &mut Rng) {
        params.pictures.draw(&self.physics, canvas);
    }
}

impl Traceable for Gym {
    fn physics(&self) -> &Physics {
        &self.physics
    }

    fn physics_mut(&mut self) -> &mut Physics {
        &mut self.physics
    }

    fn physics_steps(params: &GymParams) -> u32 {
        params.task.physics_steps()
    }

    fn follow(&mut self, params: &GymParams, _: &Start) {
        self.place = params.place(&self.physics);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::{Purpose, Seed};

    #[test]
    fn a_pole_that_has_tipped_over_pays_nothing_even_when_it_is_back() {
        let params: GymParams = ron::from_str("(task: InvertedPendulum)").expect("the task's parameters");
        let mut rng = Seed::new(1).rng(Purpose::Episode, 0, 0);
        let mut pendulum = Gym::new(&params, &mut rng);
        let put = |pendulum: &mut Gym, angle| {
            pendulum.physics.qpos_mut().copy_from_slice(&[0.0, angle]);
            pendulum.physics.qvel_mut().fill(0.0);
        };
        for _ in 0..2 {
            pendulum.reset(&params, &mut rng);
            for (angle, reward) in [(0.0, 1.0), (0.1, 1.0), (0.3, 0.0), (0.0, 0.0)] {
                put(&mut pendulum, angle);
                assert_eq!(pendulum.step(&params, &[0.0], &mut rng).reward(), reward, "at {angle} rad");
            }
        }
    }

    #[test]
    fn a_row_with_another_task_is_refused() {
        let problem = ron::from_str::<GymParams>("(task: Crab)").err().expect("no such task");
        assert!(problem.to_string().contains("InvertedPendulum"), "{problem}");
    }
}
