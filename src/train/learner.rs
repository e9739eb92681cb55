//! The thread that owns the model, the replay buffer and every tensor.
//!
//! Messages are handled strictly in the order they were sent, and what they lead to (transitions stored, plan made,
//! updates spent) follows from that order alone; so runs repeat to the last byte however fast the other side is.
//! Questions of a window are answered in between from generators of their own and change nothing.

use std::path::PathBuf;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};

use super::TrainError;
use super::agent::{Agent, CarriedPlans};
use super::messages::{PlanReply, PlanRequest, PlanRow, PlannerAnswer, PlannerHandle, PlannerQuestion};
use super::saved_agent::AgentCard;
use crate::data::{Replay, ReplayRow, SampleBuffers};
use crate::newt::SeededNoise;
use crate::sim::{ACTION_DIM, Group, OBS_DIM, Purpose, Rng, Seed};

/// What one instance brings after a step (or at its very start).
#[derive(Clone, Debug)]
pub struct InstanceRow {
    /// The instance's number.
    pub slot: usize,
    /// Its task's number.
    pub task: usize,
    /// The step behind it; none at the very start.
    pub transition: Option<Transition>,
    /// What it sees now.
    pub observation: [f32; OBS_DIM],
    /// Whether that is the first observation of an episode.
    pub first: bool,
}

/// One step of one instance.
#[derive(Clone, Debug)]
pub struct Transition {
    /// What was done.
    pub action: [f32; ACTION_DIM],
    /// What it brought.
    pub reward: f32,
    /// What was seen after it; of an ended episode, its last observation.
    pub next: [f32; OBS_DIM],
    /// Whether the episode ended.
    pub ended: bool,
}

/// How actions are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acting {
    /// Uniformly at random.
    Random,
    /// By the policy prior alone.
    Prior,
    /// By planning (or by the prior where `mpc=false`).
    Plan,
}

/// What the learner is told, in order.
pub enum ToLearner {
    /// One group has stepped: store its transitions, choose its next actions, then spend update tokens.
    Rows {
        /// The group.
        group: Group,
        /// Its instances.
        rows: Vec<InstanceRow>,
        /// How to choose the next actions.
        acting: Acting,
        /// Update tokens that these rows bring.
        tokens: f64,
        /// Environment steps of the whole run so far.
        step: u64,
    },
    /// Do so many updates of pretraining on the demonstrations.
    Pretrain {
        /// How many.
        updates: u64,
    },
    /// Choose actions as in evaluation; nothing is stored. Slots are those of the evaluation's own instances.
    Evaluate {
        /// The instances.
        rows: Vec<PlanRow>,
        /// How to choose.
        acting: Acting,
        /// Whether this is the first request of an evaluation: carried-over plans and noise start anew.
        begin: Option<u64>,
    },
    /// Write model, optimiser, replay and generators into this folder.
    Save(PathBuf),
}

/// What the learner answers.
pub enum FromLearner {
    /// Actions of a group, in the order of its rows.
    Actions {
        /// The group.
        group: Group,
        /// One a row.
        actions: Vec<[f32; ACTION_DIM]>,
    },
    /// Updates of pretraining are done; losses of the last, each by its tag.
    Pretrained(Vec<(&'static str, f64)>),
    /// Actions of an evaluation.
    Evaluated(PlanReply),
    /// Losses of the latest update.
    Losses {
        /// Updates so far.
        updates: u64,
        /// Each by its tag.
        losses: Vec<(&'static str, f64)>,
    },
    /// A save is done.
    Saved,
    /// The thread failed and is gone; why.
    Failed(String),
}

/// What the learner needs beside the agent.
#[derive(Clone, Debug)]
pub(super) struct LearnerConfig {
    /// Updates between two reports of losses.
    pub report_every: u64,
    /// Seed of the run.
    pub seed: Seed,
}

/// The state that updates and draws continue from, saved beside the model.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct LearnerState {
    pub(super) tokens: f64,
    pub(super) updates: u64,
    pub(super) plan_noise: SeededNoise,
    pub(super) update_noise: SeededNoise,
    pub(super) sample_rng: Rng,
    pub(super) random_rng: Rng,
}

impl LearnerState {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            tokens: 0.0,
            updates: 0,
            plan_noise: SeededNoise::new(seed.derive(Purpose::Plan, 0)),
            update_noise: SeededNoise::new(seed.derive(Purpose::Update, 0)),
            sample_rng: seed.rng(Purpose::Replay, 0, 0),
            random_rng: seed.rng(Purpose::Policy, 0, 0),
        }
    }
}

