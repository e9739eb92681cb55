//! What only MuJoCo's tasks show: simulations that diverge, models that are not there.
#![cfg(feature = "mujoco")]

use std::path::Path;
use std::process::Command;

use terrarium::env::{Simulation, SimulationConfig, restore_instance, save_instance};
use terrarium::sim::{Ending, Fault, FinishedEpisode, Group, Observation, ObservationMode, Seed, StepRecord};
use terrarium::task::Registry;

fn simulate(id: &str, instances: usize) -> Simulation {
    let registry = Registry::builtin().expect("tables parse");
    Simulation::new(&SimulationConfig {
        tasks: [registry.task(id).expect("a known task").clone()].into(),
        instances: vec![0; instances],
        groups: 1,
        seed: Seed::new(1),
        observation: ObservationMode::State,
        threads: None,
    })
    .expect("the task is hosted")
}

#[test]
fn a_simulation_that_diverges_ends_its_episode_and_no_other() {
    // Cart-pole's state: time, two positions, two velocities, …
    for (entry, value, fault) in [(1, 1e12, Fault::Position), (3, 1e12, Fault::Velocity), (4, 1e9, Fault::Acceleration)]
    {
        let (mut sound, mut broken) = (simulate("cartpole-swingup", 3), simulate("cartpole-swingup", 3));
        let victim = broken.instances()[1];
        let state = save_instance(broken.world(), victim).expect("it can be saved");
        let mut state = serde_json::to_value(state).expect("a state can be written");
        state["environment"]["physics"]["state"][entry] = value.into();
        let state = serde_json::from_value(state).expect("a state");
        restore_instance(broken.world_mut(), victim, state).expect("it can be restored");
        for simulation in [&mut sound, &mut broken] {
            simulation.step(Group(0));
        }
        for neighbor in [0, 2] {
            assert_eq!(sound.get::<Observation>(neighbor), broken.get::<Observation>(neighbor), "{fault}");
        }
        let record = broken.get::<StepRecord>(1);
        assert_eq!((record.ending, record.fault, record.reward), (Some(Ending::Fault), Some(fault), 0.0));
        let finished = broken.get::<FinishedEpisode>(1);
        assert_eq!((finished.ending, finished.fault, finished.count), (Some(Ending::Fault), Some(fault), 1));
        assert_eq!((broken.throughput().faults.of(fault), broken.throughput().faults.total()), (1, 1));
        for _ in 0..10 {
            broken.step(Group(0));
        }
        assert_eq!(broken.get::<StepRecord>(1).ending, None, "the next episode is sound");
        assert_eq!(broken.throughput().faults.total(), 1);
        assert_eq!(sound.throughput().faults.total(), 0);
    }
}

#[test]
fn a_state_of_another_model_is_refused() {
    let (mut walker, cheetah) = (simulate("walker-walk", 1), simulate("cheetah-run", 1));
    let foreign = save_instance(cheetah.world(), cheetah.instances()[0]).expect("it can be saved");
    let entity = walker.instances()[0];
    let error = restore_instance(walker.world_mut(), entity, foreign).expect_err("another model");
    assert!(error.to_string().contains("dm_control/cheetah.xml"), "{error}");
}

/// Exit code, results and talk of the program, with `models` as the folder of the stock models.
fn terrarium(args: &[&str], models: &Path) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_terrarium"));
    let output = command.args(args).env("TERRARIUM_MODELS", models).output().expect("the program starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The one sentence that a roll-out of walker-walk is refused with.
fn refused(models: &Path) -> String {
    let (code, _, talk) = terrarium(&["rollout", "task=walker-walk", "episodes=1"], models);
    assert_eq!((code, talk.lines().count()), (Some(1), 1), "{talk}");
    assert!(talk.starts_with("terrarium: task walker-walk cannot be played: "), "{talk}");
    talk
}

#[test]
fn models_that_are_missing_or_broken_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let talk = refused(folder.path());
    assert!(talk.contains("dm_control/walker.xml is missing") && talk.ends_with("run ./x setup\n"), "{talk}");
    let suite = folder.path().join("dm_control");
    std::fs::create_dir(&suite).expect("a folder");
    let long = "a".repeat(120);
    std::fs::write(suite.join("walker.xml"), format!("<mujoco>\n<option {long}='1'/></mujoco>")).expect("written");
    let talk = refused(folder.path());
    assert!(talk.contains("cannot load the model dm_control/walker.xml"), "{talk}");
    assert!(talk.contains(&long) && talk.contains("line 2"), "MuJoCo's words are whole: {talk}");
    std::fs::write(suite.join("walker.xml"), "<mujoco><worldbody/></mujoco>").expect("written");
    let talk = refused(folder.path());
    assert!(talk.contains("has no body called \"torso\""), "{talk}");
}

#[test]
fn a_set_goes_on_without_the_tasks_that_cannot_be_played() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let set = "task=pygame-pong,walker-walk";
    let (code, speeds, talk) = terrarium(&["bench", "env", set, "seconds=0.01", "--json"], folder.path());
    assert_eq!(code, Some(1), "{talk}");
    assert!(talk.contains("warning: task walker-walk cannot be played: the MuJoCo models are not set up"), "{talk}");
    assert!(talk.ends_with("terrarium: 1 of 2 tasks could not be measured, for the reasons above\n"), "{talk}");
    let speeds: serde_json::Value = serde_json::from_str(&speeds).expect("JSON");
    let measured: Vec<_> = speeds["tasks"].as_object().expect("tasks").keys().collect();
    assert_eq!(measured, ["pygame-pong"]);
}
