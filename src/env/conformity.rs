//! Whether a task behaves as recorded: figures of our episodes beside figures of the reference's.
//!
//! Both sides are samples, so a difference is held against its sampling error. Steps of one episode resemble each other;
//! the error of a mean over steps is therefore taken over episodes (each episode is a cluster). The reference's figures do
//! not tell how much it varies between episodes; if both behave alike, then as much as ours, or more where it varies more
//! between steps. Three things add up, the last two where no slack is granted:
//!
//! - the standard error of the difference, times as many standard errors as are allowed (`z`);
//! - Bernstein's term `z² b / 6m` for figures that a few episodes make, such as a rare goal: `b` is the most that an episode
//!   of ours is off, `m` the smaller number of episodes;
//! - episodes of a kind that our sample happens to lack: at the same odds of `exp(-z²/2)`, no more of them are among the
//!   reference's `m` than `z² / 2 ln(1 + n/m)`, with `n` of ours. Each is off by what the reference's extremes allow.
//!
//! Where steps are cheap we play ten times as many episodes as were recorded, so that ours are the better known side.

use serde::{Deserialize, Serialize};

use super::host;
use super::measure::{MeasureConfig, MeasureError, measure};
use super::policy::{Player, PolicyError, WrittenPolicy};
use super::statistics::{EpisodeSample, Sample, Statistics};
use crate::sim::{Purpose, Seed};
use crate::task::{Domain, Task};

/// Episodes that we play for one that was recorded, of tasks whose steps are cheap.
const OVERSAMPLING: u32 = 10;
/// Such a step takes less, ns.
const CHEAP_NANOS: u64 = 2_000;

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
    /// Whether means allow for rare episodes beyond the standard error; elsewhere the slack is to cover them.
    pub rare_episodes: bool,
}

