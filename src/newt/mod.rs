//! Newt: a language-conditioned multitask world model that plans in latent space.
//!
//! Reading order: [`config`] (dimensions), `model` (networks), [`math`] (discrete regression), [`losses`], [`agent`] (one
//! update), [`planner`] (MPPI). Below them: `layers`, `params` (flat buffers), `kernels` (fused operations), `optim`.
//! Every random draw is handed in through [`Noise`].

pub mod agent;
pub mod checkpoint;
pub mod config;
pub mod device;
pub mod inspect;
mod kernels;
mod layers;
pub mod losses;
pub mod math;
mod model;
pub mod noise;
mod optim;
mod params;
pub mod planner;
pub mod policy;
pub mod scale;

pub use agent::{BuildError, Imagined, Losses, Newt, TaskTables};
pub use checkpoint::CheckpointError;
pub use config::{Config, LearningConfig, ModelConfig, ModelSize, PlanDtype, PlanningConfig};
pub use device::{DeviceChoice, DeviceError};
pub use losses::{Batch, BatchSlices};
pub use noise::{DrawKind, Noise, RecordedNoise, SeededNoise};
pub use planner::{Plan, PlanRequest};
