//! Experience: the replay buffers that updates are sampled from.

pub mod replay;

pub use replay::{Replay, ReplayError, ReplayMix, Transition, WindowBuffers};
