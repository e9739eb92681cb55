//! Pictures of 3D scenes: each scene's camera draws into its tile's texture when something changed.

use std::time::Duration;

use bevy::camera::RenderTarget;
use bevy::light::cluster::GlobalClusterSettings;
use bevy::prelude::*;
use bevy::render::render_resource::TextureFormat;
use bevy::time::Real;

use super::picture::{Picture, SceneBudget, Stale};
use crate::view::ViewSystems;
use crate::view::clock::{Clock, Pace};
use crate::view::ghost::{Ghost, ShowGhost};
use crate::view::scene::{Scene, ScenePlugin};
use crate::view::selection::{Instances, Selection};
use crate::view::viewpoint::{Orbit, ShowInside, Viewpoint};

/// A scene that has just opened is drawn again and again for so long: its materials become ready one by one.
const SETTLING: Duration = Duration::from_secs(5);

/// Keeps the pictures of 3D scenes.
pub(super) struct StagePlugin;

impl Plugin for StagePlugin {
    fn build(&self, app: &mut App) {
        app.add_plugins(ScenePlugin)
            .add_systems(Startup, keep_lights_apart)
            .add_systems(Update, (set_up, direct).chain().after(ViewSystems::Paint));
    }
}

/// What of a scene is in its picture.
#[derive(Component)]
struct Stage {
    size: UVec2,
    opened: Duration,
    drawn: Option<Content>,
    /// When it was drawn last, in frames.
    frame: u64,
}

/// Equal contents give equal pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Content {
    size: UVec2,
    camera: Option<usize>,
    orbit: Orbit,
    steps: u64,
    ghost: Option<(Entity, usize)>,
    inside: Option<ShowInside>,
}

/// Sorting lights into clusters on the GPU, they would shine into all scenes.
fn keep_lights_apart(settings: Option<ResMut<GlobalClusterSettings>>) {
    if let Some(mut settings) = settings {
        settings.gpu_clustering = None;
    }
}

/// Gives cameras targets as large as their tiles.
fn set_up(
    mut commands: Commands,
    mut images: ResMut<Assets<Image>>,
    time: Res<Time<Real>>,
    mut scenes: Query<(Entity, &Scene, &Viewpoint, &Picture, Option<&mut Stage>)>,
) {
    for (instance, scene, view, picture, stage) in &mut scenes {
        if view.size == UVec2::ZERO || stage.as_ref().is_some_and(|stage| stage.size == view.size) {
            continue;
        }
        let image = Image::new_target_texture(view.size.x, view.size.y, TextureFormat::Rgba8UnormSrgb, None);
        images.insert(&picture.image, image).expect("the picture holds a handle to its image");
        commands.entity(scene.camera).insert(RenderTarget::Image(picture.image.clone().into()));
        match stage {
            Some(mut stage) => (stage.size, stage.drawn) = (view.size, None),
            None => {
                let opened = time.elapsed();
                commands.entity(instance).insert(Stage { size: view.size, opened, drawn: None, frame: 0 });
            }
        }
    }
}

/// Chooses the scenes that are drawn in this frame: of those that changed, the ones that have waited longest.
fn direct(
    mut frame: Local<u64>,
    mut stale: ResMut<Stale>,
    (instances, selection, inside, shows_ghost): (Res<Instances>, Res<Selection>, Res<ShowInside>, Res<ShowGhost>),
    (budget, clock, time): (Res<SceneBudget>, Res<Clock>, Res<Time<Real>>),
    ghosts: Query<(Entity, &Ghost)>,
    mut scenes: Query<(Entity, &Scene, &Viewpoint, &Pace, &mut Stage)>,
    (mut cameras, mut roots): (Query<&mut Camera>, Query<&mut Visibility>),
) {
    *frame += 1;
    let alone = selection.enlarged || instances.0.len() == 1;
    let selected = instances.selected(*selection);
    let mut waiting = Vec::new();
    for (instance, scene, view, pace, stage) in &scenes {
        let ghost = ghosts.iter().find(|(_, ghost)| shows_ghost.0 && ghost.of == instance && !ghost.ended);
        let content = Content {
            size: view.size,
            camera: view.camera,
            orbit: view.orbit,
            steps: pace.steps,
            ghost: ghost.map(|(entity, ghost)| (entity, ghost.steps)),
            inside: (alone && instance == selected).then_some(*inside),
        };
        let settling = !budget.offscreen && time.elapsed().saturating_sub(stage.opened) < SETTLING;
        let wanted = view.size != UVec2::ZERO && (!budget.offscreen || clock.is_held());
        if wanted && (stage.drawn != Some(content) || settling) {
            waiting.push((stage.frame, instance, content));
        }
        cameras.get_mut(scene.camera).expect("a scene keeps its camera").is_active = false;
        roots.get_mut(scene.root).expect("a scene keeps its root").set_if_neq(Visibility::Hidden);
    }
    waiting.sort_by_key(|&(frame, instance, _)| (frame, instance));
    stale.0 = waiting.len();
    for (_, instance, content) in waiting.into_iter().take(budget.scenes) {
        let (_, scene, _, _, mut stage) = scenes.get_mut(instance).expect("it was there above");
        (stage.drawn, stage.frame) = (Some(content), *frame);
        cameras.get_mut(scene.camera).expect("a scene keeps its camera").is_active = true;
        roots.get_mut(scene.root).expect("a scene keeps its root").set_if_neq(Visibility::Visible);
    }
}
