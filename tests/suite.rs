//! What holds for every hosted task: rows, ends of episodes, determinism, copies.
//!
//! `TERRARIUM_SUITE_TASKS` restricts it to some tasks (ids or domains, comma-separated) while one is being written.

mod common;

use std::sync::Mutex;

use bevy::prelude::*;
use common::skip;
use terrarium::env::{
    EnvCatalog, EnvError, EnvironmentsPlugin, HostedTask, Simulation, SimulationConfig, copy_instance,
    restore_instance, save_instance,
};
use terrarium::sim::{
    ACTION_DIM, Action, Actor, Asked, Ending, Episode, EpisodeTally, FinalObservation, FinishedEpisode, Frame, Group,
    InstanceTask, Observation, ObservationMode, Purpose, Rng, Seed, Sim, SimPlugin, StepRecord,
};
use terrarium::task::{Domain, Registry, Task, TaskSet};

const GROUP: Group = Group(0);

/// A task with what the program knows about it.
struct Case {
    task: Task,
    hosted: HostedTask,
}

/// Every task that this build hosts.
///
/// # Panics
///
/// When a task is not hosted and no other build would host it.
fn cases() -> Vec<Case> {
    let registry = Registry::builtin().expect("the task tables parse");
    let tasks = match std::env::var("TERRARIUM_SUITE_TASKS") {
        Ok(text) => TaskSet::parse(&text, &registry).expect("TERRARIUM_SUITE_TASKS names tasks").tasks().to_vec(),
        Err(_) => registry.tasks().to_vec(),
    };
    let mut app = App::new();
    app.add_plugins((SimPlugin { observation: ObservationMode::State, threads: None }, EnvironmentsPlugin));
    let catalog = app.world().resource::<EnvCatalog>();
    let mut cases = Vec::new();
    for task in tasks {
        match catalog.host(&task) {
            Ok(hosted) => cases.push(Case { task, hosted }),
            Err(error @ EnvError::NotHosted { .. }) if !hint(&error).is_empty() => skip(error),
            Err(error) => panic!("{error}"),
        }
    }
    cases
}

fn hint(error: &EnvError) -> &str {
    match error {
        EnvError::NotHosted { hint, .. } => hint,
        _ => "",
    }
}

/// A simulation of `count(case)` instances of each task, task by task.
fn simulate(cases: &[Case], seed: u64, threads: Option<usize>, count: impl Fn(&Case) -> usize) -> Simulation {
    simulate_in(ObservationMode::State, cases, seed, threads, count)
}

fn simulate_in(
    observation: ObservationMode,
    cases: &[Case],
    seed: u64,
    threads: Option<usize>,
    count: impl Fn(&Case) -> usize,
) -> Simulation {
    let instances = (0u16..).zip(cases).flat_map(|(task, case)| std::iter::repeat_n(task, count(case))).collect();
    Simulation::new(&SimulationConfig {
        tasks: cases.iter().map(|case| case.task.clone()).collect(),
        instances,
        groups: 1,
        seed: Seed::new(seed),
        observation,
        threads,
    })
    .expect("every case is hosted")
}

/// Uniform actions that are held for some steps, so that they lead somewhere: some instances are restless, others hold an
/// action for most of an episode.
struct Wanderer {
    rng: Rng,
    actions: Vec<[f32; ACTION_DIM]>,
}

impl Wanderer {
    fn new(stream: u64, instances: usize) -> Self {
        let mut rng = Seed::new(5).rng(Purpose::Policy, stream, 0);
        let actions = (0..instances).map(|_| Self::draw(&mut rng)).collect();
        Self { rng, actions }
    }

    fn draw(rng: &mut Rng) -> [f32; ACTION_DIM] {
        std::array::from_fn(|_| rng.uniform(-1.0, 1.0) as f32)
    }

    fn choose(&mut self) -> &[[f32; ACTION_DIM]] {
        for (action, restlessness) in self.actions.iter_mut().zip([0.3, 0.05, 0.002].into_iter().cycle()) {
            if self.rng.chance(restlessness) {
                *action = Self::draw(&mut self.rng);
            }
        }
        &self.actions
    }
}

