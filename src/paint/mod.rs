//! One drawing interface for pictures of environments: 224x224 observations, and the same drawing at any size.
//!
//! Coordinates are pixels of the 224x224 canvas, x right, y down, integers as the tasks' rules give them (fractions are
//! dropped toward zero before they come here). [`Raster`] follows those rules exactly; [`Vector`] draws the same calls
//! smoothly at any scale for the app.

mod canvas;
mod color;
mod raster;
mod resize;
mod shapes;
#[cfg(test)]
mod tests;
mod text;
mod vector;

pub use canvas::{Anchor, CANVAS_SIZE, Canvas};
pub use color::Color;
pub use raster::Raster;
pub use vector::Vector;
