//! A control step allocates nothing once every instance has run for an episode, but for the tasks of helping threads.
#![expect(unsafe_code, reason = "an allocator can only be replaced by an unsafe impl")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use bevy::prelude::App;
use terrarium::env::{EnvCatalog, EnvironmentsPlugin, Simulation, SimulationConfig};
use terrarium::sim::{Group, ObservationMode, Purpose, Seed, SimPlugin, Threads};
use terrarium::task::{Registry, Task};

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

/// The tasks that this build hosts.
fn hosted() -> Vec<Task> {
    let mut app = App::new();
    app.add_plugins((SimPlugin { observation: ObservationMode::State, threads: None }, EnvironmentsPlugin));
    let catalog = app.world().resource::<EnvCatalog>();
    let registry = Registry::builtin().expect("the task tables parse");
    registry.tasks().iter().filter(|task| catalog.host(task).is_ok()).cloned().collect()
}

/// Allocations in the control steps of the second episode and the reset after it.
fn allocations(tasks: &[Task], observation: ObservationMode) -> u64 {
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
    let length = tasks.iter().map(|task| task.episode_length).max().unwrap_or(0);
    let mut before = 0;
    for step in 0..2 * length + 1 {
        if step == length + 1 {
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

#[test]
fn sharing_a_control_step_allocates_one_task_a_helper() {
    const STEPS: u64 = 630;
    const HELPERS: u64 = 2;
    let task = hosted().into_iter().find(|task| task.environment == "cartpole").expect("it is hosted");
    let mut simulation = Simulation::new(&SimulationConfig {
        tasks: Arc::from([task]),
        instances: vec![0; 20_000],
        groups: 1,
        seed: Seed::new(1),
        observation: ObservationMode::State,
        threads: Some(1 + HELPERS as usize),
    })
    .expect("the task is hosted");
    simulation.step(Group(0));
    assert!(simulation.world().resource::<Threads>().have_shared());
    let before = COUNT.get();
    for _ in 0..STEPS {
        simulation.step(Group(0));
    }
    // The queue of tasks grows by blocks of 63.
    let most = STEPS * HELPERS + STEPS * HELPERS / 63 + 1;
    assert!((STEPS..=most).contains(&(COUNT.get() - before)), "{} in {STEPS} steps", COUNT.get() - before);
}

#[test]
fn pictures_do_not_allocate() {
    for task in &hosted() {
        assert_eq!(allocations(std::slice::from_ref(task), ObservationMode::StateRgb), 0, "{}", task.id);
    }
}

#[test]
fn the_counter_counts() {
    let before = COUNT.get();
    let kept = std::hint::black_box(vec![1u8; 100]);
    assert!(COUNT.get() > before, "{}", kept.len());
}