fn step(simulation: &mut Simulation, actions: &[[f32; ACTION_DIM]]) {
    for (instance, action) in actions.iter().enumerate() {
        simulation.set_action(instance, action);
    }
    simulation.step(GROUP);
}

/// All that a learner sees of an instance after a step, as bits.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    observation: Vec<u32>,
    last: Vec<u32>,
    reward: u32,
    success: bool,
    ending: Option<Ending>,
}

fn bits(row: &[f32]) -> Vec<u32> {
    row.iter().map(|x| x.to_bits()).collect()
}

fn seen(world: &World, entity: Entity) -> Seen {
    let record = world.get::<StepRecord>(entity).expect("an instance has a record");
    Seen {
        observation: bits(&world.get::<Observation>(entity).expect("an instance has an observation").0),
        last: bits(&world.get::<FinalObservation>(entity).expect("an instance has a final observation").0),
        reward: record.reward.to_bits(),
        success: record.success,
        ending: record.ending,
    }
}

/// An instance's saved state, as it would be written to a file.
fn saved(world: &World, entity: Entity) -> serde_json::Value {
    let state = save_instance(world, entity).expect("it can be saved");
    serde_json::to_value(state).expect("a state can be written")
}

fn all_seen(simulation: &Simulation) -> Vec<Seen> {
    simulation.instances().iter().map(|&entity| seen(simulation.world(), entity)).collect()
}

/// Acts by instance, episode and step alone, and writes down what it sees.
struct Script {
    seen: Vec<Mutex<Vec<Seen>>>,
}

impl Script {
    fn new(instances: usize) -> Self {
        Self { seen: (0..instances).map(|_| Mutex::default()).collect() }
    }

    fn action(instance: usize, episode: &Episode) -> [f32; ACTION_DIM] {
        let course = (episode.step / 20) as f32 + instance as f32 + 7.0 * episode.number as f32;
        std::array::from_fn(|entry| (course * (entry + 1) as f32).sin())
    }

    fn see(&self, instance: usize, seen: Seen) {
        self.seen[instance].lock().expect("no test has panicked").push(seen);
    }
}

impl Actor for Script {
    fn act(&self, asked: Asked<'_>, action: &mut Action) {
        action.0 = Self::action(asked.instance.row(), asked.episode);
    }

    fn see(&self, seen: terrarium::sim::Seen<'_>) {
        let shown = Seen {
            observation: bits(&seen.observation.0),
            last: bits(&seen.last.0),
            reward: seen.record.reward.to_bits(),
            success: seen.record.success,
            ending: seen.record.ending,
        };
        Self::see(self, seen.instance.row(), shown);
    }
}

/// Steps one by one what a [`Script`] does, and writes down the same.
fn follow(simulation: &mut Simulation, steps: usize) -> Script {
    let count = simulation.instances().len();
    let script = Script::new(count);
    for _ in 0..steps {
        for instance in 0..count {
            let action = Script::action(instance, simulation.get(instance));
            simulation.set_action(instance, &action);
        }
        simulation.step(GROUP);
        for (instance, seen) in all_seen(simulation).into_iter().enumerate() {
            script.see(instance, seen);
        }
    }
    script
}

#[test]
fn many_steps_at_once_are_the_same_as_one_by_one_on_any_number_of_threads() {
    let (quick, all): (Vec<Case>, Vec<Case>) = (cases(), cases());
    let quick: Vec<Case> = quick.into_iter().filter(|case| case.task.domain == Domain::MiniArcade).collect();
    // The quick ones beyond the end of an episode.
    for (cases, calls, steps) in [(&all, 2, 37), (&quick, 4, 130)] {
        let mut stepped = simulate(cases, 11, Some(1), |_| 3);
        let expected = follow(&mut stepped, calls * steps);
        for threads in [1, 3] {
            let mut played = simulate(cases, 11, Some(threads), |_| 3);
            let script = Script::new(played.instances().len());
            (0..calls).for_each(|_| played.play(GROUP, steps as u32, &script));
            assert_eq!(played.throughput().steps, stepped.throughput().steps);
            for (instance, (found, expected)) in script.seen.iter().zip(&expected.seen).enumerate() {
                let id = &cases[instance / 3].task.id;
                assert_eq!(found.lock().expect("whole").len(), calls * steps, "{id}");
                assert!(*found.lock().expect("whole") == *expected.lock().expect("whole"), "{id}, {threads} threads");
                let [a, b] = [&stepped, &played].map(|it| saved(it.world(), it.instances()[instance]));
                assert_eq!(a, b, "{id}, {threads} threads");
            }
        }
    }
}