impl Bounds {
    /// The bounds of a domain: sampling error alone, and more where another physics engine takes the reference's place:
    /// there, how far episodes lie apart hangs on how often rare ones come, and only means decide.
    pub fn of(domain: Domain) -> Self {
        match domain {
            Domain::Box2D => Self {
                standard_errors: 4.0,
                mean_slack: 0.10,
                std_slack: 0.25,
                spread_decides: false,
                rare_episodes: false,
            },
            _ => Self {
                standard_errors: 4.0,
                mean_slack: 0.0,
                std_slack: 0.05,
                spread_decides: true,
                rare_episodes: true,
            },
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

/// Runs the recorded policies of a task and compares, with `episodes` episodes each or as many as were recorded, tenfold
/// where steps are cheap.
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
    let config = match episodes {
        Some(episodes) => MeasureConfig::new(episodes.max(2), seed),
        None => {
            let recorded = u32::try_from(most).unwrap_or(u32::MAX).max(2);
            let cheap = host(task).map_err(MeasureError::from)?.step_nanos() < CHEAP_NANOS;
            // As many episodes an instance as the reference plays, which has one: state may outlive a reset.
            let many = MeasureConfig { episodes: recorded.saturating_mul(OVERSAMPLING), instances: OVERSAMPLING, seed };
            if cheap { many } else { MeasureConfig::new(recorded, seed) }
        }
    };
    let samples = measure(task, &mut players, config)?;
    let bad_actions = samples.iter().map(|sample| sample.bad_actions).sum();
    let steps = samples.iter().flat_map(|sample| &sample.episodes).map(|episode| u64::from(episode.steps)).sum();
    let policies = (1..)
        .zip(&recorded.policies)
        .zip(references)
        .zip(&samples)
        .map(|(((number, written), reference), sample)| {
            Ok((format!("{number} {}", written.kind()), compare(task, reference, sample, samples.len())?))
        })
        .collect::<Result<_, ConformityError>>()?;
    Ok(ComparedTask { policies, steps, bad_actions })
}

/// Holds a sample against recorded statistics, one of so many `policies` that are compared.
///
/// # Errors
///
/// [`ConformityError::Width`] when the recording is of another width.
pub fn compare(
    task: &Task,
    reference: &Statistics,
    sample: &Sample,
    policies: usize,
) -> Result<Vec<Comparison>, ConformityError> {
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
    let (bounds, episodes) = (Bounds::of(task.domain), reference.episodes as f64);
    let mut comparer = Comparer { bounds, sample, episodes, policies, list: Vec::new() };
    let single = |value: f64| Cluster { steps: 1.0, sum: value, square: value * value };
    let [least, .., most] = reference.return_quantiles;
    let success_std = (reference.success_mean * (1.0 - reference.success_mean)).max(0.0).sqrt();
    let length = reference.steps as f64 / reference.episodes as f64;
    let lengths = (1.0, f64::from(task.episode_length));
    let values: [Whole; 4] = [
        ("return", reference.return_mean, reference.return_std, (least, most), |it| it.episode_return),
        ("score", reference.score_mean, reference.score_std, (0.0, 1.0), |it| it.score),
        ("success", reference.success_mean, success_std, (0.0, 1.0), |it| f64::from(u8::from(it.success))),
        ("length", length, 0.0, lengths, |it| f64::from(it.steps)),
    ];
    for (name, mean, std, extremes, value) in values {
        let own = comparer.spread(|episode| single(value(episode)));
        comparer.mean(format!("{name}_mean"), 1, (mean, std), extremes, own);
        if matches!(name, "return" | "score") {
            comparer.std(format!("{name}_std"), 1, std, extremes, own);
        }
    }
    let count = task.obs_dim;
    for i in 0..count {
        let observed = comparer.spread(|episode| Cluster {
            steps: f64::from(episode.steps),
            sum: episode.sums[i].0,
            square: episode.sums[i].1,
        });
        let recorded = (reference.obs_mean[i], reference.obs_std[i]);
        let extremes = (reference.obs_min[i], reference.obs_max[i]);
        comparer.mean(format!("obs_mean[{i}]"), count, recorded, extremes, observed);
        comparer.std(format!("obs_std[{i}]"), count, recorded.1, extremes, observed);
        let reset = comparer.spread(|episode| single(f64::from(episode.reset[i])));
        let recorded = (reference.reset_mean[i], reference.reset_std[i]);
        let extremes = (reference.reset_min[i], reference.reset_max[i]);
        comparer.mean(format!("reset_mean[{i}]"), count, recorded, extremes, reset);
        comparer.std(format!("reset_std[{i}]"), count, recorded.1, extremes, reset);
    }
    Ok(comparer.list)
}

/// A figure of whole episodes: name, recorded mean, standard deviation and extremes, and its value in one of ours.
type Whole = (&'static str, f64, f64, (f64, f64), fn(&EpisodeSample) -> f64);

/// What one episode adds to a mean over steps.
#[derive(Clone, Copy)]
struct Cluster {
    steps: f64,
    sum: f64,
    square: f64,
}

/// A mean over steps and a variance.
#[derive(Clone, Copy)]
struct Spread {
    mean: f64,
    /// Over steps.
    variance: f64,
    /// How the mean varies with episodes.
    of_mean: Influence,
    /// How the variance does.
    of_variance: Influence,
}

/// How far single episodes take a figure, weighted as they count in it.
#[derive(Clone, Copy, Default)]
struct Influence {
    variance: f64,
    most: f64,
}

impl Influence {
    fn of(contributions: impl Iterator<Item = f64>, n: f64) -> Self {
        let (squares, most) = contributions.fold((0.0, 0.0_f64), |(sum, most), it| (sum + it * it, most.max(it.abs())));
        Self { variance: squares / (n - 1.0).max(1.0), most }
    }
}

struct Comparer<'a> {
    bounds: Bounds,
    sample: &'a Sample,
    /// Episodes of the reference.
    episodes: f64,
    /// Policies that are compared, each with the same figures.
    policies: usize,
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
        let clusters = || episodes.iter().map(&cluster);
        let of_mean = clusters().map(|it| (it.sum - mean * it.steps) * n / steps);
        let of_variance = clusters().map(|it| {
            let about_mean = it.square - 2.0 * mean * it.sum + mean * mean * it.steps;
            (about_mean - variance * it.steps) * n / steps
        });
        Spread { mean, variance, of_mean: Influence::of(of_mean, n), of_variance: Influence::of(of_variance, n) }
    }

    /// `reference` is the recorded mean with its standard deviation, `(least, most)` are its extremes.
    fn mean(&mut self, figure: String, count: usize, reference: (f64, f64), (least, most): (f64, f64), own: Spread) {
        let (mean, std) = reference;
        let farthest = (most - own.mean).abs().max((least - own.mean).abs());
        let scale = if own.variance > 0.0 { (std * std / own.variance).max(1.0) } else { 1.0 };
        let allowed = self.sampling_error(count, own.of_mean, scale, self.bounds.rare_episodes.then_some(farthest))
            + self.bounds.mean_slack * std
            + rounding(mean);
        self.push(figure, mean, own.mean, allowed, true);
    }

    fn std(&mut self, figure: String, count: usize, reference: f64, (least, most): (f64, f64), own: Spread) {
        let farthest = (most - own.mean).powi(2).max((least - own.mean).powi(2));
        // Errors add up in variances.
        let error = self.sampling_error(count, own.of_variance, 1.0, Some(farthest));
        let found = own.variance.sqrt();
        let other = if reference > found { own.variance + error } else { (own.variance - error).max(0.0) };
        let allowed = (other.sqrt() - found).abs() + self.bounds.std_slack * reference + rounding(reference);
        self.push(figure, reference, found, allowed, self.bounds.spread_decides);
    }

    /// How far apart a figure may be that episodes influence so, with `scale` times the variance in the reference. Where
    /// rare episodes are allowed for, one of a kind that our sample lacks is off by `farthest` at most.
    fn sampling_error(&self, count: usize, own: Influence, scale: f64, farthest: Option<f64>) -> f64 {
        let (n, m) = (self.sample.episodes.len() as f64, self.episodes);
        let z = self.bounds.standard_errors_of(count * self.policies);
        let standard = z * (own.variance * (1.0 / n + scale / m)).sqrt();
        let rare = farthest.map_or(0.0, |farthest| {
            let bernstein = z * z * own.most / (6.0 * n.min(m));
            let lacking = z * z / 2.0 / (1.0 + n / m).ln() / m;
            bernstein + lacking * farthest
        });
        standard + rare
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
        let same = compare(task, &reference, &sample(task, Policy::Uniform, 2), 1).expect("same widths");
        assert!(same.iter().all(|it| it.agrees), "{same:?}");
        let other = compare(task, &reference, &sample(task, Policy::Zero, 2), 1).expect("same widths");
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
        let list = compare(task, &reference, &own, 1).expect("same widths");
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
        let list = compare(task, &reference, &own, 1).expect("same widths");
        assert!(list.iter().any(|it| !it.agrees) && !list.iter().any(Comparison::refutes));
        reference.obs_mean[1] += reference.obs_std[1];
        assert!(compare(task, &reference, &own, 1).expect("same widths").iter().any(Comparison::refutes));
    }

    #[test]
    fn a_recording_of_another_width_is_refused() {
        let registry = Registry::builtin().expect("tables parse");
        let task = registry.task("pygame-pong").expect("known");
        let own = sample(task, Policy::Zero, 1);
        let mut reference = own.statistics();
        reference.obs_std.pop();
        let error = compare(task, &reference, &own, 1).expect_err("another width");
        assert_eq!(error.to_string(), "obs_std of pygame-pong is 5 wide in the recording, but 6 here");
    }
}
