//! The numbers of a run on disk: JSON lines, a table of results, TensorBoard event files.

mod append;
mod history;
mod statistics;
mod tensorboard;

pub use history::History;
pub use statistics::{EpisodeResult, EpisodeStatistics, TaskSummary};

use std::borrow::Cow;
use std::path::Path;
use std::time::Instant;

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};

use self::append::AppendFile;
use self::tensorboard::EventFile;
use super::RunDir;
use crate::files::FileError;
use crate::task::Task;

/// Tags that tell wall-clock time: all others are the same when a run is repeated or resumed with one seed.
pub const TIME_TAGS: [&str; 2] = ["elapsed_time", "steps_per_second"];

/// Which part of a run numbers come from; the first part of their tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Updates on demonstrations alone; its steps are updates.
    Pretrain,
    /// Updates and the agent's own experience.
    Train,
    /// Evaluations.
    Eval,
}

impl Phase {
    /// `pretrain`, `train` or `eval`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pretrain => "pretrain",
            Self::Train => "train",
            Self::Eval => "eval",
        }
    }
}

/// Named numbers in the order they were pushed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values(Vec<(Cow<'static, str>, f64)>);

impl Values {
    /// Adds a number under a name, without the phase.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: f64) {
        self.0.push((name.into(), value));
    }

    /// The number under a name.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), *value))
    }
}

impl FromIterator<(Cow<'static, str>, f64)> for Values {
    fn from_iter<T: IntoIterator<Item = (Cow<'static, str>, f64)>>(values: T) -> Self {
        Self(values.into_iter().collect())
    }
}

impl Extend<(Cow<'static, str>, f64)> for Values {
    fn extend<T: IntoIterator<Item = (Cow<'static, str>, f64)>>(&mut self, values: T) {
        self.0.extend(values);
    }
}

impl IntoIterator for Values {
    type Item = (Cow<'static, str>, f64);
    type IntoIter = std::vec::IntoIter<Self::Item>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// How far the files of metrics had come when a run was saved; part of its checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricsState {
    /// Bytes of `metrics.jsonl`.
    pub jsonl_bytes: u64,
    /// Bytes of `results.csv`.
    pub csv_bytes: u64,
    /// Name and bytes of the TensorBoard event file.
    pub events: Option<(String, u64)>,
    /// Time that the run had taken, s.
    pub elapsed_secs: f64,
}

/// Writes the numbers of a run. Each call reaches the files before it returns, or fails.
#[derive(Debug)]
pub struct Metrics {
    jsonl: AppendFile,
    csv: AppendFile,
    events: Option<EventFile>,
    seed: u64,
    started: Instant,
    elapsed_before: f64,
    /// Step and time of the latest line of each phase, for rates.
    marks: [(u64, f64); 3],
}

impl Metrics {
    /// Starts the files of a new run; what an earlier attempt left of them is replaced.
    ///
    /// # Errors
    ///
    /// [`FileError`] when they cannot be written.
    pub fn create(run: &RunDir, seed: u64, tasks: &[Task], tensorboard: bool) -> Result<Self, FileError> {
        run.create()?;
        EventFile::remove_others(run.path(), None)?;
        Ok(Self {
            jsonl: AppendFile::create(&run.metrics())?,
            csv: create_csv(run, tasks)?,
            events: if tensorboard { Some(EventFile::create(run.path())?) } else { None },
            seed,
            started: Instant::now(),
            elapsed_before: 0.0,
            marks: [(0, 0.0); 3],
        })
    }

    /// Carries the files of a saved run on: what was written after the save is cut off. One that is gone starts anew, and
    /// `tell` is given a sentence about it.
    ///
    /// # Errors
    ///
    /// [`FileError`] when they are shorter than they were or cannot be written.
    pub fn resume(
        run: &RunDir,
        seed: u64,
        step: u64,
        tensorboard: bool,
        tasks: &[Task],
        state: &MetricsState,
        tell: impl Fn(&str),
    ) -> Result<Self, FileError> {
        let is_there = |path: &Path| {
            let there = path.exists();
            if !there {
                tell(&format!("{} is gone; a new one starts at step {step}", path.display()));
            }
            there
        };
        let carry_on = |path: &Path, bytes| is_there(path).then(|| AppendFile::resume(path, bytes)).transpose();
        let saved = state.events.as_ref().map(|(name, bytes)| (name.as_str(), *bytes));
        EventFile::remove_others(run.path(), saved.map(|(name, _)| name))?;
        let events = match (tensorboard, saved) {
            (false, _) => None,
            (true, Some((name, bytes))) if is_there(&run.path().join(name)) => {
                Some(EventFile::resume(run.path(), name, bytes)?)
            }
            (true, _) => Some(EventFile::create(run.path())?),
        };
        Ok(Self {
            jsonl: match carry_on(&run.metrics(), state.jsonl_bytes)? {
                Some(file) => file,
                None => AppendFile::create(&run.metrics())?,
            },
            csv: match carry_on(&run.results(), state.csv_bytes)? {
                Some(file) => file,
                None => create_csv(run, tasks)?,
            },
            events,
            seed,
            started: Instant::now(),
            elapsed_before: state.elapsed_secs,
            marks: [(step, state.elapsed_secs); 3],
        })
    }

