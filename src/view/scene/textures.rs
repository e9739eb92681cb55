//! A model's textures as images: flat ones with smaller copies for the distance, cubes as an atlas of faces, skies.

use bevy::asset::RenderAssetUsages;
use bevy::image::{ImageAddressMode, ImageFilterMode, ImageSampler, ImageSamplerDescriptor};
use bevy::prelude::*;
use bevy::render::render_resource::{
    Extent3d, TextureDimension, TextureFormat, TextureViewDescriptor, TextureViewDimension,
};
use mujoco_rs::wrappers::mj_model::{MjModel, MjtTexture};

/// Bytes of a pixel in our images.
const CHANNELS: usize = 4;
/// The sky of a model that has none: red, green, blue of zenith, horizon and what lies below.
const PLAIN_SKY: [[f32; 3]; 3] = [[0.36, 0.55, 0.80], [0.82, 0.88, 0.94], [0.42, 0.45, 0.50]];

/// Pixels of a picture, four bytes each, top row first.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pixels {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) rgba: Vec<u8>,
}

impl Pixels {
    /// The model's texture; `None` where its file cannot be read.
    pub(super) fn of(model: &MjModel, texture: usize) -> Option<Self> {
        let data = model.load_texture(texture).ok()?;
        let (width, height) = (model.tex_width()[texture] as usize, model.tex_height()[texture] as usize);
        let channels = model.tex_nchannel()[texture] as usize;
        let rgba = data
            .chunks_exact(channels)
            .flat_map(|pixel| match *pixel {
                [gray] => [gray, gray, gray, 255],
                [gray, alpha] => [gray, gray, gray, alpha],
                [r, g, b] => [r, g, b, 255],
                _ => [pixel[0], pixel[1], pixel[2], pixel[3]],
            })
            .collect();
        Some(Self { width, height, rgba })
    }

    fn at(&self, x: usize, y: usize) -> [u8; CHANNELS] {
        let start = (y * self.width + x) * CHANNELS;
        [0, 1, 2, 3].map(|channel| self.rgba[start + channel])
    }

    fn generate(width: usize, height: usize, mut pixel: impl FnMut(usize, usize) -> [u8; CHANNELS]) -> Self {
        let mut rgba = Vec::with_capacity(width * height * CHANNELS);
        for y in 0..height {
            (0..width).for_each(|x| rgba.extend(pixel(x, y)));
        }
        Self { width, height, rgba }
    }

    /// Half as wide and high, each pixel the mean of those it covers.
    fn halved(&self) -> Self {
        let (width, height) = ((self.width / 2).max(1), (self.height / 2).max(1));
        Self::generate(width, height, |x, y| {
            let (x_ends, y_ends) =
                ([0, 1].map(|d| (2 * x + d).min(self.width - 1)), [0, 1].map(|d| (2 * y + d).min(self.height - 1)));
            let four = y_ends.map(|y| x_ends.map(|x| self.at(x, y)));
            [0, 1, 2, 3].map(|channel| {
                let sum: u32 = four.iter().flatten().map(|pixel| u32::from(pixel[channel])).sum();
                (sum / 4) as u8
            })
        })
    }

    /// The six faces of a cube texture, in OpenGL's order; one picture may stand for all.
    fn faces(&self) -> [Self; 6] {
        let side = self.width;
        [0, 1, 2, 3, 4, 5].map(|face| {
            let first = if self.height >= 6 * side { face * side } else { 0 };
            Self::generate(side, side, |x, y| self.at(x, (first + y).min(self.height - 1)))
        })
    }

    fn image(&self, data: Vec<u8>) -> Image {
        let size = Extent3d { width: self.width as u32, height: self.height as u32, depth_or_array_layers: 1 };
        let mut image = Image::new_uninit(size, TextureDimension::D2, FORMAT, RenderAssetUsages::RENDER_WORLD);
        image.data = Some(data);
        image
    }

    /// The picture and its copies, each half as large as the one before, down to one pixel; and how many that are.
    fn with_smaller_copies(&self) -> (Vec<u8>, u32) {
        let (mut data, mut levels, mut level) = (self.rgba.clone(), 1, self.clone());
        while level.width > 1 || level.height > 1 {
            level = level.halved();
            data.extend(&level.rgba);
            levels += 1;
        }
        (data, levels)
    }

