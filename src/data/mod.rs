//! Experience: the replay buffer that updates sample from, and demonstrations on disk.

mod demos;
mod recorder;
mod replay;
mod sample;
mod saved;

pub use demos::{DemoEpisode, DemoError, Demonstrations, EpisodeCard, Origin};
pub use recorder::Recorder;
pub use replay::{Replay, ReplayRow};
pub use sample::SampleBuffers;
pub use saved::ReplayError;
