//! Simple policies that need no learner, as files of episode statistics describe them.

use serde::Deserialize;

use super::statistics::Statistics;
use crate::sim::{ACTION_DIM, OBS_DIM, Purpose, Rng, Seed};
use crate::task::Task;

/// A policy that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PolicyError {
    /// The text is not a policy object.
    #[error("{0}; a policy is an object such as {{\"kind\": \"linear\", \"W\": [[…], …], \"b\": [..., ...]}}")]
    Malformed(String),
    /// No policy is called that.
    #[error("{0:?} is no kind of policy; write uniform, zero or linear")]
    Kind(String),
    /// A policy that takes no weights has some, or the other way round.
    #[error("a {kind} policy {problem}")]
    Weights {
        /// Which kind.
        kind: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// Weights that do not fit the task.
    #[error("{what} but {task} needs {needed}")]
    Shape {
        /// What the policy has.
        what: String,
        /// For which task.
        task: String,
        /// What it should have.
        needed: String,
    },
}

/// A policy that needs no learner.
#[derive(Clone, Debug, PartialEq)]
pub enum Policy {
    /// Each action entry uniform on [-1, 1).
    Uniform,
    /// No action.
    Zero,
    /// `tanh(weights · observation + bias)`.
    Linear {
        /// `[action_dim][obs_dim]`.
        weights: Vec<Vec<f64>>,
        /// `[action_dim]`.
        bias: Vec<f64>,
    },
}

/// A policy as it is written, with the statistics that were recorded with it if any.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
pub struct WrittenPolicy {
    kind: String,
    #[serde(rename = "W")]
    weights: Option<Vec<Vec<f64>>>,
    #[serde(rename = "b")]
    bias: Option<Vec<f64>>,
    /// What was recorded with it.
    pub stats: Option<Statistics>,
}

impl WrittenPolicy {
    /// The policy, checked against the widths of `task`.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] when it is no policy or does not fit.
    pub fn policy(&self, task: &Task) -> Result<Policy, PolicyError> {
        let without_weights = |kind, policy| {
            if self.weights.is_some() || self.bias.is_some() {
                return Err(PolicyError::Weights { kind, problem: "takes neither W nor b; remove them" });
            }
            Ok(policy)
        };
        let policy = match self.kind.as_str() {
            "uniform" => without_weights("uniform", Policy::Uniform)?,
            "zero" => without_weights("zero", Policy::Zero)?,
            "linear" => match (&self.weights, &self.bias) {
                (Some(weights), Some(bias)) => Policy::Linear { weights: weights.clone(), bias: bias.clone() },
                _ => return Err(PolicyError::Weights { kind: "linear", problem: "needs both W and b; add them" }),
            },
            other => return Err(PolicyError::Kind(other.to_owned())),
        };
        policy.check(task)?;
        Ok(policy)
    }

    /// How it is called.
    pub fn kind(&self) -> &str {
        &self.kind
    }
}

/// One instance that wants an action.
#[derive(Clone, Debug)]
pub struct PolicyInput {
    /// Which of the policy's instances.
    pub instance: usize,
    /// Whether this is an episode's first step.
    pub first: bool,
    /// What it observes, zero-padded.
    pub observation: [f32; OBS_DIM],
}

/// Why a policy gave no action.
pub type PolicyFailure = Box<dyn std::error::Error + Send + Sync>;

/// Anything that gives each input an action. Actions are zero when it is called; entries beyond the task's own are
/// ignored.
pub type BatchPolicy<'a> = Box<dyn FnMut(&[PolicyInput], &mut [[f32; ACTION_DIM]]) -> Result<(), PolicyFailure> + 'a>;

/// Who acts in instances of a task.
pub enum Player<'a> {
    /// A policy that needs no learner, with random numbers from this seed. It acts beside the simulation, on the threads
    /// that step it.
    Beside(Policy, Seed),
    /// Anything that acts for all of its instances at once.
    Batch(BatchPolicy<'a>),
}

impl<'a> Player<'a> {
    /// The same, acting for all instances at once; a policy acts as it would beside the simulation.
    pub fn into_batch(self, task: &Task) -> BatchPolicy<'a> {
        match self {
            Self::Beside(policy, seed) => policy.batch(task, seed),
            Self::Batch(policy) => policy,
        }
    }
}

impl Policy {
    /// Reads one policy object (JSON) and checks it against the widths of `task`. Statistics beside it are skipped.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] when it is no policy or does not fit.
    pub fn parse(text: &str, task: &Task) -> Result<Self, PolicyError> {
        let written: WrittenPolicy =
            serde_json::from_str(text).map_err(|problem| PolicyError::Malformed(problem.to_string()))?;
        written.policy(task)
    }

