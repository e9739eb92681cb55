//! How many steps a second, and where their time goes.

use std::time::Duration;

use bevy::prelude::Resource;

use super::FaultCounts;

/// Counts and durations since the program started.
#[derive(Resource, Clone, Debug, Default, PartialEq)]
pub struct Throughput {
    /// Environment steps (as agents count them).
    pub steps: u64,
    /// Episodes ended.
    pub episodes: u64,
    /// Episodes ended because a state or reward was not finite, or its simulator gave up.
    pub faults: FaultCounts,
    /// Actions that were not finite and were replaced by zero.
    pub bad_actions: u64,
    /// Time in [`SimSystems::Step`](super::SimSystems::Step).
    pub step_time: Duration,
    /// Time in [`SimSystems::Observe`](super::SimSystems::Observe).
    pub observe_time: Duration,
    /// Time in [`SimSystems::Reset`](super::SimSystems::Reset).
    pub reset_time: Duration,
}

impl Throughput {
    /// What came on top of `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            steps: self.steps - earlier.steps,
            episodes: self.episodes - earlier.episodes,
            faults: self.faults.since(&earlier.faults),
            bad_actions: self.bad_actions - earlier.bad_actions,
            step_time: self.step_time - earlier.step_time,
            observe_time: self.observe_time - earlier.observe_time,
            reset_time: self.reset_time - earlier.reset_time,
        }
    }
}
