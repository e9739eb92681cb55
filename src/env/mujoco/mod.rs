//! MuJoCo in the process: one shared model a task, one `mjData` an instance.
//!
//! A domain of the control suite lives in one file below `dmcontrol`; it says how an episode starts, what is seen and
//! what is rewarded. `gym` and `ogbench` are environments of their own.
//! `model` finds and loads models, `physics` steps an instance of one in the control suite's order. `render` draws
//! pictures with MuJoCo's own renderer in the contexts that `gl` opens; `picture` says from where a task is seen.
//! `trace` holds tasks against the episodes that `recording` reads.

mod bare;
mod dmcontrol;
mod gl;
mod gym;
mod model;
mod ogbench;
mod physics;
mod picture;
mod randomize;
mod recording;
mod render;
mod row;
#[cfg(test)]
mod tests;
mod tolerance;
pub mod trace;
#[cfg(feature = "view")]
mod visible;

pub use bare::ratio_to_bare;
pub use gl::GlError;
pub use model::{Draft, Model, ModelError};
pub use physics::Physics;
pub use tolerance::{Sigmoid, Tolerance};
#[cfg(feature = "view")]
pub use visible::ContactForce;

use bevy::prelude::*;

use self::trace::Traceable;
use super::{EnvPlugin, Environment};
use crate::task::Task;

/// Hosts every MuJoCo environment.
pub struct MujocoPlugin;

impl Plugin for MujocoPlugin {
    fn build(&self, app: &mut App) {
        app.add_plugins((
            EnvPlugin::<dmcontrol::DmControl>::default(),
            EnvPlugin::<gym::Gym>::default(),
            EnvPlugin::<ogbench::Ant>::default(),
            EnvPlugin::<ogbench::AntBall>::default(),
            EnvPlugin::<ogbench::Maze>::default(),
        ));
    }
}

/// Work to do with the environment type of a task.
trait ForTraceable {
    /// What it gives.
    type Output;

    /// Does it.
    fn run<E: Traceable>(self) -> Self::Output;
}

/// Does the work with the type of the task's environment; `None` if that is not one of MuJoCo's.
fn with_traceable<W: ForTraceable>(task: &Task, work: W) -> Option<W::Output> {
    match task.environment.as_str() {
        dmcontrol::DmControl::NAME => Some(work.run::<dmcontrol::DmControl>()),
        gym::Gym::NAME => Some(work.run::<gym::Gym>()),
        ogbench::Ant::NAME => Some(work.run::<ogbench::Ant>()),
        ogbench::AntBall::NAME => Some(work.run::<ogbench::AntBall>()),
        ogbench::Maze::NAME => Some(work.run::<ogbench::Maze>()),
        _ => None,
    }
}
