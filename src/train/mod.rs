//! Runs: the learner thread, the schedule of a run, evaluation, metrics, checkpoints.

pub mod messages;
