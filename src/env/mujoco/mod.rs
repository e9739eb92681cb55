//! MuJoCo in the process: one shared model a task, one `mjData` an instance.
//!
//! A domain of the control suite lives in one file below [`dmcontrol`]; it says how an episode starts, what is seen and
//! what is rewarded. [`gym`] and [`ogbench`] are environments of their own.
//! [`model`] finds and loads models, [`physics`] steps an instance of one in the control suite's order.

mod dmcontrol;
mod gym;
mod model;
mod ogbench;
mod physics;
mod randomize;
mod row;
mod tolerance;
pub mod trace;
#[cfg(feature = "view")]
mod visible;

pub use model::{Model, ModelError};
pub use physics::Physics;
pub use tolerance::{Sigmoid, Tolerance};
#[cfg(feature = "view")]
pub use visible::ContactForce;

use bevy::prelude::*;

use super::EnvPlugin;

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
