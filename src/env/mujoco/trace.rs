//! Holding tasks against recorded episodes: the recorded state is loaded, the recorded actions are stepped, and what is
//! seen and rewarded is compared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::dmcontrol::DmControl;
use super::gym::Gym;
use super::ogbench;
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
    pub qpos: Vec<f64>,
    /// Its velocities.
    pub qvel: Vec<f64>,
    /// Its activations.
    #[serde(default)]
    pub act: Vec<f64>,
    /// What the first solve starts from.
    pub qacc_warmstart: Vec<f64>,
    /// What the reset changed in the model.
    #[serde(default)]
    model_changes: Vec<ModelChange>,
    /// The observation of the reset.
    pub first_obs: Vec<f64>,
    /// One row an agent step.
    pub actions: Vec<Vec<f64>>,
    /// After each agent step.
    pub observations: Vec<Vec<f64>>,
    /// Sums over the action repeat.
    pub rewards: Vec<f64>,
    /// Whether the task counted as solved after each agent step, where that is recorded.
    #[serde(default)]
    pub success: Vec<bool>,
    /// The score after the last step, where that is recorded.
    #[serde(default)]
    pub score: Option<f64>,
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
        self.first10 <= FIRST_BAR && self.all <= BAR && self.reward <= BAR && self.score <= BAR
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
    fn physics_mut(&mut self) -> &mut Physics;

    /// Called when the recorded state is loaded: sets what the environment keeps beside it.
    fn follow(&mut self, _params: &Self::Params, _episode: &RecordedEpisode) {}
}

/// Plays a task's recorded episodes.
///
/// # Errors
///
/// [`TraceError`] when the task is not hosted by MuJoCo or the recording does not fit it.
pub fn compare(task: &Task, episodes: &[RecordedEpisode]) -> Result<Deviation, TraceError> {
    let play = match task.environment.as_str() {
        DmControl::NAME => play::<DmControl>,
        Gym::NAME => play::<Gym>,
        ogbench::Ant::NAME => play::<ogbench::Ant>,
        ogbench::AntBall::NAME => play::<ogbench::AntBall>,
        ogbench::Maze::NAME => play::<ogbench::Maze>,
        other => return Err(fail(task, format!("the environment {other:?} is not one of MuJoCo's"))),
    };
    play(task, episodes).map_err(|problem| fail(task, problem))
}

fn fail(task: &Task, problem: String) -> TraceError {
    TraceError { task: task.id.clone(), problem }
}

fn play<E: Traceable>(task: &Task, episodes: &[RecordedEpisode]) -> Result<Deviation, String> {
    let params: E::Params = task.params.into_rust().map_err(|problem| problem.to_string())?;
    let mut deviation = Deviation::default();
    for (number, episode) in episodes.iter().enumerate() {
        let at = |problem: String| format!("{problem} (episode {number})");
        check(task, episode).map_err(at)?;
        let seed = Seed::new(0);
        let mut rng = seed.rng(Purpose::Episode, number as u64, 0);
        let mut state = E::new(&params, &mut seed.rng(Purpose::Construct, number as u64, 0));
        state.reset(&params, &mut rng);
        load(state.physics_mut(), episode).map_err(at)?;
        state.follow(&params, episode);
        let mut row = vec![0.0; task.obs_dim];
        state.observe(&params, &mut row);
        deviation.note(0, &row, &episode.first_obs);
        let steps = episode.actions.iter().zip(&episode.observations).zip(&episode.rewards);
        let (mut episode_return, mut success) = (0.0, false);
        for (step, ((action, observation), reward)) in (1..).zip(steps) {
            let action: Vec<f32> = action.iter().map(|a| *a as f32).collect();
            let mut found = 0.0;
            for _ in 0..task.action_repeat {
                let outcome = state.step(&params, &action, &mut rng);
                found += outcome.reward();
                success = outcome.success;
            }
            state.observe(&params, &mut row);
            deviation.note(step, &row, observation);
            let off = (found - reward).abs();
            deviation.reward = if off.is_nan() { f64::INFINITY } else { deviation.reward.max(off) };
            if episode.success.get(step - 1).is_some_and(|recorded| *recorded != success) {
                deviation.score = 1.0;
            }
            episode_return += found;
        }
        if let Some(score) = episode.score {
            deviation.score = deviation.score.max((task.score.of(episode_return, success) - score).abs());
        }
    }
    Ok(deviation)
}

/// Refuses rows of the wrong width or number.
fn check(task: &Task, episode: &RecordedEpisode) -> Result<(), String> {
    let steps = episode.actions.len();
    if (episode.observations.len(), episode.rewards.len()) != (steps, steps) {
        return Err(format!("{steps} actions, but not as many observations and rewards"));
    }
    let observations = episode.observations.iter().chain([&episode.first_obs]);
    for (what, expected, mut rows) in [
        ("observation", task.obs_dim, Box::new(observations) as Box<dyn Iterator<Item = &Vec<f64>>>),
        ("action", task.action_dim, Box::new(episode.actions.iter())),
    ] {
        if let Some(row) = rows.find(|row| row.len() != expected) {
            return Err(format!("an {what} with {} entries; the task has {expected}", row.len()));
        }
    }
    Ok(())
}

/// Puts an instance into the recorded state.
fn load(physics: &mut Physics, episode: &RecordedEpisode) -> Result<(), String> {
    for change in &episode.model_changes {
        apply(physics, change)?;
    }
    for (what, values, target) in [
        ("qpos", &episode.qpos, Physics::qpos_mut as fn(&mut Physics) -> &mut [f64]),
        ("qvel", &episode.qvel, Physics::qvel_mut),
        ("act", &episode.act, Physics::act_mut),
        ("qacc_warmstart", &episode.qacc_warmstart, Physics::warmstart_mut),
    ] {
        let target = target(physics);
        if target.len() != values.len() {
            return Err(format!("its {what} has {} numbers, the model takes {}", values.len(), target.len()));
        }
        target.copy_from_slice(values);
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
