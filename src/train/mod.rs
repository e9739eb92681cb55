//! Runs: the learner thread, the schedule of a run, evaluation, metrics, checkpoints.

pub mod config;
pub mod messages;
pub mod metrics;
pub mod progress;
pub mod report;
mod run_dir;

pub use run_dir::RunDir;
