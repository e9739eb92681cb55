//! Checkpoints of a run: `checkpoints/<step>/` with the model, and beside it all that exact resume needs.
//!
//! While a run pretrains its checkpoints are called `pretrain-<updates>`, and only the newest is kept.
//! A checkpoint is written into a folder of another name and renamed when everything in it is on disk, so a folder
//! named after a step is always whole. The link `last` then moves to it.

use std::collections::VecDeque;
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::TrainError;
use super::inbox::Early;
use super::metrics::{EpisodeStatistics, MetricsState};
use super::sealed::{read_sealed, write_sealed};
use crate::env::InstanceState;
use crate::files::{FileError, create_dir_all, rename_synced, sync_dir};
use crate::task::Task;

/// The first part of the name of a checkpoint made while pretraining.
const PRETRAIN: &str = "pretrain-";
/// The first part of the name of a folder that is still being written.
const UNFINISHED: &str = ".unfinished-";
/// The folder inside a checkpoint that only resuming needs.
pub(super) const TRAINING_STATE: &str = "training_state";
const RUN_FILE: &str = "run.json";

/// What the simulation's side of a run continues from.
#[derive(Serialize, Deserialize)]
pub(super) struct RunParts {
    /// Updates of pretraining so far.
    pub(super) pretrained: u64,
    /// Environment steps so far.
    pub(super) step: u64,
    /// The group that steps next.
    pub(super) next_group: u8,
    /// The learner's answers that came before they were needed.
    pub(super) early: VecDeque<Early>,
    /// Every instance.
    pub(super) instances: Vec<InstanceState>,
    /// Episodes that no line of metrics told yet.
    pub(super) statistics: EpisodeStatistics,
    /// The last evaluation.
    pub(super) evaluation: Option<EpisodeStatistics>,
    /// The latest losses.
    pub(super) losses: Vec<(String, f64)>,
    /// Whether an evaluation at this step was interrupted and is still to be made.
    pub(super) evaluation_due: bool,
    /// Where the metrics stood.
    pub(super) metrics: MetricsState,
}

impl RunParts {
    /// Why they are not of a run over `tasks` whose instances step in `groups`, if they are not.
    fn misfit(&self, tasks: &[Task], groups: &[Vec<usize>]) -> Option<String> {
        let instances: usize = groups.iter().map(Vec::len).sum();
        if self.instances.len() != instances {
            return Some(format!("it holds {} instances, and the run has {instances}", self.instances.len()));
        }
        if !self.statistics.are_of(tasks) || self.evaluation.as_ref().is_some_and(|last| !last.are_of(tasks)) {
            return Some("its statistics are of other tasks".to_owned());
        }
        let count = groups.len();
        if usize::from(self.next_group) >= count {
            return Some(format!("group {} steps next, and the run has {count}", self.next_group));
        }
        // Every group has its next actions, in the order in which the groups step; before the first step none has.
        let waiting = if self.step == 0 { 0 } else { count };
        let expected = (0..waiting).map(|turn| (usize::from(self.next_group) + turn) % count);
        let found = self.early.iter().filter_map(|answer| match answer {
            Early::Actions(group, actions) => Some((usize::from(*group), actions.len())),
            Early::Losses(_) => None,
        });
        let whole = found.eq(expected.map(|group| (group, groups[group].len())));
        (!whole).then(|| "it does not hold the next actions of every group".to_owned())
    }
}

/// Where in a run a checkpoint is made; its folder is named after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// After so many updates of pretraining, with more to come.
    Pretraining(u64),
    /// After so many environment steps.
    Step(u64),
}

impl Display for Moment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Pretraining(updates) => write!(formatter, "{PRETRAIN}{updates}"),
            Self::Step(step) => write!(formatter, "{step}"),
        }
    }
}

