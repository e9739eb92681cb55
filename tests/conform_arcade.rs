//! Every MiniArcade task behaves as the reference's recorded statistics say, over ten times as many episodes as were recorded.

mod common;

use std::collections::BTreeMap;

use common::fixture;
use terrarium::env::conformity::{RecordedTask, compare_task};
use terrarium::sim::Seed;
use terrarium::task::{Domain, Registry};

#[test]
fn every_task_conforms() {
    let Some(path) = fixture("arcade/statistics.json") else { return };
    let text = std::fs::read_to_string(path).expect("readable");
    let recorded: BTreeMap<String, RecordedTask> = serde_json::from_str(&text).expect("recorded statistics");
    let registry = Registry::builtin().expect("tables parse");
    let mut problems = Vec::new();
    for task in registry.tasks().iter().filter(|task| task.domain == Domain::MiniArcade) {
        let Some(recording) = recorded.get(&task.id) else {
            problems.push(format!("{} is not recorded", task.id));
            continue;
        };
        match compare_task(task, recording, None, Seed::new(1)) {
            Ok(compared) => {
                for (policy, figures) in compared.policies {
                    for it in figures.iter().filter(|it| !it.agrees) {
                        let found = format!("{} instead of {}, allowed {}", it.found, it.reference, it.allowed);
                        problems.push(format!("{} {policy} {}: {found}", task.id, it.figure));
                    }
                }
            }
            Err(problem) => problems.push(problem.to_string()),
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
