//! The one plugin that hosts any environment: the system that takes its instances through a control step.

use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bevy::prelude::*;

use super::instances::{Instances, Parts, Surroundings};
use super::{EnvCatalog, Environment};
use crate::sim::{Sim, Throughput};

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

/// Adds the systems of one environment. Done with its first instance: a system costs time in every control step, even
/// without instances.
pub(super) fn add_systems<E: Environment>(world: &mut World) {
    Sim::add_systems(world, advance::<E>, start::<E>);
}

/// What a control step of one instance costs, learned from samples. It decides on which threads instances step, never
/// what they do.
#[derive(Default)]
struct Pace {
    turn: u32,
    /// ns; 0 before the first control step.
    nanos: f64,
}

impl Pace {
    /// Whether this control step is to be measured.
    fn next(&mut self) -> bool {
        self.turn = self.turn.wrapping_add(1);
        self.turn.is_multiple_of(SAMPLED_EVERY)
    }

    /// Takes in that `count` instances took `time`; whether that is likely to be their own time and no interruption.
    fn learn(&mut self, time: Duration, count: usize) -> bool {
        let (sample, most) = (time.as_nanos() as f64 / count as f64, 4.0 * self.nanos);
        // What was interrupted must not count for long.
        self.nanos = 0.5 * (self.nanos + sample.min(most));
        sample < most
    }

    /// Over how many threads to spread `count` instances, and how many to take at a time.
    fn split(&self, count: usize) -> (usize, usize) {
        let threads = (self.nanos * count as f64 / THREAD_NANOS) as usize;
        (threads.max(1), ((PIECE_NANOS / self.nanos) as usize).max(1))
    }
}

/// A control step of the active group's instances. Instances share nothing, so the result is the same on any number of
/// threads.
fn advance<E: Environment>(mut sim: ResMut<Sim>, mut pace: Local<Pace>, mut tables: Query<Parts<E>>) {
    let Sim { tasks, seed, active, observation, threads, throughput, .. } = sim.bypass_change_detection();
    let around = Surroundings { tasks, seed: *seed, active: *active };
    if pace.nanos == 0.0 {
        pace.nanos = E::STEP_NANOS as f64 + if observation.draws() { DRAW_NANOS } else { 0.0 };
    }
    let sampled = pace.next();
    for table in tables.contiguous_iter_mut().expect("all components lie in tables") {
        let mut rest = Instances::of(table);
        let whole = rest.len();
        let (worth, piece) = pace.split(whole);
        if sampled {
            let mut sample = rest.split_off(piece);
            let times = sample.advance_timed(around, throughput);
            if pace.learn(times.iter().sum(), sample.len()) {
                throughput.add_sample(
                    times,
                    sample.len(),
                    f64::from(SAMPLED_EVERY) * whole as f64 / sample.len() as f64,
                );
            }
        }
        if worth.min(threads.count()) == 1 {
            rest.advance(around, throughput);
            continue;
        }
        let total = Mutex::new(&mut *throughput);
        let next = || (rest.len() > 0).then(|| rest.split_off(piece));
        threads.share(worth, next, |mut piece| {
            let mut counts = Throughput::default();
            piece.advance(around, &mut counts);
            **total.lock().unwrap_or_else(PoisonError::into_inner) += &counts;
        });
    }
}

/// Starts the first episode of those instances that have none.
fn start<E: Environment>(mut sim: ResMut<Sim>, mut tables: Query<Parts<E>>) {
    let Sim { tasks, seed, active, throughput, .. } = &mut *sim;
    let around = Surroundings { tasks, seed: *seed, active: *active };
    for table in tables.contiguous_iter_mut().expect("all components lie in tables") {
        Instances::of(table).start(around, throughput);
    }
}
