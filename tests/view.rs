//! What the app does apart from drawing: its clock, its dealings with a planner, the ghost, the comparison.

use std::thread;
use std::time::{Duration, Instant};

use bevy::app::TaskPoolPlugin;
use bevy::prelude::*;
use bevy::time::{TimePlugin, TimeUpdateStrategy};
use terrarium::env::{Simulation, SimulationConfig};
use terrarium::sim::{ACTION_DIM, Group, Observation, ObservationMode, Seed};
use terrarium::task::Registry;
use terrarium::train::messages::{
    EncodeReply, OpenLoopPlan, PlanReply, PlanRequest, PlannerAnswer, PlannerHandle, PlannerQuestion,
};
use terrarium::view::{
    Agent, Clock, Comparisons, Ghost, Instances, Pace, PlannerLink, RecordStep, Selection, Stepping, WorldPlugin,
    add_instances,
};

const TASK: &str = "pygame-pong";
const RATE_HZ: f64 = 30.0;
const SEED: u64 = 11;

/// Observations of the first instance after each of its steps.
#[derive(Resource, Default)]
struct Trajectory(Vec<Observation>);

fn app(frames_per_sec: f64, instances: usize, clock: Clock, planner: Option<PlannerHandle>) -> App {
    let task = Registry::builtin().expect("tables parse").task(TASK).expect("known").clone();
    let agent = planner.map(|planner| Agent { planner, name: "test".to_owned(), task_numbers: vec![3] });
    let planned = agent.is_some();
    let mut app = App::new();
    app.add_plugins((TaskPoolPlugin::default(), TimePlugin, WorldPlugin { agent, clock }))
        .insert_resource(TimeUpdateStrategy::ManualDuration(Duration::from_secs_f64(1.0 / frames_per_sec)))
        .init_resource::<Trajectory>()
        .add_systems(RecordStep, remember);
    add_instances(&mut app, vec![task], &vec![0; instances], Seed::new(SEED), planned).expect("pong is hosted");
    app.finish();
    app.cleanup();
    // The first frame has no time behind it.
    app.update();
    app
}

fn remember(
    mut trajectory: ResMut<Trajectory>,
    stepping: Res<Stepping>,
    instances: Res<Instances>,
    observations: Query<&Observation>,
) {
    if stepping.0.contains(&instances.0[0]) {
        trajectory.0.push(observations.get(instances.0[0]).expect("an instance observes").clone());
    }
}

fn steps(app: &App) -> Vec<u64> {
    let world = app.world();
    world.resource::<Instances>().0.iter().map(|&one| world.get::<Pace>(one).expect("a pace").steps).collect()
}

fn update(app: &mut App, frames: usize) {
    for _ in 0..frames {
        app.update();
    }
}

/// Updates until `done`, for at most ten seconds.
fn update_until(app: &mut App, mut done: impl FnMut(&mut App) -> bool) {
    let start = Instant::now();
    while !done(app) {
        assert!(start.elapsed() < Duration::from_secs(10), "nothing happened for ten seconds");
        app.update();
        thread::sleep(Duration::from_millis(1));
    }
}

/// A planner thread that executes `actions(step)` and plans `planned` open-loop, each answer after `delay`.
fn planner(delay: Duration, action: f32, planned: impl Fn(usize) -> f32 + Send + 'static) -> PlannerHandle {
    let (questions, asked) = crossbeam_channel::unbounded();
    let (answer, answers) = crossbeam_channel::unbounded();
    thread::spawn(move || {
        for question in asked {
            let reply = match question {
                PlannerQuestion::Plan(request) => {
                    thread::sleep(delay);
                    PlannerAnswer::Plan(reply_to(&request, action, &planned, delay))
                }
                PlannerQuestion::Encode(request) => {
                    let latents = request.rows.iter().map(|(_, row)| row[..4].to_vec()).collect();
                    assert!(request.rows.iter().all(|(task, _)| *task == 3), "rows name the model's task");
                    PlannerAnswer::Encode(EncodeReply { ticket: request.ticket, latents })
                }
            };
            if answer.send(reply).is_err() {
                break;
            }
        }
    });
    PlannerHandle { questions, answers }
}

fn row(first: f32) -> [f32; ACTION_DIM] {
    let mut row = [0.0; ACTION_DIM];
    row[0] = first;
    row
}

fn reply_to(request: &PlanRequest, action: f32, planned: &impl Fn(usize) -> f32, delay: Duration) -> PlanReply {
    let plan = || OpenLoopPlan {
        actions: (0..request.horizon).map(|k| row(planned(k))).collect(),
        rewards: vec![0.5; request.horizon],
        values: vec![1.0; request.horizon + 1],
        latents: vec![vec![0.0; 4]; request.horizon + 1],
        spread: vec![row(0.1); request.horizon],
    };
    PlanReply {
        ticket: request.ticket,
        actions: request.rows.iter().map(|_| row(action)).collect(),
        open_loop: request.rows.iter().map(|row| row.open_loop.then(plan)).collect(),
        seconds: delay.as_secs_f64(),
    }
}

