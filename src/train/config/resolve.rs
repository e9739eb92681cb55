//! From words to settings: what was typed, laid over the preset, laid over what the tasks suggest.

use super::keys::{KEYS, Key, Support, TrainConfig};
use super::{ConfigError, LrSchedule, Preset};
use crate::encode::TextSource;
use crate::newt::{DeviceChoice, ModelConfig, ModelSize};
use crate::task::{Domain, TaskSet};

/// The run length that the reference's absolute marks are made for, environment steps.
const REFERENCE_STEPS: u64 = 100_000_000;

/// Values of `preset=laptop`: for 2 CPU cores.
const LAPTOP: &[(&str, &str)] = &[
    ("model_size", "S"),
    ("enc_dim", "128"),
    ("mlp_dim", "128"),
    ("latent_dim", "128"),
    ("num_enc_layers", "2"),
    ("num_q", "2"),
    ("steps", "30_000"),
    ("num_envs", "10"),
    ("seeding_coef", "1"),
    ("batch_size", "256"),
    ("utd", "0.25"),
    ("lr", "0.001"),
    ("num_samples", "128"),
    ("num_elites", "16"),
    ("num_pi_trajs", "8"),
    ("iterations", "4"),
    ("eval_freq", "10_000"),
    ("log_freq", "1_000"),
    ("save_freq", "10_000"),
    ("buffer_size", "1_000_000"),
    ("demo_steps", "4_000"),
    ("warmup_steps", "500"),
    // One thread is as fast as two on networks of this size, and results do not depend on the number of cores.
    ("torch_threads", "1"),
];

/// What a single task suggests.
const SINGLE: &[(&str, &str)] = &[("model_size", "B"), ("task_dim", "0"), ("num_envs", "10")];
/// What several tasks suggest.
const SEVERAL: &[(&str, &str)] = &[("model_size", "L"), ("task_dim", "512")];
/// What carrying a multitask model on to a new task suggests.
const FINETUNE: &[(&str, &str)] =
    &[("model_size", "L"), ("task_dim", "512"), ("num_envs", "10"), ("steps", "100_000"), ("seeding_coef", "0")];

impl Preset {
    /// The keys that this preset sets, as words.
    pub fn words(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Reference => &[],
            Self::Laptop => LAPTOP,
        }
    }
}

/// What was typed: each word names a known key once and holds a value of its type, range and support.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrainArgs {
    typed: Vec<(usize, String)>,
}

impl TrainArgs {
    /// Reads `key=value` words. Nothing else is looked at: no file, no task.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first word that is wrong by itself.
    pub fn parse<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Result<Self, ConfigError> {
        let mut typed: Vec<(usize, String)> = Vec::new();
        let mut scratch = TrainConfig::default();
        for word in words {
            let word = word.as_ref();
            let Some((name, value)) = word.split_once('=') else {
                return Err(ConfigError::NotKeyValue { word: word.to_owned() });
            };
            let index = find_key(name.trim())?;
            let key = &KEYS[index];
            if typed.iter().any(|(earlier, _)| *earlier == index) {
                return Err(ConfigError::Repeated { key: key.name });
            }
            if value == "auto" && key.default == "auto" {
                continue;
            }
            key.assign(&mut scratch, value)?;
            key.check(&scratch)?;
            typed.push((index, value.to_owned()));
        }
        Ok(Self { typed })
    }

    /// The tasks asked for, as typed: see [`TaskSet::parse_for_training`].
    pub fn task(&self) -> &str {
        self.word("task").unwrap_or("soup")
    }

    /// The word typed for a key.
    pub fn word(&self, name: &str) -> Option<&str> {
        self.typed.iter().find(|(index, _)| KEYS[*index].name == name).map(|(_, word)| word.as_str())
    }

