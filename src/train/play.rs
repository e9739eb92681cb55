//! Lets a trained agent play: episodes for scores, or one episode beside an open-loop plan.

use std::sync::Arc;

use super::agent::{Agent, CarriedPlans};
use super::messages::{EncodeRequest, OpenLoopPlan, PlanRequest, PlanRow};
use super::metrics::{EpisodeResult, EpisodeStatistics};
use super::report::PlanFigure;
use super::{TrainError, gather};
use crate::env::policy::{BatchPolicy, PolicyInput};
use crate::env::{Simulation, SimulationConfig};
use crate::newt::SeededNoise;
use crate::sim::{Ending, Group, InstanceTask, Observation, ObservationMode, Purpose, Seed, StepRecord};
use crate::task::Task;

/// Plays `episodes` episodes of each of `numbers` (tasks' numbers of the agent) without exploration.
///
/// # Errors
///
/// [`TrainError::Environment`] when a task cannot be hosted.
pub fn play(
    agent: &mut Agent,
    tasks: &Arc<[Task]>,
    numbers: &[u16],
    episodes: usize,
    seed: Seed,
) -> Result<EpisodeStatistics, TrainError> {
    // As many instances as episodes, up to a number that fills a batch.
    let copies = episodes.clamp(1, 20);
    let instances: Vec<u16> = numbers.iter().flat_map(|&number| std::iter::repeat_n(number, copies)).collect();
    let mut left: Vec<usize> =
        numbers.iter().flat_map(|_| (0..copies).map(|copy| (episodes + copies - 1 - copy) / copies)).collect();
    let mut simulation = new_simulation(tasks, instances, seed)?;
    let mut carried = CarriedPlans::new(agent.newt(), left.len());
    let mut noise = SeededNoise::new(seed.derive(Purpose::Evaluate, 1));
    let mut statistics = EpisodeStatistics::new(tasks);
    let mut stepped = false;
    loop {
        let active: Vec<usize> = (0..left.len()).filter(|&slot| left[slot] > 0).collect();
        if active.is_empty() {
            return Ok(statistics);
        }
        let rows = gather::plan_rows(&simulation, &active, stepped);
        let request = PlanRequest { rows, eval: true, ..PlanRequest::default() };
        let reply = agent.plan(&request, &mut carried, 0, &mut noise);
        gather::act(&mut simulation, &active, &reply.actions);
        simulation.step(Group(0));
        stepped = true;
        for &slot in &active {
            for (task, episode) in gather::finished(&simulation, &[slot]) {
                left[slot] -= 1;
                statistics.push(EpisodeResult {
                    task,
                    episode_return: episode.episode_return,
                    score: episode.score,
                    success: episode.success,
                    length: episode.length,
                    terminated: episode.ending == Some(Ending::Terminated),
                });
            }
        }
    }
}

/// What the agent sees in `count` states of its own episodes, spread over its tasks and over the episodes' steps.
///
/// # Errors
///
/// [`TrainError::Environment`] when a task cannot be hosted.
pub fn states(agent: &mut Agent, tasks: &Arc<[Task]>, count: usize, seed: Seed) -> Result<Vec<PlanRow>, TrainError> {
    /// Steps between two states of an instance.
    const APART: usize = 8;
    let instances: Vec<u16> = (0..tasks.len().max(16)).map(|index| (index % tasks.len()) as u16).collect();
    let slots: Vec<usize> = (0..instances.len()).collect();
    let mut simulation = new_simulation(tasks, instances, seed)?;
    let mut carried = CarriedPlans::new(agent.newt(), slots.len());
    let mut noise = SeededNoise::new(seed.derive(Purpose::Evaluate, 4));
    let mut states = Vec::with_capacity(count);
    for step in 0.. {
        let rows = gather::plan_rows(&simulation, &slots, step > 0);
        if step % APART == 0 {
            states.extend(rows.iter().take(count - states.len()).cloned());
        }
        if states.len() == count {
            break;
        }
        let request = PlanRequest { rows, eval: true, ..PlanRequest::default() };
        let reply = agent.plan(&request, &mut carried, 0, &mut noise);
        gather::act(&mut simulation, &slots, &reply.actions);
        simulation.step(Group(0));
    }
    Ok(states)
}

