//! Checkpoints of a run: `checkpoints/<step>/` with the model, and beside it all that exact resume needs.
//!
//! A checkpoint is written into a folder of another name and renamed when everything in it is on disk, so a folder
//! named after a step is always whole. The link `last` then moves to it.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::metrics::{EpisodeStatistics, MetricsState};
use crate::env::InstanceState;
use crate::files::{FileError, create_dir_all, read, rename_synced, sync_dir, write_atomic};
use crate::sim::ACTION_DIM;

/// Version of the layout; readers refuse others.
const VERSION: u32 = 1;
/// The folder inside a checkpoint that only resuming needs.
pub(super) const TRAINING_STATE: &str = "training_state";
const RUN_FILE: &str = "run.json";

/// What the simulation's side of a run continues from.
#[derive(Serialize, Deserialize)]
pub(super) struct RunState {
    version: u32,
    run: RunParts,
}

/// The parts of a [`RunState`].
#[derive(Serialize, Deserialize)]
pub(super) struct RunParts {
    /// Environment steps so far.
    pub(super) step: u64,
    /// The group that steps next.
    pub(super) next_group: u8,
    /// Actions already chosen, by group, in the order they came.
    pub(super) pending: Vec<(u8, Vec<[f32; ACTION_DIM]>)>,
    /// Every instance.
    pub(super) instances: Vec<InstanceState>,
    /// Episodes that no line of metrics told yet.
    pub(super) statistics: EpisodeStatistics,
    /// The latest losses.
    pub(super) losses: Vec<(String, f64)>,
    /// Where the metrics stood.
    pub(super) metrics: MetricsState,
}

/// The checkpoints of one run.
pub(super) struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    pub(super) fn new(run: &Path) -> Self {
        Self { folder: run.join("checkpoints") }
    }

    /// An empty folder to write the checkpoint of `step` into; what an interrupted save left is removed.
    pub(super) fn begin(&self, step: u64) -> Result<PathBuf, TrainError> {
        let unfinished = self.folder.join(format!(".unfinished-{step}"));
        remove_folder(&unfinished)?;
        let state = unfinished.join(TRAINING_STATE);
        create_dir_all(&state)?;
        Ok(unfinished)
    }

    /// Makes the folder from [`Checkpoints::begin`] the checkpoint of `step` and the last one.
    pub(super) fn commit(&self, unfinished: &Path, step: u64, parts: RunParts) -> Result<PathBuf, TrainError> {
        let state = RunState { version: VERSION, run: parts };
        let text = serde_json::to_vec(&state).expect("a run's state is plain data");
        write_atomic(&unfinished.join(TRAINING_STATE).join(RUN_FILE), &text)?;
        let whole = self.folder.join(step.to_string());
        sync_dir(&unfinished.join(TRAINING_STATE))?;
        sync_dir(unfinished)?;
        if whole.exists() {
            // The same step saved again (an interrupt right after a save): both hold the same.
            remove_folder(&whole)?;
        }
        rename_synced(unfinished, &whole)?;
        self.point_last_to(step)?;
        self.drop_older_training_states(step)?;
        Ok(whole)
    }

    /// The newest whole checkpoint: what `last` names, else the highest step.
    pub(super) fn last(&self) -> Option<PathBuf> {
        let linked = self.folder.join("last");
        if let Ok(target) = fs::canonicalize(&linked)
            && target.join(TRAINING_STATE).join(RUN_FILE).is_file()
        {
            return Some(target);
        }
        let whole = |path: &PathBuf| path.join(TRAINING_STATE).join(RUN_FILE).is_file();
        self.steps().into_iter().rev().map(|step| self.folder.join(step.to_string())).find(whole)
    }

    /// Reads the simulation's side of a checkpoint.
    pub(super) fn read(checkpoint: &Path) -> Result<RunParts, TrainError> {
        let path = checkpoint.join(TRAINING_STATE).join(RUN_FILE);
        let text = read(&path)?;
        let damaged = |problem: String| TrainError::Checkpoint { problem, path: path.clone() };
        #[derive(Deserialize)]
        struct Stamp {
            version: u32,
        }
        let stamp: Stamp = serde_json::from_slice(&text).map_err(|problem| damaged(problem.to_string()))?;
        if stamp.version != VERSION {
            return Err(damaged(format!("it has version {}, this program reads version {VERSION}", stamp.version)));
        }
        let state: RunState = serde_json::from_slice(&text).map_err(|problem| damaged(problem.to_string()))?;
        Ok(state.run)
    }

    fn steps(&self) -> Vec<u64> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut steps: Vec<u64> =
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        steps.sort_unstable();
        steps
    }

    fn point_last_to(&self, step: u64) -> Result<(), TrainError> {
        let (link, next) = (self.folder.join("last"), self.folder.join(".last"));
        let file_error = |problem| FileError::new("link the last checkpoint", &link, problem);
        if next.symlink_metadata().is_ok() {
            fs::remove_file(&next).map_err(file_error)?;
        }
        std::os::unix::fs::symlink(step.to_string(), &next).map_err(file_error)?;
        Ok(rename_synced(&next, &link)?)
    }

    /// Only the newest two checkpoints can be resumed from; of older ones the model stays.
    fn drop_older_training_states(&self, step: u64) -> Result<(), TrainError> {
        let older: Vec<u64> = self.steps().into_iter().filter(|&other| other < step).collect();
        for other in older.iter().rev().skip(1) {
            remove_folder(&self.folder.join(other.to_string()).join(TRAINING_STATE))?;
        }
        Ok(())
    }
}

fn remove_folder(path: &Path) -> Result<(), TrainError> {
    match fs::remove_dir_all(path) {
        Err(problem) if problem.kind() != std::io::ErrorKind::NotFound => {
            Err(FileError::new("remove the directory", path, problem).into())
        }
        _ => Ok(()),
    }
}
