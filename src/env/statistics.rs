//! Statistics of whole episodes of a task under a policy.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::policy::{BatchPolicy, PolicyFailure, PolicyInput};
use super::{EnvError, Simulation, SimulationConfig};
use crate::sim::{
    ACTION_DIM, Action, Ending, Fault, FaultCounts, FinalObservation, FinishedEpisode, Group, OBS_DIM, Observation,
    ObservationMode, Seed, StepRecord, is_finite,
};
use crate::task::Task;

/// Which quantiles of the return are given.
const QUANTILES: [f64; 7] = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0];

/// Episodes that could not be run.
#[derive(Debug, thiserror::Error)]
pub enum StatisticsError {
    /// The task cannot be hosted.
    #[error(transparent)]
    Env(#[from] EnvError),
    /// The policy failed.
    #[error("the policy gave no action: {0}")]
    Policy(PolicyFailure),
    /// An episode could not be kept.
    #[error("{0}")]
    Recording(PolicyFailure),
}

/// One episode of `T` steps, `T + 1` rows of the task's own widths: row `t` holds observation `t` and the action and
/// reward that led to it.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordedEpisode {
    /// `[T + 1, obs_dim]`.
    pub observations: Vec<f32>,
    /// `[T + 1, action_dim]`, as the environment took them; zeros in row 0.
    pub actions: Vec<f32>,
    /// `[T + 1]`; zero in row 0.
    pub rewards: Vec<f32>,
    /// Undiscounted return.
    pub episode_return: f64,
    /// Normalized score.
    pub score: f64,
    /// Success flag of the last step.
    pub success: bool,
    /// Seed of the simulation, number of the instance and of its episode: where its random numbers came from.
    pub origin: (Seed, u64, u64),
}

/// Takes an episode when it ends.
pub type Keep<'a> = &'a mut dyn FnMut(RecordedEpisode) -> Result<(), PolicyFailure>;

/// Figures over episodes. Standard deviations are the population's. `obs_*` are over every step, each with the
/// observation after it (the last of an episode included, the first excluded); `reset_*` over the first observations.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// How many.
    pub episodes: u64,
    /// Agent steps of all of them.
    pub steps: u64,
    /// Mean undiscounted return.
    pub return_mean: f64,
    /// Its standard deviation.
    pub return_std: f64,
    /// Its quantiles 0, .1, .25, .5, .75, .9 and 1, between two episodes by linear interpolation.
    pub return_quantiles: [f64; 7],
    /// Part of the episodes that ended in success.
    pub success_mean: f64,
    /// Mean normalised score.
    pub score_mean: f64,
    /// Its standard deviation.
    pub score_std: f64,
    /// Mean of each observation entry.
    pub obs_mean: Vec<f64>,
    /// Its standard deviation.
    pub obs_std: Vec<f64>,
    /// Its least value.
    pub obs_min: Vec<f64>,
    /// Its greatest value.
    pub obs_max: Vec<f64>,
    /// Mean of each entry of an episode's first observation.
    pub reset_mean: Vec<f64>,
    /// Its standard deviation.
    pub reset_std: Vec<f64>,
    /// Its least value.
    pub reset_min: Vec<f64>,
    /// Its greatest value.
    pub reset_max: Vec<f64>,
}

/// Sums over the steps of one episode.
#[derive(Clone, Debug)]
pub struct EpisodeSample {
    /// Undiscounted return.
    pub episode_return: f64,
    /// Normalised score.
    pub score: f64,
    /// Success flag of the last step.
    pub success: bool,
    /// Agent steps.
    pub steps: u32,
    /// What was wrong, if a fault ended it.
    pub fault: Option<Fault>,
    /// The first observation.
    pub reset: Vec<f32>,
    /// Sum of each observation entry and of its square, over the steps.
    pub sums: Vec<(f64, f64)>,
    /// Least and greatest value of each observation entry.
    pub extremes: Vec<(f32, f32)>,
}

/// The episodes of one task under one policy.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Width of the observation.
    pub obs_dim: usize,
    /// Actions of the policy that were not finite: the environment took none in their place.
    pub bad_actions: u64,
    /// One an episode, at least one.
    pub episodes: Vec<EpisodeSample>,
}

/// How many episodes to run, and where.
#[derive(Clone, Copy, Debug)]
pub struct MeasureConfig {
    /// Episodes of each policy; at least one is run.
    pub episodes: u32,
    /// Instances that share them. State that outlives a reset only shows within an instance, so take few.
    pub instances: u32,
    /// Where every random number comes from.
    pub seed: Seed,
}

