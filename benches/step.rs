//! Control steps a second on one core, against a plain loop: `cargo bench --bench step [-- TASK…]`.
//!
//! Both keep rows, reward terms, episodes and scores and check that all is finite; actions are drawn beforehand. Compare within one run: machines are noisy.
#![expect(clippy::print_stdout, reason = "a bench prints its results")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bevy::prelude::*;
use terrarium::env::{EnvCatalog, EnvironmentsPlugin, HostedTask, Simulation, SimulationConfig};
use terrarium::sim::{ACTION_DIM, Action, Group, ObservationMode, Purpose, Seed, SimPlugin};
use terrarium::task::{Registry, Task};

/// How long each figure is measured.
const MEASURED: Duration = Duration::from_millis(200);
/// Instances at once.
const COUNTS: [usize; 5] = [1, 2, 4, 8, 1024];

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

    println!("{:<32} {:>9} {:>12} {:>12} {:>6}", "task", "instances", "steps/s", "plain loop", "ratio");
    let mut rates = [(0.0, 0.0); COUNTS.len()];
    for (task, hosted) in &cases {
        for (count, sums) in COUNTS.into_iter().zip(&mut rates) {
            let plain = plain_rate(task, hosted, count as u64, &actions);
            let rate = simulation_rate([(*task).clone()].into(), count, &actions);
            print_row(&task.id, count, rate, plain);
            *sums = (sums.0 + rate, sums.1 + plain);
        }
    }
    let n = cases.len() as f64;
    for (count, (rate, plain)) in COUNTS.into_iter().zip(rates) {
        print_row("mean over tasks", count, rate / n, plain / n);
    }
    // Mixed, the loop takes the tasks one after the other.
    let count = 1024 / cases.len() * cases.len();
    let each = (count / cases.len()) as u64;
    let seconds: f64 = cases.iter().map(|(task, hosted)| 1.0 / plain_rate(task, hosted, each, &actions)).sum();
    let rate = simulation_rate(cases.iter().map(|(task, _)| (*task).clone()).collect(), count, &actions);
    print_row("all tasks mixed", count, rate, n / seconds);
}

fn print_row(name: &str, count: usize, rate: f64, plain: f64) {
    println!("{name:<32} {count:>9} {rate:>12.0} {plain:>12.0} {:>6.2}", rate / plain);
}

fn random_actions() -> Vec<[f32; ACTION_DIM]> {
    let mut rng = Seed::new(1).rng(Purpose::Policy, 0, 0);
    (0..1000).map(|_| std::array::from_fn(|_| rng.uniform(-1.0, 1.0) as f32)).collect()
}

/// Steps a second of all instances together.
fn plain_rate(task: &Task, hosted: &HostedTask, count: u64, actions: &[[f32; ACTION_DIM]]) -> f64 {
    let mut steps = 1;
    loop {
        let time = hosted.time_plain_loop(task, count, steps, actions);
        if time >= MEASURED / 2 {
            return f64::from(steps) * count as f64 / time.as_secs_f64();
        }
        let factor = MEASURED.as_secs_f64() / time.as_secs_f64().max(1e-6);
        steps = (f64::from(steps) * factor.clamp(1.5, 100.0)) as u32;
    }
}

/// Steps a second of `count` instances, dealt to the tasks in turn.
fn simulation_rate(tasks: Arc<[Task]>, count: usize, actions: &[[f32; ACTION_DIM]]) -> f64 {
    let mut simulation = Simulation::new(&SimulationConfig {
        instances: (0..count).map(|instance| (instance % tasks.len()) as u16).collect(),
        tasks,
        groups: 1,
        seed: Seed::new(0),
        observation: ObservationMode::State,
        threads: Some(1),
    })
    .expect("the tasks are hosted");
    let mut targets = simulation.world_mut().query::<&mut Action>();
    let mut started = Instant::now();
    let (mut steps, mut warm) = (0u64, false);
    for (step, action) in actions.iter().cycle().enumerate() {
        for mut column in targets.contiguous_iter_mut(simulation.world_mut()).expect("actions lie in tables") {
            column.bypass_change_detection().iter_mut().for_each(|target| target.0 = *action);
        }
        simulation.step(Group(0));
        steps += 1;
        // Reading the clock costs as much as some steps do.
        if step % 16 == 15 && started.elapsed() >= MEASURED {
            if warm {
                break;
            }
            (warm, steps, started) = (true, 0, Instant::now());
        }
    }
    steps as f64 * count as f64 / started.elapsed().as_secs_f64()
}
