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
use crate::sim::{InstanceId, InstanceTask, ObservationMode, Purpose, Seed, SimPlugin, StartEpisodes, TaskTable};
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
    let names = instance_names(world.resource::<TaskTable>(), instances);
    for (&entity, name) in entities.iter().zip(names) {
        let task = *world.get::<InstanceTask>(entity).expect("an instance has a task");
        let id = *world.get::<InstanceId>(entity).expect("an instance has an id");
        let task_number = usize::from(task.0);
        let repeat = world.resource::<TaskTable>().0[task_number].action_repeat;
        let rate_hz = world.resource::<HostedTasks>().0[task_number].layout().rate_hz / f64::from(repeat);
        let policy = if planned {
            Policy::Planned(NextAction::Wanted)
        } else {
            Policy::Random(seed.rng(Purpose::Policy, id.stream(), 0))
        };
        world.entity_mut(entity).insert((InstanceName(name), Pace::new(rate_hz), policy, STANDING));
    }
    world.insert_resource(Instances(entities));
    world.insert_resource(Selection { index: 0, enlarged: false });
    Ok(())
}
