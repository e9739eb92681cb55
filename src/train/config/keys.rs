//! The table of settings: every name, type, default, range and help line stands here once, and only here.

use std::fmt::Display;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::value::Value;
use super::{EnvMode, LrSchedule, Observations, Preset};
use crate::encode::TextSource;
use crate::newt::{DeviceChoice, ModelSize, PlanDtype};

/// One setting, as the command line and the help see it.
pub struct Key {
    /// Its name: `name=value`.
    pub name: &'static str,
    /// The heading it is listed under.
    pub group: &'static str,
    /// The word for its default; `auto` when it follows from other settings.
    pub default: &'static str,
    /// One line: what it is, with its unit.
    pub help: &'static str,
    /// What else there is to know.
    pub rules: Rules,
    pub(super) expects: fn() -> String,
    pub(super) get: fn(&TrainConfig) -> String,
    pub(super) number: fn(&TrainConfig) -> Option<f64>,
    /// Reads a word into the setting; `None` when it is no such value.
    pub(super) set: fn(&mut TrainConfig, &str) -> Option<()>,
}

/// Which values a setting takes and how far they matter.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    min: f64,
    max: f64,
    open: bool,
    /// Whether it may differ when a run is resumed: it does not shape what is learned.
    pub free: bool,
    /// How much of it this program supports.
    pub support: Support,
}

/// How much of a setting this program supports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Support {
    /// All of it.
    Full,
    /// Any value is taken and changes nothing; why.
    Ignored(&'static str),
    /// This value only; why.
    Only(&'static str, &'static str),
}

impl Rules {
    /// The range of a setting without one, in words.
    pub(super) const ANY_WORD: &str = "any";

    const fn range(min: f64, max: f64) -> Self {
        Self { min, max, open: false, free: false, support: Support::Full }
    }

    const fn at_most(self, max: f64) -> Self {
        Self { max, ..self }
    }

    const fn free(self) -> Self {
        Self { free: true, ..self }
    }

    const fn ignored(self, why: &'static str) -> Self {
        Self { free: true, support: Support::Ignored(why), ..self }
    }

    const fn only(self, word: &'static str, why: &'static str) -> Self {
        Self { support: Support::Only(word, why), ..self }
    }

    pub(super) fn contain(&self, number: f64) -> bool {
        let above = if self.open { number > self.min } else { number >= self.min };
        above && number <= self.max
    }
}

/// The range in words, such as `above 0` or `from 0 to 1`.
impl Display for Rules {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.min > f64::MIN, self.max < f64::MAX) {
            (true, true) if self.open => write!(formatter, "above {} and at most {}", self.min, self.max),
            (true, true) => write!(formatter, "from {} to {}", self.min, self.max),
            (true, false) if self.open => write!(formatter, "above {}", self.min),
            (true, false) => write!(formatter, "at least {}", self.min),
            (false, true) => write!(formatter, "at most {}", self.max),
            (false, false) => formatter.write_str(Self::ANY_WORD),
        }
    }
}

const ANY: Rules = Rules::range(f64::MIN, f64::MAX);
const COUNT: Rules = Rules::range(1.0, f64::MAX);
/// What counts instances, threads or rows of a batch: far beyond use, and far below what no machine has memory for.
const SOME: Rules = COUNT.at_most(65_536.0);
/// Width of a layer.
const WIDTH: Rules = COUNT.at_most(16_384.0);
const UNIT: Rules = Rules::range(0.0, 1.0);
const NOT_NEGATIVE: Rules = Rules::range(0.0, f64::MAX);
const POSITIVE: Rules = Rules { open: true, ..NOT_NEGATIVE };

const LOCAL: &str = "metrics stay here, in metrics.jsonl, results.csv and TensorBoard files";

