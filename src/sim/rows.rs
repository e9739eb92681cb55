//! Rows: the fixed-width numbers that pass between an instance and a policy.

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

/// Width of every observation row; a task's own entries come first, zeros follow.
pub const OBS_DIM: usize = 128;
/// Width of every action row; a task uses the first of them.
pub const ACTION_DIM: usize = 16;

/// What the agent sees now: after a reset, the first observation of the new episode.
#[derive(Component, Clone, Debug, PartialEq)]
pub struct Observation(pub [f32; OBS_DIM]);

/// The last observation of the episode that ended most recently; a reset does not overwrite it.
#[derive(Component, Clone, Debug, PartialEq)]
pub struct FinalObservation(pub [f32; OBS_DIM]);

/// What the agent does next, each entry in [-1, 1]; entries that the task does not have are ignored.
#[derive(Component, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Action(pub [f32; ACTION_DIM]);

impl Default for Observation {
    fn default() -> Self {
        Self([0.0; OBS_DIM])
    }
}

impl Default for FinalObservation {
    fn default() -> Self {
        Self([0.0; OBS_DIM])
    }
}

impl Default for Action {
    fn default() -> Self {
        Self([0.0; ACTION_DIM])
    }
}
