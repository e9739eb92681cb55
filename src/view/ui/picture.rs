//! Pictures of instances at the size at which they are shown, painted when something changed.

use bevy::asset::RenderAssetUsages;
use bevy::image::Image;
use bevy::prelude::*;
use bevy::render::render_resource::{Extent3d, TextureDimension, TextureFormat};
use bevy::tasks::ComputeTaskPool;
use bevy_egui::{EguiTextureHandle, EguiUserTextures, egui};

use super::theme;
use crate::env::{draw_backdrop, draw_instance};
use crate::paint::Vector;
use crate::sim::{Seed, Sim};
use crate::view::ViewSystems;
use crate::view::clock::Pace;
use crate::view::comparison::Comparisons;
use crate::view::ghost::{Ghost, ShowGhost};
use crate::view::selection::Instances;

/// How strongly the ghost covers what lies below it.
const GHOST_OPACITY: f32 = 0.6;
/// How much of the ghost's color is its own; the rest is [`theme::GHOST`].
const GHOST_OWN_COLOR: f32 = 0.25;

/// The picture of an instance on show.
#[derive(Component)]
pub(super) struct Picture {
    /// How egui refers to it.
    pub(super) texture: egui::TextureId,
    /// Width and height to paint it at, px; 0 while it is not on show.
    pub(super) side: u32,
    pub(super) image: Handle<Image>,
    painted: Option<Content>,
}

/// What a picture shows: equal contents give equal pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Content {
    side: u32,
    steps: u64,
    ghost: Option<(Entity, usize)>,
}

/// How much of the time is spent on 3D scenes.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SceneBudget {
    /// So many of a grid are drawn in a frame, the others keep their last picture.
    pub(super) scenes: usize,
    /// Whether all that counts is the picture that is taken in the end.
    pub(super) offscreen: bool,
}

/// How many pictures on show still lack what they should show.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stale(pub(super) usize);

/// Keeps a [`Picture`] for each of [`Instances`].
pub(super) struct PicturePlugin;

impl Plugin for PicturePlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Stale>()
            .add_systems(Startup, add_pictures)
            .add_systems(Update, paint.in_set(ViewSystems::Paint));
    }
}

fn add_pictures(
    mut commands: Commands,
    instances: Res<Instances>,
    mut images: ResMut<Assets<Image>>,
    mut textures: ResMut<EguiUserTextures>,
) {
    for &instance in &instances.0 {
        let image = images.add(picture_of(1, vec![0; 4]));
        let texture = textures.add_image(EguiTextureHandle::Strong(image.clone()));
        commands.entity(instance).insert(Picture { texture, side: 0, image, painted: None });
    }
}

fn paint(world: &mut World) {
    let jobs = changed_pictures(world);
    if jobs.is_empty() {
        return;
    }
    let seed = world.resource::<Sim>().seed;
    let shared: &World = world;
    let painted = ComputeTaskPool::get().scope(|scope| {
        for &(instance, content) in &jobs {
            scope.spawn(async move { paint_instance(shared, instance, content, seed) });
        }
    });
    for ((instance, content), bytes) in jobs.into_iter().zip(painted) {
        let mut picture = world.get_mut::<Picture>(instance).expect("it was there above");
        picture.painted = Some(content);
        let handle = picture.image.clone();
        let mut images = world.resource_mut::<Assets<Image>>();
        images.insert(&handle, picture_of(content.side, bytes)).expect("the picture holds a handle to its image");
    }
}

fn changed_pictures(world: &mut World) -> Vec<(Entity, Content)> {
    let ghost = visible_ghost(world);
    let instances = world.resource::<Instances>().0.clone();
    instances
        .into_iter()
        .filter_map(|instance| {
            let picture = world.get::<Picture>(instance)?;
            let content = Content {
                side: picture.side,
                steps: world.get::<Pace>(instance)?.steps,
                ghost: ghost.filter(|ghost| ghost.0 == instance).map(|(_, entity, steps)| (entity, steps)),
            };
            (picture.side > 0 && picture.painted != Some(content)).then_some((instance, content))
        })
        .collect()
}

/// The ghost on show: of whom, its entity, its steps.
fn visible_ghost(world: &mut World) -> Option<(Entity, Entity, usize)> {
    if !world.resource::<ShowGhost>().0 {
        return None;
    }
    let current = world.resource::<Comparisons>().current.as_ref()?.instance;
    let mut ghosts = world.query::<(Entity, &Ghost)>();
    let (entity, ghost) = ghosts.iter(world).find(|(_, ghost)| ghost.of == current && !ghost.ended)?;
    Some((ghost.of, entity, ghost.steps))
}

fn paint_instance(world: &World, instance: Entity, content: Content, seed: Seed) -> Vec<u8> {
    let mut canvas = Vector::new(content.side, content.side);
    draw_instance(world, instance, &mut canvas, seed);
    let mut bytes = canvas.bytes().to_vec();
    if let Some((ghost, _)) = content.ghost {
        let (mut over, mut backdrop) =
            (Vector::new(content.side, content.side), Vector::new(content.side, content.side));
        draw_instance(world, ghost, &mut over, seed);
        draw_backdrop(world, ghost, &mut backdrop);
        blend_ghost(&mut bytes, over.bytes(), backdrop.bytes());
    }
    bytes
}

/// Lays the ghost over the picture where it differs from the backdrop and from the picture itself.
fn blend_ghost(picture: &mut [u8], ghost: &[u8], backdrop: &[u8]) {
    let pixels = picture.chunks_exact_mut(4).zip(ghost.chunks_exact(4)).zip(backdrop.chunks_exact(4));
    for ((pixel, ghost), backdrop) in pixels {
        if ghost == backdrop || ghost == pixel {
            continue;
        }
        for ((below, &own), tint) in pixel.iter_mut().zip(&ghost[..3]).zip(theme::GHOST) {
            let color = f32::from(own) * GHOST_OWN_COLOR + f32::from(tint) * (1.0 - GHOST_OWN_COLOR);
            *below = (f32::from(*below) * (1.0 - GHOST_OPACITY) + color * GHOST_OPACITY).round() as u8;
        }
    }
}

fn picture_of(side: u32, bytes: Vec<u8>) -> Image {
    let size = Extent3d { width: side, height: side, depth_or_array_layers: 1 };
    // Kept on the GPU alone: a change replaces the whole picture.
    let usage = RenderAssetUsages::RENDER_WORLD;
    Image::new(size, TextureDimension::D2, bytes, TextureFormat::Rgba8UnormSrgb, usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ghost_shows_only_where_it_stands_apart() {
        let backdrop = [0, 0, 0, 255].repeat(3);
        let mut picture = [[0, 0, 0, 255], [200, 0, 0, 255], [200, 0, 0, 255]].concat();
        let ghost = [[200, 0, 0, 255], [0, 0, 0, 255], [200, 0, 0, 255]].concat();
        blend_ghost(&mut picture, &ghost, &backdrop);
        assert!(picture[0] > 30, "the ghost is drawn on the free backdrop: {picture:?}");
        assert_eq!(picture[4..8], [200, 0, 0, 255], "the instance is not dimmed where the ghost is not");
        assert_eq!(picture[8..], [200, 0, 0, 255], "where both are alike nothing is laid over");
    }
}
