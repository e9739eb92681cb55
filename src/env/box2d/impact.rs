//! Box2D's continuous collision: a body that would enter the ground within a step stops where it meets it, alone, and goes
//! on for the rest of the step.

use rapier2d::prelude::Vector;

use super::contact::{Manifold, Pieces, SKINS_M, distance, meet};
use super::joints::{Inverse, LINEAR_SLOP, Place, turned};
use super::physics::STEP_SECS;

/// Distance at which a body stops, m.
const TARGET_M: f32 = SKINS_M - 3.0 * LINEAR_SLOP;
const TOLERANCE_M: f32 = 0.25 * LINEAR_SLOP;
const SWEEPS: usize = 20;
/// Most pieces a body meets at once.
pub(super) const MAX_PIECES: usize = 8;

/// A body that moves.
pub(super) struct Moving<'a> {
    /// Its corners from its center of mass.
    pub outline: &'a [Vector],
    /// What moves it.
    pub inverse: Inverse,
    /// Friction with the ground.
    pub friction: f32,
}

/// Where a body is and how fast it moves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Motion {
    /// Where.
    pub place: Place,
    /// Velocity of the center of mass, m/s.
    pub linear: Vector,
    /// Spin, rad/s.
    pub spin: f32,
}

/// Corners of a body.
pub(super) fn corners<'a>(outline: &[Vector], place: &Place, buffer: &'a mut [Vector; 8]) -> &'a [Vector] {
    for (corner, point) in buffer.iter_mut().zip(outline) {
        *corner = place.center + turned(*point, place.angle);
    }
    &buffer[..outline.len()]
}

impl Moving<'_> {
    fn distance(&self, place: &Place, piece: &[Vector]) -> f32 {
        distance(corners(self.outline, place, &mut [Vector::ZERO; 8]), piece)
    }

    /// The part of the way from `start` to `end` after which the body meets the piece, if it does.
    pub(super) fn time_of_impact(&self, start: &Place, end: &Place, piece: &[Vector]) -> Option<f32> {
        if self.distance(end, piece) >= TARGET_M {
            return None;
        }
        let at_start = self.distance(start, piece);
        if at_start <= 0.0 {
            return None;
        }
        let (mut free, mut met) = (0.0, 1.0);
        if at_start < TARGET_M + TOLERANCE_M {
            return Some(0.0);
        }
        for _ in 0..10 {
            let middle = 0.5 * (free + met);
            if self.distance(&between(start, end, middle), piece) < TARGET_M { met = middle } else { free = middle }
        }
        Some(free)
    }

    /// Goes on for `rest` of a step from where the body met the ground in columns `min..max`; calls `touched` for each piece
    /// that it touches.
    pub(super) fn go_on(
        &self,
        motion: &mut Motion,
        rest: f32,
        (min, max): (f32, f32),
        ground: &impl Pieces,
        mut touched: impl FnMut(u16),
    ) {
        let mut manifolds = [Manifold::default(); MAX_PIECES];
        let mut count = 0;
        let mut buffer = [Vector::ZERO; 8];
        let outline = corners(self.outline, &motion.place, &mut buffer);
        ground.near(min, max, &mut |number, piece| {
            if let Some(manifold) = meet(outline, piece)
                && count < MAX_PIECES
            {
                touched(number);
                manifolds[count] = manifold;
                count += 1;
            }
        });
        let manifolds = &manifolds[..count];
        self.push_out(&mut motion.place, manifolds);
        self.stop(motion, manifolds);
        motion.place.center += rest * STEP_SECS * motion.linear;
        motion.place.angle += rest * STEP_SECS * motion.spin;
    }

    fn push_out(&self, place: &mut Place, manifolds: &[Manifold]) {
        let start = *place;
        for _ in 0..SWEEPS {
            let mut least = 0.0f32;
            for manifold in manifolds {
                for (point, distance) in &manifold.points[..manifold.count] {
                    let local = turned(*point - start.center, place.angle - start.angle);
                    let moved = place.center + local - *point;
                    let overlap = distance + moved.dot(manifold.normal) - SKINS_M;
                    least = least.min(overlap);
                    push(place, &self.inverse, local, manifold.normal, 0.75 * (overlap + LINEAR_SLOP));
                }
            }
            if least >= -1.5 * LINEAR_SLOP {
                return;
            }
        }
    }

    /// Takes away the speed into the ground, and friction's share of that along it.
    fn stop(&self, motion: &mut Motion, manifolds: &[Manifold]) {
        let mut impulses = [[[0.0f32; 2]; 2]; MAX_PIECES];
        let Inverse { mass, inertia } = self.inverse;
        for _ in 0..SWEEPS {
            for (manifold, impulses) in manifolds.iter().zip(&mut impulses) {
                let normal = manifold.normal;
                let tangent = Vector::new(normal.y, -normal.x);
                for ((point, _), impulse) in manifold.points[..manifold.count].iter().zip(impulses) {
                    let arm = *point - motion.place.center;
                    let mut apply = |direction: Vector, sum: &mut f32, bounds: (f32, f32)| {
                        let lever = arm.perp_dot(direction);
                        let speed = motion.linear.dot(direction) + motion.spin * lever;
                        let wanted = (*sum - speed / (mass + inertia * lever * lever)).clamp(bounds.0, bounds.1);
                        let impulse = wanted - std::mem::replace(sum, wanted);
                        motion.linear += mass * impulse * direction;
                        motion.spin += inertia * impulse * lever;
                    };
                    let grip = self.friction * impulse[0];
                    apply(tangent, &mut impulse[1], (-grip, grip));
                    apply(normal, &mut impulse[0], (0.0, f32::MAX));
                }
            }
        }
    }
}

/// Pushes a place along `normal` at `arm` from its center by what an overlap (negative) asks for.
pub(super) fn push(place: &mut Place, inverse: &Inverse, arm: Vector, normal: Vector, overlap: f32) {
    let lever = arm.perp_dot(normal);
    let impulse = -overlap.clamp(-MAX_CORRECTION_M, 0.0) / (inverse.mass + inverse.inertia * lever * lever);
    place.center += inverse.mass * impulse * normal;
    place.angle += inverse.inertia * impulse * lever;
}

/// Most that a push moves, m.
const MAX_CORRECTION_M: f32 = 0.2;

/// The place `part` of the way from `start` to `end`.
pub(super) fn between(start: &Place, end: &Place, part: f32) -> Place {
    Place {
        center: start.center + part * (end.center - start.center),
        angle: start.angle + part * (end.angle - start.angle),
    }
}