/// The simulation's end of the learner's thread.
pub struct LearnerHandle {
    /// Messages, handled in order.
    pub messages: Sender<ToLearner>,
    /// Answers.
    pub answers: Receiver<FromLearner>,
    /// For a window: answered in between, without any effect on the run.
    pub planner: PlannerHandle,
    thread: Option<JoinHandle<()>>,
}

impl LearnerHandle {
    /// Sends a message. If the thread is gone, the next answer says so.
    pub(super) fn tell(&self, message: ToLearner) {
        let _ = self.messages.send(message);
    }

    /// Waits for the next answer.
    ///
    /// # Errors
    ///
    /// [`TrainError::Learner`] when the thread has failed.
    pub(super) fn answer(&self) -> Result<FromLearner, TrainError> {
        match self.answers.recv() {
            Ok(FromLearner::Failed(problem)) => Err(TrainError::Learner(problem)),
            Ok(answer) => Ok(answer),
            Err(_) => Err(TrainError::Learner("the learner's thread ended without a word".to_owned())),
        }
    }

    /// Ends the thread after the messages sent so far.
    pub fn stop(mut self) {
        let (closed, _) = bounded(0);
        self.messages = closed;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported through `answers`.
            let _ = thread.join();
        }
    }
}

/// The learner itself; lives in its thread.
pub(super) struct Learner {
    pub(super) config: LearnerConfig,
    pub(super) agent: Agent,
    pub(super) card: AgentCard,
    pub(super) replay: Replay,
    /// Demonstrations, from which half of every batch is drawn.
    pub(super) demos: Option<Replay>,
    pub(super) state: LearnerState,
    pub(super) plans: CarriedPlans,
    pub(super) eval_plans: CarriedPlans,
    pub(super) eval_noise: SeededNoise,
    pub(super) window_plans: CarriedPlans,
    pub(super) window_noise: SeededNoise,
    pub(super) sampled: SampleBuffers,
    pub(super) step: u64,
}

impl Learner {
    /// Moves the learner into a thread of its own.
    pub(super) fn spawn(self, torch_threads: usize) -> LearnerHandle {
        let (messages, inbox) = unbounded();
        let (outbox, answers) = unbounded();
        let (questions, asked) = unbounded();
        let (answered, planner_answers) = unbounded();
        let thread = std::thread::Builder::new()
            .name("learner".to_owned())
            .spawn(move || {
                tch::set_num_threads(torch_threads as i32);
                let failed = outbox.clone();
                let run = std::panic::AssertUnwindSafe(|| self.run(&inbox, &outbox, &asked, &answered));
                let problem = match std::panic::catch_unwind(run) {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => error.to_string(),
                    Err(panic) => panic_text(panic.as_ref()),
                };
                // The receiver is gone only when the run has ended anyway.
                let _ = failed.send(FromLearner::Failed(problem));
            })
            .expect("the system can start a thread");
        LearnerHandle {
            messages,
            answers,
            planner: PlannerHandle { questions, answers: planner_answers },
            thread: Some(thread),
        }
    }

    fn run(
        mut self,
        inbox: &Receiver<ToLearner>,
        outbox: &Sender<FromLearner>,
        asked: &Receiver<PlannerQuestion>,
        answered: &Sender<PlannerAnswer>,
    ) -> Result<(), TrainError> {
        loop {
            let message = crossbeam_channel::select! {
                recv(inbox) -> message => message,
                recv(asked) -> question => {
                    if let Ok(question) = question {
                        self.answer_window(question, answered);
                    }
                    continue;
                }
            };
            match message {
                Err(_) => return Ok(()),
                Ok(ToLearner::Rows { group, rows, acting, tokens, step }) => {
                    self.step = step;
                    self.store(&rows);
                    let actions = self.choose(&rows, acting);
                    // A closed channel means that the run is over; the next receive ends the loop.
                    let _ = outbox.send(FromLearner::Actions { group, actions });
                    self.state.tokens += tokens;
                    self.spend_tokens(outbox, asked, answered);
                }
                Ok(ToLearner::Pretrain { updates }) => {
                    let losses = self.pretrain(updates, asked, answered);
                    let _ = outbox.send(FromLearner::Pretrained(losses));
                }
                Ok(ToLearner::Evaluate { rows, acting, begin }) => {
                    let reply = self.evaluate(rows, acting, begin);
                    let _ = outbox.send(FromLearner::Evaluated(reply));
                }
                Ok(ToLearner::Save(folder)) => {
                    self.save(&folder)?;
                    let _ = outbox.send(FromLearner::Saved);
                }
            }
        }
    }