#[test]
fn rows_keep_to_their_width() {
    let cases = cases();
    let mut simulation = simulate(&cases, 1, None, |_| 2);
    let count = simulation.instances().len();
    let mut wanderer = Wanderer::new(0, count);
    for _ in 0..60 {
        for instance in 0..count {
            let case = &cases[instance / 2];
            let width = case.hosted.layout().observation_dim();
            assert_eq!(width, case.task.obs_dim);
            let [row, last] =
                [&simulation.get::<Observation>(instance).0, &simulation.get::<FinalObservation>(instance).0];
            for row in [row, last] {
                assert!(row[..width].iter().all(|x| x.is_finite()), "{}: {row:?}", case.task.id);
                assert!(row[width..].iter().all(|&x| x == 0.0), "{}: padding {row:?}", case.task.id);
            }
        }
        step(&mut simulation, wanderer.choose());
        for instance in 0..count {
            let case = &cases[instance / 2];
            let action = &simulation.get::<Action>(instance).0;
            assert!(action[case.task.action_dim..].iter().all(|&a| a == 0.0), "{}: {action:?}", case.task.id);
            let record = simulation.get::<StepRecord>(instance);
            let (sum, terms) = (record.terms.iter().sum::<f64>(), case.hosted.layout().reward_terms.len());
            assert_eq!(record.reward, sum as f32, "{}", case.task.id);
            assert!(record.terms[terms..].iter().all(|&term| term == 0.0), "{}: unnamed reward", case.task.id);
        }
    }
}

#[test]
fn actions_beyond_the_range_count_as_clipped() {
    let cases = cases();
    let (mut plain, mut wide) = (simulate(&cases, 2, None, |_| 1), simulate(&cases, 2, None, |_| 1));
    let mut wanderer = Wanderer::new(1, cases.len());
    for _ in 0..100 {
        let far: Vec<_> = wanderer.choose().iter().map(|action| action.map(|a| 3.0 * a)).collect();
        let clipped: Vec<_> = far.iter().map(|action| action.map(|a| a.clamp(-1.0, 1.0))).collect();
        step(&mut wide, &far);
        step(&mut plain, &clipped);
        for ((a, b), case) in all_seen(&plain).iter().zip(all_seen(&wide)).zip(&cases) {
            assert_eq!(*a, b, "{}", case.task.id);
        }
    }
}

#[test]
fn actions_that_are_not_finite_become_zero_and_are_counted() {
    let cases = cases();
    let (mut zero, mut bad) = (simulate(&cases, 3, None, |_| 1), simulate(&cases, 3, None, |_| 1));
    for value in [f32::NAN, f32::INFINITY] {
        let mut action = [0.5; ACTION_DIM];
        action[0] = value;
        step(&mut bad, &vec![action; cases.len()]);
        step(&mut zero, &vec![[0.0; ACTION_DIM]; cases.len()]);
        assert_eq!(all_seen(&bad), all_seen(&zero));
    }
    assert_eq!(zero.throughput().bad_actions, 0);
    assert_eq!(bad.throughput().bad_actions, 2 * cases.len() as u64);
    assert_eq!(bad.throughput().faults.total(), 0);
}

