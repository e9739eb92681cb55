//! Demonstrations on disk: recorded episodes of one task in a safetensors file.
//!
//! An episode of `T` steps has `T + 1` rows; row `t` holds observation `t` and the action and reward that led to it, row
//! 0 the first observation with zeros beside it. The tensors `observation` `[R, obs_dim]`, `action` `[R, action_dim]` and
//! `reward` `[R]` (float32, the task's own widths, no padding) hold all rows, episode after episode; the header says how
//! many rows each episode has, how it went and where it came from.
//!
//! A dataset is a directory: `TASK.safetensors`, and beside it `TASK/NUMBER.safetensors` for episodes that were recorded
//! since it was put together ([`Recorder`](super::Recorder)).

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use super::{Replay, ReplayRow};
use crate::files::{FileError, read, write_atomic};

/// Version of the format; readers refuse others.
const FORMAT: &str = "terrarium-demonstrations-1";
/// The entry of the file's metadata that holds ours.
const HEADER: &str = "terrarium";
/// The ending of the files' names.
pub(super) const SUFFIX: &str = "safetensors";

/// Why demonstrations cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The file system refuses.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not what was written, or of another task or version.
    #[error("these demonstrations cannot be used ({problem}); remove or replace the file: {}", path.display())]
    Unusable {
        /// What is wrong.
        problem: String,
        /// The file.
        path: PathBuf,
    },
}

/// How an episode went and where it came from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpisodeCard {
    /// Rows, one more than steps.
    pub rows: usize,
    /// Undiscounted return.
    pub episode_return: f64,
    /// Normalized score in [0, 1].
    pub score: f64,
    /// Success flag of the last step.
    pub success: bool,
    /// Who acted, such as `checkpoint:runs/pygame-pong/1/default`.
    pub source: String,
    /// From which random numbers the episode started, where it can be started again.
    pub origin: Option<Origin>,
}

/// The random numbers of an episode: the simulation's seed, the instance, and the number of its episode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Seed of the simulation.
    pub seed: u64,
    /// Number of the instance.
    pub instance: u64,
    /// Number of the instance's episode.
    pub episode: u64,
}

/// The rows of one episode, flat.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DemoEpisode {
    /// `[T + 1, obs_dim]`.
    pub observations: Vec<f32>,
    /// `[T + 1, action_dim]`; zeros in row 0.
    pub actions: Vec<f32>,
    /// `[T + 1]`; zero in row 0.
    pub rewards: Vec<f32>,
    /// About it.
    pub card: EpisodeCard,
}

/// Recorded episodes of one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Demonstrations {
    header: Header,
    observations: Vec<f32>,
    actions: Vec<f32>,
    rewards: Vec<f32>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    task: String,
    obs_dim: usize,
    action_dim: usize,
    /// Single episodes with numbers below this are in here.
    parts: u64,
    episodes: Vec<EpisodeCard>,
}

impl Demonstrations {
    /// None yet, of a task with these widths.
    pub fn new(task: &str, obs_dim: usize, action_dim: usize) -> Self {
        let header = Header {
            format: FORMAT.to_owned(),
            task: task.to_owned(),
            obs_dim,
            action_dim,
            parts: 0,
            episodes: vec![],
        };
        Self { header, observations: Vec::new(), actions: Vec::new(), rewards: Vec::new() }
    }

    /// All demonstrations of a task in the dataset at `dir`; none if it has none of that task.
    ///
    /// # Errors
    ///
    /// [`DemoError`] when a file cannot be read, is damaged, or is of a task with other widths.
    pub fn load(dir: &Path, task: &str, obs_dim: usize, action_dim: usize) -> Result<Self, DemoError> {
        let mut all = Self::new(task, obs_dim, action_dim);
        let whole = dir.join(task).with_added_extension(SUFFIX);
        if whole.is_file() {
            all = Self::read(&whole)?;
            all.check(task, obs_dim, action_dim, &whole)?;
        }
        for (_, path) in parts(&dir.join(task), all.header.parts)? {
            let part = Self::read(&path)?;
            part.check(task, obs_dim, action_dim, &path)?;
            all.append(part);
        }
        Ok(all)
    }

    /// Adds an episode.
    ///
    /// # Panics
    ///
    /// When its rows are of other widths or of different numbers.
    pub fn push(&mut self, episode: DemoEpisode) {
        let rows = episode.rewards.len();
        assert_eq!(episode.observations.len(), rows * self.header.obs_dim, "observations of another width");
        assert_eq!(episode.actions.len(), rows * self.header.action_dim, "actions of another width");
        self.observations.extend(episode.observations);
        self.actions.extend(episode.actions);
        self.rewards.extend(episode.rewards);
        self.header.episodes.push(EpisodeCard { rows, ..episode.card });
    }

