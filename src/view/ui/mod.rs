//! What is drawn: pictures of instances, gallery, panels, keys; the window, or the picture in its stead.

mod app;
mod controls;
mod curves_panel;
mod gallery;
mod picture;
mod plan_panel;
mod screenshot;
#[cfg(feature = "mujoco")]
mod stage;
mod status_panel;
mod theme;
mod view_bar;

pub(super) use app::run;

use bevy::prelude::SystemSet;

/// The parts of the window, in the order in which they take their space.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum UiSystems {
    /// Everything is free.
    Start,
    /// The bar with the controls.
    Top,
    /// The bar with figures.
    Bottom,
    /// The side panel.
    Side,
    /// The instances.
    Center,
    /// What lies over all of it.
    Over,
}
