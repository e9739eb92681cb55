//! An ant and a ball on an open plane: push the ball to the goal.

use std::sync::Arc;

use bevy::prelude::Component;
use mujoco_rs::wrappers::SpecItem;
use mujoco_rs::wrappers::mj_editing::MjSpec;
use mujoco_rs::wrappers::mj_model::{MjtCamLight, MjtGeomBase};
use serde::{Deserialize, Serialize};

use super::{Goal, PHYSICS_STEPS, START_NOISE, TORQUES, add_geom, difference, distance, xy};
use crate::env::mujoco::model::{Model, ModelError};
use crate::env::mujoco::physics::Physics;
use crate::env::mujoco::picture::Pictures;
use crate::env::mujoco::randomize;
use crate::env::mujoco::render::View;
use crate::env::mujoco::row::Row;
use crate::env::mujoco::trace::Traceable;
use crate::env::{Environment, Field, Layout, Outcome};
use crate::paint::Canvas;
use crate::sim::Rng;

/// Height that the camera looks at, m. The benchmark turns the stock camera to the origin of the plane; its height stays
/// what Gymnasium's viewer takes when it is made, the median of the model's shapes (0.75 m but for the first start's noise).
const SEEN_HEIGHT_M: f64 = 0.75;
/// Half width of the squares that start and goal are drawn from, m.
const ANT_REACH_M: f64 = 1.0;
const BALL_REACH_M: f64 = 2.0;
const GOAL_REACH_M: f64 = 3.0;
/// Distance of ball and goal that counts as success, m.
const TOLERANCE_M: f64 = 0.5;
/// Height from which the ball drops at the start, m.
const DROP_M: f64 = 3.0;
/// Positions of the ant: place, orientation, joints. The ball's seven follow.
const ANT_POSITIONS: usize = 15;

const LAYOUT: Layout = Layout {
    observation: &[
        Field::new("torso height", 1, "m"),
        Field::new("torso orientation", 4, "quaternion"),
        Field::new("joint angles", 8, "rad"),
        Field::new("ball height", 1, "m"),
        Field::new("ball orientation", 4, "quaternion"),
        Field::new("torso velocity", 3, "m/s"),
        Field::new("torso angular velocity", 3, "rad/s"),
        Field::new("joint velocities", 8, "rad/s"),
        Field::new("ball velocity", 3, "m/s"),
        Field::new("ball angular velocity", 3, "rad/s"),
        Field::new("from ant to ball", 2, "m"),
        Field::new("from ball to goal", 2, "m"),
    ],
    action: TORQUES,
    rate_hz: 10.0,
    reward_terms: &["ball to goal", "ant to ball"],
    constant_entries: &[],
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {}

/// The model that the instances share.
#[derive(Deserialize)]
#[serde(try_from = "Choice")]
pub(in crate::env::mujoco) struct AntBallParams {
    model: Arc<Model>,
    goal: Goal,
    pictures: Pictures,
}

impl TryFrom<Choice> for AntBallParams {
    type Error = ModelError;

    fn try_from(_: Choice) -> Result<Self, ModelError> {
        let model = Model::load_edited("ogbench/online/ant.xml", "with ball", |draft| add_ball(draft.spec_mut()))?;
        let goal = Goal::of(&model)?;
        Ok(Self { model, goal, pictures: Pictures::from_view(View::from_above([0.0, 0.0, SEEN_HEIGHT_M], 8.0)) })
    }
}

/// Adds the ball and the goal's mark to the stock ant.
fn add_ball(spec: &mut MjSpec) -> Result<(), String> {
    let world = spec.world_body_mut();
    add_geom(world, "target")?
        .with_type(MjtGeomBase::mjGEOM_CYLINDER)
        .with_size([0.4, 0.05, 0.0])
        .with_pos([0.0, 0.0, 0.05])
        .with_material("target")
        .with_contype(0)
        .with_conaffinity(0);
    let ball = world.add_body().with_name("ball").with_pos([0.0, 0.0, DROP_M]);
    ball.add_free_joint().with_name("ball_root");
    add_geom(ball, "ball")?
        .with_size([0.25, 0.0, 0.0])
        .with_material("ball")
        .with_priority(1)
        .with_conaffinity(1)
        .with_condim(6);
    ball.add_light().with_name("ball_light").with_pos([0.0, 0.0, 4.0]).with_mode(MjtCamLight::mjCAMLIGHT_TRACKCOM);
    Ok(())
}

/// One instance.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(in crate::env::mujoco) struct AntBall {
    physics: Physics,
}

