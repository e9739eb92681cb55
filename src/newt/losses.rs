//! The objectives: model losses over a latent rollout, the policy's loss on its latents.

use tch::{Kind, Tensor, no_grad};

use super::Noise;
use super::config::{LearningConfig, ModelConfig};
use super::kernels::{cross_entropy, decode};
use super::layers::Tasks;
use super::model::{Model, TaskTensors};
use super::policy::{self, PolicySample};

/// Windows of experience, on the learner's device. A window lies inside one episode, so it has one task.
#[derive(Debug)]
pub struct Batch {
    /// `[H+1, B, S]`.
    pub obs: Tensor,
    /// `[H, B, A]`; action `t` leads from observation `t` to `t + 1`.
    pub action: Tensor,
    /// `[H, B]`; reward `t` came with observation `t + 1`.
    pub reward: Tensor,
    /// `[B]`, i64.
    pub task: Tensor,
}

impl Batch {
    /// Copies flat rows, in the order of the fields' shapes, to a device.
    ///
    /// # Panics
    ///
    /// When a slice has another length than `horizon`, `batch` and the widths say.
    pub fn from_slices(rows: BatchSlices<'_>, horizon: i64, batch: i64, device: tch::Device) -> Self {
        let obs_dim = rows.obs.len() as i64 / ((horizon + 1) * batch);
        let action_dim = rows.action.len() as i64 / (horizon * batch);
        Self {
            obs: Tensor::from_slice(rows.obs).reshape([horizon + 1, batch, obs_dim]).to_device(device),
            action: Tensor::from_slice(rows.action).reshape([horizon, batch, action_dim]).to_device(device),
            reward: Tensor::from_slice(rows.reward).reshape([horizon, batch]).to_device(device),
            task: Tensor::from_slice(rows.task).to_device(device).to_kind(Kind::Int64),
        }
    }

    fn horizon(&self) -> i64 {
        self.action.size()[0]
    }

    fn size(&self) -> i64 {
        self.action.size()[1]
    }
}

/// Flat rows of a [`Batch`].
#[derive(Clone, Copy, Debug)]
pub struct BatchSlices<'a> {
    /// `(H+1) * B * S`.
    pub obs: &'a [f32],
    /// `H * B * A`.
    pub action: &'a [f32],
    /// `H * B`.
    pub reward: &'a [f32],
    /// `B`.
    pub task: &'a [i32],
}

/// Model losses (scalars) and the latents of the rollout.
#[derive(Debug)]
pub struct ModelLosses {
    /// What is minimized.
    pub total: Tensor,
    /// Distance of predicted latents from encoded ones.
    pub consistency: Tensor,
    /// Cross entropy of predicted rewards.
    pub reward: Tensor,
    /// Cross entropy of predicted returns, mean over the ensemble.
    pub value: Tensor,
    /// The prior's part, while pretraining.
    pub prior: Option<PriorLoss>,
    /// `z_0..z_H`, `[H+1, B, L]`, attached to the graph.
    pub zs: Tensor,
}

impl ModelLosses {
    /// Lets go of the graph.
    pub(crate) fn detach(&mut self) {
        for t in [&mut self.total, &mut self.consistency, &mut self.reward, &mut self.value, &mut self.zs] {
            *t = t.detach();
        }
        if let Some(prior) = &mut self.prior {
            prior.total = prior.total.detach();
            prior.imitation = prior.imitation.detach();
            prior.sample.detach();
        }
    }
}

/// The prior's loss while pretraining and what its update reports.
#[derive(Debug)]
pub struct PriorLoss {
    /// Its part of what is minimized.
    pub total: Tensor,
    /// The imitation term (scalar).
    pub imitation: Tensor,
    /// The prior's samples at `t = 0..H-1`.
    pub sample: PolicySample,
}

/// The policy's loss and what its update reports.
#[derive(Debug)]
pub struct PolicyLoss {
    /// What is minimized.
    pub total: Tensor,
    /// The imitation term (scalar).
    pub imitation: Tensor,
    /// The value and entropy term (scalar).
    pub value: Tensor,
    /// Mean of the two drawn heads at `t = 0`, `[B]`, detached.
    pub q0: Tensor,
    /// The prior's samples at all `t`.
    pub sample: PolicySample,
}

impl PolicyLoss {
    /// Lets go of the graph.
    pub(crate) fn detach(&mut self) {
        for t in [&mut self.total, &mut self.imitation, &mut self.value] {
            *t = t.detach();
        }
        self.sample.detach();
    }
}

/// Everything the losses read.
pub(crate) struct Objective<'a> {
    pub(crate) model: &'a Model,
    pub(crate) tasks: &'a TaskTensors,
    pub(crate) learning: &'a LearningConfig,
    /// `rho_t`, `[H+1]`.
    pub(crate) rho: &'a Tensor,
}

/// `rho^t`, normalized over `t = 0..H`, `[H+1]`.
pub(crate) fn rho_weights(rho: f64, horizon: i64) -> Vec<f32> {
    let powers: Vec<f64> = (0..=horizon).map(|t| rho.powi(t as i32)).collect();
    let total: f64 = powers.iter().sum();
    powers.iter().map(|p| (p / total) as f32).collect()
}

