//! MiniArcade: small two-dimensional arcade games, one file a game.
//!
//! Positions are pixels of a 224x224 canvas (x right, y down), velocities pixels a step, unless a game says otherwise.

mod air_hockey;
mod beach;
mod bird_attack;
mod cartpole;
mod chase_evade;
mod coconut_dodge;
mod coinrun;
mod coins;
mod cowboy;
mod highway;
mod landing;
mod meadow;
mod point_maze;
mod pong;
mod reacher;
mod rect;
mod rocket_collect;
mod runner;
mod spaceship;
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
            EnvPlugin::<bird_attack::BirdAttack>::default(),
            EnvPlugin::<cartpole::Cartpole>::default(),
            EnvPlugin::<chase_evade::ChaseEvade>::default(),
            EnvPlugin::<coconut_dodge::CoconutDodge>::default(),
            EnvPlugin::<coinrun::CoinRun>::default(),
            EnvPlugin::<cowboy::Cowboy>::default(),
            EnvPlugin::<highway::Highway>::default(),
            EnvPlugin::<landing::Landing>::default(),
            EnvPlugin::<point_maze::PointMaze>::default(),
            EnvPlugin::<pong::Pong>::default(),
            EnvPlugin::<reacher::Reacher>::default(),
            EnvPlugin::<rocket_collect::RocketCollect>::default(),
            EnvPlugin::<spaceship::Spaceship>::default(),
        ));
    }
}
