//! Control steps a second on one core, against a plain loop: `cargo bench --bench step [-- TASK…]`.
//!
//! Twice: with an actor beside the simulation, as rollouts of policy files go, and handing over actions and coming back
//! with every step, as a learner does. All keep rows, reward terms, episodes and scores and check that all is finite;
//! actions are drawn beforehand. Compare within one run: machines are noisy.
#![expect(clippy::print_stdout, reason = "a bench prints its results")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bevy::prelude::*;
use terrarium::env::{EnvCatalog, EnvironmentsPlugin, HostedTask, Simulation, SimulationConfig};
use terrarium::sim::{ACTION_DIM, Action, Actor, Asked, Group, ObservationMode, Purpose, Seed, SimPlugin};
use terrarium::task::{Registry, Task};

/// How often each figure is measured, and how long.
const ROUNDS: usize = 5;
const MEASURED: Duration = Duration::from_millis(50);
/// Instances at once.
const COUNTS: [usize; 5] = [1, 2, 4, 8, 1024];
/// Actions that are drawn beforehand.
const ACTIONS: usize = 1024;
/// Control steps of a call that goes with an actor.
const STEPS: u32 = 256;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let actions = random_actions();
    let mut app = App::new();
    app.add_plugins((SimPlugin { observation: ObservationMode::State, threads: None }, EnvironmentsPlugin));
    let catalog = app.world().resource::<EnvCatalog>();
    let registry = Registry::builtin().expect("the task tables parse");
    let cases: Vec<(&Task, HostedTask)> = registry
        .tasks()
        .iter()
        .filter(|task| wanted.is_empty() || wanted.contains(&task.id))
        .filter_map(|task| Some((task, catalog.host(task).ok()?)))
        .collect();

    println!(
        "{:<32} {:>9} {:>12} {:>12} {:>6} {:>12} {:>6}",
        "task", "instances", "plain loop", "with actor", "ratio", "in lock-step", "ratio"
    );
    let mut sums = [[0.0; 3]; COUNTS.len()];
    for (task, hosted) in &cases {
        for (count, sums) in COUNTS.into_iter().zip(&mut sums) {
            // In turn, the best of each: a machine that is busy for a while slows them all.
            let mut rates = [0.0_f64; 3];
            for _ in 0..ROUNDS {
                let round = [
                    plain_rate(task, hosted, count as u64, &actions),
                    played_rate(task, count, &actions),
                    lock_step_rate(task, count, &actions),
                ];
                rates.iter_mut().zip(round).for_each(|(best, rate)| *best = best.max(rate));
            }
            print_row(&task.id, count, rates);
            sums.iter_mut().zip(rates).for_each(|(sum, rate)| *sum += rate);
        }
    }
    for (count, sums) in COUNTS.into_iter().zip(sums) {
        print_row("mean over tasks", count, sums.map(|sum| sum / cases.len() as f64));
    }
}

fn print_row(name: &str, count: usize, [plain, played, stepped]: [f64; 3]) {
    println!(
        "{name:<32} {count:>9} {plain:>12.0} {played:>12.0} {:>6.2} {stepped:>12.0} {:>6.2}",
        played / plain,
        stepped / plain
    );
}

/// Takes the actions in turn, in episodes of so many steps.
struct Drawn<'a> {
    actions: &'a [[f32; ACTION_DIM]],
    episode_length: u64,
}

impl Actor for Drawn<'_> {
    fn act(&self, asked: Asked<'_>, action: &mut Action) {
        let step = asked.episode.number * self.episode_length + u64::from(asked.episode.step);
        action.0 = self.actions[step as usize % ACTIONS];
    }
}

fn random_actions() -> Vec<[f32; ACTION_DIM]> {
    let mut rng = Seed::new(1).rng(Purpose::Policy, 0, 0);
    (0..ACTIONS).map(|_| std::array::from_fn(|_| rng.uniform(-1.0, 1.0) as f32)).collect()
}

/// Steps a second of all instances together.
fn plain_rate(task: &Task, hosted: &HostedTask, count: u64, actions: &[[f32; ACTION_DIM]]) -> f64 {
    let mut steps = 1;
    loop {
        let time = hosted.time_plain_loop(task, count, steps, actions);
        if time >= MEASURED {
            return f64::from(steps) * count as f64 / time.as_secs_f64();
        }
        let factor = MEASURED.as_secs_f64() / time.as_secs_f64().max(1e-6);
        steps = (f64::from(steps) * (1.2 * factor).clamp(1.5, 100.0)) as u32;
    }
}

/// Steps a second of `count` instances with an actor beside them.
fn played_rate(task: &Task, count: usize, actions: &[[f32; ACTION_DIM]]) -> f64 {
    let actor = Drawn { actions, episode_length: u64::from(task.episode_length) };
    simulation_rate(task, count, |simulation, _| simulation.play(Group(0), STEPS, &actor), STEPS)
}

/// Steps a second of `count` instances that are stepped one by one.
fn lock_step_rate(task: &Task, count: usize, actions: &[[f32; ACTION_DIM]]) -> f64 {
    let mut targets = None;
    let one_step = |simulation: &mut Simulation, turn: usize| {
        let targets = targets.get_or_insert_with(|| simulation.world_mut().query::<&mut Action>());
        for mut column in targets.contiguous_iter_mut(simulation.world_mut()).expect("actions lie in tables") {
            column.bypass_change_detection().iter_mut().for_each(|target| target.0 = actions[turn % actions.len()]);
        }
        simulation.step(Group(0));
    };
    simulation_rate(task, count, one_step, 1)
}

/// Steps a second of `count` instances, on one thread, where each call makes `steps` control steps.
fn simulation_rate(task: &Task, count: usize, mut call: impl FnMut(&mut Simulation, usize), steps: u32) -> f64 {
    let mut simulation = Simulation::new(&SimulationConfig {
        instances: vec![0; count],
        tasks: Arc::from([task.clone()]),
        groups: 1,
        seed: Seed::new(0),
        observation: ObservationMode::State,
        threads: Some(1),
    })
    .expect("the tasks are hosted");
    let mut started = Instant::now();
    let (mut calls, mut warm) = (0u64, false);
    for turn in 0.. {
        call(&mut simulation, turn);
        calls += 1;
        // Reading the clock costs as much as some steps do.
        if turn % 16 == 15 && started.elapsed() >= MEASURED {
            if warm {
                break;
            }
            (warm, calls, started) = (true, 0, Instant::now());
        }
    }
    (calls * u64::from(steps)) as f64 * count as f64 / started.elapsed().as_secs_f64()
}
