//! Encoders: what a task's text is to the model, and the files that hold it.

mod cache;
mod ngrams;
mod table;
mod text;

pub use cache::EmbeddingCache;
pub use ngrams::HashedNgrams;
pub use table::read_table;
pub use text::{TextEncoder, TextSource, embed_tasks};

use std::path::PathBuf;

use crate::files::FileError;

/// Text embeddings that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// A word that names no source.
    #[error("{word:?} is no source of text embeddings; expected {expected}")]
    UnknownSource {
        /// The word.
        word: String,
        /// What there is.
        expected: &'static str,
    },
    /// A file that holds no embeddings.
    #[error("{problem}; text embeddings cannot be read from {path}")]
    Malformed {
        /// What is wrong with it.
        problem: String,
        /// The file.
        path: PathBuf,
    },
    /// A task that a file of embeddings lacks.
    #[error("there is no embedding of task {task}; add one to {path}")]
    Missing {
        /// The task's id.
        task: String,
        /// The file.
        path: PathBuf,
    },
    /// An embedding that does not fit the model.
    #[error("the embedding of {name} has {found} entries, the model takes {expected} (task_dim); it lies in {path}")]
    Width {
        /// Whose it is.
        name: String,
        /// Its width.
        found: usize,
        /// The width asked for.
        expected: usize,
        /// The file.
        path: PathBuf,
    },
    /// A file that cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}
