//! The learner's side of a checkpoint: model, optimizers, replay buffer, generators, carried plans.

use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::checkpoint::TRAINING_STATE;
use super::config::TrainConfig;
use super::learner::{Learner, LearnerState};
use super::saved_agent::AgentCard;
use super::sealed::{read_sealed, write_sealed};
use super::setup::model_config;
use crate::data::Replay;
use crate::newt::Newt;
use crate::task::Task;

const LEARNER_FILE: &str = "learner.json";
const REPLAY_FILE: &str = "replay.bin";

#[derive(Serialize, Deserialize)]
struct Saved {
    state: LearnerState,
    plans: Vec<f32>,
}

impl Learner {
    /// Writes everything into a checkpoint's folder.
    pub(super) fn save(&self, checkpoint: &Path) -> Result<(), TrainError> {
        let folder = checkpoint.join(TRAINING_STATE);
        self.agent.newt().save(checkpoint)?;
        self.replay.save(&folder.join(REPLAY_FILE))?;
        let saved = Saved { state: self.state.clone(), plans: self.plans.to_vec() };
        write_sealed(&folder.join(LEARNER_FILE), &saved)?;
        AgentCard { step: self.step, ..self.card.clone() }.write(checkpoint)
    }

    /// Reads a learner that goes on as the saved one would have.
    pub(super) fn load(
        checkpoint: &Path,
        config: &TrainConfig,
        tasks: &Arc<[Task]>,
        demos: Option<Replay>,
        device: tch::Device,
    ) -> Result<Self, TrainError> {
        let folder = checkpoint.join(TRAINING_STATE);
        let path = folder.join(LEARNER_FILE);
        let damaged = |problem: String| TrainError::Checkpoint { problem, path: path.clone() };
        let saved: Saved = read_sealed(&path)?;
        let newt = Newt::load(checkpoint, device)?;
        if newt.config().model != model_config(config, tasks).model || newt.n_tasks() != tasks.len() {
            return Err(damaged("its model is not the one that the run's settings describe".to_owned()));
        }
        let replay = Replay::load(&folder.join(REPLAY_FILE))?;
        let mut learner = Self::assemble(newt, replay, demos, saved.state, config, tasks, config.num_envs);
        if !learner.plans.restore(&saved.plans) {
            return Err(damaged("its plans do not fit the run's environments".to_owned()));
        }
        Ok(learner)
    }
}