#[test]
fn episodes_end_at_their_length_and_score_by_their_formula() {
    for case in cases() {
        let cases = [case];
        let Case { task, .. } = &cases[0];
        let mut simulation = simulate(&cases, 4, None, |_| 2);
        let mut wanderer = Wanderer::new(2, 2);
        let (mut returns, mut steps, mut episodes) = ([0.0; 2], [0; 2], [0; 2]);
        while episodes.iter().any(|&count| count < 2) {
            step(&mut simulation, wanderer.choose());
            for instance in 0..2 {
                let record = *simulation.get::<StepRecord>(instance);
                let episode = simulation.get::<Episode>(instance);
                let (row, last) =
                    (&simulation.get::<Observation>(instance).0, &simulation.get::<FinalObservation>(instance).0);
                returns[instance] += f64::from(record.reward);
                steps[instance] += 1;
                assert!(!record.needs_reset, "{}: resets happen within the step", task.id);
                let Some(ending) = record.ending else {
                    assert_eq!(row, last, "{}", task.id);
                    assert_eq!(episode.step, steps[instance], "{}", task.id);
                    assert!(steps[instance] < task.episode_length, "{}: the time limit did not end it", task.id);
                    continue;
                };
                match ending {
                    Ending::Truncated => assert_eq!(steps[instance], task.episode_length, "{}", task.id),
                    Ending::Terminated => assert_ne!(task.domain, Domain::MiniArcade, "{}", task.id),
                    Ending::Fault => panic!("{}: not finite", task.id),
                }
                assert_eq!(record.terminated, ending == Ending::Terminated, "{}", task.id);
                assert_ne!(row, last, "{}: the first observation overwrote the final one", task.id);
                episodes[instance] += 1;
                assert_eq!((episode.number, episode.step), (episodes[instance], 0), "{}", task.id);

                let finished = simulation.get::<FinishedEpisode>(instance);
                assert_eq!((finished.count, finished.length), (episodes[instance], steps[instance]), "{}", task.id);
                assert_eq!((finished.ending, finished.success), (Some(ending), record.success), "{}", task.id);
                assert!((finished.episode_return - returns[instance]).abs() < 1e-9, "{}", task.id);
                let terms: f64 = finished.terms.iter().sum();
                assert!((terms - returns[instance]).abs() < 1e-3 * (1.0 + terms.abs()), "{}: terms", task.id);
                assert_eq!(finished.score, task.score.of(returns[instance], record.success), "{}", task.id);
                assert!((0.0..=1.0).contains(&finished.score), "{}", task.id);
                (returns[instance], steps[instance]) = (0.0, 0);
            }
        }
    }
}

#[test]
fn only_entries_called_constant_are() {
    /// Control steps before an entry that has not changed counts as constant.
    const PATIENCE: u32 = 60_000;
    for case in cases() {
        let cases = [case];
        let Case { task, hosted } = &cases[0];
        // Instances at once: fewer of those that are dear.
        let instances = if hosted.step_nanos() > 5_000 { 3 } else { 16 };
        let mut simulation = simulate(&cases, 6, None, |_| instances);
        let mut wanderer = Wanderer::new(3, instances);
        let first = simulation.get::<Observation>(0).0;
        let mut constant = vec![true; task.obs_dim];
        let stated = hosted.layout().constant_entries;
        for steps in 0..PATIENCE {
            for instance in 0..instances {
                // The row after the last step of an episode is only in the final observation.
                let row = &simulation.get::<Observation>(instance).0;
                let last = if steps == 0 { row } else { &simulation.get::<FinalObservation>(instance).0 };
                for (entry, constant) in constant.iter_mut().enumerate() {
                    *constant &= row[entry] == first[entry] && last[entry] == first[entry];
                }
            }
            let surplus = (0..task.obs_dim).any(|entry| constant[entry] && !stated.contains(&entry));
            if steps >= task.episode_length && !surplus {
                break;
            }
            step(&mut simulation, wanderer.choose());
        }
        let found: Vec<usize> = (0..task.obs_dim).filter(|&entry| constant[entry]).collect();
        assert_eq!(found, stated, "{}: constant entries found, and stated in its layout", task.id);
    }
}

/// Environments whose every episode begins with the same row, as the task's rules say; what follows is random.
const EQUAL_FIRST_ROWS: &[&str] = &["bird-attack", "cowboy"];

