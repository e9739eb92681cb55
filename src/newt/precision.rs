//! Whether planning in bfloat16 chooses worse actions than planning in float32.
//!
//! Measured on agents of `preset=laptop` (30,000 steps) with `terrarium bench newt checkpoint=RUN states=64 repeats=2`: the
//! value that planning in bfloat16 gives up, as a part of what planning gains over the prior alone.
//!
//! | task | bf16 minus float32 | prior minus float32 | given up |
//! |---|---|---|---|
//! | `pygame-landing` | -0.0066 ± 0.0030 | -0.98 ± 0.17 | 0.7 % |
//! | `pygame-pong` | -0.00048 ± 0.00011 | -0.048 ± 0.019 | 1.0 % |
//! | `pygame-coconut-dodge` | -0.00037 ± 0.00004 | -0.029 ± 0.009 | 1.3 % |
//! | `pygame-spaceship` | -0.0020 ± 0.0014 | -0.24 ± 0.05 | 0.9 % |
//!
//! A plan takes about half the time (`terrarium bench newt model_size=S plan_dtype=bf16|f32`), so `plan_dtype=auto` takes
//! bfloat16 where the hardware multiplies it.

use serde::Serialize;
use tch::{Kind, Tensor, no_grad};

use super::agent::Newt;
use super::noise::SeededNoise;
use super::planner::{PlanModel, PlanRequest, Planner};
use super::policy;

/// Values of chosen action sequences, all told by the float32 model.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PlanPrecision {
    /// States that were planned from.
    pub states: i64,
    /// Mean value of what a float32 plan chooses.
    pub value: f64,
    /// What a bfloat16 plan with the same draws chooses, minus that.
    pub bf16: Difference,
    /// What another float32 plan with other draws chooses, minus that: how much a difference means.
    pub other_draws: Difference,
    /// What the prior would do without planning, minus that: what planning gains.
    pub prior: Difference,
}

/// A mean of paired differences, one a state.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Difference {
    /// The mean.
    pub mean: f64,
    /// Its standard error.
    pub standard_error: f64,
}

/// Draws that a value is averaged over: actions of the prior and pairs of value heads at a plan's end.
const VALUE_DRAWS: u64 = 8;

impl Newt {
    /// Plans `repeats` times from each of the observations `[E, S]` of tasks `[E]`, without exploration, in float32 and
    /// in bfloat16.
    pub fn plan_precision(&self, obs: &Tensor, task: &Tensor, repeats: u64, seed: u64) -> PlanPrecision {
        no_grad(|| {
            let z = self.encode(obs, task);
            let [float, brain] = [Kind::Float, Kind::BFloat16].map(|kind| PlanModel::new(&self.model, kind));
            let request = PlanRequest {
                obs: obs.shallow_clone(),
                task: task.shallow_clone(),
                t0: Tensor::ones([obs.size()[0]], (Kind::Bool, self.device)),
                prev_mean: None,
                horizon: self.config.learning.horizon,
                eval: true,
                step: 0,
            };
            let value_of = |sequence: &Tensor| {
                let value = |draw| self.sequence_values(&z, sequence, task, &mut SeededNoise::new(draw));
                (0..VALUE_DRAWS).map(|draw| value(seed ^ (draw << 32))).sum::<Tensor>() / VALUE_DRAWS as f64
            };
            let values = |nets: &PlanModel, draws: u64| {
                let planner =
                    Planner { nets, model: &self.config.model, config: &self.config.planning, tasks: &self.tasks };
                let plan = planner.plan(&z, &request, &mut SeededNoise::new(draws));
                value_of(&plan.sequence.unsqueeze(1)) // of [E, 1, H, A]
            };
            let mut sums = [0; 3].map(|_| Tensor::zeros([obs.size()[0], 1], (Kind::Float, self.device)));
            for repeat in 0..repeats {
                let draws = seed.wrapping_add(2 * repeat);
                sums[0] += values(&float, draws);
                sums[1] += values(&brain, draws);
                sums[2] += values(&float, draws + 1);
            }
            let [value, brain, other] = sums.map(|sum| sum / repeats as f64);
            PlanPrecision {
                states: obs.size()[0],
                value: value.mean(Kind::Double).double_value(&[]),
                bf16: Difference::of(&(brain - &value)),
                other_draws: Difference::of(&(other - &value)),
                prior: Difference::of(&(value_of(&self.prior_sequence(&z, task)) - &value)),
            }
        })
    }
}

impl Newt {
    /// The prior's mean actions along the model's own rollout, `[E, 1, H, A]`.
    fn prior_sequence(&self, z: &Tensor, task: &Tensor) -> Tensor {
        let rows = self.tasks.rows(task, 1);
        let mask = self.tasks.action_masks.index_select(0, task);
        let (pi, dynamics) = (self.model.pi.given(&rows), self.model.dynamics.given(&rows));
        let mut z = z.shallow_clone();
        let mut actions = Vec::new();
        for _ in 0..self.config.learning.horizon {
            let action = policy::mean_action(&pi.forward(&z, None), &mask, &self.config.model);
            z = dynamics.forward(&z, Some(&action));
            actions.push(action);
        }
        Tensor::stack(&actions, 1).unsqueeze(1)
    }
}

impl Difference {
    fn of(differences: &Tensor) -> Self {
        let count = differences.numel() as f64;
        Self {
            mean: differences.mean(Kind::Double).double_value(&[]),
            standard_error: differences.std(true).double_value(&[]) / count.sqrt(),
        }
    }
}