    fn check(&self, task: &Task) -> Result<(), PolicyError> {
        let Self::Linear { weights, bias } = self else { return Ok(()) };
        let misfit = |what, needed| Err(PolicyError::Shape { what, task: task.id.clone(), needed });
        if weights.len() != task.action_dim {
            let needed = format!("{}, one an action entry", task.action_dim);
            return misfit(format!("W has {} rows", weights.len()), needed);
        }
        if let Some((index, row)) = weights.iter().enumerate().find(|(_, row)| row.len() != task.obs_dim) {
            let needed = format!("{}, one an observation entry", task.obs_dim);
            return misfit(format!("row {index} of W has {} entries", row.len()), needed);
        }
        if bias.len() != task.action_dim {
            let needed = format!("{}, one an action entry", task.action_dim);
            return misfit(format!("b has {} entries", bias.len()), needed);
        }
        Ok(())
    }

    /// Writes the action for a task's own observation entries.
    pub fn act(&self, observation: &[f32], rng: &mut Rng, action: &mut [f32]) {
        match self {
            Self::Uniform => action.fill_with(|| rng.uniform(-1.0, 1.0) as f32),
            Self::Zero => action.fill(0.0),
            Self::Linear { weights, bias } => {
                for ((entry, row), &bias) in action.iter_mut().zip(weights).zip(bias) {
                    let sum: f64 = row.iter().zip(observation).map(|(&w, &x)| w * f64::from(x)).sum();
                    *entry = (sum + bias).tanh() as f32;
                }
            }
        }
    }

    /// The same policy for many instances of `task`, each with random numbers of its own.
    pub fn batch<'a>(self, task: &Task, seed: Seed) -> BatchPolicy<'a> {
        let (obs_dim, action_dim) = (task.obs_dim, task.action_dim);
        let mut generators: Vec<Rng> = Vec::new();
        Box::new(move |inputs, actions| {
            for (input, action) in inputs.iter().zip(actions) {
                while generators.len() <= input.instance {
                    generators.push(seed.rng(Purpose::Policy, generators.len() as u64, 0));
                }
                self.act(&input.observation[..obs_dim], &mut generators[input.instance], &mut action[..action_dim]);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Registry;

    fn parse(text: &str) -> Result<Policy, PolicyError> {
        let registry = Registry::builtin().expect("tables parse");
        Policy::parse(text, registry.task("pygame-cowboy").expect("known"))
    }

    #[test]
    fn a_linear_policy_squashes_an_affine_map() {
        let policy = parse(r#"{"kind": "linear", "W": [[1.0, -2.0, 0.5]], "b": [0.25]}"#).expect("a policy");
        let mut action = [0.0];
        policy.act(&[0.5, 0.25, 2.0], &mut Seed::new(0).rng(Purpose::Policy, 0, 0), &mut action);
        assert_eq!(action[0], 1.25_f64.tanh() as f32);
    }

    #[test]
    fn a_policy_object_with_statistics_is_a_policy() {
        let stats = r#"{"episodes": 1, "steps": 2, "return_mean": 0, "return_std": 0, "return_quantiles": [0,0,0,0,0,0,0],
            "success_mean": 0, "score_mean": 0, "score_std": 0, "obs_mean": [], "obs_std": [], "obs_min": [],
            "obs_max": [], "reset_mean": [], "reset_std": [], "reset_min": [], "reset_max": []}"#;
        assert_eq!(parse(&format!(r#"{{"kind": "zero", "stats": {stats}}}"#)), Ok(Policy::Zero));
    }

    #[test]
    fn misfits_are_named() {
        for (text, hint) in [
            (r#"{"kind": "gauss"}"#, "uniform, zero or linear"),
            (r#"{"kind": "zero", "b": [1.0]}"#, "neither W nor b"),
            (r#"{"kind": "linear", "W": [[1.0, 2.0, 3.0]]}"#, "needs both"),
            (
                r#"{"kind": "linear", "W": [[1.0, 2.0]], "b": [0.0]}"#,
                "row 0 of W has 2 entries but pygame-cowboy needs 3",
            ),
            (r#"{"kind": "linear", "W": [], "b": [0.0]}"#, "W has 0 rows"),
            (r#"{"kind": "linear", "W": [[1.0, 2.0, 3.0]], "b": []}"#, "b has 0 entries"),
            (r#"{"kind": "zero", "gain": 2}"#, "gain"),
            ("[1, 2]", "a policy is an object"),
            ("", "a policy is an object"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(hint), "{text}: {error}");
        }
    }
}