    fn store(&mut self, rows: &[InstanceRow]) {
        for row in rows {
            if let Some(transition) = &row.transition {
                self.replay.push(
                    row.slot,
                    &ReplayRow {
                        observation: &transition.next,
                        action: &transition.action,
                        reward: transition.reward,
                        task: row.task as u32,
                        first: false,
                    },
                );
            }
            if row.first {
                let nothing = [0.0; ACTION_DIM];
                self.replay.push(
                    row.slot,
                    &ReplayRow {
                        observation: &row.observation,
                        action: &nothing,
                        reward: 0.0,
                        task: row.task as u32,
                        first: true,
                    },
                );
            }
        }
    }

    fn choose(&mut self, rows: &[InstanceRow], acting: Acting) -> Vec<[f32; ACTION_DIM]> {
        if acting == Acting::Random {
            let rng = &mut self.state.random_rng;
            return rows.iter().map(|_| std::array::from_fn(|_| rng.uniform(-1.0, 1.0) as f32)).collect();
        }
        let request = PlanRequest {
            rows: rows
                .iter()
                .map(|row| PlanRow {
                    slot: row.slot,
                    task: row.task,
                    observation: row.observation,
                    first: row.first,
                    open_loop: false,
                })
                .collect(),
            ..PlanRequest::default()
        };
        if acting == Acting::Prior {
            return self.agent.prior(&request, &mut self.state.plan_noise);
        }
        self.agent.plan(&request, &mut self.plans, self.step, &mut self.state.plan_noise).actions
    }

    fn spend_tokens(
        &mut self,
        outbox: &Sender<FromLearner>,
        asked: &Receiver<PlannerQuestion>,
        answered: &Sender<PlannerAnswer>,
    ) {
        // With seeding_coef=0, tokens come before there is a window to spend them on.
        while self.state.tokens >= 1.0 && self.replay.windows() > 0 {
            self.state.tokens -= 1.0;
            let draw = &mut || self.state.sample_rng.next_u64();
            match &self.demos {
                Some(demos) => self.sampled.fill_halves(demos, &self.replay, draw),
                None => self.sampled.fill(&self.replay, draw),
            }
            let losses = self.agent.update(&self.sampled, &mut self.state.update_noise);
            self.state.updates += 1;
            if self.state.updates.is_multiple_of(self.config.report_every) {
                let _ = outbox.send(FromLearner::Losses { updates: self.state.updates, losses: losses.metrics() });
            }
            while let Ok(question) = asked.try_recv() {
                self.answer_window(question, answered);
            }
        }
    }

    /// Updates on demonstrations alone; the losses of the last.
    fn pretrain(
        &mut self,
        updates: u64,
        asked: &Receiver<PlannerQuestion>,
        answered: &Sender<PlannerAnswer>,
    ) -> Vec<(&'static str, f64)> {
        let mut last = None;
        for _ in 0..updates {
            let demos = self.demos.as_ref().expect("a run that pretrains has demonstrations");
            self.sampled.fill(demos, &mut || self.state.sample_rng.next_u64());
            last = Some(self.agent.pretrain(&self.sampled, &mut self.state.update_noise));
            while let Ok(question) = asked.try_recv() {
                self.answer_window(question, answered);
            }
        }
        last.map_or_else(Vec::new, |losses| losses.metrics())
    }

    /// Plans for an evaluation, whose carried plans and noise are its own.
    fn evaluate(&mut self, rows: Vec<PlanRow>, acting: Acting, begin: Option<u64>) -> PlanReply {
        if let Some(number) = begin {
            self.eval_noise = SeededNoise::new(self.config.seed.derive(Purpose::Evaluate, number));
            let slots = rows.iter().map(|row| row.slot + 1).max().unwrap_or(1);
            self.eval_plans = CarriedPlans::new(self.agent.newt(), slots);
        }
        let request = PlanRequest { rows, eval: true, ..PlanRequest::default() };
        if acting == Acting::Plan {
            return self.agent.plan(&request, &mut self.eval_plans, self.step, &mut self.eval_noise);
        }
        PlanReply { actions: self.agent.prior(&request, &mut self.eval_noise), ..PlanReply::default() }
    }

    fn answer_window(&mut self, question: PlannerQuestion, answered: &Sender<PlannerAnswer>) {
        let answer = match question {
            PlannerQuestion::Plan(request) => {
                let slots = request.rows.iter().map(|row| row.slot + 1).max().unwrap_or(1);
                self.window_plans.cover(self.agent.newt(), slots);
                let step = self.step;
                PlannerAnswer::Plan(self.agent.plan(&request, &mut self.window_plans, step, &mut self.window_noise))
            }
            PlannerQuestion::Encode(request) => PlannerAnswer::Encode(self.agent.encode(&request)),
        };
        // The window may be closed by now.
        let _ = answered.send(answer);
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the learner stopped: {}", text.unwrap_or("no reason was given"))
}
