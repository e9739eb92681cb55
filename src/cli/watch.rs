//! `terrarium watch`: the window, or a picture of it.

use std::path::PathBuf;

use clap::Args;

use crate::env::{EnvError, host, is_left_out};
use crate::task::{Registry, Task, TaskSet};
use crate::view::{After, Screenshot, ViewOptions};

/// Open the window.
#[derive(Args)]
pub(super) struct WatchCommand {
    /// A run or a checkpoint; without one, random actions on all native tasks.
    agent: Option<PathBuf>,
    /// What to show: a task, a domain, or a comma-separated list; by default the agent's tasks.
    #[arg(long)]
    task: Option<String>,
    /// Instances to show, dealt to the tasks in turn; by default one a task.
    #[arg(long)]
    instances: Option<usize>,
    /// Seed of the episodes and of the planner.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Simulated over real time at the start.
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// Start paused.
    #[arg(long)]
    paused: bool,
    /// Start with this instance (counted from 0) enlarged.
    #[arg(long)]
    open: Option<usize>,
    /// Where tensors live: auto, cpu, cuda, cuda:N.
    #[arg(long, default_value = "auto")]
    device: String,
    /// Draw without a display and write a PNG file instead of opening a window.
    #[arg(long, value_name = "FILE")]
    screenshot: Option<PathBuf>,
    /// When to take it: seconds (`3`), frames of 1/60 s (`90frames`) or control steps (`200steps`).
    #[arg(long, value_name = "N", default_value = "3", requires = "screenshot", value_parser = moment)]
    after: After,
    /// Size of the window or picture, px.
    #[arg(long, default_value = "1440x900", value_parser = size)]
    size: (u32, u32),
}

fn moment(text: &str) -> Result<After, String> {
    let sentence =
        || format!("{text:?} is no moment; write seconds (3), frames (90frames) or control steps (200steps)");
    if let Some(frames) = text.strip_suffix("frames") {
        frames.parse().map(After::Frames).map_err(|_| sentence())
    } else if let Some(steps) = text.strip_suffix("steps") {
        steps.parse().map(After::Steps).map_err(|_| sentence())
    } else {
        text.strip_suffix('s')
            .unwrap_or(text)
            .parse()
            .ok()
            .filter(|s: &f64| s.is_finite() && *s >= 0.0)
            .map(After::Seconds)
            .ok_or_else(sentence)
    }
}

fn size(text: &str) -> Result<(u32, u32), String> {
    let side = |side: &str| side.parse().ok().filter(|side| (64..=8192).contains(side));
    let sides = text.split_once('x').and_then(|(width, height)| Some((side(width)?, side(height)?)));
    sides.ok_or_else(|| format!("{text:?} is no size; write WIDTHxHEIGHT, each from 64 to 8192, such as 1440x900"))
}