#[test]
fn starts_and_courses_differ() {
    const INSTANCES: usize = 3;
    for case in cases() {
        let cases = [case];
        let Case { task, .. } = &cases[0];
        let mut simulation = simulate(&cases, 7, None, |_| INSTANCES);
        let mut wanderer = Wanderer::new(4, 1);
        let mut courses = vec![Vec::new(); INSTANCES];
        let mut finished: Vec<Vec<u32>> = Vec::new();
        while finished.len() < 2 * INSTANCES {
            for (instance, course) in courses.iter_mut().enumerate() {
                course.extend(bits(&simulation.get::<Observation>(instance).0[..task.obs_dim]));
            }
            let action = wanderer.choose()[0];
            step(&mut simulation, &[action; INSTANCES]);
            for (instance, course) in courses.iter_mut().enumerate() {
                if simulation.get::<StepRecord>(instance).ending.is_some() {
                    finished.push(std::mem::take(course));
                    wanderer = Wanderer::new(4, 1);
                }
            }
        }
        for (index, course) in finished.iter().enumerate() {
            for other in &finished[..index] {
                assert_ne!(course, other, "{}: equal actions, equal episodes", task.id);
                let equal = course[..task.obs_dim] == other[..task.obs_dim];
                let stated = EQUAL_FIRST_ROWS.contains(&task.environment.as_str());
                assert_eq!(equal, stated, "{}: whether two episodes begin alike", task.id);
            }
        }
    }
}

/// Holds two instances against each other that share an episode; each goes on by itself after its end. Returns whether
/// the episode goes on.
fn goes_on_alike(a: &Seen, b: &Seen, task: &Task) -> bool {
    if a.ending.is_none() {
        assert_eq!(a, b, "{}", task.id);
        return true;
    }
    let end = |seen: &Seen| (seen.last.clone(), seen.reward, seen.success, seen.ending);
    assert_eq!(end(a), end(b), "{}", task.id);
    false
}

#[test]
fn a_copy_goes_on_as_its_original() {
    let cases = cases();
    let mut simulation = simulate(&cases, 8, None, |_| 2);
    let count = simulation.instances().len();
    let mut wanderer = Wanderer::new(5, count);
    for _ in 0..37 {
        step(&mut simulation, wanderer.choose());
    }
    let entities = simulation.instances().to_vec();
    for pair in entities.chunks_exact(2) {
        assert_ne!(saved(simulation.world(), pair[0]), saved(simulation.world(), pair[1]));
        copy_instance(simulation.world_mut(), pair[0], pair[1]);
    }
    let mut going = vec![true; cases.len()];
    for _ in 0..100 {
        let mut actions = wanderer.choose().to_vec();
        for pair in actions.chunks_exact_mut(2) {
            pair[1] = pair[0];
        }
        step(&mut simulation, &actions);
        for ((pair, case), going) in entities.chunks_exact(2).zip(&cases).zip(&mut going) {
            let [original, copy] = [pair[0], pair[1]].map(|entity| seen(simulation.world(), entity));
            *going = *going && goes_on_alike(&original, &copy, &case.task);
        }
    }
    for ((pair, case), _) in entities.chunks_exact(2).zip(&cases).zip(&going).filter(|(_, going)| **going) {
        let tally = |entity| simulation.world().get::<EpisodeTally>(entity).expect("an instance has a tally");
        assert_eq!(tally(pair[0]), tally(pair[1]), "{}", case.task.id);
    }
}

#[test]
fn a_saved_instance_goes_on_in_another_world() {
    let cases = cases();
    let mut original = simulate(&cases, 9, None, |_| 1);
    let mut wanderer = Wanderer::new(6, cases.len());
    for _ in 0..37 {
        step(&mut original, wanderer.choose());
    }
    // Another seed: nothing but what was saved can make the two agree.
    let mut restored = simulate(&cases, 10, None, |_| 1);
    for (instance, case) in cases.iter().enumerate() {
        let text = saved(original.world(), original.instances()[instance]).to_string();
        let state = serde_json::from_str(&text).expect("what was written can be read");
        let entity = restored.instances()[instance];
        restore_instance(restored.world_mut(), entity, state).expect("it can be restored");
        assert_eq!(original.get::<Observation>(instance), restored.get::<Observation>(instance));
        let again = saved(restored.world(), entity).to_string();
        assert_eq!(text, again, "{}: not a bit is lost", case.task.id);
    }
    let mut going = vec![true; cases.len()];
    for _ in 0..100 {
        let actions = wanderer.choose();
        step(&mut original, actions);
        step(&mut restored, actions);
        let (original, restored) = (all_seen(&original), all_seen(&restored));
        for (((a, b), case), going) in original.iter().zip(&restored).zip(&cases).zip(&mut going) {
            *going = *going && goes_on_alike(a, b, &case.task);
        }
    }
}

