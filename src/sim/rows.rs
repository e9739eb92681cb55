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

/// The observation that the latest step led to: after the last step of an episode, the episode's last one, which the
/// reset does not overwrite. The next episode takes it over with its first step.
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