impl MeasureConfig {
    /// `episodes` episodes on a few instances.
    pub fn new(episodes: u32, seed: Seed) -> Self {
        Self { episodes, instances: 4, seed }
    }
}

impl EpisodeSample {
    fn start(reset: &[f32]) -> Self {
        Self {
            episode_return: 0.0,
            score: 0.0,
            success: false,
            steps: 0,
            fault: None,
            reset: reset.to_vec(),
            sums: vec![(0.0, 0.0); reset.len()],
            extremes: vec![(f32::INFINITY, f32::NEG_INFINITY); reset.len()],
        }
    }

    fn add(&mut self, observation: &[f32]) {
        self.steps += 1;
        for ((&x, sum), extreme) in observation.iter().zip(&mut self.sums).zip(&mut self.extremes) {
            let wide = f64::from(x);
            *sum = (sum.0 + wide, sum.1 + wide * wide);
            *extreme = (extreme.0.min(x), extreme.1.max(x));
        }
    }

    fn finish(&mut self, finished: &FinishedEpisode) {
        self.episode_return = finished.episode_return;
        self.score = finished.score;
        self.success = finished.success;
        self.fault = finished.fault;
    }
}

/// Runs episodes of `task`, for each policy on instances of its own, in one simulation. The result does not depend on
/// the number of threads.
///
/// # Errors
///
/// [`StatisticsError`] when the task cannot be hosted or a policy fails.
pub fn measure(
    task: &Task,
    policies: &mut [BatchPolicy<'_>],
    config: MeasureConfig,
) -> Result<Vec<Sample>, StatisticsError> {
    run(task, policies, config, None)
}

/// [`measure`] of one policy that hands every counted episode's rows to `keep` when it ends, those that a non-finite
/// state ended left out.
///
/// # Errors
///
/// [`StatisticsError`] when the task cannot be hosted, the policy fails, or `keep` does.
///
/// # Panics
///
/// Never: one policy gives one sample.
pub fn record(
    task: &Task,
    policy: BatchPolicy<'_>,
    config: MeasureConfig,
    keep: Keep<'_>,
) -> Result<Sample, StatisticsError> {
    Ok(run(task, &mut [policy], config, Some(keep))?.pop().expect("one policy, one sample"))
}

fn run(
    task: &Task,
    policies: &mut [BatchPolicy<'_>],
    config: MeasureConfig,
    mut keep: Option<Keep<'_>>,
) -> Result<Vec<Sample>, StatisticsError> {
    let episodes = config.episodes.max(1);
    let width = config.instances.clamp(1, episodes);
    let mut simulation = Simulation::new(&SimulationConfig {
        tasks: Arc::from([task.clone()]),
        instances: vec![0; policies.len() * width as usize],
        groups: 1,
        seed: config.seed,
        observation: ObservationMode::State,
        threads: None,
    })?;
    let quota = |index: u32| (episodes / width + u32::from(index < episodes % width)) as usize;
    let mut runs: Vec<PolicyRun> = (0..policies.len())
        .map(|policy| PolicyRun::start(&simulation, policy * width as usize, (0..width).map(quota), task.obs_dim))
        .collect();
    while runs.iter().any(|run| !run.is_done()) {
        for (run, policy) in runs.iter_mut().zip(&mut *policies).filter(|(run, _)| !run.is_done()) {
            run.act(&mut simulation, policy).map_err(StatisticsError::Policy)?;
        }
        simulation.step(Group(0));
        for run in runs.iter_mut().filter(|run| !run.is_done()) {
            if let Some(keep) = &mut keep {
                run.keep_rows(&simulation, task, config.seed, keep)?;
            }
            run.record(&simulation);
        }
    }
    Ok(runs.into_iter().map(PolicyRun::into_sample).collect())
}

/// The instances of one policy.
struct PolicyRun {
    first_instance: usize,
    obs_dim: usize,
    lanes: Vec<Lane>,
    inputs: Vec<PolicyInput>,
    actions: Vec<[f32; ACTION_DIM]>,
    bad_actions: u64,
}

/// Rows of one episode as they come.
#[derive(Clone, Debug, Default)]
struct Rows {
    observations: Vec<f32>,
    actions: Vec<f32>,
    rewards: Vec<f32>,
    /// Episodes of the instance before this one.
    number: u64,
}

impl Rows {
    fn start(observation: &[f32], action_dim: usize, number: u64) -> Self {
        Self { observations: observation.to_vec(), actions: vec![0.0; action_dim], rewards: vec![0.0], number }
    }
}

/// One instance and its episodes, one after the other.
struct Lane {
    wanted: usize,
    rows: Option<Rows>,
    running: EpisodeSample,
    finished: Vec<EpisodeSample>,
}

impl PolicyRun {
    fn start(simulation: &Simulation, first: usize, quotas: impl Iterator<Item = usize>, obs_dim: usize) -> Self {
        let lanes: Vec<Lane> = (first..)
            .zip(quotas)
            .map(|(instance, wanted)| Lane {
                wanted,
                rows: None,
                running: EpisodeSample::start(&simulation.get::<Observation>(instance).0[..obs_dim]),
                finished: Vec::with_capacity(wanted),
            })
            .collect();
        let blank = PolicyInput { instance: 0, first: true, observation: [0.0; OBS_DIM] };
        let inputs = (0..lanes.len()).map(|instance| PolicyInput { instance, ..blank.clone() }).collect();
        let actions = vec![[0.0; ACTION_DIM]; lanes.len()];
        Self { first_instance: first, obs_dim, lanes, inputs, actions, bad_actions: 0 }
    }

    fn is_done(&self) -> bool {
        self.lanes.iter().all(|lane| lane.finished.len() >= lane.wanted)
    }

    fn act(&mut self, simulation: &mut Simulation, policy: &mut BatchPolicy<'_>) -> Result<(), PolicyFailure> {
        for ((index, lane), input) in self.lanes.iter().enumerate().zip(&mut self.inputs) {
            input.observation = simulation.get::<Observation>(self.first_instance + index).0;
            input.first = lane.running.steps == 0;
        }
        self.actions.fill([0.0; ACTION_DIM]);
        policy(&self.inputs, &mut self.actions)?;
        for (index, action) in self.actions.iter().enumerate() {
            self.bad_actions += u64::from(!is_finite(action));
            simulation.set_action(self.first_instance + index, action);
        }
        Ok(())
    }

    /// Adds the latest step's rows, and hands those of episodes that end and count to `keep`.
    fn keep_rows(
        &mut self,
        simulation: &Simulation,
        task: &Task,
        seed: Seed,
        keep: &mut Keep<'_>,
    ) -> Result<(), StatisticsError> {
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            if lane.finished.len() >= lane.wanted {
                continue;
            }
            let instance = self.first_instance + index;
            let rows = lane.rows.get_or_insert_with(|| Rows::start(&lane.running.reset, task.action_dim, 0));
            let record = simulation.get::<StepRecord>(instance);
            let present = &simulation.get::<Observation>(instance).0;
            let last = &simulation.get::<FinalObservation>(instance).0;
            let seen = if record.ending.is_some() { last } else { present };
            rows.observations.extend_from_slice(&seen[..self.obs_dim]);
            rows.actions.extend_from_slice(&simulation.get::<Action>(instance).0[..task.action_dim]);
            rows.rewards.push(record.reward);
            let Some(ending) = record.ending else { continue };
            let next = Rows::start(&present[..self.obs_dim], task.action_dim, rows.number + 1);
            let whole = std::mem::replace(rows, next);
            if ending == Ending::Fault {
                continue;
            }
            let finished = simulation.get::<FinishedEpisode>(instance);
            keep(RecordedEpisode {
                observations: whole.observations,
                actions: whole.actions,
                rewards: whole.rewards,
                episode_return: finished.episode_return,
                score: finished.score,
                success: finished.success,
                origin: (seed, instance as u64, whole.number),
            })
            .map_err(StatisticsError::Recording)?;
        }
        Ok(())
    }

    fn record(&mut self, simulation: &Simulation) {
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            let instance = self.first_instance + index;
            let present = &simulation.get::<Observation>(instance).0[..self.obs_dim];
            if simulation.get::<StepRecord>(instance).ending.is_none() {
                lane.running.add(present);
                continue;
            }
            lane.running.add(&simulation.get::<FinalObservation>(instance).0[..self.obs_dim]);
            lane.running.finish(simulation.get::<FinishedEpisode>(instance));
            let finished = std::mem::replace(&mut lane.running, EpisodeSample::start(present));
            if lane.finished.len() < lane.wanted {
                lane.finished.push(finished);
            }
        }
    }

    fn into_sample(self) -> Sample {
        let episodes = self.lanes.into_iter().flat_map(|lane| lane.finished).collect();
        Sample { obs_dim: self.obs_dim, bad_actions: self.bad_actions, episodes }
    }
}

