//! States that are not finite: they end or hinder their own episode, are counted, and reach no agent.

use std::sync::Arc;

use bevy::prelude::*;
use serde::{Deserialize, Serialize};
use terrarium::env::{EnvPlugin, Environment, EnvironmentsPlugin, Field, Layout, Outcome, SimulationConfig, populate};
use terrarium::paint::Canvas;
use terrarium::sim::{
    ControlStep, Ending, FinalObservation, FinishedEpisode, OBS_DIM, Observation, ObservationMode, Rng, Seed, Sim,
    SimPlugin, StartEpisodes, StepRecord,
};
use terrarium::task::Registry;

const FRAGILE_LAYOUT: Layout = Layout {
    observation: &[Field::new("step", 1, "steps"), Field::new("value", 1, "1")],
    action: &[Field::new("nothing", 1, "1")],
    rate_hz: 1.0,
    reward_terms: &["value"],
    constant_entries: &[1],
};

/// Counts its steps, and breaks in one of them for good.
#[derive(Component, Clone, Serialize, Deserialize)]
struct Fragile {
    step: u32,
    /// Not finite once broken; no reset mends it.
    value: f32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FragileParams {
    breaks_at: u32,
    in_reward: bool,
    /// Probability that a reset breaks it.
    bad_start: f64,
}

impl Environment for Fragile {
    type Params = FragileParams;
    const NAME: &'static str = "fragile";

    fn layout(_: &FragileParams) -> Layout {
        FRAGILE_LAYOUT
    }

    fn new(_: &FragileParams, _: &mut Rng) -> Self {
        Self { step: 0, value: 1.0 }
    }

    fn reset(&mut self, params: &FragileParams, rng: &mut Rng) {
        self.step = 0;
        if rng.chance(params.bad_start) {
            self.value = f32::NAN;
        }
    }

    fn step(&mut self, params: &FragileParams, _: &[f32], _: &mut Rng) -> Outcome {
        self.step += 1;
        if self.step == params.breaks_at {
            self.value = f32::NAN;
        }
        Outcome::new([if params.in_reward { f64::from(self.value) } else { 1.0 }])
    }

    fn observe(&self, params: &FragileParams, row: &mut [f32]) {
        row.copy_from_slice(&[self.step as f32, if params.in_reward { 1.0 } else { self.value }]);
    }

    fn draw(&self, _: &FragileParams, _: &mut dyn Canvas, _: &mut Rng) {}
}

/// A world of two `pygame-pong` instances and, between them, a fragile one.
fn fragile_world(breaks_at: u32, in_reward: bool, bad_start: f64) -> (App, Vec<Entity>) {
    let row = format!(
        r#"(domain: MiniArcade, tasks: [(id: "fragile", environment: "fragile", embodiment: "", instruction: "",
            obs_dim: 2, action_dim: 1, episode_length: 10, score: Return(zero: 0, one: 10), split: HeldOut,
            params: (breaks_at: {breaks_at}, in_reward: {in_reward}, bad_start: {bad_start:?}))])"#
    );
    let mut registry = Registry::builtin().expect("the task tables parse");
    registry.add_table("fragile.ron", &row).expect("a well-formed row");
    let task = |id| registry.task(id).expect("a known task").clone();
    let mut app = App::new();
    app.add_plugins((
        SimPlugin { observation: ObservationMode::State, threads: None },
        EnvironmentsPlugin,
        EnvPlugin::<Fragile>::default(),
    ));
    let config = SimulationConfig {
        tasks: Arc::new([task("pygame-pong"), task("fragile")]),
        instances: vec![0, 1, 0],
        groups: 1,
        seed: Seed::new(13),
        observation: ObservationMode::State,
        threads: None,
    };
    let instances = populate(app.world_mut(), &config).expect("both are hosted");
    app.world_mut().run_schedule(StartEpisodes);
    (app, instances)
}

/// All that a learner sees of an instance after a step.
fn seen(world: &World, entity: Entity) -> (Observation, FinalObservation, StepRecord) {
    let part = "an instance has all parts";
    let entity = world.entity(entity);
    (
        entity.get::<Observation>().expect(part).clone(),
        entity.get::<FinalObservation>().expect(part).clone(),
        *entity.get::<StepRecord>().expect(part),
    )
}

