//! Terrarium: an ECS-based simulation and experiment sandbox.
//!
//! Tasks are hosted as entities of a Bevy world ([`mod@env`], [`sim`]), a learner trains the Newt world model on them, and a
//! window shows what it plans. `ARCHITECTURE.md` at the repository's root maps the whole.

pub mod cli;
pub mod data;
pub mod encode;
pub mod env;
pub mod files;
pub mod newt;
pub mod paint;
pub mod sim;
pub mod task;
pub mod train;
pub mod view;
