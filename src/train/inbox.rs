//! The simulation's letter box: what the learner answered, in order.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::learner::{FromLearner, LearnerHandle};
use crate::sim::{ACTION_DIM, Group};

/// Answers of the learner that came before they were needed.
///
/// They are taken in the order in which they came, so that what a line of metrics tells does not depend on whether the run
/// waited for something else before, such as a save.
#[derive(Default)]
pub(super) struct Inbox {
    early: VecDeque<Early>,
    /// Losses that came before the actions taken last.
    losses: Vec<(String, f64)>,
}

impl Inbox {
    /// With the answers that a saved run had not taken yet.
    pub(super) fn new(early: VecDeque<Early>) -> Self {
        Self { early, losses: Vec::new() }
    }

    /// Answers that are not taken yet.
    pub(super) fn early(&self) -> &VecDeque<Early> {
        &self.early
    }

    /// The latest losses since the last time, if there are any.
    pub(super) fn take_losses(&mut self) -> Vec<(String, f64)> {
        std::mem::take(&mut self.losses)
    }

    /// Waits for the first answer that `wanted` takes; others are kept.
    pub(super) fn wait<T>(
        &mut self,
        learner: &LearnerHandle,
        wanted: impl Fn(FromLearner) -> Result<T, FromLearner>,
    ) -> Result<T, TrainError> {
        loop {
            match wanted(learner.answer()?) {
                Ok(found) => return Ok(found),
                Err(other) => self.keep(other),
            }
        }
    }

    fn keep(&mut self, answer: FromLearner) {
        match answer {
            FromLearner::Actions { group, actions } => self.early.push_back(Early::Actions(group.0, actions)),
            FromLearner::Losses { losses, .. } => {
                let named = losses.into_iter().map(|(tag, value)| (tag.to_owned(), value));
                self.early.push_back(Early::Losses(named.collect()));
            }
            _ => {}
        }
    }

    /// The next actions of `group`; groups are answered in the order in which they step.
    pub(super) fn actions(
        &mut self,
        learner: &LearnerHandle,
        group: Group,
    ) -> Result<Vec<[f32; ACTION_DIM]>, TrainError> {
        loop {
            match self.early.pop_front() {
                Some(Early::Actions(of, actions)) if of == group.0 => return Ok(actions),
                Some(Early::Actions(of, _)) => unreachable!("group {of} was answered before {group:?}"),
                Some(Early::Losses(losses)) => self.losses = losses,
                None => self.keep(learner.answer()?),
            }
        }
    }
}

/// An answer that came before it was needed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Early {
    /// Actions of a group.
    Actions(u8, Vec<[f32; ACTION_DIM]>),
    /// Losses.
    Losses(Vec<(String, f64)>),
}
