//! The DeepMind Control suite and its extension: one file a domain, one environment for all of them.
//!
//! To add a task, give its domain's file another goal and `tasks/*.ron` another row. To add a domain, write its file and
//! enter it in [`DOMAINS`].

mod acrobot;
mod ball_in_cup;
mod cartpole;
mod cheetah;
mod finger;
mod fish;
mod giraffe;
mod hopper;
mod pendulum;
mod poses;
mod quadruped;
mod reacher;
mod spinner;
#[cfg(test)]
mod starts;
mod walker;

use std::sync::Arc;

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

use super::model::{Model, ModelError};
use super::physics::Physics;
use super::picture::Pictures;
use super::render::View;
use super::row::Row;
use super::trace::Traceable;
use crate::env::{Environment, Layout, Outcome};
use crate::paint::Canvas;
use crate::sim::Rng;

/// What a task of a domain is: how an episode starts, what is seen, what is rewarded. Elements of the model are looked up
/// once, when the task is made.
pub(super) trait Task: Send + Sync {
    /// The rows.
    fn layout(&self) -> Layout;

    /// Physics steps of a control step.
    fn physics_steps(&self) -> u32 {
        1
    }

    /// The camera of the model that pictures are drawn through.
    fn camera(&self) -> usize {
        0
    }

    /// Sets the state that an episode starts from. The model's defaults hold before; what follows from the state is
    /// computed after.
    fn initialize(&self, physics: &mut Physics, rng: &mut Rng);

    /// Writes the observation.
    fn observe(&self, physics: &Physics, row: &mut Row<'_>);

    /// The reward of the present state, in [0, 1].
    fn reward(&self, physics: &Physics) -> f64;
}

/// A task whose elements were looked up in a model.
type Bound = Result<Box<dyn Task>, ModelError>;

/// A family of tasks with a body in common.
struct Domain {
    name: &'static str,
    /// The names of its tasks.
    tasks: fn() -> Vec<&'static str>,
    /// The model of a task that names none.
    model: fn(task: &str) -> Result<Arc<Model>, ModelError>,
    /// The task of that name on a model.
    bind: fn(model: &Model, task: &str) -> Option<Bound>,
}

const DOMAINS: &[Domain] = &[
    acrobot::DOMAIN,
    ball_in_cup::DOMAIN,
    cartpole::DOMAIN,
    cheetah::DOMAIN,
    finger::DOMAIN,
    fish::DOMAIN,
    giraffe::DOMAIN,
    hopper::DOMAIN,
    pendulum::DOMAIN,
    quadruped::DOMAIN,
    reacher::DOMAIN,
    spinner::SPINNER,
    spinner::JUMPER,
    walker::DOMAIN,
];

/// The one reward term of every task.
const REWARD: &[&str] = &["reward"];

/// Which task of which domain, and on which model.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choice {
    domain: String,
    task: String,
    /// Instead of the domain's own.
    #[serde(default)]
    model: Option<String>,
}

/// A task and the model that its instances share.
#[derive(Deserialize)]
#[serde(try_from = "Choice")]
pub(super) struct DmControlParams {
    model: Arc<Model>,
    task: Box<dyn Task>,
    pictures: Pictures,
}

impl TryFrom<Choice> for DmControlParams {
    type Error = String;

    fn try_from(choice: Choice) -> Result<Self, String> {
        let domain = DOMAINS.iter().find(|domain| domain.name == choice.domain).ok_or_else(|| {
            let known: Vec<_> = DOMAINS.iter().map(|domain| domain.name).collect();
            format!("no domain is called {:?}; the domains are {}", choice.domain, known.join(", "))
        })?;
        let model = match &choice.model {
            Some(name) => Model::load(name),
            None => (domain.model)(&choice.task),
        };
        let model = model.map_err(|problem| problem.to_string())?;
        let task = (domain.bind)(&model, &choice.task).ok_or_else(|| {
            let known = (domain.tasks)().join(", ");
            format!("the domain {} has no task {:?}; its tasks are {known}", domain.name, choice.task)
        })?;
        let task = task.map_err(|problem| problem.to_string())?;
        let pictures = Pictures::from_view(View::Fixed(task.camera()));
        Ok(Self { model, task, pictures })
    }
}

/// One instance of a task of the suite.
#[derive(Component, Clone, Debug, Serialize, Deserialize)]
pub(super) struct DmControl {
    physics: Physics,
}

impl Environment for DmControl {
    type Params = DmControlParams;
    const NAME: &'static str = "dmcontrol";
    const STEP_NANOS: u64 = 40_000;

    fn layout(params: &DmControlParams) -> Layout {
        params.task.layout()
    }

    fn new(params: &DmControlParams, _: &mut Rng) -> Self {
        Self { physics: Physics::new(&params.model) }
    }

    fn revive(&mut self, params: &DmControlParams) -> Result<(), String> {
        self.physics.revive(&params.model)
    }

    fn reset(&mut self, params: &DmControlParams, rng: &mut Rng) {
        self.physics.reset();
        params.task.initialize(&mut self.physics, rng);
        self.physics.settle_state();
    }

    fn step(&mut self, params: &DmControlParams, action: &[f32], _: &mut Rng) -> Outcome {
        self.physics.set_action(action);
        self.physics.step(params.task.physics_steps());
        Outcome::new([params.task.reward(&self.physics)]).with_fault(self.physics.divergence())
    }

    fn observe(&self, params: &DmControlParams, row: &mut [f32]) {
        let mut row = Row::new(row);
        params.task.observe(&self.physics, &mut row);
        debug_assert!(row.is_full());
    }

    fn mujoco(&self) -> Option<&Physics> {
        Some(&self.physics)
    }

    fn check_drawing(params: &DmControlParams) -> Result<(), String> {
        params.pictures.check()
    }

    fn draw(&self, params: &DmControlParams, canvas: &mut dyn Canvas, _: &mut Rng) {
        params.pictures.draw(&self.physics, canvas);
    }
}

impl Traceable for DmControl {
    fn physics(&self) -> &Physics {
        &self.physics
    }

    fn physics_mut(&mut self) -> &mut Physics {
        &mut self.physics
    }

    fn physics_steps(params: &DmControlParams) -> u32 {
        params.task.physics_steps()
    }
}

/// The goal called `task`.
fn find<G: Copy>(goals: &[(&'static str, G)], task: &str) -> Option<G> {
    goals.iter().find(|(name, _)| *name == task).map(|(_, goal)| *goal)
}

fn names<G>(goals: &[(&'static str, G)]) -> Vec<&'static str> {
    goals.iter().map(|(name, _)| *name).collect()
}
