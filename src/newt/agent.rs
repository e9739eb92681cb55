//! The agent: what it is built from, how it acts, how it learns.

use tch::{Device, Kind, Tensor, no_grad};

use super::choices::PlanDtype;
use super::config::{Config, ConfigError};
use super::device::multiplies_bf16_fast;
use super::kernels::decode;
use super::losses::{Batch, ModelLosses, Objective, PolicyLoss, rho_weights};
use super::model::{Model, TaskTensors};
use super::noise::{Noise, SeededNoise};
use super::optim::{Adam, Group};
use super::planner::{Plan, PlanModel, PlanRequest, Planner};
use super::policy::{self, PolicySample};
use super::scale::RunningScale;

/// What a learner has to know of its tasks, one row each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskTables {
    /// Language embeddings, `N * task_dim`; empty without language input.
    pub embeddings: Vec<f32>,
    /// 1 for every action dim that a task has, `N * action_dim`.
    pub action_masks: Vec<f32>,
    /// Discount of each task, `N`.
    pub discounts: Vec<f32>,
}

/// Why an agent cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The config is impossible.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The task tables do not fit the config.
    #[error("the task tables hold {found} {what} for {tasks} tasks, but the config asks for {expected}")]
    Tables {
        /// Which table.
        what: &'static str,
        /// Tasks, by the number of discounts.
        tasks: usize,
        /// Numbers found.
        found: usize,
        /// Numbers expected.
        expected: usize,
    },
}

/// A world model with its policy prior, optimizers and planner.
///
/// Every tensor lives on one device and is touched by one thread. Every draw comes from a [`Noise`] that the caller hands in.
#[derive(Debug)]
pub struct Newt {
    pub(crate) config: Config,
    pub(crate) device: Device,
    pub(crate) tables: TaskTables,
    pub(crate) tasks: TaskTensors,
    pub(crate) model: Model,
    /// Of the whole model; the policy's group takes part while pretraining only.
    pub(crate) model_optim: Adam,
    /// Of the policy in reinforcement learning.
    pub(crate) pi_optim: Adam,
    pub(crate) scale: RunningScale,
    rho: Tensor,
    /// Updates done, of either kind.
    pub(crate) updates: u64,
    /// The planner's networks, made anew after an update.
    plan_model: Option<PlanModel>,
}

/// What an update reports. The numbers stay on the device until [`Losses::metrics`] asks for them.
#[derive(Debug)]
pub struct Losses {
    model: ModelLosses,
    policy: Option<PolicyLoss>,
    grad_norm: Tensor,
    pi_grad_norm: Option<Tensor>,
    scale: Tensor,
    lr: [f64; 3],
    entropy_coef: f64,
    rho: Tensor,
}

impl Losses {
    /// Every number under its tag; waits for the device.
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        let number = |t: &Tensor| t.double_value(&[]);
        no_grad(|| {
            let m = &self.model;
            let mut out = vec![
                ("consistency_loss", number(&m.consistency)),
                ("reward_loss", number(&m.reward)),
                ("value_loss", number(&m.value)),
                ("total_loss", number(&m.total)),
                ("grad_norm", number(&self.grad_norm)),
                ("lr", self.lr[0]),
                ("lr_enc", self.lr[1]),
            ];
            if let Some(prior) = &m.prior {
                out.push(("pi_prior_loss", number(&prior.total)));
                out.extend(self.prior_metrics(&prior.imitation, &prior.sample, prior.sample.entropy.size()[0]));
            }
            if let (Some(policy), Some(norm)) = (&self.policy, &self.pi_grad_norm) {
                out.extend([
                    ("pi_loss", number(&policy.total)),
                    ("pi_scale", number(&self.scale)),
                    ("pi_grad_norm", number(norm)),
                ]);
                out.extend(self.prior_metrics(&policy.imitation, &policy.sample, 1));
            }
            out
        })
    }

    /// What both phases tell of the prior. `steps` divides the sum over `t` where the loss takes a mean.
    fn prior_metrics(&self, imitation: &Tensor, sample: &PolicySample, steps: i64) -> [(&'static str, f64); 7] {
        let number = |t: &Tensor| t.double_value(&[]);
        let mean = |t: &Tensor| number(&t.mean(Kind::Float));
        let std = sample.log_std.exp();
        let by_step = sample.scaled_entropy.mean_dim(1, false, None::<Kind>);
        let entropy = number(&by_step.dot(&self.rho.narrow(0, 0, by_step.size()[0]))) / steps as f64;
        [
            ("bc_loss", number(imitation)),
            ("entropy_loss", -self.entropy_coef * entropy),
            ("pi_entropy", mean(&sample.entropy)),
            ("pi_scaled_entropy", mean(&sample.scaled_entropy)),
            ("pi_std", mean(&std)),
            ("pi_max_std", number(&std.max())),
            ("lr_pi", self.lr[2]),
        ]
    }
}

