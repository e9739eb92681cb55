//! 3D scenes of MuJoCo instances: every geom a mesh, the model's lights and cameras, a ghost that executes the plan.
//!
//! A scene is built from its model's [`blueprint`] when its instance first comes on show, and [`sync`] moves its parts
//! to where the instance's data says they are. The simulation is only read. Below a scene's root everything is in
//! MuJoCo's coordinates (z up, m); the root turns them into Bevy's.

mod blueprint;
mod cameras;
mod framing;
mod ghost;
mod gizmos;
mod lights;
mod mapping;
mod materials;
mod shapes;
mod sky;
mod sync;
#[cfg(test)]
mod tests;
mod textures;

use std::f32::consts::FRAC_PI_2;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bevy::camera::visibility::RenderLayers;
use bevy::light::NotShadowCaster;
use bevy::prelude::*;

pub use blueprint::Part;

use self::blueprint::{Blueprint, Blueprints};
use self::framing::Framing;
use self::lights::{Lamp, LampKind};
use super::ViewSystems;
use super::selection::Instances;
use super::viewpoint::Viewpoint;
use crate::env::physics_of;

/// What building scenes may take of a frame: those that are left come with the next frames.
const OPENING: Duration = Duration::from_millis(10);

/// Builds and moves the scenes of instances that MuJoCo simulates.
///
/// Needs the assets that are drawn ([`Mesh`], [`StandardMaterial`], [`Image`]); nothing is drawn before a camera gets a
/// target.
pub struct ScenePlugin;

impl Plugin for ScenePlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Blueprints>()
            .add_plugins(gizmos::GizmosPlugin)
            .add_systems(PostStartup, add_viewpoints)
            .add_systems(Update, (open, sync::pose).chain().in_set(ViewSystems::Paint));
    }
}

/// The scene of an instance.
#[derive(Component)]
pub struct Scene {
    /// Turns MuJoCo's coordinates into Bevy's.
    pub root: Entity,
    /// What looks at it.
    pub camera: Entity,
    /// What separates it from the other scenes.
    pub layers: RenderLayers,
    blueprint: Arc<Blueprint>,
    parts: Vec<Entity>,
    ghost: Vec<(usize, Entity)>,
    lamps: Vec<PlacedLamp>,
    framing: Framing,
}

/// Marks the ghost's copy of a [`Part`].
#[derive(Component, Clone, Copy, Debug)]
pub struct GhostPart;

struct PlacedLamp {
    light: usize,
    lamp: Lamp,
    entity: Entity,
}

/// Rotates MuJoCo's z up to Bevy's y up.
pub(super) fn y_up_from_z_up() -> Quat {
    Quat::from_rotation_x(-FRAC_PI_2)
}

/// Gives every instance that has a scene its [`Viewpoint`].
fn add_viewpoints(world: &mut World) {
    let instances = world.resource::<Instances>().0.clone();
    for instance in instances {
        if let Some(viewpoint) = physics_of(world, instance).map(cameras::viewpoint) {
            world.entity_mut(instance).insert(viewpoint);
        }
    }
}

/// Builds the scenes of instances that come on show, at least one a frame.
fn open(world: &mut World) {
    let started = Instant::now();
    let instances = world.resource::<Instances>().0.clone();
    for (place, instance) in instances.into_iter().enumerate() {
        let on_show = world.get::<Viewpoint>(instance).is_some_and(|view| view.size != UVec2::ZERO);
        if !on_show || world.get::<Scene>(instance).is_some() {
            continue;
        }
        let Some(physics) = physics_of(world, instance) else { continue };
        let (model, framing) = (Arc::clone(physics.model()), Framing::of(physics));
        let blueprint = world.resource_scope(|world, mut blueprints: Mut<Blueprints>| blueprints.get(world, &model));
        // Layer 0 is the window's own.
        let scene = build(world, blueprint, framing, RenderLayers::layer(place + 1));
        world.entity_mut(instance).insert(scene);
        if started.elapsed() >= OPENING {
            break;
        }
    }
}

fn build(world: &mut World, blueprint: Arc<Blueprint>, framing: Framing, layers: RenderLayers) -> Scene {
    let turned = Transform::from_rotation(y_up_from_z_up());
    let root = world.spawn((turned, Visibility::Visible, layers.clone())).id();
    let below = (ChildOf(root), layers.clone());

    let mut parts = Vec::new();
    let mut ghost = Vec::new();
    for (number, plan) in blueprint.plans.iter().enumerate() {
        let mesh = Mesh3d(plan.mesh.clone());
        let mut part = world.spawn((
            plan.part,
            mesh.clone(),
            MeshMaterial3d(plan.material.clone()),
            Visibility::Inherited,
            below.clone(),
        ));
        if !plan.casts_shadow {
            part.insert(NotShadowCaster);
        }
        parts.push(part.id());
        if let Some(material) = &plan.ghost {
            let material = MeshMaterial3d(material.clone());
            let parts = (plan.part, GhostPart, NotShadowCaster, Visibility::Hidden, below.clone());
            ghost.push((number, world.spawn((mesh, material, parts)).id()));
        }
    }
    let model = blueprint.model.wrapped();
    let Framing { center, extent, .. } = framing;
    let lamps: Vec<PlacedLamp> = (0..model.nlight() as usize)
        .filter_map(|light| {
            let lamp = Lamp::of(model, light, center, extent)?;
            let mut entity = world.spawn((Transform::default(), below.clone()));
            match lamp.kind {
                LampKind::Sun(sun) => entity.insert((sun, lights::cascades(extent).build())),
                LampKind::Spot(spot) => entity.insert(spot),
                LampKind::Bulb(bulb) => entity.insert(bulb),
            };
            Some(PlacedLamp { light, lamp, entity: entity.id() })
        })
        .collect();
    if lamps.is_empty() {
        let pose = Transform::default().looking_to(lights::rays(Vec3::NEG_Z), Vec3::Z);
        world.spawn((lights::spare_sun(extent), lights::cascades(extent).build(), pose, below.clone()));
    }
    let camera = cameras::spawn(world, &blueprint, extent, below);
    Scene { root, camera, layers, blueprint, parts, ghost, lamps, framing }
}
