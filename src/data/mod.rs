//! Experience: the replay buffer that updates sample from.

mod replay;
mod sample;
mod saved;

pub use replay::{Replay, ReplayRow};
pub use sample::SampleBuffers;
pub use saved::ReplayError;
