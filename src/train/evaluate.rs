//! Evaluation: fresh instances, the agent as it stands, no exploration.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::config::TrainConfig;
use super::inbox::Inbox;
use super::learner::{Acting, FromLearner, LearnerHandle, ToLearner};
use super::metrics::{EpisodeResult, EpisodeStatistics};
use super::{TrainError, gather};
use crate::env::{Simulation, SimulationConfig};
use crate::sim::{Ending, Group, ObservationMode, Purpose, Seed};
use crate::task::Task;

/// Which evaluation of a run this is and how it is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Evaluation {
    /// Decides the planner's draws.
    pub(super) number: u64,
    /// Episodes of each instance.
    pub(super) episodes: usize,
    /// By planning or by the prior alone.
    pub(super) acting: Acting,
}

/// Runs as many instances as the training does, each for the same number of episodes from the same starts every time.
///
/// None as soon as `interrupt` is set. Nothing of the run is touched, so it can be made anew from its beginning.
pub(super) fn evaluate(
    evaluation: Evaluation,
    config: &TrainConfig,
    tasks: &Arc<[Task]>,
    instances: &[u16],
    learner: &LearnerHandle,
    inbox: &mut Inbox,
    interrupt: &AtomicBool,
) -> Result<Option<EpisodeStatistics>, TrainError> {
    let seed = Seed::new(Seed::new(config.seed).derive(Purpose::Evaluate, 0));
    let mut simulation = Simulation::new(&SimulationConfig {
        tasks: Arc::clone(tasks),
        instances: instances.to_vec(),
        groups: 1,
        seed,
        observation: ObservationMode::State,
        threads: config.threads,
    })?;
    let slots = gather::members(&simulation, Group(0));
    let mut left = vec![evaluation.episodes; slots.len()];
    let mut statistics = EpisodeStatistics::new(tasks);
    let mut stepped = false;
    let mut begin = Some(evaluation.number);
    loop {
        let active: Vec<usize> = slots.iter().copied().filter(|&slot| left[slot] > 0).collect();
        if active.is_empty() {
            return Ok(Some(statistics));
        }
        if interrupt.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let rows = gather::plan_rows(&simulation, &active, stepped);
        learner.tell(ToLearner::Evaluate { rows, acting: evaluation.acting, begin: begin.take() });
        let reply = inbox.wait(learner, |answer| match answer {
            FromLearner::Evaluated(reply) => Ok(reply),
            other => Err(other),
        })?;
        gather::act(&mut simulation, &active, &reply.actions);
        simulation.step(Group(0));
        stepped = true;
        for &slot in &active {
            if let Some((task, episode)) = gather::finished(&simulation, &[slot]).pop() {
                left[slot] -= 1;
                statistics.push(EpisodeResult {
                    task,
                    episode_return: episode.episode_return,
                    score: episode.score,
                    success: episode.success,
                    length: episode.length,
                    terminated: episode.ending == Some(Ending::Terminated),
                });
            }
        }
    }
}
