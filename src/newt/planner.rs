//! Planning by model predictive path integral control (MPPI) in latent space, for many environments at once.

use tch::{Kind, Tensor};

use super::Noise;
use super::config::{ModelConfig, PlanningConfig};
use super::kernels::decode;
use super::layers::{Mlp, Tasks};
use super::model::{Model, TaskTensors};
use super::policy;

/// What a plan is asked for: one row for each environment.
#[derive(Debug)]
pub struct PlanRequest {
    /// `[E, S]`.
    pub obs: Tensor,
    /// `[E]`, i64.
    pub task: Tensor,
    /// The first step of an episode: nothing is kept of the plan before. `[E]`, bool.
    pub t0: Tensor,
    /// [`Plan::mean`] of the step before, `[E, H, A]`.
    pub prev_mean: Option<Tensor>,
    /// Steps to plan; more than in training for open-loop control.
    pub horizon: i64,
    /// Evaluation: no exploration noise and no constraint.
    pub eval: bool,
    /// Environment steps so far, for the constraint's schedule.
    pub step: u64,
}

/// A plan for each environment.
#[derive(Debug)]
pub struct Plan {
    /// To be executed now, `[E, A]`.
    pub action: Tensor,
    /// Final mean, to be handed to the next plan, `[E, H, A]`.
    pub mean: Tensor,
    /// Final standard deviation, `[E, H, A]`.
    pub std: Tensor,
    /// The chosen elite's actions, without exploration noise, `[E, H, A]`.
    pub sequence: Tensor,
    /// The chosen elite's value, `[E]`.
    pub value: Tensor,
    /// The latent state that the plan starts from, `[E, L]`.
    pub z: Tensor,
}

/// The networks that a plan runs through, their matrices in the format of planning.
#[derive(Debug)]
pub(crate) struct PlanModel {
    kind: Kind,
    dynamics: Mlp,
    reward: Mlp,
    q: Mlp,
    pi: Mlp,
}

impl PlanModel {
    /// The networks as they are (float32), or converted.
    pub(crate) fn new(model: &Model, kind: Kind) -> Self {
        let cast = |mlp: &Mlp| if kind == Kind::Float { mlp.frozen() } else { mlp.with_kind(kind) };
        Self {
            kind,
            dynamics: cast(&model.dynamics),
            reward: cast(&model.reward),
            q: cast(&model.q),
            pi: cast(&model.pi),
        }
    }
}

/// One planning problem. Rows are environment-major: environment `e` has rows `e * n .. (e + 1) * n`.
pub(crate) struct Planner<'a> {
    pub(crate) nets: &'a PlanModel,
    pub(crate) model: &'a ModelConfig,
    pub(crate) config: &'a PlanningConfig,
    pub(crate) tasks: &'a TaskTensors,
}

/// Rows of one population size with their tasks' masks and discounts.
struct Rows<'a> {
    /// Environments.
    e: i64,
    /// Rows of each.
    n: i64,
    tasks: Tasks,
    /// `[E, 1, A]`.
    mask: &'a Tensor,
}

