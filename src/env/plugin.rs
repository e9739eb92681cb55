//! The one plugin that hosts any environment, and takes its instances through control steps.

use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bevy::ecs::system::SystemState;
use bevy::prelude::*;

use super::instance::Surroundings;
use super::instances::{Instances, Parts};
use super::{EnvCatalog, Environment};
use crate::sim::{Drive, Host, Sim, Throughput};

const HAS_SIM: &str = "the world has `SimPlugin`";

/// Work that a thread takes at a time, ns: long beside taking it, short beside what a thread may fall behind.
const PIECE_NANOS: f64 = 10_000.0;

/// Work that is worth another thread, ns: waking one takes about 10 µs.
const THREAD_NANOS: f64 = 25_000.0;

/// One control step in so many is measured; reading the clock takes as long as a short step.
const SAMPLED_EVERY: u32 = 32;

/// Typical time of one drawn observation, ns.
const DRAW_NANOS: f64 = 50_000.0;

/// Hosts instances of one environment. Needs [`SimPlugin`](crate::sim::SimPlugin), and the tasks in [`Sim`]
/// before the first control step.
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

/// Has the instances of one environment stepped. Done with the first of them: an environment costs time in every control
/// step, even without instances.
pub(super) fn add_host<E: Environment>(world: &mut World) {
    let host = EnvHost::<E> { access: SystemState::new(world), pace: Pace::default() };
    Sim::add_host(world, host);
}

/// What a control step of one instance costs, learned from samples. It decides on which threads instances step, never
/// what they do.
#[derive(Default)]
struct Pace {
    /// Control steps since one was measured.
    turn: u32,
    /// ns; 0 before the first control step.
    nanos: f64,
}

impl Pace {
    /// Whether the first of the next `steps` control steps is to be measured.
    fn next(&mut self, steps: u32) -> bool {
        self.turn += steps.min(SAMPLED_EVERY);
        let due = self.turn >= SAMPLED_EVERY;
        self.turn %= SAMPLED_EVERY;
        due
    }

    /// Takes in that `count` steps took `time`; whether that is likely to be their own time and no interruption.
    fn learn(&mut self, time: Duration, count: usize) -> bool {
        let (sample, most) = (time.as_nanos() as f64 / count as f64, 4.0 * self.nanos);
        // What was interrupted must not count for long.
        self.nanos = 0.5 * (self.nanos + sample.min(most));
        sample < most
    }

    /// Over how many threads to spread `count` instances that take `steps` steps each, and how many to take at a time.
    fn split(&self, count: usize, steps: u32) -> (usize, usize) {
        let nanos = self.nanos * f64::from(steps);
        let threads = (nanos * count as f64 / THREAD_NANOS) as usize;
        (threads.clamp(1, count.max(1)), ((PIECE_NANOS / nanos) as usize).max(1))
    }
}

/// The instances of one environment: the components of all of them, and what they cost.
struct EnvHost<E: Environment> {
    access: SystemState<(ResMut<'static, Sim>, Query<'static, 'static, Parts<E>>)>,
    pace: Pace,
}

impl<E: Environment> Host for EnvHost<E> {
    /// Instances share nothing, so the result is the same on any number of threads.
    fn advance(&mut self, world: &mut World, drive: Drive<'_>) {
        let Self { access, pace } = self;
        let (mut sim, mut tables) = access.get_mut(world).expect(HAS_SIM);
        let Sim { tasks, seed, active, observation, threads, throughput, .. } = sim.bypass_change_detection();
        let around = Surroundings { tasks, seed: *seed, active: *active, actor: drive.actor };
        if pace.nanos == 0.0 {
            pace.nanos = E::STEP_NANOS as f64 + if observation.draws() { DRAW_NANOS } else { 0.0 };
        }
        let due = pace.next(drive.steps);
        for table in tables.contiguous_iter_mut().expect("all components lie in tables") {
            let mut rest = Instances::of(table);
            let whole = rest.len();
            let (worth, piece) = pace.split(whole, drive.steps);
            let worth = worth.min(threads.count());
            let mut sample = rest.split_off(if due { pace.split(whole, 1).1 } else { 0 });
            if due {
                let times = sample.advance_timed(around, throughput);
                if pace.learn(times.iter().sum(), sample.len()) {
                    let stands_for = f64::from(drive.steps.max(SAMPLED_EVERY)) * whole as f64 / sample.len() as f64;
                    throughput.add_sample(times, sample.len(), stands_for);
                }
            }
            // A step behind the others.
            let behind = drive.steps - 1;
            if worth == 1 {
                sample.advance(behind, around, throughput);
                rest.advance(drive.steps, around, throughput);
                continue;
            }
            let total = Mutex::new(&mut *throughput);
            // Each thread keeps to a range of its own, the same in every control step, for the sake of its cache.
            // What was measured is the head of the first.
            let mut done = sample.len();
            let mut ranges: Vec<_> = shares(whole, worth)
                .map(|count| {
                    let head = done.min(count);
                    done -= head;
                    rest.split_off(count - head)
                })
                .collect();
            let next = |thread: usize| {
                if thread == 0 && sample.len() > 0 {
                    return Some((sample.split_off(piece), behind));
                }
                let own = ranges[thread].split_off(piece);
                if own.len() > 0 {
                    return Some((own, drive.steps));
                }
                // From the far end of who has most left: threads that write side by side slow each other down.
                let most = ranges.iter_mut().max_by_key(|range| range.len()).filter(|range| range.len() > 0)?;
                Some((most.split_off_back(piece), drive.steps))
            };
            threads.share(worth, next, |(mut piece, steps)| {
                let mut counts = Throughput::default();
                piece.advance(steps, around, &mut counts);
                **total.lock().unwrap_or_else(PoisonError::into_inner) += &counts;
            });
        }
    }

    fn start(&mut self, world: &mut World) {
        let (mut sim, mut tables) = self.access.get_mut(world).expect(HAS_SIM);
        let Sim { tasks, seed, active, throughput, .. } = &mut *sim;
        let around = Surroundings { tasks, seed: *seed, active: *active, actor: None };
        for table in tables.contiguous_iter_mut().expect("all components lie in tables") {
            Instances::of(table).start(around, throughput);
        }
    }
}

/// Parts of `whole`, as equal as can be.
fn shares(whole: usize, parts: usize) -> impl Iterator<Item = usize> {
    (0..parts).map(move |part| whole / parts + usize::from(part < whole % parts))
}