    /// A texture that repeats in both directions and stays calm in the distance.
    pub(super) fn repeating(&self) -> Image {
        let (data, levels) = self.with_smaller_copies();
        let mut image = self.image(data);
        image.texture_descriptor.mip_level_count = levels;
        image.sampler = ImageSampler::Descriptor(ImageSamplerDescriptor {
            address_mode_u: ImageAddressMode::Repeat,
            address_mode_v: ImageAddressMode::Repeat,
            mipmap_filter: ImageFilterMode::Linear,
            anisotropy_clamp: 16,
            ..ImageSamplerDescriptor::linear()
        });
        image
    }

    /// The faces of a cube texture one above the other.
    pub(super) fn atlas(&self) -> Image {
        let data = self.faces().iter().flat_map(|face| face.rgba.iter().copied()).collect();
        let mut image = Self { height: 6 * self.width, ..self.clone() }.image(data);
        image.sampler = ImageSampler::linear();
        image
    }
}

const FORMAT: TextureFormat = TextureFormat::Rgba8UnormSrgb;

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
        let pixels = texture.and_then(|texture| Pixels::of(model, texture));
        pixels.map_or_else(Self::plain, |pixels| Self::from_faces(&pixels.faces()))
    }

    fn plain() -> Self {
        let side = 64;
        let color = |height: f32| {
            let [zenith, horizon, below] = PLAIN_SKY.map(Vec3::from);
            let (end, share) =
                if height > 0.0 { (zenith, height.powf(0.6)) } else { (below, (-8.0 * height).min(1.0)) };
            horizon.lerp(end, share).extend(1.0).to_array().map(|x| (255.0 * x).round() as u8)
        };
        let unit = |index: usize| (2.0 * index as f32 + 1.0) / side as f32 - 1.0;
        Self::from_faces(&[0, 1, 2, 3, 4, 5].map(|face| {
            Pixels::generate(side, side, |x, y| {
                let (u, v) = (unit(x), unit(y));
                let length = Vec3::new(u, v, 1.0).length();
                match face {
                    2 => color(1.0 / length),
                    3 => color(-1.0 / length),
                    _ => color(-v / length),
                }
            })
        }))
    }

    /// The shader of the sky mirrors z, so fronts and backs change places and every face is mirrored.
    fn from_faces(faces: &[Pixels; 6]) -> Self {
        let side = faces[0].width;
        let mirrored = |place: usize| {
            let (face, upright) = match place {
                2 | 3 => (&faces[place], false),
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
        Self { image, horizon: horizon(&faces[4]) }
    }
}

/// The middle of what lies at eye level, in the order of brightness, so that stars do not count.
fn horizon(face: &Pixels) -> Color {
    let mut row: Vec<[u8; CHANNELS]> = (0..face.width).map(|x| face.at(x, face.height / 2)).collect();
    row.sort_by_key(|pixel| pixel[..3].iter().map(|&channel| u32::from(channel)).sum::<u32>());
    let [r, g, b, _] = row[row.len() / 2];
    Color::srgb_u8(r, g, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smaller_copies_keep_the_mean_color() {
        let checker = Pixels::generate(8, 4, |x, y| if (x + y) % 2 == 0 { [200, 0, 0, 255] } else { [0, 100, 0, 255] });
        let image = checker.repeating();
        assert_eq!(image.texture_descriptor.mip_level_count, 4, "8x4, 4x2, 2x1, 1x1");
        let data = image.data.expect("it was just made");
        assert_eq!(data.len(), (32 + 8 + 2 + 1) * CHANNELS);
        assert_eq!(data[data.len() - CHANNELS..], [100, 50, 0, 255]);
    }

    #[test]
    fn the_plain_sky_is_lighter_at_the_horizon_than_above() {
        let sky = Sky::plain();
        let data = sky.image.data.expect("it was just made");
        let face = data.len() / 6;
        let brightness = |start: usize| data[start..start + 3].iter().map(|&x| u32::from(x)).sum::<u32>();
        let (row, middle) = (64 * CHANNELS, 32 * 64 * CHANNELS);
        let (horizon, high) = (brightness(face * 4 + 31 * row), brightness(face * 4));
        let (up, down) = (brightness(face * 2 + middle), brightness(face * 3 + middle));
        assert!(horizon > high && high > up && up != down, "{horizon} {high} {up} {down}");
    }
}
