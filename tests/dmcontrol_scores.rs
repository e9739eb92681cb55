//! Random and zero actions score in the control suite what the reference's do, within sampling error.
#![cfg(feature = "mujoco")]

use std::collections::BTreeMap;

use serde::Deserialize;
use terrarium::env::measure::{MeasureConfig, measure};
use terrarium::env::policy::{Player, Policy};
use terrarium::sim::Seed;
use terrarium::task::Registry;

/// Mean and standard deviation of the score over [`RECORDED_EPISODES`].
#[derive(Deserialize)]
struct Scores {
    uniform: (f64, f64),
    zero: (f64, f64),
}

const RECORDED_EPISODES: f64 = 20.0;
const EPISODES: u32 = 12;
/// Allowed difference of means, in standard errors, and what rounding adds.
const ALLOWED: (f64, f64) = (4.5, 1e-3);

#[test]
fn simple_policies_score_as_recorded() {
    let scores: BTreeMap<String, Scores> =
        serde_json::from_str(include_str!("data/dmcontrol_scores.json")).expect("recorded scores");
    let registry = Registry::builtin().expect("tables parse");
    let mut problems = Vec::new();
    for task in registry.tasks().iter().filter(|task| task.environment == "dmcontrol") {
        let Some(recorded) = scores.get(&task.id) else {
            problems.push(format!("{} has no recorded scores", task.id));
            continue;
        };
        let seed = Seed::new(3);
        let mut policies = [Policy::Uniform, Policy::Zero].map(|policy| Player::Beside(policy, seed));
        let config = MeasureConfig { episodes: EPISODES, instances: EPISODES, seed };
        let samples = measure(task, &mut policies, config).expect("the task is hosted");
        for ((name, (mean, deviation)), sample) in
            [("uniform", recorded.uniform), ("zero", recorded.zero)].into_iter().zip(&samples)
        {
            let found = sample.statistics();
            assert_eq!(sample.faults().total(), 0, "{} {name}: {}", task.id, sample.faults());
            let spread = deviation.max(found.score_std);
            let error = spread * (1.0 / RECORDED_EPISODES + 1.0 / f64::from(EPISODES)).sqrt();
            if (found.score_mean - mean).abs() > ALLOWED.0 * error + ALLOWED.1 {
                problems.push(format!("{} {name}: {} ± {}, recorded {mean}", task.id, found.score_mean, error));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