macro_rules! settings {
    ($( $group:literal { $( #[doc = $help:literal] $name:ident: $type:ty = $default:literal, $rules:expr; )* } )*) => {
        /// All that a run depends on, resolved; `config.ron` holds it.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct TrainConfig { $( $( #[doc = $help] pub $name: $type, )* )* }

        /// Every setting, in the order of the help.
        pub static KEYS: &[Key] = &[ $( $( Key {
            name: stringify!($name),
            group: $group,
            default: $default,
            help: $help,
            rules: $rules,
            expects: <$type as Value>::expects,
            get: |config| config.$name.show(),
            number: |config| config.$name.number(),
            set: |config, word| { config.$name = Value::parse(word)?; Some(()) },
        }, )* )* ];

        impl Default for TrainConfig {
            /// The table's defaults, those of the reference; settings whose default is `auto` are zero until resolved.
            fn default() -> Self {
                Self { $( $( $name: default_value($default), )* )* }
            }
        }
    };
}

/// The value of a table's default; an `auto` that is no value of the type stands for its emptiest one until resolved.
fn default_value<T: Value>(word: &str) -> T {
    let stand_ins: &[&str] = if word == "auto" { &["auto", "none", "0", "false", "L"] } else { &[word] };
    stand_ins.iter().find_map(|word| T::parse(word)).expect("the table's defaults are of their types")
}

settings! {
    "start" {
        /// Values to start from; keys that are typed come on top.
        preset: Preset = "reference", ANY;
    }
    "environment" {
        /// What to learn: a task, a domain (without its held-out tasks), soup, or a comma-separated list of those.
        task: String = "soup", ANY;
        /// What the agent sees.
        obs: Observations = "state", ANY.only("state", "learning from pictures is not built in yet");
        /// Environments that step side by side; auto: 10 for a single task, else one a task.
        num_envs: usize = "auto", SOME;
        /// How the reference steps its environments.
        env_mode: EnvMode = "async", ANY.ignored("all environments step in this process, in parallel");
        /// Threads that step environments; auto: one a core.
        threads: Option<usize> = "auto", SOME.free();
    }
    "evaluation" {
        /// Checkpoint, or run whose last one is taken: start from its weights, in its shape.
        checkpoint: Option<PathBuf> = "none", ANY;
        /// Episodes of each environment in an evaluation.
        eval_episodes: usize = "2", COUNT.free();
        /// Environment steps from one evaluation to the next; auto: 10_000 times num_envs.
        eval_freq: u64 = "auto", COUNT.free();
    }
    "training" {
        /// Environment steps in all, over all tasks.
        steps: u64 = "100_000_000", NOT_NEGATIVE.free();
        /// Windows of experience in an update.
        batch_size: usize = "1024", SOME;
        /// Updates for each environment step.
        utd: f64 = "0.075", POSITIVE;
        /// Weight of the reward loss.
        reward_coef: f64 = "0.1", NOT_NEGATIVE;
        /// Weight of the value loss.
        value_coef: f64 = "0.1", NOT_NEGATIVE;
        /// Weight of the consistency loss.
        consistency_coef: f64 = "20", NOT_NEGATIVE;
        /// Weight of the behavior-cloning term in the model loss; updates with reinforcement learning do not use it.
        prior_coef: f64 = "10", NOT_NEGATIVE;
        /// Weight of a step in the losses relative to the step before it.
        rho: f64 = "0.5", Rules { open: true, ..UNIT };
        /// Learning rate.
        lr: f64 = "3e-4", POSITIVE;
        /// The encoder's learning rate relative to lr.
        enc_lr_scale: f64 = "0.3", POSITIVE;
        /// Largest norm of a gradient.
        grad_clip_norm: f64 = "20", POSITIVE;
        /// How far target value heads move toward the trained ones in an update.
        tau: f64 = "0.01", UNIT;
        /// Divides an episode's length to give the horizon of its discount.
        discount_denom: f64 = "5", POSITIVE;
        /// Smallest discount.
        discount_min: f64 = "0.95", UNIT;
        /// Largest discount.
        discount_max: f64 = "0.995", UNIT;
        /// Steps that the replay buffer holds.
        buffer_size: usize = "10_000_000", COUNT.at_most(4_294_967_294.0);
        /// Learn from demonstrations first, and along the way from half of every batch; auto: when there are several tasks and a data_dir.
        use_demos: bool = "auto", ANY;
        /// Updates on demonstrations alone before the first environment step; auto: 200_000, or 0 with a checkpoint.
        demo_steps: u64 = "auto", NOT_NEGATIVE;
        /// Learning rate over time; auto: warmup with demonstrations and no checkpoint, else none.
        lr_schedule: LrSchedule = "auto", ANY;
        /// Updates until a warmup reaches lr.
        warmup_steps: u64 = "5_000", COUNT;
        /// Episodes of each environment before the first update.
        seeding_coef: u64 = "5", NOT_NEGATIVE;
        /// Name of the run: the last part of its directory.
        exp_name: String = "default", ANY;
        /// Few-shot: carry a multitask checkpoint on to a single new task.
        finetune: bool = "false", ANY;
    }
    "planning" {
        /// Plan; false acts by the policy prior alone.
        mpc: bool = "true", ANY;
        /// Rounds of a plan.
        iterations: usize = "6", SOME;
        /// Action sequences in a round.
        num_samples: usize = "512", SOME;
        /// Best sequences that a round keeps.
        num_elites: usize = "64", SOME;
        /// Sequences of a round that come from the policy prior.
        num_pi_trajs: usize = "24", NOT_NEGATIVE.at_most(65_536.0);
        /// Steps that plans and windows of experience look ahead.
        horizon: usize = "3", SOME;
        /// Smallest standard deviation of sampled actions.
        min_std: f64 = "0.05", POSITIVE;
        /// Largest standard deviation of sampled actions.
        max_std: f64 = "2", POSITIVE;
        /// How strongly a plan prefers its best sequences.
        temperature: f64 = "0.5", POSITIVE;
        /// Keep plans near the policy prior early in training.
        constrained_planning: bool = "true", ANY;
        /// Environment steps up to which plans start at the prior; auto: 2 % of the run (2_000_000 of 100M).
        constraint_start_step: u64 = "auto", NOT_NEGATIVE;
        /// Environment steps over which that fades after the start; auto: 10 % of the run (10_000_000 of 100M).
        constraint_final_step: u64 = "auto", COUNT;
        /// Number format of planning; bf16 halves its time and gives up about 1 % of what planning gains.
        plan_dtype: PlanDtype = "auto", ANY;
    }
    "actor and critic" {
        /// Smallest log standard deviation of the policy.
        log_std_min: f64 = "-10", ANY;
        /// Largest log standard deviation of the policy.
        log_std_max: f64 = "2", ANY;
        /// Weight of the policy's entropy.
        entropy_coef: f64 = "1e-4", NOT_NEGATIVE;
        /// Bins of rewards and values.
        num_bins: usize = "101", Rules::range(2.0, 16_384.0);
        /// The lowest bin, symlog.
        vmin: f64 = "-10", ANY;
        /// The highest bin, symlog.
        vmax: f64 = "10", ANY;
    }
    "architecture" {
        /// Sets enc_dim, mlp_dim, latent_dim, num_enc_layers and num_q; auto: B for a single task, else L.
        model_size: ModelSize = "auto", ANY;
        /// Layers of the encoder.
        num_enc_layers: usize = "3", COUNT.at_most(64.0);
        /// Width of the encoder's hidden layers.
        enc_dim: usize = "1024", WIDTH;
        /// Width of all other hidden layers.
        mlp_dim: usize = "1024", WIDTH;
        /// Width of the latent state.
        latent_dim: usize = "512", WIDTH;
        /// Width of the language input, 0 for none; auto: 0 for a single task, else 512.
        task_dim: usize = "auto", NOT_NEGATIVE.at_most(16_384.0);
        /// Value heads.
        num_q: usize = "5", Rules::range(2.0, 64.0);
        /// Size of the groups that the latent state is normalized in.
        simnorm_dim: usize = "8", COUNT;
        /// Where language inputs come from: hashed-ngrams (no language model), file:PATH (safetensors or JSON by task).
        text_embeddings: TextSource = "hashed-ngrams", ANY;
    }
    "logging" {
        /// Directory of all runs; a run lies in RUNS_DIR/TASK/SEED/EXP_NAME.
        runs_dir: PathBuf = "runs", ANY.free();
        /// Write TensorBoard event files.
        tensorboard: bool = "true", ANY.free();
        /// Environment steps from one line of training metrics to the next; auto: 500 times num_envs.
        log_freq: u64 = "auto", COUNT.free();
        /// Project name at Weights & Biases.
        wandb_project: Option<String> = "none", ANY.ignored(LOCAL);
        /// Account name at Weights & Biases.
        wandb_entity: Option<String> = "none", ANY.ignored(LOCAL);
        /// Send metrics to Weights & Biases.
        enable_wandb: bool = "true", ANY.ignored(LOCAL);
    }
    "misc" {
        /// Where tensors live; auto takes a GPU that answers, and what it took is printed.
        device: DeviceChoice = "auto", ANY.free();
        /// Multiply float32 matrices as TF32, on an NVIDIA GPU: several times faster, 10 bits of mantissa.
        tf32: bool = "false", ANY.free();
        /// Threads of libtorch; auto: one a core.
        torch_threads: Option<usize> = "auto", SOME.free();
        /// Train in several processes.
        multiproc: bool = "false", ANY.only("false", "training in several processes is not built in yet");
        /// Compile the model.
        compile: bool = "true", ANY.ignored("nothing is compiled at run time; the fast kernels are always on");
        /// Width and height of pictures.
        render_size: usize = "224", ANY.only("224", "pictures are 224 x 224, the size that the image encoder takes");
        /// Record videos of evaluations.
        save_video: bool = "false", ANY.only("false", "recording videos is not built in yet; `terrarium watch` shows a run");
        /// Write checkpoints.
        save_agent: bool = "true", ANY.free();
        /// Environment steps from one checkpoint to the next; auto: 5 times eval_freq.
        save_freq: u64 = "auto", COUNT.free();
        /// Directory of demonstrations: TASK.safetensors, as `terrarium rollout record=DIRECTORY` writes them.
        data_dir: Option<PathBuf> = "none", ANY;
        /// Where every random number of the run comes from.
        seed: u64 = "1", ANY;
    }
}

impl TrainConfig {
    /// Every setting with the word for its value, in the table's order.
    pub fn words(&self) -> impl Iterator<Item = (&'static Key, String)> + '_ {
        KEYS.iter().map(|key| (key, (key.get)(self)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference's keys, all of which are accepted verbatim.
    const REFERENCE: &str = "task obs num_envs env_mode checkpoint eval_episodes steps batch_size utd reward_coef \
        value_coef consistency_coef prior_coef rho lr enc_lr_scale grad_clip_norm tau discount_denom discount_min \
        discount_max buffer_size use_demos demo_steps lr_schedule warmup_steps seeding_coef exp_name finetune mpc \
        iterations num_samples num_elites num_pi_trajs horizon min_std max_std temperature constrained_planning \
        constraint_start_step constraint_final_step log_std_min log_std_max entropy_coef num_bins vmin vmax \
        model_size num_enc_layers enc_dim mlp_dim latent_dim task_dim num_q simnorm_dim wandb_project wandb_entity \
        enable_wandb multiproc compile render_size save_video save_agent data_dir seed";

    #[test]
    fn every_key_of_the_reference_is_known() {
        for name in REFERENCE.split_whitespace() {
            assert!(KEYS.iter().any(|key| key.name == name), "{name}");
        }
    }

    #[test]
    fn names_are_unique_and_defaults_read_back() {
        let config = TrainConfig::default();
        for (index, key) in KEYS.iter().enumerate() {
            assert!(KEYS[..index].iter().all(|earlier| earlier.name != key.name), "{}", key.name);
            if key.default != "auto" {
                assert_eq!((key.get)(&config).replace('_', ""), key.default.replace('_', ""), "{}", key.name);
                assert!((key.number)(&config).is_none_or(|number| key.rules.contain(number)), "{}", key.name);
            }
        }
    }

    #[test]
    fn the_default_size_is_the_table_of_sizes_l() {
        let mut sized = TrainConfig::default();
        sized.set_size(ModelSize::L);
        assert_eq!(sized, TrainConfig::default());
    }
}
