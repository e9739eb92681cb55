//! A model's textures as images: flat ones with smaller copies for the distance, cubes as an atlas of faces.

use bevy::asset::RenderAssetUsages;
use bevy::image::{ImageAddressMode, ImageFilterMode, ImageSampler, ImageSamplerDescriptor};
use bevy::prelude::*;
use bevy::render::render_resource::{Extent3d, TextureDimension, TextureFormat};
use mujoco_rs::wrappers::mj_model::MjModel;

/// Bytes of a pixel in our images.
pub(super) const CHANNELS: usize = 4;
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

    /// The pixel in column `x` of row `y`.
    pub(super) fn at(&self, x: usize, y: usize) -> [u8; CHANNELS] {
        let start = (y * self.width + x) * CHANNELS;
        [0, 1, 2, 3].map(|channel| self.rgba[start + channel])
    }

    /// Made pixel by pixel, from column and row.
    pub(super) fn generate(width: usize, height: usize, mut pixel: impl FnMut(usize, usize) -> [u8; CHANNELS]) -> Self {
        let mut rgba = Vec::with_capacity(width * height * CHANNELS);
        for y in 0..height {
            (0..width).for_each(|x| rgba.extend(pixel(x, y)));
        }
        Self { width, height, rgba }
    }

    /// The mean of each pixel's strongest channel, from 0 to 1.
    pub(super) fn brightness(&self) -> f32 {
        let strongest = self.rgba.chunks_exact(CHANNELS).map(|pixel| f32::from(pixel[0].max(pixel[1]).max(pixel[2])));
        strongest.sum::<f32>() / (255 * self.width * self.height) as f32
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
    pub(super) fn faces(&self) -> [Self; 6] {
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
    pub(super) fn with_smaller_copies(&self) -> (Vec<u8>, u32) {
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

/// Of all our images.
pub(super) const FORMAT: TextureFormat = TextureFormat::Rgba8UnormSrgb;

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
}
