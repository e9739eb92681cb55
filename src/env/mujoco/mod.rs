//! MuJoCo in the process: one shared model a task, one `mjData` an instance.
//!
//! A domain lives in one file below [`dmcontrol`]; it says how an episode starts, what is seen and what is rewarded.
//! [`model`] finds and loads models, [`physics`] steps an instance of one in the control suite's order.

mod bare;
mod dmcontrol;
mod model;
mod physics;
mod randomize;
mod row;
#[cfg(test)]
mod tests;
mod tolerance;
pub mod trace;

pub use bare::ratio_to_bare;
pub use model::{Draft, Model, ModelError};
pub use physics::Physics;
pub use tolerance::{Sigmoid, Tolerance};

use bevy::prelude::*;

use super::{EnvPlugin, Environment};
use crate::task::Task;
use trace::Traceable;

/// Hosts every MuJoCo environment.
pub struct MujocoPlugin;

impl Plugin for MujocoPlugin {
    fn build(&self, app: &mut App) {
        app.add_plugins(EnvPlugin::<dmcontrol::DmControl>::default());
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
        _ => None,
    }
}
