//! The same work as a control step, in a plain loop: the measure of what hosting costs.

use std::time::{Duration, Instant};

use super::{Environment, MAX_REWARD_TERMS};
use crate::sim::{ACTION_DIM, OBS_DIM, Purpose, Rng, Seed};
use crate::task::Task;

/// One instance without a world.
struct Bare<E> {
    state: E,
    rng: Rng,
    step: u32,
    episode: u64,
    terms: [f64; MAX_REWARD_TERMS],
    success: bool,
    reward: f32,
    observation: [f32; OBS_DIM],
    last: [f32; OBS_DIM],
}

/// Time that `steps` steps of `instances` instances take, one after the other: clipping, action repeat, rows, the
/// check that they are finite, sums of the reward terms, time limit, score and resets included, as in a control step. Step `n` takes the action row `n` of `actions`, over and over.
pub(super) fn time<E: Environment>(
    task: &Task,
    params: &E::Params,
    instances: u64,
    steps: u32,
    actions: &[[f32; ACTION_DIM]],
) -> Duration {
    let seed = Seed::new(0);
    let mut bare: Vec<Bare<E>> = (0..instances)
        .map(|stream| {
            let mut rng = seed.rng(Purpose::Episode, stream, 0);
            let mut state = E::new(params, &mut seed.rng(Purpose::Construct, stream, 0));
            state.reset(params, &mut rng);
            let (observation, last) = ([0.0; OBS_DIM], [0.0; OBS_DIM]);
            let terms = [0.0; MAX_REWARD_TERMS];
            Bare { state, rng, step: 0, episode: 0, terms, success: false, reward: 0.0, observation, last }
        })
        .collect();
    let started = Instant::now();
    let mut scores = 0.0;
    for action in actions.iter().cycle().take(steps as usize) {
        for (stream, instance) in (0..).zip(&mut bare) {
            scores += instance.advance(task, params, action, seed, stream);
        }
    }
    let time = started.elapsed();
    std::hint::black_box((scores, bare.iter().map(|instance| instance.last[0] + instance.reward).sum::<f32>()));
    time
}

impl<E: Environment> Bare<E> {
    /// One step; the score if it ended an episode.
    fn advance(&mut self, task: &Task, params: &E::Params, action: &[f32; ACTION_DIM], seed: Seed, stream: u64) -> f64 {
        let action = action.map(|a| if a.is_finite() { a.clamp(-1.0, 1.0) } else { 0.0 });
        let (mut terms, mut terminated) = ([0.0; MAX_REWARD_TERMS], false);
        for _ in 0..task.action_repeat {
            let outcome = self.state.step(params, &action[..task.action_dim], &mut self.rng);
            add(&mut terms, &outcome.terms);
            (self.success, terminated) = (outcome.success, outcome.terminated);
            if terminated {
                break;
            }
        }
        self.reward = terms.iter().sum::<f64>() as f32;
        add(&mut self.terms, &terms);
        let row = &mut self.observation[..task.obs_dim];
        self.state.observe(params, row);
        let sound = self.reward.is_finite() && row.iter().all(|x| x.is_finite());
        self.last[..task.obs_dim].copy_from_slice(row);
        self.step += 1;
        if sound && !terminated && self.step < task.episode_length {
            return 0.0;
        }
        let score = task.score.of(self.terms.iter().sum(), self.success);
        self.terms = [0.0; MAX_REWARD_TERMS];
        (self.step, self.episode) = (0, self.episode + 1);
        self.rng = seed.rng(Purpose::Episode, stream, self.episode);
        self.state.reset(params, &mut self.rng);
        self.state.observe(params, &mut self.observation[..task.obs_dim]);
        score
    }
}

fn add(sums: &mut [f64; MAX_REWARD_TERMS], terms: &[f64; MAX_REWARD_TERMS]) {
    sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
}
