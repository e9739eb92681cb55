//! Playing episodes of a task under policies, and keeping what they brought.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::policy::{Player, Policy, PolicyFailure, PolicyInput};
use super::statistics::{EpisodeSample, Sample};
use super::{EnvError, Simulation, SimulationConfig};
use crate::sim::{
    ACTION_DIM, Action, Actor, Asked, Ending, Group, InstanceId, Observation, ObservationMode, Purpose, Rng, Seed,
    Seen, is_finite,
};
use crate::task::Task;

/// Control steps that instances take before it is looked whether enough episodes have ended.
const STEPS_AT_ONCE: u32 = 64;

/// Episodes that could not be run.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
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

/// Runs episodes of `task`, for each player on instances of its own, in one simulation. The result does not depend on
/// the number of threads.
///
/// # Errors
///
/// [`MeasureError`] when the task cannot be hosted or a policy fails.
pub fn measure(task: &Task, players: &mut [Player<'_>], config: MeasureConfig) -> Result<Vec<Sample>, MeasureError> {
    run(task, players, config, None)
}

/// [`measure`] of one player that hands every counted episode's rows to `keep` when it ends, those that a non-finite
/// state ended left out.
///
/// # Errors
///
/// [`MeasureError`] when the task cannot be hosted, the policy fails, or `keep` does.
///
/// # Panics
///
/// Never: one player gives one sample.
pub fn record(task: &Task, player: Player<'_>, config: MeasureConfig, keep: Keep<'_>) -> Result<Sample, MeasureError> {
    Ok(run(task, &mut [player], config, Some(keep))?.pop().expect("one player, one sample"))
}

fn run(
    task: &Task,
    players: &mut [Player<'_>],
    config: MeasureConfig,
    mut keep: Option<Keep<'_>>,
) -> Result<Vec<Sample>, MeasureError> {
    let episodes = config.episodes.max(1);
    let width = config.instances.clamp(1, episodes);
    let mut simulation = Simulation::new(&SimulationConfig {
        tasks: Arc::from([task.clone()]),
        instances: vec![0; players.len() * width as usize],
        groups: 1,
        seed: config.seed,
        observation: ObservationMode::State,
        threads: None,
    })?;
    let lane = |player: &Player<'_>, number: u32, reset: &Observation| {
        let reset = &reset.0[..task.obs_dim];
        let policy = match player {
            Player::Beside(policy, seed) => Some((policy.clone(), seed.rng(Purpose::Policy, u64::from(number), 0))),
            Player::Batch(_) => None,
        };
        Mutex::new(Lane {
            policy,
            next: [0.0; ACTION_DIM],
            bad_actions: 0,
            wanted: (episodes / width + u32::from(number < episodes % width)) as usize,
            step: 0,
            running: EpisodeSample::start(reset),
            finished: Vec::new(),
            rows: keep.is_some().then(|| Rows::start(reset, task.action_dim, 0)),
            whole: Vec::new(),
        })
    };
    let lanes = (0u32..).zip(simulation.instances()).map(|(instance, _)| {
        let (player, number) = (&players[(instance / width) as usize], instance % width);
        lane(player, number, simulation.get(instance as usize))
    });
    let mut lanes = Lanes { task, seed: config.seed, lanes: lanes.collect() };

    let beside = players.iter().all(|player| matches!(player, Player::Beside(..)));
    let steps = if beside { STEPS_AT_ONCE } else { 1 };
    while lanes.lanes.iter_mut().any(|lane| !unlocked(lane).is_done()) {
        for (player, (first, lanes)) in
            players.iter_mut().zip((0..).step_by(width as usize).zip(lanes.lanes.chunks_mut(width as usize)))
        {
            act(&simulation, player, first, lanes).map_err(MeasureError::Policy)?;
        }
        simulation.play(Group(0), steps, &lanes);
        if let Some(keep) = &mut keep {
            let mut whole: Vec<_> = lanes.lanes.iter_mut().flat_map(|lane| unlocked(lane).whole.drain(..)).collect();
            // As they ended, whatever the number of steps at once; instances of one step by number.
            whole.sort_by_key(|(step, _)| *step);
            whole.into_iter().try_for_each(|(_, episode)| keep(episode)).map_err(MeasureError::Recording)?;
        }
    }
    Ok(lanes.lanes.chunks_mut(width as usize).map(|lanes| sample(task, lanes)).collect())
}

/// Has a player that acts for all of its instances at once choose their next actions.
fn act(
    simulation: &Simulation,
    player: &mut Player<'_>,
    first: usize,
    lanes: &mut [Mutex<Lane>],
) -> Result<(), PolicyFailure> {
    let Player::Batch(policy) = player else { return Ok(()) };
    if lanes.iter_mut().all(|lane| unlocked(lane).is_done()) {
        return Ok(());
    }
    let inputs: Vec<PolicyInput> = (0..)
        .zip(&mut *lanes)
        .map(|(instance, lane)| PolicyInput {
            instance,
            first: unlocked(lane).running.steps == 0,
            observation: simulation.get::<Observation>(first + instance).0,
        })
        .collect();
    let mut actions = vec![[0.0; ACTION_DIM]; inputs.len()];
    policy(&inputs, &mut actions)?;
    lanes.iter_mut().zip(actions).for_each(|(lane, action)| unlocked(lane).next = action);
    Ok(())
}

/// What the instances of one player brought.
fn sample(task: &Task, lanes: &mut [Mutex<Lane>]) -> Sample {
    let bad_actions = lanes.iter_mut().map(|lane| unlocked(lane).bad_actions).sum();
    let episodes = lanes.iter_mut().flat_map(|lane| std::mem::take(&mut unlocked(lane).finished)).collect();
    Sample { obs_dim: task.obs_dim, bad_actions, episodes }
}

/// What happens in all instances.
struct Lanes<'a> {
    task: &'a Task,
    seed: Seed,
    /// One an instance. Threads meet at none of them.
    lanes: Vec<Mutex<Lane>>,
}

