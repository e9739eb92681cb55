//! Reads what a group of instances saw and did, as plain rows for the learner, and gives instances their actions.

use super::learner::{InstanceRow, Transition};
use super::messages::PlanRow;
use crate::env::Simulation;
use crate::sim::{ACTION_DIM, Action, FinalObservation, FinishedEpisode, Group, InstanceTask, Observation, StepRecord};

/// The numbers of a group's instances, in order.
pub(super) fn members(simulation: &Simulation, group: Group) -> Vec<usize> {
    (0..simulation.instances().len()).filter(|&slot| *simulation.get::<Group>(slot) == group).collect()
}

/// What the instances bring. `stepped` is false before the first step.
pub(super) fn rows(simulation: &Simulation, slots: &[usize], stepped: bool) -> Vec<InstanceRow> {
    let row = |&slot: &usize| {
        let record = simulation.get::<StepRecord>(slot);
        let ended = record.ending.is_some();
        let observation = simulation.get::<Observation>(slot).0;
        InstanceRow {
            slot,
            task: usize::from(simulation.get::<InstanceTask>(slot).0),
            transition: stepped.then(|| Transition {
                action: simulation.get::<Action>(slot).0,
                reward: record.reward,
                next: if ended { simulation.get::<FinalObservation>(slot).0 } else { observation },
                ended,
            }),
            observation,
            first: ended || !stepped,
        }
    };
    slots.iter().map(row).collect()
}

/// The same for an evaluation: observations alone.
pub(super) fn plan_rows(simulation: &Simulation, slots: &[usize], stepped: bool) -> Vec<PlanRow> {
    let row = |&slot: &usize| PlanRow {
        slot,
        task: usize::from(simulation.get::<InstanceTask>(slot).0),
        observation: simulation.get::<Observation>(slot).0,
        first: !stepped || simulation.get::<StepRecord>(slot).ending.is_some(),
        open_loop: false,
    };
    slots.iter().map(row).collect()
}

/// Gives the instances their actions.
pub(super) fn act(simulation: &mut Simulation, slots: &[usize], actions: &[[f32; ACTION_DIM]]) {
    for (&slot, action) in slots.iter().zip(actions) {
        simulation.set_action(slot, action);
    }
}

/// Statistics of the episodes that ended in the latest step, with the numbers of their tasks.
pub(super) fn finished(simulation: &Simulation, slots: &[usize]) -> Vec<(usize, FinishedEpisode)> {
    slots
        .iter()
        .filter(|&&slot| simulation.get::<StepRecord>(slot).ending.is_some())
        .map(|&slot| {
            (usize::from(simulation.get::<InstanceTask>(slot).0), simulation.get::<FinishedEpisode>(slot).clone())
        })
        .collect()
}
