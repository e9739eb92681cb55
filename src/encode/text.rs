//! Where a run's text embeddings come from.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{EmbeddingCache, EncodeError, HashedNgrams, read_table};
use crate::task::Task;

/// Turns a text into a vector.
pub trait TextEncoder {
    /// A name that changes whenever the vectors do.
    fn name(&self) -> &'static str;
    /// The vector of a text: `dim` entries.
    fn encode(&self, text: &str, dim: usize) -> Vec<f32>;
}

/// Where text embeddings come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TextSource {
    /// [`HashedNgrams`]: no language model.
    HashedNgrams,
    /// A file of vectors by task id: see [`read_table`].
    File(PathBuf),
}

impl TextSource {
    /// The words that name a source.
    pub const WORDS: &'static str = "hashed-ngrams or file:PATH";
}

impl FromStr for TextSource {
    type Err = EncodeError;

    fn from_str(word: &str) -> Result<Self, EncodeError> {
        match (word, word.strip_prefix("file:")) {
            ("hashed-ngrams", _) => Ok(Self::HashedNgrams),
            (_, Some(path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err(EncodeError::UnknownSource { word: word.to_owned(), expected: Self::WORDS }),
        }
    }
}

impl Display for TextSource {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::HashedNgrams => formatter.write_str("hashed-ngrams"),
            Self::File(path) => write!(formatter, "file:{}", path.display()),
        }
    }
}

/// The embedding of each task's text: one row of `dim` entries a task, in order.
///
/// What an encoder makes is kept in the file `cache`; what comes from a file is read anew each time.
///
/// # Errors
///
/// [`EncodeError`] when a file cannot be used or lacks a task.
pub fn embed_tasks(
    source: &TextSource,
    tasks: &[Task],
    dim: usize,
    cache: &Path,
) -> Result<Vec<Vec<f32>>, EncodeError> {
    match source {
        TextSource::HashedNgrams => {
            let texts: Vec<String> = tasks.iter().map(Task::text).collect();
            EmbeddingCache::open(cache)?.embed(&HashedNgrams, &texts, dim)
        }
        TextSource::File(path) => {
            let mut table = read_table(path)?;
            let row = |task: &Task| {
                let row = table.remove(&task.id);
                let row = row.ok_or_else(|| EncodeError::Missing { task: task.id.clone(), path: path.clone() })?;
                if row.len() == dim {
                    Ok(row)
                } else {
                    Err(EncodeError::Width {
                        name: task.id.clone(),
                        found: row.len(),
                        expected: dim,
                        path: path.clone(),
                    })
                }
            };
            tasks.iter().map(row).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::table::write_table;
    use crate::task::{Registry, TaskSet};

    fn tasks() -> Vec<Task> {
        let registry = Registry::builtin().expect("tables parse");
        TaskSet::parse("pygame-pong,pygame-cowboy", &registry).expect("known").tasks().to_vec()
    }

    #[test]
    fn hashed_embeddings_differ_between_tasks_and_are_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = folder.path().join("text.safetensors");
        let rows = embed_tasks(&TextSource::HashedNgrams, &tasks(), 64, &cache).expect("embeds");
        assert_ne!(rows[0], rows[1]);
        assert!(cache.exists());
        assert_eq!(embed_tasks(&TextSource::HashedNgrams, &tasks(), 64, &cache).expect("embeds"), rows);
    }

    #[test]
    fn a_file_gives_rows_by_task_in_both_formats() {
        let folder = tempfile::tempdir().expect("a folder");
        let (json, tensors) = (folder.path().join("text.json"), folder.path().join("text.safetensors"));
        std::fs::write(&json, r#"{"pygame-cowboy": [1, 2.5], "pygame-pong": [3, 4], "other": [0]}"#).expect("writes");
        write_table(&tensors, &read_table(&json).expect("reads")).expect("writes");
        for path in [&json, &tensors] {
            let source: TextSource = format!("file:{}", path.display()).parse().expect("a source");
            let rows = embed_tasks(&source, &tasks(), 2, Path::new("unused")).expect("embeds");
            assert_eq!(rows, [[3.0, 4.0], [1.0, 2.5]]);
            let message = embed_tasks(&source, &tasks(), 3, Path::new("unused")).expect_err("width").to_string();
            assert!(message.contains("has 2 entries, the model takes 3"), "{message}");
        }
        std::fs::write(&json, r#"{"pygame-cowboy": [1, 2]}"#).expect("writes");
        let message =
            embed_tasks(&TextSource::File(json), &tasks(), 2, Path::new("unused")).expect_err("lacks").to_string();
        assert!(message.contains("no embedding of task pygame-pong"), "{message}");
    }

    #[test]
    fn an_unknown_source_names_the_known_ones() {
        let message = "clip".parse::<TextSource>().expect_err("unknown").to_string();
        assert!(message.contains("hashed-ngrams") && message.contains("file:PATH"), "{message}");
    }
}
