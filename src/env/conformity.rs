//! Whether a task behaves as recorded: figures of our episodes beside figures of the reference's.
//!
//! Both sides are samples, so a difference is held against its standard error. Steps of one episode resemble each other;
//! the error of a mean over steps is therefore taken over episodes (each episode is a cluster). The reference's figures
//! tell only its overall spread; how much of it lies between episodes is taken to be as in our own sample.

use serde::{Deserialize, Serialize};

use super::measure::{MeasureConfig, MeasureError, measure};
use super::policy::{Player, PolicyError, WrittenPolicy};
use super::statistics::{EpisodeSample, Sample, Statistics};
use crate::sim::{Purpose, Seed};
use crate::task::{Domain, Task};

/// What was recorded of one task. Anything else beside it is skipped.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordedTask {
    /// Width of the observation.
    pub obs_dim: usize,
    /// Width of the action.
    pub action_dim: usize,
    /// Policies with their statistics.
    pub policies: Vec<WrittenPolicy>,
}

/// Recorded figures that cannot be compared with.
#[derive(Debug, thiserror::Error)]
pub enum ConformityError {
    /// A recorded policy cannot be used.
    #[error("policy {index} of {task}: {problem}")]
    Policy {
        /// The task.
        task: String,
        /// Which policy, from 0.
        index: usize,
        /// What is wrong.
        problem: PolicyError,
    },
    /// The episodes could not be run.
    #[error(transparent)]
    Statistics(#[from] MeasureError),
    /// A width is not the task's.
    #[error("{what} of {task} is {found} wide in the recording, but {needed} here")]
    Width {
        /// The task.
        task: String,
        /// Which figure.
        what: &'static str,
        /// Recorded.
        found: usize,
        /// The task's own.
        needed: usize,
    },
    /// Nothing to compare with.
    #[error("no policy of {0} is recorded")]
    NoPolicies(String),
    /// A policy was recorded without statistics.
    #[error("policy {index} of {task} has no stats in the recording; record them or remove the policy")]
    NoStatistics {
        /// The task.
        task: String,
        /// Which policy, from 0.
        index: usize,
    },
}

/// How far figures may lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Standard errors that a single mean may be off.
    pub standard_errors: f64,
    /// Part of the reference's standard deviation that a mean may be off beyond that.
    pub mean_slack: f64,
    /// Part of itself that a standard deviation may be off beyond its sampling error.
    pub std_slack: f64,
    /// Whether standard deviations decide, or only means.
    pub spread_decides: bool,
}

impl Bounds {
    /// The bounds of a domain: sampling error alone, and more where another physics engine takes the reference's place:
    /// there, how far episodes lie apart hangs on how often rare ones come, and only means decide.
    pub fn of(domain: Domain) -> Self {
        match domain {
            Domain::Box2D => Self { standard_errors: 4.0, mean_slack: 0.10, std_slack: 0.25, spread_decides: false },
            _ => Self { standard_errors: 4.0, mean_slack: 0.0, std_slack: 0.05, spread_decides: true },
        }
    }

    /// As strict on `count` figures together as on a single one: the tail beyond `z` falls like `exp(-z²/2)`.
    fn standard_errors_of(self, count: usize) -> f64 {
        (self.standard_errors.powi(2) + 2.0 * (count as f64).ln()).sqrt()
    }
}

/// One figure beside its reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Which, such as `return_mean` or `obs_mean[3]`.
    pub figure: String,
    /// The reference's value.
    pub reference: f64,
    /// Ours.
    pub found: f64,
    /// How far they may lie apart.
    pub allowed: f64,
    /// Whether they do not lie further apart.
    pub agrees: bool,
    /// Whether the task's agreement hangs on it.
    pub decides: bool,
}

impl Comparison {
    /// Part of the allowed difference that is used up; above 1 they disagree.
    pub fn ratio(&self) -> f64 {
        (self.found - self.reference).abs() / self.allowed
    }

    /// Whether the task differs by it.
    pub fn refutes(&self) -> bool {
        self.decides && !self.agrees
    }

    /// The name without an index.
    pub fn group(&self) -> &str {
        self.figure.split('[').next().unwrap_or(&self.figure)
    }
}

