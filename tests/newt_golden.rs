//! Newt against the numbers of the authors' implementation: every `newt/*.safetensors` under `TERRARIUM_FIXTURES`.
//!
//! All dimensions come from the files. `TERRARIUM_TEST_DEVICE=cuda` runs the same on a GPU, in float32 without TF32.
#![cfg(feature = "learn")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::fixture;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use tch::{Device, Kind, Tensor, no_grad};
use terrarium::newt::scale::RunningScale;
use terrarium::newt::{
    Batch, Config, DeviceChoice, DrawKind, LearningConfig, ModelConfig, Newt, PlanDtype, PlanRequest, PlanningConfig,
    RecordedNoise, TaskTables, device, math,
};

const TOLERANCE: f64 = 1e-4;

/// One file of golden numbers.
struct Case {
    name: String,
    meta: Value,
    tensors: BTreeMap<String, Tensor>,
    device: Device,
}

/// The device to test on: the CPU, or what `TERRARIUM_TEST_DEVICE` names.
fn test_device() -> Device {
    let asked = std::env::var("TERRARIUM_TEST_DEVICE").unwrap_or_else(|_| "cpu".to_owned());
    let choice: DeviceChoice = asked.parse().expect("TERRARIUM_TEST_DEVICE names a device");
    match choice.open() {
        Ok((device, _)) => {
            device::allow_tf32(false, device).expect("TF32 can be turned off anywhere");
            device
        }
        Err(error) => panic!("TERRARIUM_TEST_DEVICE={asked}: {error}"),
    }
}

/// Every case there is.
fn cases() -> Vec<Case> {
    let device = test_device();
    let Some(dir) = fixture("newt") else { return Vec::new() };
    let entries = std::fs::read_dir(&dir).expect("a folder");
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "safetensors"));
    paths.sort();
    assert!(!paths.is_empty(), "{} holds no *.safetensors", dir.display());
    paths.iter().map(|path| Case::read(path, device)).collect()
}

impl Case {
    fn read(path: &Path, device: Device) -> Self {
        let bytes = std::fs::read(path).expect("readable");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a safetensors file");
        let meta = header.metadata().as_ref().expect("a header")["meta"].clone();
        let file = SafeTensors::deserialize(&bytes).expect("a safetensors file");
        let tensors = file
            .tensors()
            .into_iter()
            .map(|(name, view)| {
                let size: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
                let kind = match view.dtype() {
                    Dtype::F32 => Kind::Float,
                    Dtype::I64 => Kind::Int64,
                    Dtype::I32 => Kind::Int,
                    Dtype::U8 => Kind::Uint8,
                    Dtype::BOOL => Kind::Bool,
                    other => panic!("{name} is in {other:?}, which this test does not read"),
                };
                (name, Tensor::from_data_size(view.data(), &size, kind).to_device(device))
            })
            .collect();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        Self { name, meta: serde_json::from_str(&meta).expect("JSON"), tensors, device }
    }

    fn get(&self, name: &str) -> Tensor {
        self.tensors.get(name).unwrap_or_else(|| panic!("{}: no tensor {name}", self.name)).shallow_clone()
    }

    fn dim(&self, name: &str) -> i64 {
        self.meta["dims"][name].as_i64().unwrap_or_else(|| panic!("{}: no dimension {name}", self.name))
    }

    fn hyper(&self, name: &str) -> f64 {
        self.meta["hyper"][name].as_f64().unwrap_or_else(|| panic!("{}: no hyper-parameter {name}", self.name))
    }

    /// The draws of a computation, in call order.
    fn draws(&self, of: &str) -> RecordedNoise {
        let prefix = format!("{of}.draw.");
        let mut draws: Vec<(usize, DrawKind, Tensor)> = self
            .tensors
            .range(prefix.clone()..)
            .take_while(|(name, _)| name.starts_with(&prefix))
            .map(|(name, draw)| {
                let (number, kind) = name[prefix.len()..].split_once('.').expect("NN.KIND");
                let kind = match kind {
                    "randn" | "randn_like" => DrawKind::Normal,
                    "randperm" => DrawKind::Permutation,
                    "exponential" => DrawKind::Exponential,
                    other => panic!("{name}: unknown kind {other}"),
                };
                (number.parse().expect("a number"), kind, draw.shallow_clone())
            })
            .collect();
        assert!(!draws.is_empty(), "{}: no draws of {of}", self.name);
        draws.sort_by_key(|d| d.0);
        RecordedNoise::new(draws.into_iter().map(|(_, kind, draw)| (kind, draw)))
    }

