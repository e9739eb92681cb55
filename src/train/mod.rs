//! Runs: the learner thread, the schedule of a run, evaluation, metrics, checkpoints.
//!
//! Reading order: [`run`](Run) (the simulation's side), `learner` (the model's side), `agent` (rows to tensors and
//! back), `checkpoint`.

#[cfg(feature = "learn")]
mod after;
#[cfg(feature = "learn")]
mod agent;
#[cfg(feature = "learn")]
mod checkpoint;
pub mod config;
#[cfg(feature = "learn")]
mod demos;
#[cfg(feature = "learn")]
mod error;
#[cfg(feature = "learn")]
mod evaluate;
#[cfg(feature = "learn")]
mod gather;
#[cfg(feature = "learn")]
mod inbox;
#[cfg(feature = "learn")]
mod learner;
#[cfg(feature = "learn")]
mod learner_files;
pub mod messages;
pub mod metrics;
#[cfg(feature = "learn")]
mod planner_thread;
#[cfg(feature = "learn")]
pub mod play;
#[cfg(feature = "learn")]
mod pretraining;
pub mod progress;
pub mod report;
#[cfg(feature = "learn")]
mod run;
mod run_dir;
#[cfg(feature = "learn")]
mod run_lock;
#[cfg(feature = "learn")]
mod saved_agent;
#[cfg(feature = "learn")]
mod sealed;
#[cfg(feature = "learn")]
mod setup;
#[cfg(feature = "learn")]
mod start;

#[cfg(feature = "learn")]
pub use after::draw_report;
#[cfg(feature = "learn")]
pub use agent::{Agent, CarriedPlans};
#[cfg(feature = "learn")]
pub use error::TrainError;
#[cfg(feature = "learn")]
pub use learner::LearnerHandle;
#[cfg(feature = "learn")]
pub use planner_thread::spawn_planner;
#[cfg(feature = "learn")]
pub use run::{Run, RunSummary};
pub use run_dir::RunDir;
#[cfg(feature = "learn")]
pub use saved_agent::SavedAgent;
