//! One instance, and what each phase of a control step does to it.

use super::{Environment, Outcome};
use crate::sim::{
    Action, Actor, Asked, Ending, Episode, EpisodeTally, Fault, FinalObservation, FinishedEpisode, Frame, Group,
    InstanceId, Observation, Phase, Purpose, Scored, Seed, Seen, StepRecord, Throughput, is_finite, take_action,
};
use crate::task::Task;

/// How often an instance is made anew until its first observation is finite.
const RESTARTS: u32 = 3;

/// What all instances of a control step share.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub(super) tasks: &'a [Task],
    pub(super) seed: Seed,
    pub(super) active: Group,
    pub(super) actor: Option<&'a dyn Actor>,
}

/// All parts of an instance.
pub(super) struct Instance<'a, E: Environment> {
    pub(super) id: InstanceId,
    pub(super) task: &'a Task,
    pub(super) params: &'a E::Params,
    pub(super) action: &'a mut Action,
    pub(super) state: &'a mut E,
    pub(super) episode: &'a mut Episode,
    pub(super) record: &'a mut StepRecord,
    pub(super) observation: &'a mut Observation,
    pub(super) last: &'a mut FinalObservation,
    pub(super) tally: &'a mut EpisodeTally,
    pub(super) finished: &'a mut FinishedEpisode,
    pub(super) frame: Option<&'a mut Frame>,
}

impl<E: Environment> Instance<'_, E> {
    /// One control step.
    #[inline(always)]
    pub(super) fn control_step(&mut self, around: Surroundings, throughput: &mut Throughput) {
        self.act(around, throughput);
        self.step();
        self.observe(around.seed);
        self.score(throughput);
        self.reset(around, throughput);
        self.show(around);
    }

    /// One phase of it.
    pub(super) fn go_through(&mut self, phase: Phase, around: Surroundings, throughput: &mut Throughput) {
        match phase {
            Phase::Act => self.act(around, throughput),
            Phase::Step => self.step(),
            Phase::Observe => self.observe(around.seed),
            Phase::Score => self.score(throughput),
            Phase::Reset => {
                self.reset(around, throughput);
                self.show(around);
            }
        }
    }

    #[inline(always)]
    fn act(&mut self, around: Surroundings, throughput: &mut Throughput) {
        if self.episode.step == 0 {
            // From here on it belongs to the new episode, whose first step may be a fault.
            self.last.0 = self.observation.0;
        }
        if let Some(actor) = around.actor {
            let asked = Asked { instance: self.id, episode: self.episode, observation: self.observation };
            actor.act(asked, self.action);
        }
        let sound = take_action(self.action, self.task.action_dim);
        throughput.bad_actions += u64::from(!sound);
    }

    #[inline(always)]
    fn step(&mut self) {
        let Self { task, params, action, state, episode, record, .. } = self;
        let mut advance = || state.step(params, &action.0[..task.action_dim], &mut episode.rng);
        let mut outcome = advance();
        for _ in 1..task.action_repeat {
            if outcome.terminated || outcome.fault.is_some() {
                break;
            }
            let before = outcome.terms;
            outcome = advance();
            outcome.terms.iter_mut().zip(before).for_each(|(sum, term)| *sum += term);
        }
        let Outcome { terms, success, terminated, fault } = outcome;
        let reward = terms.iter().sum::<f64>() as f32;
        **record = StepRecord { reward, terms, success, terminated, fault, ending: None, needs_reset: false };
    }

    #[inline(always)]
    fn observe(&mut self, seed: Seed) {
        self.state.observe(self.params, &mut self.observation.0[..self.task.obs_dim]);
        if let Some(frame) = &mut self.frame {
            frame.paint(self.state, self.params, self.id, self.episode, seed);
            self.state.after_draw();
        }
    }

    #[inline(always)]
    fn score(&mut self, throughput: &mut Throughput) {
        let scored = Scored {
            task: self.task,
            observation: self.observation,
            last: self.last,
            record: self.record,
            episode: self.episode,
            tally: self.tally,
            finished: self.finished,
        };
        scored.score(throughput);
    }

    /// Starts the next episode if the instance waits for one.
    #[inline(always)]
    pub(super) fn reset(&mut self, around: Surroundings, throughput: &mut Throughput) {
        if self.record.needs_reset {
            self.start_episode(around.seed, throughput);
        }
    }

    #[inline(always)]
    fn show(&self, around: Surroundings) {
        if let Some(actor) = around.actor {
            actor.see(Seen {
                instance: self.id,
                action: self.action,
                record: self.record,
                observation: self.observation,
                last: self.last,
                finished: self.finished,
            });
        }
    }

    #[cold]
    fn start_episode(&mut self, seed: Seed, throughput: &mut Throughput) {
        self.record.needs_reset = false;
        let mut faulty = self.record.ending == Some(Ending::Fault);
        for _ in 0..RESTARTS {
            self.restart(seed, faulty);
            self.observe(seed);
            if is_finite(&self.observation.0[..self.task.obs_dim]) {
                return;
            }
            throughput.faults.add(Fault::NotFinite);
            faulty = true;
        }
        // An agent never sees what is not finite; unless the state mends, the first step ends the episode as a fault.
        self.observation.0.iter_mut().filter(|x| !x.is_finite()).for_each(|x| *x = 0.0);
    }

    fn restart(&mut self, seed: Seed, faulty: bool) {
        let stream = self.id.stream();
        let number = self.episode.number + u64::from(self.episode.started);
        if faulty {
            *self.state = E::new(self.params, &mut seed.rng(Purpose::Construct, stream, number));
        }
        *self.episode = Episode { number, step: 0, started: true, rng: seed.rng(Purpose::Episode, stream, number) };
        self.state.reset(self.params, &mut self.episode.rng);
    }
}