    fn config(&self) -> Config {
        let model = ModelConfig {
            obs_dim: self.dim("obs_dim"),
            action_dim: self.dim("action_dim"),
            task_dim: self.dim("task_dim"),
            num_enc_layers: self.dim("num_enc_layers"),
            enc_dim: self.dim("enc_dim"),
            mlp_dim: self.dim("mlp_dim"),
            latent_dim: self.dim("latent_dim"),
            num_q: self.dim("num_q"),
            simnorm_dim: self.dim("simnorm_dim"),
            num_bins: self.dim("num_bins"),
            vmin: self.hyper("vmin"),
            vmax: self.hyper("vmax"),
            log_std_min: self.hyper("log_std_min"),
            log_std_max: self.hyper("log_std_max"),
        };
        let learning = LearningConfig {
            horizon: self.hyper("horizon") as i64,
            rho: self.hyper("rho"),
            reward_coef: self.hyper("reward_coef"),
            value_coef: self.hyper("value_coef"),
            consistency_coef: self.hyper("consistency_coef"),
            pretrain_prior_coef: 1.0,
            entropy_coef: self.hyper("entropy_coef"),
            lr: self.hyper("lr"),
            enc_lr_scale: self.hyper("enc_lr_scale"),
            grad_clip_norm: self.hyper("grad_clip_norm"),
            tau: self.hyper("tau"),
            warmup_steps: 0,
        };
        let planning = PlanningConfig {
            iterations: self.hyper("iterations") as i64,
            num_samples: self.hyper("num_samples") as i64,
            num_elites: self.hyper("num_elites") as i64,
            num_pi_trajs: self.hyper("num_pi_trajs") as i64,
            min_std: self.hyper("min_std"),
            max_std: self.hyper("max_std"),
            temperature: self.hyper("temperature"),
            constrained_planning: true,
            constraint_start_step: self.hyper("constraint_start_step") as u64,
            constraint_final_step: self.hyper("constraint_final_step") as u64,
            plan_dtype: PlanDtype::F32,
        };
        Config { model, learning, planning }
    }

    /// The agent with the file's initial weights.
    fn agent(&self) -> Newt {
        let floats = |t: Tensor| Vec::<f32>::try_from(t.flatten(0, -1).to_device(Device::Cpu)).expect("floats");
        let discounts = self.meta["discounts"].as_array().expect("a list");
        let tables = TaskTables {
            embeddings: if self.dim("task_dim") > 0 { floats(self.get("task_embeddings")) } else { Vec::new() },
            action_masks: floats(self.get("init._action_masks")),
            discounts: discounts.iter().map(|d| d.as_f64().expect("a number") as f32).collect(),
        };
        let mut agent = Newt::new(self.config(), tables, self.device, 0).expect("a possible config");
        let mut used = Vec::new();
        agent
            .set_weights(|name, size| {
                used.push(format!("init.{name}"));
                let weight = self.get(&format!("init.{name}"));
                assert_eq!(weight.size(), size, "{}: {name}", self.name);
                Ok::<_, std::convert::Infallible>(weight)
            })
            .expect("infallible");
        for name in self.tensors.keys().filter(|n| n.starts_with("init._") && n.contains(['0', '1', '2', '3', '4'])) {
            assert!(used.contains(name), "{}: the agent has no {name}", self.name);
        }
        agent
    }

    fn batch(&self) -> Batch {
        let tasks = self.get("batch.task").to_kind(Kind::Int64); // [H, B]
        let task = tasks.get(0);
        assert_eq!(tasks, task.expand_as(&tasks), "{}: a window has one task", self.name);
        Batch {
            obs: self.get("batch.obs"),
            action: self.get("batch.action"),
            reward: self.get("batch.reward").squeeze_dim(-1),
            task,
        }
    }

    /// Panics unless `ours` has the golden value `name`.
    fn check(&self, name: &str, ours: &Tensor) {
        let golden = self.get(name);
        let ours = ours.detach().to_kind(Kind::Float);
        assert_eq!(ours.numel(), golden.numel(), "{}: size of {name}", self.name);
        let ours = ours.reshape(golden.size());
        let excess = (&ours - &golden).abs() - golden.abs() * TOLERANCE;
        let worst = excess.max().double_value(&[]);
        let finite = bool::try_from(ours.isfinite().all()).expect("a bool");
        assert!(finite && worst <= TOLERANCE, "{}: {name} is off by {worst:.3e}\n{ours}\n{golden}", self.name);
    }

    fn check_number(&self, name: &str, ours: f64) {
        self.check(name, &Tensor::from(ours as f32).to_device(self.device));
    }

