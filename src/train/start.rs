//! Starting from another run's agent: `checkpoint=DIRECTORY`.

use std::path::Path;

use tch::Device;

use super::TrainError;
use super::config::{TrainArgs, TrainConfig};
use super::saved_agent::SavedWeights;
use super::setup::model_config;
use crate::newt::Newt;
use crate::task::Task;

/// Shapes that `model_size` sets.
const SIZED: [&str; 5] = ["enc_dim", "mlp_dim", "latent_dim", "num_enc_layers", "num_q"];

/// Gives a new run the shape of the agent that it starts from.
///
/// # Errors
///
/// [`TrainError`] when there is no such agent, a typed setting asks for another shape, or it cannot learn `tasks`.
pub(super) fn take_shape(config: &mut TrainConfig, args: &TrainArgs, tasks: &[Task]) -> Result<(), TrainError> {
    let Some(path) = config.checkpoint.clone() else { return Ok(()) };
    let (card, saved) = SavedWeights::shape(&path)?;
    let refuse = |problem: String| Err(TrainError::Start { problem, path: path.clone() });
    let model = saved.model;
    let mut differing = Vec::new();
    let mut take = |name: &str, to: &mut usize, from: i64| {
        let typed = args.word(name).is_some() || (SIZED.contains(&name) && args.word("model_size").is_some());
        if typed && *to as i64 != from {
            differing.push(format!("{name}={from}, not {to}"));
        }
        *to = from as usize;
    };
    take("task_dim", &mut config.task_dim, model.task_dim);
    take("enc_dim", &mut config.enc_dim, model.enc_dim);
    take("mlp_dim", &mut config.mlp_dim, model.mlp_dim);
    take("latent_dim", &mut config.latent_dim, model.latent_dim);
    take("num_enc_layers", &mut config.num_enc_layers, model.num_enc_layers);
    take("num_q", &mut config.num_q, model.num_q);
    take("simnorm_dim", &mut config.simnorm_dim, model.simnorm_dim);
    take("num_bins", &mut config.num_bins, model.num_bins);
    let mut take = |name: &str, to: &mut f64, from: f64| {
        if args.word(name).is_some() && *to != from {
            differing.push(format!("{name}={from}, not {to}"));
        }
        *to = from;
    };
    take("vmin", &mut config.vmin, model.vmin);
    take("vmax", &mut config.vmax, model.vmax);
    take("log_std_min", &mut config.log_std_min, model.log_std_min);
    take("log_std_max", &mut config.log_std_max, model.log_std_max);
    if !differing.is_empty() {
        return refuse(format!("its model has {}; leave those keys out", differing.join(", ")));
    }

    let learned = card.tasks.join(", ");
    if model.task_dim == 0 {
        if config.finetune {
            return refuse(format!(
                "finetune=true needs a model with language input, and this one learned {learned} without"
            ));
        }
        let ids: Vec<&str> = tasks.iter().map(|task| task.id.as_str()).collect();
        if card.tasks != ids {
            return refuse(format!(
                "it learned {learned} without language input and can only go on with that, not with {}",
                ids.join(", ")
            ));
        }
    }
    let asked = model_config(config, tasks).model;
    if asked != model {
        return refuse(format!(
            "its model takes {} observation and {} action entries, and this run has {} and {}",
            model.obs_dim, model.action_dim, asked.obs_dim, asked.action_dim
        ));
    }
    Ok(())
}

/// Gives `newt` the weights of the agent at `path`; optimizers and the running scale start afresh.
///
/// # Errors
///
/// [`TrainError`] when it cannot be read, or learned a shared task with another language input.
pub(super) fn take_weights(newt: &mut Newt, path: &Path, tasks: &[Task]) -> Result<(), TrainError> {
    let saved = SavedWeights::load(path, Device::Cpu)?;
    for (number, task) in tasks.iter().enumerate() {
        let Some(there) = saved.card.tasks.iter().position(|id| *id == task.id) else { continue };
        let pairs = newt.embedding(number).iter().zip(saved.newt.embedding(there));
        if pairs.into_iter().any(|(here, there)| (here - there).abs() > 1e-4) {
            let problem = format!("it learned {} with other language inputs; type its text_embeddings", task.id);
            return Err(TrainError::Start { problem, path: path.to_owned() });
        }
    }
    newt.take_weights(&saved.newt);
    Ok(())
}