    /// About each episode, in order.
    pub fn episodes(&self) -> &[EpisodeCard] {
        &self.header.episodes
    }

    /// Single episodes with numbers below this are in here.
    pub(super) fn parts(&self) -> u64 {
        self.header.parts
    }

    /// Rows of all episodes.
    pub fn rows(&self) -> usize {
        self.rewards.len()
    }

    /// The first observation of each episode.
    pub fn first_observations(&self) -> impl Iterator<Item = &[f32]> {
        let starts = self.header.episodes.iter().scan(0, |row, card| Some(std::mem::replace(row, *row + card.rows)));
        starts.map(|row| &self.observations[row * self.header.obs_dim..][..self.header.obs_dim])
    }

    /// Stores every episode in a replay buffer, as rows of the environment and task of these numbers; entries that the
    /// buffer is wider by are zero.
    pub fn replay_into(&self, replay: &mut Replay, environment: usize, task: u32) {
        let Header { obs_dim, action_dim, .. } = self.header;
        let mut observation = vec![0.0; obs_dim.max(replay.obs_dim())];
        let mut action = vec![0.0; action_dim.max(replay.action_dim())];
        let mut row = 0;
        for card in &self.header.episodes {
            for step in 0..card.rows {
                observation[..obs_dim].copy_from_slice(&self.observations[row * obs_dim..][..obs_dim]);
                action[..action_dim].copy_from_slice(&self.actions[row * action_dim..][..action_dim]);
                let reward = self.rewards[row];
                let row_of = ReplayRow { observation: &observation, action: &action, reward, task, first: step == 0 };
                replay.push(environment, &row_of);
                row += 1;
            }
        }
    }

    /// Puts everything into the file of a dataset's task at once, after which single episodes numbered below `parts`
    /// count as being in it.
    pub(super) fn save_whole(&mut self, dir: &Path, parts: u64) -> Result<PathBuf, DemoError> {
        self.header.parts = parts;
        let path = dir.join(&self.header.task).with_added_extension(SUFFIX);
        self.save(&path)?;
        Ok(path)
    }

    /// Writes a file; it is whole or not there.
    pub(super) fn save(&self, path: &Path) -> Result<(), DemoError> {
        let header = serde_json::to_string(&self.header).expect("a header is plain data");
        let rows = self.rows();
        let bytes = |numbers: &[f32]| numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>();
        let tensors = [
            ("observation", vec![rows, self.header.obs_dim], bytes(&self.observations)),
            ("action", vec![rows, self.header.action_dim], bytes(&self.actions)),
            ("reward", vec![rows], bytes(&self.rewards)),
        ];
        let views = tensors.iter().map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("as many numbers as the shape says");
            (*name, view)
        });
        let metadata = HashMap::from([(HEADER.to_owned(), header)]);
        let file = safetensors::serialize(views, Some(metadata)).expect("names and shapes are sound");
        Ok(write_atomic(path, &file)?)
    }

    fn read(path: &Path) -> Result<Self, DemoError> {
        let file = read(path)?;
        let unusable = |problem: String| DemoError::Unusable { problem, path: path.to_owned() };
        let (_, metadata) = SafeTensors::read_metadata(&file).map_err(|problem| unusable(problem.to_string()))?;
        let tensors = SafeTensors::deserialize(&file).map_err(|problem| unusable(problem.to_string()))?;
        let header = metadata.metadata().as_ref().and_then(|entries| entries.get(HEADER));
        let header = header.ok_or_else(|| unusable(format!("there is no {HEADER:?} in its header")))?;
        let header: Header = serde_json::from_str(header).map_err(|problem| unusable(problem.to_string()))?;
        if header.format != FORMAT {
            return Err(unusable(format!("its format is {:?}, this program reads {FORMAT:?}", header.format)));
        }
        let rows: usize = header.episodes.iter().map(|episode| episode.rows).sum();
        let floats = |name: &str, shape: &[usize]| {
            let tensor = tensors.tensor(name).map_err(|problem| unusable(problem.to_string()))?;
            if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
                let found = format!("{:?} {:?}", tensor.shape(), tensor.dtype());
                return Err(unusable(format!("{name} is {found}, but its header says {shape:?} F32")));
            }
            let (words, _) = tensor.data().as_chunks::<4>();
            let numbers: Vec<f32> = words.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            match numbers.iter().position(|number| !number.is_finite()) {
                Some(at) => Err(unusable(format!("entry {at} of {name} is not finite"))),
                None => Ok(numbers),
            }
        };
        Ok(Self {
            observations: floats("observation", &[rows, header.obs_dim])?,
            actions: floats("action", &[rows, header.action_dim])?,
            rewards: floats("reward", &[rows])?,
            header,
        })
    }

    fn check(&self, task: &str, obs_dim: usize, action_dim: usize, path: &Path) -> Result<(), DemoError> {
        let found = &self.header;
        if (found.task.as_str(), found.obs_dim, found.action_dim) == (task, obs_dim, action_dim) {
            return Ok(());
        }
        let problem = format!(
            "they are of {} with {} observation and {} action entries, and {task} has {obs_dim} and {action_dim}",
            found.task, found.obs_dim, found.action_dim
        );
        Err(DemoError::Unusable { problem, path: path.to_owned() })
    }

    fn append(&mut self, other: Self) {
        self.observations.extend(other.observations);
        self.actions.extend(other.actions);
        self.rewards.extend(other.rewards);
        self.header.episodes.extend(other.header.episodes);
    }
}

