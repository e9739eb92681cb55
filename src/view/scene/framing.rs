//! What a scene is about: which part of the world, how large, and whether it goes anywhere.

use bevy::prelude::*;
use mujoco_rs::wrappers::mj_model::{MjModel, MjtGeomBase, MjtJoint};

use super::sync::vector;
use crate::env::mujoco::Physics;

/// What travels fills about this part of its picture, in its own sizes.
const ROOM: f32 = 3.0;
/// What stands around reaches so many times as far as what travels: then it is an arena.
const ARENA: f32 = 3.0;
/// What travels in an arena is seen with so much of it around, in its own sizes.
const ARENA_ROOM: f32 = 7.0;

/// The part of the world that a scene is about.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Framing {
    /// Its middle, m; relative to what travels, where that is followed.
    pub(super) center: Vec3,
    /// About how far it reaches, m.
    pub(super) extent: f32,
    /// Whether it is a place with walls in which something small travels.
    pub(super) is_arena: bool,
    /// The body that is followed.
    follow: Option<usize>,
}

impl Framing {
    /// Of an instance's model in its present state.
    pub(super) fn of(physics: &Physics) -> Self {
        let model = physics.model().wrapped();
        let (center, extent) = (vector(model.stat().center), (model.stat().extent as f32).max(1e-3));
        let whole = Self { center, extent, is_arena: false, follow: None };
        let Some(body) = traveler(model) else { return whole };
        let place = vector(physics.body_positions()[body]);
        let root = model.body_rootid()[body];
        let size = reach_from(physics, place, |body| model.body_rootid()[body] == root);
        if let Some(reach) = surroundings(physics).filter(|reach| *reach > ARENA * size) {
            let center = Vec3::new(0.0, 0.0, place.z);
            return Self { center, extent: reach.min(ARENA_ROOM * size), is_arena: true, follow: Some(body) };
        }
        let room = ROOM * reach_from(physics, place, |body| model.body_weldid()[body] != 0);
        let height = if extent > room { place.z } else { center.z };
        Self { center: Vec3::new(0.0, 0.0, height), extent: extent.min(room), is_arena: false, follow: Some(body) }
    }

    /// Where what is followed is: height does not count, so that a jump looks like one.
    pub(super) fn followed(&self, physics: &Physics) -> Vec3 {
        self.follow.map_or(Vec3::ZERO, |body| vector(physics.body_positions()[body]).with_z(0.0))
    }
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

/// How far the geoms of some bodies reach from a place.
fn reach_from(physics: &Physics, place: Vec3, counts: impl Fn(usize) -> bool) -> f32 {
    let model = physics.model().wrapped();
    let places = physics.geom_positions();
    (0..model.ngeom() as usize)
        .filter(|&geom| counts(model.geom_bodyid()[geom] as usize))
        .map(|geom| vector(places[geom]).distance(place) + model.geom_rbound()[geom] as f32)
        .fold(1e-3, f32::max)
}

/// Half the larger side of what stands around, seen from above; grounds do not count.
fn surroundings(physics: &Physics) -> Option<f32> {
    let model = physics.model().wrapped();
    let places = physics.geom_positions();
    let stands = |geom: usize| {
        let ground = matches!(model.geom_type()[geom], MjtGeomBase::mjGEOM_PLANE | MjtGeomBase::mjGEOM_HFIELD);
        !ground && model.body_weldid()[model.geom_bodyid()[geom] as usize] == 0
    };
    let standing = (0..model.ngeom() as usize).filter(|&geom| stands(geom));
    let (low, high) = standing.fold((Vec2::MAX, Vec2::MIN), |(low, high), geom| {
        let (place, reach) = (vector(places[geom]).truncate(), Vec2::splat(model.geom_rbound()[geom] as f32));
        (low.min(place - reach), high.max(place + reach))
    });
    (low.x < high.x).then(|| (high - low).max_element() / 2.0)
}
