//! The world model: encoder, latent dynamics, reward, value ensemble with its target, policy prior.

use std::ops::Range;

use tch::{Device, Kind, Tensor, no_grad};

use super::Noise;
use super::config::ModelConfig;
use super::layers::{Field, Mlp, MlpSpec, Tasks};
use super::params::{Arena, Flat};

/// Networks and their parameters.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) config: ModelConfig,
    /// `h`: observation to latent.
    pub(crate) encoder: Mlp,
    /// `d`: latent and action to the next latent.
    pub(crate) dynamics: Mlp,
    /// `R`: latent and action to logits of the reward.
    pub(crate) reward: Mlp,
    /// `Q`: latent and action to logits of the return, an ensemble.
    pub(crate) q: Mlp,
    /// A slowly following copy of `Q`.
    pub(crate) q_target: Mlp,
    /// `p`: latent to mean and log standard deviation of an action.
    pub(crate) pi: Mlp,
    /// Learned parameters, in the order of [`Spans`].
    pub(crate) params: Flat,
    pub(crate) target_params: Flat,
    pub(crate) spans: Spans,
}

/// Where each network lies in the flat buffer.
#[derive(Clone, Debug)]
pub(crate) struct Spans {
    pub(crate) encoder: Range<i64>,
    /// Dynamics, reward and values: what shares the encoder's optimizer but not its learning rate.
    pub(crate) heads: Range<i64>,
    pub(crate) q: Range<i64>,
    pub(crate) pi: Range<i64>,
}

impl Model {
    /// All networks, initialized.
    pub(crate) fn new(config: ModelConfig, device: Device, noise: &mut dyn Noise) -> Self {
        let (params, (encoder, dynamics, reward, q, pi, spans)) = Flat::build(device, true, |arena| {
            let encoder = Mlp::new(arena, &encoder_spec(&config, &encoder_hidden(&config)));
            let encoder_end = arena.used();
            let hidden = [config.mlp_dim; 2];
            let dynamics = Mlp::new(
                arena,
                &MlpSpec {
                    output: config.latent_dim,
                    simnorm: Some(config.simnorm_dim),
                    ..bins_spec(&config, &hidden)
                },
            );
            let reward = Mlp::new(arena, &bins_spec(&config, &hidden));
            let q_begin = arena.used();
            let q = Mlp::new(arena, &q_spec(&config, &hidden));
            let q_end = arena.used();
            let pi_spec =
                MlpSpec { input: [config.latent_dim, 0], output: 2 * config.action_dim, ..bins_spec(&config, &hidden) };
            let pi = Mlp::new(arena, &pi_spec);
            let spans = Spans {
                encoder: 0..encoder_end,
                heads: encoder_end..q_end,
                q: q_begin..q_end,
                pi: q_end..arena.used(),
            };
            (encoder, dynamics, reward, q, pi, spans)
        });
        let build_target = |arena: &mut Arena| Mlp::new(arena, &q_spec(&config, &[config.mlp_dim; 2]));
        let (target_params, q_target) = Flat::build(device, false, build_target);
        let mut model = Self { config, encoder, dynamics, reward, q, q_target, pi, params, target_params, spans };
        model.encoder.init(noise, false);
        model.dynamics.init(noise, false);
        model.reward.init(noise, true);
        model.q.init(noise, true);
        model.pi.init(noise, false);
        model.follow(1.0);
        model
    }

    /// Moves the target values by `tau` of the way to the online ones.
    pub(crate) fn follow(&mut self, tau: f64) {
        no_grad(|| {
            let online = self.params.value.narrow(0, self.spans.q.start, self.spans.q.end - self.spans.q.start);
            let _ = self.target_params.value.lerp_(&online, tau);
        });
    }

    /// Number of learned parameters.
    pub(crate) fn num_params(&self) -> i64 {
        self.spans.pi.end
    }

    /// Every tensor of the networks under its name in files; the target's last.
    pub(crate) fn fields(&self) -> Vec<Field> {
        [
            self.encoder.fields("_encoder.state"),
            self.dynamics.fields("_dynamics"),
            self.reward.fields("_reward"),
            self.pi.fields("_pi"),
            self.q.fields("_Qs.online._Qs"),
            self.q_target.fields("_Qs.target._Qs"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

fn encoder_hidden(config: &ModelConfig) -> Vec<i64> {
    vec![config.enc_dim; (config.num_enc_layers - 1).max(1) as usize]
}

fn encoder_spec<'a>(config: &ModelConfig, hidden: &'a [i64]) -> MlpSpec<'a> {
    MlpSpec {
        heads: None,
        input: [config.obs_dim, 0],
        task_dim: config.task_dim,
        hidden,
        output: config.latent_dim,
        simnorm: Some(config.simnorm_dim),
    }
}

/// From latent and action to logits over the bins.
fn bins_spec<'a>(config: &ModelConfig, hidden: &'a [i64]) -> MlpSpec<'a> {
    MlpSpec {
        heads: None,
        input: [config.latent_dim, config.action_dim],
        task_dim: config.task_dim,
        hidden,
        output: config.num_bins,
        simnorm: None,
    }
}

fn q_spec<'a>(config: &ModelConfig, hidden: &'a [i64]) -> MlpSpec<'a> {
    MlpSpec { heads: Some(config.num_q), ..bins_spec(config, hidden) }
}

/// What the learner knows of its tasks, on its device.
#[derive(Debug)]
pub(crate) struct TaskTensors {
    /// `[N, T]`; absent without language input.
    pub(crate) embeddings: Option<Tensor>,
    /// 1 for the action dims that a task has, `[N, A]`.
    pub(crate) action_masks: Tensor,
    /// `[N]`.
    pub(crate) discounts: Tensor,
}

impl TaskTensors {
    /// Tasks of rows that each cover `repeat` consecutive rows; `task` is `[len]`, i64.
    ///
    /// Embeddings stay one row a task where that is less work than one row for each entry of `task`.
    pub(crate) fn rows(&self, task: &Tensor, repeat: i64) -> Tasks {
        let len = task.size()[0];
        match &self.embeddings {
            Some(all) if all.size()[0] > len => Tasks {
                embeddings: Some(all.index_select(0, task)),
                index: Tensor::arange(len, (Kind::Int64, task.device())),
                repeat,
            },
            embeddings => Tasks {
                embeddings: embeddings.as_ref().map(Tensor::shallow_clone),
                index: task.shallow_clone(),
                repeat,
            },
        }
    }
}