/// What [`compare_task`] found.
#[derive(Clone, Debug)]
pub struct ComparedTask {
    /// Each policy, named by number and kind, with its figures.
    pub policies: Vec<(String, Vec<Comparison>)>,
    /// Agent steps that were run.
    pub steps: u64,
    /// Actions that were not finite.
    pub bad_actions: u64,
}

/// Runs the recorded policies of a task and compares, with `episodes` episodes each or as many as were recorded.
///
/// # Errors
///
/// [`ConformityError`] when the recording does not fit the task, or the task cannot be run.
pub fn compare_task(
    task: &Task,
    recorded: &RecordedTask,
    episodes: Option<u32>,
    seed: Seed,
) -> Result<ComparedTask, ConformityError> {
    for (what, found, needed) in
        [("obs_dim", recorded.obs_dim, task.obs_dim), ("action_dim", recorded.action_dim, task.action_dim)]
    {
        if found != needed {
            return Err(ConformityError::Width { task: task.id.clone(), what, found, needed });
        }
    }
    if recorded.policies.is_empty() {
        return Err(ConformityError::NoPolicies(task.id.clone()));
    }
    let no_statistics = |index| ConformityError::NoStatistics { task: task.id.clone(), index };
    let references: Vec<&Statistics> = (0..)
        .zip(&recorded.policies)
        .map(|(index, policy)| {
            policy.stats.as_ref().filter(|stats| stats.episodes > 0).ok_or_else(|| no_statistics(index))
        })
        .collect::<Result<_, _>>()?;
    let mut players: Vec<Player<'_>> = (0u64..)
        .zip(&recorded.policies)
        .map(|(index, written)| {
            let bad = |problem| ConformityError::Policy { task: task.id.clone(), index: index as usize, problem };
            Ok(Player::Beside(written.policy(task).map_err(bad)?, Seed::new(seed.derive(Purpose::Policy, index))))
        })
        .collect::<Result<_, ConformityError>>()?;
    let most = references.iter().map(|reference| reference.episodes).max().unwrap_or(0);
    let episodes = episodes.unwrap_or_else(|| u32::try_from(most).unwrap_or(u32::MAX)).max(2);
    let samples = measure(task, &mut players, MeasureConfig::new(episodes, seed))?;
    let bad_actions = samples.iter().map(|sample| sample.bad_actions).sum();
    let steps = samples.iter().flat_map(|sample| &sample.episodes).map(|episode| u64::from(episode.steps)).sum();
    let policies = (1..)
        .zip(&recorded.policies)
        .zip(references)
        .zip(&samples)
        .map(|(((number, written), reference), sample)| {
            Ok((format!("{number} {}", written.kind()), compare(task, reference, sample)?))
        })
        .collect::<Result<_, ConformityError>>()?;
    Ok(ComparedTask { policies, steps, bad_actions })
}

/// Holds a sample against recorded statistics.
///
/// # Errors
///
/// [`ConformityError::Width`] when the recording is of another width.
pub fn compare(task: &Task, reference: &Statistics, sample: &Sample) -> Result<Vec<Comparison>, ConformityError> {
    for (what, figures) in [
        ("obs_mean", &reference.obs_mean),
        ("obs_std", &reference.obs_std),
        ("obs_min", &reference.obs_min),
        ("obs_max", &reference.obs_max),
        ("reset_mean", &reference.reset_mean),
        ("reset_std", &reference.reset_std),
        ("reset_min", &reference.reset_min),
        ("reset_max", &reference.reset_max),
    ] {
        if figures.len() != task.obs_dim {
            let (task, needed) = (task.id.clone(), task.obs_dim);
            return Err(ConformityError::Width { task, what, found: figures.len(), needed });
        }
    }
    let mut comparer =
        Comparer { bounds: Bounds::of(task.domain), sample, episodes: reference.episodes as f64, list: Vec::new() };
    let single = |value: f64| Cluster { steps: 1.0, sum: value, square: value * value };

    let returns = comparer.spread(|episode| single(episode.episode_return));
    comparer.mean("return_mean".to_owned(), 1, reference.return_mean, reference.return_std, returns);
    let [least, .., most] = reference.return_quantiles;
    comparer.std("return_std".to_owned(), 1, reference.return_std, (least, most), returns);
    let scores = comparer.spread(|episode| single(episode.score));
    comparer.mean("score_mean".to_owned(), 1, reference.score_mean, reference.score_std, scores);
    comparer.std("score_std".to_owned(), 1, reference.score_std, (0.0, 1.0), scores);
    let successes = comparer.spread(|episode| single(f64::from(u8::from(episode.success))));
    let success_std = (reference.success_mean * (1.0 - reference.success_mean)).max(0.0).sqrt();
    comparer.mean("success_mean".to_owned(), 1, reference.success_mean, success_std, successes);
    let lengths = comparer.spread(|episode| single(f64::from(episode.steps)));
    let length = reference.steps as f64 / reference.episodes as f64;
    comparer.mean("length_mean".to_owned(), 1, length, lengths.std, lengths);

    for i in 0..task.obs_dim {
        let observed = comparer.spread(|episode| Cluster {
            steps: f64::from(episode.steps),
            sum: episode.sums[i].0,
            square: episode.sums[i].1,
        });
        comparer.mean(format!("obs_mean[{i}]"), task.obs_dim, reference.obs_mean[i], reference.obs_std[i], observed);
        let extremes = (reference.obs_min[i], reference.obs_max[i]);
        comparer.std(format!("obs_std[{i}]"), task.obs_dim, reference.obs_std[i], extremes, observed);
        let reset = comparer.spread(|episode| single(f64::from(episode.reset[i])));
        comparer.mean(format!("reset_mean[{i}]"), task.obs_dim, reference.reset_mean[i], reference.reset_std[i], reset);
        let extremes = (reference.reset_min[i], reference.reset_max[i]);
        comparer.std(format!("reset_std[{i}]"), task.obs_dim, reference.reset_std[i], extremes, reset);
    }
    Ok(comparer.list)
}

