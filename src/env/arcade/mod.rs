//! MiniArcade: small two-dimensional arcade games, one file a game.
//!
//! Positions are pixels of a 224x224 canvas (x right, y down), velocities pixels a step, unless a game says otherwise.

mod air_hockey;
mod beach;
mod chase_evade;
mod coconut_dodge;
mod pong;
mod rect;
mod rocket_collect;
#[cfg(test)]
mod vector_test;

use bevy::prelude::*;

use super::EnvPlugin;

/// Hosts every MiniArcade game.
pub struct ArcadePlugin;

impl Plugin for ArcadePlugin {
    fn build(&self, app: &mut App) {
        app.add_plugins((
            EnvPlugin::<air_hockey::AirHockey>::default(),
            EnvPlugin::<chase_evade::ChaseEvade>::default(),
            EnvPlugin::<coconut_dodge::CoconutDodge>::default(),
            EnvPlugin::<pong::Pong>::default(),
            EnvPlugin::<rocket_collect::RocketCollect>::default(),
        ));
    }
}
