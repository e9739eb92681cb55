//! Gym's MuJoCo tasks and OGBench's, held against recordings of the stock packages: courses of episodes, and how episodes
//! start. `tests/traces/record.py` says how the recordings were made.
#![cfg(feature = "mujoco")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use common::fixture;
use serde::Deserialize;
use terrarium::env::mujoco::trace::{Traces, compare};
use terrarium::env::{Simulation, SimulationConfig};
use terrarium::sim::{FinishedEpisode, Group, Observation, ObservationMode, Seed};
use terrarium::task::{Domain, Registry, Split, Task};

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap_or_else(|problem| panic!("{problem}: {}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|problem| panic!("{problem}: {}", path.display()))
}

fn recorded(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces").join(file)
}

fn tasks_of(domain: Domain) -> Vec<Task> {
    let registry = Registry::builtin().expect("the task tables parse");
    registry.tasks().iter().filter(|task| task.domain == domain).cloned().collect()
}

fn follows_recordings(domain: Domain, path: &Path) {
    let traces: Traces = read(path);
    let tasks = tasks_of(domain);
    assert_eq!(traces.len(), tasks.len(), "every task of the domain is recorded, and nothing else");
    for task in tasks {
        let deviation = compare(&task, &traces[&task.id]).unwrap_or_else(|problem| panic!("{problem}"));
        eprintln!("{:<26} {deviation:?}", task.id);
        assert!(deviation.agrees(), "{}: {deviation:?}", task.id);
    }
}

#[test]
fn ogbench_follows_its_recordings() {
    follows_recordings(Domain::OgBench, &recorded("ogbench.json"));
}

#[test]
fn gym_follows_its_recordings() {
    if let Some(path) = fixture("mujoco/gym_traces.json") {
        follows_recordings(Domain::MuJoCo, &path);
    }
}

#[test]
fn the_domains_are_whole() {
    let count = |domain, split| tasks_of(domain).iter().filter(|task| task.split == split).count();
    assert_eq!((count(Domain::MuJoCo, Split::Train), count(Domain::MuJoCo, Split::HeldOut)), (6, 0));
    assert_eq!((count(Domain::OgBench, Split::Train), count(Domain::OgBench, Split::HeldOut)), (12, 2));
}

/// What is recorded of a task's first observations.
#[derive(Deserialize)]
struct Resets {
    count: u32,
    mean: Vec<f64>,
    std: Vec<f64>,
    min: Vec<f64>,
    max: Vec<f64>,
}

/// First observations of this many instances.
fn first_rows(task: &Task, count: usize) -> Vec<Vec<f64>> {
    /// Instances of a simulation: few, for each holds memory of MuJoCo's.
    const INSTANCES: usize = 20;
    let mut rows = Vec::with_capacity(count);
    for seed in 0u64.. {
        if rows.len() >= count {
            break;
        }
        let simulation = Simulation::new(&SimulationConfig {
            tasks: [task.clone()].into(),
            instances: vec![0; INSTANCES],
            groups: 1,
            seed: Seed::new(seed),
            observation: ObservationMode::State,
            threads: None,
        })
        .expect("the task is hosted");
        let row =
            |index| simulation.get::<Observation>(index).0[..task.obs_dim].iter().map(|&x| f64::from(x)).collect();
        rows.extend((0..INSTANCES).map(row));
    }
    rows
}

#[test]
fn episodes_start_as_recorded() {
    const COUNT: usize = 1000;
    /// Standard errors that two samples of one distribution may differ by; some 1,000 entries are compared.
    const ERRORS: f64 = 5.0;
    /// Rounding of single precision.
    const ROUNDING: f64 = 1e-6;
    let recordings: BTreeMap<String, Resets> = read(&recorded("resets.json"));
    let tasks = [tasks_of(Domain::MuJoCo), tasks_of(Domain::OgBench)].concat();
    assert_eq!(recordings.len(), tasks.len());
    for task in tasks {
        let recording = &recordings[&task.id];
        let rows = first_rows(&task, COUNT);
        let n = rows.len() as f64;
        let samples = 1.0 / n + 1.0 / f64::from(recording.count);
        for entry in 0..task.obs_dim {
            let values = || rows.iter().map(|row| row[entry]);
            let mean = values().sum::<f64>() / n;
            let moment = |power| values().map(|x| (x - mean).powi(power)).sum::<f64>() / n;
            let std = moment(2).sqrt();
            let label = format!("{}, entry {entry}", task.id);

            let expected = (recording.mean[entry], recording.std[entry]);
            let error = ERRORS * std * samples.sqrt() + ROUNDING;
            assert!((mean - expected.0).abs() <= error, "{label}: mean {mean}, recorded {}", expected.0);
            // The standard error of a standard deviation follows from the fourth moment.
            let kurtosis = if std > ROUNDING { moment(4) / moment(2).powi(2) } else { 1.0 };
            let error = ERRORS * std * ((kurtosis - 1.0) / 4.0 * samples).sqrt() + 0.01 * std + ROUNDING;
            assert!((std - expected.1).abs() <= error, "{label}: standard deviation {std}, recorded {}", expected.1);

            let (low, high) = (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max));
            let slack = 0.3 * (recording.max[entry] - recording.min[entry]) + ROUNDING;
            let range = recording.min[entry] - slack..=recording.max[entry] + slack;
            assert!(range.contains(&low) && range.contains(&high), "{label}: {low} to {high}, recorded {range:?}");
        }
    }
}