    /// Checks a list of named tensors against `PREFIX.NAME`, and that the file has no others.
    fn check_all(&self, prefix: &str, ours: &[(String, Tensor)]) {
        for (name, tensor) in ours {
            self.check(&format!("{prefix}.{name}"), tensor);
        }
        let constants = ["log_std_min", "log_std_dif"];
        let theirs = self.tensors.keys().filter_map(|n| n.strip_prefix(&format!("{prefix}.")).map(str::to_owned));
        for name in theirs.filter(|n| !constants.contains(&n.as_str())) {
            assert!(ours.iter().any(|(n, _)| *n == name), "{}: {prefix}.{name} is not compared", self.name);
        }
    }

    /// Tasks `0..E` of a plan's environments.
    fn plan_tasks(&self) -> Tensor {
        Tensor::arange(self.get("plan.obs").size()[0], (Kind::Int64, self.device))
    }
}

fn metric(losses: &terrarium::newt::Losses, name: &str) -> f64 {
    losses.metrics().iter().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("no metric {name}")).1
}

#[test]
fn discrete_regression_matches() {
    for case in cases() {
        let (bins, low, high) = (case.dim("num_bins"), case.hyper("vmin"), case.hyper("vmax"));
        let (x, logits) = (case.get("math.x").squeeze_dim(-1), case.get("math.logits"));
        case.check("math.symlog", &math::symlog(&x));
        case.check("math.two_hot", &math::two_hot(&x, bins, low, high));
        case.check("math.two_hot_inv", &math::decode(&logits, low, high));
        case.check("math.soft_ce", &math::soft_cross_entropy(&logits, &x, low, high));
        let back = math::symexp(&math::symlog(&x));
        assert!(back.allclose(&x, 1e-4, 1e-4, false));
    }
}

#[test]
fn forward_passes_match() {
    for case in cases() {
        let batch = case.batch();
        let pass =
            case.agent().forward(&batch.obs.get(0), &batch.action.get(0), &batch.task, &mut case.draws("fwd.pi"));
        case.check("fwd.z", &pass.z);
        case.check("fwd.next", &pass.next);
        case.check("fwd.reward_logits", &pass.reward_logits);
        case.check("fwd.reward", &math::decode(&pass.reward_logits, case.hyper("vmin"), case.hyper("vmax")));
        case.check("fwd.q_logits", &pass.q_logits);
        case.check("fwd.q_target_logits", &pass.q_target_logits);
        case.check("fwd.pi.action", &pass.policy.action);
        case.check("fwd.pi.mean", &pass.policy.mean);
        case.check("fwd.pi.log_std", &pass.policy.log_std);
        case.check("fwd.pi.entropy", &pass.policy.entropy);
        case.check("fwd.pi.scaled_entropy", &pass.policy.scaled_entropy);
    }
}

#[test]
fn model_losses_and_gradients_match() {
    for case in cases() {
        let (agent, batch, mut noise) = (case.agent(), case.batch(), case.draws("rl.loss"));
        let losses = agent.model_losses(&batch, false, &mut noise);
        assert_eq!(noise.left(), 0);
        case.check("rl.loss.consistency_loss", &losses.consistency);
        case.check("rl.loss.reward_loss", &losses.reward);
        case.check("rl.loss.value_loss", &losses.value);
        case.check("rl.loss.total_loss", &losses.total);
        case.check("rl.loss.zs", &losses.zs);
        losses.total.backward();
        let mut gradients = agent.named_gradients();
        gradients.retain(|(name, _)| !name.starts_with("_pi."));
        case.check_all("rl.grad", &gradients);
    }
}

#[test]
fn policy_losses_and_gradients_match() {
    for case in cases() {
        let (agent, batch, mut noise) = (case.agent(), case.batch(), case.draws("rl.pi_loss"));
        let loss = agent.policy_loss(&case.get("rl.loss.zs"), &batch, &mut noise);
        assert_eq!(noise.left(), 0);
        case.check("rl.pi_loss.prior", &loss.imitation);
        case.check("rl.pi_loss.value", &loss.total);
        case.check("rl.pi_loss.q0", &loss.q0);
        loss.total.backward();
        let mut gradients = agent.named_gradients();
        gradients.retain(|(name, _)| name.starts_with("_pi."));
        case.check_all("rl.pi_grad", &gradients);
    }
}

#[test]
fn three_updates_match() {
    for case in cases() {
        let (mut agent, batch) = (case.agent(), case.batch());
        for k in 0..3 {
            let name = format!("rl.update{k}");
            let mut noise = case.draws(&name);
            let losses = agent.update(&batch, &mut noise);
            assert_eq!(noise.left(), 0);
            for tag in ["grad_norm", "pi_grad_norm", "pi_scale"] {
                case.check_number(&format!("{name}.{tag}"), metric(&losses, tag));
            }
        }
        case.check_all("rl.after", &agent.named_weights());
    }
}

