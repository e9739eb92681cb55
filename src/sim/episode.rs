//! Episodes: where an instance stands in its episode, what its steps brought, how episodes end and score.

use bevy::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    Action, ActiveGroup, Fault, FinalObservation, Group, InstanceTask, Observation, Rng, TaskTable, Throughput,
};

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

/// Clips actions to [-1, 1] and replaces non-finite ones by zero, counting them.
pub fn take_actions(
    active: Res<ActiveGroup>,
    table: Res<TaskTable>,
    mut throughput: ResMut<Throughput>,
    mut instances: Query<(&Group, &InstanceTask, &Episode, &Observation, &mut Action, &mut FinalObservation)>,
) {
    let mut bad_actions = 0;
    for (group, task, episode, observation, mut action, mut last) in &mut instances {
        if *group != active.0 {
            continue;
        }
        if episode.step == 0 {
            // From here on it belongs to the new episode, whose first step may be a fault.
            last.0 = observation.0;
        }
        let width = table.0[task.0 as usize].action_dim;
        let (own, rest) = action.bypass_change_detection().0.split_at_mut(width);
        rest.fill(0.0);
        if own.iter().all(|a| a.is_finite()) {
            own.iter_mut().for_each(|a| *a = a.clamp(-1.0, 1.0));
        } else {
            own.fill(0.0);
            bad_actions += 1;
        }
    }
    throughput.bad_actions += bad_actions;
}

/// What scoring an instance takes.
type Scored = (
    &'static Group,
    &'static InstanceTask,
    &'static Observation,
    &'static mut FinalObservation,
    &'static mut StepRecord,
    &'static mut Episode,
    &'static mut EpisodeTally,
    &'static mut FinishedEpisode,
);

/// Adds up returns, applies the time limit, scores ended episodes and keeps their last observation.
pub fn score_episodes(
    active: Res<ActiveGroup>,
    table: Res<TaskTable>,
    mut throughput: ResMut<Throughput>,
    mut instances: Query<Scored>,
) {
    for (group, task, observation, mut last, mut record, mut episode, mut tally, mut finished) in &mut instances {
        if *group != active.0 {
            continue;
        }
        let task = &table.0[task.0 as usize];
        throughput.steps += 1;
        episode.step += 1;
        let finite = record.reward.is_finite() && observation.0[..task.obs_dim].iter().all(|x| x.is_finite());
        let fault = record.fault.or((!finite).then_some(Fault::NotFinite));
        let sound = fault.is_none();
        if let Some(fault) = fault {
            // `last` stays the observation before this step.
            *record = StepRecord { success: tally.success, fault: Some(fault), ..StepRecord::default() };
            throughput.faults.add(fault);
        } else {
            tally.episode_return += f64::from(record.reward);
            for (sum, term) in tally.terms.iter_mut().zip(record.terms) {
                *sum += term;
            }
            tally.success = record.success;
        }
        record.ending = if !sound {
            Some(Ending::Fault)
        } else if record.terminated {
            Some(Ending::Terminated)
        } else if episode.step >= task.episode_length {
            Some(Ending::Truncated)
        } else {
            None
        };
        if sound {
            // Beyond the task's width both are zero.
            last.0[..task.obs_dim].copy_from_slice(&observation.0[..task.obs_dim]);
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
                fault,
                terms: tally.terms,
            };
            *tally = EpisodeTally::default();
        }
    }
}
