//! The policy prior's distribution: a normal squashed by tanh, with the dims that a task does not have masked out.

use tch::{Kind, Tensor};

use super::config::ModelConfig;

/// Half of ln(2 pi).
const HALF_LN_TAU: f64 = 0.918_938_533_204_672_7;

/// Draws from the prior with what the losses need of them.
#[derive(Debug)]
pub struct PolicySample {
    /// The sampled action, in `[-1, 1]`, `[.., A]`.
    pub action: Tensor,
    /// The squashed mean, `[.., A]`.
    pub mean: Tensor,
    /// Log standard deviation before squashing, `[.., A]`.
    pub log_std: Tensor,
    /// `[..]`.
    pub entropy: Tensor,
    /// Entropy times a factor that grows with the number of valid dims, `[..]`.
    pub scaled_entropy: Tensor,
}

impl PolicySample {
    /// Lets go of the graph.
    pub(crate) fn detach(&mut self) {
        let Self { action, mean, log_std, entropy, scaled_entropy } = self;
        for t in [action, mean, log_std, entropy, scaled_entropy] {
            *t = t.detach();
        }
    }
}

/// Mean and log standard deviation, masked, from the prior's output `[.., 2A]`; `mask` is `[.., A]`.
fn moments(head: &Tensor, mask: &Tensor, model: &ModelConfig) -> (Tensor, Tensor) {
    let a = model.action_dim;
    let (low, high) = (model.log_std_min, model.log_std_max);
    let mean = head.narrow(-1, 0, a) * mask;
    let log_std = ((head.narrow(-1, a, a).tanh() + 1.0) * (0.5 * (high - low)) + low) * mask;
    (mean, log_std)
}

/// An action from the prior's output and noise `eps`; see [`sample`].
pub(crate) fn act(head: &Tensor, mask: &Tensor, eps: &Tensor, model: &ModelConfig) -> Tensor {
    let (mean, log_std) = moments(head, mask, model);
    (mean + eps * mask * log_std.exp()).tanh()
}

/// The squashed mean of the prior.
pub(crate) fn mean_action(head: &Tensor, mask: &Tensor, model: &ModelConfig) -> Tensor {
    (head.narrow(-1, 0, model.action_dim) * mask).tanh()
}

/// Samples from the prior's output `[.., 2A]` with noise `eps` `[.., A]`; `mask` broadcasts over it.
pub(crate) fn sample(head: &Tensor, mask: &Tensor, eps: &Tensor, model: &ModelConfig) -> PolicySample {
    let (mean, log_std) = moments(head, mask, model);
    let eps = eps * mask;
    let valid = mask.sum_dim_intlist(-1, false, None::<Kind>);
    let log_prob = (eps.square() * -0.5 - &log_std - HALF_LN_TAU).sum_dim_intlist(-1, false, None::<Kind>);
    let scaled_log_prob = &log_prob * valid;
    let action = (&mean + eps * log_std.exp()).tanh();
    let squash = ((-action.square() + 1.0).relu() + 1e-6).log().sum_dim_intlist(-1, false, None::<Kind>);
    let log_prob = log_prob - squash;
    let scaled_entropy = -&log_prob * (scaled_log_prob / (&log_prob + 1e-8));
    PolicySample { action, mean: mean.tanh(), log_std, entropy: -log_prob, scaled_entropy }
}
