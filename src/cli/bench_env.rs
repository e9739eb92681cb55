//! `terrarium bench env`: steps and pictures a second of every hosted task, and the split by phase.

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use crate::env::{EnvError, Simulation, SimulationConfig, host};
use crate::sim::{Action, Actor, Asked, Group, ObservationMode, Phase, Purpose, Seed, Throughput};
use crate::task::{Registry, Task, TaskSet};

/// Work of each control step of a measurement of states, ns: as many instances a core as that takes, within bounds.
const WORK_NANOS: u64 = 1_000_000;
const INSTANCES: (u64, u64) = (16, 1024);
/// How long each call with an actor is to take: as many control steps as that makes, within bounds.
const CALL: Duration = Duration::from_millis(4);
const STEPS: (f64, f64) = (1.0, 64.0);
/// Instances a core of each measurement of pictures.
const DRAWN_INSTANCES: usize = 8;

/// What a task's measurement gave.
#[derive(serde::Serialize)]
struct Speed {
    /// Steps a second on one core, states only, with an actor beside the simulation.
    one_core: f64,
    /// The same on all cores.
    all_cores: f64,
    /// Steps a second on one core, states only, where actions are handed over with every step, as a learner does.
    lock_step_one_core: f64,
    /// The same on all cores.
    lock_step_all_cores: f64,
    /// Steps a second of one thread with a picture each; none where they cannot be drawn. Mesa, which renders MuJoCo's
    /// where there is no GPU, has threads of its own.
    rgb_one_core: Option<f64>,
    /// The same of a thread a core.
    rgb_all_cores: Option<f64>,
    /// Time of a step on one core over that of MuJoCo's bare physics steps, for the tasks that it hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    over_bare: Option<f64>,
    /// Shares of a step's time on one core, states only, in lock-step.
    phases: Phases,
}

#[derive(serde::Serialize)]
struct Phases {
    act: f64,
    step: f64,
    observe: f64,
    score: f64,
    reset: f64,
    /// Handing over actions, and scheduling.
    rest: f64,
}

/// Measures the tasks that the words `task=…` or `domain=…` name, all hosted ones without them. One that cannot be played
/// is named and left out; the command fails in the end.
pub(super) fn run(words: &[String], json: bool) -> anyhow::Result<()> {
    let (mut of, mut seconds) = (None, 0.5);
    for word in words {
        match word.split_once('=') {
            Some(("task" | "domain", value)) => {
                if let Some(before) = of.replace(value.to_owned()) {
                    let sentence =
                        format!("both {before} and {value} are named; write one list: task={before},{value}");
                    return Err(super::Misuse(sentence).into());
                }
            }
            Some(("seconds", value)) => {
                seconds = value.parse().ok().filter(|s: &f64| *s > 0.0).ok_or_else(|| {
                    super::Misuse(format!("seconds={value:?} cannot be read; expected a positive number"))
                })?;
            }
            _ => {
                let sentence =
                    format!("{word:?} is no setting of bench env; the settings are task=, domain= and seconds=");
                return Err(super::Misuse(sentence).into());
            }
        }
    }
    let registry = Registry::builtin()?;
    let tasks = match &of {
        Some(text) => TaskSet::parse(text, &registry)?.tasks().to_vec(),
        None => registry.tasks().iter().filter(|task| !crate::env::is_left_out(task)).cloned().collect(),
    };
    let time = Duration::from_secs_f64(seconds);
    let cores = available_parallelism()?.get();
    let mut left_out = 0;
    let mut speeds = serde_json::Map::new();
    if !json {
        println!(
            "{:<32} {:>12} {:>12} {:>12} {:>12} {:>10} {:>10}   {:>6} {:>6} {:>8} {:>6} {:>6} {:>6}  {:>9}",
            "task",
            "one core",
            "all cores",
            "lock-step",
            "all cores",
            "rgb",
            "all cores",
            "act",
            "step",
            "observe",
            "score",
            "reset",
            "rest",
            "over bare"
        );
    }
    for task in &tasks {
        let speed = match measure_task(task, time, cores) {
            Ok(speed) => speed,
            Err(problem) => {
                eprintln!("warning: {problem}");
                left_out += 1;
                continue;
            }
        };
        if json {
            speeds.insert(task.id.clone(), serde_json::to_value(&speed)?);
        } else {
            let percent = |share: f64| format!("{:.0} %", 100.0 * share);
            let shown = |speed: Option<f64>| speed.map_or("-".to_owned(), |speed| format!("{speed:.0}"));
            println!(
                "{:<32} {:>12.0} {:>12.0} {:>12.0} {:>12.0} {:>10} {:>10}   {:>6} {:>6} {:>8} {:>6} {:>6} {:>6}  {:>9}",
                task.id,
                speed.one_core,
                speed.all_cores,
                speed.lock_step_one_core,
                speed.lock_step_all_cores,
                shown(speed.rgb_one_core),
                shown(speed.rgb_all_cores),
                percent(speed.phases.act),
                percent(speed.phases.step),
                percent(speed.phases.observe),
                percent(speed.phases.score),
                percent(speed.phases.reset),
                percent(speed.phases.rest),
                speed.over_bare.map_or(String::new(), |ratio| format!("{ratio:.2}x"))
            );
        }
    }
    if json {
        println!("{}", serde_json::json!({ "cores": cores, "unit": "steps/s", "tasks": speeds }));
    }
    anyhow::ensure!(left_out == 0, "{left_out} of {} tasks could not be measured, for the reasons above", tasks.len());
    Ok(())
}

