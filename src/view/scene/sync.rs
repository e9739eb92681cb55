//! Puts the parts of scenes where their instances' data says that they are.

use bevy::prelude::*;

use super::blueprint::{Part, Plan};
use super::lights::LampKind;
use super::shapes::Shape;
use super::{PlacedLamp, Scene, cameras, lights};
use crate::env::mujoco::Physics;
use crate::env::physics_of;
use crate::view::ghost::{Ghost, ShowGhost};
use crate::view::viewpoint::Viewpoint;

/// What is to be written to an entity.
enum Change {
    Place(Entity, Transform),
    Hide(Entity),
    Look(Entity, Transform, Projection),
}

/// Moves what is on show.
pub(super) fn pose(world: &mut World) {
    let mut changes = Vec::new();
    let shows_ghost = world.resource::<ShowGhost>().0;
    let ghosts: Vec<(Entity, Ghost)> =
        world.query::<(Entity, &Ghost)>().iter(world).map(|(entity, ghost)| (entity, ghost.clone())).collect();
    let mut scenes = world.query::<(Entity, &Scene, &Viewpoint)>();
    for (instance, scene, view) in scenes.iter(world) {
        let Some(physics) = physics_of(world, instance).filter(|_| view.size != UVec2::ZERO) else {
            continue;
        };
        let (eye, projection) = cameras::pose(physics, view, &scene.framing);
        let plans = &scene.blueprint.plans;
        changes.extend(plans.iter().zip(&scene.parts).map(|(plan, &part)| place(physics, plan, part, eye.translation)));
        changes.extend(scene.lamps.iter().map(|lamp| place_lamp(physics, lamp)));
        changes.push(Change::Look(scene.camera, eye, projection));

        let ghost = ghosts.iter().find(|(_, ghost)| shows_ghost && ghost.of == instance && !ghost.ended);
        let ghost = ghost.and_then(|&(ghost, _)| physics_of(world, ghost));
        changes.extend(scene.ghost.iter().map(|&(number, part)| match ghost {
            Some(physics) => place(physics, &plans[number], part, eye.translation),
            None => Change::Hide(part),
        }));
    }
    changes.into_iter().for_each(|change| apply(world, change));
}

fn apply(world: &mut World, change: Change) {
    let exists = "a scene keeps its entities";
    match change {
        Change::Place(entity, to) => {
            world.get_mut::<Transform>(entity).expect(exists).set_if_neq(to);
            world.get_mut::<Visibility>(entity).expect(exists).set_if_neq(Visibility::Inherited);
        }
        Change::Hide(entity) => {
            world.get_mut::<Visibility>(entity).expect(exists).set_if_neq(Visibility::Hidden);
        }
        Change::Look(camera, from, projection) => {
            world.get_mut::<Transform>(camera).expect(exists).set_if_neq(from);
            // The aspect ratio follows the target by itself.
            *world.get_mut::<Projection>(camera).expect(exists) = projection;
        }
    }
}

fn place(physics: &Physics, plan: &Plan, entity: Entity, eye: Vec3) -> Change {
    match plan.part {
        Part::Geom(geom) => {
            let (places, rotations) = physics.geom_frames();
            let mut pose = frame(places[geom], rotations[geom]);
            pose.scale = scale(plan, physics.geom_sizes()[geom]);
            pose.translation +=
                pose.rotation * follow(plan.endless, pose.rotation.inverse() * (eye - pose.translation));
            Change::Place(entity, pose)
        }
        Part::Site(site) => {
            let (places, rotations) = physics.site_frames();
            let mut pose = frame(places[site], rotations[site]);
            pose.scale = scale(plan, physics.site_sizes()[site]);
            Change::Place(entity, pose)
        }
        Part::Tendon(point) => match physics.tendon_piece(point) {
            Some(ends) => Change::Place(entity, between(ends.map(vector))),
            None => Change::Hide(entity),
        },
    }
}

/// How far a plane without end goes along with the camera without its pattern moving.
fn follow(period: Vec2, eye: Vec3) -> Vec3 {
    let along = |period: f32, eye: f32| if period > 0.0 { (eye / period).round() * period } else { 0.0 };
    Vec3::new(along(period.x, eye.x), along(period.y, eye.y), 0.0)
}

/// By how much this instance's part is larger than its mesh.
fn scale(plan: &Plan, size: [f64; 3]) -> Vec3 {
    let own = Shape { size: vector(size), ..plan.shape }.unit_scale();
    if own.min_element() > 0.0 { own / plan.shape.unit_scale() } else { Vec3::ONE }
}

/// A cylinder of length 1 along z as a piece of a tendon.
fn between([start, end]: [Vec3; 2]) -> Transform {
    let along = end - start;
    Transform {
        translation: (start + end) / 2.0,
        rotation: Quat::from_rotation_arc(Vec3::Z, along.normalize_or(Vec3::Z)),
        scale: Vec3::new(1.0, 1.0, along.length()),
    }
}

fn place_lamp(physics: &Physics, placed: &PlacedLamp) -> Change {
    let (places, directions) = physics.light_rays();
    let direction = vector(directions[placed.light]).normalize_or(Vec3::NEG_Z);
    let is_sun = matches!(placed.lamp.kind, LampKind::Sun(_));
    let direction = if is_sun { lights::rays(direction) } else { direction };
    let place = vector(places[placed.light]) - direction * placed.lamp.retreat;
    // Any direction will do for up, as long as it is not the light's own.
    let up = if direction.z.abs() < 0.9 { Vec3::Z } else { Vec3::Y };
    Change::Place(placed.entity, Transform::from_translation(place).looking_to(direction, up))
}

/// A pose from a place and the rows of a rotation.
pub(super) fn frame(place: [f64; 3], rotation: [f64; 9]) -> Transform {
    let rows = Mat3::from_cols_array(&rotation.map(|entry| entry as f32));
    Transform::from_translation(vector(place)).with_rotation(Quat::from_mat3(&rows.transpose()))
}

/// In Bevy's precision.
pub(super) fn vector(values: [f64; 3]) -> Vec3 {
    values.map(|value| value as f32).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_read_row_by_row() {
        // A quarter turn about z: x becomes y.
        let pose = frame([1.0, 2.0, 3.0], [0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0]);
        assert!((pose.transform_point(Vec3::X) - Vec3::new(1.0, 3.0, 3.0)).length() < 1e-6);
    }

    #[test]
    fn a_tendon_reaches_from_end_to_end() {
        let ends = [Vec3::new(1.0, 0.0, 2.0), Vec3::new(-1.0, 3.0, 0.5)];
        let piece = between(ends);
        assert!((piece.transform_point(Vec3::NEG_Z / 2.0) - ends[0]).length() < 1e-5);
        assert!((piece.transform_point(Vec3::Z / 2.0) - ends[1]).length() < 1e-5);
    }

    #[test]
    fn an_infinite_plane_moves_by_whole_patterns() {
        assert_eq!(follow(Vec2::new(2.0, 0.5), Vec3::new(6.9, -1.3, 4.0)), Vec3::new(6.0, -1.5, 0.0));
        assert_eq!(follow(Vec2::new(0.0, 2.0), Vec3::new(6.9, 1.1, 4.0)), Vec3::new(0.0, 2.0, 0.0));
    }
}
