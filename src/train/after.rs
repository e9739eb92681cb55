//! What a finished run leaves to look at: curves, and a plan laid beside a rollout.

use std::path::PathBuf;
use std::sync::Arc;

use super::config::TrainConfig;
use super::saved_agent::SavedAgent;
use super::{RunDir, TrainError, play, report, setup};
use crate::sim::Seed;

/// Steps of the plan in the figure, and the step of the episode at which it is made.
const HORIZON: usize = 24;
const FROM: usize = 20;
/// At most so many tasks get a figure of their own.
const FIGURES: usize = 4;

/// Draws the report of the run in `dir`; the paths of its pictures.
///
/// # Errors
///
/// [`TrainError`] when the run has no metrics, no checkpoint to draw plans of, or the pictures cannot be written.
pub fn draw_report(dir: &RunDir) -> Result<Vec<PathBuf>, TrainError> {
    let config = TrainConfig::load(&dir.config())?;
    let mut pictures = report::run_report(dir, &config.task)?;
    let (device, _) = setup::open_device(&config)?;
    let SavedAgent { mut agent, tasks, .. } = match SavedAgent::load(dir.path(), device) {
        Ok(saved) => saved,
        // A run with save_agent=false has no agent to plan with.
        Err(TrainError::NoRun(_)) => return Ok(pictures),
        Err(error) => return Err(error),
    };
    let tasks: Arc<[_]> = tasks.into();
    for (number, task) in tasks.iter().enumerate().take(FIGURES) {
        let seed = Seed::new(config.seed);
        let figure = play::plan_against_rollout(&mut agent, &tasks, number as u16, FROM, HORIZON, seed)?;
        let path = dir.report().join(format!("plan-{}.png", task.id));
        let title = format!("a plan of {HORIZON} steps made at step {FROM}, beside the rollout");
        report::plan_figure(&figure, &title, &path)?;
        pictures.push(path);
    }
    Ok(pictures)
}