/// A rollout of the model along given actions.
#[derive(Debug)]
pub struct Imagined {
    /// `z_0..z_T`, `[E, T+1, L]`.
    pub latents: Tensor,
    /// Predicted reward of each action, `[E, T]`.
    pub rewards: Tensor,
    /// Value of each latent under the prior's mean action, mean over the ensemble, `[E, T+1]`.
    pub values: Tensor,
}

/// Epsilon of the model's Adam and of the policy's.
const ADAM_EPS: (f64, f64) = (1e-8, 1e-5);

impl Newt {
    /// An untrained agent whose weights come from `seed`.
    ///
    /// # Errors
    ///
    /// [`BuildError`] when the config is impossible or the tables do not fit it.
    pub fn new(config: Config, tables: TaskTables, device: Device, seed: u64) -> Result<Self, BuildError> {
        config.check()?;
        let tasks = task_tensors(&config, &tables, device)?;
        let model = Model::new(config.model, device, &mut SeededNoise::new(seed));
        let learning = &config.learning;
        let group = |range: &std::ops::Range<i64>, lr| Group { range: range.clone(), lr, steps: 0 };
        let model_groups = vec![
            group(&model.spans.encoder, learning.lr * learning.enc_lr_scale),
            group(&model.spans.heads, learning.lr),
            group(&model.spans.pi, learning.lr),
        ];
        let pi_groups = vec![group(&model.spans.pi, learning.lr)];
        let rho = Tensor::from_slice(&rho_weights(learning.rho, learning.horizon)).to_device(device);
        Ok(Self {
            device,
            tables,
            tasks,
            model_optim: Adam::new(model_groups, ADAM_EPS.0, device),
            pi_optim: Adam::new(pi_groups, ADAM_EPS.1, device),
            scale: RunningScale::new(learning.tau, device),
            model,
            rho,
            updates: 0,
            plan_model: None,
            config,
        })
    }

    /// The config it was built from.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Where its tensors live.
    pub fn device(&self) -> Device {
        self.device
    }

    /// How many tasks it knows.
    pub fn n_tasks(&self) -> usize {
        self.tables.discounts.len()
    }

    /// How many entries the actions of a task have.
    ///
    /// # Panics
    ///
    /// When there is no task of that number.
    pub fn action_width(&self, task: usize) -> usize {
        let width = self.config.model.action_dim as usize;
        self.tables.action_masks[task * width..][..width].iter().filter(|&&entry| entry > 0.0).count()
    }

    /// The discount of a task.
    ///
    /// # Panics
    ///
    /// When there is no task of that number.
    pub fn discount(&self, task: usize) -> f32 {
        self.tables.discounts[task]
    }

    /// The language embedding of a task; empty without language input.
    ///
    /// # Panics
    ///
    /// When there is no task of that number.
    pub fn embedding(&self, task: usize) -> &[f32] {
        let width = self.config.model.task_dim as usize;
        &self.tables.embeddings[task * width..][..width]
    }

    /// Takes over the weights of an agent of the same shape, whatever its tasks; what learning needs besides stays.
    ///
    /// # Panics
    ///
    /// When the shapes differ.
    pub fn take_weights(&mut self, other: &Self) {
        assert_eq!(self.config.model, other.config.model, "weights of another shape");
        for (to, from) in self.model.fields().into_iter().zip(other.model.fields()) {
            to.set(&from.value());
        }
        self.forget_plan_model();
    }

    /// Number of learned parameters.
    pub fn num_params(&self) -> i64 {
        self.model.num_params()
    }

