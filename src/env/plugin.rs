//! The one plugin that hosts any environment: its systems in the phases of a control step.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

use bevy::ecs::query::QueryData;
use bevy::prelude::*;
use bevy::tasks::ComputeTaskPool;

use super::catalog::Params;
use super::{EnvCatalog, Environment};
use crate::paint::Raster;
use crate::sim::{
    Action, ActiveGroup, ControlStep, Ending, Episode, Frame, Group, InstanceId, InstanceTask, Observation,
    ObservationMode, Parallel, Purpose, Rng, Seed, SimSystems, StartEpisodes, StepRecord, TaskTable, Throughput,
};

/// Below this much expected work a phase runs on the calling thread: handing work over costs about 20 µs.
const PARALLEL_FROM: Duration = Duration::from_micros(100);

/// Typical time of one drawn observation, ns.
const DRAW_NANOS: u64 = 50_000;

/// Hosts instances of one environment. Needs [`SimPlugin`](crate::sim::SimPlugin) and the resources [`Seed`]
/// and [`TaskTable`] before the first control step.
pub struct EnvPlugin<E: Environment>(PhantomData<fn() -> E>);

impl<E: Environment> Default for EnvPlugin<E> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<E: Environment> Plugin for EnvPlugin<E> {
    fn build(&self, app: &mut App) {
        app.init_resource::<EnvCatalog>();
        app.world_mut().resource_mut::<EnvCatalog>().register::<E>();
    }
}

/// Adds the systems of one environment. Done with its first instance: a system costs time in every control step, even
/// without instances.
pub(super) fn schedule<E: Environment>(schedules: &mut Schedules) {
    // Systems of one phase work on disjoint instances, so their order among each other does not matter.
    schedules.add_systems(
        ControlStep,
        (
            step::<E>.in_set(SimSystems::Step).ambiguous_with(SimSystems::Step),
            observe::<E>.in_set(SimSystems::Observe).ambiguous_with(SimSystems::Observe),
            reset::<E>.in_set(SimSystems::Reset).ambiguous_with(SimSystems::Reset),
        ),
    );
    schedules.add_systems(StartEpisodes, reset::<E>.in_set(SimSystems::Reset).ambiguous_with(SimSystems::Reset));
}

/// Spreads `visit` over threads when the instances are worth it. Instances share nothing, so the result is the same.
macro_rules! for_each_instance {
    ($instances:expr, $parallel:expr, $nanos:expr, $visit:expr) => {{
        let count = $instances.iter().len() as u64;
        let work = Duration::from_nanos(count * $nanos);
        if $parallel.0 && work >= PARALLEL_FROM && ComputeTaskPool::get().thread_num() > 1 {
            $instances.par_iter_mut().for_each($visit);
        } else {
            $instances.iter_mut().for_each($visit);
        }
    }};
}

/// What stepping an instance takes.
type Stepped<E> = (
    &'static Group,
    &'static InstanceTask,
    &'static Action,
    &'static Params<E>,
    &'static mut E,
    &'static mut Episode,
    &'static mut StepRecord,
);

fn step<E: Environment>(
    active: Res<ActiveGroup>,
    parallel: Res<Parallel>,
    table: Res<TaskTable>,
    mut throughput: ResMut<Throughput>,
    mut instances: Query<Stepped<E>>,
) {
    if instances.is_empty() {
        return;
    }
    let started = Instant::now();
    for_each_instance!(instances, parallel, E::STEP_NANOS, |(
        group,
        task,
        action,
        params,
        mut state,
        mut episode,
        mut record,
    )| {
        if *group != active.0 {
            return;
        }
        let task = &table.0[task.0 as usize];
        let mut total = StepRecord::default();
        for _ in 0..task.action_repeat {
            let outcome = state.step(&params.0, &action.0[..task.action_dim], &mut episode.rng);
            for (sum, term) in total.terms.iter_mut().zip(outcome.terms) {
                *sum += term;
            }
            total.success = outcome.success;
            total.terminated = outcome.terminated;
            total.fault = outcome.fault;
            if outcome.terminated || outcome.fault.is_some() {
                break;
            }
        }
        total.reward = total.terms.iter().sum::<f64>() as f32;
        *record = total;
    });
    throughput.step_time += started.elapsed();
}