impl Objective<'_> {
    fn config(&self) -> &ModelConfig {
        &self.model.config
    }

    fn decode(&self, logits: &Tensor) -> Tensor {
        decode(logits, self.config().vmin, self.config().vmax)
    }

    /// `[B, A]`.
    fn masks(&self, batch: &Batch) -> Tensor {
        self.tasks.action_masks.index_select(0, &batch.task)
    }

    /// `h(obs[1..H])` and `r + gamma minQ_target(h, p(h))`: `[H, B, L]` and `[H, B]`, without gradient.
    fn targets(&self, batch: &Batch, rows: &Tasks, noise: &mut dyn Noise) -> (Tensor, Tensor) {
        let (h, b, a) = (batch.horizon(), batch.size(), self.config().action_dim);
        no_grad(|| {
            let next_z = self.model.encoder.given(rows).forward(&batch.obs.narrow(0, 1, h), None);
            let head = self.model.pi.given(rows).forward(&next_z, None);
            let eps = noise.normal(&[h, b, a], next_z.device());
            let action = policy::act(&head, &self.masks(batch), &eps, self.config());
            let pair = self.model.q_target.members(noise.pair(self.config().num_q));
            let q = self.decode(&pair.given(rows).forward(&next_z, Some(&action))).amin([0i64].as_slice(), false);
            let discount = self.tasks.discounts.index_select(0, &batch.task);
            let target = &batch.reward + discount * q;
            (next_z, target)
        })
    }

    /// Losses of encoder, dynamics, reward and values; while pretraining also the prior's.
    pub(crate) fn model_losses(&self, batch: &Batch, pretraining: bool, noise: &mut dyn Noise) -> ModelLosses {
        let (h, b, learning) = (batch.horizon(), batch.size(), self.learning);
        let rows = self.tasks.rows(&batch.task, 1);
        let (next_z, target) = self.targets(batch, &rows, noise);

        let mut z = self.model.encoder.given(&rows).forward(&batch.obs.get(0), None);
        let mut zs = vec![z.shallow_clone()];
        let dynamics = self.model.dynamics.given(&rows);
        for t in 0..h {
            z = dynamics.forward(&z, Some(&batch.action.get(t)));
            zs.push(z.shallow_clone());
        }
        let zs = Tensor::stack(&zs, 0); // [H+1, B, L]
        let z = zs.narrow(0, 0, h);

        let rho = self.rho.narrow(0, 0, h);
        let per_row = (rho.unsqueeze(1) / b as f64).expand([h, b], false).contiguous(); // weights of a mean over B
        let distance = (zs.narrow(0, 1, h) - next_z).square().mean_dim([1i64, 2].as_slice(), false, None::<Kind>);
        let consistency = distance.dot(&rho);
        let (low, high) = (self.config().vmin, self.config().vmax);
        let reward = self.model.reward.given(&rows).forward(&z, Some(&batch.action));
        let reward = cross_entropy(&reward, &batch.reward, &per_row, low, high);
        let value = self.model.q.given(&rows).forward(&z, Some(&batch.action));
        let value = cross_entropy(&value, &target, &per_row, low, high) / self.config().num_q as f64;
        let mut total =
            &consistency * learning.consistency_coef + &reward * learning.reward_coef + &value * learning.value_coef;
        let prior = pretraining.then(|| {
            let prior = self.pretraining_prior(batch, &rows, &z, noise);
            total = &total + &prior.total * learning.pretrain_prior_coef;
            prior
        });
        ModelLosses { total, consistency, reward, value, prior, zs }
    }

    /// The prior's loss on attached latents: imitate, and keep some entropy.
    fn pretraining_prior(&self, batch: &Batch, rows: &Tasks, z: &Tensor, noise: &mut dyn Noise) -> PriorLoss {
        let (h, b) = (batch.horizon(), batch.size());
        let head = self.model.pi.given(rows).forward(z, None);
        let eps = noise.normal(&[h, b, self.config().action_dim], z.device());
        let mask = self.masks(batch);
        let sample = policy::sample(&head, &mask, &eps, self.config());
        let imitation = imitation(&sample.action, &batch.action, &mask);
        let loss = &imitation - &sample.scaled_entropy * self.learning.entropy_coef;
        let mean = |it: &Tensor| it.mean_dim(1, false, None::<Kind>).dot(&self.rho.narrow(0, 0, h)) / h as f64; // [H, B]
        PriorLoss { total: mean(&loss), imitation: mean(&imitation), sample }
    }

    /// The policy's loss on detached latents `[H+1, B, L]`, with the values frozen.
    pub(crate) fn policy_loss(&self, zs: &Tensor, batch: &Batch, scale: &Tensor, noise: &mut dyn Noise) -> PolicyLoss {
        let (h, b) = (batch.horizon(), batch.size());
        let rows = self.tasks.rows(&batch.task, 1);
        let zs = zs.detach();
        let mask = self.masks(batch);
        let head = self.model.pi.given(&rows).forward(&zs, None);
        let eps = noise.normal(&[h + 1, b, self.config().action_dim], zs.device());
        let sample = policy::sample(&head, &mask, &eps, self.config());

        let pair = self.model.q.members(noise.pair(self.config().num_q));
        let logits = pair.given(&rows).forward(&zs, Some(&sample.action));
        let q = self.decode(&logits).mean_dim(0, false, None::<Kind>); // [H+1, B]

        let imitation = imitation(&sample.action.narrow(0, 0, h), &batch.action, &mask);
        let imitation = imitation.mean_dim(1, false, None::<Kind>).dot(&self.rho.narrow(0, 0, h));
        let value = &q / scale + &sample.scaled_entropy * self.learning.entropy_coef;
        let value = -value.mean_dim(1, false, None::<Kind>).dot(self.rho);
        PolicyLoss { total: &imitation + &value, imitation, value, q0: q.get(0).detach(), sample }
    }
}

/// Mean square over valid dims of the difference between the prior's and the taken actions, `[H, B]`.
fn imitation(prior: &Tensor, taken: &Tensor, mask: &Tensor) -> Tensor {
    let valid = mask.sum_dim_intlist(-1, false, None::<Kind>).clamp_min(1.0);
    ((prior - taken).square() * mask).sum_dim_intlist(-1, false, None::<Kind>) / valid
}
