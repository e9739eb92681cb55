//! The numbers of a run, read back from `metrics.jsonl`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::files::{self, FileError};

/// Every tag's numbers over environment steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    series: BTreeMap<String, Vec<(f64, f64)>>,
}

impl History {
    /// Reads a run's lines. One that is just being written, and numbers that were not finite, are left out.
    ///
    /// # Errors
    ///
    /// [`FileError`] when the file cannot be read or a line is not what [`Metrics`](super::Metrics) writes.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let text = files::read_to_string(path)?;
        let mut history = Self::default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for (index, line) in whole.lines().enumerate() {
            history.add_line(line).map_err(|problem| {
                let problem = format!("line {} is no line of metrics ({problem})", index + 1);
                FileError::new("read", path, std::io::Error::new(std::io::ErrorKind::InvalidData, problem))
            })?;
        }
        Ok(history)
    }

    fn add_line(&mut self, line: &str) -> Result<(), String> {
        let tags: BTreeMap<String, Option<f64>> = serde_json::from_str(line).map_err(|problem| problem.to_string())?;
        let step = tags.get("step").copied().flatten().ok_or("it has no step")?;
        for (tag, value) in tags {
            match value {
                Some(value) if tag != "step" => self.series.entry(tag).or_default().push((step, value)),
                _ => {}
            }
        }
        Ok(())
    }

    /// (step, number) of a tag, such as `eval/avg_score`; empty when it was never written.
    pub fn series(&self, tag: &str) -> &[(f64, f64)] {
        self.series.get(tag).map_or(&[], Vec::as_slice)
    }

    /// The tags, sorted.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.series.keys().map(String::as_str)
    }

    /// The tasks that have a tag such as `eval/episode_score+<task>`, sorted.
    pub fn tasks(&self) -> Vec<&str> {
        let mut tasks: Vec<&str> =
            self.tags().filter_map(|tag| tag.split_once("/episode_score+")).map(|(_, task)| task).collect();
        tasks.sort_unstable();
        tasks.dedup();
        tasks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_have_the_steps_of_their_lines() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("metrics.jsonl");
        let text = "{\"step\":10,\"train/lr\":0.5,\"train/x\":null}\n{\"step\":20,\"train/lr\":1,\"eval/episode_score+a\":0}\n{\"st";
        std::fs::write(&path, text).expect("writes");
        let history = History::read(&path).expect("reads");
        assert_eq!(history.series("train/lr"), [(10.0, 0.5), (20.0, 1.0)]);
        assert_eq!(history.series("train/x"), []);
        assert_eq!(history.tasks(), ["a"]);
        std::fs::write(&path, "{\"step\":10}\nnonsense\n").expect("writes");
        let message = History::read(&path).expect_err("damaged").to_string();
        assert!(message.contains("line 2") && message.ends_with("metrics.jsonl"), "{message}");
    }
}
