//! What an environment is, and the one plugin that hosts any of them.
//!
//! An environment states its layout, how it starts, steps and looks. It owns no loop, no time limit, no padding, no
//! tensor and no Bevy system; [`EnvPlugin`] supplies all of that once.

pub mod arcade;
pub mod box2d;
mod catalog;
pub mod conformity;
pub mod film;
mod instance;
mod instances;
mod layout;
pub mod measure;
#[cfg(feature = "mujoco")]
pub mod mujoco;
mod picture;
mod plain_loop;
mod plugin;
pub mod policy;
mod simulation;
pub mod statistics;

#[cfg(feature = "mujoco")]
pub use catalog::physics_of;
pub use catalog::{
    EnvCatalog, EnvError, EnvHooks, HostedTask, HostedTasks, InstanceState, copy_instance, draw_backdrop,
    draw_instance, is_left_out, restore_instance, save_instance, spawn_instance,
};
pub use layout::{Field, Layout, MAX_REWARD_TERMS, Outcome};
pub use plugin::EnvPlugin;
pub use simulation::{EnvironmentsPlugin, Simulation, SimulationConfig, host, populate};

use bevy::ecs::component::Mutable;
use bevy::prelude::Component;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::paint::Canvas;
use crate::sim::Rng;

/// A simulated task: one instance is one component of one entity, and holds all state of that instance.
///
/// The harness around it clips actions to [-1, 1], repeats them, pads rows, counts steps, truncates, resets, scores and
/// catches non-finite states, so an implementation does none of that. State that outlives an episode (some tasks have
/// such quirks) stays in the struct across [`Environment::reset`].
///
/// Nothing in [`step`](Environment::step), [`observe`](Environment::observe) or [`draw`](Environment::draw) allocates
/// once the instance has run for an episode.
pub trait Environment: Component<Mutability = Mutable> + Clone + Serialize + DeserializeOwned + Sized {
    /// What a task may vary, read from `tasks/*.ron` once a task and shared by its instances. Unknown keys are errors
    /// (`#[serde(deny_unknown_fields)]`); `#[serde(try_from = …)]` is the place to check values and load models.
    type Params: DeserializeOwned + Send + Sync + 'static;

    /// The name that rows of `tasks/*.ron` refer to in `environment`.
    const NAME: &'static str;

    /// Typical time of one step, ns: a first guess, until measured, of how many instances are worth another thread.
    const STEP_NANOS: u64 = 1_000;

    /// Fields of observation and action, control rate, reward terms.
    fn layout(params: &Self::Params) -> Layout;

    /// A new instance. The harness calls [`Environment::reset`] before the first step.
    fn new(params: &Self::Params, rng: &mut Rng) -> Self;

    /// Called on an instance that was read back, before its first use: the place to rebuild what lives outside of its
    /// plain state (a library's memory, say).
    ///
    /// # Errors
    ///
    /// A sentence when the state is not one of this task.
    fn revive(&mut self, _params: &Self::Params) -> Result<(), String> {
        Ok(())
    }

    /// Starts the next episode.
    fn reset(&mut self, params: &Self::Params, rng: &mut Rng);

    /// Advances one simulation step. `action` holds the task's own dimensions, each finite and within [-1, 1].
    fn step(&mut self, params: &Self::Params, action: &[f32], rng: &mut Rng) -> Outcome;

    /// Writes the layout's observation fields, in order, into `row` (as long as the observation).
    fn observe(&self, params: &Self::Params, row: &mut [f32]);

    /// Paints what does not change within an episode. Drawn once an episode and kept; [`Environment::draw`] paints on it.
    fn draw_backdrop(&self, _params: &Self::Params, _canvas: &mut dyn Canvas) {}

    /// Paints the present state over the backdrop. `rng` feeds what flickers; equal states and generators give equal
    /// pictures.
    fn draw(&self, params: &Self::Params, canvas: &mut dyn Canvas, rng: &mut Rng);

    /// Checks, before the first observed picture of a task, that it can be drawn on this machine.
    ///
    /// # Errors
    ///
    /// A sentence that says what is missing.
    fn check_drawing(_params: &Self::Params) -> Result<(), String> {
        Ok(())
    }

    /// What MuJoCo holds of this instance, for those that it simulates: their 3D scenes are made from it.
    #[cfg(feature = "mujoco")]
    fn mujoco(&self) -> Option<&mujoco::Physics> {
        None
    }

    /// Called after each picture that is an observation (one a reset, one a step), for tasks whose further observations
    /// depend on that. A picture itself depends on steps alone: others may be drawn at any time, or none.
    fn after_draw(&mut self) {}
}
