//! Mazes: a ball or an ant finds its way to a goal, and stays.

use std::sync::Arc;

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use super::map::{Cell, Map};
use super::{Goal, PHYSICS_STEPS, START_NOISE, TORQUES, difference, distance, xy};
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

/// Way that a point moves at full action in a control step, m.
const STRIDE_M: f32 = 0.2;
/// Half width of the noise on start and goal, m.
const NOISE_M: f64 = 1.0;
/// Every entry of an observation and every distance in a reward is divided by this.
const SCALE: f64 = 20.0;

/// What moves through the maze.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
enum Body {
    /// A ball that is moved directly.
    Point,
    /// A quadruped with torques at its joints.
    Ant,
}

const POINT: Layout = Layout {
    observation: &[
        Field::new("position", 2, "20 m"),
        Field::new("way of the last control step", 2, "20 m"),
        Field::new("goal", 2, "20 m"),
        Field::new("from goal to position", 2, "20 m"),
        Field::new("distance of the goal", 1, "20 m"),
    ],
    action: &[Field::new("way", 2, "0.2 m")],
    rate_hz: 2.5,
    reward_terms: &["goal", "distance", "motion"],
    constant_entries: &[],
};

const ANT: Layout = Layout {
    observation: &[
        Field::new("torso position", 3, "20 m"),
        Field::new("torso orientation", 4, "quaternion/20"),
        Field::new("joint angles", 8, "20 rad"),
        Field::new("torso velocity", 3, "20 m/s"),
        Field::new("torso angular velocity", 3, "20 rad/s"),
        Field::new("joint velocities", 8, "20 rad/s"),
        Field::new("position", 2, "20 m"),
        Field::new("goal", 2, "20 m"),
        Field::new("from goal to position", 2, "20 m"),
        Field::new("distance of the goal", 1, "20 m"),
    ],
    action: TORQUES,
    rate_hz: 5.0,
    ..POINT
};

impl Body {
    fn layout(self) -> Layout {
        match self {
            Self::Point => POINT,
            Self::Ant => ANT,
        }
    }

    fn model(self) -> &'static str {
        match self {
            Self::Point => "ogbench/point.xml",
            Self::Ant => "ogbench/ant.xml",
        }
    }

    /// Control steps of 0.1 s that an action is held for. Reward and success are those of the last one.
    fn control_steps(self) -> u32 {
        match self {
            Self::Point => 4,
            Self::Ant => 2,
        }
    }

    /// Distance from the goal that counts as success, m.
    fn tolerance(self) -> f64 {
        match self {
            Self::Point => 1.0,
            Self::Ant => 0.5,
        }
    }
}

/// What a row of the task table says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    body: Body,
    map: Map,
}

/// A maze and the model that its instances share.
#[derive(Deserialize)]
#[serde(try_from = "Choice")]
pub(in crate::env::mujoco) struct MazeParams {
    body: Body,
    model: Arc<Model>,
    goal: Goal,
    /// Start and goal cells, one pair an episode.
    pairs: Vec<(Cell, Cell)>,
    pictures: Pictures,
}

impl TryFrom<Choice> for MazeParams {
    type Error = ModelError;

    fn try_from(Choice { body, map }: Choice) -> Result<Self, ModelError> {
        let model = Model::load_edited(body.model(), map.name(), |draft| map.build(draft.spec_mut()))?;
        let goal = Goal::of(&model)?;
        let pictures = Pictures::from_view(View::from_above([10.0, 10.0, 0.0], 30.0));
        Ok(Self { body, model, goal, pairs: map.pairs(), pictures })
    }
}

/// One instance.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(in crate::env::mujoco) struct Maze {
    physics: Physics,
    /// Where the body was before the last control step, m.
    previous: [f64; 2],
}

impl Environment for Maze {
    type Params = MazeParams;
    const NAME: &'static str = "ogbench-maze";
    const STEP_NANOS: u64 = 150_000;

    fn layout(params: &MazeParams) -> Layout {
        params.body.layout()
    }

    fn new(params: &MazeParams, _: &mut Rng) -> Self {
        Self { physics: Physics::new(&params.model), previous: [0.0; 2] }
    }

    fn revive(&mut self, params: &MazeParams) -> Result<(), String> {
        self.physics.revive(&params.model)
    }

    fn reset(&mut self, params: &MazeParams, rng: &mut Rng) {
        let pair = params.pairs[rng.integer(0, params.pairs.len() as i32 - 1) as usize];
        let [start, goal] = [pair.0, pair.1].map(|cell| Map::center(cell).map(|x| x + rng.uniform(-NOISE_M, NOISE_M)));
        let physics = &mut self.physics;
        physics.reset();
        randomize::jitter(physics, START_NOISE, rng);
        physics.qpos_mut()[..2].copy_from_slice(&start);
        params.goal.place(physics, goal);
        physics.settle_state();
        self.previous = start;
    }

    fn step(&mut self, params: &MazeParams, action: &[f32], _: &mut Rng) -> Outcome {
        let physics = &mut self.physics;
        for _ in 0..params.body.control_steps() {
            self.previous = xy(physics);
            match params.body {
                Body::Point => {
                    // Moved there, not pushed: only what it then touches pushes back. Single precision, as the original.
                    for (position, &action) in physics.qpos_mut().iter_mut().zip(action) {
                        *position += f64::from(STRIDE_M * action);
                    }
                    physics.qvel_mut().fill(0.0);
                }
                Body::Ant => physics.set_action(action),
            }
            physics.advance(PHYSICS_STEPS);
        }
        let (position, goal) = (xy(physics), params.goal.position(physics));
        let [x, y] = difference(position, goal);
        let motion = match params.body {
            Body::Point => 0.025 * distance(position, self.previous),
            Body::Ant => 0.001 * physics.qvel().iter().map(|v| v * v).sum::<f64>().sqrt(),
        };
        let success = x.hypot(y) <= params.body.tolerance();
        let far = 0.5 * (x.abs() + y.abs()) + 0.5 * x.hypot(y);
        Outcome::new([f64::from(u8::from(success)), -far / SCALE, -motion / SCALE])
            .with_success(success)
            .with_fault(physics.divergence())
    }

    fn observe(&self, params: &MazeParams, row: &mut [f32]) {
        let physics = &self.physics;
        let (position, goal) = (xy(physics), params.goal.position(physics));
        let mut row = Row::new(row);
        let mut push = |values: &[f64]| row.extend(values.iter().map(|x| x / SCALE));
        match params.body {
            Body::Point => {
                push(&position);
                push(&difference(position, self.previous));
            }
            Body::Ant => {
                push(physics.qpos());
                push(physics.qvel());
                push(&position);
            }
        }
        push(&goal);
        push(&difference(position, goal));
        push(&[distance(position, goal)]);
        debug_assert!(row.is_full());
    }

    fn mujoco(&self) -> Option<&Physics> {
        Some(&self.physics)
    }

    fn check_drawing(params: &MazeParams) -> Result<(), String> {
        params.pictures.check()
    }

    fn draw(&self, params: &MazeParams, canvas: &mut dyn Canvas, _: &mut Rng) {
        params.pictures.draw(&self.physics, canvas);
    }
}

impl Traceable for Maze {
    fn physics(&self) -> &Physics {
        &self.physics
    }

    fn physics_mut(&mut self) -> &mut Physics {
        &mut self.physics
    }

    fn physics_steps(params: &MazeParams) -> u32 {
        params.body.control_steps() * PHYSICS_STEPS
    }

    fn follow(&mut self, _: &MazeParams, _: &Start) {
        self.previous = xy(&self.physics);
    }
}