    /// What these words mean for a new run on `tasks`.
    ///
    /// Later layers win: the table's defaults, what the tasks suggest, the preset, the words. In each, `model_size` comes
    /// first and the widths that stand beside it on top.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for values out of range, unsupported or contradicting each other.
    pub fn resolve(&self, tasks: &TaskSet) -> Result<TrainConfig, ConfigError> {
        let mut config = TrainConfig::default();
        let mut set = vec![false; KEYS.len()];
        let typed: Vec<(&str, &str)> =
            self.typed.iter().map(|(index, word)| (KEYS[*index].name, word.as_str())).collect();
        let finetune = self.word("finetune").is_some_and(|word| word.eq_ignore_ascii_case("true"));
        let preset = typed.iter().copied().filter(|(name, _)| *name == "preset");
        apply(&mut config, &mut set, preset)?;
        let suggested = match (finetune, tasks.is_single()) {
            (true, _) => FINETUNE,
            (false, true) => SINGLE,
            (false, false) => SEVERAL,
        };
        apply(&mut config, &mut vec![false; KEYS.len()], suggested.iter().copied())?;
        let preset = config.preset.words().iter().copied();
        // A preset's number of environments is for one task.
        apply(&mut config, &mut set, preset.filter(|(name, _)| tasks.is_single() || *name != "num_envs"))?;
        apply(&mut config, &mut set, typed.iter().copied())?;

        let unset = |name: &str| !set[key_index(name)];
        config.task = self.task().to_owned();
        if unset("num_envs") && !tasks.is_single() {
            config.num_envs = tasks.tasks().len();
        }
        if unset("use_demos") {
            config.use_demos = !tasks.is_single() && !config.finetune && config.data_dir.is_some();
        }
        if unset("demo_steps") {
            config.demo_steps = 200_000;
        }
        if self.word("demo_steps").is_none() && config.checkpoint.is_some() {
            config.demo_steps = 0;
        }
        if unset("lr_schedule") {
            let warmup = config.use_demos && config.checkpoint.is_none();
            config.lr_schedule = if warmup { LrSchedule::Warmup } else { LrSchedule::Constant };
        }
        let scaled = |mark: u64| (u128::from(mark) * u128::from(config.steps) / u128::from(REFERENCE_STEPS)) as u64;
        if unset("constraint_start_step") {
            config.constraint_start_step = scaled(2_000_000);
        }
        if unset("constraint_final_step") {
            config.constraint_final_step = scaled(10_000_000).max(1);
        }
        if unset("eval_freq") {
            config.eval_freq = (config.num_envs as u64).saturating_mul(20 * 500);
        }
        if unset("save_freq") {
            config.save_freq = config.eval_freq.saturating_mul(5);
        }
        if unset("log_freq") {
            config.log_freq = (config.num_envs as u64).saturating_mul(500);
        }
        config.check(tasks.tasks().len())?;
        match tasks.tasks().iter().find(|task| config.horizon > task.episode_length as usize) {
            Some(task) => Err(ConfigError::Conflict(format!(
                "horizon={} is longer than an episode of {}, {} steps: no window would fit",
                config.horizon, task.id, task.episode_length
            ))),
            None => Ok(config),
        }
    }

    /// What these words mean for a run that was started with `saved`: its settings, with the typed ones that may change.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Differs`] naming every typed setting that may not change on the way.
    pub fn resume(&self, saved: &TrainConfig, n_tasks: usize) -> Result<TrainConfig, ConfigError> {
        let mut config = saved.clone();
        for (index, word) in &self.typed {
            KEYS[*index].assign(&mut config, word)?;
        }
        let differing: Vec<String> =
            config.differences(saved).into_iter().filter(|(key, _)| !key.rules.free).map(|(_, words)| words).collect();
        if !differing.is_empty() {
            return Err(ConfigError::Differs(differing));
        }
        config.check(n_tasks)?;
        Ok(config)
    }