/// Mesa's choice among GPUs asks a Wayland display and complains where there is none; a picture needs neither.
#[expect(unsafe_code, reason = "the environment of the process may only be changed while no other thread reads it")]
fn ask_no_display() {
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        // SAFETY: the command has just begun; no thread has been started.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}

/// Every task that this build hosts.
fn hosted(registry: &Registry) -> Vec<Task> {
    registry.tasks().iter().filter(|task| !is_left_out(task)).cloned().collect()
}

/// Those of the tasks that can be played on this machine; the others are named and left out, unless that is all of them.
fn playable(tasks: Vec<Task>) -> Result<Vec<Task>, EnvError> {
    let (mut playable, mut problems) = (Vec::new(), Vec::new());
    for task in tasks {
        match host(&task) {
            Ok(_) => playable.push(task),
            Err(problem) => problems.push(problem),
        }
    }
    match problems.pop() {
        Some(problem) if playable.is_empty() => return Err(problem),
        last => problems.into_iter().chain(last).for_each(|problem| eprintln!("warning: {problem}")),
    }
    Ok(playable)
}

impl WatchCommand {
    pub(super) fn run(self) -> anyhow::Result<()> {
        if self.screenshot.is_some() {
            ask_no_display();
        }
        let registry = Registry::builtin()?;
        if !(self.speed.is_finite() && self.speed > 0.0) {
            return Err(super::Misuse(format!("--speed {} is out of range; it must be above 0", self.speed)).into());
        }
        if self.paused && self.screenshot.is_some() && matches!(self.after, After::Steps(1..)) {
            let sentence =
                "--paused takes no control step to wait for; leave it away, or write --after in seconds or frames";
            return Err(super::Misuse(sentence.to_owned()).into());
        }
        let wanted = match &self.task {
            Some(text) => Some(TaskSet::parse(text, &registry)?.tasks().to_vec()),
            None => None,
        };
        let mut options = match &self.agent {
            None => ViewOptions::new(playable(wanted.unwrap_or_else(|| hosted(&registry)))?),
            Some(path) => agent_options(path.clone(), wanted, &self)?,
        };
        let tasks = options.tasks.len();
        if let Some(instances) = self.instances {
            options.instances = (0..instances).map(|index| (index % tasks) as u16).collect();
        }
        options.seed = crate::sim::Seed::new(self.seed);
        options.speed = self.speed;
        options.paused = self.paused;
        options.enlarged = self.open;
        options.size = self.size.into();
        options.screenshot = self.screenshot.map(|file| Screenshot { file, after: self.after });
        Ok(crate::view::run(options)?)
    }
}

#[cfg(not(feature = "learn"))]
fn agent_options(_: PathBuf, _: Option<Vec<Task>>, _: &WatchCommand) -> anyhow::Result<ViewOptions> {
    Err(super::absent("watch CHECKPOINT", "learn"))
}

/// The window on a trained agent and the curves of its run.
#[cfg(feature = "learn")]
fn agent_options(path: PathBuf, wanted: Option<Vec<Task>>, command: &WatchCommand) -> anyhow::Result<ViewOptions> {
    use crate::newt::DeviceChoice;
    use crate::train::{SavedAgent, spawn_planner};
    use crate::view::{Agent, MetricsSource};

    let path = super::existing(path)?;
    let (device, name) = command.device.parse::<DeviceChoice>().map_err(super::Misuse::from_error)?.open()?;
    let saved = SavedAgent::load(&path, device)?;
    eprintln!("{name}; checkpoint {} of step {}", saved.checkpoint.display(), saved.step);
    let tasks = wanted.unwrap_or_else(|| saved.tasks.clone());
    let numbers = tasks.iter().map(|task| Ok(usize::from(saved.number(&task.id)?))).collect::<anyhow::Result<_>>()?;
    let mut options = ViewOptions::new(tasks);
    // A run holds its metrics; a checkpoint lies two folders below them.
    let run = [Some(path.as_path()), saved.checkpoint.ancestors().nth(2)];
    let run = run.into_iter().flatten().find(|folder| folder.join("metrics.jsonl").is_file());
    options.metrics = run.map_or(MetricsSource::None, |folder| MetricsSource::Directory(folder.to_owned()));
    let (name, step) = (format!("{} at step {}", path.display(), saved.step), saved.step);
    let planner = spawn_planner(saved.agent, step, command.seed, saved.torch_threads);
    options.agent = Some(Agent { planner, name, task_numbers: numbers });
    Ok(options)
}

/// Trains in the background and shows it; closing the window interrupts the run, which saves.
#[cfg(feature = "learn")]
pub(super) fn train_and_watch(
    run: crate::train::Run,
    interrupt: &std::sync::Arc<std::sync::atomic::AtomicBool>,
) -> anyhow::Result<()> {
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    use crate::view::{Agent, MetricsSource, ViewError};

    let mut options = ViewOptions::new(run.tasks().to_vec());
    options.metrics = MetricsSource::Directory(run.dir().path().to_owned());
    let name = format!("training {}", run.dir().path().display());
    let task_numbers = (0..run.tasks().len()).collect();
    let (sender, receiver) = crossbeam_channel::bounded(1);
    let training = {
        let interrupt = Arc::clone(interrupt);
        std::thread::Builder::new().name("training".to_owned()).spawn(move || {
            run.train(&interrupt, |learner| {
                let _ = sender.send(learner.planner.clone());
            })
        })?
    };
    if let Ok(planner) = receiver.recv() {
        options.agent = Some(Agent { planner, name, task_numbers });
        match crate::view::run(options) {
            Ok(()) => interrupt.store(true, Ordering::Relaxed),
            // Without a window the training still goes on; that is what takes long.
            Err(error @ (ViewError::NoDisplay { .. } | ViewError::NoAdapter | ViewError::NotBuilt)) => {
                eprintln!("terrarium: {error}; training goes on without it");
            }
            Err(error) => {
                interrupt.store(true, Ordering::Relaxed);
                eprintln!("terrarium: {error}");
            }
        }
    }
    match training.join() {
        Ok(summary) => super::train::finish(&summary?),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_with_its_unit() {
        assert_eq!(moment("3"), Ok(After::Seconds(3.0)));
        assert_eq!(moment("2.5s"), Ok(After::Seconds(2.5)));
        assert_eq!(moment("90frames"), Ok(After::Frames(90)));
        assert_eq!(moment("200steps"), Ok(After::Steps(200)));
        for text in ["", "x", "-1", "nan", "3f", "1.5steps", "-2frames"] {
            assert!(moment(text).expect_err(text).contains("200steps"), "{text}");
        }
    }
}
