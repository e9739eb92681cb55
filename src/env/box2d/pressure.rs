//! What the ground does to the bodies that touch it: Box2D's contact solver.

use rapier2d::prelude::Vector;

use super::body::{Body, Inverse, Motion};
use super::contact::{Manifold, Spot};
use super::joint::{LINEAR_SLOP, Symmetric2};

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
    /// How impulses at two points change their speeds, and its inverse.
    matrix: Symmetric2,
    inverse: Symmetric2,
}

#[derive(Clone, Copy, Debug, Default)]
struct Point {
    arm: Vector,
    normal_mass: f32,
    tangent_mass: f32,
    normal_impulse: f32,
    tangent_impulse: f32,
}

impl Pressure {
    /// Readies a contact of a body, from the impulses that its manifold holds.
    pub(super) fn new(body: usize, it: &Body, manifold: &Manifold, friction: f32) -> Self {
        let mut pressure = Self { body, friction, count: manifold.spots().len(), ..Self::default() };
        let Inverse { mass, inertia } = it.inverse;
        let mut levers = [0.0; 2];
        for (i, spot) in manifold.spots().iter().enumerate() {
            let (at, normal) = manifold.pressed_at(i, &it.place);
            pressure.normal = normal;
            let arm = at - it.place.center;
            levers[i] = arm.perp_dot(normal);
            let along = arm.perp_dot(tangent(normal));
            pressure.points[i] = Point {
                arm,
                normal_mass: 1.0 / (mass + inertia * levers[i] * levers[i]),
                tangent_mass: 1.0 / (mass + inertia * along * along),
                normal_impulse: spot.normal_impulse,
                tangent_impulse: spot.tangent_impulse,
            };
        }
        if pressure.count == 2 {
            let entry = |i: usize, j: usize| mass + inertia * levers[i] * levers[j];
            let matrix = Symmetric2 { xx: entry(0, 0), xy: entry(0, 1), yy: entry(1, 1) };
            if matrix.xx * matrix.xx < MAX_CONDITION * (matrix.xx * matrix.yy - matrix.xy * matrix.xy) {
                (pressure.matrix, pressure.inverse) = (matrix, matrix.inverse());
            } else {
                pressure.count = 1;
            }
        }
        pressure
    }

    /// Forgets the impulses of the last step.
    pub(super) fn cold(mut self) -> Self {
        for point in &mut self.points {
            (point.normal_impulse, point.tangent_impulse) = (0.0, 0.0);
        }
        self
    }

    /// Applies the impulses of the last step.
    pub(super) fn warm(&self, inverse: &Inverse, motion: &mut Motion) {
        for point in &self.points[..self.count] {
            let impulse = point.normal_impulse * self.normal + point.tangent_impulse * tangent(self.normal);
            motion.push(inverse, impulse, point.arm);
        }
    }

    /// One sweep over velocities.
    pub(super) fn solve(&mut self, inverse: &Inverse, motion: &mut Motion) {
        let along = tangent(self.normal);
        for point in &mut self.points[..self.count] {
            let slip = motion.at(point.arm).dot(along);
            let most = self.friction * point.normal_impulse;
            let wanted = (point.tangent_impulse - point.tangent_mass * slip).clamp(-most, most);
            let impulse = wanted - std::mem::replace(&mut point.tangent_impulse, wanted);
            motion.push(inverse, impulse * along, point.arm);
        }
        if self.count == 1 {
            let point = &mut self.points[0];
            let speed = motion.at(point.arm).dot(self.normal);
            let wanted = (point.normal_impulse - point.normal_mass * speed).max(0.0);
            let impulse = wanted - std::mem::replace(&mut point.normal_impulse, wanted);
            motion.push(inverse, impulse * self.normal, point.arm);
        } else if let Some(wanted) = self.both(motion) {
            let [first, second] = &mut self.points;
            let impulses = [wanted.x - first.normal_impulse, wanted.y - second.normal_impulse];
            (first.normal_impulse, second.normal_impulse) = (wanted.x, wanted.y);
            let total = (impulses[0] + impulses[1]) * self.normal;
            motion.velocity += inverse.mass * total;
            let turn = impulses[0] * first.arm.perp_dot(self.normal) + impulses[1] * second.arm.perp_dot(self.normal);
            motion.spin += inverse.inertia * turn;
        }
    }

    /// Impulses of two points, none of them negative, after which no point sinks and those that rise take none.
    fn both(&self, motion: &Motion) -> Option<Vector> {
        let [first, second] = &self.points;
        let now = Vector::new(first.normal_impulse, second.normal_impulse);
        let speeds = Vector::new(motion.at(first.arm).dot(self.normal), motion.at(second.arm).dot(self.normal));
        // Speeds without any impulse.
        let free = speeds - self.matrix.times(now);
        let both = -self.inverse.times(free);
        if both.x >= 0.0 && both.y >= 0.0 {
            return Some(both);
        }
        let only = -first.normal_mass * free.x;
        if only >= 0.0 && self.matrix.xy * only + free.y >= 0.0 {
            return Some(Vector::new(only, 0.0));
        }
        let only = -second.normal_mass * free.y;
        if only >= 0.0 && self.matrix.xy * only + free.x >= 0.0 {
            return Some(Vector::new(0.0, only));
        }
        (free.x >= 0.0 && free.y >= 0.0).then_some(Vector::ZERO)
    }

    /// Keeps the impulses for the next step.
    pub(super) fn store(&self, spots: &mut [Spot]) {
        for (point, spot) in self.points[..self.count].iter().zip(spots) {
            (spot.normal_impulse, spot.tangent_impulse) = (point.normal_impulse, point.tangent_impulse);
        }
    }
}

/// Pushes a body out of a piece of ground; whether it was hardly in it.
pub(super) fn push_out(body: &mut Body, manifold: &Manifold, (share, left): Correction) -> bool {
    let mut fine = true;
    for spot in 0..manifold.spots().len() {
        let it = manifold.touching(spot, &body.place);
        fine &= it.gap >= -left * LINEAR_SLOP;
        let wanted = (share * (it.gap + LINEAR_SLOP)).clamp(-MAX_CORRECTION_M, 0.0);
        let arm = it.point - body.place.center;
        let lever = arm.perp_dot(it.normal);
        let Inverse { mass, inertia } = body.inverse;
        let impulse = -wanted / (mass + inertia * lever * lever);
        body.place.shift(mass * impulse * it.normal, inertia * impulse * lever);
    }
    fine
}

fn tangent(normal: Vector) -> Vector {
    Vector::new(normal.y, -normal.x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::box2d::body::{Polygon, box_outline};
    use crate::env::box2d::contact::meet;

    /// A box of 1 m and 1 kg on level ground, `y` over it.
    fn grounded(y: f32) -> (Body, Manifold) {
        let body = Body::new(&box_outline([0.5, 0.5]), 1.0, 0.0, Vector::new(0.0, 0.5 + y), 0.0);
        let ground = Polygon::new(&[Vector::new(-5.0, 0.0), Vector::new(5.0, 0.0)]);
        let manifold = meet(&body.outline(), &body.place, &ground);
        (body, manifold)
    }

    fn after(motion: Motion, friction: f32) -> Motion {
        let (body, manifold) = grounded(0.015);
        let (mut motion, mut pressure) = (motion, Pressure::new(0, &body, &manifold, friction));
        pressure.warm(&body.inverse, &mut motion);
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
