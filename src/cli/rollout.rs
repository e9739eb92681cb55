//! `terrarium rollout`: episode statistics of a task under a policy.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};

use super::Misuse;
use super::keys::Words;
use crate::data::{DemoEpisode, EpisodeCard, Origin, Recorder};
use crate::env::film::film;
use crate::env::measure::{MeasureConfig, RecordedEpisode, measure, record};
use crate::env::policy::{BatchPolicy, Player, Policy};
use crate::env::statistics::{Sample, Statistics};
use crate::files::{create_dir_all, write_atomic_with};
use crate::sim::{FRAME_SIZE, Seed};
use crate::task::{Registry, Task};

/// What `terrarium rollout --help` says.
const HELP: &str = "\
terrarium rollout task=ID [policy=P] [episodes=N] [seed=S] [record=DIR] [frames=DIR] [--json]

Runs episodes of a task and prints their statistics.

  task=ID        the task; `terrarium tasks` lists them
  policy=P       uniform | zero | file:POLICY.json | checkpoint:DIR            [uniform]
                 a policy file holds one object: {\"kind\": \"linear\", \"W\": [[…]…], \"b\": […]}
  episodes=N     how many                                                     [100]
  seed=S         where every random number comes from                         [1]
  record=DIR     add the episodes to the demonstrations in DIR, for `train use_demos=true data_dir=DIR`
  frames=DIR     write the first episode's pictures, 224x224, to DIR/00000.png and so on: one a control step, from the
                 reset on, 1000 at most
  --json         print one JSON object";

/// Most pictures that are written.
const MOST_FRAMES: usize = 1000;

/// Makes a policy of a checkpoint directory for a task. The program hands it in, since commands know no learner.
pub(super) type OpenCheckpoint<'a> = &'a dyn Fn(&Path, &Task, Seed) -> anyhow::Result<BatchPolicy<'static>>;

/// Where a policy comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
enum PolicySource {
    Uniform,
    Zero,
    File(PathBuf),
    Checkpoint(PathBuf),
}

impl PolicySource {
    fn parse(text: &str) -> Result<Self, Misuse> {
        match text.split_once(':') {
            None if text == "uniform" => Ok(Self::Uniform),
            None if text == "zero" => Ok(Self::Zero),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            Some(("checkpoint", path)) if !path.is_empty() => Ok(Self::Checkpoint(path.into())),
            _ => Err(Misuse(format!(
                "policy={text} makes no sense; write uniform, zero, file:POLICY.json or checkpoint:DIR"
            ))),
        }
    }

    fn open(&self, task: &Task, seed: Seed, open_checkpoint: OpenCheckpoint) -> anyhow::Result<Player<'static>> {
        let policy = match self {
            Self::Uniform => Policy::Uniform,
            Self::Zero => Policy::Zero,
            Self::File(path) => {
                let shown = path.display();
                let text = std::fs::read_to_string(path)
                    .map_err(|problem| Misuse(format!("the policy file cannot be read: {problem}: {shown}")))?;
                Policy::parse(&text, task).map_err(|problem| Misuse(format!("{problem}: {shown}")))?
            }
            Self::Checkpoint(path) => return open_checkpoint(path, task, seed).map(Player::Batch),
        };
        Ok(Player::Beside(policy, seed))
    }
}