#[test]
fn a_state_that_does_not_fit_is_refused() {
    let cases = cases();
    let mut simulation = simulate(&cases, 11, None, |_| 1);
    for entity in simulation.instances().to_vec() {
        let sound = saved(simulation.world(), entity);
        for (part, wrong) in [("environment", serde_json::json!({ "no": "state" })), ("observation", [1.0].into())] {
            let mut state = sound.clone();
            state[part] = wrong;
            let state = serde_json::from_value(state).expect("the outer form is right");
            let error = restore_instance(simulation.world_mut(), entity, state).expect_err("not a state");
            assert!(error.to_string().contains("cannot be read"), "{error}");
            assert_eq!(saved(simulation.world(), entity), sound, "an instance that was not restored is unchanged");
        }
    }
}

#[test]
fn equal_seeds_give_equal_trajectories_on_any_number_of_threads() {
    let hashes = [1, 1, 2, 4].map(hash_of_a_run);
    assert!(hashes.iter().all(|&hash| hash == hashes[0]), "1, 1, 2 and 4 threads: {hashes:x?}");
}

/// Tasks whose pictures stand for those of all that MuJoCo renders, which takes far longer than painting: planar, in
/// space, with a target of its own in each instance.
const RENDERED: [&str; 3] = ["walker-walk", "quadruped-run", "reacher-easy"];

/// Does MuJoCo draw this task?
fn is_rendered(task: &Task) -> bool {
    matches!(task.domain, Domain::DmControl | Domain::DmControlExt | Domain::MuJoCo | Domain::OgBench)
}

/// Hashes what the runs show: rows of so many instances that every environment's are spread over threads, past the end
/// of the shorter episodes, and rows with pictures.
fn hash_of_a_run(threads: usize) -> u64 {
    const PARALLEL_WORK_NANOS: u64 = 100_000;
    let cases = cases();
    let many = |case: &Case| {
        let siblings = cases.iter().filter(|other| other.task.environment == case.task.environment).count();
        (PARALLEL_WORK_NANOS / case.hosted.step_nanos()) as usize / siblings + 2
    };
    let mut hash = 0u64;
    let mut mix = |value: u32| hash = (hash.rotate_left(5) ^ u64::from(value)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut run = |cases: &[Case], mut simulation: Simulation, steps: u32| {
        let count = simulation.instances().len();
        let mut wanderer = Wanderer::new(7, count);
        for _ in 0..steps {
            step(&mut simulation, wanderer.choose());
            for instance in 0..count {
                let width = cases[usize::from(simulation.get::<InstanceTask>(instance).0)].task.obs_dim;
                mix(simulation.get::<StepRecord>(instance).reward.to_bits());
                simulation.get::<Observation>(instance).0[..width].iter().for_each(|x| mix(x.to_bits()));
                if let Some(frame) = simulation.world().get::<Frame>(simulation.instances()[instance]) {
                    frame
                        .pixels
                        .chunks_exact(4)
                        .for_each(|four| mix(u32::from_le_bytes(four.try_into().expect("four"))));
                }
            }
        }
        let shared = simulation.world().resource::<Sim>().threads.have_shared();
        assert_eq!(shared, threads > 1, "whether helpers took part");
    };
    run(&cases, simulate(&cases, 12, Some(threads), many), 210);
    let (rendered, painted): (Vec<_>, Vec<_>) = cases.into_iter().partition(|case| is_rendered(&case.task));
    run(&painted, simulate_in(ObservationMode::StateRgb, &painted, 14, Some(threads), |_| 3), 20);
    let few: Vec<_> = rendered.into_iter().filter(|case| RENDERED.contains(&case.task.id.as_str())).collect();
    match few.iter().try_for_each(|case| case.hosted.check_drawing(&case.task)) {
        Ok(()) if few.is_empty() => skip("pictures of MuJoCo tasks: this build hosts none"),
        Ok(()) => run(&few, simulate_in(ObservationMode::StateRgb, &few, 15, Some(threads), |_| 3), 3),
        Err(problem) => skip(format!("pictures of MuJoCo tasks: {problem}")),
    }
    hash
}
