//! Where actions come from: chance, or a planner on its own thread that is asked and polled, never waited for.

use std::time::{Duration, Instant};

use bevy::prelude::*;
use crossbeam_channel::{TryRecvError, TrySendError};

use super::comparison::Comparisons;
use super::{Agent, Instances, ViewSystems};
use crate::sim::{ACTION_DIM, Action, Episode, InstanceTask, OBS_DIM, Observation, Rng, Sim};
use crate::train::messages::{
    EncodeReply, EncodeRequest, OpenLoopPlan, PlanReply, PlanRequest, PlanRow, PlannerAnswer, PlannerQuestion,
};

/// Shorter waits are not worth a word on the screen; it would only flicker.
const NOTICED: Duration = Duration::from_millis(150);

const GONE: &str = "the planner's thread has ended";

/// Who decides an instance's actions.
#[derive(Component, Clone, Debug)]
pub enum Policy {
    /// Uniform in [-1, 1], from the instance's own generator.
    Random(Rng),
    /// The planner.
    Planned(NextAction),
}

/// How far an instance's next action is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum NextAction {
    /// Nobody was asked yet.
    #[default]
    Wanted,
    /// The planner is at it.
    Asked,
    /// Here it is.
    Ready([f32; ACTION_DIM]),
}

impl Policy {
    /// Whether the next step has its action.
    pub fn is_ready(&self) -> bool {
        matches!(self, Self::Random(_) | Self::Planned(NextAction::Ready(_)))
    }
}

/// The app's end of the planner thread: at most one question about actions is open at a time.
#[derive(Resource)]
pub struct PlannerLink {
    agent: Agent,
    open: Option<OpenQuestion>,
    last_ticket: u64,
    /// How long the latest answer took from question to arrival.
    pub latency: Option<Duration>,
    /// How long the planner itself took for it.
    pub plan_time: Option<Duration>,
    /// How many instances it planned for.
    pub batch: usize,
    /// Why the planner is gone, if it is.
    pub failure: Option<String>,
}

struct OpenQuestion {
    ticket: u64,
    instances: Vec<Entity>,
    asked: Instant,
}

impl PlannerLink {
    fn new(agent: Agent) -> Self {
        Self { agent, open: None, last_ticket: 0, latency: None, plan_time: None, batch: 0, failure: None }
    }

    /// What the model is called.
    pub fn name(&self) -> &str {
        &self.agent.name
    }

    /// Since when the planner is at work on actions, if it is.
    pub fn waiting(&self) -> Option<Duration> {
        self.open.as_ref().map(|open| open.asked.elapsed())
    }

    /// Whether the planner has been at work for so long that a user wonders.
    pub fn is_slow(&self) -> bool {
        self.waiting().is_some_and(|waiting| waiting > NOTICED)
    }

    /// The model's number of one of the app's tasks.
    pub(super) fn task_number(&self, task: InstanceTask) -> usize {
        self.agent.task_numbers[usize::from(task.0)]
    }

    /// Asks for the latents of observations; the answer arrives as [`LatentsArrived`] with the returned ticket.
    /// `None` when the planner takes no question now.
    pub(super) fn encode(&mut self, rows: Vec<(usize, [f32; OBS_DIM])>) -> Option<u64> {
        let ticket = self.next_ticket();
        self.send(PlannerQuestion::Encode(EncodeRequest { ticket, rows })).then_some(ticket)
    }

    fn next_ticket(&mut self) -> u64 {
        self.last_ticket += 1;
        self.last_ticket
    }

    /// Whether the question went out; a full channel is tried again in a later frame.
    fn send(&mut self, question: PlannerQuestion) -> bool {
        if self.failure.is_some() {
            return false;
        }
        match self.agent.planner.questions.try_send(question) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => false,
            Err(TrySendError::Disconnected(_)) => {
                self.failure = Some(GONE.to_owned());
                false
            }
        }
    }
}

/// An open-loop plan came back for an instance, made from the state in which it now stands.
#[derive(Message, Clone, Debug)]
pub(super) struct PlanArrived {
    pub(super) instance: Entity,
    pub(super) plan: OpenLoopPlan,
}

/// Latents of received observations came back.
#[derive(Message, Clone, Debug)]
pub(super) struct LatentsArrived(pub(super) EncodeReply);

/// Gives the instances in [`Instances`] their actions.
pub(super) struct PolicyPlugin {
    pub(super) agent: Option<Agent>,
}