/// Runs the command with the words after `rollout`.
///
/// # Errors
///
/// [`Misuse`] for words that make no sense; what went wrong otherwise.
pub(super) fn run(args: &[String], open_checkpoint: OpenCheckpoint) -> anyhow::Result<ExitCode> {
    let keys = ["task", "policy", "episodes", "seed", "record", "frames"];
    let words = Words::parse(args, &keys, &["--json", "--help"])?;
    if words.has("--help") {
        println!("{HELP}");
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(word) = words.plain.first() {
        return Err(Misuse(format!("{word} is no key=value; `terrarium rollout --help` lists the keys")).into());
    }
    let registry = Registry::builtin()?;
    let task = registry.task(&words.require::<String>("task")?).map_err(Misuse::from_error)?;
    let source = PolicySource::parse(&words.get_or("policy", "uniform".to_owned())?)?;
    let seed = Seed::new(words.get_or("seed", 1)?);
    let episodes = words.get_or("episodes", 100)?;
    if episodes == 0 {
        return Err(Misuse("episodes=0 gives no statistics; take at least 1".to_owned()).into());
    }
    if let Some(dir) = words.get::<PathBuf>("frames")? {
        write_frames(&dir, task, source.open(task, seed, open_checkpoint)?.into_batch(task), seed)?;
    }
    let player = source.open(task, seed, open_checkpoint)?;

    let started = Instant::now();
    let config = MeasureConfig::new(episodes, seed);
    let sample = match words.get::<PathBuf>("record")? {
        None => measure(task, &mut [player], config)?.remove(0),
        Some(dir) => {
            let name = words.get_or("policy", "uniform".to_owned())?;
            record_to(&dir, task, &name, player, config)?
        }
    };
    let statistics = sample.statistics();
    let rate = statistics.steps as f64 / started.elapsed().as_secs_f64();
    eprintln!("{}: {} episodes, {} steps, {rate:.0} steps/s", task.id, statistics.episodes, statistics.steps);
    let faults = sample.faults();
    if faults.total() > 0 {
        eprintln!("warning: {} episodes ended in a fault ({faults})", faults.total());
    }
    if sample.bad_actions > 0 {
        eprintln!("warning: {} actions were not finite; zero was taken in their place", sample.bad_actions);
    }
    if words.has("--json") {
        println!("{}", serde_json::to_string(&statistics).context("the statistics cannot be written as JSON")?);
    } else {
        print(&statistics);
    }
    Ok(ExitCode::SUCCESS)
}

/// Plays the first episode and writes its pictures to `dir`.
fn write_frames(dir: &Path, task: &Task, policy: BatchPolicy<'_>, seed: Seed) -> anyhow::Result<()> {
    const SIZE: u32 = FRAME_SIZE as u32;
    create_dir_all(dir)?;
    let mut count = 0;
    film(task, policy, seed, MOST_FRAMES, &mut |rgb| {
        let file = dir.join(format!("{count:05}.png"));
        write_atomic_with(&file, |file| {
            let encoder = PngEncoder::new(file);
            encoder.write_image(rgb, SIZE, SIZE, ExtendedColorType::Rgb8).map_err(std::io::Error::other)
        })?;
        count += 1;
        Ok(())
    })?;
    eprintln!("{}: {count} pictures", dir.display());
    Ok(())
}

/// Runs the episodes and adds them to the dataset at `dir`.
fn record_to(dir: &Path, task: &Task, name: &str, player: Player<'_>, config: MeasureConfig) -> anyhow::Result<Sample> {
    let mut recorder = Recorder::open(dir, &task.id, task.obs_dim, task.action_dim)?;
    let sample = record(task, player, config, &mut |episode| {
        let (seed, instance, number) = episode.origin;
        let card = EpisodeCard {
            rows: episode.rewards.len(),
            episode_return: episode.episode_return,
            score: episode.score,
            success: episode.success,
            source: name.to_owned(),
            origin: Some(Origin { seed: seed.value(), instance, episode: number }),
        };
        let RecordedEpisode { observations, actions, rewards, .. } = episode;
        recorder.write(DemoEpisode { observations, actions, rewards, card })?;
        Ok(())
    })?;
    let (path, all) = recorder.put_together()?;
    eprintln!("{}: {} episodes, {} rows", path.display(), all.episodes().len(), all.rows());
    Ok(sample)
}

fn print(statistics: &Statistics) {
    let Statistics { return_quantiles: q, .. } = statistics;
    println!("return   {:.4} ± {:.4}", statistics.return_mean, statistics.return_std);
    println!(
        "         min {:.3}  10% {:.3}  25% {:.3}  median {:.3}  75% {:.3}  90% {:.3}  max {:.3}",
        q[0], q[1], q[2], q[3], q[4], q[5], q[6]
    );
    println!("score    {:.4} ± {:.4}", statistics.score_mean, statistics.score_std);
    println!("success  {:.4}", statistics.success_mean);
    println!("entry      mean        std        min        max   at resets: mean        std");
    for i in 0..statistics.obs_mean.len() {
        println!(
            "{i:5} {:10.5} {:10.5} {:10.5} {:10.5}        {:10.5} {:10.5}",
            statistics.obs_mean[i],
            statistics.obs_std[i],
            statistics.obs_min[i],
            statistics.obs_max[i],
            statistics.reset_mean[i],
            statistics.reset_std[i],
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::keys;
    use super::*;

    fn no_checkpoint(_: &Path, _: &Task, _: Seed) -> anyhow::Result<BatchPolicy<'static>> {
        anyhow::bail!("no learner here")
    }

    fn misuse(text: &str) -> String {
        keys::misuse(text, |args| run(args, &no_checkpoint))
    }

    #[test]
    fn misuse_is_one_clear_sentence() {
        assert!(misuse("task=pygame-pon").contains("pygame-pong"));
        assert!(misuse("policy=uniform").contains("task is missing"));
        assert!(misuse("task=pygame-pong policy=best").contains("uniform, zero, file:"));
        assert!(misuse("task=pygame-pong policy=file:").contains("uniform, zero, file:"));
        assert!(misuse("task=pygame-pong policy=file:nowhere.json").contains("nowhere.json"));
        assert!(misuse("task=pygame-pong episodes=0").contains("at least 1"));
        assert!(misuse("task=pygame-pong episode=2").contains("did you mean episodes?"));
        assert!(misuse("pygame-pong").contains("key=value"));
    }

    #[test]
    fn a_checkpoint_is_opened_by_the_program() {
        let args = ["task=pygame-pong", "policy=checkpoint:runs/x"].map(str::to_owned);
        let error = run(&args, &no_checkpoint).expect_err("no learner");
        assert_eq!(error.to_string(), "no learner here");
    }
}
