//! What passes between the simulation or the window and the thread that owns the model: plain rows, no tensors.

use crate::sim::{ACTION_DIM, OBS_DIM};

/// Asks for plans for some instances.
#[derive(Clone, Debug, Default)]
pub struct PlanRequest {
    /// Comes back with the answer.
    pub ticket: u64,
    /// One an instance.
    pub rows: Vec<PlanRow>,
    /// Plan as in evaluation: no exploration noise.
    pub eval: bool,
    /// Steps of the open-loop plan that comes along, for instances that ask for one.
    pub horizon: usize,
}

/// One instance that wants an action.
#[derive(Clone, Debug)]
pub struct PlanRow {
    /// Which plan to carry on: the planner keeps the mean of the last one under this number.
    pub slot: usize,
    /// The task's number in the model's task list.
    pub task: usize,
    /// The observation.
    pub observation: [f32; OBS_DIM],
    /// Whether this is an episode's first step: nothing is carried on then.
    pub first: bool,
    /// Whether an open-loop plan is wanted.
    pub open_loop: bool,
}

/// The answer to a [`PlanRequest`].
#[derive(Clone, Debug, Default)]
pub struct PlanReply {
    /// As in the request.
    pub ticket: u64,
    /// One action a row, in the request's order.
    pub actions: Vec<[f32; ACTION_DIM]>,
    /// The open-loop plan of each row that asked for one.
    pub open_loop: Vec<Option<OpenLoopPlan>>,
    /// How long planning took, s.
    pub seconds: f64,
}

/// A sequence of actions planned at one moment, and what the model expects of it.
#[derive(Clone, Debug, Default)]
pub struct OpenLoopPlan {
    /// `[horizon]` actions.
    pub actions: Vec<[f32; ACTION_DIM]>,
    /// Predicted reward of each action.
    pub rewards: Vec<f32>,
    /// Predicted value at each state before its action, and after the last: `[horizon + 1]`.
    pub values: Vec<f32>,
    /// Predicted latents at those states: `[horizon + 1]` of equal length.
    pub latents: Vec<Vec<f32>>,
    /// Standard deviation of the planner's final distribution, `[horizon]`.
    pub spread: Vec<[f32; ACTION_DIM]>,
}

/// Asks for the latents of observations that were really received.
#[derive(Clone, Debug, Default)]
pub struct EncodeRequest {
    /// Comes back with the answer.
    pub ticket: u64,
    /// Observations with their task's number.
    pub rows: Vec<(usize, [f32; OBS_DIM])>,
}

/// The answer to an [`EncodeRequest`].
#[derive(Clone, Debug, Default)]
pub struct EncodeReply {
    /// As in the request.
    pub ticket: u64,
    /// One latent a row.
    pub latents: Vec<Vec<f32>>,
}

/// What a [`Planner`](PlannerHandle) is asked.
#[derive(Clone, Debug)]
pub enum PlannerQuestion {
    /// Plan.
    Plan(PlanRequest),
    /// Encode.
    Encode(EncodeRequest),
}

/// What it answers.
#[derive(Clone, Debug)]
pub enum PlannerAnswer {
    /// Plans.
    Plan(PlanReply),
    /// Latents.
    Encode(EncodeReply),
    /// The thread failed and is gone; why.
    Failed(String),
}

/// The window's end of a thread that owns a model: questions never block, answers are polled once a frame.
#[derive(Clone, Debug)]
pub struct PlannerHandle {
    /// Send questions here.
    pub questions: crossbeam_channel::Sender<PlannerQuestion>,
    /// Poll answers here.
    pub answers: crossbeam_channel::Receiver<PlannerAnswer>,
}
