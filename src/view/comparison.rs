//! An open-loop plan beside what then happened: actions, rewards, values, latents.

use bevy::prelude::*;

use super::ViewSystems;
use super::clock::{RecordStep, Stepping};
use super::policy::{LatentsArrived, PlanArrived, PlannerLink};
use super::selection::{Instances, Selection};
use crate::sim::{
    ACTION_DIM, Action, Ending, Episode, FinalObservation, InstanceTask, OBS_DIM, Observation, StepRecord,
};
use crate::train::messages::OpenLoopPlan;

/// Horizons that the app offers, steps.
pub const HORIZONS: std::ops::RangeInclusive<usize> = 8..=48;
const DEFAULT_HORIZON: usize = 24;

/// One open-loop plan of one instance, and what was received since it was made.
///
/// Step `k` counts from the plan's moment: action `k` leads from state `k` to state `k + 1`.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The instance.
    pub instance: Entity,
    /// Its task's number in the app.
    pub task: InstanceTask,
    /// Its episode at the plan's moment.
    pub episode: u64,
    /// Its step at the plan's moment.
    pub first_step: u32,
    /// The plan.
    pub plan: OpenLoopPlan,
    /// Actions really executed (the agent plans anew before each).
    pub executed: Vec<[f32; ACTION_DIM]>,
    /// Rewards received.
    pub rewards: Vec<f32>,
    /// How the episode ended, if it did within the horizon.
    pub ending: Option<Ending>,
    /// Encodings of the received observations at states `0..=executed.len()`, as they come back.
    pub latents: Vec<Option<Vec<f32>>>,
    /// Received observations that still have to be encoded, with their state's number.
    unencoded: Vec<(usize, [f32; OBS_DIM])>,
    number: u64,
}

impl Comparison {
    /// Whether the horizon is reached or the episode has ended.
    pub fn is_over(&self) -> bool {
        self.ending.is_some() || self.executed.len() >= self.plan.actions.len()
    }

    /// Distance between predicted latent and encoding of the received observation at each state where both are known:
    /// `sqrt(mean_i (predicted_i - encoded_i)^2)`.
    pub fn latent_errors(&self) -> impl Iterator<Item = (usize, f64)> {
        self.latents.iter().zip(&self.plan.latents).enumerate().filter_map(|(k, (encoded, predicted))| {
            Some((k, root_mean_square_difference(predicted, encoded.as_ref()?)))
        })
    }

    /// Discounted return received from each state to the last one reached, plus the value predicted there (zero if the
    /// episode terminated): what the predicted values should be.
    pub fn received_returns(&self, discount: f64) -> Vec<f64> {
        let reached = self.rewards.len();
        let mut next = match self.ending {
            Some(Ending::Terminated) => 0.0,
            _ => self.plan.values.get(reached).map_or(0.0, |&value| f64::from(value)),
        };
        let mut returns = vec![next; reached + 1];
        for k in (0..reached).rev() {
            next = f64::from(self.rewards[k]) + discount * next;
            returns[k] = next;
        }
        returns
    }
}

fn root_mean_square_difference(a: &[f32], b: &[f32]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (squares / a.len().max(1) as f64).sqrt()
}

/// The comparisons of the selected instance: a new plan is asked for whenever the last one is over.
#[derive(Resource, Debug)]
pub struct Comparisons {
    /// Steps of the next open-loop plan.
    pub horizon: usize,
    /// The one that is being filled.
    pub current: Option<Comparison>,
    /// The one before.
    pub previous: Option<Comparison>,
    subject: Option<Entity>,
    count: u64,
    /// Ticket and comparison of the encodings that are being made, and their states' numbers.
    encoding: Option<(u64, u64, Vec<usize>)>,
}

impl Default for Comparisons {
    fn default() -> Self {
        Self { horizon: DEFAULT_HORIZON, current: None, previous: None, subject: None, count: 0, encoding: None }
    }
}

impl Comparisons {
    /// Whether the next plan for this instance should come with an open-loop plan.
    pub fn wants_plan(&self, instance: Entity) -> bool {
        self.subject == Some(instance) && self.current.as_ref().is_none_or(Comparison::is_over)
    }

    fn numbered(&mut self, number: u64) -> Option<&mut Comparison> {
        [&mut self.current, &mut self.previous].into_iter().flatten().find(|comparison| comparison.number == number)
    }
}

/// Keeps [`Comparisons`] for the selected instance.
pub(super) struct ComparisonPlugin;

impl Plugin for ComparisonPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Comparisons>()
            .add_systems(
                Update,
                (
                    (follow_selection, begin).chain().in_set(ViewSystems::Begin),
                    take_latents.in_set(ViewSystems::Begin),
                    ask_for_latents.in_set(ViewSystems::Ask),
                )
                    .run_if(resource_exists::<PlannerLink>),
            )
            .add_systems(RecordStep, record);
    }
}