fn measure_task(task: &Task, time: Duration, cores: usize) -> Result<Speed, EnvError> {
    let instances = instances(task)?;
    let measure = |cores, pace| measure(task, instances * cores, ObservationMode::State, cores, pace, time);
    let (one_core, _) = measure(1, Pace::Actor)?;
    let (all_cores, _) = measure(cores, Pace::Actor)?;
    let (lock_step_one_core, throughput) = measure(1, Pace::LockStep)?;
    let (lock_step_all_cores, _) = measure(cores, Pace::LockStep)?;
    let rgb_one_core = measure_pictures(task, DRAWN_INSTANCES, 1, time)?;
    let rgb_all_cores = match rgb_one_core {
        Some(_) => measure_pictures(task, DRAWN_INSTANCES * cores, cores, time)?,
        None => None,
    };
    let [act, step, observe, score, reset] =
        Phase::ALL.map(|phase| throughput.step_time(phase).as_secs_f64() * lock_step_one_core);
    let rest = (1.0 - act - step - observe - score - reset).max(0.0);
    let phases = Phases { act, step, observe, score, reset, rest };
    let over_bare = over_bare(task, instances, time)?;
    Ok(Speed {
        one_core,
        all_cores,
        lock_step_one_core,
        lock_step_all_cores,
        rgb_one_core,
        rgb_all_cores,
        over_bare,
        phases,
    })
}

/// How many instances step at once on a core.
fn instances(task: &Task) -> Result<usize, EnvError> {
    let nanos = host(task)?.step_nanos();
    Ok((WORK_NANOS / nanos).clamp(INSTANCES.0, INSTANCES.1) as usize)
}

#[cfg(feature = "mujoco")]
fn over_bare(task: &Task, instances: usize, time: Duration) -> Result<Option<f64>, EnvError> {
    crate::env::mujoco::ratio_to_bare(task, instances, time)
}

#[cfg(not(feature = "mujoco"))]
fn over_bare(_: &Task, _: usize, _: Duration) -> Result<Option<f64>, EnvError> {
    Ok(None)
}

/// Steps a second with a picture each; where they cannot be drawn none, and a warning.
fn measure_pictures(task: &Task, instances: usize, threads: usize, time: Duration) -> Result<Option<f64>, EnvError> {
    match measure(task, instances, ObservationMode::StateRgb, threads, Pace::Actor, time) {
        Ok((speed, _)) => Ok(Some(speed)),
        Err(error @ EnvError::Pictures { .. }) => {
            eprintln!("warning: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// How actions reach the instances.
#[derive(Clone, Copy)]
enum Pace {
    /// From an actor beside the simulation, for many control steps at once.
    Actor,
    /// From outside, with every control step.
    LockStep,
}

/// Random actions that were drawn beforehand.
struct Drawn(Vec<Action>);

impl Drawn {
    fn new(count: usize) -> Self {
        let mut rng = Seed::new(1).rng(Purpose::Policy, 0, 0);
        Self((0..count).map(|_| Action(std::array::from_fn(|_| rng.uniform(-1.0, 1.0) as f32))).collect())
    }
}

impl Actor for Drawn {
    fn act(&self, asked: Asked<'_>, action: &mut Action) {
        // Instances are at different places of the list.
        let place = asked.instance.row() + asked.episode.step as usize;
        action.0 = self.0[place % self.0.len()].0;
    }
}

/// Steps a second under random actions, and where their time went.
fn measure(
    task: &Task,
    instances: usize,
    observation: ObservationMode,
    threads: usize,
    pace: Pace,
    time: Duration,
) -> Result<(f64, Throughput), EnvError> {
    let mut simulation = Simulation::new(&SimulationConfig {
        tasks: Arc::from([task.clone()]),
        instances: vec![0; instances],
        groups: 1,
        seed: Seed::new(1),
        observation,
        threads: Some(threads),
    })?;
    let actions = Drawn::new(instances + 64);
    let mut holders = simulation.world_mut().query::<&mut Action>();
    let mut call = |simulation: &mut Simulation, turn: usize, steps: u32| match pace {
        Pace::Actor => simulation.play(Group(0), steps, &actions),
        Pace::LockStep => {
            let columns = holders.contiguous_iter_mut(simulation.world_mut()).expect("actions lie in tables");
            for (action, next) in columns.flatten().zip(&actions.0[turn % 64..]) {
                *action = next.clone();
            }
            simulation.step(Group(0));
        }
    };
    let mut one_step = Duration::MAX;
    for turn in 0..3 {
        let started = Instant::now();
        call(&mut simulation, turn, 1);
        one_step = one_step.min(started.elapsed());
    }
    let steps = (CALL.as_secs_f64() / one_step.as_secs_f64()).clamp(STEPS.0, STEPS.1) as u32;
    let before = simulation.throughput().clone();
    let started = Instant::now();
    let mut turn = 0;
    while started.elapsed() < time {
        call(&mut simulation, turn, steps);
        turn += 1;
    }
    let elapsed = started.elapsed().as_secs_f64();
    let spent = simulation.throughput().since(&before);
    Ok((spent.steps as f64 / elapsed, spent))
}