/// The agent as a policy of task `number`, planning without exploration.
pub fn policy(mut agent: Agent, number: usize, seed: Seed) -> BatchPolicy<'static> {
    let mut carried = CarriedPlans::new(agent.newt(), 1);
    let mut noise = SeededNoise::new(seed.derive(Purpose::Evaluate, 3));
    Box::new(move |inputs, actions| {
        let row = |input: &PolicyInput| PlanRow {
            slot: input.instance,
            task: number,
            observation: input.observation,
            first: input.first,
            open_loop: false,
        };
        let rows: Vec<PlanRow> = inputs.iter().map(row).collect();
        carried.cover(agent.newt(), rows.iter().map(|row| row.slot + 1).max().unwrap_or(1));
        let request = PlanRequest { rows, eval: true, ..PlanRequest::default() };
        actions.copy_from_slice(&agent.plan(&request, &mut carried, 0, &mut noise).actions);
        Ok(())
    })
}

/// Plays one episode of a task by replanning every step, and lays a plan of `horizon` steps made at step `from` beside
/// what then really happened.
///
/// # Errors
///
/// [`TrainError::Environment`] when the task cannot be hosted.
pub fn plan_against_rollout(
    agent: &mut Agent,
    tasks: &Arc<[Task]>,
    number: u16,
    from: usize,
    horizon: usize,
    seed: Seed,
) -> Result<PlanFigure, TrainError> {
    let task = &tasks[usize::from(number)];
    let mut simulation = new_simulation(tasks, vec![number], seed)?;
    let mut carried = CarriedPlans::new(agent.newt(), 1);
    let mut noise = SeededNoise::new(seed.derive(Purpose::Evaluate, 2));
    let mut plan: Option<OpenLoopPlan> = None;
    let (mut executed, mut rewards, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    for step in 0..task.episode_length as usize {
        let mut rows = gather::plan_rows(&simulation, &[0], step > 0);
        rows[0].open_loop = step == from;
        let request = PlanRequest { rows, eval: true, horizon, ..PlanRequest::default() };
        let mut reply = agent.plan(&request, &mut carried, 0, &mut noise);
        if step == from {
            plan = reply.open_loop.pop().flatten();
            seen.push(observed(&simulation));
        }
        gather::act(&mut simulation, &[0], &reply.actions);
        simulation.step(Group(0));
        let record = simulation.get::<StepRecord>(0);
        if step >= from {
            executed.push(reply.actions[0][..task.action_dim].to_vec());
            rewards.push(record.reward);
            if seen.len() <= horizon && record.ending.is_none() {
                seen.push(observed(&simulation));
            }
        }
        if record.ending.is_some() {
            break;
        }
    }
    let plan = plan.unwrap_or_default();
    let latents = agent.encode(&EncodeRequest { ticket: 0, rows: seen }).latents;
    let discount = f64::from(agent.newt().discount(usize::from(number)));
    Ok(PlanFigure {
        task: task.id.clone(),
        planned_actions: plan.actions.iter().map(|action| action[..task.action_dim].to_vec()).collect(),
        executed_actions: executed.into_iter().take(horizon).collect(),
        predicted_reward: plan.rewards,
        return_to_go: returns_to_go(&rewards, discount, horizon + 1),
        received_reward: rewards.into_iter().take(horizon).collect(),
        predicted_value: plan.values,
        latent_error: plan.latents.iter().zip(&latents).map(|(a, b)| root_mean_square(a, b)).collect(),
    })
}

fn new_simulation(tasks: &Arc<[Task]>, instances: Vec<u16>, seed: Seed) -> Result<Simulation, TrainError> {
    Ok(Simulation::new(&SimulationConfig {
        tasks: Arc::clone(tasks),
        instances,
        groups: 1,
        seed,
        observation: ObservationMode::State,
        threads: None,
    })?)
}

fn observed(simulation: &Simulation) -> (usize, [f32; crate::sim::OBS_DIM]) {
    (usize::from(simulation.get::<InstanceTask>(0).0), simulation.get::<Observation>(0).0)
}

/// Discounted sums of the rewards from each of the first `count` steps on.
fn returns_to_go(rewards: &[f32], discount: f64, count: usize) -> Vec<f32> {
    let mut sum = 0.0;
    let mut sums: Vec<f32> = rewards
        .iter()
        .rev()
        .map(|&reward| {
            sum = f64::from(reward) + discount * sum;
            sum as f32
        })
        .collect();
    sums.reverse();
    sums.truncate(count);
    sums
}

/// Root of the mean square difference.
fn root_mean_square(a: &[f32], b: &[f32]) -> f32 {
    let sum: f32 = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum();
    (sum / a.len().max(1) as f32).sqrt()
}