impl AntBall {
    fn ball(&self) -> [f64; 2] {
        let qpos = self.physics.qpos();
        [qpos[ANT_POSITIONS], qpos[ANT_POSITIONS + 1]]
    }

    /// Distances of ball and goal, and of ant and ball.
    fn distances(&self, params: &AntBallParams) -> [f64; 2] {
        let ball = self.ball();
        [distance(ball, params.goal.position(&self.physics)), distance(xy(&self.physics), ball)]
    }
}

impl Environment for AntBall {
    type Params = AntBallParams;
    const NAME: &'static str = "ogbench-antball";
    const STEP_NANOS: u64 = 120_000;

    fn layout(_: &AntBallParams) -> Layout {
        LAYOUT
    }

    fn new(params: &AntBallParams, _: &mut Rng) -> Self {
        Self { physics: Physics::new(&params.model) }
    }

    fn revive(&mut self, params: &AntBallParams) -> Result<(), String> {
        self.physics.revive(&params.model)
    }

    fn reset(&mut self, params: &AntBallParams, rng: &mut Rng) {
        let physics = &mut self.physics;
        physics.reset();
        randomize::jitter(physics, START_NOISE, rng);
        for (start, reach) in [(0, ANT_REACH_M), (ANT_POSITIONS, BALL_REACH_M)] {
            physics.qpos_mut()[start..start + 2].fill_with(|| rng.uniform(-reach, reach));
        }
        let goal = std::array::from_fn(|_| rng.uniform(-GOAL_REACH_M, GOAL_REACH_M));
        params.goal.place(physics, goal);
        physics.settle_state();
    }

    fn step(&mut self, params: &AntBallParams, action: &[f32], _: &mut Rng) -> Outcome {
        let before = self.distances(params);
        self.physics.set_action(action);
        self.physics.advance(PHYSICS_STEPS);
        let after = self.distances(params);
        Outcome::new([25.0 * (before[0] - after[0]), 10.0 * (before[1] - after[1])])
            .with_success(after[0] <= TOLERANCE_M)
            .with_fault(self.physics.divergence())
    }

    fn observe(&self, params: &AntBallParams, row: &mut [f32]) {
        let (qpos, ball) = (self.physics.qpos(), self.ball());
        let mut row = Row::new(row);
        row.extend(qpos[2..ANT_POSITIONS].iter().copied());
        row.extend(qpos[ANT_POSITIONS + 2..].iter().copied());
        row.extend(self.physics.qvel().iter().copied());
        row.extend(difference(ball, xy(&self.physics)));
        row.extend(difference(params.goal.position(&self.physics), ball));
        debug_assert!(row.is_full());
    }

    fn mujoco(&self) -> Option<&Physics> {
        Some(&self.physics)
    }

    fn check_drawing(params: &AntBallParams) -> Result<(), String> {
        params.pictures.check()
    }

    fn draw(&self, params: &AntBallParams, canvas: &mut dyn Canvas, _: &mut Rng) {
        params.pictures.draw(&self.physics, canvas);
    }
}

impl Traceable for AntBall {
    fn physics(&self) -> &Physics {
        &self.physics
    }

    fn physics_mut(&mut self) -> &mut Physics {
        &mut self.physics
    }

    fn physics_steps(_: &AntBallParams) -> u32 {
        PHYSICS_STEPS
    }
}
