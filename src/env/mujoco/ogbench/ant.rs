//! An ant on an open plane: walk in the direction asked for.

use std::f64::consts::PI;
use std::sync::Arc;

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use super::{PHYSICS_STEPS, START_NOISE, TORQUES, difference, xy};
use crate::env::mujoco::model::{Model, ModelError};
use crate::env::mujoco::physics::Physics;
use crate::env::mujoco::picture::Pictures;
use crate::env::mujoco::randomize;
use crate::env::mujoco::render::View;
use crate::env::mujoco::row::Row;
use crate::env::mujoco::trace::{Start, Traceable};
use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::Canvas;
use crate::sim::Rng;

/// Steps after which another direction is asked for.
const DIRECTION_STEPS: u32 = 100;

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("torso height", 1, "m"),
        Field::new("torso orientation", 4, "quaternion"),
        Field::new("joint angles", 8, "rad"),
        Field::new("torso velocity", 3, "m/s"),
        Field::new("torso angular velocity", 3, "rad/s"),
        Field::new("joint velocities", 8, "rad/s"),
        Field::new("direction asked for", 2, "1"),
    ],
    action: TORQUES,
    rate_hz: 10.0,
    reward_terms: &["displacement"],
    constant_entries: &[],
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {}

/// The model that the instances share.
#[derive(Deserialize)]
#[serde(try_from = "Choice")]
pub(in crate::env::mujoco) struct AntParams {
    model: Arc<Model>,
    pictures: Pictures,
}

impl TryFrom<Choice> for AntParams {
    type Error = ModelError;

    fn try_from(_: Choice) -> Result<Self, ModelError> {
        let model = Model::load("ogbench/online/ant.xml")?;
        Ok(Self { model, pictures: Pictures::from_view(View::Fixed(0)) })
    }
}

/// One instance.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(in crate::env::mujoco) struct Ant {
    physics: Physics,
    /// Of length 1.
    direction: [f64; 2],
    step: u32,
}

impl Environment for Ant {
    type Params = AntParams;
    const NAME: &'static str = "ogbench-ant";
    const STEP_NANOS: u64 = 100_000;

    fn layout(_: &AntParams) -> Layout {
        LAYOUT
    }

    fn new(params: &AntParams, _: &mut Rng) -> Self {
        Self { physics: Physics::new(&params.model), direction: [1.0, 0.0], step: 0 }
    }

    fn revive(&mut self, params: &AntParams) -> Result<(), String> {
        self.physics.revive(&params.model)
    }

    fn reset(&mut self, _: &AntParams, rng: &mut Rng) {
        self.physics.reset();
        randomize::jitter(&mut self.physics, START_NOISE, rng);
        self.physics.settle_state();
        self.step = 0;
        self.direction = any_direction(rng);
    }

    fn step(&mut self, _: &AntParams, action: &[f32], rng: &mut Rng) -> Outcome {
        let before = xy(&self.physics);
        self.physics.set_action(action);
        self.physics.advance(PHYSICS_STEPS);
        let way = difference(xy(&self.physics), before);
        let reward = way[0] * self.direction[0] + way[1] * self.direction[1];
        self.step += 1;
        if self.step.is_multiple_of(DIRECTION_STEPS) {
            self.direction = any_direction(rng);
        }
        Outcome::new([reward]).with_fault(self.physics.divergence())
    }

    fn observe(&self, _: &AntParams, row: &mut [f32]) {
        let mut row = Row::new(row);
        row.extend(self.physics.qpos()[2..].iter().chain(self.physics.qvel()).copied());
        row.extend(self.direction);
        debug_assert!(row.is_full());
    }

    fn mujoco(&self) -> Option<&Physics> {
        Some(&self.physics)
    }

    fn check_drawing(params: &AntParams) -> Result<(), String> {
        params.pictures.check()
    }

    fn draw(&self, params: &AntParams, canvas: &mut dyn Canvas, _: &mut Rng) {
        params.pictures.draw(&self.physics, canvas);
    }
}

impl Traceable for Ant {
    fn physics(&self) -> &Physics {
        &self.physics
    }

    fn physics_mut(&mut self) -> &mut Physics {
        &mut self.physics
    }

    fn physics_steps(_: &AntParams) -> u32 {
        PHYSICS_STEPS
    }

    fn follow(&mut self, _: &AntParams, start: &Start) {
        if let Some(first) = &start.first_obs {
            let recorded = &first[LAYOUT.observation_dim() - 2..];
            self.direction.iter_mut().zip(recorded).for_each(|(own, number)| *own = number.0);
        }
    }
}

fn any_direction(rng: &mut Rng) -> [f64; 2] {
    let (sin, cos) = rng.uniform(-PI, PI).sin_cos();
    [cos, sin]
}
