//! Recording demonstrations: a file an episode as they come, put together into one file a task at the end.

use std::fs;
use std::path::{Path, PathBuf};

use super::demos::{SUFFIX, parts};
use super::{DemoEpisode, DemoError, Demonstrations};
use crate::files::FileError;

/// Adds episodes of one task to a dataset. A crash loses at most the episode that is being recorded.
#[derive(Debug)]
pub struct Recorder {
    dir: PathBuf,
    task: String,
    obs_dim: usize,
    action_dim: usize,
    next: u64,
}

impl Recorder {
    /// Goes on after the episodes that the dataset at `dir` has of the task.
    ///
    /// # Errors
    ///
    /// [`DemoError`] when those cannot be read or are of a task with other widths.
    pub fn open(dir: &Path, task: &str, obs_dim: usize, action_dim: usize) -> Result<Self, DemoError> {
        let held = Demonstrations::load(dir, task, obs_dim, action_dim)?;
        let last = parts(&dir.join(task), held.parts())?.last().map_or(held.parts(), |(number, _)| number + 1);
        Ok(Self { dir: dir.to_owned(), task: task.to_owned(), obs_dim, action_dim, next: last })
    }

    /// Writes an episode into a file of its own; the file.
    ///
    /// # Errors
    ///
    /// [`DemoError::File`] when it cannot be written.
    pub fn write(&mut self, episode: DemoEpisode) -> Result<PathBuf, DemoError> {
        let mut single = Demonstrations::new(&self.task, self.obs_dim, self.action_dim);
        single.push(episode);
        let path = self.folder().join(format!("{:06}.{SUFFIX}", self.next));
        single.save(&path)?;
        self.next += 1;
        Ok(path)
    }

    /// Puts all episodes of the task into one file; the file and what it holds.
    ///
    /// # Errors
    ///
    /// [`DemoError`] when a file cannot be read or written; every episode is still there then, once.
    pub fn put_together(self) -> Result<(PathBuf, Demonstrations), DemoError> {
        let mut all = Demonstrations::load(&self.dir, &self.task, self.obs_dim, self.action_dim)?;
        let path = all.save_whole(&self.dir, self.next)?;
        let folder = self.folder();
        for (_, part) in parts(&folder, 0)? {
            fs::remove_file(&part).map_err(|problem| FileError::new("remove", &part, problem))?;
        }
        // Stays if something else lies in it.
        drop(fs::remove_dir(&folder));
        Ok((path, all))
    }

    fn folder(&self) -> PathBuf {
        self.dir.join(&self.task)
    }
}

#[cfg(test)]
mod tests {
    use super::super::demos::tests::episode;
    use super::*;

    /// What marks each episode of the dataset.
    fn load(dir: &Path) -> Vec<f32> {
        let demos = Demonstrations::load(dir, "pygame-pong", 2, 1).expect("it is read");
        demos.first_observations().map(|observation| observation[0]).collect()
    }

    #[test]
    fn episodes_are_there_once_before_and_after_they_are_put_together() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let dir = folder.path();
        let open = || Recorder::open(dir, "pygame-pong", 2, 1).expect("it opens");
        let mut recorder = open();
        recorder.write(episode(3, 1.0)).expect("written");
        recorder.write(episode(4, 2.0)).expect("written");
        assert_eq!(load(dir), [1.0, 2.0], "a crash leaves what was recorded");

        let mut recorder = open();
        let left = recorder.write(episode(5, 3.0)).expect("written");
        let part = fs::read(&left).expect("it is there");
        let (path, all) = recorder.put_together().expect("put together");
        assert_eq!((all.episodes().len(), load(dir)), (3, vec![1.0, 2.0, 3.0]));
        assert_eq!(path, dir.join("pygame-pong.safetensors"));
        assert!(!dir.join("pygame-pong").exists());

        // A crash before single files were removed.
        fs::create_dir(dir.join("pygame-pong")).expect("created");
        fs::write(&left, part).expect("written");
        assert_eq!(load(dir), [1.0, 2.0, 3.0]);
        let mut recorder = open();
        recorder.write(episode(3, 4.0)).expect("written");
        assert_eq!(load(dir), [1.0, 2.0, 3.0, 4.0]);
        recorder.put_together().expect("put together");
        assert_eq!(load(dir), [1.0, 2.0, 3.0, 4.0]);
    }
}
