//! Box2D tasks: a lunar lander and a bipedal walker, on rapier2d.

mod contact;
mod exhaust;
mod impact;
mod joints;
mod lander;
mod lander_picture;
mod physics;
mod terrain;
mod touch;
mod walker;
mod walker_picture;

use bevy::prelude::*;

use super::EnvPlugin;

/// Hosts the lander and the walker.
pub struct Box2DPlugin;

impl Plugin for Box2DPlugin {
    fn build(&self, app: &mut App) {
        app.add_plugins((EnvPlugin::<lander::Lander>::default(), EnvPlugin::<walker::Walker>::default()));
    }
}
