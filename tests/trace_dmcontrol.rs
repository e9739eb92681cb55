//! The control suite's tasks behave as the reference's recordings say, step for step.
#![cfg(feature = "mujoco")]

mod common;

use std::collections::BTreeMap;

use common::fixture;
use serde::Deserialize;
use terrarium::env::mujoco::trace::{Start, Traces, compare, play};
use terrarium::task::Registry;

#[test]
fn every_recorded_task_agrees_with_its_traces() {
    let Some(path) = fixture("mujoco/dmcontrol_traces.json") else { return };
    let text = std::fs::read_to_string(path).expect("readable");
    let traces: Traces = serde_json::from_str(&text).expect("recorded episodes");
    let registry = Registry::builtin().expect("tables parse");
    let mut problems = Vec::new();
    let tasks: Vec<_> = registry.tasks().iter().filter(|task| task.environment == "dmcontrol").collect();
    assert!(tasks.len() >= 21);
    for task in tasks {
        let Some(episodes) = traces.get(&task.id) else {
            problems.push(format!("{} is not recorded", task.id));
            continue;
        };
        match compare(task, episodes) {
            Ok(deviation) if deviation.agrees() => {}
            Ok(deviation) => problems.push(format!("{}: {deviation:?}", task.id)),
            Err(problem) => problems.push(problem.to_string()),
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// One roll-out from a given state under `0.9 sin(0.7 k + 1.3 j + 0.2)`; rows and rewards by the number of steps done.
#[derive(Deserialize)]
struct Golden {
    #[serde(flatten)]
    start: Start,
    rewards: BTreeMap<String, f64>,
    reward_sum: f64,
    observations: BTreeMap<String, Vec<f64>>,
    contacts: BTreeMap<String, usize>,
}

/// The recorded rows are rounded to 5 decimals, and contacts amplify the rounding of actions to 32 bits.
const ROUNDED: f64 = 1e-4;

#[test]
fn every_task_follows_its_golden_rollout() {
    const STEPS: u32 = 20;
    let golden: BTreeMap<String, Golden> =
        serde_json::from_str(include_str!("data/dmcontrol_golden.json")).expect("golden roll-outs");
    let registry = Registry::builtin().expect("tables parse");
    let mut problems = Vec::new();
    for task in registry.tasks().iter().filter(|task| task.environment == "dmcontrol") {
        let Some(golden) = golden.get(&task.id) else {
            problems.push(format!("{} has no golden roll-out", task.id));
            continue;
        };
        let actions: Vec<Vec<f32>> = (0..STEPS)
            .map(|k| {
                let component = |j: usize| (0.9 * (0.7 * f64::from(k) + 1.3 * j as f64 + 0.2).sin()) as f32;
                (0..task.action_dim).map(component).collect()
            })
            .collect();
        let seen = play(task, &golden.start, &actions).expect("the start fits the task");
        let mut expect = |what: String, found: f64, expected: f64| {
            if (found - expected).abs() > ROUNDED * (1.0 + expected.abs()) {
                problems.push(format!("{} {what}: {found}, expected {expected}", task.id));
            }
        };
        let at = |step: &String| &seen[step.parse::<usize>().expect("a step")];
        for (step, reward) in &golden.rewards {
            expect(format!("reward of step {step}"), at(step).reward, *reward);
        }
        expect("sum of rewards".to_owned(), seen.iter().map(|seen| seen.reward).sum(), golden.reward_sum);
        for (step, row) in &golden.observations {
            assert_eq!(row.len(), task.obs_dim, "{}", task.id);
            for (entry, expected) in row.iter().enumerate() {
                expect(format!("entry {entry} at step {step}"), f64::from(at(step).observation[entry]), *expected);
            }
        }
        for (step, contacts) in &golden.contacts {
            expect(format!("contacts at step {step}"), at(step).contacts as f64, *contacts as f64);
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