/// The checkpoints of one run.
pub(super) struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    pub(super) fn new(run: &Path) -> Self {
        Self { folder: run.join("checkpoints") }
    }

    /// An empty folder to write the checkpoint of `moment` into; what killed saves left is removed.
    pub(super) fn begin(&self, moment: Moment) -> Result<PathBuf, TrainError> {
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                remove_folder(&entry.path())?;
            }
        }
        let unfinished = self.folder.join(format!("{UNFINISHED}{moment}"));
        let state = unfinished.join(TRAINING_STATE);
        create_dir_all(&state)?;
        Ok(unfinished)
    }

    /// Makes the folder from [`Checkpoints::begin`] the checkpoint of `moment` and the last one.
    pub(super) fn commit(&self, unfinished: &Path, moment: Moment, parts: &RunParts) -> Result<(), TrainError> {
        write_sealed(&unfinished.join(TRAINING_STATE).join(RUN_FILE), parts)?;
        let whole = self.folder.join(moment.to_string());
        sync_dir(&unfinished.join(TRAINING_STATE))?;
        sync_dir(unfinished)?;
        // What an earlier course of the run left under this name; the last checkpoint is another.
        remove_folder(&whole)?;
        rename_synced(unfinished, &whole)?;
        self.point_last_to(moment)?;
        self.drop_older(moment)
    }

    /// Removes the folder from [`Checkpoints::begin`] after a failure.
    pub(super) fn abandon(&self, unfinished: &Path) {
        // What failed before is what has to be told; the next save tries again.
        drop(remove_folder(unfinished));
    }

    /// Whether the last checkpoint is that of `moment`.
    pub(super) fn is_last(&self, moment: Moment) -> bool {
        self.last().is_some_and(|last| last.ends_with(moment.to_string()))
    }

    /// Saves the simulation's side of the last checkpoint, which is that of `moment`, anew.
    pub(super) fn amend(&self, moment: Moment, parts: &RunParts) -> Result<(), TrainError> {
        write_sealed(&self.folder.join(moment.to_string()).join(TRAINING_STATE).join(RUN_FILE), parts)
    }

    /// The newest checkpoint that the run can be carried on from.
    pub(super) fn last(&self) -> Option<PathBuf> {
        self.newest_with(&Path::new(TRAINING_STATE).join(RUN_FILE))
    }

    /// The newest checkpoint with a `file`: what `last` names, else the highest step, else the most pretrained.
    pub(super) fn newest_with(&self, file: &Path) -> Option<PathBuf> {
        let linked = fs::canonicalize(self.folder.join("last")).ok();
        linked.into_iter().chain(self.all().into_iter().rev()).find(|checkpoint| checkpoint.join(file).is_file())
    }

    /// Every checkpoint, oldest first; of some only the model may be left.
    pub(super) fn all(&self) -> Vec<PathBuf> {
        let steps = self.numbered("").into_iter().map(Moment::Step);
        let moments = self.numbered(PRETRAIN).into_iter().map(Moment::Pretraining).chain(steps);
        moments.map(|moment| self.folder.join(moment.to_string())).collect()
    }

    /// Reads the simulation's side of a checkpoint of a run over `tasks`, whose instances step in `groups`.
    pub(super) fn read(checkpoint: &Path, tasks: &[Task], groups: &[Vec<usize>]) -> Result<RunParts, TrainError> {
        let path = checkpoint.join(TRAINING_STATE).join(RUN_FILE);
        let parts: RunParts = read_sealed(&path)?;
        match parts.misfit(tasks, groups) {
            None => Ok(parts),
            Some(problem) => Err(TrainError::Checkpoint { problem, path }),
        }
    }

    /// `problem`, for which the run cannot be carried on from `checkpoint`, with what to do about it.
    pub(super) fn explain(&self, checkpoint: &Path, problem: TrainError) -> TrainError {
        if matches!(problem, TrainError::CannotGoOn(_)) {
            return problem;
        }
        let run_file = Path::new(TRAINING_STATE).join(RUN_FILE);
        let name = checkpoint.file_name().unwrap_or_default();
        let mut others = self.all().into_iter().filter(|other| other.file_name() != Some(name));
        let advice = match others.rfind(|other| other.join(&run_file).is_file()) {
            Some(other) => format!("remove {} and {} is taken", self.folder.join(name).display(), other.display()),
            None => "there is no other to carry on from; start another run with exp_name=NAME".to_owned(),
        };
        TrainError::Restore { problem: problem.to_string(), advice }
    }

    /// The numbers of the checkpoints whose names are `prefix` and a number, in order.
    fn numbered(&self, prefix: &str) -> Vec<u64> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let number = |entry: fs::DirEntry| entry.file_name().to_str()?.strip_prefix(prefix)?.parse().ok();
        let mut numbers: Vec<u64> = entries.flatten().filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    fn point_last_to(&self, moment: Moment) -> Result<(), TrainError> {
        let (link, next) = (self.folder.join("last"), self.folder.join(".last"));
        let file_error = |problem| FileError::new("link the last checkpoint", &link, problem);
        if next.symlink_metadata().is_ok() {
            fs::remove_file(&next).map_err(file_error)?;
        }
        std::os::unix::fs::symlink(moment.to_string(), &next).map_err(file_error)?;
        Ok(rename_synced(&next, &link)?)
    }

    /// Only the newest two checkpoints can be resumed from; of older ones the model stays. Of those made while
    /// pretraining only the newest stays, and none when pretraining is done.
    fn drop_older(&self, moment: Moment) -> Result<(), TrainError> {
        for updates in self.numbered(PRETRAIN) {
            if Moment::Pretraining(updates) != moment {
                remove_folder(&self.folder.join(Moment::Pretraining(updates).to_string()))?;
            }
        }
        let Moment::Step(step) = moment else { return Ok(()) };
        let older: Vec<u64> = self.numbered("").into_iter().filter(|&other| other < step).collect();
        for other in older.iter().rev().skip(1) {
            remove_folder(&self.folder.join(other.to_string()).join(TRAINING_STATE))?;
        }
        Ok(())
    }
}

