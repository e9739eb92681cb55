//! Statistics of whole episodes of a task under a policy.

use serde::{Deserialize, Serialize};

use crate::sim::{Fault, FaultCounts, FinishedEpisode};

/// Which quantiles of the return are given.
const QUANTILES: [f64; 7] = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0];

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

impl EpisodeSample {
    /// An episode that starts with this observation.
    pub(super) fn start(reset: &[f32]) -> Self {
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

    /// Takes in a step, by what was observed after it.
    pub(super) fn add(&mut self, observation: &[f32]) {
        self.steps += 1;
        for ((&x, sum), extreme) in observation.iter().zip(&mut self.sums).zip(&mut self.extremes) {
            let wide = f64::from(x);
            *sum = (sum.0 + wide, sum.1 + wide * wide);
            *extreme = (extreme.0.min(x), extreme.1.max(x));
        }
    }

    /// Takes in the end of the episode.
    pub(super) fn finish(&mut self, finished: &FinishedEpisode) {
        self.episode_return = finished.episode_return;
        self.score = finished.score;
        self.success = finished.success;
        self.fault = finished.fault;
    }
}

impl Sample {
    /// The figures.
    ///
    /// # Panics
    ///
    /// When the sample holds no episode; those of [`measure`](super::measure::measure) hold one at least.
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
    use super::*;

    #[test]
    fn quantiles_interpolate() {
        assert_eq!(quantile(&[1.0, 2.0, 4.0], 0.75), 3.0);
        assert_eq!(quantile(&[5.0], 0.9), 5.0);
    }
}
