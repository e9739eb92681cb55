//! The demonstrations of a run: read once when it starts, kept beside its checkpoints.

use super::config::TrainConfig;
use super::{RunDir, TrainError};
use crate::data::{Demonstrations, Replay};
use crate::task::Task;

/// What a run learns from before it acts, and along the way.
pub(super) struct RunDemos {
    /// Every window of every demonstration.
    pub(super) replay: Replay,
    /// One sentence about what there is.
    pub(super) note: String,
}

impl RunDemos {
    /// Reads the demonstrations of `tasks` from the run's `data_dir` into a buffer like `online`, and into `online`
    /// itself as the rows of one more environment.
    ///
    /// # Errors
    ///
    /// [`TrainError`] when there are none, or a file cannot be used.
    ///
    /// # Panics
    ///
    /// When the settings name no `data_dir`; they are checked before.
    pub(super) fn load(config: &TrainConfig, tasks: &[Task], online: &mut Replay) -> Result<Self, TrainError> {
        let dir = config.data_dir.as_deref().expect("settings with use_demos=true name a data_dir");
        if !dir.is_dir() {
            return Err(TrainError::Demonstrations(format!("data_dir={} is no directory", dir.display())));
        }
        let of_task = |task: &Task| Demonstrations::load(dir, &task.id, task.obs_dim, task.action_dim);
        let found: Vec<Demonstrations> = tasks.iter().map(of_task).collect::<Result<_, _>>()?;
        let rows = found.iter().map(Demonstrations::rows).sum::<usize>();
        let mut replay =
            Replay::new(rows.max(config.horizon + 1), config.horizon, online.obs_dim(), online.action_dim());
        for (number, demos) in (0..).zip(&found) {
            demos.replay_into(&mut replay, 0, number);
            demos.replay_into(online, config.num_envs, number);
        }
        if replay.windows() == 0 {
            let names: Vec<&str> = tasks.iter().map(|task| task.id.as_str()).collect();
            return Err(TrainError::Demonstrations(format!(
                "data_dir={} holds no demonstrations of {} that are longer than horizon={}",
                dir.display(),
                names.join(", "),
                config.horizon
            )));
        }
        Ok(Self { replay, note: note(tasks, &found) })
    }

    /// Keeps the demonstrations in the run's directory, so that it goes on with the same ones whatever becomes of the
    /// dataset.
    ///
    /// # Errors
    ///
    /// [`TrainError::Replay`] when they cannot be written.
    pub(super) fn keep(replay: &Replay, run: &RunDir) -> Result<(), TrainError> {
        Ok(replay.save(&run.demonstrations())?)
    }

    /// Reads what [`RunDemos::keep`] wrote.
    ///
    /// # Errors
    ///
    /// [`TrainError::CannotGoOn`] when that cannot be read.
    pub(super) fn kept(run: &RunDir) -> Result<Replay, TrainError> {
        Replay::load(&run.demonstrations()).map_err(|problem| TrainError::CannotGoOn(problem.to_string()))
    }
}

/// Episodes, steps and mean score, and which tasks have none.
fn note(tasks: &[Task], found: &[Demonstrations]) -> String {
    let cards: Vec<_> = found.iter().flat_map(Demonstrations::episodes).collect();
    let steps: usize = cards.iter().map(|card| card.rows.saturating_sub(1)).sum();
    let score = cards.iter().map(|card| card.score).sum::<f64>() / cards.len().max(1) as f64;
    let mut note = format!("demonstrations: {} episodes, {steps} steps, mean score {score:.2}", cards.len());
    let without: Vec<&str> =
        tasks.iter().zip(found).filter(|(_, demos)| demos.rows() == 0).map(|(task, _)| task.id.as_str()).collect();
    if !without.is_empty() {
        note.push_str(&format!("; none of {}", without.join(", ")));
    }
    note
}