fn remove_folder(path: &Path) -> Result<(), TrainError> {
    match fs::remove_dir_all(path) {
        Err(problem) if problem.kind() != std::io::ErrorKind::NotFound => {
            Err(FileError::new("remove the directory", path, problem).into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A run of two groups without instances, after a step.
    fn parts() -> RunParts {
        RunParts {
            pretrained: 0,
            step: 4,
            next_group: 1,
            early: [Early::Actions(1, Vec::new()), Early::Losses(Vec::new()), Early::Actions(0, Vec::new())].into(),
            instances: Vec::new(),
            statistics: EpisodeStatistics::new(&[]),
            evaluation: None,
            losses: Vec::new(),
            evaluation_due: false,
            metrics: MetricsState::default(),
        }
    }

    #[test]
    fn a_state_that_would_stop_its_run_is_told() {
        let check = |parts: RunParts, problem: Option<&str>| {
            let found = parts.misfit(&[], &[Vec::new(), Vec::new()]);
            assert_eq!(found.is_some(), problem.is_some(), "{found:?}");
            assert!(found.unwrap_or_default().contains(problem.unwrap_or_default()));
        };
        check(parts(), None);
        check(RunParts { step: 0, early: VecDeque::new(), ..parts() }, None);
        check(RunParts { next_group: 2, ..parts() }, Some("group 2"));
        check(RunParts { next_group: 0, ..parts() }, Some("next actions"));
        check(RunParts { early: VecDeque::new(), ..parts() }, Some("next actions"));
        check(
            RunParts { early: [Early::Actions(1, vec![[0.0; crate::sim::ACTION_DIM]])].into(), ..parts() },
            Some("next actions"),
        );
    }

    #[test]
    fn what_killed_saves_left_is_removed() {
        let folder = tempfile::tempdir().expect("a folder");
        let checkpoints = Checkpoints::new(folder.path());
        let killed = checkpoints.begin(Moment::Step(4)).expect("begins");
        let failed = checkpoints.begin(Moment::Step(8)).expect("begins");
        assert!(!killed.exists() && failed.join(TRAINING_STATE).is_dir());
        checkpoints.abandon(&failed);
        assert!(!failed.exists() && checkpoints.all().is_empty());
    }

    #[test]
    fn a_checkpoint_is_saved_read_and_replaced_by_an_earlier_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let checkpoints = Checkpoints::new(folder.path());
        for step in [4, 8] {
            let unfinished = checkpoints.begin(Moment::Step(step)).expect("begins");
            checkpoints.commit(&unfinished, Moment::Step(step), &RunParts { step, ..parts() }).expect("commits");
        }
        let last = checkpoints.last().expect("two were saved");
        assert!(checkpoints.is_last(Moment::Step(8)) && !checkpoints.is_last(Moment::Step(4)));
        checkpoints.amend(Moment::Step(8), &RunParts { step: 8, pretrained: 5, ..parts() }).expect("amends");
        let groups = [Vec::new(), Vec::new()];
        assert_eq!(Checkpoints::read(&last, &[], &groups).expect("reads").pretrained, 5);

        fs::write(last.join(TRAINING_STATE).join(RUN_FILE), "{}").expect("is damaged");
        let advice = |checkpoint: &Path| {
            let problem = Checkpoints::read(checkpoint, &[], &[]).err().expect("does not fit");
            checkpoints.explain(checkpoint, problem).to_string()
        };
        assert!(advice(&last).contains("checkpoints/4 is taken"), "{}", advice(&last));
        fs::remove_dir_all(&last).expect("is there");
        let last = checkpoints.last().expect("one is left");
        assert!(last.ends_with("4") && advice(&last).contains("exp_name=NAME"), "{}", advice(&last));
    }
}
