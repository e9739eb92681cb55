//! What hosting costs: a task's steps beside nothing but MuJoCo's own, from the same states with the same controls.
#![expect(unsafe_code, reason = "the measure is a plain loop over MuJoCo's C interface")]

use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mujoco_rs::mujoco_c::{mj_copyState, mj_deleteData, mj_makeData, mj_step, mjData, mjtState};

use super::trace::Traceable;
use crate::env::{EnvError, Simulation, SimulationConfig};
use crate::sim::{Action, Group, ObservationMode, Purpose, Rng, Seed, StepRecord};
use crate::task::Task;

/// Control steps that are measured at least. Medians are compared, so those that other work on the machine interrupted
/// do not count.
const LEAST_ROUNDS: usize = 9;

/// Time of a task's agent steps over the time that MuJoCo's bare `mj_step` takes for as many physics steps from the same
/// states, on one core, both over `instances` instances in turn; `None` for a task that MuJoCo does not host.
///
/// # Errors
///
/// [`EnvError`] when the task cannot be hosted.
pub fn ratio_to_bare(task: &Task, instances: usize, time: Duration) -> Result<Option<f64>, EnvError> {
    super::with_traceable(task, Ratio { task, instances, time }).transpose()
}

struct Ratio<'a> {
    task: &'a Task,
    instances: usize,
    time: Duration,
}

impl super::ForTraceable for Ratio<'_> {
    type Output = Result<f64, EnvError>;

    fn run<E: Traceable>(self) -> Result<f64, EnvError> {
        let Self { task, instances, time } = self;
        let seed = Seed::new(1);
        let mut simulation = Simulation::new(&SimulationConfig {
            tasks: Arc::from([task.clone()]),
            instances: vec![0; instances],
            groups: 1,
            seed,
            observation: ObservationMode::State,
            threads: Some(1),
        })?;
        let params: E::Params = task.read_params().expect("the task is hosted, so its parameters are sound");
        let steps = E::physics_steps(&params) * task.action_repeat;
        let mut bare: Vec<Bare> = (0..instances).map(|index| Bare::of(simulation.get::<E>(index))).collect();
        let mut rng = seed.rng(Purpose::Policy, 0, 0);
        let mut rounds: Vec<(Duration, Duration)> = Vec::new();
        let begun = Instant::now();
        while rounds.len() < LEAST_ROUNDS || begun.elapsed() < time {
            for (index, bare) in bare.iter_mut().enumerate() {
                simulation.set_action(index, &random_action(&mut rng).0);
                bare.copy(simulation.get::<E>(index), mjtState::mjSTATE_INTEGRATION);
            }
            let started = Instant::now();
            simulation.step(Group(0));
            let hosted = started.elapsed();
            if (0..instances).any(|index| simulation.get::<StepRecord>(index).ending.is_some()) {
                continue;
            }
            for (index, bare) in bare.iter_mut().enumerate() {
                bare.copy(simulation.get::<E>(index), mjtState::mjSTATE_CTRL);
            }
            let started = Instant::now();
            for (index, bare) in bare.iter_mut().enumerate() {
                bare.step(simulation.get::<E>(index), steps);
            }
            rounds.push((hosted, started.elapsed()));
        }
        let median = |pick: fn(&(Duration, Duration)) -> Duration| {
            let mut times: Vec<Duration> = rounds.iter().map(pick).collect();
            times.sort_unstable();
            times[times.len() / 2].as_secs_f64()
        };
        Ok(median(|round| round.0) / median(|round| round.1))
    }
}

fn random_action(rng: &mut Rng) -> Action {
    Action(std::array::from_fn(|_| rng.uniform(-1.0, 1.0) as f32))
}

/// The data of one instance, without the instance.
struct Bare(NonNull<mjData>);

impl Bare {
    fn of<E: Traceable>(hosted: &E) -> Self {
        // SAFETY: the model is valid; the result is checked.
        let data = unsafe { mj_makeData(hosted.physics().raw().0) };
        Self(NonNull::new(data).expect("there is memory for one more instance"))
    }

    fn copy<E: Traceable>(&mut self, hosted: &E, what: mjtState) {
        let (model, data) = hosted.physics().raw();
        // SAFETY: both belong to the model.
        unsafe { mj_copyState(model, data, self.0.as_ptr(), what as i32) };
    }

    fn step<E: Traceable>(&mut self, hosted: &E, steps: u32) {
        let (model, _) = hosted.physics().raw();
        for _ in 0..steps {
            // SAFETY: the data belongs to the model.
            unsafe { mj_step(model, self.0.as_ptr()) };
        }
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // SAFETY: made by MuJoCo, deleted once.
        unsafe { mj_deleteData(self.0.as_ptr()) };
    }
}
