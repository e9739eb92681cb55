//! Cameras: the model's own, and the free one with a sensible start.

use bevy::camera::visibility::RenderLayers;
use bevy::camera::{Exposure, RenderTarget};
use bevy::core_pipeline::tonemapping::Tonemapping;
use bevy::light::Skybox;
use bevy::pbr::{DistanceFog, FogFalloff};
use bevy::prelude::*;
use bevy::render::view::Msaa;
use mujoco_rs::wrappers::mj_model::{MjtObjBase, MjtProjection};

use super::blueprint::Blueprint;
use super::framing::Framing;
use super::lights::{self, CANDELAS_OF_WHITE};
use super::shapes::HORIZON_M;
use super::sync::frame;
use crate::env::mujoco::Physics;
use crate::view::viewpoint::{FREE_FOV_RAD, Orbit, Viewpoint};

/// Start of the free camera where the model has none of its own: heading and tilt, degrees.
const START_DEG: (f32, f32) = (115.0, -16.0);
/// The same over an arena that is much larger than what moves in it.
const ARENA_START_DEG: (f32, f32) = (70.0, -38.0);
/// Beside the model's first camera, so that what is seen from the side has depth, degrees.
const ASIDE_DEG: f32 = 22.0;
/// Tilt over what happens in a plane that is seen from above, degrees.
const OVERVIEW_DEG: f32 = -60.0;
/// Tilt at least and at most elsewhere, degrees: the horizon stays in the picture.
const START_TILTS_DEG: (f32, f32) = (-16.0, -12.0);
/// Distance of the start in extents of the scene.
const START_DISTANCE: f32 = 1.45;
/// The same over an arena.
const ARENA_START_DISTANCE: f32 = 1.7;
/// The lightest surface may become so bright by the estimate, as a share of white; cones of lamps seldom reach all of it.
const LIGHTEST: f32 = 1.2;
/// Nearest that anything is seen, in extents.
const NEAR: f32 = 0.01;
/// Where fog begins and where nothing else is seen, in extents of the scene.
const FOG: (f32, f32) = (2.5, 40.0);

/// The view with which an instance starts.
pub(super) fn viewpoint(physics: &Physics) -> Viewpoint {
    let model = physics.model().wrapped();
    let framing = Framing::of(physics);
    let (azimuth, elevation) = if framing.is_arena { ARENA_START_DEG } else { start(physics) };
    let home = Orbit {
        focus: framing.center,
        distance: if framing.is_arena { ARENA_START_DISTANCE } else { START_DISTANCE } * framing.extent,
        azimuth_rad: azimuth.to_radians(),
        elevation_rad: elevation.to_radians(),
    };
    let name = |camera: usize| {
        let name = model.id_to_name(MjtObjBase::mjOBJ_CAMERA, camera).filter(|name| !name.is_empty());
        name.map_or_else(|| format!("camera {camera}"), str::to_owned)
    };
    let cameras = (0..model.ncam() as usize).map(name).collect();
    Viewpoint { cameras, camera: None, orbit: home, home, size: UVec2::ZERO }
}

/// Heading and tilt, degrees: near those of the model's first camera, which knows from where its scene is best seen.
fn start(physics: &Physics) -> (f32, f32) {
    let (_, rotations) = physics.camera_frames();
    let Some(rotation) = rotations.first() else { return START_DEG };
    let forward = *frame([0.0; 3], *rotation).forward();
    let elevation = forward.z.clamp(-1.0, 1.0).asin().to_degrees();
    // Seen from above there is no heading; up in the picture is ahead.
    let heading = |ahead: Vec3| ahead.y.atan2(ahead.x).to_degrees();
    if elevation < -75.0 {
        return (heading(*frame([0.0; 3], *rotation).up()), OVERVIEW_DEG);
    }
    (heading(forward) + ASIDE_DEG, elevation.clamp(START_TILTS_DEG.0, START_TILTS_DEG.1))
}

/// The camera of a scene; it has no target yet.
pub(super) fn spawn(world: &mut World, blueprint: &Blueprint, extent: f32, below: (ChildOf, RenderLayers)) -> Entity {
    let model = blueprint.model.wrapped();
    // So that what is lightest keeps its shape.
    let lightest = blueprint.lightest * lights::brightness_of_white(model);
    let exposure = (LIGHTEST / lightest.max(1e-3)).min(1.0) / CANDELAS_OF_WHITE;
    let sky = Skybox { image: Some(blueprint.sky.clone()), brightness: 1.0 / exposure, ..default() };
    let fog = DistanceFog {
        color: blueprint.horizon,
        falloff: FogFalloff::Linear { start: FOG.0 * extent, end: (FOG.1 * extent).min(0.9 * HORIZON_M) },
        ..default()
    };
    let camera = Camera { is_active: false, order: -1, ..default() };
    let target = RenderTarget::None { size: UVec2::ONE };
    let exposure = Exposure { ev100: -(1.2 * exposure).log2() };
    let look = (Tonemapping::None, Msaa::Sample4, exposure, sky, fog, lights::ambient(model));
    let entity = world.spawn((Camera3d::default(), camera, target, look, below.clone())).id();
    if let Some(headlight) = lights::headlight(model) {
        world.spawn((headlight, ChildOf(entity), below.1));
    }
    entity
}

/// Where the chosen camera is and how it projects.
pub(super) fn pose(physics: &Physics, view: &Viewpoint, framing: &Framing) -> (Transform, Projection) {
    let model = physics.model().wrapped();
    let near = NEAR * framing.extent;
    let perspective = |fov: f32| Projection::Perspective(PerspectiveProjection { fov, near, ..default() });
    let Some(camera) = view.camera else {
        return (view.orbit.pose(framing.followed(physics)), perspective(FREE_FOV_RAD));
    };
    let (places, rotations) = physics.camera_frames();
    let pose = frame(places[camera], rotations[camera]);
    let height = model.cam_fovy()[camera] as f32;
    let projection = match model.cam_projection()[camera] {
        MjtProjection::mjPROJ_ORTHOGRAPHIC => Projection::Orthographic(OrthographicProjection {
            near,
            far: 100.0 * framing.extent,
            scaling_mode: bevy::camera::ScalingMode::FixedVertical { viewport_height: height },
            ..OrthographicProjection::default_3d()
        }),
        _ => perspective(height.to_radians()),
    };
    (pose, projection)
}
