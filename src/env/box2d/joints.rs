//! Box2D's way to move jointed bodies: each goes straight ahead for a step, then hinges and limits are pulled together.
//!
//! Rapier moves joint angles by their speeds instead. The difference is of second order in the turn of a step, but a knee
//! turns 0.12 rad a step: Box2D's is up to a tenth slower than its speed says.

use rapier2d::prelude::Vector;
use serde::{Deserialize, Serialize};

use super::contact::{Manifold, SKINS_M};
use super::impact::{MAX_PIECES, push};

/// Distance that hinges may be apart, m.
pub(super) const LINEAR_SLOP: f32 = 0.005;
/// Angle that joints may be beyond a limit, rad.
const ANGULAR_SLOP: f32 = 2.0 / 180.0 * std::f32::consts::PI;
/// Most angle corrected at once, rad.
const MAX_ANGULAR_CORRECTION: f32 = 8.0 / 180.0 * std::f32::consts::PI;
const ITERATIONS: usize = 60;

/// Where a body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Center of mass, m.
    pub center: Vector,
    /// Angle, rad.
    pub angle: f32,
}

/// What moves a body.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Inverse {
    /// One over the mass, 1/kg.
    pub mass: f32,
    /// One over the inertia about the center of mass, 1/(kg m²).
    pub inertia: f32,
}

/// A hinge between two bodies.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Joint {
    /// The first body.
    pub a: usize,
    /// The second one.
    pub b: usize,
    /// The axis from the center of the first, in its frame, m.
    pub anchor_a: Vector,
    /// The axis from the center of the second, in its frame, m.
    pub anchor_b: Vector,
    /// Range of the angle from first to second, rad.
    pub limits: [f32; 2],
}

/// A point of a body that is on the ground.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Press {
    part: usize,
    /// From the center of the body, in its frame, m.
    point: Vector,
    /// Out of the ground.
    normal: Vector,
    /// The ground along the normal, m.
    level: f32,
}

/// The points of a robot that are on the ground.
#[derive(Debug, Default)]
pub(super) struct Pressed {
    points: [Press; 2 * MAX_PIECES],
    count: usize,
}

impl Pressed {
    /// Adds the points of a contact, as far as there is room.
    pub(super) fn add(&mut self, part: usize, place: &Place, manifold: &Manifold) {
        for &(point, distance) in &manifold.points[..manifold.count] {
            if let Some(press) = self.points.get_mut(self.count) {
                let level = point.dot(manifold.normal) - distance;
                *press =
                    Press { part, point: turned(point - place.center, -place.angle), normal: manifold.normal, level };
                self.count += 1;
            }
        }
    }

    /// All of them.
    pub(super) fn points(&self) -> &[Press] {
        &self.points[..self.count]
    }
}

impl Joint {
    /// What a limit does when a step starts at this angle: -1 at the lower or below, 1 at the upper or above, else 0.
    pub(super) fn stopped(&self, angle: f32) -> i8 {
        i8::from(angle >= self.limits[1]) - i8::from(angle <= self.limits[0])
    }
}

/// Pulls hinges together, joints back to the limits they are `stopped` at, and parts out of the ground they were `pressed`
/// on.
pub(super) fn settle(joints: &[Joint], stopped: &[i8], bodies: &[Inverse], pressed: &[Press], places: &mut [Place]) {
    for _ in 0..ITERATIONS {
        let overlapping =
            pressed.iter().fold(false, |overlapping, press| push_out(press, bodies, places) || overlapping);
        // Box2D walks them from the body made last.
        let apart = joints.iter().zip(stopped).rev().fold(false, |apart, (joint, &stopped)| {
            let past = pull_back(joint, stopped, bodies, places);
            pull_together(joint, bodies, places) || past || apart
        });
        if !apart && !overlapping {
            return;
        }
    }
}

/// Whether the body was deeper in the ground than it may be.
fn push_out(press: &Press, bodies: &[Inverse], places: &mut [Place]) -> bool {
    let place = &mut places[press.part];
    let arm = turned(press.point, place.angle);
    let overlap = (place.center + arm).dot(press.normal) - press.level - SKINS_M;
    push(place, &bodies[press.part], arm, press.normal, 0.2 * (overlap + LINEAR_SLOP));
    overlap < -3.0 * LINEAR_SLOP
}