    /// What a user should be told once about these words and `config`, one sentence each.
    pub fn notes(&self, config: &TrainConfig, tasks: &TaskSet) -> Vec<String> {
        let mut notes = Vec::new();
        if self.task() == "soup" {
            let absent =
                Domain::ALL.into_iter().filter(|&domain| tasks.tasks().iter().all(|task| task.domain != domain));
            let absent: Vec<&str> = absent.map(Domain::name).collect();
            if !absent.is_empty() {
                let (found, absent) = (tasks.tasks().len(), absent.join(", "));
                notes.push(format!("soup: {found} of the 200 tasks; not in this build yet: {absent}"));
            }
        }
        for (index, word) in &self.typed {
            let key = &KEYS[*index];
            // Switching off what is not there needs no comment.
            if let Support::Ignored(why) = key.rules.support
                && word != "false"
            {
                notes.push(format!("{}={word} changes nothing: {why}", key.name));
            }
        }
        if config.task_dim > 0 {
            notes.push(match &config.text_embeddings {
                TextSource::HashedNgrams => {
                    "language inputs come from hashed n-grams of each task's text, not from a language model".to_owned()
                }
                TextSource::File(path) => format!("language inputs come from {}", path.display()),
            });
        }
        if !config.use_demos && config.task_dim > 0 && config.data_dir.is_none() && !config.finetune {
            notes.push("no data_dir is given: this run learns without demonstrations".to_owned());
        }
        notes
    }
}

/// Sets keys from words; `model_size` goes first, so that widths beside it come on top.
fn apply<'a>(
    config: &mut TrainConfig,
    set: &mut [bool],
    words: impl Iterator<Item = (&'a str, &'a str)> + Clone,
) -> Result<(), ConfigError> {
    if let Some((_, word)) = words.clone().find(|(name, _)| *name == "model_size") {
        KEYS[key_index("model_size")].assign(config, word)?;
        config.set_size(config.model_size);
    }
    for (name, word) in words {
        let index = key_index(name);
        KEYS[index].assign(config, word)?;
        set[index] = true;
    }
    Ok(())
}

fn key_index(name: &str) -> usize {
    KEYS.iter().position(|key| key.name == name).expect("our own tables name known keys")
}

fn find_key(name: &str) -> Result<usize, ConfigError> {
    KEYS.iter().position(|key| key.name == name).ok_or_else(|| {
        let nearest =
            KEYS.iter().map(|key| (strsim::jaro_winkler(name, key.name), key.name)).max_by(|a, b| a.0.total_cmp(&b.0));
        let hint = match nearest {
            Some((likeness, nearest)) if likeness > 0.7 => format!("did you mean {nearest}?"),
            _ => "`terrarium train --help` lists them".to_owned(),
        };
        ConfigError::Unknown { key: name.to_owned(), hint }
    })
}

impl Key {
    fn assign(&self, config: &mut TrainConfig, word: &str) -> Result<(), ConfigError> {
        (self.set)(config, word).ok_or_else(|| ConfigError::IllTyped {
            key: self.name,
            word: word.to_owned(),
            expected: (self.expects)(),
        })
    }

    /// Holds a setting against its range and support.
    fn check(&self, config: &TrainConfig) -> Result<(), ConfigError> {
        let value = (self.get)(config);
        if (self.number)(config).is_some_and(|number| !self.rules.contain(number)) {
            return Err(ConfigError::OutOfRange { key: self.name, value, range: self.rules.to_string() });
        }
        match self.rules.support {
            Support::Only(supported, why) if value != supported => {
                Err(ConfigError::Unsupported { key: self.name, value, why, supported })
            }
            _ => Ok(()),
        }
    }
}

impl TrainConfig {
    pub(super) fn set_size(&mut self, size: ModelSize) {
        let mut model = ModelConfig::default();
        size.apply(&mut model);
        self.enc_dim = model.enc_dim as usize;
        self.mlp_dim = model.mlp_dim as usize;
        self.latent_dim = model.latent_dim as usize;
        self.num_enc_layers = model.num_enc_layers as usize;
        self.num_q = model.num_q as usize;
    }

