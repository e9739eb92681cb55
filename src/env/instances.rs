//! Instances of one environment side by side, and what each phase of a control step does to them.

use std::time::{Duration, Instant};

use bevy::ecs::change_detection::ContiguousMut;
use bevy::ecs::query::QueryData;

use super::Environment;
use super::catalog::Params;
use crate::sim::{
    Action, Ending, Episode, EpisodeTally, Fault, FinalObservation, FinishedEpisode, Frame, Group, InstanceId,
    InstanceTask, Observation, Phase, Purpose, Scored, Seed, StepRecord, Throughput, is_finite, take_action,
};
use crate::task::Task;

/// How often an instance is made anew until its first observation is finite.
const RESTARTS: u32 = 3;

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

/// What all instances of a control step share.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) tasks: &'a [Task],
    pub(super) seed: Seed,
    pub(super) active: Group,
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

    /// One control step of those in the active group, each through all phases.
    pub(super) fn advance(&mut self, around: Surroundings, throughput: &mut Throughput) {
        for index in 0..self.len() {
            if self.group[index] == around.active {
                self.act(index, around, throughput);
                self.step(index, around);
                self.observe(index, around);
                self.score(index, around, throughput);
                self.reset(index, around, throughput);
            }
        }
    }

    /// The same, phase by phase: what each took.
    pub(super) fn advance_timed(
        &mut self,
        around: Surroundings,
        throughput: &mut Throughput,
    ) -> [Duration; Phase::ALL.len()] {
        let mut since = Instant::now();
        Phase::ALL.map(|phase| {
            for index in 0..self.len() {
                match phase {
                    _ if self.group[index] != around.active => {}
                    Phase::Act => self.act(index, around, throughput),
                    Phase::Step => self.step(index, around),
                    Phase::Observe => self.observe(index, around),
                    Phase::Score => self.score(index, around, throughput),
                    Phase::Reset => self.reset(index, around, throughput),
                }
            }
            let now = Instant::now();
            now - std::mem::replace(&mut since, now)
        })
    }

    /// Starts the episodes of those that wait for one.
    pub(super) fn start(&mut self, around: Surroundings, throughput: &mut Throughput) {
        (0..self.len()).for_each(|index| self.reset(index, around, throughput));
    }

    #[inline]
    fn act(&mut self, index: usize, around: Surroundings, throughput: &mut Throughput) {
        if self.episode[index].step == 0 {
            // From here on it belongs to the new episode, whose first step may be a fault.
            self.last[index].0 = self.observation[index].0;
        }
        let width = self.task_of(index, around).action_dim;
        let sound = take_action(&mut self.action[index], width);
        throughput.bad_actions += u64::from(!sound);
    }

    #[inline]
    fn step(&mut self, index: usize, around: Surroundings) {
        let task = self.task_of(index, around);
        let params = &*self.params[index].0;
        let action = &self.action[index].0[..task.action_dim];
        let (state, rng) = (&mut self.state[index], &mut self.episode[index].rng);
        let mut total = StepRecord::default();
        for _ in 0..task.action_repeat {
            let outcome = state.step(params, action, rng);
            for (sum, term) in total.terms.iter_mut().zip(outcome.terms) {
                *sum += term;
            }
            total.success = outcome.success;
            total.terminated = outcome.terminated;
            total.fault = outcome.fault;
            if outcome.terminated || outcome.fault.is_some() {
                break;
            }
        }
        total.reward = total.terms.iter().sum::<f64>() as f32;
        self.record[index] = total;
    }

    #[inline]
    fn observe(&mut self, index: usize, around: Surroundings) {
        let width = self.task_of(index, around).obs_dim;
        let (state, params) = (&mut self.state[index], &*self.params[index].0);
        state.observe(params, &mut self.observation[index].0[..width]);
        if let Some(frames) = &mut self.frame {
            frames[index].paint(state, params, self.id[index], &self.episode[index], around.seed);
            state.after_draw();
        }
    }

    #[inline]
    fn score(&mut self, index: usize, around: Surroundings, throughput: &mut Throughput) {
        let task = self.task_of(index, around);
        let scored = Scored {
            task,
            observation: &self.observation[index],
            last: &mut self.last[index],
            record: &mut self.record[index],
            episode: &mut self.episode[index],
            tally: &mut self.tally[index],
            finished: &mut self.finished[index],
        };
        scored.score(throughput);
    }

    #[inline]
    fn reset(&mut self, index: usize, around: Surroundings, throughput: &mut Throughput) {
        if self.record[index].needs_reset {
            self.start_episode(index, around, throughput);
        }
    }

    #[cold]
    fn start_episode(&mut self, index: usize, around: Surroundings, throughput: &mut Throughput) {
        self.record[index].needs_reset = false;
        let mut faulty = self.record[index].ending == Some(Ending::Fault);
        let width = self.task_of(index, around).obs_dim;
        for _ in 0..RESTARTS {
            self.restart(index, around.seed, faulty);
            self.observe(index, around);
            if is_finite(&self.observation[index].0[..width]) {
                return;
            }
            throughput.faults.add(Fault::NotFinite);
            faulty = true;
        }
        // An agent never sees what is not finite; unless the state mends, the first step ends the episode as a fault.
        self.observation[index].0.iter_mut().filter(|x| !x.is_finite()).for_each(|x| *x = 0.0);
    }

    fn restart(&mut self, index: usize, seed: Seed, faulty: bool) {
        let stream = self.id[index].stream();
        let (state, episode, params) = (&mut self.state[index], &mut self.episode[index], &*self.params[index].0);
        let number = episode.number + u64::from(episode.started);
        if faulty {
            *state = E::new(params, &mut seed.rng(Purpose::Construct, stream, number));
        }
        *episode = Episode { number, step: 0, started: true, rng: seed.rng(Purpose::Episode, stream, number) };
        state.reset(params, &mut episode.rng);
    }

    #[inline]
    fn task_of<'b>(&self, index: usize, around: Surroundings<'b>) -> &'b Task {
        &around.tasks[usize::from(self.task[index].0)]
    }
}
