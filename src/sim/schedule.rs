//! The phases of a control step, chained once.

use bevy::ecs::schedule::{LogLevel, ScheduleBuildSettings, ScheduleLabel, SingleThreadedExecutor};
use bevy::prelude::*;

use super::{Group, ObservationMode, Throughput, episode};

/// One control step of every instance in the [`ActiveGroup`].
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub struct ControlStep;

/// Starts the first episode of instances that have none yet; nothing steps.
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub struct StartEpisodes;

/// The phases of a [`ControlStep`], in order.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SimSystems {
    /// Actions are clipped and checked.
    Act,
    /// Environments advance by the task's action repeat.
    Step,
    /// Rows and pictures are written.
    Observe,
    /// Returns, time limits, ends of episodes, scores; non-finite states are caught.
    Score,
    /// Ended episodes start anew and write their first observation.
    Reset,
}

/// The group that the next [`ControlStep`] advances; the others stand still.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveGroup(pub Group);

/// Whether phases may spread instances over threads; results are the same either way.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parallel(pub bool);

impl Default for Parallel {
    fn default() -> Self {
        Self(true)
    }
}

/// Adds the control-step schedule and the systems that every instance shares.
#[derive(Default)]
pub struct SimPlugin {
    /// Which observations instances produce.
    pub observation: ObservationMode,
    /// Whether phases may spread instances over threads.
    pub parallel: Parallel,
}

impl Plugin for SimPlugin {
    fn build(&self, app: &mut App) {
        let mut schedule = Schedule::new(ControlStep);
        // Systems spread their own instances over threads; a second layer of threads would only add hand-overs.
        schedule.set_executor(SingleThreadedExecutor::new());
        schedule.set_build_settings(ScheduleBuildSettings { ambiguity_detection: LogLevel::Error, ..default() });
        schedule.configure_sets(
            (SimSystems::Act, SimSystems::Step, SimSystems::Observe, SimSystems::Score, SimSystems::Reset).chain(),
        );
        let mut start = Schedule::new(StartEpisodes);
        start.set_executor(SingleThreadedExecutor::new());
        app.add_schedule(schedule)
            .add_schedule(start)
            .insert_resource(self.observation)
            .insert_resource(self.parallel)
            .insert_resource(ActiveGroup(Group(0)))
            .init_resource::<Throughput>()
            .add_systems(
                ControlStep,
                (episode::take_actions.in_set(SimSystems::Act), episode::score_episodes.in_set(SimSystems::Score)),
            );
    }
}
