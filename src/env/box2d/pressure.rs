//! What the ground does to the bodies that touch it: Box2D's contact solver.

use rapier2d::prelude::Vector;

use super::body::{Body, Inverse, Motion};
use super::contact::{Impulse, Manifold, Spot};
use super::joint::LINEAR_SLOP;

/// Most that a push moves, m.
const MAX_CORRECTION_M: f32 = 0.2;
/// Two points are solved together if their matrix is no worse conditioned than this.
const MAX_CONDITION: f32 = 1000.0;

/// How bodies are pushed out of the ground: share of the overlap at once, and the overlap that is left, in slops.
pub(super) type Correction = (f32, f32);
/// Within a step.
pub(super) const GENTLE: Correction = (0.2, 3.0);
/// At the time of an impact.
pub(super) const FIRM: Correction = (0.75, 1.5);

/// A contact while velocities are solved.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pressure {
    /// Which body.
    pub body: usize,
    /// Out of the ground.
    normal: Vector,
    friction: f32,
    points: [Point; 2],
    count: usize,
    impulses: [Impulse; 2],
    /// How impulses at two points change their speeds, and its inverse: the entries of the diagonal and beside it.
    matrix: [f32; 3],
    inverse: [f32; 3],
}

#[derive(Clone, Copy, Debug, Default)]
struct Point {
    arm: Vector,
    normal_mass: f32,
    tangent_mass: f32,
}

impl Pressure {
    /// Readies a contact of a body.
    pub(super) fn new(body: usize, it: &Body, manifold: &Manifold, friction: f32) -> Self {
        let mut pressure = Self { body, friction, count: manifold.spots().len(), ..Self::default() };
        let Inverse { mass, inertia } = it.inverse;
        let mut levers = [0.0; 2];
        let frame = it.frame();
        for (i, lever) in levers.iter_mut().enumerate().take(pressure.count) {
            let (at, normal) = manifold.pressed_at(i, &frame);
            pressure.normal = normal;
            let arm = at - it.place.center;
            *lever = arm.perp_dot(normal);
            let along = arm.perp_dot(tangent(normal));
            pressure.points[i] = Point {
                arm,
                normal_mass: 1.0 / (mass + inertia * *lever * *lever),
                tangent_mass: 1.0 / (mass + inertia * along * along),
            };
        }
        if pressure.count == 2 {
            let entry = |i: usize, j: usize| mass + inertia * levers[i] * levers[j];
            let [first, second, both] = [entry(0, 0), entry(1, 1), entry(0, 1)];
            let determinant = first * second - both * both;
            if first * first < MAX_CONDITION * determinant {
                let scale = 1.0 / determinant;
                pressure.matrix = [first, second, both];
                pressure.inverse = [scale * second, scale * first, -scale * both];
            } else {
                pressure.count = 1;
            }
        }
        pressure
    }

    /// Applies the impulses of the last step, which the spots hold.
    pub(super) fn warm(&mut self, spots: &[Spot], inverse: &Inverse, motion: &mut Motion) {
        for (i, spot) in spots.iter().take(self.count).enumerate() {
            self.impulses[i] = spot.impulse;
            let impulse = spot.impulse.normal * self.normal + spot.impulse.tangent * tangent(self.normal);
            motion.push(inverse, impulse, self.points[i].arm);
        }
    }

    /// Keeps the impulses for the next step.
    pub(super) fn store(&self, spots: &mut [Spot]) {
        spots.iter_mut().zip(self.impulses).take(self.count).for_each(|(spot, impulse)| spot.impulse = impulse);
    }

    /// One sweep over velocities.
    pub(super) fn solve(&mut self, inverse: &Inverse, motion: &mut Motion) {
        let along = tangent(self.normal);
        for (point, held) in self.points[..self.count].iter().zip(&mut self.impulses) {
            let slip = motion.at(point.arm).dot(along);
            let most = self.friction * held.normal;
            let wanted = (held.tangent - point.tangent_mass * slip).clamp(-most, most);
            let impulse = wanted - std::mem::replace(&mut held.tangent, wanted);
            motion.push(inverse, impulse * along, point.arm);
        }
        let [first, second] = &self.points;
        if self.count == 1 {
            let speed = motion.at(first.arm).dot(self.normal);
            let held = &mut self.impulses[0].normal;
            let wanted = (*held - first.normal_mass * speed).max(0.0);
            let impulse = wanted - std::mem::replace(held, wanted);
            motion.push(inverse, impulse * self.normal, first.arm);
        } else {
            let held = Vector::new(self.impulses[0].normal, self.impulses[1].normal);
            let Some(wanted) = self.both(held, motion) else { return };
            (self.impulses[0].normal, self.impulses[1].normal) = (wanted.x, wanted.y);
            let pushes = [(wanted.x - held.x) * self.normal, (wanted.y - held.y) * self.normal];
            motion.velocity += inverse.mass * (pushes[0] + pushes[1]);
            let turn = first.arm.perp_dot(pushes[0]) + second.arm.perp_dot(pushes[1]);
            motion.spin += inverse.inertia * turn;
        }
    }

