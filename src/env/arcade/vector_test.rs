//! Steps an environment from a given state and compares with recorded rows; used by the games' tests.

use std::ops::Range;

use crate::env::Environment;
use crate::sim::{Purpose, Seed};

/// What the reference showed after one step.
pub(super) struct Expect {
    step: u32,
    entries: Range<usize>,
    values: Vec<f32>,
    reward: Option<f64>,
}

impl Expect {
    /// After `step` (the first is 1) the observation's `entries` read `values`.
    pub(super) fn new(step: u32, entries: Range<usize>, values: &[f32]) -> Self {
        Self { step, entries, values: values.to_vec(), reward: None }
    }

    /// That step's reward was also recorded.
    pub(super) fn reward(mut self, reward: f64) -> Self {
        self.reward = Some(reward);
        self
    }
}

/// Steps `state` with `action(step)` and compares to six significant digits.
///
/// # Panics
///
/// When a value differs.
pub(super) fn run<E: Environment>(
    mut state: E,
    params: &E::Params,
    action: impl Fn(u32) -> Vec<f32>,
    expected: &[Expect],
) -> E {
    let mut rng = Seed::new(7).rng(Purpose::Episode, 0, 0);
    let mut row = vec![0.0; E::layout(params).observation_dim()];
    let last = expected.iter().map(|e| e.step).max().unwrap_or(0);
    for step in 1..=last {
        let outcome = state.step(params, &action(step), &mut rng);
        state.observe(params, &mut row);
        for expect in expected.iter().filter(|e| e.step == step) {
            for (&wanted, &found) in expect.values.iter().zip(&row[expect.entries.clone()]) {
                let tolerance = 2e-6_f32.max(5e-6 * wanted.abs());
                assert!((wanted - found).abs() <= tolerance, "step {step}: {found} instead of {wanted}, row {row:?}");
            }
            if let Some(wanted) = expect.reward {
                let found = outcome.reward();
                assert!((wanted - found).abs() <= 1e-6, "step {step}: reward {found} instead of {wanted}");
            }
        }
    }
    state
}
