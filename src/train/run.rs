//! A training run: instances step in groups, the learner answers, metrics and checkpoints are written.
//!
//! The order of messages to the learner is fixed by the run's settings alone. An interrupt only decides after which
//! step the run is saved, so stopping and resuming changes nothing. One that comes during an evaluation leaves it due: the
//! resumed run makes it first.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::agent::{Agent, CarriedPlans};
use super::checkpoint::{Checkpoints, Moment, RunParts};
use super::config::{ConfigError, TrainArgs, TrainConfig};
use super::demos::RunDemos;
use super::evaluate::{Evaluation, evaluate};
use super::inbox::Inbox;
use super::learner::{Acting, FromLearner, Learner, LearnerConfig, LearnerHandle, LearnerState, ToLearner};
use super::metrics::{EpisodeResult, EpisodeStatistics, Metrics, Phase, Values};
use super::progress::Progress;
use super::run_lock::RunLock;
use super::saved_agent::{AgentCard, threads_of};
use super::{RunDir, TrainError, gather, setup, start};
use crate::data::{Replay, SampleBuffers};
use crate::env::{Simulation, SimulationConfig, restore_instance, save_instance};
use crate::newt::{Newt, SeededNoise};
use crate::sim::{Ending, Group, ObservationMode, Purpose, Seed};
use crate::task::{Registry, Task, TaskSet};

/// Updates between two reports of losses.
pub(super) const REPORT_EVERY: u64 = 20;

/// A run that can be started or carried on.
pub struct Run {
    config: TrainConfig,
    tasks: Arc<[Task]>,
    dir: RunDir,
    notes: Vec<String>,
}

/// How a run ended.
pub struct RunSummary {
    /// Whether all steps were done; otherwise it was interrupted and saved.
    pub finished: bool,
    /// Environment steps done.
    pub step: u64,
    /// The last evaluation, if there was one.
    pub evaluation: Option<EpisodeStatistics>,
    /// Where the run lies.
    pub dir: RunDir,
    /// Time that training took, all sittings together, s.
    pub elapsed_secs: f64,
}

impl Run {
    /// The run that these words mean: a new one, or the one that lies in its folder already.
    ///
    /// # Errors
    ///
    /// [`TrainError`] when the words, the tasks or the folder cannot be used.
    pub fn open(args: &TrainArgs) -> Result<Self, TrainError> {
        let set = TaskSet::parse_for_training(args.task(), &Registry::builtin()?)?;
        let mut fresh = args.resolve(&set)?;
        let dir = RunDir::of(&fresh);
        let checkpoints = Checkpoints::new(dir.path());
        let config = if checkpoints.last().is_some() {
            if !dir.config().is_file() {
                return Err(TrainError::CannotGoOn(format!("its settings are gone: {}", dir.config().display())));
            }
            args.resume(&TrainConfig::load(&dir.config())?, set.tasks().len())?
        } else if let Some(checkpoint) = checkpoints.all().pop() {
            let problem = format!("{} holds an agent alone, and no other holds more", checkpoint.display());
            return Err(TrainError::CannotGoOn(problem));
        } else {
            // What a sitting left that ended before its first checkpoint is replaced.
            start::take_shape(&mut fresh, args, set.tasks())?;
            fresh.check(set.tasks().len())?;
            fresh
        };
        let notes = args.notes(&config, &set);
        Ok(Self { config, tasks: set.tasks().into(), dir, notes })
    }

    /// All settings.
    pub fn config(&self) -> &TrainConfig {
        &self.config
    }

    /// The tasks, in order.
    pub fn tasks(&self) -> &Arc<[Task]> {
        &self.tasks
    }

    /// Where the run lies.
    pub fn dir(&self) -> &RunDir {
        &self.dir
    }

