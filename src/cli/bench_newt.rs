//! `terrarium bench newt`: how long one update and one plan take.

use std::time::Instant;

use serde::Serialize;
use tch::{Device, Kind, Tensor};

use crate::newt::{Batch, BuildError, Config, ModelSize, Newt, Noise as _, PlanRequest, SeededNoise, TaskTables};

/// What is measured.
#[derive(Clone, Debug)]
pub(super) struct BenchNewt {
    /// Everything about the agent; widths are set by `model_size` first.
    pub(super) config: Config,
    /// Name of the shape, for the report.
    pub(super) model_size: String,
    /// Windows in a batch.
    pub(super) batch_size: i64,
    /// Environments in a plan.
    pub(super) num_envs: i64,
    /// Tasks with a language embedding each.
    pub(super) num_tasks: i64,
    /// Where to run.
    pub(super) device: Device,
    /// Updates and plans of which the median is taken.
    pub(super) repeats: usize,
}

/// Medians of what was measured.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BenchNewtReport {
    /// Shape of the networks.
    pub(super) model_size: String,
    /// Learned parameters.
    pub(super) parameters: i64,
    /// `cpu` or `cuda:N`.
    pub(super) device: String,
    /// Threads of libtorch on the CPU.
    pub(super) threads: i32,
    /// Windows in a batch.
    pub(super) batch_size: i64,
    /// Environments in a plan.
    pub(super) num_envs: i64,
    /// Action sequences in a round of planning.
    pub(super) num_samples: i64,
    /// Rounds of planning.
    pub(super) iterations: i64,
    /// Number format of planning.
    pub(super) plan_dtype: String,
    /// One update of reinforcement learning.
    pub(super) update_ms: f64,
    /// One plan for all environments.
    pub(super) plan_ms: f64,
}

impl BenchNewt {
    /// The setting of the published comparison: 512 samples, 6 iterations, 200 tasks with language.
    pub(super) fn new(size: ModelSize, device: Device) -> Self {
        let mut config = Config::default();
        size.apply(&mut config.model);
        let model_size = size.to_string();
        Self { config, model_size, batch_size: 256, num_envs: 4, num_tasks: 200, device, repeats: 7 }
    }
}

/// Measures.
///
/// # Errors
///
/// [`BuildError`] when the config is impossible.
pub(super) fn run(bench: &BenchNewt) -> Result<BenchNewtReport, BuildError> {
    let mut noise = SeededNoise::new(1);
    let mut agent = Newt::new(bench.config.clone(), tables(bench, &mut noise), bench.device, 1)?;
    let batch = batch(bench, &mut noise);
    let update_ms = median_ms(bench, || {
        let _ = agent.update(&batch, &mut noise);
    });
    let m = &bench.config.model;
    let request = PlanRequest {
        obs: noise.normal(&[bench.num_envs, m.obs_dim], bench.device),
        task: tasks(bench, bench.num_envs),
        t0: Tensor::zeros([bench.num_envs], (Kind::Bool, bench.device)),
        prev_mean: Some(Tensor::zeros(
            [bench.num_envs, bench.config.learning.horizon, m.action_dim],
            (Kind::Float, bench.device),
        )),
        horizon: bench.config.learning.horizon,
        eval: false,
        step: 5_000_000,
    };
    let plan_ms = median_ms(bench, || {
        // As in training, where updates lie between plans, the planner's copies of the weights are made anew.
        agent.forget_plan_model();
        let _ = agent.plan(&request, &mut noise);
    });
    Ok(BenchNewtReport {
        model_size: bench.model_size.clone(),
        parameters: agent.num_params(),
        device: match bench.device {
            Device::Cuda(index) => format!("cuda:{index}"),
            _ => "cpu".to_owned(),
        },
        threads: tch::get_num_threads(),
        batch_size: bench.batch_size,
        num_envs: bench.num_envs,
        num_samples: bench.config.planning.num_samples,
        iterations: bench.config.planning.iterations,
        plan_dtype: if agent.plan_kind() == Kind::BFloat16 { "bf16" } else { "f32" }.to_owned(),
        update_ms,
        plan_ms,
    })
}

fn tables(bench: &BenchNewt, noise: &mut SeededNoise) -> TaskTables {
    let (m, n) = (&bench.config.model, bench.num_tasks);
    let embeddings = noise.normal(&[n, m.task_dim], Device::Cpu) * 0.3;
    TaskTables {
        embeddings: Vec::try_from(embeddings.flatten(0, -1)).expect("a vector of floats"),
        action_masks: vec![1.0; (n * m.action_dim) as usize],
        discounts: vec![0.99; n as usize],
    }
}

fn tasks(bench: &BenchNewt, rows: i64) -> Tensor {
    Tensor::arange(rows, (Kind::Int64, bench.device)).remainder(bench.num_tasks)
}

fn batch(bench: &BenchNewt, noise: &mut SeededNoise) -> Batch {
    let (m, b, h) = (&bench.config.model, bench.batch_size, bench.config.learning.horizon);
    Batch {
        obs: noise.normal(&[h + 1, b, m.obs_dim], bench.device),
        action: noise.normal(&[h, b, m.action_dim], bench.device).tanh(),
        reward: noise.normal(&[h, b], bench.device),
        task: tasks(bench, b),
    }
}

/// Median over the repeats, after two runs that warm caches; waits for the device.
fn median_ms(bench: &BenchNewt, mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..bench.repeats + 2)
        .map(|_| {
            let start = Instant::now();
            work();
            if let Device::Cuda(index) = bench.device {
                tch::Cuda::synchronize(index as i64);
            }
            start.elapsed().as_secs_f64() * 1e3
        })
        .skip(2)
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
