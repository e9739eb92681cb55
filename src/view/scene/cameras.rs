//! Cameras: the model's own, and the free one with a sensible start.

use bevy::camera::visibility::RenderLayers;
use bevy::camera::{Exposure, RenderTarget};
use bevy::core_pipeline::tonemapping::Tonemapping;
use bevy::light::Skybox;
use bevy::pbr::{DistanceFog, FogFalloff};
use bevy::prelude::*;
use bevy::render::view::Msaa;
use mujoco_rs::wrappers::mj_model::{MjModel, MjtJoint, MjtObjBase, MjtProjection};

use super::blueprint::Blueprint;
use super::lights::{self, CANDELAS_OF_WHITE};
use super::sync::vector;
use crate::env::mujoco::Physics;
use crate::view::viewpoint::{FREE_FOV_RAD, Orbit, Viewpoint};

/// Start of the free camera: heading and tilt, degrees.
const START_DEG: (f32, f32) = (115.0, -18.0);
/// The same over an arena that is much larger than what moves in it.
const ARENA_START_DEG: (f32, f32) = (80.0, -50.0);
/// Distance of the start in extents of the model.
const START_DISTANCE: f32 = 1.6;
/// From so many times the size of what moves on, a scene is an arena.
const ARENA: f32 = 6.0;
/// Where fog begins and where nothing else is seen, in extents of the model.
const FOG: (f32, f32) = (8.0, 70.0);

/// What the free camera goes along with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Follow(Option<usize>);

impl Follow {
    /// The first body that can go far, unless the whole arena is in view anyway.
    pub(super) fn new(physics: &Physics) -> Self {
        let model = physics.model().wrapped();
        Self(traveler(model).filter(|_| !is_arena(physics)))
    }

    /// Where it is: height does not count, so that a jump looks like one.
    pub(super) fn place(self, physics: &Physics) -> Vec3 {
        self.0.map_or(Vec3::ZERO, |body| vector(physics.body_positions()[body]).with_z(0.0))
    }
}

/// The view with which an instance starts.
pub(super) fn viewpoint(physics: &Physics) -> Viewpoint {
    let model = physics.model().wrapped();
    let (center, extent) = center_and_extent(model);
    let follow = Follow::new(physics);
    let (azimuth, elevation) = if is_arena(physics) { ARENA_START_DEG } else { START_DEG };
    let home = Orbit {
        focus: if follow.0.is_some() { Vec3::new(0.0, 0.0, center.z) } else { center },
        distance: START_DISTANCE * extent,
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

/// The model's center and about how far it reaches, m.
pub(super) fn center_and_extent(model: &MjModel) -> (Vec3, f32) {
    (vector(model.stat().center), (model.stat().extent as f32).max(1e-3))
}

/// The first body with a joint that lets it go as far as it likes.
fn traveler(model: &MjModel) -> Option<usize> {
    let goes_far = |joint: usize| match model.jnt_type()[joint] {
        MjtJoint::mjJNT_FREE => true,
        MjtJoint::mjJNT_SLIDE => !model.jnt_limited()[joint],
        _ => false,
    };
    (0..model.njnt() as usize).find(|&joint| goes_far(joint)).map(|joint| model.jnt_bodyid()[joint] as usize)
}

/// Whether what moves is small in its surroundings.
fn is_arena(physics: &Physics) -> bool {
    let model = physics.model().wrapped();
    let Some(body) = traveler(model) else { return false };
    let root = model.body_rootid()[body];
    let (middle, _) = (vector(physics.body_positions()[body]), ());
    let (places, _) = physics.geom_frames();
    let size = (0..model.ngeom() as usize)
        .filter(|&geom| model.body_rootid()[model.geom_bodyid()[geom] as usize] == root)
        .map(|geom| vector(places[geom]).distance(middle) + model.geom_rbound()[geom] as f32)
        .fold(0.0, f32::max);
    center_and_extent(model).1 > ARENA * size
}

/// The camera of a scene; it has no target yet.
pub(super) fn spawn(world: &mut World, blueprint: &Blueprint, below: (ChildOf, RenderLayers)) -> Entity {
    let model = blueprint.model.wrapped();
    let (_, extent) = center_and_extent(model);
    let sky = Skybox { image: Some(blueprint.sky.clone()), brightness: CANDELAS_OF_WHITE, ..default() };
    let fog = DistanceFog {
        color: blueprint.horizon,
        falloff: FogFalloff::Linear { start: FOG.0 * extent, end: FOG.1 * extent },
        ..default()
    };
    let camera = Camera { is_active: false, order: -1, ..default() };
    let target = RenderTarget::None { size: UVec2::ONE };
    let exposure = Exposure { ev100: -(1.2 / CANDELAS_OF_WHITE).log2() };
    let look = (Tonemapping::None, Msaa::Sample4, exposure, sky, fog, lights::ambient(model));
    let entity = world.spawn((Camera3d::default(), camera, target, look, below.clone())).id();
    if let Some(headlight) = lights::headlight(model) {
        world.spawn((headlight, ChildOf(entity), below.1));
    }
    entity
}

/// Where the chosen camera is and how it projects.
pub(super) fn pose(physics: &Physics, view: &Viewpoint, follow: Follow) -> (Transform, Projection) {
    let model = physics.model().wrapped();
    let (_, extent) = center_and_extent(model);
    let near = model.vis().map.znear * extent;
    let perspective = |fov: f32| Projection::Perspective(PerspectiveProjection { fov, near, ..default() });
    let Some(camera) = view.camera else {
        return (view.orbit.pose(follow.place(physics)), perspective(FREE_FOV_RAD));
    };
    let (places, rotations) = physics.camera_frames();
    let pose = super::sync::frame(places[camera], rotations[camera]);
    let height = model.cam_fovy()[camera] as f32;
    let projection = match model.cam_projection()[camera] {
        MjtProjection::mjPROJ_ORTHOGRAPHIC => Projection::Orthographic(OrthographicProjection {
            near,
            far: 100.0 * extent,
            scaling_mode: bevy::camera::ScalingMode::FixedVertical { viewport_height: height },
            ..OrthographicProjection::default_3d()
        }),
        _ => perspective(height.to_radians()),
    };
    (pose, projection)
}
