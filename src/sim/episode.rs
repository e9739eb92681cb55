//! Episodes: where an instance stands in its episode, what its steps brought, how episodes end and score.

use bevy::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Action, Fault, FinalObservation, Observation, Rng, Throughput};
use crate::task::Task;

/// Most reward terms that are summed apart.
const TERMS: usize = 8;

/// Where an instance stands: the episode's number, its step, its generator.
#[derive(Component, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Episode {
    /// 0 for an instance's first episode.
    pub number: u64,
    /// Agent steps since the reset.
    pub step: u32,
    /// Whether the first episode has started.
    pub started: bool,
    /// The generator of this episode.
    pub rng: Rng,
}

impl Episode {
    /// Before an instance's first episode.
    pub fn unstarted(rng: Rng) -> Self {
        Self { number: 0, step: 0, started: false, rng }
    }
}

/// How an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// The task ended it; no value lies beyond.
    Terminated,
    /// The time limit cut it; values go on beyond.
    Truncated,
    /// A state or reward was not finite. The step is discarded: its reward is 0 and the final observation is the one
    /// before it.
    Fault,
}

/// What the latest control step of an instance brought.
#[derive(Component, Clone, Copy, Debug, Default, PartialEq)]
pub struct StepRecord {
    /// Sum over the action repeat.
    pub reward: f32,
    /// Reward terms, summed over the action repeat.
    pub terms: [f64; TERMS],
    /// Whether the task counts as solved after the step.
    pub success: bool,
    /// Whether the environment itself ended the episode.
    pub terminated: bool,
    /// How the episode ended, if this step ended it.
    pub ending: Option<Ending>,
    /// What is wrong with the state, if its environment says so.
    pub fault: Option<Fault>,
    /// Whether the instance waits for its next episode.
    pub needs_reset: bool,
}

/// Sums over the running episode.
#[derive(Component, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpisodeTally {
    /// Undiscounted return so far.
    pub episode_return: f64,
    /// Reward terms so far.
    pub terms: [f64; TERMS],
    /// Success flag of the latest step.
    pub success: bool,
}

/// Statistics of the episode that ended most recently. `count` tells whether one ended since it was last read.
#[derive(Component, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FinishedEpisode {
    /// Episodes this instance has finished.
    pub count: u64,
    /// Undiscounted return.
    pub episode_return: f64,
    /// Normalised score in [0, 1].
    pub score: f64,
    /// Success flag of the last step.
    pub success: bool,
    /// Agent steps.
    pub length: u32,
    /// How it ended.
    pub ending: Option<Ending>,
    /// What was wrong, if it ended as a fault.
    #[serde(default)]
    pub fault: Option<Fault>,
    /// Reward terms, summed.
    pub terms: [f64; TERMS],
}

/// Clips an action of `width` entries to [-1, 1], or makes it zero where one of them is not finite; tells whether all
/// were. Entries beyond become zero.
#[inline]
pub fn take_action(action: &mut Action, width: usize) -> bool {
    let (own, rest) = action.0.split_at_mut(width);
    rest.fill(0.0);
    let sound = own.iter().all(|a| a.is_finite());
    if sound {
        own.iter_mut().for_each(|a| *a = a.clamp(-1.0, 1.0));
    } else {
        own.fill(0.0);
    }
    sound
}

/// What scoring a step of an instance takes.
pub struct Scored<'a> {
    /// Its task.
    pub task: &'a Task,
    /// The observation that the step led to.
    pub observation: &'a Observation,
    /// Becomes that observation, unless it is not finite.
    pub last: &'a mut FinalObservation,
    /// What the step brought; the ending is added.
    pub record: &'a mut StepRecord,
    /// Advances by a step.
    pub episode: &'a mut Episode,
    /// Sums over the episode.
    pub tally: &'a mut EpisodeTally,
    /// The episode, if it ended.
    pub finished: &'a mut FinishedEpisode,
}

impl Scored<'_> {
    /// Adds up returns, applies the time limit, scores an ended episode and keeps its last observation. A step whose
    /// reward or observation is not finite, or whose simulator gave up, ends its episode as a fault.
    #[inline(always)]
    pub fn score(self, throughput: &mut Throughput) {
        let Self { task, observation, last, record, episode, tally, finished } = self;
        throughput.steps += 1;
        episode.step += 1;
        let row = &observation.0[..task.obs_dim];
        let finite = record.reward.is_finite() && is_finite(row);
        if finite && record.fault.is_none() {
            tally.episode_return += f64::from(record.reward);
            for (sum, term) in tally.terms.iter_mut().zip(record.terms) {
                *sum += term;
            }
            tally.success = record.success;
            // Beyond the task's width both are zero.
            last.0[..task.obs_dim].copy_from_slice(row);
            record.ending = if record.terminated {
                Some(Ending::Terminated)
            } else if episode.step >= task.episode_length {
                Some(Ending::Truncated)
            } else {
                None
            };
        } else {
            // `last` stays the observation before this step.
            let fault = record.fault.unwrap_or(Fault::NotFinite);
            let (success, ending) = (tally.success, Some(Ending::Fault));
            *record = StepRecord { success, ending, fault: Some(fault), ..StepRecord::default() };
            throughput.faults.add(fault);
        }
        record.needs_reset = record.ending.is_some();
        if record.needs_reset {
            throughput.episodes += 1;
            *finished = FinishedEpisode {
                count: finished.count + 1,
                episode_return: tally.episode_return,
                score: task.score.of(tally.episode_return, tally.success),
                success: tally.success,
                length: episode.step,
                ending: record.ending,
                fault: record.fault,
                terms: tally.terms,
            };
            *tally = EpisodeTally::default();
        }
    }
}

/// Whether every entry of a row is.
#[inline]
pub fn is_finite(row: &[f32]) -> bool {
    // No short cut: without one it is a vector operation.
    row.iter().fold(true, |all, x| all & x.is_finite())
}
