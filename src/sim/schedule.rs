//! Control steps: the phases that each instance goes through, and the systems that take them through.

use std::sync::Arc;

use bevy::ecs::schedule::{ScheduleLabel, SingleThreadedExecutor};
use bevy::prelude::*;

use super::{Drive, Group, InstanceTask, ObservationMode, Seed, Threads, Throughput};
use crate::task::Task;

/// One control step of every instance in the active group with the actions that they hold: [`control_steps`] as a
/// schedule, for apps.
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub struct ControlStep;

/// Starts the first episode of instances that have none yet; nothing steps. [`start_episodes`] as a schedule.
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub struct StartEpisodes;

/// What all instances of a world share. One resource for all of it: to look one up takes a fifth of a cheap step.
#[derive(Resource)]
pub struct Sim {
    /// The tasks; an index into them is a task's number.
    pub tasks: Arc<[Task]>,
    /// Where every random number comes from.
    pub seed: Seed,
    /// Which observations instances produce.
    pub observation: ObservationMode,
    /// The group that the next control step advances; the others stand still.
    pub active: Group,
    /// The threads that step instances.
    pub threads: Threads,
    /// Steps and times since the start.
    pub throughput: Throughput,
    /// One an environment type; `None` while they run. They work on disjoint instances, so their order does not matter
    /// and no schedule has to find one: a schedule would take longer than ten cheap instances.
    hosts: Option<Vec<Box<dyn Host>>>,
}

/// The instances of one environment type, as they are stepped.
pub trait Host: Send + Sync {
    /// Takes those of the active group through control steps.
    fn advance(&mut self, world: &mut World, drive: Drive<'_>);

    /// Starts the first episode of those that have none yet.
    fn start(&mut self, world: &mut World);
}

impl Sim {
    /// The task that an instance's number stands for.
    ///
    /// # Panics
    ///
    /// When there is no such task.
    #[inline]
    pub fn task(&self, number: InstanceTask) -> &Task {
        &self.tasks[usize::from(number.0)]
    }

    /// Adds an environment type to a world that has [`SimPlugin`].
    ///
    /// # Panics
    ///
    /// When the world has no [`SimPlugin`], and during a control step.
    pub fn add_host(world: &mut World, host: impl Host + 'static) {
        world.resource_mut::<Self>().hosts.as_mut().expect(NOT_RUNNING).push(Box::new(host));
    }

    fn run(world: &mut World, mut work: impl FnMut(&mut dyn Host, &mut World)) {
        // Taking the list alone is several times faster than `World::resource_scope`.
        let mut hosts = world.resource_mut::<Self>().hosts.take().expect(NOT_RUNNING);
        for host in &mut hosts {
            work(&mut **host, world);
        }
        world.resource_mut::<Self>().hosts = Some(hosts);
    }
}

const NOT_RUNNING: &str = "no control step is running, and none has panicked";

/// Control steps of every instance in the active group.
///
/// # Panics
///
/// When the world has no [`SimPlugin`], or during a control step.
pub fn control_steps(world: &mut World, drive: Drive<'_>) {
    Sim::run(world, |host, world| host.advance(world, drive));
}

/// Starts the first episode of instances that have none yet; nothing steps.
///
/// # Panics
///
/// When the world has no [`SimPlugin`], or during a control step.
pub fn start_episodes(world: &mut World) {
    Sim::run(world, |host, world| host.start(world));
}

/// The phases of an instance's control step, in order. An instance goes through all of them while it is in the cache, and
/// no instance waits for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The action is clipped and checked.
    Act,
    /// The environment advances by the task's action repeat.
    Step,
    /// The row and the picture are written.
    Observe,
    /// Return, time limit, end of the episode, score; a state that is not finite is caught.
    Score,
    /// An ended episode makes way for the next, whose first observation is written.
    Reset,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Self; 5] = [Self::Act, Self::Step, Self::Observe, Self::Score, Self::Reset];
}

/// Adds the control-step schedules and [`Sim`], without tasks yet.
#[derive(Default)]
pub struct SimPlugin {
    /// Which observations instances produce.
    pub observation: ObservationMode,
    /// Threads that step instances; `None` takes one a core.
    pub threads: Option<usize>,
}

impl Plugin for SimPlugin {
    fn build(&self, app: &mut App) {
        // Systems spread their own instances over threads; a second layer of threads would only add hand-overs.
        let mut step = Schedule::new(ControlStep);
        step.set_executor(SingleThreadedExecutor::new())
            .add_systems(|world: &mut World| control_steps(world, Drive::HELD));
        let mut start = Schedule::new(StartEpisodes);
        start.set_executor(SingleThreadedExecutor::new()).add_systems(start_episodes);
        app.add_schedule(step).add_schedule(start).insert_resource(Sim {
            tasks: Arc::from([]),
            seed: Seed::new(0),
            observation: self.observation,
            active: Group(0),
            threads: Threads::new(self.threads),
            throughput: Throughput::default(),
            hosts: Some(Vec::new()),
        });
    }
}
