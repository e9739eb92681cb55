//! Terrarium: an ECS-based simulation and experiment sandbox.

#[cfg(feature = "learn")]
pub mod newt;
