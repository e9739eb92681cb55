//! `terrarium tasks`: what this build knows.

use clap::Args;

use crate::task::{Registry, Split, TaskSet};

/// List the tasks this build knows.
#[derive(Args)]
pub(super) struct TasksCommand {
    /// A task, a domain, `soup`, or a comma-separated list of those; everything without it.
    of: Option<String>,
    /// Print JSON instead of a table.
    #[arg(long)]
    json: bool,
}

impl TasksCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let registry = Registry::builtin()?;
        let tasks = match &self.of {
            Some(text) => TaskSet::parse(text, &registry)?.tasks().to_vec(),
            None => registry.tasks().to_vec(),
        };
        if self.json {
            let row = |task: &crate::task::Task| {
                serde_json::json!({
                    "id": task.id, "domain": task.domain.name(), "obs_dim": task.obs_dim, "action_dim": task.action_dim,
                    "episode_length": task.episode_length, "split": task.split, "text": task.text(),
                })
            };
            println!("{}", serde_json::to_string_pretty(&tasks.iter().map(row).collect::<Vec<_>>())?);
            return Ok(());
        }
        println!("{:<32} {:<14} {:>5} {:>5} {:>7}  {:<8} text", "task", "domain", "obs", "act", "steps", "split");
        for task in &tasks {
            let split = if task.split == Split::Train { "train" } else { "held out" };
            println!(
                "{:<32} {:<14} {:>5} {:>5} {:>7}  {:<8} {}",
                task.id,
                task.domain.name(),
                task.obs_dim,
                task.action_dim,
                task.episode_length,
                split,
                task.text()
            );
        }
        Ok(())
    }
}
