//! Terrarium: an ECS-based simulation and experiment sandbox.

pub mod data;
#[cfg(feature = "learn")]
pub mod newt;
