//! The shape of an environment: named fields with units, control rate, reward terms.

use crate::sim::Fault;

/// Most reward terms an environment may name.
pub const MAX_REWARD_TERMS: usize = 8;

/// A run of observation or action entries with one meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// What it is, such as `ball velocity`.
    pub name: &'static str,
    /// How many entries it takes.
    pub width: usize,
    /// The unit of an entry, such as `rad/s`, `px/224` (pixels over canvas width) or `1` for a pure number.
    pub unit: &'static str,
}

impl Field {
    /// A field of `width` entries.
    pub const fn new(name: &'static str, width: usize, unit: &'static str) -> Self {
        Self { name, width, unit }
    }
}

/// What an environment's rows mean, in order. Tables in the documentation are printed from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layout {
    /// The observation's fields.
    pub observation: &'static [Field],
    /// The action's fields; every entry is in [-1, 1].
    pub action: &'static [Field],
    /// Simulation steps a second at which the task plays at natural speed.
    pub rate_hz: f64,
    /// Names of the terms whose sum is the reward, in the order of [`Outcome::terms`].
    pub reward_terms: &'static [&'static str],
    /// Observation entries that never change, by design of the task.
    pub constant_entries: &'static [usize],
}

impl Layout {
    /// Width of the observation.
    pub fn observation_dim(&self) -> usize {
        self.observation.iter().map(|f| f.width).sum()
    }

    /// Width of the action.
    pub fn action_dim(&self) -> usize {
        self.action.iter().map(|f| f.width).sum()
    }
}

/// What one simulation step brought.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Reward terms, named by [`Layout::reward_terms`]; unused ones are zero. Their sum is the step's reward.
    pub terms: [f64; MAX_REWARD_TERMS],
    /// Whether the task counts as solved in the state after the step.
    pub success: bool,
    /// Whether the task itself ended here (not its time limit).
    pub terminated: bool,
    /// What is wrong with the state, if the simulator gave up on it: the episode ends here and the step does not count.
    pub fault: Option<Fault>,
}

impl Outcome {
    /// An outcome with these reward terms, neither success nor end.
    #[inline]
    pub fn new<const N: usize>(terms: [f64; N]) -> Self {
        const { assert!(N <= MAX_REWARD_TERMS) };
        // Made whole, not copied into zeros: it is read back at once, and in wider pieces than single entries.
        let all = std::array::from_fn(|i| if i < N { terms[i] } else { 0.0 });
        Self { terms: all, ..Self::default() }
    }

    /// The same with `success` set.
    #[inline]
    #[must_use]
    pub fn with_success(mut self, success: bool) -> Self {
        self.success = success;
        self
    }

    /// The same with `fault` set.
    #[inline]
    #[must_use]
    pub fn with_fault(mut self, fault: Option<Fault>) -> Self {
        self.fault = fault;
        self
    }

    /// The step's reward.
    #[inline]
    pub fn reward(&self) -> f64 {
        self.terms.iter().sum()
    }
}