fn follow_selection(instances: Res<Instances>, selection: Res<Selection>, mut comparisons: ResMut<Comparisons>) {
    let selected = instances.selected(*selection);
    if comparisons.subject != Some(selected) {
        comparisons.subject = Some(selected);
        comparisons.current = None;
        comparisons.previous = None;
    }
}

fn begin(
    mut arrived: MessageReader<PlanArrived>,
    mut comparisons: ResMut<Comparisons>,
    states: Query<(&InstanceTask, &Episode, &Observation)>,
) {
    for PlanArrived { instance, plan } in arrived.read() {
        if comparisons.subject != Some(*instance) {
            continue;
        }
        let Ok((task, episode, observation)) = states.get(*instance) else {
            continue;
        };
        comparisons.count += 1;
        let comparison = Comparison {
            instance: *instance,
            task: *task,
            episode: episode.number,
            first_step: episode.step,
            plan: plan.clone(),
            executed: Vec::new(),
            rewards: Vec::new(),
            ending: None,
            latents: vec![None],
            unencoded: vec![(0, observation.0)],
            number: comparisons.count,
        };
        comparisons.previous = comparisons.current.replace(comparison);
    }
}

fn record(
    stepping: Res<Stepping>,
    mut comparisons: ResMut<Comparisons>,
    steps: Query<(&Action, &StepRecord, &FinalObservation)>,
) {
    let Some(comparison) = &mut comparisons.current else {
        return;
    };
    if comparison.is_over() || !stepping.0.contains(&comparison.instance) {
        return;
    }
    let (action, step, observation) = steps.get(comparison.instance).expect("it has just stepped");
    comparison.executed.push(action.0);
    comparison.rewards.push(step.reward);
    comparison.ending = step.ending;
    comparison.latents.push(None);
    comparison.unencoded.push((comparison.executed.len(), observation.0));
}

fn ask_for_latents(mut link: ResMut<PlannerLink>, mut comparisons: ResMut<Comparisons>) {
    if comparisons.encoding.is_some() {
        return;
    }
    let Comparisons { current, previous, encoding, .. } = &mut *comparisons;
    let Some(comparison) = [previous, current].into_iter().flatten().find(|one| !one.unencoded.is_empty()) else {
        return;
    };
    let task = link.task_number(comparison.task);
    let rows = comparison.unencoded.iter().map(|(_, observation)| (task, *observation)).collect();
    if let Some(ticket) = link.encode(rows) {
        let states = comparison.unencoded.drain(..).map(|(state, _)| state).collect();
        *encoding = Some((ticket, comparison.number, states));
    }
}

fn take_latents(mut arrived: MessageReader<LatentsArrived>, mut comparisons: ResMut<Comparisons>) {
    for LatentsArrived(reply) in arrived.read() {
        let Some((_, number, states)) = comparisons.encoding.take_if(|open| open.0 == reply.ticket) else {
            continue;
        };
        if let Some(comparison) = comparisons.numbered(number) {
            for (state, latent) in states.into_iter().zip(&reply.latents) {
                comparison.latents[state] = Some(latent.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(rewards: &[f32], values: &[f32], ending: Option<Ending>) -> Comparison {
        Comparison {
            instance: Entity::PLACEHOLDER,
            task: InstanceTask(0),
            episode: 0,
            first_step: 0,
            plan: OpenLoopPlan {
                values: values.to_vec(),
                latents: vec![vec![0.0, 0.0], vec![1.0, -1.0]],
                ..OpenLoopPlan::default()
            },
            executed: Vec::new(),
            rewards: rewards.to_vec(),
            ending,
            latents: vec![Some(vec![0.0, 0.0]), Some(vec![4.0, 3.0])],
            unencoded: Vec::new(),
            number: 1,
        }
    }

    #[test]
    fn received_returns_end_in_the_predicted_value() {
        let running = comparison(&[1.0, 2.0], &[0.0, 0.0, 8.0, 9.0], None);
        assert_eq!(running.received_returns(0.5), [1.0 + 0.5 * 6.0, 6.0, 8.0]);
    }

    #[test]
    fn nothing_lies_beyond_a_termination() {
        let ended = comparison(&[1.0, 2.0], &[0.0, 0.0, 8.0], Some(Ending::Terminated));
        assert_eq!(ended.received_returns(0.5), [2.0, 2.0, 0.0]);
        let cut = comparison(&[1.0, 2.0], &[0.0, 0.0, 8.0], Some(Ending::Truncated));
        assert_eq!(cut.received_returns(0.5), [4.0, 6.0, 8.0]);
    }

    #[test]
    fn latent_error_is_the_root_mean_square_difference() {
        let errors: Vec<_> = comparison(&[], &[], None).latent_errors().collect();
        assert_eq!(errors, [(0, 0.0), (1, 12.5_f64.sqrt())]);
    }
}