/// Scores of whole episodes under one action throughout.
fn scores(id: &str, action: f32, episodes: usize) -> Vec<f64> {
    let task = Registry::builtin().expect("the task tables parse").task(id).expect("a known task").clone();
    let length = task.episode_length;
    let mut simulation = Simulation::new(&SimulationConfig {
        tasks: [task].into(),
        instances: vec![0; episodes],
        groups: 1,
        seed: Seed::new(3),
        observation: ObservationMode::State,
        threads: None,
    })
    .expect("the task is hosted");
    for _ in 0..length {
        (0..episodes).for_each(|instance| simulation.set_action(instance, &[action; 16]));
        simulation.step(Group(0));
    }
    (0..episodes).map(|instance| simulation.get::<FinishedEpisode>(instance).score).collect()
}

#[test]
fn doing_nothing_scores_as_the_rules_say() {
    // The pole of a resting cart tips over early, and pays nothing from then on.
    assert!(scores("mujoco-inverted-pendulum", 0.0, 4).iter().all(|&score| score > 0.0 && score < 0.5));
    // A resting arm is 0.2 m off on average: 50 steps of that out of a return of -50.
    assert!(scores("mujoco-reacher", 0.0, 4).iter().all(|&score| score > 0.6 && score < 1.0));
    // Nobody gets to a goal that is two cells away by resting.
    for id in ["og-point-maze", "og-ant-maze", "og-ant"] {
        assert!(scores(id, 0.0, 4).iter().all(|&score| score < 0.01), "{id}");
    }
    // A fallen body is charged, so resting does not pay.
    assert!(scores("mujoco-hopper", 0.0, 2).iter().all(|&score| score < 0.05));
}

#[test]
fn the_ant_is_asked_for_another_direction_every_hundred_steps() {
    let task = Registry::builtin().expect("the task tables parse").task("og-ant").expect("a known task").clone();
    let mut simulation = Simulation::new(&SimulationConfig {
        tasks: [task].into(),
        instances: vec![0],
        groups: 1,
        seed: Seed::new(4),
        observation: ObservationMode::State,
        threads: None,
    })
    .expect("the task is hosted");
    let direction = |simulation: &Simulation| {
        let row = &simulation.get::<Observation>(0).0;
        [row[27], row[28]]
    };
    let mut last = direction(&simulation);
    for step in 1..=300 {
        simulation.step(Group(0));
        let next = direction(&simulation);
        assert_eq!(next != last, step % 100 == 0, "step {step}");
        assert!((next[0].hypot(next[1]) - 1.0).abs() < 1e-6);
        last = next;
    }
}