/// Whether the joint was further beyond its limit than it may be.
fn pull_back(joint: &Joint, stopped: i8, bodies: &[Inverse], places: &mut [Place]) -> bool {
    let angle = places[joint.b].angle - places[joint.a].angle;
    let (past, excess) = match stopped {
        1 => (angle - joint.limits[1], (angle - joint.limits[1] - ANGULAR_SLOP).clamp(0.0, MAX_ANGULAR_CORRECTION)),
        -1 => (joint.limits[0] - angle, (angle - joint.limits[0] + ANGULAR_SLOP).clamp(-MAX_ANGULAR_CORRECTION, 0.0)),
        _ => return false,
    };
    let (a, b) = (bodies[joint.a].inertia, bodies[joint.b].inertia);
    places[joint.a].angle += excess * a / (a + b);
    places[joint.b].angle -= excess * b / (a + b);
    past > ANGULAR_SLOP
}

/// Whether the two ends of the hinge were further apart than they may be.
fn pull_together(joint: &Joint, bodies: &[Inverse], places: &mut [Place]) -> bool {
    let (a, b) = (places[joint.a], places[joint.b]);
    let (arm_a, arm_b) = (turned(joint.anchor_a, a.angle), turned(joint.anchor_b, b.angle));
    let gap = b.center + arm_b - a.center - arm_a;
    let (inverse_a, inverse_b) = (bodies[joint.a], bodies[joint.b]);
    let mass = inverse_a.mass + inverse_b.mass;
    let (ia, ib) = (inverse_a.inertia, inverse_b.inertia);
    let xx = mass + ia * arm_a.y * arm_a.y + ib * arm_b.y * arm_b.y;
    let xy = -ia * arm_a.x * arm_a.y - ib * arm_b.x * arm_b.y;
    let yy = mass + ia * arm_a.x * arm_a.x + ib * arm_b.x * arm_b.x;
    let determinant = xx * yy - xy * xy;
    let pull = Vector::new(yy * gap.x - xy * gap.y, xx * gap.y - xy * gap.x) / determinant;
    let first = &mut places[joint.a];
    first.center += inverse_a.mass * pull;
    first.angle += ia * arm_a.perp_dot(pull);
    let second = &mut places[joint.b];
    second.center -= inverse_b.mass * pull;
    second.angle -= ib * arm_b.perp_dot(pull);
    gap.length() > LINEAR_SLOP
}

/// `v` turned by an angle.
pub(super) fn turned(v: Vector, angle: f32) -> Vector {
    let (sin, cos) = angle.sin_cos();
    Vector::new(cos * v.x - sin * v.y, sin * v.x + cos * v.y)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODIES: [Inverse; 2] = [Inverse { mass: 0.2, inertia: 0.5 }, Inverse { mass: 4.0, inertia: 30.0 }];
    const JOINT: Joint =
        Joint { a: 0, b: 1, anchor_a: Vector::new(0.0, -0.3), anchor_b: Vector::new(0.0, 0.5), limits: [-0.5, 0.5] };

    fn gap(places: &[Place]) -> f32 {
        let end = |anchor, place: &Place| place.center + turned(anchor, place.angle);
        (end(JOINT.anchor_a, &places[0]) - end(JOINT.anchor_b, &places[1])).length()
    }

    #[test]
    fn a_hinge_closes_and_the_center_of_mass_stays() {
        let start = [Place::default(), Place { center: Vector::new(0.1, -0.75), angle: 0.2 }];
        let mut places = start;
        settle(&[JOINT], &[0], &BODIES, &[], &mut places);
        assert!(gap(&start) > 0.03 && gap(&places) <= LINEAR_SLOP, "{places:?}");
        let center = |places: &[Place]| places[0].center / 0.2 + places[1].center / 4.0;
        assert!((center(&start) - center(&places)).length() < 1e-5);
    }

    #[test]
    fn a_stopped_joint_comes_back_to_two_degrees_beyond() {
        let arm = |angle| Vector::new(0.0, -0.3) - turned(Vector::new(0.0, 0.5), angle);
        let mut places = [Place::default(), Place { center: arm(0.9), angle: 0.9 }];
        let free = places;
        settle(&[JOINT], &[0], &BODIES, &[], &mut places);
        assert!((places[1].angle - free[1].angle).abs() < 1e-5, "a joint that was free when the step began overshoots");
        settle(&[JOINT], &[1], &BODIES, &[], &mut places);
        let angle = places[1].angle - places[0].angle;
        assert!((angle - 0.5349).abs() < 2e-3, "{angle}");
    }
}
