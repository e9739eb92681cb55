//! The one place where rows become tensors and tensors become rows: a Newt agent behind plain data.

use tch::{Kind, Tensor};

use super::messages::{EncodeReply, EncodeRequest, OpenLoopPlan, PlanReply, PlanRequest, PlanRow};
use crate::data::SampleBuffers;
use crate::newt::{Batch, BatchSlices, Losses, Newt, Noise, PlanPrecision, PlanRequest as TensorRequest};
use crate::sim::{ACTION_DIM, Purpose, Seed};

/// Plans carried from one step to the next, one a slot. Training, evaluation and a window each have their own.
#[derive(Debug)]
pub struct CarriedPlans {
    /// `[slots, H, A]`.
    means: Tensor,
}

/// An agent that is asked in rows.
pub struct Agent {
    newt: Newt,
    mpc: bool,
}

impl Agent {
    /// Wraps `newt`; without `mpc` it acts by its prior instead of planning.
    pub fn new(newt: Newt, mpc: bool) -> Self {
        Self { newt, mpc }
    }

    /// The model.
    pub fn newt(&self) -> &Newt {
        &self.newt
    }

    /// One action a row, and open-loop plans where they are asked for. `step` is the run's environment step.
    pub fn plan(
        &mut self,
        request: &PlanRequest,
        carried: &mut CarriedPlans,
        step: u64,
        noise: &mut dyn Noise,
    ) -> PlanReply {
        let started = std::time::Instant::now();
        let rows = &request.rows;
        let actions =
            if self.mpc { self.planned(rows, request.eval, carried, step, noise) } else { self.prior(request, noise) };
        let horizon = request.horizon.max(1);
        let open_loop =
            rows.iter().map(|row| row.open_loop.then(|| self.open_loop(row, horizon, step, noise))).collect();
        PlanReply { ticket: request.ticket, actions, open_loop, seconds: started.elapsed().as_secs_f64() }
    }

    /// Actions of the prior alone.
    pub fn prior(&self, request: &PlanRequest, noise: &mut dyn Noise) -> Vec<[f32; ACTION_DIM]> {
        let action =
            self.newt.act_prior(&self.observations(&request.rows), &self.tasks(&request.rows), request.eval, noise);
        action_rows(&action)
    }

    /// Latents of observations.
    pub fn encode(&self, request: &EncodeRequest) -> EncodeReply {
        let rows: Vec<PlanRow> = request
            .rows
            .iter()
            .map(|&(task, observation)| PlanRow { slot: 0, task, observation, first: false, open_loop: false })
            .collect();
        let latents = self.newt.encode(&self.observations(&rows), &self.tasks(&rows));
        EncodeReply { ticket: request.ticket, latents: float_rows(&latents) }
    }

    /// One update of reinforcement learning on a batch of rows.
    pub fn update(&mut self, rows: &SampleBuffers, noise: &mut dyn Noise) -> Losses {
        let batch = self.batch(rows);
        self.newt.update(&batch, noise)
    }

    /// One update of pretraining on a batch of rows of demonstrations.
    pub fn pretrain(&mut self, rows: &SampleBuffers, noise: &mut dyn Noise) -> Losses {
        let batch = self.batch(rows);
        self.newt.pretrain_update(&batch, noise)
    }

    /// Plans from rows in float32 and in bfloat16, compared.
    pub fn plan_precision(&self, rows: &[PlanRow], repeats: u64, seed: Seed) -> PlanPrecision {
        let seed = seed.derive(Purpose::Plan, 0);
        self.newt.plan_precision(&self.observations(rows), &self.tasks(rows), repeats, seed)
    }

    fn batch(&self, rows: &SampleBuffers) -> Batch {
        let slices =
            BatchSlices { obs: &rows.observations, action: &rows.actions, reward: &rows.rewards, task: &rows.tasks };
        let batch = rows.tasks.len();
        let horizon = rows.rewards.len() / batch;
        Batch::from_slices(slices, horizon as i64, batch as i64, self.newt.device())
    }