    /// Updates done so far.
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The objective of the current parameters.
    fn objective(&self) -> Objective<'_> {
        Objective { model: &self.model, tasks: &self.tasks, learning: &self.config.learning, rho: &self.rho }
    }

    /// Model losses on a batch, with gradients where they are asked for by a backward pass; changes nothing.
    pub fn model_losses(&self, batch: &Batch, pretraining: bool, noise: &mut dyn Noise) -> ModelLosses {
        self.objective().model_losses(batch, pretraining, noise)
    }

    /// Policy loss on latents `zs` `[H+1, B, L]`; changes nothing.
    pub fn policy_loss(&self, zs: &Tensor, batch: &Batch, noise: &mut dyn Noise) -> PolicyLoss {
        self.objective().policy_loss(zs, batch, self.scale.value(), noise)
    }

    /// One update of reinforcement learning: the model on its losses, target values, the policy on its own loss.
    pub fn update(&mut self, batch: &Batch, noise: &mut dyn Noise) -> Losses {
        let (lr_scale, max_norm) = self.begin_update();
        let model = self.model_losses(batch, false, noise);
        model.total.backward();
        let grad_norm = self.model_optim.step(&self.model.params, 2, lr_scale, max_norm);
        self.model.follow(self.config.learning.tau);

        let policy = self.policy_loss(&model.zs, batch, noise);
        policy.total.backward();
        let pi_grad_norm = self.pi_optim.step(&self.model.params, 1, lr_scale, max_norm);
        self.scale.update(&policy.q0);
        self.end_update(model, Some(policy), grad_norm, Some(pi_grad_norm), lr_scale)
    }

    /// One update of pretraining: model and policy on one joint loss, target values.
    pub fn pretrain_update(&mut self, batch: &Batch, noise: &mut dyn Noise) -> Losses {
        let (lr_scale, max_norm) = self.begin_update();
        let model = self.model_losses(batch, true, noise);
        model.total.backward();
        let grad_norm = self.model_optim.step(&self.model.params, 3, lr_scale, max_norm);
        self.model.follow(self.config.learning.tau);
        self.end_update(model, None, grad_norm, None, lr_scale)
    }

    /// The factor of all learning rates in this update, and the largest gradient norm.
    fn begin_update(&mut self) -> (f64, f64) {
        self.updates += 1;
        self.forget_plan_model();
        let learning = &self.config.learning;
        let lr_scale = match learning.warmup_steps {
            0 => 1.0,
            steps => (self.updates as f64 / steps as f64).min(1.0),
        };
        (lr_scale, learning.grad_clip_norm)
    }

    fn end_update(
        &self,
        mut model: ModelLosses,
        mut policy: Option<PolicyLoss>,
        grad_norm: Tensor,
        pi_grad_norm: Option<Tensor>,
        lr_scale: f64,
    ) -> Losses {
        model.detach();
        if let Some(policy) = &mut policy {
            policy.detach();
        }
        let learning = &self.config.learning;
        let lr = learning.lr * lr_scale;
        Losses {
            model,
            policy,
            grad_norm,
            pi_grad_norm,
            scale: self.scale.value().copy(),
            lr: [lr, lr * learning.enc_lr_scale, lr],
            entropy_coef: learning.entropy_coef,
            rho: self.rho.shallow_clone(),
        }
    }

    /// Latents of observations `[E, S]` of tasks `[E]`, `[E, L]`.
    pub fn encode(&self, obs: &Tensor, task: &Tensor) -> Tensor {
        no_grad(|| self.model.encoder.given(&self.tasks.rows(task, 1)).forward(obs, None))
    }

    /// Plans for each row of the request.
    pub fn plan(&mut self, request: &PlanRequest, noise: &mut dyn Noise) -> Plan {
        no_grad(|| {
            let z = self.encode(&request.obs, &request.task);
            self.planner(|planner| planner.plan(&z, request, noise))
        })
    }

    /// Values that the planner gives to action sequences `[E, N, H, A]` from latents `[E, L]`, in float32; `[E, N]`.
    pub fn sequence_values(&self, z: &Tensor, actions: &Tensor, task: &Tensor, noise: &mut dyn Noise) -> Tensor {
        no_grad(|| {
            let nets = PlanModel::new(&self.model, Kind::Float);
            let planner =
                Planner { nets: &nets, model: &self.config.model, config: &self.config.planning, tasks: &self.tasks };
            planner.sequence_values(z, actions, task, noise)
        })
    }

    fn planner<T>(&mut self, run: impl FnOnce(&Planner) -> T) -> T {
        let kind = self.plan_kind();
        let nets = self.plan_model.get_or_insert_with(|| PlanModel::new(&self.model, kind));
        run(&Planner { nets, model: &self.config.model, config: &self.config.planning, tasks: &self.tasks })
    }

    /// Makes the planner's networks anew at the next plan.
    pub fn forget_plan_model(&mut self) {
        self.plan_model = None;
    }

    /// The number format of planning on this device.
    pub fn plan_kind(&self) -> Kind {
        match self.config.planning.plan_dtype {
            PlanDtype::F32 => Kind::Float,
            PlanDtype::Bf16 => Kind::BFloat16,
            PlanDtype::Auto if multiplies_bf16_fast(self.device) => Kind::BFloat16,
            PlanDtype::Auto => Kind::Float,
        }
    }

    /// Actions of the prior without planning, `[E, A]`: a sample, or its mean in evaluation.
    pub fn act_prior(&self, obs: &Tensor, task: &Tensor, eval: bool, noise: &mut dyn Noise) -> Tensor {
        no_grad(|| {
            let z = self.encode(obs, task);
            let mask = self.tasks.action_masks.index_select(0, task);
            let head = self.model.pi.given(&self.tasks.rows(task, 1)).forward(&z, None);
            if eval {
                return policy::mean_action(&head, &mask, &self.config.model);
            }
            let eps = noise.normal(&mask.size(), self.device);
            policy::act(&head, &mask, &eps, &self.config.model)
        })
    }

    /// Rolls the model from latents `[E, L]` along actions `[E, T, A]`.
    pub fn imagine(&self, z: &Tensor, actions: &Tensor, task: &Tensor) -> Imagined {
        let model = &self.config.model;
        let decode = |logits: &Tensor| decode(logits, model.vmin, model.vmax);
        no_grad(|| {
            let rows = self.tasks.rows(task, 1);
            let dynamics = self.model.dynamics.given(&rows);
            let steps = actions.size()[1];
            let actions = actions.transpose(0, 1).contiguous(); // [T, E, A]
            let mut zs = vec![z.to_kind(Kind::Float)];
            for t in 0..steps {
                zs.push(dynamics.forward(&zs[t as usize], Some(&actions.get(t))));
            }
            let zs = Tensor::stack(&zs, 0); // [T+1, E, L]
            let rewards = self.model.reward.given(&rows).forward(&zs.narrow(0, 0, steps), Some(&actions));
            let mask = self.tasks.action_masks.index_select(0, task);
            let head = self.model.pi.given(&rows).forward(&zs, None);
            let prior = policy::mean_action(&head, &mask, model);
            let values = decode(&self.model.q.given(&rows).forward(&zs, Some(&prior))); // [q, T+1, E]
            Imagined {
                latents: zs.transpose(0, 1),
                rewards: decode(&rewards).transpose(0, 1),
                values: values.mean_dim(0, false, None::<Kind>).transpose(0, 1),
            }
        })
    }
}

fn task_tensors(config: &Config, tables: &TaskTables, device: Device) -> Result<TaskTensors, BuildError> {
    let tasks = tables.discounts.len();
    let (a, t) = (config.model.action_dim, config.model.task_dim);
    let expect = |what, found: usize, width: i64| {
        let expected = tasks.max(1) * width as usize;
        if found == expected { Ok(()) } else { Err(BuildError::Tables { what, tasks, found, expected }) }
    };
    expect("discounts", tasks, 1)?;
    expect("action mask entries", tables.action_masks.len(), a)?;
    expect("embedding entries", tables.embeddings.len(), t)?;
    let table = |rows: &[f32], width: i64| Tensor::from_slice(rows).reshape([-1, width]).to_device(device);
    Ok(TaskTensors {
        embeddings: (t > 0).then(|| table(&tables.embeddings, t)),
        action_masks: table(&tables.action_masks, a),
        discounts: Tensor::from_slice(&tables.discounts).to_device(device),
    })
}
