//! `terrarium eval`: scores of a trained agent.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::env::policy::BatchPolicy;
use crate::sim::Seed;
use crate::task::Task;

/// Score a trained agent.
#[derive(Args)]
pub(super) struct EvalCommand {
    /// A checkpoint, or a run, whose last checkpoint is taken.
    checkpoint: PathBuf,
    /// Episodes of each task.
    #[arg(long, default_value_t = 20)]
    episodes: usize,
    /// Only this task (or comma-separated list) of those that the agent knows.
    #[arg(long)]
    task: Option<String>,
    /// Seed of the episodes and of the planner.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where tensors live: auto, cpu, cuda, cuda:N.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

#[cfg(not(feature = "learn"))]
impl EvalCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let _ = (self.checkpoint, self.episodes, self.task, self.seed, self.device, self.json);
        Err(super::absent("eval", "learn"))
    }
}

#[cfg(feature = "learn")]
impl EvalCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        use crate::newt::DeviceChoice;
        use crate::train::{SavedAgent, play, report};

        let device: DeviceChoice = self.device.parse().map_err(super::Misuse::from_error)?;
        if self.episodes == 0 {
            return Err(super::Misuse("--episodes 0 gives no score; take at least 1".to_owned()).into());
        }
        let (device, name) = device.open()?;
        let mut saved = SavedAgent::load(&super::existing(self.checkpoint)?, device)?;
        eprintln!("{name}; checkpoint {} of step {}", saved.checkpoint.display(), saved.step);
        let numbers: Vec<u16> = match &self.task {
            None => (0..saved.tasks.len() as u16).collect(),
            Some(list) => list.split(',').map(|id| saved.number(id)).collect::<Result<_, _>>()?,
        };
        let tasks = saved.tasks.into();
        let statistics = play::play(&mut saved.agent, &tasks, &numbers, self.episodes, Seed::new(self.seed))?;
        if self.json {
            let summaries: Vec<_> = statistics.summaries().into_iter().filter(|summary| summary.episodes > 0).collect();
            println!("{}", serde_json::to_string_pretty(&summaries)?);
        } else {
            println!("{}", report::score_table(&statistics));
        }
        Ok(())
    }
}

#[cfg(not(feature = "learn"))]
pub(super) fn checkpoint_policy(_: &Path, _: &Task, _: Seed) -> anyhow::Result<BatchPolicy<'static>> {
    Err(super::absent("rollout policy=checkpoint:DIR", "learn"))
}

/// The trained agent at `path` as a policy for one of its tasks, planning without exploration.
#[cfg(feature = "learn")]
pub(super) fn checkpoint_policy(path: &Path, task: &Task, seed: Seed) -> anyhow::Result<BatchPolicy<'static>> {
    use crate::newt::DeviceChoice;
    use crate::train::{SavedAgent, play};

    let (device, name) = DeviceChoice::Auto.open()?;
    let saved = SavedAgent::load(&super::existing(path.to_owned())?, device)?;
    eprintln!("{name}; checkpoint {} of step {}", saved.checkpoint.display(), saved.step);
    let number = saved.number(&task.id)?;
    Ok(play::policy(saved.agent, usize::from(number), seed))
}
