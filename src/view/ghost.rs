//! A copy of the selected instance that executes its open-loop plan from the moment the plan was made.

use bevy::prelude::*;

use super::ViewSystems;
use super::clock::{PrepareStep, RecordStep, STANDING, Stepping};
use super::comparison::Comparisons;
use super::policy::{PlanArrived, PlannerLink};
use crate::env::copy_instance;
use crate::sim::{ACTION_DIM, Action, FinishedEpisode, InstanceId, StepRecord};

/// An instance that follows a plan beside the one it was copied from.
#[derive(Component, Clone, Debug)]
pub struct Ghost {
    /// The instance it was copied from.
    pub of: Entity,
    /// Steps of the plan executed.
    pub steps: usize,
    /// Whether its episode has ended: there is nothing more to show.
    pub ended: bool,
    actions: Vec<[f32; ACTION_DIM]>,
}

/// Whether ghosts are drawn.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShowGhost(pub bool);

/// Keeps one [`Ghost`] for the plan in [`Comparisons`].
pub(super) struct GhostPlugin;

impl Plugin for GhostPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(ShowGhost(true))
            .add_systems(
                Update,
                (spawn, dismiss).chain().in_set(ViewSystems::Copy).run_if(resource_exists::<PlannerLink>),
            )
            .add_systems(PrepareStep, prepare)
            .add_systems(RecordStep, record);
    }
}

fn spawn(
    mut commands: Commands,
    mut arrived: MessageReader<PlanArrived>,
    comparisons: Res<Comparisons>,
    ghosts: Query<Entity, With<Ghost>>,
    ids: Query<&InstanceId>,
) {
    for PlanArrived { instance, plan } in arrived.read() {
        if comparisons.current.as_ref().is_none_or(|current| current.instance != *instance) {
            continue;
        }
        for old in &ghosts {
            commands.entity(old).try_despawn();
        }
        let (source, actions) = (*instance, plan.actions.clone());
        // The same id: what flickers in the picture flickers alike.
        let id = *ids.get(source).expect("an instance has an id");
        let parts = (id, STANDING, Action::default(), FinishedEpisode::default());
        let ghost = commands.spawn((parts, Ghost { of: source, steps: 0, ended: false, actions })).id();
        commands.queue(move |world: &mut World| copy_instance(world, source, ghost));
    }
}

fn dismiss(mut commands: Commands, comparisons: Res<Comparisons>, ghosts: Query<(Entity, &Ghost)>) {
    for (entity, ghost) in &ghosts {
        if comparisons.current.as_ref().is_none_or(|current| current.instance != ghost.of) {
            commands.entity(entity).try_despawn();
        }
    }
}

fn prepare(mut stepping: ResMut<Stepping>, mut ghosts: Query<(Entity, &Ghost, &mut Action)>) {
    for (entity, ghost, mut action) in &mut ghosts {
        let next = ghost.actions.get(ghost.steps);
        if let (false, Some(next), true) = (ghost.ended, next, stepping.0.contains(&ghost.of)) {
            action.0 = *next;
            stepping.0.push(entity);
        }
    }
}

fn record(stepping: Res<Stepping>, mut ghosts: Query<(Entity, &mut Ghost)>, records: Query<&StepRecord>) {
    for (entity, mut ghost) in &mut ghosts {
        let ended = |entity: Entity| records.get(entity).is_ok_and(|record| record.ending.is_some());
        if stepping.0.contains(&entity) {
            ghost.steps += 1;
            ghost.ended |= ended(entity);
        }
        // The harness has started the next episode; what the ghost shows belongs to the last.
        if stepping.0.contains(&ghost.of) {
            let source = ghost.of;
            ghost.ended |= ended(source);
        }
    }
}
