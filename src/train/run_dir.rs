//! Where the files of a run lie: `runs/<task>/<seed>/<exp_name>/`.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::config::TrainConfig;
use crate::files::{self, FileError};

/// Longest directory name made from a list of tasks; longer ones are cut and made unique by a hash.
const MAX_NAME: usize = 100;

/// The directory of a run and the names in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// The directory of the run with these settings; nothing is created.
    pub fn of(config: &TrainConfig) -> Self {
        let task = directory_name(&config.task);
        Self(config.runs_dir.join(task).join(config.seed.to_string()).join(&config.exp_name))
    }

    /// A run's directory, given by path.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Creates the directory as far as it is missing.
    ///
    /// # Errors
    ///
    /// [`FileError`] when that cannot be done.
    pub fn create(&self) -> Result<(), FileError> {
        files::create_dir_all(&self.0)
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// All settings, resolved.
    pub fn config(&self) -> PathBuf {
        self.0.join("config.ron")
    }

    /// Held by the process that trains the run.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// One JSON object for each line of metrics.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    /// One row for each evaluation.
    pub fn results(&self) -> PathBuf {
        self.0.join("results.csv")
    }

    /// Directories named by environment step, and a link `last`.
    pub fn checkpoints(&self) -> PathBuf {
        self.0.join("checkpoints")
    }

    /// The demonstrations that the run was started with.
    pub fn demonstrations(&self) -> PathBuf {
        self.0.join("demonstrations.bin")
    }

    /// Pictures.
    pub fn report(&self) -> PathBuf {
        self.0.join("report")
    }

    /// Videos.
    pub fn videos(&self) -> PathBuf {
        self.0.join("videos")
    }
}

/// A directory name for a set of tasks as typed: lists are joined by `+`.
fn directory_name(task: &str) -> String {
    let names: Vec<&str> = task.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let name = names.join("+").replace(['/', '\\'], "_");
    if name.len() <= MAX_NAME {
        return name;
    }
    let hash = Sha256::digest(name.as_bytes());
    let cut: String = name.chars().take(MAX_NAME - 9).collect();
    format!("{cut}-{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_its_own_directory() {
        let config = TrainConfig { task: "pygame-pong".into(), seed: 7, exp_name: "wide".into(), ..Default::default() };
        assert_eq!(RunDir::of(&config).path(), Path::new("runs/pygame-pong/7/wide"));
        assert_eq!(RunDir::of(&config).metrics(), Path::new("runs/pygame-pong/7/wide/metrics.jsonl"));
    }

    #[test]
    fn long_lists_of_tasks_stay_names_and_stay_apart() {
        let list: Vec<String> = (0..100).map(|index| format!("task-{index}")).collect();
        let (all, fewer) = (directory_name(&list.join(", ")), directory_name(&list[..99].join(",")));
        assert!(all.len() <= MAX_NAME && all.starts_with("task-0+task-1+"), "{all}");
        assert_ne!(all, fewer);
    }
}
