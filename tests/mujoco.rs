//! What only MuJoCo's tasks show: simulations that diverge, models that are not there.
#![cfg(feature = "mujoco")]

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

/// What the program says on stderr, with `models` as the folder of the stock models.
fn refused(models: &std::path::Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_terrarium"))
        .args(["rollout", "task=walker-walk", "episodes=1"])
        .env("TERRARIUM_MODELS", models)
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).expect("text")
}

#[test]
fn models_that_are_missing_or_broken_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let talk = refused(folder.path());
    assert!(talk.contains("dm_control/walker.xml is missing") && talk.contains("run ./x setup"), "{talk}");
    let suite = folder.path().join("dm_control");
    std::fs::create_dir(&suite).expect("a folder");
    std::fs::write(suite.join("walker.xml"), "<mujoco><worldbody><geom type='blob'/>").expect("written");
    let talk = refused(folder.path());
    assert!(talk.contains("cannot load the model dm_control/walker.xml"), "{talk}");
    std::fs::write(suite.join("walker.xml"), "<mujoco><worldbody/></mujoco>").expect("written");
    let talk = refused(folder.path());
    assert!(talk.contains("has no body called \"torso\""), "{talk}");
}
