//! Holding tasks against recorded episodes: the recorded state is loaded, the recorded actions are stepped, and what is
//! seen and rewarded is compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::physics::{Field, Physics};
use crate::env::Environment;
use crate::sim::{Purpose, Seed};
use crate::task::Task;

/// Largest deviation of an observation over the first [`FIRST_STEPS`] steps.
pub const FIRST_BAR: f64 = 1e-6;
/// Largest deviation of an observation or a reward over all steps: contacts amplify rounding.
pub const BAR: f64 = 1e-3;
/// Steps that have to agree to rounding.
pub const FIRST_STEPS: usize = 10;
/// Where rounding counts as having begun to show.
const ROUNDING: f64 = 1e-9;

/// Episodes of tasks, by task id: what a file of traces holds.
pub type Traces = BTreeMap<String, Vec<RecordedEpisode>>;

/// One recorded episode.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordedEpisode {
    /// The state right after the reset.
    #[serde(flatten)]
    start: Start,
    /// One row an agent step.
    actions: Vec<Vec<f32>>,
    /// After each agent step.
    observations: Vec<Vec<f64>>,
    /// Sums over the action repeat.
    rewards: Vec<f64>,
    /// Whether the task counted as solved after each agent step, where that is recorded.
    #[serde(default)]
    success: Vec<bool>,
    /// The score after the last step, where that is recorded.
    #[serde(default)]
    score: Option<f64>,
}

/// A state to play from. What is left out is zero.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Start {
    qpos: Vec<f64>,
    #[serde(default)]
    qvel: Option<Vec<f64>>,
    #[serde(default)]
    act: Option<Vec<f64>>,
    /// What the first solve starts from.
    #[serde(default)]
    qacc_warmstart: Option<Vec<f64>>,
    /// What the reset changed in the model.
    #[serde(default)]
    model_changes: Vec<ModelChange>,
    /// The observation of the reset.
    #[serde(default)]
    pub(super) first_obs: Option<Vec<f64>>,
}

/// What an agent saw at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The observation.
    pub observation: Vec<f32>,
    /// The reward of the step to it; 0 at the start.
    pub reward: f64,
    /// Whether the task counts as solved.
    pub success: bool,
    /// Contacts in the state.
    pub contacts: usize,
}

/// A changed element of the model.
#[derive(Clone, Debug, Deserialize)]
struct ModelChange {
    field: String,
    #[serde(default)]
    name: String,
    index: usize,
    value: Vec<f64>,
}

/// Why a recording cannot be played.
#[derive(Debug, thiserror::Error)]
#[error("task {task}: {problem}")]
pub struct TraceError {
    task: String,
    problem: String,
}

/// How far a task strays from its recordings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Deviation {
    /// Of observations, over the reset and the first [`FIRST_STEPS`] steps of an episode.
    pub first10: f64,
    /// Of observations, over whole episodes.
    pub all: f64,
    /// Of rewards, over whole episodes.
    pub reward: f64,
    /// Of final scores; 1 where a step's success is not the recorded one.
    pub score: f64,
    /// The first step (from 1; 0 is the reset) at which an observation is off by more than 1e-9.
    #[serde(rename = "first_step_past_1e-9")]
    pub first_step_past_rounding: Option<usize>,
}

impl Deviation {
    /// Whether the task agrees with its recordings.
    pub fn agrees(&self) -> bool {
        self.first10 <= FIRST_BAR && [self.all, self.reward, self.score].iter().all(|off| *off <= BAR)
    }

    fn note(&mut self, step: usize, found: &[f32], recorded: &[f64]) {
        // Recorded in single precision, in as many digits as the recorder liked.
        let off = found.iter().zip(recorded).map(|(a, b)| (f64::from(*a) - f64::from(*b as f32)).abs());
        // A NaN is as far off as can be.
        let off = off.fold(0.0, |worst: f64, off| if off.is_nan() { f64::INFINITY } else { worst.max(off) });
        self.all = self.all.max(off);
        if step <= FIRST_STEPS {
            self.first10 = self.first10.max(off);
        }
        if off > ROUNDING {
            self.first_step_past_rounding = Some(self.first_step_past_rounding.map_or(step, |first| first.min(step)));
        }
    }
}

/// An environment whose state is one instance of a MuJoCo model.
pub(super) trait Traceable: Environment {
    /// The instance.
    fn physics(&self) -> &Physics;

    /// The instance, to change.
    fn physics_mut(&mut self) -> &mut Physics;

    /// Physics steps of a simulation step.
    fn physics_steps(params: &Self::Params) -> u32;

    /// Called when a state has been loaded: sets what the environment keeps beside it.
    fn follow(&mut self, _params: &Self::Params, _start: &Start) {}
}

/// Plays a task's recorded episodes and compares.
///
/// # Errors
///
/// [`TraceError`] when the task is not hosted by MuJoCo or the recording does not fit it.
pub fn compare(task: &Task, episodes: &[RecordedEpisode]) -> Result<Deviation, TraceError> {
    let mut deviation = Deviation::default();
    for episode in episodes {
        check(task, episode).map_err(|problem| fail(task, problem))?;
        let seen = play(task, &episode.start, &episode.actions)?;
        let observations = episode.start.first_obs.iter().chain(&episode.observations);
        for ((step, seen), recorded) in seen.iter().enumerate().zip(observations) {
            deviation.note(step, &seen.observation, recorded);
        }
        for (seen, recorded) in seen[1..].iter().zip(&episode.rewards) {
            let off = (seen.reward - recorded).abs();
            deviation.reward = if off.is_nan() { f64::INFINITY } else { deviation.reward.max(off) };
        }
        if seen[1..].iter().zip(&episode.success).any(|(seen, recorded)| seen.success != *recorded) {
            deviation.score = 1.0;
        }
        if let (Some(score), Some(last)) = (episode.score, seen.last()) {
            let found = task.score.of(seen.iter().map(|seen| seen.reward).sum(), last.success);
            deviation.score = deviation.score.max((found - score).abs());
        }
    }
    Ok(deviation)
}

