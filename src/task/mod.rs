//! What a task is: identity, text, dimensions, episode length, discount, score, split; read from `tasks/*.ron`.

mod registry;
mod set;

pub use registry::{Registry, RegistryError};
pub use set::TaskSet;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The benchmark's ten domains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Domain {
    /// DeepMind Control suite.
    DmControl,
    /// Its extension.
    DmControlExt,
    /// Meta-World.
    MetaWorld,
    /// ManiSkill3.
    ManiSkill,
    /// Gymnasium's MuJoCo locomotion.
    MuJoCo,
    /// MiniArcade.
    MiniArcade,
    /// Box2D.
    Box2D,
    /// RoboDesk.
    RoboDesk,
    /// OGBench.
    OgBench,
    /// Atari with continuous actions.
    Atari,
}

impl Domain {
    /// Every domain, in the order of the enum.
    pub const ALL: [Self; 10] = [
        Self::DmControl,
        Self::DmControlExt,
        Self::MetaWorld,
        Self::ManiSkill,
        Self::MuJoCo,
        Self::MiniArcade,
        Self::Box2D,
        Self::RoboDesk,
        Self::OgBench,
        Self::Atari,
    ];

    /// The name used on the command line and in metric tags, such as `miniarcade`.
    pub fn name(self) -> &'static str {
        match self {
            Self::DmControl => "dmcontrol",
            Self::DmControlExt => "dmcontrol-ext",
            Self::MetaWorld => "metaworld",
            Self::ManiSkill => "maniskill",
            Self::MuJoCo => "mujoco",
            Self::MiniArcade => "miniarcade",
            Self::Box2D => "box2d",
            Self::RoboDesk => "robodesk",
            Self::OgBench => "ogbench",
            Self::Atari => "atari",
        }
    }
}

/// Whether a task belongs to the training soup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Split {
    /// One of the 200 training tasks.
    Train,
    /// Kept for few-shot experiments.
    HeldOut,
}

/// How an episode's normalised score in [0, 1] comes from its return or success.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Score {
    /// `clip((return - zero) / (one - zero), 0, 1)`.
    Return {
        /// The return that scores 0.
        zero: f64,
        /// The return that scores 1.
        one: f64,
    },
    /// The success flag of the last step.
    Success,
}

impl Score {
    /// The score of an episode with this undiscounted return and this success flag at its last step.
    pub fn of(self, episode_return: f64, success: bool) -> f64 {
        match self {
            Self::Return { zero, one } => ((episode_return - zero) / (one - zero)).clamp(0.0, 1.0),
            Self::Success => f64::from(u8::from(success)),
        }
    }
}

fn one() -> u32 {
    1
}

/// One row of `tasks/*.ron`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The reference's task id, such as `pygame-pong`.
    pub id: String,
    /// Which domain it counts toward.
    #[serde(skip_deserializing, default = "unset_domain")]
    pub domain: Domain,
    /// The environment that hosts it: [`crate::env::Environment::NAME`].
    pub environment: String,
    /// What the agent is, one or two sentences.
    pub embodiment: String,
    /// What it should do.
    pub instruction: String,
    /// Width of the observation.
    pub obs_dim: usize,
    /// Width of the action.
    pub action_dim: usize,
    /// Steps of an episode as the agent counts them (after action repeat).
    pub episode_length: u32,
    /// Simulation steps per agent step.
    #[serde(default = "one")]
    pub action_repeat: u32,
    /// The task's own discount; without one it follows from the episode length.
    #[serde(default)]
    pub discount: Option<f64>,
    /// Its normalised score.
    pub score: Score,
    /// Training soup or held out.
    pub split: Split,
    /// What the environment varies for this task, as RON for its `Params`.
    #[serde(default = "unit_params")]
    pub params: Box<ron::value::RawValue>,
}

fn unset_domain() -> Domain {
    Domain::MiniArcade
}

fn unit_params() -> Box<ron::value::RawValue> {
    ron::value::RawValue::from_ron("()").expect("a unit is RON").to_owned()
}

/// Bounds of the discount heuristic and the part of an episode it looks ahead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiscountRule {
    /// Episode lengths are divided by this.
    pub denominator: f64,
    /// Smallest discount.
    pub min: f64,
    /// Largest discount.
    pub max: f64,
}

impl Default for DiscountRule {
    /// The reference's values.
    fn default() -> Self {
        Self { denominator: 5.0, min: 0.95, max: 0.995 }
    }
}

impl Task {
    /// What the environment varies for this task, as its `Params`.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong; where they lie in the row is left out.
    pub fn read_params<P: DeserializeOwned>(&self) -> Result<P, String> {
        self.params.into_rust().map_err(|problem| match problem.code {
            // What the environment itself says, such as that its model is not there.
            ron::Error::Message(sentence) => sentence,
            misfit => format!("its params do not fit the environment {:?}: {misfit}", self.environment),
        })
    }

    /// The text that is embedded as the task's language input: `"{embodiment}. {instruction}."`.
    pub fn text(&self) -> String {
        let stripped = |s: &str| s.trim().trim_end_matches('.').to_owned();
        format!("{}. {}.", stripped(&self.embodiment), stripped(&self.instruction))
    }

    /// The discount a learner uses: the task's own, else `clip((T/d - 1)/(T/d), min, max)` for episode length `T`.
    pub fn discount(&self, rule: DiscountRule) -> f64 {
        self.discount.unwrap_or_else(|| {
            let horizon = f64::from(self.episode_length) / rule.denominator;
            ((horizon - 1.0) / horizon).clamp(rule.min, rule.max)
        })
    }
}
