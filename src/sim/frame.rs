//! Pictures as observations.

use bevy::prelude::Component;
use serde::{Deserialize, Serialize};

/// Width and height of an observed picture, px.
pub const FRAME_SIZE: usize = 224;
/// Bytes of an observed picture: three channels of [`FRAME_SIZE`] squared.
pub const FRAME_BYTES: usize = 3 * FRAME_SIZE * FRAME_SIZE;

/// Which observations instances produce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObservationMode {
    /// The state row alone; nothing is drawn.
    #[default]
    State,
    /// A picture a step; the state row is still there for diagnostics.
    Rgb,
    /// Both.
    StateRgb,
}

impl ObservationMode {
    /// Whether a picture is drawn after every reset and step.
    pub fn draws(self) -> bool {
        self != Self::State
    }
}

/// The present picture: `uint8`, channels first, `[3, 224, 224]`.
#[derive(Component, Clone)]
pub struct Frame {
    /// The pixels.
    pub pixels: Box<[u8]>,
    /// The part of it that stays for the episode, and the episode it belongs to.
    pub(crate) backdrop: Vec<u8>,
    pub(crate) backdrop_episode: Option<u64>,
}

impl Default for Frame {
    fn default() -> Self {
        Self { pixels: vec![0; FRAME_BYTES].into_boxed_slice(), backdrop: Vec::new(), backdrop_episode: None }
    }
}
