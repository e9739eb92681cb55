//! Instances of one environment side by side.

use std::time::{Duration, Instant};

use bevy::ecs::change_detection::ContiguousMut;
use bevy::ecs::query::QueryData;

use super::Environment;
use super::catalog::Params;
use super::instance::{Instance, Surroundings};
use crate::sim::{
    Action, Episode, EpisodeTally, FinalObservation, FinishedEpisode, Frame, Group, InstanceId, InstanceTask,
    Observation, Phase, StepRecord, Throughput,
};

/// Columns of one length: whoever cuts them knows it.
const EQUAL: &str = "all columns are equally long";

/// All that an instance is made of.
#[derive(QueryData)]
#[query_data(mutable, contiguous(mutable))]
pub(super) struct Parts<E: Environment> {
    id: &'static InstanceId,
    task: &'static InstanceTask,
    group: &'static Group,
    params: &'static Params<E>,
    action: &'static mut Action,
    state: &'static mut E,
    episode: &'static mut Episode,
    record: &'static mut StepRecord,
    observation: &'static mut Observation,
    last: &'static mut FinalObservation,
    tally: &'static mut EpisodeTally,
    finished: &'static mut FinishedEpisode,
    frame: Option<&'static mut Frame>,
}

/// Instances as columns, one entry an instance.
pub(super) struct Instances<'a, E: Environment> {
    id: &'a [InstanceId],
    task: &'a [InstanceTask],
    group: &'a [Group],
    params: &'a [Params<E>],
    action: &'a mut [Action],
    state: &'a mut [E],
    episode: &'a mut [Episode],
    record: &'a mut [StepRecord],
    observation: &'a mut [Observation],
    last: &'a mut [FinalObservation],
    tally: &'a mut [EpisodeTally],
    finished: &'a mut [FinishedEpisode],
    frame: Option<&'a mut [Frame]>,
}

/// A column to write to, past change detection.
fn column<T>(column: ContiguousMut<'_, T>) -> &mut [T] {
    ContiguousMut::bypass_change_detection_split(column).0
}

impl<'a, E: Environment> Instances<'a, E> {
    /// The instances of one table. Their change ticks stay as they are: every step changes every instance.
    pub(super) fn of(table: PartsContiguousItem<'a, '_, E>) -> Self {
        Self {
            id: table.id,
            task: table.task,
            group: table.group,
            params: table.params,
            action: column(table.action),
            state: column(table.state),
            episode: column(table.episode),
            record: column(table.record),
            observation: column(table.observation),
            last: column(table.last),
            tally: column(table.tally),
            finished: column(table.finished),
            frame: table.frame.map(column),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.id.len()
    }

    /// Cuts off the first `count` instances, or all if there are fewer.
    pub(super) fn split_off(&mut self, count: usize) -> Self {
        let head = ..count.min(self.len());
        Self {
            id: self.id.split_off(head).expect(EQUAL),
            task: self.task.split_off(head).expect(EQUAL),
            group: self.group.split_off(head).expect(EQUAL),
            params: self.params.split_off(head).expect(EQUAL),
            action: self.action.split_off_mut(head).expect(EQUAL),
            state: self.state.split_off_mut(head).expect(EQUAL),
            episode: self.episode.split_off_mut(head).expect(EQUAL),
            record: self.record.split_off_mut(head).expect(EQUAL),
            observation: self.observation.split_off_mut(head).expect(EQUAL),
            last: self.last.split_off_mut(head).expect(EQUAL),
            tally: self.tally.split_off_mut(head).expect(EQUAL),
            finished: self.finished.split_off_mut(head).expect(EQUAL),
            frame: self.frame.as_mut().map(|frame| frame.split_off_mut(head).expect(EQUAL)),
        }
    }

    /// The same at the end.
    pub(super) fn split_off_back(&mut self, count: usize) -> Self {
        let head = self.split_off(self.len().saturating_sub(count));
        std::mem::replace(self, head)
    }

    /// So many control steps of those in the active group, one instance after the other.
    pub(super) fn advance(&mut self, steps: u32, around: Surroundings, throughput: &mut Throughput) {
        for index in 0..self.len() {
            if self.group[index] == around.active {
                let mut instance = self.instance(index, around);
                for _ in 0..steps {
                    instance.control_step(around, throughput);
                }
            }
        }
    }

    /// One control step of them, phase by phase: what each took.
    pub(super) fn advance_timed(
        &mut self,
        around: Surroundings,
        throughput: &mut Throughput,
    ) -> [Duration; Phase::ALL.len()] {
        let mut since = Instant::now();
        Phase::ALL.map(|phase| {
            for index in 0..self.len() {
                if self.group[index] == around.active {
                    self.instance(index, around).go_through(phase, around, throughput);
                }
            }
            let now = Instant::now();
            now - std::mem::replace(&mut since, now)
        })
    }

    /// Starts the episodes of those that wait for one.
    pub(super) fn start(&mut self, around: Surroundings, throughput: &mut Throughput) {
        (0..self.len()).for_each(|index| self.instance(index, around).reset(around, throughput));
    }

    #[inline]
    fn instance<'b>(&'b mut self, index: usize, around: Surroundings<'b>) -> Instance<'b, E> {
        Instance {
            id: self.id[index],
            task: &around.tasks[usize::from(self.task[index].0)],
            params: &self.params[index].0,
            action: &mut self.action[index],
            state: &mut self.state[index],
            episode: &mut self.episode[index],
            record: &mut self.record[index],
            observation: &mut self.observation[index],
            last: &mut self.last[index],
            tally: &mut self.tally[index],
            finished: &mut self.finished[index],
            frame: self.frame.as_mut().map(|frames| &mut frames[index]),
        }
    }
}