/// What is seen at `start` and after each of `actions`, without padding, time limit or reset.
///
/// # Errors
///
/// [`TraceError`] when the task is not hosted by MuJoCo or the state does not fit it.
pub fn play(task: &Task, start: &Start, actions: &[Vec<f32>]) -> Result<Vec<Seen>, TraceError> {
    let foreign = || Err(format!("the environment {:?} is not one of MuJoCo's", task.environment));
    super::with_traceable(task, Play { task, start, actions })
        .unwrap_or_else(foreign)
        .map_err(|problem| fail(task, problem))
}

fn fail(task: &Task, problem: String) -> TraceError {
    TraceError { task: task.id.clone(), problem }
}

struct Play<'a> {
    task: &'a Task,
    start: &'a Start,
    actions: &'a [Vec<f32>],
}

impl super::ForTraceable for Play<'_> {
    type Output = Result<Vec<Seen>, String>;

    fn run<E: Traceable>(self) -> Result<Vec<Seen>, String> {
        let Self { task, start, actions } = self;
        let params: E::Params = task.params.into_rust().map_err(|problem| problem.to_string())?;
        let seed = Seed::new(0);
        let mut rng = seed.rng(Purpose::Episode, 0, 0);
        let mut state = E::new(&params, &mut seed.rng(Purpose::Construct, 0, 0));
        state.reset(&params, &mut rng);
        load(state.physics_mut(), start)?;
        state.follow(&params, start);
        let look = |state: &E, reward: f64, success: bool| {
            let mut observation = vec![0.0; task.obs_dim];
            state.observe(&params, &mut observation);
            Seen { observation, reward, success, contacts: state.physics().contacts() }
        };
        let mut seen = vec![look(&state, 0.0, false)];
        for action in actions {
            let (mut reward, mut success) = (0.0, false);
            for _ in 0..task.action_repeat {
                let outcome = state.step(&params, action, &mut rng);
                reward += outcome.reward();
                success = outcome.success;
            }
            seen.push(look(&state, reward, success));
        }
        Ok(seen)
    }
}

/// Refuses rows of the wrong width or number.
fn check(task: &Task, episode: &RecordedEpisode) -> Result<(), String> {
    let steps = episode.actions.len();
    if (episode.observations.len(), episode.rewards.len()) != (steps, steps) {
        return Err(format!("{steps} actions, but not as many observations and rewards"));
    }
    if episode.start.first_obs.is_none() {
        return Err("it has no first_obs, the observation of the reset".to_owned());
    }
    let observations = episode.observations.iter().chain(&episode.start.first_obs).map(Vec::len);
    let actions = episode.actions.iter().map(Vec::len);
    let wrong = |expected: usize| move |width: &usize| *width != expected;
    if let Some(width) = observations.clone().find(wrong(task.obs_dim)) {
        return Err(format!("an observation with {width} entries; the task has {}", task.obs_dim));
    }
    if let Some(width) = actions.clone().find(wrong(task.action_dim)) {
        return Err(format!("an action with {width} entries; the task has {}", task.action_dim));
    }
    Ok(())
}

/// Puts an instance into the recorded state.
fn load(physics: &mut Physics, start: &Start) -> Result<(), String> {
    for change in &start.model_changes {
        apply(physics, change)?;
    }
    for (what, values, target) in [
        ("qpos", Some(&start.qpos), Physics::qpos_mut as fn(&mut Physics) -> &mut [f64]),
        ("qvel", start.qvel.as_ref(), Physics::qvel_mut),
        ("act", start.act.as_ref(), Physics::act_mut),
        ("qacc_warmstart", start.qacc_warmstart.as_ref(), Physics::warmstart_mut),
    ] {
        let target = target(physics);
        match values {
            None => target.fill(0.0),
            Some(values) if values.len() == target.len() => target.copy_from_slice(values),
            Some(values) => {
                return Err(format!("its {what} has {} numbers, the model takes {}", values.len(), target.len()));
            }
        }
    }
    physics.settle_state();
    Ok(())
}

/// Makes a recorded change of the model, unless it only shows.
fn apply(physics: &mut Physics, change: &ModelChange) -> Result<(), String> {
    if change.field.ends_with("_rgba") {
        return Ok(());
    }
    let field = Field::named(&change.field)
        .ok_or_else(|| format!("it changes {:?} of the model, which instances cannot change", change.field))?;
    let model = physics.model();
    let element = match (field, change.name.as_str()) {
        (_, "") | (Field::DofDamping, _) => change.index,
        (Field::GeomPos | Field::GeomSize, name) => model.geom(name).map_err(|problem| problem.to_string())?.index(),
        (Field::SitePos | Field::SiteSize, name) => model.site(name).map_err(|problem| problem.to_string())?.index(),
    };
    physics.try_set_field(field, element, &change.value)
}
