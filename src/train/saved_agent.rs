//! An agent on disk: its weights, and the tasks that they were learned for.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use tch::Device;

use super::TrainError;
use super::agent::Agent;
use super::checkpoint::Checkpoints;
use crate::files::{read, write_atomic};
use crate::newt::{Config, Newt};
use crate::sim::OBS_DIM;
use crate::task::{Registry, Task};

const FILE: &str = "agent.json";

/// What an agent's folder says beside its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AgentCard {
    /// Ids of the tasks, in the order of the model's task tables.
    pub(super) tasks: Vec<String>,
    /// Whether it acts by planning.
    pub(super) mpc: bool,
    /// Environment steps that it was trained for.
    pub(super) step: u64,
    /// Threads of libtorch that its run was set to; none for one a core.
    pub(super) torch_threads: Option<usize>,
}

impl AgentCard {
    /// Writes it into a checkpoint's folder.
    pub(super) fn write(&self, checkpoint: &Path) -> Result<(), TrainError> {
        let text = serde_json::to_vec_pretty(self).expect("a card is plain data");
        Ok(write_atomic(&checkpoint.join(FILE), &text)?)
    }
}

/// A trained agent with its tasks.
pub struct SavedAgent {
    /// The agent.
    pub agent: Agent,
    /// Its tasks; an index into them is a task's number in its requests.
    pub tasks: Vec<Task>,
    /// Environment steps that it was trained for.
    pub step: u64,
    /// The checkpoint it was read from.
    pub checkpoint: PathBuf,
    /// Threads of libtorch that suit it.
    pub torch_threads: usize,
}

impl SavedAgent {
    /// Reads the agent at `path`: a checkpoint, or a run, whose last checkpoint is taken.
    ///
    /// # Errors
    ///
    /// [`TrainError`] when there is none, it is damaged, or its tasks are unknown.
    pub fn load(path: &Path, device: Device) -> Result<Self, TrainError> {
        let SavedWeights { card, newt, checkpoint } = SavedWeights::load(path, device)?;
        let misfit = |problem: String| TrainError::Checkpoint { problem, path: checkpoint.join(FILE) };
        let registry = Registry::builtin()?;
        let tasks: Result<Vec<_>, _> = card.tasks.iter().map(|id| registry.task(id).cloned()).collect();
        let tasks = tasks.map_err(|problem| misfit(problem.to_string()))?;
        for (number, task) in tasks.iter().enumerate() {
            // One of several tasks is padded to the widest there can be.
            let takes = newt.config().model.obs_dim as usize;
            if ![task.obs_dim, OBS_DIM].contains(&takes) || newt.action_width(number) != task.action_dim {
                return Err(misfit(format!("the model's task {number} has other widths than {}", task.id)));
            }
        }
        // A small model is slower with more threads; the run knew.
        tch::set_num_threads(threads_of(card.torch_threads) as i32);
        Ok(Self {
            agent: Agent::new(newt, card.mpc),
            tasks,
            step: card.step,
            checkpoint,
            torch_threads: threads_of(card.torch_threads),
        })
    }
}

/// The weights of an agent with what its folder says beside them.
pub(super) struct SavedWeights {
    pub(super) card: AgentCard,
    pub(super) newt: Newt,
    /// The checkpoint they were read from.
    pub(super) checkpoint: PathBuf,
}

impl SavedWeights {
    /// Reads them at `path`: a checkpoint, or a run, whose last checkpoint is taken.
    ///
    /// # Errors
    ///
    /// [`TrainError`] when there is none or it is damaged.
    pub(super) fn load(path: &Path, device: Device) -> Result<Self, TrainError> {
        let (checkpoint, card) = card(path)?;
        let newt = Newt::load_weights(&checkpoint, device)?;
        if card.tasks.len() != newt.n_tasks() {
            let problem = format!("it names {} tasks, and the model knows {}", card.tasks.len(), newt.n_tasks());
            return Err(TrainError::Checkpoint { problem, path: checkpoint.join(FILE) });
        }
        Ok(Self { card, newt, checkpoint })
    }

    /// Its tasks and its model's settings alone.
    ///
    /// # Errors
    ///
    /// [`TrainError`] when there is none or it is damaged.
    pub(super) fn shape(path: &Path) -> Result<(AgentCard, Config), TrainError> {
        let (checkpoint, card) = card(path)?;
        Ok((card, Newt::saved_config(&checkpoint)?))
    }
}

fn card(path: &Path) -> Result<(PathBuf, AgentCard), TrainError> {
    let checkpoint = find(path).ok_or_else(|| TrainError::NoRun(path.to_owned()))?;
    let file = checkpoint.join(FILE);
    let card = serde_json::from_slice(&read(&file)?)
        .map_err(|problem| TrainError::Checkpoint { problem: problem.to_string(), path: file.clone() })?;
    Ok((checkpoint, card))
}

/// The number of threads that is set, else one a core.
pub(super) fn threads_of(set: Option<usize>) -> usize {
    set.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

/// The checkpoint that a path means.
fn find(path: &Path) -> Option<PathBuf> {
    if path.join(FILE).is_file() {
        return Some(path.to_owned());
    }
    Checkpoints::new(path).newest_with(Path::new(FILE))
}

impl SavedAgent {
    /// The number of a task in the agent's requests.
    ///
    /// # Errors
    ///
    /// [`TrainError::NotLearned`] when the agent does not know the task.
    pub fn number(&self, id: &str) -> Result<u16, TrainError> {
        let position = self.tasks.iter().position(|task| task.id == id);
        position.map(|number| number as u16).ok_or_else(|| TrainError::NotLearned {
            task: id.to_owned(),
            known: self.tasks.iter().map(|task| task.id.as_str()).collect::<Vec<_>>().join(", "),
        })
    }
}