    /// Time that the run has taken, all its sittings together, s.
    pub fn elapsed_secs(&self) -> f64 {
        self.elapsed_before + self.started.elapsed().as_secs_f64()
    }

    /// Writes one line: `values` at an environment step, with `step`, `elapsed_time` and `steps_per_second` before them.
    ///
    /// The rate is that since the phase's line before. Numbers that are not finite are written as `null`.
    ///
    /// # Errors
    ///
    /// [`FileError`] when a file cannot be written; none of them holds half a line then.
    pub fn log(&mut self, phase: Phase, step: u64, values: &Values) -> Result<(), FileError> {
        let elapsed = self.elapsed_secs();
        let mark = &mut self.marks[phase as usize];
        let rate = step.saturating_sub(mark.0) as f64 / (elapsed - mark.1).max(1e-9);
        *mark = (step, elapsed);

        let mut line = Values::default();
        line.push("step", step as f64);
        line.push("elapsed_time", elapsed);
        line.push("steps_per_second", rate);
        let tags: Vec<(String, f64)> =
            line.iter().chain(values.iter()).map(|(name, value)| (format!("{}/{name}", phase.name()), value)).collect();
        self.jsonl.append(&json_line(step, &tags))?;
        if let Some(events) = &mut self.events {
            events.scalars(step, &tags)?;
        }
        Ok(())
    }

    /// Writes one row of `results.csv`: an evaluation's mean reward and scores.
    ///
    /// # Errors
    ///
    /// [`FileError`] when it cannot be written.
    pub fn result(&mut self, step: u64, evaluation: &EpisodeStatistics) -> Result<(), FileError> {
        self.csv.append(evaluation.csv_row(step, self.seed).as_bytes())
    }

    /// Makes everything written so far survive a power cut, and tells how far that is.
    ///
    /// # Errors
    ///
    /// [`FileError`] when a file cannot be synced.
    pub fn state(&mut self) -> Result<MetricsState, FileError> {
        Ok(MetricsState {
            jsonl_bytes: self.jsonl.sync()?,
            csv_bytes: self.csv.sync()?,
            events: self.events.as_mut().map(EventFile::sync).transpose()?,
            elapsed_secs: self.elapsed_secs(),
        })
    }
}

/// An empty table of results.
fn create_csv(run: &RunDir, tasks: &[Task]) -> Result<AppendFile, FileError> {
    let mut csv = AppendFile::create(&run.results())?;
    csv.append(EpisodeStatistics::new(tasks).csv_header().as_bytes())?;
    Ok(csv)
}

/// `{"step":N,"tag":value,…}` and a line feed.
fn json_line(step: u64, tags: &[(String, f64)]) -> Vec<u8> {
    let mut line = Vec::with_capacity(48 * tags.len());
    let mut serializer = serde_json::Serializer::new(&mut line);
    let written = (|| {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("step", &step)?;
        for (tag, value) in tags {
            let whole = value.fract() == 0.0 && value.abs() < 1e15;
            if whole { map.serialize_entry(tag, &(*value as i64))? } else { map.serialize_entry(tag, value)? }
        }
        map.end()
    })();
    written.expect("names and numbers are JSON");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::task::{Registry, TaskSet};

    fn tasks() -> Vec<Task> {
        let registry = Registry::builtin().expect("tables parse");
        TaskSet::parse("pygame-pong,pygame-cowboy", &registry).expect("known").tasks().to_vec()
    }

    fn run(folder: &tempfile::TempDir) -> RunDir {
        RunDir::at(folder.path().join("runs/pong/1/default"))
    }

    fn values(step: u64) -> Values {
        let mut values = Values::default();
        values.push("reward_loss", 1.0 / step as f64);
        values.push("episode", step as f64);
        values
    }

    /// Two lines and a row for each thousand steps.
    fn work(metrics: &mut Metrics, steps: std::ops::Range<u64>) {
        for step in steps.map(|thousand| 1000 * thousand) {
            metrics.log(Phase::Train, step, &values(step)).expect("logs");
            let mut statistics = EpisodeStatistics::new(&tasks());
            let (episode_return, score) = (step as f64, 0.5);
            let episode =
                EpisodeResult { task: 0, episode_return, score, success: false, length: 500, terminated: false };
            statistics.push(episode);
            metrics.log(Phase::Eval, step, &statistics.values()).expect("logs");
            metrics.result(step, &statistics).expect("writes");
        }
    }

    /// The lines of metrics without the wall clock.
    fn timeless(run: &RunDir) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(run.metrics()).expect("reads");
        let line = |line: &str| {
            let mut line: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
            line.as_object_mut().expect("an object").retain(|tag, _| !TIME_TAGS.iter().any(|time| tag.ends_with(time)));
            line
        };
        text.lines().map(line).collect()
    }

