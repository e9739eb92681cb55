//! Dimensions and hyper-parameters of Newt, with the reference's names and defaults.

use serde::{Deserialize, Serialize};

use super::PlanDtype;

/// Everything that defines a Newt agent apart from its tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Shape of the networks.
    pub model: ModelConfig,
    /// Losses and optimization.
    pub learning: LearningConfig,
    /// Model predictive control.
    pub planning: PlanningConfig,
}

/// Shape of the networks. A checkpoint fits exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// Width of the (padded) observation.
    pub obs_dim: i64,
    /// Width of the (padded) action.
    pub action_dim: i64,
    /// Width of the language embedding; 0 for single-task agents without language input.
    pub task_dim: i64,
    /// Layers of the encoder before its last; at least one is built.
    pub num_enc_layers: i64,
    /// Width of the encoder's layers.
    pub enc_dim: i64,
    /// Width of all other hidden layers.
    pub mlp_dim: i64,
    /// Width of the latent state, a multiple of `simnorm_dim`.
    pub latent_dim: i64,
    /// Members of the value ensemble.
    pub num_q: i64,
    /// Columns in a group of the latent state's softmax.
    pub simnorm_dim: i64,
    /// Bins of discrete regression.
    pub num_bins: i64,
    /// Lowest bin, in symlog space.
    pub vmin: f64,
    /// Highest bin, in symlog space.
    pub vmax: f64,
    /// Lower bound of the prior's log standard deviation.
    pub log_std_min: f64,
    /// Upper bound of the prior's log standard deviation.
    pub log_std_max: f64,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            obs_dim: 128,
            action_dim: 16,
            task_dim: 512,
            num_enc_layers: 3,
            enc_dim: 1024,
            mlp_dim: 1024,
            latent_dim: 512,
            num_q: 5,
            simnorm_dim: 8,
            num_bins: 101,
            vmin: -10.0,
            vmax: 10.0,
            log_std_min: -10.0,
            log_std_max: 2.0,
        }
    }
}

/// Losses and optimization.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LearningConfig {
    /// Steps of the latent rollout in a loss, and of a plan.
    pub horizon: i64,
    /// Weight of a step relative to the one before it.
    pub rho: f64,
    /// Weight of the reward loss.
    pub reward_coef: f64,
    /// Weight of the value loss.
    pub value_coef: f64,
    /// Weight of the latent consistency loss.
    pub consistency_coef: f64,
    /// Weight of the prior's loss in the total loss while pretraining. (The reference's key `prior_coef` = 10 is read by
    /// neither of its updates: reinforcement learning weighs the prior's imitation term by 1, pretraining by this.)
    pub pretrain_prior_coef: f64,
    /// Weight of the prior's scaled entropy.
    pub entropy_coef: f64,
    /// Learning rate.
    pub lr: f64,
    /// The encoder's learning rate as a fraction of `lr`.
    pub enc_lr_scale: f64,
    /// Largest norm of a gradient.
    pub grad_clip_norm: f64,
    /// Rate at which target values follow the online ones.
    pub tau: f64,
    /// Updates over which learning rates rise from 0; 0 for none.
    pub warmup_steps: u64,
}

impl Default for LearningConfig {
    fn default() -> Self {
        Self {
            horizon: 3,
            rho: 0.5,
            reward_coef: 0.1,
            value_coef: 0.1,
            consistency_coef: 20.0,
            pretrain_prior_coef: 1.0,
            entropy_coef: 1e-4,
            lr: 3e-4,
            enc_lr_scale: 0.3,
            grad_clip_norm: 20.0,
            tau: 0.01,
            warmup_steps: 0,
        }
    }
}

/// Model predictive control by MPPI.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanningConfig {
    /// Rounds of sampling.
    pub iterations: i64,
    /// Action sequences in a round.
    pub num_samples: i64,
    /// Best sequences that a round keeps.
    pub num_elites: i64,
    /// Sequences of a round that come from the policy prior.
    pub num_pi_trajs: i64,
    /// Least standard deviation of a sampled action.
    pub min_std: f64,
    /// Greatest standard deviation of a sampled action.
    pub max_std: f64,
    /// Sharpness of the elites' weights.
    pub temperature: f64,
    /// Starts training plans from the prior's mean and spread, less and less.
    pub constrained_planning: bool,
    /// Environment step at which the constraint begins to fade.
    pub constraint_start_step: u64,
    /// Environment steps that it takes to fade.
    pub constraint_final_step: u64,
    /// Number format of matrix products while planning.
    pub plan_dtype: PlanDtype,
}