    fn planned(
        &mut self,
        rows: &[PlanRow],
        eval: bool,
        carried: &mut CarriedPlans,
        step: u64,
        noise: &mut dyn Noise,
    ) -> Vec<[f32; ACTION_DIM]> {
        let device = self.newt.device();
        let slots: Vec<i64> = rows.iter().map(|row| row.slot as i64).collect();
        let slots = Tensor::from_slice(&slots).to_device(device);
        let first: Vec<bool> = rows.iter().map(|row| row.first).collect();
        let request = TensorRequest {
            obs: self.observations(rows),
            task: self.tasks(rows),
            t0: Tensor::from_slice(&first).to_device(device),
            prev_mean: Some(carried.means.index_select(0, &slots)),
            horizon: self.newt.config().learning.horizon,
            eval,
            step,
        };
        let plan = self.newt.plan(&request, noise);
        let _ = carried.means.index_copy_(0, &slots, &plan.mean);
        action_rows(&plan.action)
    }

    /// A plan of `horizon` steps from one row, and what the model expects of it.
    fn open_loop(&mut self, row: &PlanRow, horizon: usize, step: u64, noise: &mut dyn Noise) -> OpenLoopPlan {
        let rows = std::slice::from_ref(row);
        let (obs, task) = (self.observations(rows), self.tasks(rows));
        let request = TensorRequest {
            obs,
            task: task.shallow_clone(),
            t0: Tensor::from_slice(&[true]).to_device(self.newt.device()),
            prev_mean: None,
            horizon: horizon as i64,
            eval: true,
            step,
        };
        let plan = self.newt.plan(&request, noise);
        let imagined = self.newt.imagine(&plan.z, &plan.sequence, &task);
        OpenLoopPlan {
            actions: action_rows(&plan.sequence.squeeze_dim(0)),
            rewards: floats(&imagined.rewards),
            values: floats(&imagined.values),
            latents: float_rows(&imagined.latents.squeeze_dim(0)),
            spread: action_rows(&plan.std.squeeze_dim(0)),
        }
    }

    /// `[E, S]`: the model's width may be below that of a row.
    fn observations(&self, rows: &[PlanRow]) -> Tensor {
        let width = self.newt.config().model.obs_dim as usize;
        let flat: Vec<f32> = rows.iter().flat_map(|row| &row.observation[..width]).copied().collect();
        Tensor::from_slice(&flat).reshape([rows.len() as i64, width as i64]).to_device(self.newt.device())
    }

    /// `[E]`, i64.
    fn tasks(&self, rows: &[PlanRow]) -> Tensor {
        let tasks: Vec<i64> = rows.iter().map(|row| row.task as i64).collect();
        Tensor::from_slice(&tasks).to_device(self.newt.device())
    }
}

impl CarriedPlans {
    /// No plans yet, for slots below `slots`.
    pub fn new(newt: &Newt, slots: usize) -> Self {
        let config = newt.config();
        let shape = [slots.max(1) as i64, config.learning.horizon, config.model.action_dim];
        Self { means: Tensor::zeros(shape, (Kind::Float, newt.device())) }
    }

    /// Makes room for slots below `slots`; what is carried stays.
    pub fn cover(&mut self, newt: &Newt, slots: usize) {
        let missing = slots as i64 - self.means.size()[0];
        if missing > 0 {
            let more = Self::new(newt, missing as usize).means;
            self.means = Tensor::cat(&[&self.means, &more], 0);
        }
    }

    /// The plans as `slots * H * A` numbers.
    pub fn to_vec(&self) -> Vec<f32> {
        floats(&self.means)
    }

    /// Takes over what [`CarriedPlans::to_vec`] gave; `false` if the number of entries differs.
    #[must_use]
    pub fn restore(&mut self, plans: &[f32]) -> bool {
        let fits = plans.len() == self.means.numel();
        if fits {
            self.means = Tensor::from_slice(plans).reshape_as(&self.means).to_device(self.means.device());
        }
        fits
    }
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.to_device(tch::Device::Cpu).to_kind(Kind::Float).contiguous().view(-1);
    let mut out = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut out, tensor.numel());
    out
}

/// Rows of a `[n, w]` tensor.
fn float_rows(tensor: &Tensor) -> Vec<Vec<f32>> {
    let width = *tensor.size().last().expect("a tensor of rows has a width") as usize;
    floats(tensor).chunks(width.max(1)).map(<[f32]>::to_vec).collect()
}

/// Rows of a `[n, A]` tensor, padded with zeros.
fn action_rows(tensor: &Tensor) -> Vec<[f32; ACTION_DIM]> {
    let pad = |row: Vec<f32>| {
        let mut action = [0.0; ACTION_DIM];
        action[..row.len()].copy_from_slice(&row);
        action
    };
    float_rows(tensor).into_iter().map(pad).collect()
}
