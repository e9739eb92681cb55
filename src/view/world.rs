//! The parts of the app that need no graphics: instances, clock, policy, comparison, ghost, curves.

use std::sync::Arc;

use bevy::prelude::*;

use super::clock::{Clock, ClockPlugin, Pace, STANDING};
use super::comparison::ComparisonPlugin;
use super::curves::CurvesPlugin;
use super::ghost::GhostPlugin;
use super::policy::{NextAction, Policy, PolicyPlugin};
use super::selection::{InstanceName, Instances, Selection, instance_names};
use super::{Agent, ViewError, ViewSystems};
use crate::env::{EnvironmentsPlugin, HostedTasks, SimulationConfig, populate};
use crate::sim::{InstanceId, ObservationMode, Purpose, Seed, Sim, SimPlugin, StartEpisodes};
use crate::task::Task;

/// Everything that happens, without what is drawn of it; needs Bevy's `TimePlugin` and a task pool.
pub struct WorldPlugin {
    /// Who acts.
    pub agent: Option<Agent>,
    /// How time passes at first.
    pub clock: Clock,
}

impl Plugin for WorldPlugin {
    fn build(&self, app: &mut App) {
        app.configure_sets(
            Update,
            (
                ViewSystems::Control,
                ViewSystems::Receive,
                ViewSystems::Begin,
                ViewSystems::Copy,
                ViewSystems::Advance,
                ViewSystems::Ask,
                ViewSystems::Paint,
            )
                .chain(),
        )
        .add_plugins((SimPlugin { observation: ObservationMode::State, ..default() }, EnvironmentsPlugin))
        .add_plugins((
            ClockPlugin { clock: self.clock.clone() },
            PolicyPlugin { agent: self.agent.clone() },
            ComparisonPlugin,
            GhostPlugin,
            CurvesPlugin,
        ));
    }
}

/// Puts the instances into a world that has [`WorldPlugin`] and starts their first episodes.
///
/// # Errors
///
/// [`ViewError`] when there are none or a task cannot be hosted.
pub fn add_instances(
    app: &mut App,
    tasks: Vec<Task>,
    instances: &[u16],
    seed: Seed,
    planned: bool,
) -> Result<(), ViewError> {
    if instances.is_empty() {
        return Err(ViewError::NoInstances);
    }
    let config = SimulationConfig {
        tasks: Arc::from(tasks),
        instances: instances.to_vec(),
        groups: 1,
        seed,
        observation: ObservationMode::State,
        threads: None,
    };
    let world = app.world_mut();
    let entities = populate(world, &config)?;
    world.run_schedule(StartEpisodes);
    add_parts(world, &entities, instances, planned);
    world.insert_resource(Instances(entities));
    world.insert_resource(Selection { index: 0, enlarged: false });
    Ok(())
}

/// Gives instances what the app needs of them: a name, a pace, a policy.
fn add_parts(world: &mut World, entities: &[Entity], tasks: &[u16], planned: bool) {
    let sim = world.resource::<Sim>();
    let (seed, names) = (sim.seed, instance_names(sim, tasks));
    for ((&entity, &task), name) in entities.iter().zip(tasks).zip(names) {
        let task = usize::from(task);
        let repeat = world.resource::<Sim>().tasks[task].action_repeat;
        let rate_hz = world.resource::<HostedTasks>().0[task].layout().rate_hz / f64::from(repeat);
        let stream = world.get::<InstanceId>(entity).expect("an instance has an id").stream();
        let policy = if planned {
            Policy::Planned(NextAction::Wanted)
        } else {
            Policy::Random(seed.rng(Purpose::Policy, stream, 0))
        };
        world.entity_mut(entity).insert((InstanceName(name), Pace::new(rate_hz), policy, STANDING));
    }
}