/// Files of single episodes numbered from `first` on, in order.
pub(super) fn parts(folder: &Path, first: u64) -> Result<Vec<(u64, PathBuf)>, FileError> {
    let entries = match fs::read_dir(folder) {
        Err(problem) if problem.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|problem| FileError::new("list the directory", folder, problem))?,
    };
    let mut parts = Vec::new();
    for entry in entries {
        let path = entry.map_err(|problem| FileError::new("list the directory", folder, problem))?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let Some(number) = number.filter(|&number| number >= first)
            && path.extension().is_some_and(|extension| extension == SUFFIX)
        {
            parts.push((number, path));
        }
    }
    parts.sort_unstable();
    Ok(parts)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::SampleBuffers;
    use super::*;

    pub(in crate::data) fn episode(steps: usize, mark: f32) -> DemoEpisode {
        let rows = steps + 1;
        DemoEpisode {
            observations: (0..rows).flat_map(|row| [mark, row as f32]).collect(),
            actions: (0..rows).map(|row| row as f32 / 100.0).collect(),
            rewards: (0..rows).map(|row| row as f32).collect(),
            card: EpisodeCard {
                score: 0.5,
                source: "zero".to_owned(),
                origin: Some(Origin { seed: 1, instance: 0, episode: 2 }),
                ..EpisodeCard::default()
            },
        }
    }

    #[test]
    fn windows_of_demonstrations_are_those_that_were_recorded() {
        let mut demos = Demonstrations::new("pygame-pong", 2, 1);
        demos.push(episode(5, 7.0));
        demos.push(episode(3, 8.0));
        let mut replay = Replay::new(demos.rows(), 3, 4, 2);
        demos.replay_into(&mut replay, 0, 9);
        assert_eq!((replay.len(), replay.windows()), (10, 3 + 1));
        let mut sample = SampleBuffers::new(&replay, 32);
        let mut bits = 0u64;
        sample.fill(&replay, &mut || {
            bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
            bits
        });
        for b in 0..32 {
            let row = |t: usize| &sample.observations[(t * 32 + b) * 4..][..4];
            assert!(row(0)[0] == 7.0 || (row(0)[0] == 8.0 && row(0)[1] == 0.0), "{:?}", row(0));
            for t in 1..4 {
                assert_eq!(row(t), [row(0)[0], row(0)[1] + t as f32, 0.0, 0.0], "padded with zeros");
                assert_eq!(sample.rewards[(t - 1) * 32 + b], row(t)[1], "the reward that led here");
                assert_eq!(sample.actions[((t - 1) * 32 + b) * 2], row(t)[1] / 100.0);
            }
            assert_eq!(sample.tasks[b], 9);
        }
    }

    #[test]
    fn a_file_of_another_task_or_a_damaged_one_is_named() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("pygame-pong.safetensors");
        let mut demos = Demonstrations::new("pygame-pong", 2, 1);
        demos.push(episode(5, 7.0));
        demos.save(&path).expect("it is written");
        assert_eq!(Demonstrations::load(folder.path(), "pygame-pong", 2, 1).expect("it is read"), demos);
        assert_eq!(Demonstrations::load(folder.path(), "pygame-cowboy", 2, 1).expect("none").rows(), 0);
        let refusal = |obs_dim| {
            let error = Demonstrations::load(folder.path(), "pygame-pong", obs_dim, 1).expect_err("unusable");
            error.to_string()
        };
        assert!(
            refusal(3).contains("has 3 and 1") && refusal(3).ends_with("pygame-pong.safetensors"),
            "{}",
            refusal(3)
        );
        let whole = fs::read(&path).expect("it is there");
        fs::write(&path, &whole[..whole.len() - 3]).expect("it is cut");
        assert!(refusal(2).contains("cannot be used"), "{}", refusal(2));
        let mut demos = demos.clone();
        demos.rewards[2] = f32::NAN;
        demos.save(&path).expect("it is written");
        assert!(refusal(2).contains("entry 2 of reward is not finite"), "{}", refusal(2));
    }
}