impl Sample {
    /// The figures.
    ///
    /// # Panics
    ///
    /// When the sample holds no episode; those of [`measure`] hold one at least.
    pub fn statistics(&self) -> Statistics {
        let n = self.episodes.len() as f64;
        let steps: u64 = self.episodes.iter().map(|episode| u64::from(episode.steps)).sum();
        let mean_std = |value: &dyn Fn(&EpisodeSample) -> f64| {
            let mean = self.episodes.iter().map(value).sum::<f64>() / n;
            let square = self.episodes.iter().map(|episode| (value(episode) - mean).powi(2)).sum::<f64>() / n;
            (mean, square.sqrt())
        };
        let mut returns: Vec<f64> = self.episodes.iter().map(|episode| episode.episode_return).collect();
        returns.sort_by(f64::total_cmp);
        let (return_mean, return_std) = mean_std(&|episode| episode.episode_return);
        let (score_mean, score_std) = mean_std(&|episode| episode.score);
        let (success_mean, _) = mean_std(&|episode| f64::from(u8::from(episode.success)));

        let observed: Vec<(f64, f64)> = (0..self.obs_dim)
            .map(|i| {
                let sum = |part: fn((f64, f64)) -> f64| self.episodes.iter().map(|e| part(e.sums[i])).sum::<f64>();
                let mean = sum(|sums| sums.0) / steps as f64;
                (mean, (sum(|sums| sums.1) / steps as f64 - mean * mean).max(0.0).sqrt())
            })
            .collect();
        let reset: Vec<(f64, f64)> =
            (0..self.obs_dim).map(|i| mean_std(&|episode| f64::from(episode.reset[i]))).collect();
        let bound = |pick: fn(f64, f64) -> f64, value: &dyn Fn(&EpisodeSample, usize) -> f32| -> Vec<f64> {
            let over_episodes = |i| self.episodes.iter().map(|e| f64::from(value(e, i))).reduce(pick);
            (0..self.obs_dim).map(|i| over_episodes(i).expect("a sample holds an episode")).collect()
        };
        Statistics {
            episodes: self.episodes.len() as u64,
            steps,
            return_mean,
            return_std,
            return_quantiles: QUANTILES.map(|q| quantile(&returns, q)),
            success_mean,
            score_mean,
            score_std,
            obs_mean: observed.iter().map(|moments| moments.0).collect(),
            obs_std: observed.iter().map(|moments| moments.1).collect(),
            obs_min: bound(f64::min, &|episode, i| episode.extremes[i].0),
            obs_max: bound(f64::max, &|episode, i| episode.extremes[i].1),
            reset_mean: reset.iter().map(|moments| moments.0).collect(),
            reset_std: reset.iter().map(|moments| moments.1).collect(),
            reset_min: bound(f64::min, &|episode, i| episode.reset[i]),
            reset_max: bound(f64::max, &|episode, i| episode.reset[i]),
        }
    }

