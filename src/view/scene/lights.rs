//! Light: the model's own lights, its headlight, and the soft light from everywhere.

use std::f32::consts::PI;

use bevy::light::CascadeShadowConfigBuilder;
use bevy::prelude::*;
use mujoco_rs::wrappers::mj_model::{MjModel, MjtLightType};

/// Luminance that shows as white with a camera's usual exposure, cd/m².
pub(super) const CANDELAS_OF_WHITE: f32 = 1000.0;
/// Illuminance by which a white surface that faces the light shows as white, lx.
const LUX_OF_WHITE: f32 = PI * CANDELAS_OF_WHITE;
/// A lamp stands so many times as far away as in the model, with a narrower cone: ours grow dark with the square of the
/// distance, the model's do not.
const RETREAT: f32 = 4.0;
/// How much of the headlight is used: at full strength it leaves no shape to what it lights.
const HEADLIGHT_SHARE: f32 = 0.55;
/// How much of the light from everywhere is used.
const AMBIENT_SHARE: f32 = 0.75;
/// The rays of a sun that would stand straight above.
const SLANT: Vec3 = Vec3::new(-0.5, 0.6, -1.0);
/// Cosine from which on a sun counts as straight above.
const UPRIGHT: f32 = 0.97;
/// Bevy's biases against shadows on the caster itself suit scenes about so large, m.
const USUAL_EXTENT_M: f32 = 6.0;

/// A light of the model.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lamp {
    /// What Bevy has for it.
    pub(super) kind: LampKind,
    /// How far to stand back from the model's place, m.
    pub(super) retreat: f32,
}

/// The kinds of light that a model may have.
#[derive(Clone, Copy, Debug)]
pub(super) enum LampKind {
    /// From so far away that all rays are parallel.
    Sun(DirectionalLight),
    /// A cone.
    Spot(SpotLight),
    /// In all directions.
    Bulb(PointLight),
}

impl Lamp {
    /// The model's light number `light`, shining at what is at `center` in a scene as large as `extent`.
    pub(super) fn of(model: &MjModel, light: usize, center: Vec3, extent: f32) -> Option<Self> {
        if !model.light_active()[light] {
            return None;
        }
        let (color, strength) = color_and_strength(model.light_diffuse()[light]);
        let shadows = model.light_castshadow()[light];
        let bias = (extent / USUAL_EXTENT_M).min(1.0);
        let position = model.light_pos0()[light].map(|x| x as f32).into();
        let direction = Vec3::from(model.light_dir0()[light].map(|x| x as f32)).normalize_or(Vec3::NEG_Z);
        let reach = reach(position, direction, center).max(0.1 * extent);
        let [constant, linear, square] = model.light_attenuation()[light];
        let illuminance = strength * LUX_OF_WHITE / (constant + linear * reach + square * reach * reach).max(1e-3);
        let range = 4.0 * RETREAT * reach;
        Some(match model.light_type()[light] {
            MjtLightType::mjLIGHT_DIRECTIONAL => {
                Self { kind: LampKind::Sun(sun(color, strength, shadows, extent)), retreat: 0.0 }
            }
            MjtLightType::mjLIGHT_SPOT => {
                let cutoff = model.light_cutoff()[light].clamp(1.0, 89.0).to_radians();
                let outer_angle = (cutoff.tan() / RETREAT).atan();
                let distance = RETREAT * reach;
                let lamp = SpotLight {
                    color,
                    intensity: 4.0 * PI * illuminance * distance * distance,
                    range,
                    shadow_maps_enabled: shadows,
                    shadow_depth_bias: SpotLight::DEFAULT_SHADOW_DEPTH_BIAS * bias,
                    shadow_map_near_z: 0.5 * (distance - reach).max(0.1),
                    outer_angle,
                    inner_angle: 0.3 * outer_angle,
                    ..default()
                };
                Self { kind: LampKind::Spot(lamp), retreat: distance - reach }
            }
            // An image that lights is a sky to us.
            MjtLightType::mjLIGHT_IMAGE => return None,
            MjtLightType::mjLIGHT_POINT => {
                let lamp = PointLight {
                    color,
                    intensity: 4.0 * PI * illuminance * reach * reach,
                    range,
                    shadow_maps_enabled: shadows,
                    shadow_depth_bias: PointLight::DEFAULT_SHADOW_DEPTH_BIAS * bias,
                    ..default()
                };
                Self { kind: LampKind::Bulb(lamp), retreat: 0.0 }
            }
        })
    }
}

/// A sun for models without a light of their own; its rays go down.
pub(super) fn spare_sun(extent: f32) -> DirectionalLight {
    sun(Color::WHITE, 0.7, true, extent)
}

/// Where the rays of a sun go: one straight above gives walls neither shade nor shadow, so it stands aside.
pub(super) fn rays(direction: Vec3) -> Vec3 {
    if direction.z < -UPRIGHT { SLANT.normalize() } else { direction }
}

/// The light at the camera; `None` where the model has it off.
pub(super) fn headlight(model: &MjModel) -> Option<DirectionalLight> {
    let headlight = &model.vis().headlight;
    let (color, strength) = color_and_strength(headlight.diffuse);
    (headlight.active != 0 && strength > 0.0).then(|| DirectionalLight {
        color,
        illuminance: HEADLIGHT_SHARE * strength * LUX_OF_WHITE,
        ..default()
    })
}