/// What one episode adds to a mean over steps.
#[derive(Clone, Copy)]
struct Cluster {
    steps: f64,
    sum: f64,
    square: f64,
}

/// A mean over steps with its spread.
#[derive(Clone, Copy)]
struct Spread {
    mean: f64,
    /// Over steps.
    std: f64,
    /// Variance of the mean of an episode, as it counts in the overall mean.
    mean_variance: f64,
    /// The same of the standard deviation.
    std_variance: f64,
}

impl Spread {
    /// Whether its standard deviation is more than rounding.
    fn varies(self) -> bool {
        self.std > rounding(self.mean)
    }
}

struct Comparer<'a> {
    bounds: Bounds,
    sample: &'a Sample,
    /// Episodes of the reference.
    episodes: f64,
    list: Vec<Comparison>,
}

impl Comparer<'_> {
    fn spread(&self, cluster: impl Fn(&EpisodeSample) -> Cluster) -> Spread {
        let episodes = &self.sample.episodes;
        let n = episodes.len() as f64;
        let total = |part: fn(Cluster) -> f64| episodes.iter().map(|episode| part(cluster(episode))).sum::<f64>();
        let steps = total(|it| it.steps);
        let mean = total(|it| it.sum) / steps;
        let variance = (total(|it| it.square) / steps - mean * mean).max(0.0);
        let (mut mean_variance, mut variance_variance) = (0.0, 0.0);
        for it in episodes.iter().map(cluster) {
            let about_mean = it.square - 2.0 * mean * it.sum + mean * mean * it.steps;
            mean_variance += ((it.sum - mean * it.steps) * n / steps).powi(2);
            variance_variance += ((about_mean - variance * it.steps) * n / steps).powi(2);
        }
        let freedom = (n - 1.0).max(1.0);
        let std_variance = if variance > 0.0 { variance_variance / (4.0 * variance) / freedom } else { 0.0 };
        Spread { mean, std: variance.sqrt(), mean_variance: mean_variance / freedom, std_variance }
    }

    fn mean(&mut self, figure: String, count: usize, reference: f64, reference_std: f64, own: Spread) {
        let between = if own.varies() { own.mean_variance / (own.std * own.std) } else { 1.0 };
        let error = self.standard_error(own.mean_variance, between * reference_std * reference_std);
        let allowed = self.bounds.standard_errors_of(count) * error
            + self.bounds.mean_slack * reference_std
            + rounding(reference);
        self.push(figure, reference, own.mean, allowed, true);
    }

    /// `(least, most)` are the reference's extremes. They bound how rare a deviation can be that gives such a standard
    /// deviation, and with it how uncertain that is.
    fn std(&mut self, figure: String, count: usize, reference: f64, (least, most): (f64, f64), own: Spread) {
        let allowed = if own.varies() {
            let relative = own.std_variance / (own.std * own.std);
            let rarest = ((most - least).powi(2) - reference * reference).max(0.0) / 4.0;
            let error = self.standard_error(own.std_variance, (relative * reference * reference).min(rarest));
            self.bounds.standard_errors_of(count) * error + self.bounds.std_slack * reference
        } else {
            // Deviations from our constant in a part `p` of the episodes give a standard deviation of at most `√p` times
            // the largest, and `n` episodes miss them with probability `exp(-np)`; at `np` = 10 that is the tail beyond 4
            // standard errors.
            let largest = (most - own.mean).abs().max((least - own.mean).abs());
            largest * (10.0 / self.sample.episodes.len() as f64).sqrt()
        };
        let allowed = allowed + rounding(reference);
        self.push(figure, reference, own.std, allowed, self.bounds.spread_decides);
    }

    fn standard_error(&self, own_variance: f64, reference_variance: f64) -> f64 {
        (own_variance / self.sample.episodes.len() as f64 + reference_variance / self.episodes).sqrt()
    }

    fn push(&mut self, figure: String, reference: f64, found: f64, allowed: f64, decides: bool) {
        let agrees = (found - reference).abs() <= allowed;
        self.list.push(Comparison { figure, reference, found, allowed, agrees, decides });
    }
}