fn ghost(app: &mut App) -> Option<(Ghost, Observation)> {
    let mut ghosts = app.world_mut().query::<(&Ghost, &Observation)>();
    ghosts.iter(app.world()).next().map(|(ghost, observation)| (ghost.clone(), observation.clone()))
}

#[test]
fn instances_step_at_the_task_rate_times_the_speed() {
    for (speed, frames_per_sec) in [(1.0, 60.0), (1.0, 144.0), (1.0, 20.0), (4.0, 60.0), (0.25, 60.0)] {
        let mut app = app(frames_per_sec, 3, Clock::new(false, speed), None);
        let seconds = 4.0;
        update(&mut app, (seconds * frames_per_sec) as usize);
        for count in steps(&app) {
            let wanted = seconds * RATE_HZ * speed;
            assert!((count as f64 - wanted).abs() <= 2.0, "{count} steps at speed {speed}, {frames_per_sec} frames/s");
        }
    }
}

#[test]
fn the_frame_rate_does_not_change_a_trajectory() {
    let trajectory = |frames_per_sec: f64, instances: usize| {
        let mut app = app(frames_per_sec, instances, Clock::new(false, 8.0), None);
        update(&mut app, (5.0 * frames_per_sec) as usize);
        std::mem::take(&mut app.world_mut().resource_mut::<Trajectory>().0)
    };
    let (smooth, jerky, crowded) = (trajectory(120.0, 1), trajectory(13.0, 1), trajectory(60.0, 7));
    let common = smooth.len().min(jerky.len()).min(crowded.len());
    assert!(common > 600, "more than an episode was compared: {common}");
    assert!(smooth[..common] == jerky[..common] && smooth[..common] == crowded[..common]);
}

#[test]
fn a_long_frame_drops_time_rather_than_piling_it_up() {
    let mut app = app(60.0, 1, Clock::new(false, 1.0), None);
    app.insert_resource(TimeUpdateStrategy::ManualDuration(Duration::from_secs(30)));
    let before = steps(&app)[0];
    app.update();
    assert!(steps(&app)[0] - before <= 4, "{} steps after a stall of 30 s", steps(&app)[0] - before);
}

#[test]
fn a_pause_takes_single_steps_only() {
    let mut app = app(60.0, 2, Clock::new(true, 1.0), None);
    update(&mut app, 100);
    assert_eq!(steps(&app), [0, 0]);
    for count in 1..=3 {
        app.world_mut().resource_mut::<Clock>().single_step();
        update(&mut app, 20);
        assert_eq!(steps(&app), [count, count]);
    }
    app.world_mut().resource_mut::<Clock>().paused = false;
    update(&mut app, 60);
    assert!(steps(&app)[0].abs_diff(33) <= 1, "{:?}", steps(&app));
    app.world_mut().resource_mut::<Clock>().single_step();
    let before = steps(&app);
    update(&mut app, 60);
    assert_eq!(steps(&app), [before[0] + 1, before[1] + 1], "a single step pauses");
}

#[test]
fn planning_blocks_no_frame() {
    let delay = Duration::from_millis(300);
    let mut app = app(60.0, 2, Clock::new(false, 1.0), Some(planner(delay, 0.3, |_| 0.0)));
    let (start, mut frames, mut longest) = (Instant::now(), 0, Duration::ZERO);
    while start.elapsed() < Duration::from_millis(1250) {
        let frame = Instant::now();
        app.update();
        longest = longest.max(frame.elapsed());
        frames += 1;
        thread::sleep(Duration::from_millis(5));
    }
    assert!(longest < delay / 2, "a frame took {longest:?}");
    assert!(frames > 40, "only {frames} frames");
    let steps = steps(&app);
    assert!(steps.iter().all(|count| (2..=4).contains(count)), "one step an answer: {steps:?}");
    let link = app.world().resource::<PlannerLink>();
    assert!(link.latency.expect("an answer came") >= delay);
    assert_eq!((link.plan_time, link.batch), (Some(delay), 2), "both instances are planned for at once");
}

#[test]
fn a_single_step_waits_for_its_plan() {
    let mut app = app(60.0, 1, Clock::new(true, 1.0), Some(planner(Duration::from_millis(50), 0.3, |_| 0.0)));
    app.world_mut().resource_mut::<Clock>().single_step();
    update(&mut app, 2);
    assert_eq!(steps(&app), [0], "no action yet");
    update_until(&mut app, |app| steps(app) == [1]);
    update(&mut app, 10);
    thread::sleep(Duration::from_millis(100));
    update(&mut app, 10);
    assert_eq!(steps(&app), [1], "an action that is there is not taken while paused");
}