/// The light from everywhere: what the headlight and the model's lights have of it.
pub(super) fn ambient(model: &MjModel) -> AmbientLight {
    let headlight = &model.vis().headlight;
    let first = if headlight.active != 0 { Vec3::from(headlight.ambient) } else { Vec3::splat(0.3) };
    let lights = model.light_ambient().iter().zip(model.light_active()).filter(|(_, active)| **active);
    let sum: Vec3 = first + lights.map(|(&ambient, _)| Vec3::from(ambient)).sum::<Vec3>();
    let (color, strength) = color_and_strength(sum.to_array());
    AmbientLight { color, brightness: AMBIENT_SHARE * strength * CANDELAS_OF_WHITE, ..default() }
}

/// How bright a white surface that faces up is under all of the model's light, as a share of white.
pub(super) fn brightness_of_white(model: &MjModel) -> f32 {
    let headlight = &model.vis().headlight;
    let headlight = if headlight.active != 0 { HEADLIGHT_SHARE * color_and_strength(headlight.diffuse).1 } else { 0.0 };
    let lamps = (0..model.nlight() as usize).filter(|&light| model.light_active()[light]).map(|light| {
        let direction = Vec3::from(model.light_dir0()[light].map(|x| x as f32)).normalize_or(Vec3::NEG_Z);
        let is_sun = model.light_type()[light] == MjtLightType::mjLIGHT_DIRECTIONAL;
        let down = if is_sun { -rays(direction).z } else { -direction.z };
        color_and_strength(model.light_diffuse()[light]).1 * down.max(0.0)
    });
    // The headlight comes from the side.
    ambient(model).brightness / CANDELAS_OF_WHITE + 0.7 * headlight + lamps.sum::<f32>()
}

/// How far shadows of a sun are drawn in a scene as large as `extent`.
pub(super) fn cascades(extent: f32) -> CascadeShadowConfigBuilder {
    CascadeShadowConfigBuilder {
        num_cascades: 3,
        minimum_distance: 0.01 * extent,
        first_cascade_far_bound: 2.0 * extent,
        maximum_distance: 12.0 * extent,
        ..default()
    }
}

fn sun(color: Color, strength: f32, shadows: bool, extent: f32) -> DirectionalLight {
    DirectionalLight {
        color,
        illuminance: strength * LUX_OF_WHITE,
        shadow_maps_enabled: shadows,
        shadow_depth_bias: DirectionalLight::DEFAULT_SHADOW_DEPTH_BIAS * (extent / USUAL_EXTENT_M).min(1.0),
        ..default()
    }
}

/// How far a ray goes to the ground, or to beside the center where it does not go down.
fn reach(position: Vec3, direction: Vec3, center: Vec3) -> f32 {
    let along = (center - position).dot(direction);
    if direction.z < -0.3 && position.z > 0.0 { along.max(position.z / -direction.z) } else { along }
}

fn color_and_strength(rgb: [f32; 3]) -> (Color, f32) {
    let strength = rgb.into_iter().fold(0.0, f32::max);
    let [r, g, b] = rgb.map(|channel| if strength > 0.0 { channel / strength } else { 1.0 });
    (Color::srgb(r, g, b), strength)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPOT: &str = r#"<mujoco>
        <visual><headlight diffuse=".2 .4 .2" ambient=".1 .1 .1"/></visual>
        <worldbody>
            <light pos="0 0 3" dir="0 0 -1" diffuse=".5 .5 .5" cutoff="30"/>
            <light type="directional" dir="0 1 -1" castshadow="false"/>
            <light active="false"/>
            <geom size="1"/>
        </worldbody></mujoco>"#;

    fn model() -> MjModel {
        MjModel::from_xml_string(SPOT).expect("a valid model")
    }

    #[test]
    fn a_lamp_lights_the_ground_as_bright_and_as_wide_as_the_model_says() {
        let lamp = Lamp::of(&model(), 0, Vec3::ZERO, 2.0).expect("it is on");
        let LampKind::Spot(spot) = lamp.kind else { panic!("a spot became {:?}", lamp.kind) };
        let distance = 3.0 + lamp.retreat;
        let illuminance = spot.intensity / (4.0 * PI * distance * distance);
        assert!((illuminance / LUX_OF_WHITE - 0.5).abs() < 1e-4, "{illuminance}");
        let radius = distance * spot.outer_angle.tan();
        assert!((radius - 3.0 * 30_f32.to_radians().tan()).abs() < 1e-4, "{radius}");
        assert!(spot.shadow_maps_enabled && spot.shadow_map_near_z < lamp.retreat);
    }

    #[test]
    fn a_sun_straight_above_stands_aside() {
        let down = rays(Vec3::NEG_Z);
        assert!(down.truncate().length() > 0.4 && down.z < -0.6 && (down.length() - 1.0).abs() < 1e-5, "{down}");
        let slanting = Vec3::new(0.0, 0.6, -0.8);
        assert_eq!(rays(slanting), slanting);
    }

    #[test]
    fn lights_are_of_the_kind_that_the_model_says() {
        let model = model();
        let sun = Lamp::of(&model, 1, Vec3::ZERO, 2.0).expect("it is on");
        assert!(matches!(sun.kind, LampKind::Sun(sun) if !sun.shadow_maps_enabled), "{sun:?}");
        assert!(Lamp::of(&model, 2, Vec3::ZERO, 2.0).is_none(), "a light that is off");
        let headlight = headlight(&model).expect("it is on");
        assert!((headlight.illuminance - HEADLIGHT_SHARE * 0.4 * LUX_OF_WHITE).abs() < 1.0);
        assert_eq!(headlight.color, Color::srgb(0.5, 1.0, 0.5));
    }
}
