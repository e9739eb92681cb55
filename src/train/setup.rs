//! From a run's settings to the parts of its learner: tasks, text embeddings, device, model.

use std::path::Path;
use std::sync::Arc;

use tch::Device;

use super::TrainError;
use super::config::{self, TrainConfig};
use crate::encode::embed_tasks;
use crate::newt::device::allow_tf32;
use crate::newt::{self, Newt, TaskTables};
use crate::sim::{ACTION_DIM, OBS_DIM, Purpose, Seed};
use crate::task::{DiscountRule, Task};

/// The model's settings for a run over `tasks`.
///
/// A single task's model is as wide as its task; one for several takes rows as they are padded, so that it can carry on
/// with further tasks.
pub(super) fn model_config(config: &TrainConfig, tasks: &[Task]) -> newt::Config {
    let single = tasks.len() == 1 && config.task_dim == 0;
    let width = |padded: usize, own: usize| if single { own as i64 } else { padded as i64 };
    newt::Config {
        model: newt::ModelConfig {
            obs_dim: width(OBS_DIM, tasks[0].obs_dim),
            action_dim: width(ACTION_DIM, tasks[0].action_dim),
            task_dim: config.task_dim as i64,
            num_enc_layers: config.num_enc_layers as i64,
            enc_dim: config.enc_dim as i64,
            mlp_dim: config.mlp_dim as i64,
            latent_dim: config.latent_dim as i64,
            num_q: config.num_q as i64,
            simnorm_dim: config.simnorm_dim as i64,
            num_bins: config.num_bins as i64,
            vmin: config.vmin,
            vmax: config.vmax,
            log_std_min: config.log_std_min,
            log_std_max: config.log_std_max,
        },
        learning: newt::LearningConfig {
            horizon: config.horizon as i64,
            rho: config.rho,
            reward_coef: config.reward_coef,
            value_coef: config.value_coef,
            consistency_coef: config.consistency_coef,
            entropy_coef: config.entropy_coef,
            lr: config.lr,
            enc_lr_scale: config.enc_lr_scale,
            grad_clip_norm: config.grad_clip_norm,
            tau: config.tau,
            warmup_steps: if config.lr_schedule == config::LrSchedule::Warmup { config.warmup_steps } else { 0 },
            ..newt::LearningConfig::default()
        },
        planning: newt::PlanningConfig {
            iterations: config.iterations as i64,
            num_samples: config.num_samples as i64,
            num_elites: config.num_elites as i64,
            num_pi_trajs: config.num_pi_trajs as i64,
            min_std: config.min_std,
            max_std: config.max_std,
            temperature: config.temperature,
            constrained_planning: config.constrained_planning,
            constraint_start_step: config.constraint_start_step,
            constraint_final_step: config.constraint_final_step,
            plan_dtype: config.plan_dtype,
        },
    }
}

/// What the model has to know of its tasks. Embeddings are cached in the folder `cache`.
///
/// # Errors
///
/// [`TrainError::Text`] when embeddings cannot be had.
pub(super) fn task_tables(config: &TrainConfig, tasks: &[Task], cache: &Path) -> Result<TaskTables, TrainError> {
    let model = model_config(config, tasks).model;
    let embeddings = if config.task_dim == 0 {
        Vec::new()
    } else {
        embed_tasks(&config.text_embeddings, tasks, config.task_dim, &cache.join("text-embeddings.safetensors"))?
    };
    let rule = DiscountRule { denominator: config.discount_denom, min: config.discount_min, max: config.discount_max };
    Ok(TaskTables {
        embeddings: embeddings.into_iter().flatten().collect(),
        action_masks: tasks.iter().flat_map(|task| action_mask(task, model.action_dim as usize)).collect(),
        discounts: tasks.iter().map(|task| task.discount(rule) as f32).collect(),
    })
}

/// 1 for each of the `width` entries that the task's action has.
fn action_mask(task: &Task, width: usize) -> impl Iterator<Item = f32> {
    let own = task.action_dim;
    (0..width).map(move |entry| if entry < own { 1.0 } else { 0.0 })
}

/// Opens the device that the settings ask for; the text says which it is.
///
/// # Errors
///
/// [`TrainError::Device`] when a GPU, or a number format of GPUs, is asked for and none answers.
pub(super) fn open_device(config: &TrainConfig) -> Result<(Device, String), TrainError> {
    let (device, mut shown) = config.device.open()?;
    allow_tf32(config.tf32, device)?;
    if config.tf32 {
        shown.push_str(", tf32");
    }
    Ok((device, shown))
}

/// An untrained model for a run.
///
/// # Errors
///
/// [`TrainError`] when the settings do not make a model.
pub(super) fn new_model(config: &TrainConfig, tasks: &Arc<[Task]>, device: Device) -> Result<Newt, TrainError> {
    let tables = task_tables(config, tasks, &config.runs_dir)?;
    let seed = Seed::new(config.seed).derive(Purpose::Init, 0);
    Ok(Newt::new(model_config(config, tasks), tables, device, seed)?)
}