    /// The settings that are not what they were in `earlier`, with words such as `lr was 0.001, now 3e-4`.
    pub fn differences(&self, earlier: &Self) -> Vec<(&'static Key, String)> {
        let changed = |key: &'static Key| {
            let (now, before) = ((key.get)(self), (key.get)(earlier));
            (now != before).then(|| (key, format!("{} was {before}, now {now}", key.name)))
        };
        KEYS.iter().filter_map(changed).collect()
    }

    /// Holds every setting against its range, and settings against each other.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for the first that does not hold.
    pub fn check(&self, n_tasks: usize) -> Result<(), ConfigError> {
        for key in KEYS {
            key.check(self)?;
        }
        let rules: [(bool, String); 16] = [
            (self.min_std < self.max_std, format!("min_std={} must be below max_std={}", self.min_std, self.max_std)),
            (
                self.log_std_min < self.log_std_max,
                format!("log_std_min={} must be below log_std_max={}", self.log_std_min, self.log_std_max),
            ),
            (self.vmin < self.vmax, format!("vmin={} must be below vmax={}", self.vmin, self.vmax)),
            (
                self.discount_min <= self.discount_max,
                format!("discount_min={} must not be above discount_max={}", self.discount_min, self.discount_max),
            ),
            (
                self.num_elites <= self.num_samples,
                format!("num_elites={} must not be above num_samples={}", self.num_elites, self.num_samples),
            ),
            (
                self.num_pi_trajs <= self.num_samples,
                format!("num_pi_trajs={} must not be above num_samples={}", self.num_pi_trajs, self.num_samples),
            ),
            (
                self.latent_dim.is_multiple_of(self.simnorm_dim),
                format!("latent_dim={} must be a multiple of simnorm_dim={}", self.latent_dim, self.simnorm_dim),
            ),
            (
                self.buffer_size > self.horizon,
                format!("buffer_size={} must be above horizon={}: a window must fit", self.buffer_size, self.horizon),
            ),
            (
                self.num_envs >= n_tasks,
                format!("num_envs={} leaves tasks without an environment: there are {n_tasks} tasks", self.num_envs),
            ),
            (
                !self.use_demos || self.data_dir.is_some(),
                "use_demos=true needs to know where demonstrations lie: add data_dir=DIRECTORY, or use_demos=false"
                    .to_owned(),
            ),
            (
                !self.finetune || n_tasks == 1,
                format!("finetune=true is for a single new task, and there are {n_tasks}: choose one with task=ID"),
            ),
            (
                !self.finetune || self.checkpoint.is_some(),
                "finetune=true needs a model to carry on from: add checkpoint=DIRECTORY".to_owned(),
            ),
            (
                !(self.finetune && self.use_demos),
                "finetune=true learns a new task without demonstrations: use use_demos=false".to_owned(),
            ),
            (
                !self.use_demos || self.batch_size >= 2,
                "batch_size=1 cannot be half demonstrations: use batch_size=2 or more, or use_demos=false".to_owned(),
            ),
            (
                !(self.tf32 && self.device == DeviceChoice::Cpu),
                "tf32=true has no meaning with device=cpu: TF32 is a number format of NVIDIA GPUs".to_owned(),
            ),
            (
                is_file_name(&self.exp_name),
                format!("exp_name={:?} must be usable as the name of a directory", self.exp_name),
            ),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, sentence)) => Err(ConfigError::Conflict(sentence)),
            None => Ok(()),
        }
    }
}

fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', '\0']) && name.len() <= 200
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::Registry;

    fn set(task: &str) -> TaskSet {
        TaskSet::parse(task, &Registry::builtin().expect("tables parse")).expect("known task")
    }

    fn resolve(words: &str) -> Result<TrainConfig, ConfigError> {
        let args = TrainArgs::parse(words.split_whitespace())?;
        args.resolve(&set(args.task()))
    }

    fn refusal(words: &str) -> String {
        resolve(words).expect_err(words).to_string()
    }

    #[test]
    fn a_single_task_is_small_and_without_language() {
        let config = resolve("task=pygame-pong").expect("resolves");
        assert_eq!((config.model_size, config.task_dim, config.num_envs), (ModelSize::B, 0, 10));
        assert_eq!((config.enc_dim, config.mlp_dim, config.num_enc_layers), (256, 512, 2));
        assert!(!config.use_demos);
        assert_eq!(config.lr_schedule, LrSchedule::Constant);
        assert_eq!((config.eval_freq, config.save_freq, config.log_freq), (100_000, 500_000, 5_000));
        assert_eq!((config.constraint_start_step, config.constraint_final_step), (2_000_000, 10_000_000));
    }

    #[test]
    fn several_tasks_get_language_and_an_environment_each() {
        let config = resolve("task=pygame-pong,pygame-cowboy,pygame-coinrun").expect("resolves");
        assert_eq!((config.model_size, config.task_dim, config.num_envs), (ModelSize::L, 512, 3));
        assert!(!config.use_demos);
        let config = resolve("task=soup data_dir=demos").expect("resolves");
        assert!(config.use_demos);
        assert_eq!(config.lr_schedule, LrSchedule::Warmup);
        let config = resolve("task=soup data_dir=demos checkpoint=there").expect("resolves");
        assert_eq!(config.lr_schedule, LrSchedule::Constant);
    }

    #[test]
    fn pretraining_is_for_runs_without_a_checkpoint() {
        let steps = |words: &str| resolve(&format!("task=pygame-pong {words}")).expect("resolves").demo_steps;
        assert_eq!(steps("use_demos=true data_dir=demos"), 200_000);
        assert_eq!(steps("use_demos=true data_dir=demos checkpoint=there"), 0);
        assert_eq!(steps("use_demos=true data_dir=demos checkpoint=there preset=laptop"), 0);
        assert_eq!(steps("use_demos=true data_dir=demos checkpoint=there demo_steps=7"), 7);
    }

    #[test]
    fn marks_scale_with_the_run_unless_typed() {
        let config = resolve("task=pygame-pong steps=50_000").expect("resolves");
        assert_eq!((config.constraint_start_step, config.constraint_final_step), (1_000, 5_000));
        let config = resolve("task=pygame-pong steps=50_000 constraint_start_step=7").expect("resolves");
        assert_eq!((config.constraint_start_step, config.constraint_final_step), (7, 5_000));
        assert_eq!(resolve("task=pygame-pong steps=0").expect("resolves").constraint_final_step, 1);
    }

    #[test]
    fn typed_widths_win_over_a_size_and_a_typed_size_over_a_preset() {
        for words in ["model_size=XL mlp_dim=64", "mlp_dim=64 model_size=XL", "mlp_dim=64 preset=laptop model_size=XL"]
        {
            let config = resolve(&format!("task=pygame-pong {words}")).expect("resolves");
            assert_eq!(
                (config.enc_dim, config.mlp_dim, config.latent_dim, config.num_q),
                (2048, 64, 704, 7),
                "{words}"
            );
        }
    }

    #[test]
    fn a_preset_gives_way_to_typed_keys() {
        let config = resolve("preset=laptop task=pygame-pong batch_size=96").expect("resolves");
        assert_eq!(config.batch_size, 96);
        for (name, word) in Preset::Laptop.words().iter().filter(|(name, _)| *name != "batch_size") {
            let shown = (KEYS[key_index(name)].get)(&config);
            assert_eq!(shown.replace('_', ""), word.replace('_', ""), "{name}");
        }
        assert_eq!(resolve("task=pygame-pong,pygame-cowboy preset=laptop").expect("resolves").num_envs, 2);
    }

    #[test]
    fn a_typed_auto_is_as_if_not_typed() {
        let plain = resolve("task=pygame-pong").expect("resolves");
        let words = "task=pygame-pong num_envs=auto model_size=auto eval_freq=auto threads=auto use_demos=auto";
        assert_eq!(resolve(words).expect("resolves"), plain);
        assert!(refusal("task=pygame-pong batch_size=auto").contains("whole number"));
    }

    #[test]
    fn wrong_words_are_refused_by_name() {
        for (words, parts) in [
            ("batchsize=3", &["batchsize", "batch_size"][..]),
            ("qqqqqq=3", &["qqqqqq", "--help"]),
            ("batch_size", &["key=value"]),
            ("seed=1 seed=2", &["seed", "twice"]),
            ("batch_size=many", &["batch_size", "many", "whole number"]),
            ("batch_size=1.5", &["batch_size", "whole number"]),
            ("batch_size=0", &["batch_size=0", "from 1 to 65536"]),
            ("lr=-1", &["lr=-1", "above 0"]),
            ("tau=2", &["tau=2", "from 0 to 1"]),
            ("mpc=yes", &["mpc", "true or false"]),
            ("model_size=M", &["model_size", "S, B, L, XL"]),
            ("device=gpu", &["device", "cuda:N"]),
            ("obs=rgb", &["obs=rgb", "obs=state"]),
            ("multiproc=true", &["multiproc=true", "multiproc=false"]),
            ("num_envs=0", &["num_envs=0", "from 1 to 65536"]),
            ("task=pygame-pong min_std=3", &["min_std=3", "max_std=2"]),
            ("task=pygame-pong num_elites=600", &["num_elites=600", "num_samples=512"]),
            ("task=pygame-pong latent_dim=100", &["latent_dim=100", "simnorm_dim=8"]),
            ("task=pygame-pong,pygame-cowboy num_envs=1", &["num_envs=1", "2 tasks"]),
            ("task=pygame-pong use_demos=true", &["data_dir"]),
            ("task=pygame-pong finetune=true", &["checkpoint"]),
            ("task=pygame-pong exp_name=../x", &["exp_name"]),
            ("buffer_size=5_000_000_000", &["buffer_size=5", "to 4294967294"]),
            ("latent_dim=8_000_000_000", &["latent_dim", "to 16384"]),
            ("task=pygame-pong horizon=2_000", &["horizon=2000", "an episode of pygame-pong"]),
            ("task=pygame-pong tf32=true device=cpu", &["tf32=true", "NVIDIA"]),
            ("task=pygame-pong finetune=true checkpoint=x use_demos=true data_dir=y", &["finetune", "use_demos=false"]),
            ("task=pygame-pong text_embeddings=clip", &["text_embeddings", "hashed-ngrams"]),
        ] {
            let message = refusal(words);
            assert!(parts.iter().all(|part| message.contains(part)), "{words}: {message}");
            assert!(!message.contains('\n'), "{words}: {message}");
        }
    }

    #[test]
    fn finetuning_carries_a_multitask_model_on() {
        let config = resolve("task=pygame-pong finetune=true checkpoint=there").expect("resolves");
        assert_eq!((config.model_size, config.task_dim, config.seeding_coef), (ModelSize::L, 512, 0));
        assert_eq!((config.steps, config.use_demos), (100_000, false));
    }

    #[test]
    fn keys_of_other_set_ups_are_taken_with_a_note() {
        let args = TrainArgs::parse(["task=pygame-pong", "wandb_project=x", "compile=true", "enable_wandb=false"]);
        let args = args.expect("accepted");
        let notes = args.notes(&resolve("task=pygame-pong").expect("resolves"), &set("pygame-pong"));
        assert_eq!(notes.len(), 2, "{notes:?}");
        assert!(notes[0].contains("wandb_project=x") && notes[0].contains("metrics.jsonl"), "{notes:?}");
    }

    #[test]
    fn the_source_of_language_inputs_is_told() {
        let notes = |task: &str| {
            let args = TrainArgs::parse([format!("task={task}").as_str()]).expect("a known key");
            args.notes(&args.resolve(&set(task)).expect("resolves"), &set(task))
        };
        let soup = notes("soup");
        assert!(soup.iter().any(|note| note.contains("of the 200 tasks") && note.contains("atari")), "{soup:?}");
        assert!(soup.iter().any(|note| note.contains("hashed n-grams")), "{soup:?}");
        assert!(notes("pygame-pong").is_empty());
    }

    #[test]
    fn a_resumed_run_keeps_its_settings_and_names_what_differs() {
        let saved = resolve("task=pygame-pong preset=laptop seed=3 lr=1e-3").expect("resolves");
        let resume = |words: &str| TrainArgs::parse(words.split_whitespace()).expect("words").resume(&saved, 1);
        assert_eq!(resume("task=pygame-pong preset=laptop seed=3").expect("same"), saved);
        let longer = resume("steps=60_000 device=cpu").expect("free keys");
        assert_eq!((longer.steps, longer.device, longer.lr), (60_000, DeviceChoice::Cpu, 1e-3));
        let message = resume("lr=3e-4 batch_size=8 seed=3").expect_err("differs").to_string();
        assert!(
            message.contains("lr was 0.001, now 3e-4") && message.contains("batch_size was 256, now 8"),
            "{message}"
        );
        assert!(!message.contains("seed"), "{message}");
    }
}
