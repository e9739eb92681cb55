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
    /// What each [`Phase`] took of the steps that were measured.
    times: [Duration; Phase::ALL.len()],
    /// How many were.
    timed_steps: f64,
}

impl Throughput {
    /// Processor time of a step in `phase`; zero before one was measured. An estimate from samples, because reading the
    /// clock takes as long as some steps do.
    pub fn step_time(&self, phase: Phase) -> Duration {
        if self.timed_steps > 0.0 { self.times[phase as usize].div_f64(self.timed_steps) } else { Duration::ZERO }
    }

    /// Adds what the phases of a sample of `steps` took; it stands for `weight` times as many.
    pub(crate) fn add_sample(&mut self, times: [Duration; Phase::ALL.len()], steps: usize, weight: f64) {
        self.times.iter_mut().zip(times).for_each(|(time, sample)| *time += sample.mul_f64(weight));
        self.timed_steps += steps as f64 * weight;
    }

    /// What came on top of `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            steps: self.steps - earlier.steps,
            episodes: self.episodes - earlier.episodes,
            faults: self.faults.since(&earlier.faults),
            bad_actions: self.bad_actions - earlier.bad_actions,
            times: Phase::ALL.map(|phase| self.times[phase as usize] - earlier.times[phase as usize]),
            timed_steps: self.timed_steps - earlier.timed_steps,
        }
    }
}

impl AddAssign<&Self> for Throughput {
    fn add_assign(&mut self, more: &Self) {
        self.steps += more.steps;
        self.episodes += more.episodes;
        self.faults += more.faults;
        self.bad_actions += more.bad_actions;
        self.times.iter_mut().zip(more.times).for_each(|(time, more)| *time += more);
        self.timed_steps += more.timed_steps;
    }
}