    /// Impulses of two points that hold `now`, none of them negative, after which no point sinks and those that rise take
    /// none.
    fn both(&self, now: Vector, motion: &Motion) -> Option<Vector> {
        let [first, second] = &self.points;
        let speeds = Vector::new(motion.at(first.arm).dot(self.normal), motion.at(second.arm).dot(self.normal));
        // Speeds without any impulse.
        let free = speeds - times(&self.matrix, now);
        let both = -times(&self.inverse, free);
        if both.x >= 0.0 && both.y >= 0.0 {
            return Some(both);
        }
        let only = -first.normal_mass * free.x;
        if only >= 0.0 && self.matrix[2] * only + free.y >= 0.0 {
            return Some(Vector::new(only, 0.0));
        }
        let only = -second.normal_mass * free.y;
        if only >= 0.0 && self.matrix[2] * only + free.x >= 0.0 {
            return Some(Vector::new(0.0, only));
        }
        (free.x >= 0.0 && free.y >= 0.0).then_some(Vector::ZERO)
    }
}

/// Pushes a body out of a piece of ground; whether it was hardly in it.
pub(super) fn push_out(body: &mut Body, manifold: &Manifold, (share, left): Correction) -> bool {
    let mut fine = true;
    for spot in 0..manifold.spots().len() {
        let it = manifold.touching(spot, &body.frame());
        fine &= it.gap >= -left * LINEAR_SLOP;
        let wanted = (share * (it.gap + LINEAR_SLOP)).clamp(-MAX_CORRECTION_M, 0.0);
        let arm = it.point - body.place.center;
        let lever = arm.perp_dot(it.normal);
        let Inverse { mass, inertia } = body.inverse;
        let impulse = -wanted / (mass + inertia * lever * lever) * it.normal;
        body.place.shift(mass * impulse, inertia * arm.perp_dot(impulse));
    }
    fine
}

fn times([xx, yy, xy]: &[f32; 3], v: Vector) -> Vector {
    Vector::new(xx * v.x + xy * v.y, xy * v.x + yy * v.y)
}

fn tangent(normal: Vector) -> Vector {
    Vector::new(normal.y, -normal.x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::box2d::body::{Polygon, box_outline};
    use crate::env::box2d::contact::{Pose, meet};

    /// A box of 1 m and 1 kg on level ground, `y` over it.
    fn grounded(y: f32) -> (Body, Manifold) {
        let body = Body::new(&box_outline([0.5, 0.5]), 1.0, 0.0, Vector::new(0.0, 0.5 + y), 0.0);
        let ground = Polygon::new(&[Vector::new(-5.0, 0.0), Vector::new(5.0, 0.0)]);
        let manifold = meet(&body, &Pose::of(&body), &ground, false);
        (body, manifold)
    }

    fn after(motion: Motion, friction: f32) -> Motion {
        let (body, manifold) = grounded(0.015);
        let (mut motion, mut pressure) = (motion, Pressure::new(0, &body, &manifold, friction));
        (0..180).for_each(|_| pressure.solve(&body.inverse, &mut motion));
        motion
    }

    #[test]
    fn ground_stops_a_fall_and_friction_a_slide() {
        let slow = after(Motion { velocity: Vector::new(0.1, -2.0), spin: 0.0 }, 0.5);
        assert!(slow.velocity.length() < 1e-4 && slow.spin.abs() < 1e-4, "{slow:?}");
        let fast = after(Motion { velocity: Vector::new(3.0, -2.0), spin: 0.0 }, 0.5);
        assert!((fast.velocity.x - 2.0).abs() < 1e-3, "friction takes half of what the ground gives: {fast:?}");
        let rising = Motion { velocity: Vector::new(1.0, 2.0), spin: 0.0 };
        assert_eq!(after(rising, 0.5), rising);
    }

    #[test]
    fn overlap_shrinks_to_what_is_left() {
        let (mut body, manifold) = grounded(-0.05);
        let sweeps = (0..60).take_while(|_| !push_out(&mut body, &manifold, GENTLE)).count();
        let height = body.place.center.y - 0.5;
        assert!((1..60).contains(&sweeps) && (0.0..0.02).contains(&height), "{height} after {sweeps}");
    }
}