#[test]
fn a_state_that_is_not_finite_ends_its_episode_and_no_other() {
    for (breaks_at, in_reward) in [(4, false), (4, true), (1, false), (10, true)] {
        let label = format!("breaks at {breaks_at}, in reward: {in_reward}");
        let (mut app, instances) = fragile_world(breaks_at, in_reward, 0.0);
        let (mut sound, sound_instances) = fragile_world(99, in_reward, 0.0);
        for index in 1..=3 * breaks_at {
            app.world_mut().run_schedule(ControlStep);
            sound.world_mut().run_schedule(ControlStep);
            let world = app.world();
            for neighbor in [0, 2] {
                let expected = seen(sound.world(), sound_instances[neighbor]);
                assert_eq!(seen(world, instances[neighbor]), expected, "{label}, step {index}");
            }
            let fragile = world.entity(instances[1]);
            let record = fragile.get::<StepRecord>().expect("an instance has a record");
            let [row, last] = [
                fragile.get::<Observation>().expect("an instance has an observation").0,
                fragile.get::<FinalObservation>().expect("an instance has a final observation").0,
            ];
            let mut expected = [0.0; OBS_DIM];
            expected[1] = 1.0;
            if index % breaks_at > 0 {
                assert_eq!((record.ending, record.reward), (None, 1.0), "{label}, step {index}");
                expected[0] = (index % breaks_at) as f32;
                assert_eq!((row, last), (expected, expected), "{label}, step {index}");
                continue;
            }
            assert_eq!((record.ending, record.reward, record.terms), (Some(Ending::Fault), 0.0, [0.0; 8]), "{label}");
            assert_eq!(row, expected, "{label}: the next episode starts sound");
            expected[0] = (breaks_at - 1) as f32;
            assert_eq!(last, expected, "{label}: the final observation is the one before the fault");
            let finished = fragile.get::<FinishedEpisode>().expect("an instance has its last episode");
            let (count, episode_return) = (u64::from(index / breaks_at), f64::from(breaks_at - 1));
            assert_eq!((finished.count, finished.length), (count, breaks_at), "{label}");
            assert_eq!((finished.ending, finished.episode_return), (Some(Ending::Fault), episode_return), "{label}");
            let throughput = &world.resource::<Sim>().throughput;
            assert_eq!((throughput.faults.total(), throughput.episodes), (count, count), "{label}");
        }
        assert_eq!(app.world().resource::<Sim>().tasks.len(), 2);
    }
}

#[test]
fn a_first_observation_that_is_not_finite_reaches_no_agent() {
    let (mut sound, sound_instances) = fragile_world(99, false, 0.0);
    let (mut app, instances) = fragile_world(99, false, 0.5);
    let mut hopeless = fragile_world(99, false, 1.0);
    for index in 0..200 {
        for (app, instances) in [(&app, &instances), (&hopeless.0, &hopeless.1)] {
            let world = app.world();
            let (row, last, record) = seen(world, instances[1]);
            assert!(row.0.iter().chain(&last.0).all(|x| x.is_finite()), "step {index}: {row:?} {last:?}");
            assert!(record.reward.is_finite() && !record.needs_reset, "step {index}: {record:?}");
            for neighbor in [0, 2] {
                let expected = seen(sound.world(), sound_instances[neighbor]);
                assert_eq!(seen(world, instances[neighbor]), expected, "step {index}");
            }
        }
        for app in [&mut sound, &mut app, &mut hopeless.0] {
            app.world_mut().run_schedule(ControlStep);
        }
    }
    // Twenty episodes of ten steps: half the starts are bad, most episodes run nevertheless.
    let throughput = &app.world().resource::<Sim>().throughput;
    assert!((8..60).contains(&throughput.faults.total()), "{throughput:?}");
    let finished = app.world().get::<FinishedEpisode>(instances[1]).expect("an instance has its last episode");
    assert!((20..60).contains(&finished.count), "{finished:?}");
    // Where no start is sound, each step is a fault, and so is every attempt at another start.
    let throughput = &hopeless.0.world().resource::<Sim>().throughput;
    assert_eq!((throughput.episodes, throughput.faults.total()), (200, 200 + 3 * 201));
    let record = seen(hopeless.0.world(), hopeless.1[1]).2;
    assert_eq!((record.ending, record.reward), (Some(Ending::Fault), 0.0));
}
