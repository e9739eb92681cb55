//! What lies behind everything: the model's sky, calm at the horizon and below it, or a plain one.

use bevy::asset::RenderAssetUsages;
use bevy::image::{ImageFilterMode, ImageSampler, ImageSamplerDescriptor};
use bevy::prelude::*;
use bevy::render::render_resource::{Extent3d, TextureDimension, TextureViewDescriptor, TextureViewDimension};
use mujoco_rs::wrappers::mj_model::{MjModel, MjtTexture};

use super::textures::{CHANNELS, FORMAT, Pixels};

/// Faces of a cube texture that show the zenith and what lies below.
const UP: usize = 2;
const DOWN: usize = 3;
/// A face at whose middle is the horizon.
const AHEAD: usize = 4;
/// The sky of a model that has none with a color: red, green, blue of zenith, horizon and what lies below.
const PLAIN: [Vec3; 3] = [Vec3::new(0.30, 0.50, 0.78), Vec3::new(0.80, 0.87, 0.93), Vec3::new(0.46, 0.49, 0.53)];
/// Strongest over weakest channel, from 0 to 1, below which a sky is a grey placeholder.
const GREY: f32 = 0.05;
/// Between these sines of the elevation the marks of a sky, such as stars, come out.
const MARKS: (f32, f32) = (0.12, 0.6);
/// How bright it is far below the horizon, in brightnesses of the horizon.
const BELOW: f32 = 0.55;
/// Sine of the depth to which all is of the horizon's color: there the ground ends.
const HAZE: f32 = 0.08;

/// What lies behind everything.
pub(super) struct Sky {
    /// A cube texture.
    pub(super) image: Image,
    /// Its color at the horizon.
    pub(super) horizon: Color,
}

impl Sky {
    /// The model's sky, or a plain one.
    pub(super) fn of(model: &MjModel) -> Self {
        let texture = model.tex_type().iter().position(|&kind| kind == MjtTexture::mjTEXTURE_SKYBOX);
        let faces = texture.and_then(|texture| Pixels::of(model, texture)).map(|pixels| pixels.faces());
        let colored = faces.filter(|faces| {
            let horizon = horizon(&faces[AHEAD]);
            horizon.max_element() - horizon.min_element() > GREY
        });
        Self::from_faces(&colored.map_or_else(plain, |faces| calmed(&faces)))
    }

    /// The shader of the sky mirrors z, so fronts and backs change places and every face is mirrored.
    fn from_faces(faces: &[Pixels; 6]) -> Self {
        let side = faces[0].width;
        let mirrored = |place: usize| {
            let (face, upright) = match place {
                UP | DOWN => (&faces[place], false),
                4 => (&faces[5], true),
                5 => (&faces[4], true),
                _ => (&faces[place], true),
            };
            Pixels::generate(
                side,
                side,
                |x, y| {
                    if upright { face.at(side - 1 - x, y) } else { face.at(x, side - 1 - y) }
                },
            )
        };
        let copies = [0, 1, 2, 3, 4, 5].map(|place| mirrored(place).with_smaller_copies());
        let size = Extent3d { width: side as u32, height: side as u32, depth_or_array_layers: 6 };
        let mut image = Image::new_uninit(size, TextureDimension::D2, FORMAT, RenderAssetUsages::RENDER_WORLD);
        image.texture_descriptor.mip_level_count = copies[0].1;
        image.data = Some(copies.into_iter().flat_map(|(data, _)| data).collect());
        image.sampler = ImageSampler::Descriptor(ImageSamplerDescriptor {
            mipmap_filter: ImageFilterMode::Linear,
            ..ImageSamplerDescriptor::linear()
        });
        image.texture_view_descriptor =
            Some(TextureViewDescriptor { dimension: Some(TextureViewDimension::Cube), ..default() });
        let [r, g, b] = horizon(&faces[AHEAD]).to_array();
        Self { image, horizon: Color::srgb(r, g, b) }
    }
}

/// A bright day.
fn plain() -> [Pixels; 6] {
    let [zenith, horizon, below] = PLAIN;
    let side = 128;
    [0, 1, 2, 3, 4, 5].map(|face| {
        Pixels::generate(side, side, |x, y| {
            let height = height(face, x, y, side);
            let (end, share) = if height > 0.0 { (zenith, height.powf(0.6)) } else { (below, depth(height)) };
            bytes(horizon.lerp(end, share))
        })
    })
}