    /// Faults that ended episodes.
    pub fn faults(&self) -> FaultCounts {
        self.episodes.iter().filter_map(|episode| episode.fault).collect()
    }
}

/// The quantile `q` of sorted values, by linear interpolation.
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::super::policy::Policy;
    use super::*;
    use crate::task::Registry;

    fn pong(episodes: u32, instances: u32) -> Sample {
        let registry = Registry::builtin().expect("tables parse");
        let task = registry.task("pygame-pong").expect("known");
        let seed = Seed::new(5);
        let config = MeasureConfig { episodes, instances, seed };
        let samples = measure(task, &mut [Policy::Uniform.batch(task, seed)], config).expect("it runs");
        samples.into_iter().next().expect("one policy, one sample")
    }

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[5.0], 0.9), 5.0);
    }

    #[test]
    fn episodes_are_counted_exactly_however_they_are_spread() {
        for (episodes, instances) in [(1, 4), (5, 2), (6, 3)] {
            let sample = pong(episodes, instances);
            let statistics = sample.statistics();
            assert_eq!((statistics.episodes, statistics.steps), (u64::from(episodes), 500 * u64::from(episodes)));
            assert_eq!(sample.faults().total(), 0);
            assert!(statistics.obs_mean.iter().all(|mean| mean.is_finite()));
        }
    }

    #[test]
    fn the_reset_observation_is_kept_apart() {
        let statistics = pong(8, 4).statistics();
        assert_eq!((statistics.reset_mean[0], statistics.reset_std[0]), (0.5, 0.0));
        assert!(statistics.obs_std[0] > 0.1);
        assert!(statistics.obs_min[0] < 0.2 && statistics.obs_max[0] > 0.8);
    }
}