#[test]
fn pretraining_matches() {
    for case in cases() {
        let (mut agent, batch, mut noise) = (case.agent(), case.batch(), case.draws("pretrain.loss"));
        let losses = agent.model_losses(&batch, true, &mut noise);
        assert_eq!(noise.left(), 0);
        case.check("pretrain.loss.consistency_loss", &losses.consistency);
        case.check("pretrain.loss.reward_loss", &losses.reward);
        case.check("pretrain.loss.value_loss", &losses.value);
        case.check("pretrain.loss.pi_prior_loss", &losses.prior.as_ref().expect("the prior learns").total);
        case.check("pretrain.loss.total_loss", &losses.total);
        case.check("pretrain.loss.zs", &losses.zs);
        if case.tensors.keys().any(|n| n.starts_with("pretrain.grad.")) {
            losses.total.backward();
            case.check_all("pretrain.grad", &agent.named_gradients());
            agent = case.agent();
        }
        for k in 0..3 {
            let name = format!("pretrain.update{k}");
            let mut noise = case.draws(&name);
            let losses = agent.pretrain_update(&batch, &mut noise);
            assert_eq!(noise.left(), 0);
            case.check_number(&format!("{name}.grad_norm"), metric(&losses, "grad_norm"));
        }
        case.check_all("pretrain.after", &agent.named_weights());
    }
}

#[test]
fn plans_match() {
    for case in cases() {
        for (name, eval, step) in [("plan.free", true, 50_000_000), ("plan.constrained", false, 5_000_000)] {
            let mut noise = case.draws(name);
            let request = PlanRequest {
                obs: case.get("plan.obs"),
                task: case.plan_tasks(),
                t0: case.get("plan.t0").to_kind(Kind::Bool),
                prev_mean: Some(case.get("plan.prev_mean")),
                horizon: case.hyper("horizon") as i64,
                eval,
                step,
            };
            let plan = case.agent().plan(&request, &mut noise);
            assert_eq!(noise.left(), 0);
            case.check(&format!("{name}.mean"), &plan.mean);
            case.check(&format!("{name}.action"), &plan.action);
        }
    }
}

#[test]
fn values_of_action_sequences_match() {
    for case in cases() {
        let (agent, mut noise) = (case.agent(), case.draws("value"));
        let task = case.plan_tasks();
        let z = agent.encode(&case.get("plan.obs"), &task);
        let actions = case.get("value.actions").transpose(1, 2); // [E, N, H, A]
        case.check("value.estimate", &agent.sequence_values(&z, &actions, &task, &mut noise));
        assert_eq!(noise.left(), 0);
    }
}

#[test]
fn the_running_scale_matches() {
    for case in cases() {
        let series = case.get("scale.series");
        let mut scale = RunningScale::new(case.hyper("tau"), case.device);
        let values: Vec<Tensor> = (0..series.size()[0])
            .map(|t| {
                scale.update(&series.get(t));
                scale.value().copy()
            })
            .collect();
        case.check("scale.values", &Tensor::stack(&values, 0));
    }
}

#[test]
fn constraint_weights_match() {
    for case in cases() {
        let planning = case.config().planning;
        let table = &case.meta["constraint_weight"];
        let (steps, weights) =
            (table["steps"].as_array().expect("a list"), table["weight"].as_array().expect("a list"));
        assert_eq!(steps.len(), weights.len());
        for (step, weight) in steps.iter().zip(weights) {
            let (step, weight) = (step.as_u64().expect("a step"), weight.as_f64().expect("a weight"));
            assert!((planning.constraint_weight(step) - weight).abs() < 1e-6, "{} at step {step}", case.name);
        }
    }
}

#[test]
fn imagined_rollouts_agree_with_single_steps() {
    for case in cases() {
        let (agent, batch) = (case.agent(), case.batch());
        let z = agent.encode(&batch.obs.get(0), &batch.task);
        let actions = batch.action.transpose(0, 1); // [B, H, A]
        let imagined = agent.imagine(&z, &actions, &batch.task);
        case.check("fwd.z", &imagined.latents.select(1, 0));
        case.check("fwd.next", &imagined.latents.select(1, 1));
        case.check("fwd.reward", &imagined.rewards.select(1, 0));
        no_grad(|| case.check("rl.loss.zs", &imagined.latents.transpose(0, 1)));
    }
}
