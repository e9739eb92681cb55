//! Acting from within control steps, beside the simulation rather than across it.

use super::{Action, Episode, FinalObservation, FinishedEpisode, InstanceId, Observation, StepRecord};

/// Gives instances their actions, and sees what comes of them, on the thread that steps them.
///
/// An instance is asked and shown in turn, but instances come in any order and from several threads at once.
pub trait Actor: Sync {
    /// Writes what an instance does next. The action holds what it did last.
    fn act(&self, asked: Asked<'_>, action: &mut Action);

    /// Takes in what a control step of an instance brought.
    fn see(&self, _seen: Seen<'_>) {}
}

/// An instance that waits for an action.
pub struct Asked<'a> {
    /// Which.
    pub instance: InstanceId,
    /// Where it stands.
    pub episode: &'a Episode,
    /// What it observes now.
    pub observation: &'a Observation,
}

/// What a control step brought.
pub struct Seen<'a> {
    /// To which instance.
    pub instance: InstanceId,
    /// What it did.
    pub action: &'a Action,
    /// Reward and ending.
    pub record: &'a StepRecord,
    /// What it observes now: after the last step of an episode, the first observation of the next.
    pub observation: &'a Observation,
    /// What the step led to.
    pub last: &'a FinalObservation,
    /// The episode that ended most recently.
    pub finished: &'a FinishedEpisode,
}

/// How many control steps to take, and where actions come from.
#[derive(Clone, Copy)]
pub struct Drive<'a> {
    /// Control steps, one after the other, of each instance.
    pub steps: u32,
    /// Who acts; instances repeat the actions that they hold without one.
    pub actor: Option<&'a dyn Actor>,
}

impl Drive<'_> {
    /// One control step with the actions that instances hold.
    pub const HELD: Self = Self { steps: 1, actor: None };
}
