//! Newt: a language-conditioned multitask world model that plans in latent space.
//!
//! Reading order: [`config`] (dimensions), `model` (networks), [`math`] (discrete regression), [`losses`], [`agent`] (one
//! update), [`planner`] (MPPI). Below them: `layers`, `params` (flat buffers), `kernels` (fused operations), `optim`.
//! Every random draw is handed in through [`Noise`].

//! Only what is chosen by words ([`choices`], [`config`]) is there without the feature `learn`.

#[cfg(feature = "learn")]
pub mod agent;
#[cfg(feature = "learn")]
pub mod checkpoint;
pub mod choices;
pub mod config;
#[cfg(feature = "learn")]
pub mod device;
#[cfg(feature = "learn")]
pub mod inspect;
#[cfg(feature = "learn")]
mod kernels;
#[cfg(feature = "learn")]
mod layers;
#[cfg(feature = "learn")]
pub mod losses;
#[cfg(feature = "learn")]
pub mod math;
#[cfg(feature = "learn")]
mod model;
#[cfg(feature = "learn")]
pub mod noise;
#[cfg(feature = "learn")]
mod optim;
#[cfg(feature = "learn")]
mod params;
#[cfg(feature = "learn")]
pub mod planner;
#[cfg(feature = "learn")]
pub mod policy;
#[cfg(feature = "learn")]
pub mod precision;
#[cfg(feature = "learn")]
pub mod scale;

#[cfg(feature = "learn")]
pub use agent::{BuildError, Imagined, Losses, Newt, TaskTables};
#[cfg(feature = "learn")]
pub use checkpoint::CheckpointError;
pub use choices::{DeviceChoice, ModelSize, PlanDtype, UnknownChoice};
pub use config::{Config, LearningConfig, ModelConfig, PlanningConfig};
#[cfg(feature = "learn")]
pub use device::DeviceError;
#[cfg(feature = "learn")]
pub use losses::{Batch, BatchSlices};
#[cfg(feature = "learn")]
pub use noise::{DrawKind, Noise, RecordedNoise, SeededNoise};
#[cfg(feature = "learn")]
pub use planner::{Plan, PlanRequest};
#[cfg(feature = "learn")]
pub use precision::PlanPrecision;