/// Recorded figures are rounded to six decimals, and observations to 32 bits.
fn rounding(reference: f64) -> f64 {
    2e-6 * reference.abs().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::super::policy::Policy;
    use super::*;
    use crate::task::Registry;

    fn sample(task: &Task, policy: Policy, seed: u64) -> Sample {
        let seed = Seed::new(seed);
        let config = MeasureConfig::new(200, seed);
        measure(task, &mut [Player::Beside(policy, seed)], config).expect("it runs").remove(0)
    }

    #[test]
    fn two_samples_of_one_policy_agree_and_those_of_two_policies_do_not() {
        let registry = Registry::builtin().expect("tables parse");
        let task = registry.task("pygame-pong").expect("known");
        let reference = sample(task, Policy::Uniform, 1).statistics();
        let same = compare(task, &reference, &sample(task, Policy::Uniform, 2)).expect("same widths");
        assert!(same.iter().all(|it| it.agrees), "{same:?}");
        let other = compare(task, &reference, &sample(task, Policy::Zero, 2)).expect("same widths");
        let paddle = other.iter().find(|it| it.figure == "obs_std[4]").expect("compared");
        assert!(!paddle.agrees, "{paddle:?}");
        assert!(other.iter().filter(|it| it.group().starts_with("reset")).all(|it| it.agrees), "{other:?}");
    }

    #[test]
    fn a_constant_that_differs_disagrees() {
        let registry = Registry::builtin().expect("tables parse");
        let task = registry.task("pygame-pong").expect("known");
        let own = sample(task, Policy::Zero, 1);
        let mut reference = own.statistics();
        reference.reset_mean[4] += 1e-4;
        let list = compare(task, &reference, &own).expect("same widths");
        let wrong: Vec<&str> = list.iter().filter(|it| !it.agrees).map(|it| it.figure.as_str()).collect();
        assert_eq!(wrong, ["reset_mean[4]"]);
    }

    #[test]
    fn another_physics_engine_is_held_to_its_means() {
        let registry = Registry::builtin().expect("tables parse");
        let task = registry.task("lunarlander-land").expect("known");
        let own = sample(task, Policy::Zero, 1);
        let mut reference = own.statistics();
        reference.return_std *= 3.0;
        let list = compare(task, &reference, &own).expect("same widths");
        assert!(list.iter().any(|it| !it.agrees) && !list.iter().any(Comparison::refutes));
        reference.obs_mean[1] += reference.obs_std[1];
        assert!(compare(task, &reference, &own).expect("same widths").iter().any(Comparison::refutes));
    }

    #[test]
    fn a_recording_of_another_width_is_refused() {
        let registry = Registry::builtin().expect("tables parse");
        let task = registry.task("pygame-pong").expect("known");
        let own = sample(task, Policy::Zero, 1);
        let mut reference = own.statistics();
        reference.obs_std.pop();
        let error = compare(task, &reference, &own).expect_err("another width");
        assert_eq!(error.to_string(), "obs_std of pygame-pong is 5 wide in the recording, but 6 here");
    }
}
