//! A control step allocates nothing once every instance has run for an episode, but for the few tasks of a
//! step that threads share.
#![expect(unsafe_code, reason = "an allocator can only be replaced by an unsafe impl")]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use bevy::prelude::App;
use common::skip;
use terrarium::env::{EnvCatalog, EnvError, EnvironmentsPlugin, Simulation, SimulationConfig};
use terrarium::sim::{Group, ObservationMode, Purpose, Seed, Sim, SimPlugin};
use terrarium::task::{Domain, Registry, Task};

/// The system's allocator, counting what the calling thread asks of it.
struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn count_one() {
    // A thread that is ending has no counter left; nothing is measured then.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is handed to the system's allocator unchanged; counting touches no memory it manages.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count_one();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count_one();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A world with every environment.
fn app() -> App {
    let mut app = App::new();
    app.add_plugins((SimPlugin { observation: ObservationMode::State, threads: None }, EnvironmentsPlugin));
    app
}

/// Can this task be drawn on this machine?
fn drawable(task: &Task) -> Result<(), EnvError> {
    app().world().resource::<EnvCatalog>().host(task)?.check_drawing(task)
}

/// The tasks that this build hosts.
fn hosted() -> Vec<Task> {
    let app = app();
    let catalog = app.world().resource::<EnvCatalog>();
    let registry = Registry::builtin().expect("the task tables parse");
    registry.tasks().iter().filter(|task| catalog.host(task).is_ok()).cloned().collect()
}

/// Does MuJoCo draw this task?
fn is_rendered(task: &Task) -> bool {
    matches!(task.domain, Domain::DmControl | Domain::DmControlExt | Domain::MuJoCo | Domain::OgBench)
}

/// Allocations in the control steps of the second episode and the reset after it.
fn allocations(tasks: &[Task], observation: ObservationMode) -> u64 {
    let length = tasks.iter().map(|task| task.episode_length).max().unwrap_or(0);
    allocations_after(length + 1, length, tasks, observation)
}

/// Allocations in `steps` control steps after `first` ones.
fn allocations_after(first: u32, steps: u32, tasks: &[Task], observation: ObservationMode) -> u64 {
    const INSTANCES: usize = 2;
    let mut simulation = Simulation::new(&SimulationConfig {
        tasks: tasks.into(),
        instances: (0..tasks.len() as u16).flat_map(|task| [task; INSTANCES]).collect(),
        groups: 1,
        seed: Seed::new(1),
        observation,
        threads: Some(1),
    })
    .expect("the tasks are hosted");
    let mut rng = Seed::new(2).rng(Purpose::Policy, 0, 0);
    let mut before = 0;
    for step in 0..first + steps {
        if step == first {
            before = COUNT.get();
        }
        for instance in 0..INSTANCES * tasks.len() {
            let action: [f32; 16] = std::array::from_fn(|_| rng.uniform(-1.0, 1.0) as f32);
            simulation.set_action(instance, &action);
        }
        simulation.step(Group(0));
    }
    COUNT.get() - before
}

#[test]
fn control_steps_do_not_allocate() {
    let tasks = hosted();
    assert!(!tasks.is_empty());
    for task in &tasks {
        assert_eq!(allocations(std::slice::from_ref(task), ObservationMode::State), 0, "{}", task.id);
    }
    assert_eq!(allocations(&tasks, ObservationMode::State), 0, "all tasks together");
}

/// Allocations of the calling thread in the control steps of so many instances, on three threads.
fn allocations_when_shared(instances: usize) -> u64 {
    const STEPS: u64 = 200;
    let task = hosted().into_iter().find(|task| task.environment == "cartpole").expect("it is hosted");
    let mut simulation = Simulation::new(&SimulationConfig {
        tasks: Arc::from([task]),
        instances: vec![0; instances],
        groups: 1,
        seed: Seed::new(1),
        observation: ObservationMode::State,
        threads: Some(3),
    })
    .expect("the task is hosted");
    for _ in 0..10 {
        simulation.step(Group(0));
    }
    assert!(simulation.world().resource::<Sim>().threads.have_shared());
    let before = COUNT.get();
    for _ in 0..STEPS {
        simulation.step(Group(0));
    }
    (COUNT.get() - before).div_ceil(STEPS)
}

#[test]
fn sharing_a_control_step_allocates_a_few_tasks_however_many_instances_there_are() {
    let counts = [5_000, 20_000].map(allocations_when_shared);
    assert!(counts.iter().all(|count| (1..=12).contains(count)), "a step: {counts:?}");
}

#[test]
fn pictures_do_not_allocate() {
    for task in hosted().iter().filter(|task| !is_rendered(task)) {
        assert_eq!(allocations(std::slice::from_ref(task), ObservationMode::StateRgb), 0, "{}", task.id);
    }
}

/// What OpenGL's library allocates for itself is not ours to count.
#[test]
fn rendered_pictures_do_not_allocate() {
    for id in ["walker-walk", "reacher-easy", "mujoco-hopper"] {
        let Some(task) = hosted().into_iter().find(|task| task.id == id) else { continue };
        if let Err(problem) = drawable(&task) {
            skip(problem);
            return;
        }
        assert_eq!(allocations_after(2, 5, &[task], ObservationMode::StateRgb), 0, "{id}");
    }
}

#[test]
fn the_counter_counts() {
    let before = COUNT.get();
    let kept = std::hint::black_box(vec![1u8; 100]);
    assert!(COUNT.get() > before, "{}", kept.len());
}
