//! Every Box2D task behaves as the reference's recorded statistics say, but for what the module docs list.

mod common;

use std::collections::BTreeMap;

use common::fixture;
use terrarium::env::conformity::{Comparison, RecordedTask, compare_task};
use terrarium::sim::Seed;
use terrarium::task::{Domain, Registry};

/// Episodes of each policy of a walker: a third of those recorded, so that the test stays short. Landers are quick.
const WALKS: u32 = 60;
/// Share of the figures of a walker's linear policies, spreads included, that agree at least. Starts on one ground are all
/// but alike, so the episodes of a policy take a few different courses, and rare ones weigh on spreads.
const OF_LINEAR_WALKS: f64 = 0.97;

/// Whether a figure is the spread of the walker's vertical speed. It is made by the rare walker (1 of 200 in Box2D) that
/// staggers backward over the left end of the ground and falls for the rest of its episode.
fn hangs_on_rare_falls(it: &Comparison) -> bool {
    it.figure == "obs_std[3]"
}

#[test]
fn every_task_conforms() {
    let Some(path) = fixture("box2d/statistics.json") else { return };
    let text = std::fs::read_to_string(path).expect("readable");
    let recorded: BTreeMap<String, RecordedTask> = serde_json::from_str(&text).expect("recorded statistics");
    let registry = Registry::builtin().expect("tables parse");
    let mut problems = Vec::new();
    for task in registry.tasks().iter().filter(|task| task.domain == Domain::Box2D) {
        let recording = recorded.get(&task.id).expect("every task is recorded");
        let walks = task.environment == "walker";
        let compared = compare_task(task, recording, walks.then_some(WALKS), Seed::new(1)).expect("comparable");
        let (mut agreeing, mut all) = (0, 0);
        for (policy, figures) in &compared.policies {
            let linear = policy.contains("linear");
            for it in figures {
                let start = it.figure.starts_with("reset");
                if walks && linear && !start {
                    all += 1;
                    agreeing += usize::from(it.agrees);
                }
                let spread = walks && !it.decides && (linear || hangs_on_rare_falls(it));
                if !(it.agrees || spread && !start) {
                    let found = format!("{} instead of {}, allowed {}", it.found, it.reference, it.allowed);
                    problems.push(format!("{} {policy} {}: {found}", task.id, it.figure));
                }
            }
        }
        if (agreeing as f64) < OF_LINEAR_WALKS * f64::from(all) {
            problems.push(format!("{}: only {agreeing} of {all} figures of linear policies agree", task.id));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
