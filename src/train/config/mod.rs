//! Settings of a run: one table of keys, what was typed, and what it means.

mod help;
mod keys;
mod resolve;
mod saved;
mod value;

pub use help::help;
pub use keys::{KEYS, Key, Rules, Support, TrainConfig};
pub use resolve::TrainArgs;
pub(crate) use value::grouped;
pub use value::{EnvMode, LrSchedule, Observations, Preset};

use std::path::PathBuf;

use crate::files::FileError;

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A word without `=`.
    #[error("{word:?} is not of the form key=value; `terrarium train --help` lists the keys")]
    NotKeyValue {
        /// The word.
        word: String,
    },
    /// No setting has that name.
    #[error("no setting is called {key:?}; {hint}")]
    Unknown {
        /// What was typed.
        key: String,
        /// The nearest name, or how to list them.
        hint: String,
    },
    /// A setting was typed twice.
    #[error("{key} is given twice; keep one of them")]
    Repeated {
        /// The setting.
        key: &'static str,
    },
    /// A word that is no value of its setting.
    #[error("{key}={word:?} cannot be read; expected {expected}")]
    IllTyped {
        /// The setting.
        key: &'static str,
        /// What was typed.
        word: String,
        /// What it should look like.
        expected: String,
    },
    /// A value outside its setting's range.
    #[error("{key}={value} is out of range; it must be {range}")]
    OutOfRange {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: String,
        /// Its range in words.
        range: String,
    },
    /// A value that this program does not support.
    #[error("{key}={value} is not supported: {why}; use {key}={supported}")]
    Unsupported {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: String,
        /// Why not.
        why: &'static str,
        /// The value that is.
        supported: &'static str,
    },
    /// Settings that contradict each other; what to do.
    #[error("{0}")]
    Conflict(String),
    /// A run is resumed with other settings than it was started with.
    #[error("this run was started with other settings: {}; type those, or start another run with exp_name=NAME", .0.join(", "))]
    Differs(Vec<String>),
    /// A `config.ron` that does not hold a run's settings.
    #[error("{problem}; the settings of a run cannot be read from {path}")]
    Malformed {
        /// What the parser says, with line and column.
        problem: Box<ron::error::SpannedError>,
        /// The file.
        path: PathBuf,
    },
    /// A `config.ron` that cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}

impl ConfigError {
    /// Whether what was typed cannot be meant, rather than a file failing.
    pub fn is_misuse(&self) -> bool {
        !matches!(self, Self::Malformed { .. } | Self::File(_))
    }
}