/// A sky whose marks come out above the horizon only, the more the higher; below it is even.
fn calmed(faces: &[Pixels; 6]) -> [Pixels; 6] {
    let side = faces[0].width;
    let horizon = horizon(&faces[AHEAD]);
    let unmarked: Vec<Vec3> = (0..side).map(|y| middle_of_row(&faces[AHEAD], y)).collect();
    [0, 1, 2, 3, 4, 5].map(|face| {
        Pixels::generate(side, side, |x, y| {
            let height = height(face, x, y, side);
            if height <= 0.0 {
                return bytes(horizon * 1.0_f32.lerp(BELOW, depth(height)));
            }
            let own = faces[face].at(x, y);
            let share = ((height - MARKS.0) / (MARKS.1 - MARKS.0)).clamp(0.0, 1.0);
            if face == UP || share == 1.0 { own } else { bytes(unmarked[y].lerp(color(own), share)) }
        })
    })
}

/// Sine of the elevation at which a pixel of a face is seen.
fn height(face: usize, x: usize, y: usize, side: usize) -> f32 {
    let unit = |index: usize| (2.0 * index as f32 + 1.0) / side as f32 - 1.0;
    let (u, v) = (unit(x), unit(y));
    let length = Vec3::new(u, v, 1.0).length();
    match face {
        UP => 1.0 / length,
        DOWN => -1.0 / length,
        _ => -v / length,
    }
}

/// How far below the haze of the horizon, from 0 to 1.
fn depth(height: f32) -> f32 {
    (4.0 * (-height - HAZE)).clamp(0.0, 1.0)
}

fn horizon(ahead: &Pixels) -> Vec3 {
    middle_of_row(ahead, ahead.width / 2)
}

/// The middle of a row in the order of brightness, so that marks do not count.
fn middle_of_row(face: &Pixels, y: usize) -> Vec3 {
    let mut row: Vec<[u8; CHANNELS]> = (0..face.width).map(|x| face.at(x, y)).collect();
    let brightness = |pixel: &[u8; CHANNELS]| pixel[..3].iter().map(|&channel| u32::from(channel)).sum::<u32>();
    let middle = row.len() / 2;
    color(*row.select_nth_unstable_by_key(middle, brightness).1)
}

fn color([r, g, b, _]: [u8; CHANNELS]) -> Vec3 {
    Vec3::new(f32::from(r), f32::from(g), f32::from(b)) / 255.0
}

fn bytes(color: Vec3) -> [u8; CHANNELS] {
    color.extend(1.0).to_array().map(|x| (255.0 * x).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STARS: &str = r#"<mujoco>
        <asset><texture type="skybox" builtin="gradient" rgb1="KIND" rgb2="0 0 0" width="100" height="100"
            mark="random" markrgb="1 1 1" random="0.05"/></asset>
        <worldbody><geom size="1"/></worldbody></mujoco>"#;

    fn model(zenith: &str) -> MjModel {
        MjModel::from_xml_string(&STARS.replace("KIND", zenith)).expect("a valid model")
    }

    /// Pixels of a row whose neighbor is much darker.
    fn marks(face: &Pixels, rows: std::ops::Range<usize>) -> usize {
        let sum = |x, y| face.at(x, y)[..3].iter().map(|&channel| i32::from(channel)).sum::<i32>();
        rows.map(|y| (1..face.width).filter(|&x| sum(x, y) - sum(x - 1, y) > 150).count()).sum()
    }

    #[test]
    fn stars_come_out_above_the_horizon_only() {
        let model = model("0.4 0.6 0.8");
        let faces = Pixels::of(&model, 0).expect("a texture").faces();
        let calm = calmed(&faces);
        for face in [0, 1, 4, 5] {
            assert!(marks(&faces[face], 40..100) > 50, "the model's own sky is full of marks");
            assert_eq!(marks(&calm[face], 45..100), 0, "face {face} has marks at the horizon or below");
            assert!(marks(&calm[face], 0..15) > 10, "face {face} lost its stars");
        }
        assert_eq!(marks(&calm[DOWN], 0..100), 0);
        let edge = (horizon(&faces[AHEAD]) - color(calm[AHEAD].at(50, 51))).abs().max_element();
        assert!(edge < 0.05, "the color jumps by {edge} at the horizon");
    }

    #[test]
    fn a_grey_sky_gives_way_to_a_plain_one() {
        let horizon = |zenith: &str| Sky::of(&model(zenith)).horizon.to_srgba();
        let plain = horizon("1 1 1");
        assert!((plain.blue - PLAIN[1].z).abs() < 0.02, "{plain:?}");
        assert!((horizon("0.4 0.6 0.8").blue - 0.4).abs() < 0.05);
    }

    #[test]
    fn the_plain_sky_is_lighter_at_the_horizon_than_above() {
        let faces = plain();
        let brightness = |face: usize, y: usize| color(faces[face].at(64, y)).element_sum();
        let (horizon, high) = (brightness(AHEAD, 63), brightness(AHEAD, 0));
        let (up, down) = (brightness(UP, 64), brightness(DOWN, 64));
        assert!(horizon > high && high > up && up != down, "{horizon} {high} {up} {down}");
    }
}