impl Default for PlanningConfig {
    fn default() -> Self {
        Self {
            iterations: 6,
            num_samples: 512,
            num_elites: 64,
            num_pi_trajs: 24,
            min_std: 0.05,
            max_std: 2.0,
            temperature: 0.5,
            constrained_planning: true,
            constraint_start_step: 2_000_000,
            constraint_final_step: 10_000_000,
            plan_dtype: PlanDtype::Auto,
        }
    }
}

impl PlanningConfig {
    /// How much of the prior's mean and spread a training plan starts from, in `[0, 1]`.
    pub fn constraint_weight(&self, step: u64) -> f64 {
        if step < self.constraint_start_step {
            return 1.0;
        }
        let faded = (step - self.constraint_start_step) as f64 / self.constraint_final_step.max(1) as f64;
        (1.0 - faded).max(0.0)
    }
}

/// A config that no agent can be built from.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum ConfigError {
    /// A number is out of its range.
    #[error("{name} is {found}, but it must be {expected}")]
    OutOfRange {
        /// The key.
        name: &'static str,
        /// What it was set to.
        found: f64,
        /// What it may be.
        expected: String,
    },
}

impl Config {
    /// Checks that an agent can be built.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first key that is out of range.
    pub fn check(&self) -> Result<(), ConfigError> {
        let (m, l, p) = (&self.model, &self.learning, &self.planning);
        let at_least = |name, found: i64, least: i64| {
            if found >= least {
                return Ok(());
            }
            Err(ConfigError::OutOfRange { name, found: found as f64, expected: format!("at least {least}") })
        };
        at_least("obs_dim", m.obs_dim, 1)?;
        at_least("action_dim", m.action_dim, 1)?;
        at_least("task_dim", m.task_dim, 0)?;
        at_least("num_enc_layers", m.num_enc_layers, 1)?;
        at_least("enc_dim", m.enc_dim, 1)?;
        at_least("mlp_dim", m.mlp_dim, 1)?;
        at_least("num_q", m.num_q, 1)?;
        at_least("simnorm_dim", m.simnorm_dim, 1)?;
        at_least("num_bins", m.num_bins, 2)?;
        at_least("latent_dim", m.latent_dim, 1)?;
        if m.latent_dim % m.simnorm_dim != 0 {
            let expected = format!("a multiple of simnorm_dim ({})", m.simnorm_dim);
            return Err(ConfigError::OutOfRange { name: "latent_dim", found: m.latent_dim as f64, expected });
        }
        if m.vmin >= m.vmax {
            return Err(ConfigError::OutOfRange {
                name: "vmin",
                found: m.vmin,
                expected: format!("below vmax ({})", m.vmax),
            });
        }
        at_least("horizon", l.horizon, 1)?;
        at_least("iterations", p.iterations, 1)?;
        at_least("num_elites", p.num_elites, 1)?;
        at_least("num_samples", p.num_samples, p.num_elites)?;
        at_least("num_pi_trajs", p.num_pi_trajs, 0)?;
        at_least("num_samples", p.num_samples, p.num_pi_trajs)?;
        if p.constrained_planning {
            at_least("num_pi_trajs (with constrained_planning=true)", p.num_pi_trajs, 2)?;
        }
        for (name, found) in [("min_std", p.min_std), ("lr", l.lr), ("grad_clip_norm", l.grad_clip_norm)] {
            if found.is_nan() || found <= 0.0 {
                return Err(ConfigError::OutOfRange { name, found, expected: "positive".to_owned() });
            }
        }
        if p.max_std < p.min_std {
            return Err(ConfigError::OutOfRange {
                name: "max_std",
                found: p.max_std,
                expected: format!("at least min_std ({})", p.min_std),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_configs_name_the_key() {
        let mut config = Config::default();
        assert_eq!(config.check(), Ok(()));
        config.model.latent_dim = 100;
        let message = config.check().expect_err("100 is no multiple of 8").to_string();
        assert_eq!(message, "latent_dim is 100, but it must be a multiple of simnorm_dim (8)");
        config.model.latent_dim = 96;
        config.planning.num_samples = 32;
        assert!(config.check().expect_err("fewer samples than elites").to_string().starts_with("num_samples is 32"));
    }
}
