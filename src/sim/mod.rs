//! The ECS heart: what an instance is made of, the phases of a control step, episodes, seeds, rows, throughput.
//!
//! It knows neither environments nor learners. In a control step every instance of the
//! active [`Group`] goes through the [`Phase`]s once.

mod actor;
mod episode;
mod fault;
mod frame;
mod instance;
mod rows;
mod schedule;
mod seed;
mod threads;
mod throughput;

pub use actor::{Actor, Asked, Drive, Seen};
pub use episode::{Ending, Episode, EpisodeTally, FinishedEpisode, Scored, StepRecord, is_finite, take_action};
pub use fault::{Fault, FaultCounts};
pub use frame::{FRAME_BYTES, FRAME_SIZE, Frame, ObservationMode};
pub use instance::{Group, InstanceId, InstanceTask};
pub use rows::{ACTION_DIM, Action, FinalObservation, OBS_DIM, Observation};
pub use schedule::{ControlStep, Host, Phase, Sim, SimPlugin, StartEpisodes, control_steps, start_episodes};
pub use seed::{Purpose, Rng, Seed};
pub use threads::Threads;
pub use throughput::Throughput;
