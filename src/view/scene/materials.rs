//! Materials of geoms and sites: MuJoCo's colors, textures, gloss and glow as physically based ones.

use bevy::prelude::*;
use mujoco_rs::wrappers::mj_model::{MjModel, MjtTexture, MjtTextureRole};

use super::mapping::Mapping;
use super::textures::Pixels;

/// MuJoCo's color of a geom that states none; its material's color shows instead.
const UNSTATED: [f32; 4] = [0.5, 0.5, 0.5, 1.0];
/// Less opaque than this is transparent.
const OPAQUE: f32 = 0.995;
/// The mean of a ground's strongest channel at least, in the picture's own scale: shadows on a darker one do not show.
const DARKEST_GROUND: f32 = 0.34;

/// How a surface looks, before its texture is loaded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// Red, green, blue, opacity.
    pub(super) rgba: [f32; 4],
    /// The texture's number and how it lies.
    pub(super) texture: Option<(usize, Mapping)>,
    /// By how much more light it gives back than its colors say.
    lift: f32,
    emission: f32,
    roughness: f32,
    metallic: f32,
    specular: f32,
}

impl Look {
    /// Of something with its own color `rgba` and perhaps a material.
    pub(super) fn new(model: &MjModel, rgba: [f32; 4], material: i32) -> Self {
        let Ok(material) = usize::try_from(material) else {
            return Self {
                rgba,
                texture: None,
                lift: 1.0,
                emission: 0.0,
                roughness: 0.6,
                metallic: 0.0,
                specular: 0.5,
            };
        };
        let stated = |value: f32| (value >= 0.0).then_some(value);
        let roles = &model.mat_texid()[material];
        let texture = [MjtTextureRole::mjTEXROLE_RGB, MjtTextureRole::mjTEXROLE_RGBA]
            .into_iter()
            .find_map(|role| usize::try_from(roles[role as usize]).ok());
        Self {
            rgba: if rgba == UNSTATED { model.mat_rgba()[material] } else { rgba },
            texture: texture.map(|texture| (texture, mapping(model, texture, material))),
            lift: 1.0,
            emission: model.mat_emission()[material],
            roughness: stated(model.mat_roughness()[material])
                .unwrap_or_else(|| roughness_of(model.mat_shininess()[material])),
            metallic: stated(model.mat_metallic()[material]).unwrap_or(0.0),
            specular: model.mat_specular()[material],
        }
    }

    /// Of a ground: a very dark pattern is shown brighter, and the sky does not gleam on it in the distance.
    pub(super) fn lifted(self, model: &MjModel) -> Self {
        let pixels = self.texture.and_then(|(texture, _)| Pixels::of(model, texture));
        let lift = pixels.map_or(1.0, |pixels| (DARKEST_GROUND / pixels.brightness().max(0.01)).max(1.0).powf(2.2));
        Self { lift, specular: 0.0, ..self }
    }

    /// Whether anything of it can be seen.
    pub(super) fn is_visible(&self) -> bool {
        self.rgba[3] > 0.0
    }

    /// Whether light passes through.
    pub(super) fn is_transparent(&self) -> bool {
        self.rgba[3] < OPAQUE
    }

    /// The share of light that it gives back at most; unknown, so none, where it has a texture or is transparent.
    pub(super) fn reflected(&self) -> f32 {
        if self.texture.is_some() || self.is_transparent() {
            return 0.0;
        }
        let [r, g, b, _] = self.rgba;
        let light = Color::srgb(r, g, b).to_linear();
        light.red.max(light.green).max(light.blue)
    }

    /// The material, with its texture.
    pub(super) fn material(&self, texture: Option<Handle<Image>>) -> StandardMaterial {
        let [r, g, b, a] = self.rgba;
        let color = Color::srgba(r, g, b, a);
        StandardMaterial {
            base_color: (color.to_linear() * self.lift).with_alpha(a).into(),
            base_color_texture: texture,
            emissive: color.to_linear() * self.emission,
            perceptual_roughness: self.roughness.clamp(0.09, 1.0),
            metallic: self.metallic,
            reflectance: 0.5 * self.specular.clamp(0.0, 1.0),
            alpha_mode: if self.is_transparent() { AlphaMode::Blend } else { AlphaMode::Opaque },
            ..default()
        }
    }
}

fn mapping(model: &MjModel, texture: usize, material: usize) -> Mapping {
    let uniform = model.mat_texuniform()[material];
    match model.tex_type()[texture] {
        MjtTexture::mjTEXTURE_2D => Mapping::Flat { repeat: Vec2::from(model.mat_texrepeat()[material]), uniform },
        _ => Mapping::Cube { uniform },
    }
}

/// The roughness whose highlight is as wide as OpenGL's with the exponent `128 * shininess`.
fn roughness_of(shininess: f32) -> f32 {
    let exponent = 128.0 * shininess.max(0.0);
    (2.0 / (exponent + 2.0)).powf(0.25)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shinier_is_less_rough() {
        let rough = [0.0, 0.1, 0.5, 1.0].map(roughness_of);
        assert_eq!(rough[0], 1.0);
        assert!(rough.windows(2).all(|pair| pair[0] > pair[1]) && rough[3] > 0.3, "{rough:?}");
    }
}
