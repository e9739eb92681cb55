//! Looking inside an agent: named weights and gradients, single forward passes.
//!
//! For comparing with other implementations, for importing their weights and for probes; nothing here learns.

use tch::{Tensor, no_grad};

use super::agent::Newt;
use super::noise::Noise;
use super::policy::{self, PolicySample};

/// One pass of every network on rows `[B, ..]`.
#[derive(Debug)]
pub struct Forward {
    /// Latents of the observations, `[B, L]`.
    pub z: Tensor,
    /// Predicted next latents, `[B, L]`.
    pub next: Tensor,
    /// `[B, K]`.
    pub reward_logits: Tensor,
    /// `[q, B, K]`.
    pub q_logits: Tensor,
    /// Of the target ensemble, `[q, B, K]`.
    pub q_target_logits: Tensor,
    /// The prior at `z`.
    pub policy: PolicySample,
}

impl Newt {
    /// Every weight under its name in checkpoints; copies.
    pub fn named_weights(&self) -> Vec<(String, Tensor)> {
        self.model.fields().into_iter().map(|f| (f.name.clone(), f.value())).collect()
    }

    /// The gradient of every learned weight, as the last backward pass left it; copies.
    pub fn named_gradients(&self) -> Vec<(String, Tensor)> {
        let learned = self.model.fields().into_iter().filter(|f| f.parts.iter().all(|p| p.grad().defined()));
        learned.map(|f| (f.name.clone(), f.grad())).collect()
    }

    /// Overwrites every weight with what `find` gives for its name and shape.
    ///
    /// # Errors
    ///
    /// The first error of `find`; weights before it are overwritten already.
    pub fn set_weights<E>(&mut self, mut find: impl FnMut(&str, &[i64]) -> Result<Tensor, E>) -> Result<(), E> {
        for field in self.model.fields() {
            field.set(&find(&field.name, &field.size())?);
        }
        self.forget_plan_model();
        Ok(())
    }

    /// One pass of every network on observations `[B, S]` and actions `[B, A]` of tasks `[B]`.
    pub fn forward(&self, obs: &Tensor, action: &Tensor, task: &Tensor, noise: &mut dyn Noise) -> Forward {
        no_grad(|| {
            let rows = self.tasks.rows(task, 1);
            let m = &self.model;
            let z = m.encoder.given(&rows).forward(obs, None);
            let mask = self.tasks.action_masks.index_select(0, task);
            let head = m.pi.given(&rows).forward(&z, None);
            let eps = noise.normal(&mask.size(), self.device);
            Forward {
                next: m.dynamics.given(&rows).forward(&z, Some(action)),
                reward_logits: m.reward.given(&rows).forward(&z, Some(action)),
                q_logits: m.q.given(&rows).forward(&z, Some(action)),
                q_target_logits: m.q_target.given(&rows).forward(&z, Some(action)),
                policy: policy::sample(&head, &mask, &eps, &m.config),
                z,
            }
        })
    }

    /// The range of values that the policy loss is divided by.
    pub fn running_scale(&self) -> f64 {
        self.scale.value().double_value(&[])
    }
}
