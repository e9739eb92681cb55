//! Holding tasks against recorded episodes: the recorded state is loaded, the recorded actions are stepped, and what is
//! seen and rewarded is compared.

use serde::Serialize;
use serde_json::Value;

use super::physics::Physics;
use super::recording::{Number, RecordedEpisode};
pub use super::recording::{Start, Traces, parse_traces};
use crate::env::Environment;
use crate::sim::{Fault, Purpose, Seed, is_finite};
use crate::task::Task;

/// Largest deviation of an observation over the first [`FIRST_STEPS`] steps.
pub const FIRST_BAR: f64 = 1e-6;
/// Largest deviation of an observation or a reward over all steps: contacts amplify rounding.
pub const BAR: f64 = 1e-3;
/// Steps that have to agree to rounding.
pub const FIRST_STEPS: usize = 10;
/// Where rounding counts as having begun to show.
const ROUNDING: f64 = 1e-9;

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

/// Why a recording cannot be played.
#[derive(Debug, thiserror::Error)]
#[error("{task}: {problem}")]
pub struct TraceError {
    /// The task.
    pub task: String,
    /// Why.
    pub problem: String,
}

/// How far a task strays from its recordings. Every figure is finite.
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

    fn note(&mut self, step: usize, found: &[f32], recorded: &[Number]) {
        // Recorded in single precision, in as many digits as the recorder liked.
        let off = found.iter().zip(recorded).map(|(a, b)| (f64::from(*a) - f64::from(b.0 as f32)).abs());
        let off = off.fold(0.0, f64::max);
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
/// [`TraceError`] when the task is not hosted by MuJoCo, when nothing is recorded or not what fits it, and when the
/// simulation diverges.
pub fn compare(task: &Task, recorded: &Value) -> Result<Deviation, TraceError> {
    let episodes = RecordedEpisode::read(task, recorded).map_err(|problem| fail(task, problem))?;
    let mut deviation = Deviation::default();
    for episode in episodes {
        let seen = play(task, &episode.start, &episode.actions())?;
        for ((step, seen), recorded) in seen.iter().enumerate().zip(episode.seen()) {
            deviation.note(step, &seen.observation, recorded);
        }
        for (seen, recorded) in seen[1..].iter().zip(&episode.rewards) {
            deviation.reward = deviation.reward.max((seen.reward - recorded.0).abs());
        }
        // From the end: it may be recorded for the last step only.
        for (seen, recorded) in seen.iter().rev().zip(episode.success.0.iter().rev()) {
            if recorded.is_some_and(|recorded| recorded != f64::from(u8::from(seen.success))) {
                deviation.score = 1.0;
            }
        }
        if let (Some(score), Some(last)) = (episode.score, seen.last()) {
            let found = task.score.of(seen.iter().map(|seen| seen.reward).sum(), last.success);
            deviation.score = deviation.score.max((found - score.0).abs());
        }
    }
    Ok(deviation)
}

/// What is seen at `start` and after each of `actions`, without padding, time limit or reset.
///
/// # Errors
///
/// [`TraceError`] when the task is not hosted by MuJoCo, the state does not fit it, or the simulation diverges.
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
        let params: E::Params = task.read_params()?;
        let seed = Seed::new(0);
        let mut rng = seed.rng(Purpose::Episode, 0, 0);
        let mut state = E::new(&params, &mut seed.rng(Purpose::Construct, 0, 0));
        state.reset(&params, &mut rng);
        start.load(state.physics_mut())?;
        state.follow(&params, start);
        let diverged = |step: usize, fault: Fault| format!("the simulation diverged at step {step}: {fault}");
        let look = |state: &E, step: usize, reward: f64, success: bool| {
            let mut observation = vec![0.0; task.obs_dim];
            state.observe(&params, &mut observation);
            if !(reward.is_finite() && is_finite(&observation)) {
                return Err(diverged(step, Fault::NotFinite));
            }
            Ok(Seen { observation, reward, success, contacts: state.physics().contacts() })
        };
        let mut seen = vec![look(&state, 0, 0.0, false)?];
        for (step, action) in (1..).zip(actions) {
            let (mut reward, mut success) = (0.0, false);
            for _ in 0..task.action_repeat {
                let outcome = state.step(&params, action, &mut rng);
                if let Some(fault) = outcome.fault {
                    return Err(diverged(step, fault));
                }
                reward += outcome.reward();
                success = outcome.success;
            }
            seen.push(look(&state, step, reward, success)?);
        }
        Ok(seen)
    }
}
