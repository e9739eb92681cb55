//! When instances step: each at its task's own rate times a speed factor, whatever the frame rate.
//!
//! Time becomes steps owed; a step needs an action, and one that is not there yet is not waited for. An instance's
//! trajectory depends on its actions alone, so a slow frame delays it and changes nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bevy::ecs::schedule::ScheduleLabel;
use bevy::prelude::*;
use bevy::time::Real;

use super::policy::Policy;
use super::selection::Instances;
use super::{ViewSystems, policy};
use crate::sim::{ControlStep, Group, Sim};

/// Instances that stand still.
pub(super) const STANDING: Group = Group(0);
/// Instances that take part in the present control step.
pub(super) const STEPPING: Group = Group(1);

/// Farthest an instance may fall behind; time beyond that is dropped.
const MAX_BEHIND_SECS: f64 = 0.1;
/// Longest a frame spends on control steps before it drops the rest.
const MAX_FRAME_WORK: Duration = Duration::from_millis(12);
/// Steps of the speed keys.
pub(super) const SPEEDS: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0];

/// Runs before a control step: others add what steps along to [`Stepping`].
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub struct PrepareStep;

/// Runs after a control step: others read what it brought.
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordStep;

/// The entities of the control step that is being prepared or was just taken.
#[derive(Resource, Clone, Debug, Default)]
pub struct Stepping(pub Vec<Entity>);

/// How simulated time passes.
#[derive(Resource, Clone, Debug, PartialEq)]
pub struct Clock {
    /// Whether only single steps are taken.
    pub paused: bool,
    /// Simulated over real time.
    pub speed: f64,
    single_steps: u32,
    /// Nothing steps, whatever is owed: a picture is being taken.
    held: bool,
}

impl Clock {
    /// A clock that runs at `speed`, or waits for single steps.
    pub fn new(paused: bool, speed: f64) -> Self {
        Self { paused, speed, single_steps: 0, held: false }
    }

    /// Pauses and takes one step of every instance, as soon as it has an action.
    pub fn single_step(&mut self) {
        self.paused = true;
        self.single_steps += 1;
    }

    /// Stops everything for good.
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// Whether everything stands still for good.
    #[cfg(all(feature = "view", feature = "mujoco"))]
    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// The next faster or slower of the usual speeds.
    pub fn change_speed(&mut self, faster: bool) {
        let next = if faster {
            SPEEDS.iter().find(|&&speed| speed > self.speed)
        } else {
            SPEEDS.iter().rev().find(|&&speed| speed < self.speed)
        };
        self.speed = next.copied().unwrap_or(self.speed);
    }
}

/// The pace of one instance.
#[derive(Component, Clone, Debug)]
pub struct Pace {
    /// Control steps a second at natural speed.
    pub rate_hz: f64,
    /// Steps taken.
    pub steps: u64,
    /// Steps that time has brought, not yet taken.
    owed: f64,
    /// Steps asked for one by one, not yet taken.
    singles: u32,
}

impl Pace {
    /// `rate_hz` control steps a second.
    pub fn new(rate_hz: f64) -> Self {
        Self { rate_hz, steps: 0, owed: 0.0, singles: 0 }
    }

    fn is_due(&self) -> bool {
        self.singles > 0 || self.owed >= 1.0
    }

    fn count_step(&mut self) {
        self.steps += 1;
        if self.singles > 0 {
            self.singles -= 1;
        } else {
            self.owed -= 1.0;
        }
    }
}

/// Steps of the instances on show.
#[derive(Resource, Clone, Debug, Default)]
pub struct StepRate {
    /// Steps of all instances since the start.
    pub total: u64,
    seen: VecDeque<(Duration, u64)>,
}

impl StepRate {
    const WINDOW: Duration = Duration::from_secs(2);

    fn record(&mut self, now: Duration) {
        self.seen.push_back((now, self.total));
        while self.seen.front().is_some_and(|&(time, _)| now.saturating_sub(time) > Self::WINDOW) {
            self.seen.pop_front();
        }
    }

    /// Steps of all instances a second, over the last two seconds.
    pub fn per_second(&self) -> f64 {
        match (self.seen.front(), self.seen.back()) {
            (Some(first), Some(last)) if last.0 > first.0 => {
                (last.1 - first.1) as f64 / (last.0 - first.0).as_secs_f64()
            }
            _ => 0.0,
        }
    }
}

/// Steps the instances in [`Instances`] as [`Clock`] says.
pub(super) struct ClockPlugin {
    pub(super) clock: Clock,
}

impl Plugin for ClockPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(self.clock.clone())
            .init_resource::<Stepping>()
            .init_resource::<StepRate>()
            .add_schedule(Schedule::new(PrepareStep))
            .add_schedule(Schedule::new(RecordStep))
            .add_systems(Update, (pass_time, advance).chain().in_set(ViewSystems::Advance));
    }
}

fn pass_time(time: Res<Time<Real>>, mut clock: ResMut<Clock>, mut paces: Query<&mut Pace>) {
    let singles = std::mem::take(&mut clock.bypass_change_detection().single_steps);
    for mut pace in &mut paces {
        if clock.paused {
            pace.owed = 0.0;
            pace.singles += singles;
        } else {
            let rate = clock.speed * pace.rate_hz;
            let most = (rate * MAX_BEHIND_SECS).max(1.0);
            pace.owed = (pace.owed + time.delta_secs_f64() * rate).min(most);
            pace.singles = 0;
        }
    }
}

fn advance(world: &mut World) {
    let started = Instant::now();
    loop {
        let due = due_instances(world);
        if due.is_empty() {
            break;
        }
        step(world, due);
        if started.elapsed() > MAX_FRAME_WORK {
            forget_owed(world);
            break;
        }
    }
    let now = world.resource::<Time<Real>>().elapsed();
    world.resource_mut::<StepRate>().record(now);
}

fn due_instances(world: &mut World) -> Vec<Entity> {
    if world.resource::<Clock>().held {
        return Vec::new();
    }
    let instances = world.resource::<Instances>().0.clone();
    instances
        .into_iter()
        .filter(|&entity| {
            world.get::<Pace>(entity).is_some_and(Pace::is_due)
                && world.get::<Policy>(entity).is_some_and(Policy::is_ready)
        })
        .collect()
}

fn step(world: &mut World, due: Vec<Entity>) {
    for &entity in &due {
        policy::take_action(world, entity);
    }
    world.resource_mut::<StepRate>().total += due.len() as u64;
    let count = due.len();
    world.resource_mut::<Stepping>().0 = due;
    world.run_schedule(PrepareStep);
    let stepping = world.resource::<Stepping>().0.clone();
    for &entity in &stepping {
        world.entity_mut(entity).insert(STEPPING);
    }
    world.resource_mut::<Sim>().active = STEPPING;
    world.run_schedule(ControlStep);
    for &entity in &stepping {
        world.entity_mut(entity).insert(STANDING);
    }
    for &entity in &stepping[..count] {
        world.get_mut::<Pace>(entity).expect("an instance on show has a pace").count_step();
    }
    world.run_schedule(RecordStep);
}

fn forget_owed(world: &mut World) {
    for mut pace in world.query::<&mut Pace>().iter_mut(world) {
        pace.owed = pace.owed.fract();
    }
}