    /// Trains until all steps are done or `interrupt` is set; saves in both cases.
    ///
    /// `started` is handed the learner's window channel once it runs.
    ///
    /// # Errors
    ///
    /// [`TrainError`]; what was saved before stays usable.
    pub fn train(self, interrupt: &AtomicBool, started: impl FnOnce(&LearnerHandle)) -> Result<RunSummary, TrainError> {
        // Nothing is read that another process may still change; a new run has no directory yet.
        let lock = self.dir.path().is_dir().then(|| RunLock::take(&self.dir)).transpose()?;
        let checkpoints = Checkpoints::new(self.dir.path());
        let last = checkpoints.last();
        let instances = instances(&self.config, self.tasks.len());
        let count = if instances.len() > 1 { 2 } else { 1 };
        let mut simulation = Simulation::new(&SimulationConfig {
            tasks: Arc::clone(&self.tasks),
            instances: instances.clone(),
            groups: count,
            seed: Seed::new(self.config.seed),
            observation: ObservationMode::State,
            threads: self.config.threads,
        })?;
        let groups: Vec<Vec<usize>> = (0..count).map(|group| gather::members(&simulation, Group(group))).collect();
        let (device, device_name) = setup::open_device(&self.config)?;
        let restored = match &last {
            None => None,
            Some(checkpoint) => {
                let demos = if self.config.use_demos { Some(RunDemos::kept(&self.dir)?) } else { None };
                let restored = self.restore(checkpoint, &groups, demos, &mut simulation, device);
                Some(restored.map_err(|problem| checkpoints.explain(checkpoint, problem))?)
            }
        };

        let step = restored.as_ref().map_or(0, |(saved, _)| saved.step);
        // A group steps as one, so that a run may end beyond its last step.
        let beyond = groups.iter().map(Vec::len).max().unwrap_or(1) as u64 - 1;
        if step > self.config.steps.saturating_add(beyond) {
            return Err(ConfigError::Conflict(format!(
                "steps={} lies below what this run has done; type steps={step} or more, or start another run with \
                 exp_name=NAME",
                self.config.steps
            ))
            .into());
        }
        let mut progress = Progress::new("steps", self.config.steps, step);
        for note in &self.notes {
            progress.say(note);
        }
        progress.say(&device_name);
        if self.config.task_dim > 0 {
            progress.say(&format!("text embeddings: {}", self.config.text_embeddings));
        }
        let (saved, learner) = match restored {
            Some((saved, learner)) => (Some(saved), learner),
            None => (None, self.new_learner(instances.len(), device, &progress)?),
        };
        // From here on the run exists; what is refused before leaves nothing behind.
        self.dir.create()?;
        let _lock = match lock {
            Some(lock) => lock,
            None => RunLock::take(&self.dir)?,
        };
        self.config.save(&self.dir.config())?;
        if let (None, Some(demos)) = (&last, &learner.demos) {
            RunDemos::keep(demos, &self.dir)?;
        }
        let learner = learner.spawn(threads_of(self.config.torch_threads));
        started(&learner);

        let mut going = match saved {
            None => {
                let metrics = Metrics::create(&self.dir, self.config.seed, &self.tasks, self.config.tensorboard)?;
                Going::start(&self.tasks, metrics)
            }
            Some(saved) => {
                progress.say(&format!("resuming at step {step}"));
                let (seed, tensorboard) = (self.config.seed, self.config.tensorboard);
                let tell = |sentence: &str| progress.say(sentence);
                let metrics = Metrics::resume(&self.dir, seed, step, tensorboard, &self.tasks, &saved.metrics, tell)?;
                Going::resume(saved, metrics)
            }
        };
        let sitting = Sitting { run: &self, groups, instances, checkpoints, learner: &learner };
        let outcome = sitting.train(&mut simulation, &mut going, &mut progress, interrupt);
        progress.finish();
        let finished = outcome?;
        let summary = RunSummary {
            finished,
            step: going.step,
            evaluation: going.evaluation,
            elapsed_secs: going.metrics.elapsed_secs(),
            dir: self.dir.clone(),
        };
        learner.stop();
        Ok(summary)
    }
}

impl Run {
    /// What a checkpoint holds: the simulation's side, of which the instances are given back already, and the learner.
    fn restore(
        &self,
        checkpoint: &Path,
        groups: &[Vec<usize>],
        demos: Option<Replay>,
        simulation: &mut Simulation,
        device: tch::Device,
    ) -> Result<(RunParts, Learner), TrainError> {
        let mut saved = Checkpoints::read(checkpoint, &self.tasks, groups)?;
        for (slot, state) in std::mem::take(&mut saved.instances).into_iter().enumerate() {
            let entity = simulation.instances()[slot];
            restore_instance(simulation.world_mut(), entity, state)?;
        }
        let learner = Learner::load(checkpoint, &self.config, &self.tasks, demos, device)?;
        Ok((saved, learner))
    }

