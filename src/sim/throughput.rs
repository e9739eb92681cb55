//! How many steps a second, and where their time goes.

use std::ops::AddAssign;
use std::time::Duration;

use super::{FaultCounts, Phase};

/// Counts and durations since the program started.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Throughput {
    /// Environment steps (as agents count them).
    pub steps: u64,
    /// Episodes ended.
    pub episodes: u64,
    /// States and rewards that were not finite: each ended its episode, or came with an episode's first observation.
    pub faults: FaultCounts,
    /// Actions that were not finite and were replaced by zero.
    pub bad_actions: u64,
    /// Processor time in each [`Phase`], all threads together; estimated, because reading the clock takes as long as some
    /// steps do.
    times: [Duration; Phase::ALL.len()],
}

impl Throughput {
    /// Processor time in `phase`.
    pub fn time(&self, phase: Phase) -> Duration {
        self.times[phase as usize]
    }

    pub(crate) fn time_mut(&mut self, phase: Phase) -> &mut Duration {
        &mut self.times[phase as usize]
    }

    /// What came on top of `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            steps: self.steps - earlier.steps,
            episodes: self.episodes - earlier.episodes,
            faults: self.faults.since(&earlier.faults),
            bad_actions: self.bad_actions - earlier.bad_actions,
            times: Phase::ALL.map(|phase| self.time(phase) - earlier.time(phase)),
        }
    }
}

impl AddAssign<&Self> for Throughput {
    fn add_assign(&mut self, more: &Self) {
        self.steps += more.steps;
        self.episodes += more.episodes;
        self.faults += more.faults;
        self.bad_actions += more.bad_actions;
        self.times = Phase::ALL.map(|phase| self.time(phase) + more.time(phase));
    }
}
