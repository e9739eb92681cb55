//! Poses that a walker is asked to hold. Body heights are those of frame origins: a thigh's is its hip, a foot's its ankle.

use crate::env::mujoco::tolerance::Tolerance;

/// A pose of the walker.
#[derive(Clone, Copy)]
pub(super) enum Pose {
    /// The left foot on the floor, the right one high, the torso leaning over.
    Arabesque,
    /// Torso and hips on the floor.
    LieDown,
    /// The same with the feet up in the air.
    LegsUp,
    /// Feet and hips high.
    Headstand,
}

/// What a pose is judged by.
pub(super) struct Figure {
    /// Height of the torso, m.
    pub(super) torso: f64,
    /// Heights of left and right foot, m.
    pub(super) feet: [f64; 2],
    /// Mean height of the hips, m.
    pub(super) hips: f64,
    /// Cosine between the torso's axis and the vertical.
    pub(super) upright: f64,
}

/// Lies on the floor, m.
const DOWN: Tolerance = Tolerance::at_most(0.08).margin(0.04);
/// Feet above a body that lies or stands on its head, m.
const FEET_UP: Tolerance = Tolerance::at_least(1.1).margin(0.55);
/// Torso, hips or foot at the height of an upright body's middle, m.
const HIGH: Tolerance = Tolerance::at_least(1.0).margin(0.5);
/// A foot stands on the floor, m.
const STANDS: Tolerance = Tolerance::at_most(0.08).margin(0.5);

impl Pose {
    /// How well `figure` holds the pose, in [0, 1].
    pub(super) fn reward(self, figure: &Figure) -> f64 {
        let Figure { torso, feet: [left, right], hips, upright } = *figure;
        let feet = f64::midpoint(left, right);
        // As the benchmark has it: 0 upright, 1 on the head, so that lying flat is worth half.
        let overturned = (1.0 - upright) / 2.0;
        match self {
            Self::Arabesque => (3.0 * HIGH.of(torso) + STANDS.of(left) + HIGH.of(right) + overturned) / 6.0,
            Self::LieDown => (3.0 * DOWN.of(torso) + DOWN.of(hips) + overturned) / 5.0,
            Self::LegsUp => (3.0 * DOWN.of(torso) + 2.0 * FEET_UP.of(feet) + DOWN.of(hips) + overturned) / 7.0,
            Self::Headstand => (3.0 * FEET_UP.of(feet) + 2.0 * HIGH.of(hips)) / 5.0,
        }
    }
}
