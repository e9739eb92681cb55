//! Which instance an entity is, and of what task.

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

/// The number of an instance within its run; its random streams follow from it.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstanceId(u32);

impl InstanceId {
    /// The instance numbered `index`.
    pub fn new(index: u32) -> Self {
        Self(index)
    }

    /// The row of this instance in buffers that hold one row an instance.
    pub fn row(self) -> usize {
        self.0 as usize
    }

    /// The random stream of this instance.
    pub fn stream(self) -> u64 {
        u64::from(self.0)
    }
}

/// Instances that step together. Two groups alternate in training: one steps while the other is planned for.
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Group(pub u8);

/// The number of an instance's task in the run's [`tasks`](super::Sim::tasks).
#[derive(Component, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct InstanceTask(pub u16);