/// One instance and its episodes, one after the other.
struct Lane {
    /// Who acts here, and its random numbers; none where actions are chosen for all instances at once.
    policy: Option<(Policy, Rng)>,
    /// The action that was chosen so.
    next: [f32; ACTION_DIM],
    bad_actions: u64,
    /// Episodes that are to count.
    wanted: usize,
    /// Steps taken.
    step: u64,
    running: EpisodeSample,
    finished: Vec<EpisodeSample>,
    /// Rows of the running episode, if they are to be kept.
    rows: Option<Rows>,
    /// Episodes that have ended, and after which step.
    whole: Vec<(u64, RecordedEpisode)>,
}

/// Rows of one episode as they come.
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

fn unlocked(lane: &mut Mutex<Lane>) -> &mut Lane {
    lane.get_mut().unwrap_or_else(PoisonError::into_inner)
}

impl Lanes<'_> {
    fn lane(&self, instance: InstanceId) -> MutexGuard<'_, Lane> {
        self.lanes[instance.row()].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Actor for Lanes<'_> {
    fn act(&self, asked: Asked<'_>, action: &mut Action) {
        let lane = &mut *self.lane(asked.instance);
        action.0 = [0.0; ACTION_DIM];
        if lane.is_done() {
            return;
        }
        match &mut lane.policy {
            Some((policy, rng)) => {
                let observation = &asked.observation.0[..self.task.obs_dim];
                policy.act(observation, rng, &mut action.0[..self.task.action_dim]);
            }
            None => action.0 = lane.next,
        }
        lane.bad_actions += u64::from(!is_finite(&action.0));
    }

    fn see(&self, seen: Seen<'_>) {
        let lane = &mut *self.lane(seen.instance);
        if lane.is_done() {
            return;
        }
        lane.step += 1;
        if lane.rows.is_some() {
            lane.keep_rows(&seen, self.task, self.seed);
        }
        let present = &seen.observation.0[..self.task.obs_dim];
        if seen.record.ending.is_none() {
            lane.running.add(present);
            return;
        }
        lane.running.add(&seen.last.0[..self.task.obs_dim]);
        lane.running.finish(seen.finished);
        lane.finished.push(std::mem::replace(&mut lane.running, EpisodeSample::start(present)));
    }
}

impl Lane {
    fn is_done(&self) -> bool {
        self.finished.len() >= self.wanted
    }

    /// Adds the latest step's rows; sets an episode aside that ends.
    fn keep_rows(&mut self, seen: &Seen<'_>, task: &Task, seed: Seed) {
        let Some(rows) = &mut self.rows else { return };
        let led_to = if seen.record.ending.is_some() { &seen.last.0 } else { &seen.observation.0 };
        rows.observations.extend_from_slice(&led_to[..task.obs_dim]);
        rows.actions.extend_from_slice(&seen.action.0[..task.action_dim]);
        rows.rewards.push(seen.record.reward);
        let Some(ending) = seen.record.ending else { return };
        let next = Rows::start(&seen.observation.0[..task.obs_dim], task.action_dim, rows.number + 1);
        let Rows { observations, actions, rewards, number } = std::mem::replace(rows, next);
        if ending == Ending::Fault {
            return;
        }
        let episode = RecordedEpisode {
            observations,
            actions,
            rewards,
            episode_return: seen.finished.episode_return,
            score: seen.finished.score,
            success: seen.finished.success,
            origin: (seed, seen.instance.stream(), number),
        };
        self.whole.push((self.step, episode));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Registry;

    fn pong(episodes: u32, instances: u32) -> Sample {
        let registry = Registry::builtin().expect("tables parse");
        let task = registry.task("pygame-pong").expect("known");
        let seed = Seed::new(5);
        let config = MeasureConfig { episodes, instances, seed };
        let samples = measure(task, &mut [Player::Beside(Policy::Uniform, seed)], config).expect("it runs");
        samples.into_iter().next().expect("one policy, one sample")
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

    #[test]
    fn a_policy_plays_the_same_beside_the_simulation_and_in_batches() {
        let registry = Registry::builtin().expect("tables parse");
        let task = registry.task("pygame-spaceship").expect("known");
        let seed = Seed::new(3);
        let config = MeasureConfig { episodes: 7, instances: 3, seed };
        let play = |player: Player<'_>| {
            let mut episodes = Vec::new();
            let sample = record(task, player, config, &mut |episode| {
                episodes.push(episode);
                Ok(())
            });
            (sample.expect("it runs").statistics(), episodes)
        };
        let beside = play(Player::Beside(Policy::Uniform, seed));
        assert_eq!(beside.1.len(), 7);
        assert_eq!(beside, play(Player::Batch(Policy::Uniform.batch(task, seed))));
    }
}
