//! What is not seen in the world: points and forces of contacts, axes of joints.

use bevy::prelude::*;
use mujoco_rs::wrappers::mj_model::MjtJoint;

use super::sync::vector;
use super::{Scene, y_up_from_z_up};
use crate::env::mujoco::Physics;
use crate::env::physics_of;
use crate::view::ViewSystems;
use crate::view::selection::{Instances, Selection};
use crate::view::viewpoint::ShowInside;

const CONTACT: Color = Color::srgb(1.0, 0.85, 0.2);
const FORCE: Color = Color::srgb(1.0, 0.35, 0.3);
const AXIS: Color = Color::srgb(0.35, 0.85, 1.0);
/// Half the length of a joint's axis, in extents of the scene.
const AXIS_LENGTH: f32 = 0.06;
/// Radius of a contact's ring, in extents of the scene.
const CONTACT_RADIUS: f32 = 0.02;
/// Longest arrow of a force, in extents of the scene.
const LONGEST_FORCE: f32 = 0.6;

/// The lines drawn over scenes.
#[derive(Default, Reflect, GizmoConfigGroup)]
struct SceneGizmos;

/// Draws them where [`ShowInside`] says so.
pub(super) struct GizmosPlugin;

impl Plugin for GizmosPlugin {
    fn build(&self, app: &mut App) {
        let config = GizmoConfig {
            line: GizmoLineConfig { width: 3.0, ..default() },
            // In front of what they are inside of.
            depth_bias: -1.0,
            ..default()
        };
        app.init_resource::<ShowInside>()
            .insert_gizmo_config(SceneGizmos, config)
            .init_resource::<Lines>()
            .add_systems(Update, (collect, draw).chain().in_set(ViewSystems::Paint));
    }
}

/// What is drawn in this frame.
#[derive(Resource, Default)]
struct Lines(Vec<Line>);

/// Finds the lines of the scene that has the stage for itself.
fn collect(world: &mut World) {
    let (show, selection) = (*world.resource::<ShowInside>(), *world.resource::<Selection>());
    let instances = world.resource::<Instances>();
    let alone = selection.enlarged || instances.0.len() == 1;
    let instance = instances.selected(selection);
    let scene = world.get::<Scene>(instance).filter(|_| alone && show != ShowInside::default());
    let found = scene.and_then(|scene| {
        Some((scene.layers.clone(), lines(physics_of(world, instance)?, scene.framing.extent, show)))
    });
    let (layers, lines) = found.unwrap_or_default();
    world.resource_mut::<Lines>().0 = lines;
    world.resource_mut::<GizmoConfigStore>().config_mut::<SceneGizmos>().0.render_layers = layers;
}

fn draw(mut gizmos: Gizmos<SceneGizmos>, lines: Res<Lines>) {
    lines.0.iter().for_each(|line| line.draw(&mut gizmos));
}

/// One thing to draw, in MuJoCo's coordinates.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Line {
    Axis { middle: Vec3, half: Vec3 },
    Arrow { from: Vec3, along: Vec3 },
    Ring { middle: Vec3, normal: Vec3, radius: f32 },
}

impl Line {
    fn draw(self, gizmos: &mut Gizmos<SceneGizmos>) {
        let turn = y_up_from_z_up();
        match self {
            Self::Axis { middle, half } => {
                gizmos.arrow(turn * (middle - half), turn * (middle + half), AXIS);
            }
            Self::Arrow { from, along } => {
                gizmos.arrow(turn * from, turn * (from + along), FORCE);
            }
            Self::Ring { middle, normal, radius } => {
                let pose = Isometry3d::new(turn * middle, Quat::from_rotation_arc(Vec3::Z, turn * normal));
                gizmos.circle(pose, radius, CONTACT);
            }
        }
    }
}

fn lines(physics: &Physics, extent: f32, show: ShowInside) -> Vec<Line> {
    let model = physics.model().wrapped();
    let mut lines = Vec::new();
    if show.joints {
        let (anchors, axes) = physics.joint_axes();
        for (joint, kind) in model.jnt_type().iter().enumerate() {
            if matches!(kind, MjtJoint::mjJNT_HINGE | MjtJoint::mjJNT_SLIDE) {
                let half = vector(axes[joint]) * AXIS_LENGTH * extent;
                lines.push(Line::Axis { middle: vector(anchors[joint]), half });
            }
        }
    }
    if show.contacts {
        // As long as MuJoCo's own viewer would draw it.
        let scale = model.vis().map.force / model.stat().meanmass.max(1e-9) as f32;
        for contact in physics.contact_forces() {
            let (middle, normal) = (vector(contact.position), vector(contact.normal));
            lines.push(Line::Ring { middle, normal, radius: CONTACT_RADIUS * extent });
            let along = (vector(contact.force) * scale).clamp_length_max(LONGEST_FORCE * extent);
            if along.length() > 1e-3 * extent {
                lines.push(Line::Arrow { from: middle, along });
            }
        }
    }
    lines
}
