//! The ECS heart: what an instance is made of, the phases of a control step, episodes, seeds, rows, throughput.
//!
//! It knows neither environments nor learners. A control step is the schedule [`ControlStep`], whose phases
//! [`SimSystems`] run once over every instance of the [`ActiveGroup`].

mod episode;
mod fault;
mod frame;
mod instance;
mod rows;
mod schedule;
mod seed;
mod throughput;

pub use episode::{Ending, Episode, EpisodeTally, FinishedEpisode, StepRecord, score_episodes, take_actions};
pub use fault::{Fault, FaultCounts};
pub use frame::{FRAME_BYTES, FRAME_SIZE, Frame, ObservationMode};
pub use instance::{Group, InstanceId, InstanceTask, TaskTable};
pub use rows::{ACTION_DIM, Action, FinalObservation, OBS_DIM, Observation};
pub use schedule::{ActiveGroup, ControlStep, Parallel, SimPlugin, SimSystems, StartEpisodes};
pub use seed::{Purpose, Rng, Seed};
pub use throughput::Throughput;