    /// A learner that has learned nothing in this run yet.
    fn new_learner(&self, slots: usize, device: tch::Device, progress: &Progress) -> Result<Learner, TrainError> {
        let (config, tasks) = (&self.config, &self.tasks);
        let mut newt = setup::new_model(config, tasks, device)?;
        if let Some(path) = &config.checkpoint {
            start::take_weights(&mut newt, path, tasks)?;
            progress.say(&format!("starting from the agent at {}", path.display()));
        }
        let mut replay = Replay::new(
            config.buffer_size,
            config.horizon,
            newt.config().model.obs_dim as usize,
            newt.config().model.action_dim as usize,
        );
        let mut demos = None;
        if config.use_demos {
            let found = RunDemos::load(config, tasks, &mut replay)?;
            progress.say(&found.note);
            demos = Some(found.replay);
        }
        let state = LearnerState::new(Seed::new(config.seed));
        Ok(Learner::assemble(newt, replay, demos, state, config, tasks, slots))
    }
}

/// The task's number of each instance: instances are dealt to the tasks in turn.
pub(super) fn instances(config: &TrainConfig, tasks: usize) -> Vec<u16> {
    (0..config.num_envs).map(|index| (index % tasks) as u16).collect()
}

/// What changes while a run goes on.
pub(super) struct Going {
    pub(super) metrics: Metrics,
    /// Updates of pretraining so far.
    pub(super) pretrained: u64,
    step: u64,
    next_group: u8,
    statistics: EpisodeStatistics,
    losses: Values,
    pub(super) inbox: Inbox,
    /// Whether an evaluation is to be made at this step.
    evaluation_due: bool,
    evaluation: Option<EpisodeStatistics>,
}

impl Going {
    /// A new run.
    fn start(tasks: &[Task], metrics: Metrics) -> Self {
        Self {
            metrics,
            pretrained: 0,
            step: 0,
            next_group: 0,
            statistics: EpisodeStatistics::new(tasks),
            losses: Values::default(),
            evaluation_due: false,
            inbox: Inbox::default(),
            evaluation: None,
        }
    }

    /// A saved run.
    fn resume(saved: RunParts, metrics: Metrics) -> Self {
        Self {
            metrics,
            pretrained: saved.pretrained,
            step: saved.step,
            next_group: saved.next_group,
            statistics: saved.statistics,
            losses: saved.losses.into_iter().map(|(tag, value)| (tag.into(), value)).collect(),
            inbox: Inbox::new(saved.early),
            evaluation_due: saved.evaluation_due,
            evaluation: saved.evaluation,
        }
    }
}

impl Going {
    /// Takes over the losses that the learner reported since the last time; `false` if there were none.
    fn take_losses(&mut self) -> bool {
        let losses = self.inbox.take_losses();
        let any = !losses.is_empty();
        if any {
            self.losses = Values::default();
            self.losses.extend(losses.into_iter().map(|(tag, value)| (tag.into(), value)));
        }
        any
    }
}

/// What stays while a run goes on.
pub(super) struct Sitting<'a> {
    pub(super) run: &'a Run,
    groups: Vec<Vec<usize>>,
    instances: Vec<u16>,
    checkpoints: Checkpoints,
    pub(super) learner: &'a LearnerHandle,
}

