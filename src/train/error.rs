//! What can stop a run.

use std::path::PathBuf;

use super::config::ConfigError;
use super::report::ReportError;
use crate::data::{DemoError, ReplayError};
use crate::encode::EncodeError;
use crate::env::EnvError;
use crate::files::FileError;
use crate::newt::{BuildError, CheckpointError, DeviceError};
use crate::task::RegistryError;

/// Why a run, an evaluation or a checkpoint cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Settings.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Tasks.
    #[error(transparent)]
    Tasks(#[from] RegistryError),
    /// Environments.
    #[error(transparent)]
    Environment(#[from] EnvError),
    /// Text embeddings.
    #[error(transparent)]
    Text(#[from] EncodeError),
    /// The device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The model.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The model's files.
    #[error(transparent)]
    Model(#[from] CheckpointError),
    /// The replay buffer's file.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// A file of demonstrations.
    #[error(transparent)]
    DemoFile(#[from] DemoError),
    /// Demonstrations that are not there.
    #[error("{0}; record some with `terrarium rollout task=ID policy=P record=DIRECTORY`, or use use_demos=false")]
    Demonstrations(String),
    /// An agent that a run cannot start from.
    #[error("this run cannot start from that checkpoint: {problem}: {}", path.display())]
    Start {
        /// Why not, and what to do.
        problem: String,
        /// The checkpoint, as typed.
        path: PathBuf,
    },
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A run that was started but cannot go on; why.
    #[error("this run cannot be carried on: {0}; start another run with exp_name=NAME")]
    CannotGoOn(String),
    /// A checkpoint that a run cannot be carried on from.
    #[error("{problem} ({advice})")]
    Restore {
        /// What is wrong with it, and where.
        problem: String,
        /// What to do.
        advice: String,
    },
    /// A run that is being trained already.
    #[error("another process is training this run; wait for it, or start another run with exp_name=NAME: {}", .0.display())]
    Busy(PathBuf),
    /// A part of a checkpoint that is not what it should be.
    #[error("{} is damaged or does not fit ({problem}); use an earlier checkpoint", path.display())]
    Checkpoint {
        /// What is wrong.
        problem: String,
        /// Where.
        path: PathBuf,
    },
    /// A folder that holds no run and no checkpoint.
    #[error("neither a run nor a checkpoint; name a folder such as runs/TASK/SEED/NAME: {}", .0.display())]
    NoRun(PathBuf),
    /// The agent was not trained on a task.
    #[error("the agent was not trained on {task:?}; it knows {known}")]
    NotLearned {
        /// What was asked for.
        task: String,
        /// What it knows.
        known: String,
    },
    /// The learner's thread ended early; why.
    #[error("{0}")]
    Learner(String),
    /// A figure.
    #[error(transparent)]
    Report(#[from] ReportError),
}

impl TrainError {
    /// Whether the user asked for something impossible, rather than something failing on the way.
    pub fn is_misuse(&self) -> bool {
        match self {
            Self::Config(error) => error.is_misuse(),
            Self::Tasks(_)
            | Self::Environment(EnvError::NotHosted { .. })
            | Self::NoRun(_)
            | Self::Demonstrations(_)
            | Self::Start { .. }
            | Self::Device(DeviceError::NoTf32)
            | Self::NotLearned { .. } => true,
            _ => false,
        }
    }
}