impl Plugin for PolicyPlugin {
    fn build(&self, app: &mut App) {
        app.add_message::<PlanArrived>().add_message::<LatentsArrived>();
        if let Some(agent) = self.agent.clone() {
            app.insert_resource(PlannerLink::new(agent)).add_systems(
                Update,
                (receive_answers.in_set(ViewSystems::Receive), ask_for_plans.in_set(ViewSystems::Ask)),
            );
        }
    }
}

fn receive_answers(
    mut link: ResMut<PlannerLink>,
    mut policies: Query<&mut Policy>,
    mut plans: MessageWriter<PlanArrived>,
    mut latents: MessageWriter<LatentsArrived>,
) {
    loop {
        match link.agent.planner.answers.try_recv() {
            Ok(PlannerAnswer::Plan(reply)) => take_plans(&mut link, reply, &mut policies, &mut plans),
            Ok(PlannerAnswer::Encode(reply)) => {
                latents.write(LatentsArrived(reply));
            }
            Ok(PlannerAnswer::Failed(reason)) => link.failure = Some(reason),
            Err(TryRecvError::Empty) => break,
            Err(TryRecvError::Disconnected) => {
                link.failure.get_or_insert_with(|| GONE.to_owned());
                break;
            }
        }
    }
}

fn take_plans(
    link: &mut PlannerLink,
    reply: PlanReply,
    policies: &mut Query<&mut Policy>,
    plans: &mut MessageWriter<PlanArrived>,
) {
    let Some(open) = link.open.take_if(|open| open.ticket == reply.ticket) else {
        return;
    };
    if reply.actions.len() != open.instances.len() {
        let (found, wanted) = (reply.actions.len(), open.instances.len());
        link.failure = Some(format!("the planner answered with {found} actions to {wanted} rows"));
        return;
    }
    link.latency = Some(open.asked.elapsed());
    link.plan_time = Some(Duration::from_secs_f64(reply.seconds.max(0.0)));
    link.batch = open.instances.len();
    for (&instance, action) in open.instances.iter().zip(&reply.actions) {
        if let Ok(mut policy) = policies.get_mut(instance) {
            *policy = Policy::Planned(NextAction::Ready(*action));
        }
    }
    for (&instance, plan) in open.instances.iter().zip(reply.open_loop) {
        if let Some(plan) = plan {
            plans.write(PlanArrived { instance, plan });
        }
    }
}

/// Draws or takes the action of the step that is now due.
pub(super) fn take_action(world: &mut World, entity: Entity) {
    let task = *world.get::<InstanceTask>(entity).expect("an instance has a task");
    let width = world.resource::<Sim>().task(task).action_dim;
    let mut policy = world.get_mut::<Policy>(entity).expect("an instance on show has a policy");
    let action = match policy.as_mut() {
        Policy::Random(rng) => {
            let mut row = [0.0; ACTION_DIM];
            row[..width].fill_with(|| rng.uniform(-1.0, 1.0) as f32);
            row
        }
        Policy::Planned(next) => match std::mem::take(next) {
            NextAction::Ready(row) => row,
            NextAction::Wanted | NextAction::Asked => unreachable!("only instances with an action are due"),
        },
    };
    world.get_mut::<Action>(entity).expect("an instance has an action").0 = action;
}

fn ask_for_plans(
    mut link: ResMut<PlannerLink>,
    comparisons: Res<Comparisons>,
    instances: Res<Instances>,
    mut states: Query<(&mut Policy, &Observation, &Episode, &InstanceTask)>,
) {
    if link.open.is_some() || link.failure.is_some() {
        return;
    }
    let wanted = |policy: &Policy| matches!(policy, Policy::Planned(NextAction::Wanted));
    let (mut rows, mut asked_for) = (Vec::new(), Vec::new());
    for (slot, &instance) in instances.0.iter().enumerate() {
        let Ok((policy, observation, episode, task)) = states.get(instance) else {
            continue;
        };
        if wanted(policy) {
            rows.push(PlanRow {
                slot,
                task: link.task_number(*task),
                observation: observation.0,
                first: episode.step == 0,
                open_loop: comparisons.wants_plan(instance),
            });
            asked_for.push(instance);
        }
    }
    if rows.is_empty() {
        return;
    }
    let ticket = link.next_ticket();
    if link.send(PlannerQuestion::Plan(PlanRequest { ticket, rows, eval: true, horizon: comparisons.horizon })) {
        for &instance in &asked_for {
            let (mut policy, ..) = states.get_mut(instance).expect("it was there above");
            *policy = Policy::Planned(NextAction::Asked);
        }
        link.open = Some(OpenQuestion { ticket, instances: asked_for, asked: Instant::now() });
    }
}