    #[test]
    fn each_line_is_an_object_with_step_and_tags() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut metrics = Metrics::create(&run(&folder), 3, &tasks(), false).expect("creates");
        let mut odd = values(4000);
        odd.push("grad_norm", f64::NAN);
        metrics.log(Phase::Train, 4000, &odd).expect("logs");
        let text = fs::read_to_string(run(&folder).metrics()).expect("reads");
        assert!(text.starts_with(r#"{"step":4000,"train/step":4000,"train/elapsed_time":"#), "{text}");
        assert!(
            text.ends_with("\"train/reward_loss\":0.00025,\"train/episode\":4000,\"train/grad_norm\":null}\n"),
            "{text}"
        );
    }

    #[test]
    fn results_have_the_scores_of_every_task() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut metrics = Metrics::create(&run(&folder), 3, &tasks(), false).expect("creates");
        work(&mut metrics, 1..2);
        let text = fs::read_to_string(run(&folder).results()).expect("reads");
        let header = "step,reward,seed,avg_score,avg_score_weighted,avg_score_miniarcade,\
            episode_score+pygame-pong,episode_score+pygame-cowboy";
        assert_eq!(text, format!("{header}\n1000,1000,3,0.5,0.5,0.5,0.5,\n"));
    }

    #[test]
    fn a_resumed_run_ends_with_the_same_lines() {
        let (whole, cut) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let mut metrics = Metrics::create(&run(&whole), 1, &tasks(), true).expect("creates");
        work(&mut metrics, 1..9);

        let mut metrics = Metrics::create(&run(&cut), 1, &tasks(), true).expect("creates");
        work(&mut metrics, 1..4);
        let state = metrics.state().expect("syncs");
        work(&mut metrics, 4..6);
        drop(metrics);
        let text = ron::to_string(&state).expect("serializes");
        let state = ron::from_str(&text).expect("reads back");
        let mut metrics = Metrics::resume(&run(&cut), 1, 3000, true, &tasks(), &state, |_| {}).expect("resumes");
        assert!(metrics.elapsed_secs() >= state.elapsed_secs);
        work(&mut metrics, 4..9);

        assert_eq!(timeless(&run(&cut)), timeless(&run(&whole)));
        let results = |folder| fs::read_to_string(run(folder).results()).expect("reads");
        assert_eq!(results(&cut), results(&whole));
        let events = |folder| tensorboard::tests::read_folder(run(folder).path());
        let (cut, whole) = (events(&cut), events(&whole));
        assert_eq!(cut.len(), whole.len());
        for (cut, whole) in
            cut.iter().zip(&whole).filter(|(cut, _)| !TIME_TAGS.iter().any(|time| cut.1.ends_with(time)))
        {
            assert_eq!(cut, whole);
        }
    }

    #[test]
    fn files_that_shrank_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut metrics = Metrics::create(&run(&folder), 1, &tasks(), true).expect("creates");
        work(&mut metrics, 1..3);
        let state = metrics.state().expect("syncs");
        fs::write(run(&folder).metrics(), "{}\n").expect("writes");
        let resumed = Metrics::resume(&run(&folder), 1, 2000, true, &tasks(), &state, |_| {});
        let message = resumed.expect_err("shrank").to_string();
        assert!(message.contains("shorter") && message.ends_with("metrics.jsonl"), "{message}");
    }

    #[test]
    fn files_that_are_gone_start_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut metrics = Metrics::create(&run(&folder), 1, &tasks(), true).expect("creates");
        work(&mut metrics, 1..3);
        let state = metrics.state().expect("syncs");
        drop(metrics);
        let header = fs::read_to_string(run(&folder).results()).expect("reads").lines().next().map(str::to_owned);
        fs::remove_dir_all(run(&folder).path()).expect("removes");
        run(&folder).create().expect("creates");
        let told = std::cell::RefCell::new(Vec::new());
        let tell = |sentence: &str| told.borrow_mut().push(sentence.to_owned());
        let resumed = Metrics::resume(&run(&folder), 1, 2000, true, &tasks(), &state, tell);
        work(&mut resumed.expect("resumes"), 3..4);
        let told = told.into_inner();
        assert!(told.len() == 3 && told.iter().all(|sentence| sentence.ends_with("starts at step 2000")), "{told:?}");
        assert_eq!(timeless(&run(&folder)).len(), 2);
        assert_eq!(tensorboard::tests::read_folder(run(&folder).path())[0].0, 3000);
        let results = fs::read_to_string(run(&folder).results()).expect("reads");
        assert_eq!((results.lines().next(), results.lines().count()), (header.as_deref(), 2));
    }

    #[test]
    fn a_new_run_replaces_what_an_attempt_left() {
        let folder = tempfile::tempdir().expect("a folder");
        work(&mut Metrics::create(&run(&folder), 1, &tasks(), true).expect("creates"), 1..3);
        work(&mut Metrics::create(&run(&folder), 1, &tasks(), true).expect("creates"), 1..2);
        assert_eq!(timeless(&run(&folder)).len(), 2);
        let event_files = fs::read_dir(run(&folder).path()).expect("lists").flatten();
        assert_eq!(event_files.filter(|entry| entry.file_name().to_string_lossy().contains("tfevents")).count(), 1);
    }
}
