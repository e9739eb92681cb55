//! The second, translucent set of what moves: it executes the open-loop plan.

use bevy::prelude::*;

use super::materials::Look;

/// How opaque the ghost is.
const OPACITY: f32 = 0.42;
/// How much of the ghost's color is its own.
const OWN_COLOR: f32 = 0.25;
/// Red, green, blue of the rest: the color of what is planned in all of the app.
const COLOR: [u8; 3] = [94, 170, 255];
/// Where ghost and instance are at the same place, the instance shows.
const BEHIND: f32 = -8.0;

/// The ghost's version of a look.
pub(super) fn material(look: &Look) -> StandardMaterial {
    let [r, g, b, a] = look.rgba;
    let own = Color::srgb(r, g, b).to_srgba();
    let [red, green, blue] = COLOR;
    let mixed = Srgba::rgb_u8(red, green, blue) * (1.0 - OWN_COLOR) + own * OWN_COLOR;
    StandardMaterial {
        base_color: mixed.with_alpha(OPACITY * a).into(),
        // A glow of its own: it stays visible in shadow.
        emissive: Color::from(mixed).to_linear() * 0.25,
        perceptual_roughness: 0.8,
        alpha_mode: AlphaMode::Blend,
        depth_bias: BEHIND,
        ..default()
    }
}