#[test]
fn the_ghost_executes_the_plan_and_nothing_else() {
    let planned = |k: usize| if k % 5 < 3 { 0.9 } else { -0.4 };
    let mut app = app(60.0, 1, Clock::new(true, 1.0), Some(planner(Duration::ZERO, -1.0, planned)));
    let horizon = app.world().resource::<Comparisons>().horizon;

    let task = Registry::builtin().expect("tables parse").task(TASK).expect("known").clone();
    let mut reference = Simulation::new(&SimulationConfig {
        tasks: vec![task].into(),
        instances: vec![0],
        groups: 1,
        seed: Seed::new(SEED),
        observation: ObservationMode::State,
        threads: None,
    })
    .expect("pong is hosted");
    update_until(&mut app, |app| ghost(app).is_some());
    for k in 0..horizon {
        let (before, observation) = ghost(&mut app).expect("a ghost");
        assert_eq!((before.steps, before.ended), (k, false));
        assert!(observation == *reference.get::<Observation>(0), "the ghost left the plan at step {k}");
        app.world_mut().resource_mut::<Clock>().single_step();
        update_until(&mut app, |app| steps(app) == [k as u64 + 1]);
        reference.set_action(0, &row(planned(k)));
        reference.step(Group(0));
        if k == 5 {
            let instance = app.world().resource::<Instances>().0[0];
            let real = app.world().get::<Observation>(instance).expect("an instance observes").clone();
            assert!(real != ghost(&mut app).expect("a ghost").1, "the instance itself does something else");
        }
    }
    // A new plan, a new ghost from where the instance is now.
    update_until(&mut app, |app| ghost(app).is_some_and(|(ghost, _)| ghost.steps == 0));
    let instance = app.world().resource::<Instances>().0[0];
    let real = app.world().get::<Observation>(instance).expect("an instance observes").clone();
    assert!(real == ghost(&mut app).expect("a ghost").1);
}

#[test]
fn a_plan_that_is_executed_as_made_leaves_no_distance() {
    let mut app = app(60.0, 1, Clock::new(false, 4.0), Some(planner(Duration::ZERO, 0.3, |_| 0.3)));
    app.world_mut().resource_mut::<Comparisons>().horizon = 10;
    for _ in 0..40 {
        update_until(&mut app, |app| ghost(app).is_some_and(|(ghost, _)| ghost.steps > 0));
        let instance = app.world().resource::<Instances>().0[0];
        let real = app.world().get::<Observation>(instance).expect("an instance observes").clone();
        assert!(real == ghost(&mut app).expect("a ghost").1);
        app.update();
    }
}

#[test]
fn a_comparison_is_filled_and_followed_by_the_next() {
    let mut app = app(60.0, 1, Clock::new(false, 8.0), Some(planner(Duration::ZERO, 0.3, |_| 0.7)));
    app.world_mut().resource_mut::<Comparisons>().horizon = 12;
    let complete = |app: &App| {
        let previous = app.world().resource::<Comparisons>().previous.clone();
        previous.filter(|one| one.plan.actions.len() == 12 && one.latents.iter().all(Option::is_some))
    };
    update_until(&mut app, |app| complete(app).is_some());
    let comparison = complete(&app).expect("just seen");
    assert_eq!((comparison.executed.len(), comparison.rewards.len(), comparison.latents.len()), (12, 12, 13));
    assert!(comparison.executed.iter().all(|action| *action == row(0.3)));
    assert!(comparison.plan.actions.iter().all(|action| *action == row(0.7)));
    let errors: Vec<f64> = comparison.latent_errors().map(|(_, error)| error).collect();
    assert_eq!(errors.len(), 13);
    assert!(errors[0] > 0.0, "the made-up latents are zero, the encodings are not");
    let next = app.world().resource::<Comparisons>().current.clone().expect("the next has begun");
    assert_eq!((next.first_step, next.episode), (comparison.first_step + 12, comparison.episode));
}

#[test]
fn another_selection_starts_its_own_comparison() {
    let mut app = app(60.0, 2, Clock::new(false, 8.0), Some(planner(Duration::ZERO, 0.3, |_| 0.7)));
    update_until(&mut app, |app| ghost(app).is_some());
    let instances = app.world().resource::<Instances>().0.clone();
    assert_eq!(ghost(&mut app).expect("a ghost").0.of, instances[0]);
    app.world_mut().resource_mut::<Selection>().index = 1;
    update_until(&mut app, |app| ghost(app).is_some_and(|(ghost, _)| ghost.of == instances[1]));
    let current = app.world().resource::<Comparisons>().current.clone().expect("a comparison");
    assert_eq!(current.instance, instances[1]);
    assert_eq!(app.world_mut().query::<&Ghost>().iter(app.world()).count(), 1);
}

#[test]
fn a_planner_that_ends_is_reported_and_the_app_goes_on() {
    let (questions, asked) = crossbeam_channel::unbounded();
    let (answer, answers) = crossbeam_channel::unbounded();
    let mut app = app(60.0, 1, Clock::new(false, 1.0), Some(PlannerHandle { questions, answers }));
    answer.send(PlannerAnswer::Failed("the model is not finite".to_owned())).expect("the app listens");
    drop((asked, answer));
    update(&mut app, 30);
    let failure = app.world().resource::<PlannerLink>().failure.clone();
    assert_eq!(failure.as_deref(), Some("the model is not finite"));
    assert_eq!(steps(&app), [0]);
}