impl Planner<'_> {
    /// Plans from latents `z` `[E, L]`.
    pub(crate) fn plan(&self, z: &Tensor, request: &PlanRequest, noise: &mut dyn Noise) -> Plan {
        let (e, h, a) = (z.size()[0], request.horizon, self.model.action_dim);
        let c = self.config;
        let (n, p) = (c.num_samples, c.num_pi_trajs);
        let device = z.device();
        let z = z.to_kind(self.nets.kind);
        let mask = self.tasks.action_masks.index_select(0, &request.task).unsqueeze(1); // [E, 1, A]
        let discount = self.tasks.discounts.index_select(0, &request.task).unsqueeze(1); // [E, 1]
        let rows = |n: i64| Rows { e, n, tasks: self.tasks.rows(&request.task, n), mask: &mask };

        // Samples, [H, E, N, A]; the prior's come first and stay.
        let actions = Tensor::zeros([h, e, n, a], (Kind::Float, device));
        if p > 0 {
            let prior = self.prior_rollouts(&z, h, &rows(p), noise);
            actions.narrow(2, 0, p).copy_(&prior);
        }

        let mut mean = match &request.prev_mean {
            Some(previous) => {
                let kept = request.t0.logical_not().to_kind(Kind::Float).reshape([e, 1, 1]);
                let shifted = Tensor::zeros([e, h, a], (Kind::Float, device));
                shifted.narrow(1, 0, h - 1).copy_(&(previous.narrow(1, 1, h - 1) * kept));
                shifted
            }
            None => Tensor::zeros([e, h, a], (Kind::Float, device)),
        };
        let mut std = Tensor::full([e, h, a], c.max_std, (Kind::Float, device));
        let w = if c.constrained_planning && !request.eval { c.constraint_weight(request.step) } else { 0.0 };
        if w > 0.0 {
            let prior = actions.narrow(2, 0, p);
            let prior_mean = prior.mean_dim(2, false, None::<Kind>).transpose(0, 1); // [E, H, A]
            let prior_std = prior.std_dim(2, true, false).clamp(c.min_std, c.max_std).transpose(0, 1);
            mean = prior_mean * w + mean * (1.0 - w);
            std = prior_std * w + std * (1.0 - w);
        }

        let sampled = actions.narrow(2, p, n - p).permute([1, 0, 2, 3]); // [E, H, N-P, A]
        let by_env = actions.permute([1, 2, 0, 3]); // [E, N, H, A]
        let rows = rows(n);
        let mut elites = None;
        for _ in 0..c.iterations {
            let eps = noise.normal(&[e, h, n - p, a], device);
            let fresh = (eps * std.unsqueeze(2) + mean.unsqueeze(2)).clamp(-1.0, 1.0) * mask.unsqueeze(1);
            let mut sampled = sampled.shallow_clone();
            sampled.copy_(&fresh);
            let value = self.value(&z, &actions, &discount, &rows, noise).nan_to_num(0.0, None, None); // [E, N]
            let (value, index) = value.topk(c.num_elites, 1, true, true); // [E, K]
            let index = index.reshape([e, -1, 1, 1]).expand([e, -1, h, a], false);
            let elite = by_env.gather(1, &index, false); // [E, K, H, A]
            let best = value.narrow(1, 0, 1);
            let score = ((&value - best) * c.temperature).exp();
            let score = &score / score.sum_dim_intlist(1, true, None::<Kind>); // [E, K]
            let weight = score.reshape([e, -1, 1, 1]);
            let total = weight.sum_dim_intlist(1, false, None::<Kind>) + 1e-9; // [E, 1, 1]
            mean = (&weight * &elite).sum_dim_intlist(1, false, None::<Kind>) / &total * &mask;
            let spread = (&elite - mean.unsqueeze(1)).square();
            let variance = (&weight * spread).sum_dim_intlist(1, false, None::<Kind>) / &total;
            std = variance.sqrt().clamp(c.min_std, c.max_std) * &mask;
            elites = Some((elite, value, score));
        }
        let (elite, value, score) = elites.expect("a plan has at least one iteration");

        // Gumbel-max over the elites' weights.
        let gumbel = -noise.exponential(&[e, c.num_elites], device).log();
        let choice = (((score + 1e-9).log() + gumbel) / c.temperature).argmax(1, true); // [E, 1]
        let index = choice.reshape([e, 1, 1, 1]).expand([e, 1, h, a], false);
        let sequence = elite.gather(1, &index, false).squeeze_dim(1); // [E, H, A]
        let mut action = sequence.select(1, 0);
        if !request.eval {
            let eps = noise.normal(&[e, a], device);
            action = (action + std.select(1, 0) * eps).clamp(-1.0, 1.0);
        }
        Plan { action, mean, std, sequence, value: value.gather(1, &choice, false).squeeze_dim(1), z }
    }

    /// Values of given action sequences `[E, N, H, A]`, `[E, N]`.
    pub(crate) fn sequence_values(&self, z: &Tensor, actions: &Tensor, task: &Tensor, noise: &mut dyn Noise) -> Tensor {
        let (e, n) = (actions.size()[0], actions.size()[1]);
        let mask = self.tasks.action_masks.index_select(0, task).unsqueeze(1);
        let discount = self.tasks.discounts.index_select(0, task).unsqueeze(1);
        let rows = Rows { e, n, tasks: self.tasks.rows(task, n), mask: &mask };
        let actions = actions.permute([2, 0, 1, 3]).contiguous();
        self.value(&z.to_kind(self.nets.kind), &actions, &discount, &rows, noise)
    }

    /// Action sequences of the prior, `[H, E, P, A]`.
    fn prior_rollouts(&self, z: &Tensor, h: i64, rows: &Rows, noise: &mut dyn Noise) -> Tensor {
        let (e, p, a) = (rows.e, rows.n, self.model.action_dim);
        let pi = self.nets.pi.given(&rows.tasks);
        let dynamics = self.nets.dynamics.given(&rows.tasks);
        let one = Tasks {
            embeddings: rows.tasks.embeddings.as_ref().map(Tensor::shallow_clone),
            index: rows.tasks.index.shallow_clone(),
            repeat: 1,
        };
        let mut actions = Vec::with_capacity(h as usize);
        // All rows of an environment share the first latent, and so what the networks see of it.
        let mut head = self.nets.pi.given(&one).forward(z, None).repeat_interleave_self_int(p, 0, None);
        let mut latent: Option<Tensor> = None;
        for t in 0..h {
            let eps = noise.normal(&[e * p, a], z.device()).reshape([e, p, a]);
            let action = policy::act(&head.reshape([e, p, 2 * a]).to_kind(Kind::Float), rows.mask, &eps, self.model);
            if t + 1 < h {
                let input = action.reshape([e * p, a]).to_kind(self.nets.kind);
                let next = match &latent {
                    None => dynamics.forward_shared(z, Some(&input)),
                    Some(latent) => dynamics.forward(latent, Some(&input)),
                };
                head = pi.forward(&next, None);
                latent = Some(next);
            }
            actions.push(action);
        }
        Tensor::stack(&actions, 0)
    }

    /// Values of action sequences `[H, E, N, A]`, `[E, N]`: discounted predicted rewards and a value at the end.
    fn value(&self, z: &Tensor, actions: &Tensor, discount: &Tensor, rows: &Rows, noise: &mut dyn Noise) -> Tensor {
        let (e, n, a) = (rows.e, rows.n, self.model.action_dim);
        let h = actions.size()[0];
        let dynamics = self.nets.dynamics.given(&rows.tasks);
        let reward = self.nets.reward.given(&rows.tasks);
        let inputs = actions.reshape([h, e * n, a]).to_kind(self.nets.kind);
        let mut latent: Option<Tensor> = None;
        let mut value = Tensor::zeros([e, n], (Kind::Float, z.device()));
        let mut gamma = Tensor::ones([e, 1], (Kind::Float, z.device()));
        for t in 0..h {
            let action = inputs.get(t);
            // At the first step all samples of an environment share one latent.
            let (logits, next) = match &latent {
                None => (reward.forward_shared(z, Some(&action)), dynamics.forward_shared(z, Some(&action))),
                Some(latent) => (reward.forward(latent, Some(&action)), dynamics.forward(latent, Some(&action))),
            };
            value += &gamma * self.decode(&logits).reshape([e, n]);
            gamma *= discount;
            latent = Some(next);
        }
        let latent = latent.expect("a plan has at least one step");
        let head = self.nets.pi.given(&rows.tasks).forward(&latent, None).to_kind(Kind::Float).reshape([e, n, 2 * a]);
        let eps = noise.normal(&[e, n, a], z.device());
        let action = policy::act(&head, rows.mask, &eps, self.model).reshape([e * n, a]).to_kind(self.nets.kind);
        let pair = self.nets.q.members(noise.pair(self.model.num_q));
        let logits = pair.given(&rows.tasks).forward(&latent, Some(&action)); // [2, E * N, K]
        let q = self.decode(&logits).mean_dim(0, false, None::<Kind>).reshape([e, n]);
        value + gamma * q
    }

    fn decode(&self, logits: &Tensor) -> Tensor {
        decode(&logits.to_kind(Kind::Float), self.model.vmin, self.model.vmax)
    }
}