impl Sitting<'_> {
    /// `true` when all steps are done, `false` after an interrupt.
    fn train(
        &self,
        simulation: &mut Simulation,
        going: &mut Going,
        progress: &mut Progress,
        interrupt: &AtomicBool,
    ) -> Result<bool, TrainError> {
        let config = &self.run.config;
        if !self.pretrain(simulation, going, progress, interrupt)? {
            return Ok(false);
        }
        let before_the_first_step = going.step == 0;
        going.evaluation_due |= before_the_first_step;
        if going.evaluation_due {
            if !self.evaluate(going, progress, interrupt)? {
                self.interrupted(simulation, going, progress)?;
                return Ok(false);
            }
            if !before_the_first_step {
                // The checkpoint from which the run was resumed lacks it.
                self.save(simulation, going, Moment::Step(going.step))?;
            }
        }
        if before_the_first_step {
            for (group, slots) in self.groups.iter().enumerate() {
                self.send(simulation, Group(group as u8), slots, going.step, false);
            }
        }
        while going.step < config.steps {
            let group = Group(going.next_group);
            let slots = &self.groups[usize::from(group.0)];
            let actions = going.inbox.actions(self.learner, group)?;
            gather::act(simulation, slots, &actions);
            simulation.step(group);
            let before = going.step;
            going.step += slots.len() as u64;
            going.next_group = (going.next_group + 1) % self.groups.len() as u8;
            self.send(simulation, group, slots, going.step, true);
            self.count(simulation, slots, going, progress)?;

            let step = going.step;
            let passed = |every: u64| before / every.max(1) < step / every.max(1);
            let done = step >= config.steps;
            if passed(config.log_freq) {
                self.log(going)?;
            }
            going.evaluation_due = passed(config.eval_freq) || done;
            if going.evaluation_due {
                self.evaluate(going, progress, interrupt)?;
            }
            if interrupt.load(Ordering::Relaxed) && (going.evaluation_due || !done) {
                self.interrupted(simulation, going, progress)?;
                return Ok(false);
            }
            if config.save_agent && (passed(config.save_freq) || done) {
                self.save(simulation, going, Moment::Step(going.step))?;
            }
        }
        Ok(true)
    }

    /// Saves what an interrupted run has learned.
    fn interrupted(&self, simulation: &Simulation, going: &mut Going, progress: &Progress) -> Result<(), TrainError> {
        if going.step == 0 && going.pretrained == 0 {
            progress.say("interrupted before the first step: there is nothing to save; the same command starts afresh");
            return Ok(());
        }
        self.save(simulation, going, Moment::Step(going.step))?;
        progress.say(&format!("interrupted: saved at step {}; the same command carries on", going.step));
        Ok(())
    }

    /// Hands a group's rows to the learner, with the tokens they bring.
    fn send(&self, simulation: &Simulation, group: Group, slots: &[usize], step: u64, stepped: bool) {
        let config = &self.run.config;
        let seeding = self.seeding_steps();
        let acting = match step < seeding {
            false => Acting::Plan,
            // An agent that has learned something already shows it.
            true if config.use_demos || config.checkpoint.is_some() => Acting::Prior,
            true => Acting::Random,
        };
        let tokens = if stepped && step >= seeding { slots.len() as f64 * config.utd } else { 0.0 };
        self.learner.tell(ToLearner::Rows {
            group,
            rows: gather::rows(simulation, slots, stepped),
            acting,
            tokens,
            step,
        });
    }

    /// Environment steps before the first update: so many episodes of every instance.
    fn seeding_steps(&self) -> u64 {
        let episodes = self.run.config.seeding_coef;
        let length = |&task: &u16| u64::from(self.run.tasks[usize::from(task)].episode_length);
        episodes * self.instances.iter().map(length).sum::<u64>()
    }

    fn count(
        &self,
        simulation: &Simulation,
        slots: &[usize],
        going: &mut Going,
        progress: &mut Progress,
    ) -> Result<(), TrainError> {
        for (task, episode) in gather::finished(simulation, slots) {
            going.statistics.push(EpisodeResult {
                task,
                episode_return: episode.episode_return,
                score: episode.score,
                success: episode.success,
                length: episode.length,
                terminated: episode.ending == Some(Ending::Terminated),
            });
            progress.score(going.statistics.avg_score());
        }
        if going.take_losses() {
            progress.losses(&going.losses);
        }
        progress.set(going.step);
        Ok(())
    }

    /// One line of training metrics: episodes since the last one, latest losses, what went wrong.
    fn log(&self, going: &mut Going) -> Result<(), TrainError> {
        let mut values = going.statistics.values();
        values.extend(going.losses.iter().map(|(tag, value)| (tag.to_owned().into(), value)).collect::<Vec<_>>());
        going.metrics.log(Phase::Train, going.step, &values)?;
        going.statistics.clear();
        Ok(())
    }

    /// Makes the evaluation that is due, before the first step of the prior alone; `false` after an interrupt, and it stays
    /// due.
    fn evaluate(&self, going: &mut Going, progress: &mut Progress, interrupt: &AtomicBool) -> Result<bool, TrainError> {
        let config = &self.run.config;
        let acting = if going.step == 0 { Acting::Prior } else { Acting::Plan };
        let evaluation = Evaluation { number: going.step, episodes: config.eval_episodes, acting };
        let (tasks, inbox) = (&self.run.tasks, &mut going.inbox);
        let Some(statistics) = evaluate(evaluation, config, tasks, &self.instances, self.learner, inbox, interrupt)?
        else {
            return Ok(false);
        };
        going.evaluation_due = false;
        going.metrics.log(Phase::Eval, going.step, &statistics.values())?;
        going.metrics.result(going.step, &statistics)?;
        progress.say(&format!("step {}: evaluation score {:.3}", going.step, statistics.avg_score()));
        progress.skip_time(going.step);
        going.evaluation = Some(statistics);
        Ok(true)
    }

    pub(super) fn save(&self, simulation: &Simulation, going: &mut Going, moment: Moment) -> Result<(), TrainError> {
        if self.checkpoints.is_last(moment) {
            // The learner stands where it was saved: all that can have come since is an evaluation.
            return self.checkpoints.amend(moment, &self.parts(simulation, going)?);
        }
        let folder = self.checkpoints.begin(moment)?;
        let saved = self.save_into(&folder, simulation, going, moment);
        if saved.is_err() {
            self.checkpoints.abandon(&folder);
        }
        saved
    }

    fn save_into(
        &self,
        folder: &Path,
        simulation: &Simulation,
        going: &mut Going,
        moment: Moment,
    ) -> Result<(), TrainError> {
        self.learner.tell(ToLearner::Save(folder.to_owned()));
        going.inbox.wait(self.learner, |answer| match answer {
            FromLearner::Saved => Ok(()),
            other => Err(other),
        })?;
        self.checkpoints.commit(folder, moment, &self.parts(simulation, going)?)
    }

    /// The simulation's side of a checkpoint.
    fn parts(&self, simulation: &Simulation, going: &mut Going) -> Result<RunParts, TrainError> {
        let world = simulation.world();
        let instances =
            simulation.instances().iter().map(|&entity| save_instance(world, entity)).collect::<Result<_, _>>()?;
        Ok(RunParts {
            pretrained: going.pretrained,
            step: going.step,
            next_group: going.next_group,
            early: going.inbox.early().clone(),
            instances,
            statistics: going.statistics.clone(),
            losses: going.losses.iter().map(|(tag, value)| (tag.to_owned(), value)).collect(),
            evaluation_due: going.evaluation_due,
            evaluation: going.evaluation.clone(),
            metrics: going.metrics.state()?,
        })
    }
}

impl Learner {
    /// A learner from its parts.
    pub(super) fn assemble(
        newt: Newt,
        replay: Replay,
        demos: Option<Replay>,
        state: LearnerState,
        config: &TrainConfig,
        tasks: &Arc<[Task]>,
        slots: usize,
    ) -> Self {
        let seed = Seed::new(config.seed);
        let plans = || CarriedPlans::new(&newt, slots);
        Self {
            plans: plans(),
            eval_plans: plans(),
            window_plans: plans(),
            eval_noise: SeededNoise::new(seed.derive(Purpose::Evaluate, 0)),
            window_noise: SeededNoise::new(seed.derive(Purpose::Draw, 0)),
            sampled: SampleBuffers::new(&replay, config.batch_size),
            config: LearnerConfig { report_every: REPORT_EVERY, seed },
            agent: Agent::new(newt, config.mpc),
            card: AgentCard {
                tasks: tasks.iter().map(|task| task.id.clone()).collect(),
                mpc: config.mpc,
                step: 0,
                torch_threads: config.torch_threads,
            },
            step: 0,
            replay,
            demos,
            state,
        }
    }
}
