//! Which instances there are, and which one the panels are about.

use bevy::prelude::*;

use crate::sim::{InstanceTask, Sim};

/// The instances on show, in the order of the grid.
#[derive(Resource, Clone, Debug)]
pub struct Instances(pub Vec<Entity>);

/// The instance that the panels are about, and whether it fills the view.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Its place in [`Instances`].
    pub index: usize,
    /// Whether it alone is on show.
    pub enlarged: bool,
}

impl Instances {
    /// The selected entity.
    pub fn selected(&self, selection: Selection) -> Entity {
        self.0[selection.index.min(self.0.len() - 1)]
    }
}

/// What a tile or panel calls an instance: its task, numbered when the task has several.
pub(super) fn instance_names(sim: &Sim, tasks: &[u16]) -> Vec<String> {
    tasks
        .iter()
        .enumerate()
        .map(|(index, &task)| {
            let several = tasks.iter().filter(|&&other| other == task).count() > 1;
            let nth = tasks[..index].iter().filter(|&&other| other == task).count() + 1;
            let id = &sim.task(InstanceTask(task)).id;
            if several { format!("{id} #{nth}") } else { id.clone() }
        })
        .collect()
}

/// What an instance on show is called.
#[derive(Component, Clone, Debug)]
pub struct InstanceName(pub String);