fn observe<E: Environment>(
    active: Res<ActiveGroup>,
    parallel: Res<Parallel>,
    table: Res<TaskTable>,
    mode: Res<ObservationMode>,
    seed: Res<Seed>,
    mut throughput: ResMut<Throughput>,
    mut instances: Query<Observed<E>>,
) {
    if instances.is_empty() {
        return;
    }
    let started = Instant::now();
    let nanos = if mode.draws() { DRAW_NANOS } else { E::STEP_NANOS / 4 };
    for_each_instance!(instances, parallel, nanos, |instance| {
        if *instance.group == active.0 {
            instance.write(&table, *seed);
        }
    });
    throughput.observe_time += started.elapsed();
}

fn reset<E: Environment>(
    table: Res<TaskTable>,
    seed: Res<Seed>,
    mut throughput: ResMut<Throughput>,
    mut instances: Query<(Observed<E>, &mut StepRecord)>,
) {
    if instances.is_empty() {
        return;
    }
    let mut started = None;
    // Resets are rare and short beside steps: one thread.
    for (mut instance, mut record) in &mut instances {
        if !record.needs_reset {
            continue;
        }
        started.get_or_insert_with(Instant::now);
        record.needs_reset = false;
        instance.restart(*seed, record.ending == Some(Ending::Fault));
        instance.write(&table, *seed);
    }
    if let Some(started) = started {
        throughput.reset_time += started.elapsed();
    }
}

/// The parts of an instance that take part in observing and resetting it.
#[derive(QueryData)]
#[query_data(mutable)]
struct Observed<E: Environment> {
    group: &'static Group,
    id: &'static InstanceId,
    task: &'static InstanceTask,
    params: &'static Params<E>,
    state: &'static mut E,
    episode: &'static mut Episode,
    observation: &'static mut Observation,
    frame: Option<&'static mut Frame>,
}

impl<E: Environment> ObservedItem<'_, '_, E> {
    fn restart(&mut self, seed: Seed, faulty: bool) {
        let stream = self.id.stream();
        self.episode.number += u64::from(self.episode.started);
        let number = self.episode.number;
        if faulty {
            *self.state = E::new(&self.params.0, &mut seed.rng(Purpose::Construct, stream, number));
        }
        *self.episode = Episode { number, step: 0, started: true, rng: seed.rng(Purpose::Episode, stream, number) };
        self.state.reset(&self.params.0, &mut self.episode.rng);
    }

    fn write(mut self, table: &TaskTable, seed: Seed) {
        let width = table.0[self.task.0 as usize].obs_dim;
        self.state.observe(&self.params.0, &mut self.observation.0[..width]);
        if let Some(frame) = &mut self.frame {
            frame.paint(&*self.state, &self.params.0, *self.id, &self.episode, seed);
            self.state.after_draw();
        }
    }
}

/// The generator of one picture: equal for equal instance, episode and step.
pub(super) fn draw_rng(seed: Seed, id: InstanceId, episode: &Episode) -> Rng {
    seed.rng(Purpose::Draw, id.stream(), (episode.number << 24) | u64::from(episode.step))
}

thread_local! {
    static RASTER: RefCell<Raster> = RefCell::new(Raster::new());
}

impl Frame {
    /// Draws the observation, painting the episode's backdrop only once.
    fn paint<E: Environment>(&mut self, state: &E, params: &E::Params, id: InstanceId, episode: &Episode, seed: Seed) {
        RASTER.with_borrow_mut(|raster| {
            if self.backdrop_episode == Some(episode.number) {
                raster.load(&self.backdrop);
            } else {
                raster.clear();
                state.draw_backdrop(params, raster);
                self.backdrop.resize(raster.bytes().len(), 0);
                self.backdrop.copy_from_slice(raster.bytes());
                self.backdrop_episode = Some(episode.number);
            }
            state.draw(params, raster, &mut draw_rng(seed, id, episode));
            raster.write_channels_first(&mut self.pixels);
        });
    }
}
