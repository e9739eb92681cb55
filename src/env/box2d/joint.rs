//! Hinges between bodies, with a motor and a range of angles: Box2D's revolute joint.

use rapier2d::prelude::Vector;
use serde::{Deserialize, Serialize};

use super::body::{Body, Inverse, Motion};

/// Distance that hinges, and shapes that touch, may be off, m.
pub(super) const LINEAR_SLOP: f32 = 0.005;
/// Angle that joints may be beyond a limit, rad.
const ANGULAR_SLOP: f32 = 2.0 / 180.0 * std::f32::consts::PI;
/// Most angle corrected at once, rad.
const MAX_ANGULAR_CORRECTION: f32 = 8.0 / 180.0 * std::f32::consts::PI;

/// Where a hinge is in its range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Limit {
    #[default]
    Between,
    Lower,
    Upper,
}

/// A hinge between two bodies.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Joint {
    /// The first body.
    pub a: usize,
    /// The second one.
    pub b: usize,
    /// The axis from the center of the first, in its frame, m.
    pub anchor_a: Vector,
    /// The axis from the center of the second, in its frame, m.
    pub anchor_b: Vector,
    /// Angle from first to second that counts as 0, rad.
    pub reference: f32,
    /// Range of the angle, rad.
    pub limits: [f32; 2],
    /// Speed that the motor tries to hold, rad/s.
    pub motor_speed: f32,
    /// Largest torque of the motor, N m.
    pub motor_torque: f32,
    /// What the last step leaves to the next.
    pub held: Held,
}

/// Impulses with which a joint's next step begins.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Held {
    limit: Limit,
    impulse: Vector,
    limit_impulse: f32,
    motor_impulse: f32,
}

/// What a joint needs of the places of its bodies while velocities are solved.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Prepared {
    inverse: [Inverse; 2],
    arm: [Vector; 2],
    /// Effective masses of the hinge alone, and with the limit.
    point: Symmetric2,
    point_and_limit: Symmetric3,
    /// Couples the limit's impulse into the hinge.
    coupling: Vector,
    motor_mass: f32,
    motor_most: f32,
}

impl Joint {
    /// Its angle, rad.
    pub(super) fn angle(&self, bodies: &[Body]) -> f32 {
        bodies[self.b].place.angle - bodies[self.a].place.angle - self.reference
    }

    /// Its speed, rad/s.
    pub(super) fn speed(&self, bodies: &[Body]) -> f32 {
        bodies[self.b].motion.spin - bodies[self.a].motion.spin
    }

    /// Readies it for a step of `secs` and applies the impulses of the last one.
    pub(super) fn prepare(&mut self, bodies: &[Body], motions: &mut [Motion], secs: f32) -> Prepared {
        let (a, b) = (&bodies[self.a], &bodies[self.b]);
        let angle = self.angle(bodies);
        let limit = if angle <= self.limits[0] {
            Limit::Lower
        } else if angle >= self.limits[1] {
            Limit::Upper
        } else {
            Limit::Between
        };
        if limit != self.held.limit || limit == Limit::Between {
            self.held.limit_impulse = 0.0;
        }
        self.held.limit = limit;
        let (arm_a, arm_b) = (a.place.turned(self.anchor_a), b.place.turned(self.anchor_b));
        let (ia, ib) = (a.inverse.inertia, b.inverse.inertia);
        let matrix = hinge_matrix([a.inverse, b.inverse], [arm_a, arm_b]);
        let coupling = Vector::new(-arm_a.y * ia - arm_b.y * ib, arm_a.x * ia + arm_b.x * ib);
        let turn = self.held.motor_impulse + self.held.limit_impulse;
        let prepared = Prepared {
            inverse: [a.inverse, b.inverse],
            arm: [arm_a, arm_b],
            point: matrix.inverse(),
            point_and_limit: Symmetric3 { point: matrix, coupling, turn: ia + ib }.inverse(),
            coupling,
            motor_mass: 1.0 / (ia + ib),
            motor_most: secs * self.motor_torque,
        };
        self.apply(&prepared, motions, self.held.impulse, turn);
        prepared
    }

    /// One sweep over velocities.
    pub(super) fn solve(&mut self, prepared: &Prepared, motions: &mut [Motion]) {
        let wrong = motions[self.b].spin - motions[self.a].spin - self.motor_speed;
        let most = prepared.motor_most;
        let wanted = (self.held.motor_impulse - prepared.motor_mass * wrong).clamp(-most, most);
        let turn = wanted - std::mem::replace(&mut self.held.motor_impulse, wanted);
        motions[self.a].spin -= prepared.inverse[0].inertia * turn;
        motions[self.b].spin += prepared.inverse[1].inertia * turn;

        let (a, b) = (&motions[self.a], &motions[self.b]);
        let slip = b.at(prepared.arm[1]) - a.at(prepared.arm[0]);
        let (impulse, turn) = if self.held.limit == Limit::Between {
            (prepared.point.times(-slip), 0.0)
        } else {
            let both = prepared.point_and_limit.times(-slip, a.spin - b.spin);
            let sum = self.held.limit_impulse + both.1;
            let pulls = if self.held.limit == Limit::Lower { sum < 0.0 } else { sum > 0.0 };
            // A limit pushes only: what it holds is taken back.
            let held = self.held.limit_impulse;
            if pulls { (prepared.point.times(held * prepared.coupling - slip), -held) } else { both }
        };
        self.held.impulse += impulse;
        self.held.limit_impulse += turn;
        self.apply(prepared, motions, impulse, turn);
    }

    fn apply(&self, prepared: &Prepared, motions: &mut [Motion], impulse: Vector, turn: f32) {
        let [a, b] = &prepared.inverse;
        motions[self.a].push(a, -impulse, prepared.arm[0]);
        motions[self.a].spin -= a.inertia * turn;
        motions[self.b].push(b, impulse, prepared.arm[1]);
        motions[self.b].spin += b.inertia * turn;
    }

    /// Pulls the bodies together and back into the range; whether they were near enough.
    pub(super) fn correct(&self, bodies: &mut [Body]) -> bool {
        let angle = self.angle(bodies);
        let inverse = [bodies[self.a].inverse, bodies[self.b].inverse];
        let (ia, ib) = (inverse[0].inertia, inverse[1].inertia);
        let (past, excess) = match self.held.limit {
            Limit::Between => (0.0, 0.0),
            Limit::Lower => {
                let off = angle - self.limits[0];
                (-off, (off + ANGULAR_SLOP).clamp(-MAX_ANGULAR_CORRECTION, 0.0))
            }
            Limit::Upper => {
                let off = angle - self.limits[1];
                (off, (off - ANGULAR_SLOP).clamp(0.0, MAX_ANGULAR_CORRECTION))
            }
        };
        if excess != 0.0 {
            let turn = excess / (ia + ib);
            bodies[self.a].place.angle += ia * turn;
            bodies[self.b].place.angle -= ib * turn;
        }
        let (a, b) = (bodies[self.a].place, bodies[self.b].place);
        let arm = [a.turned(self.anchor_a), b.turned(self.anchor_b)];
        let gap = b.center + arm[1] - a.center - arm[0];
        let pull = hinge_matrix(inverse, arm).inverse().times(gap);
        bodies[self.a].place.shift(inverse[0].mass * pull, ia * arm[0].perp_dot(pull));
        bodies[self.b].place.shift(-inverse[1].mass * pull, -ib * arm[1].perp_dot(pull));
        gap.length() <= LINEAR_SLOP && past <= ANGULAR_SLOP
    }
}

/// How an impulse at a hinge changes the velocity between its ends.
fn hinge_matrix([a, b]: [Inverse; 2], [arm_a, arm_b]: [Vector; 2]) -> Symmetric2 {
    let mass = a.mass + b.mass;
    Symmetric2 {
        xx: mass + a.inertia * arm_a.y * arm_a.y + b.inertia * arm_b.y * arm_b.y,
        xy: -a.inertia * arm_a.x * arm_a.y - b.inertia * arm_b.x * arm_b.y,
        yy: mass + a.inertia * arm_a.x * arm_a.x + b.inertia * arm_b.x * arm_b.x,
    }
}

/// A symmetric 2x2 matrix.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Symmetric2 {
    /// First diagonal entry.
    pub xx: f32,
    /// Entry beside the diagonal.
    pub xy: f32,
    /// Second diagonal entry.
    pub yy: f32,
}

impl Symmetric2 {
    /// One over its determinant times its adjugate.
    pub(super) fn inverse(&self) -> Self {
        let scale = 1.0 / (self.xx * self.yy - self.xy * self.xy);
        Self { xx: scale * self.yy, xy: -scale * self.xy, yy: scale * self.xx }
    }

    /// The matrix times a vector.
    pub(super) fn times(&self, v: Vector) -> Vector {
        Vector::new(self.xx * v.x + self.xy * v.y, self.xy * v.x + self.yy * v.y)
    }
}

/// A symmetric 3x3 matrix over a hinge's impulse and its limit's.
#[derive(Clone, Copy, Debug, Default)]
struct Symmetric3 {
    point: Symmetric2,
    coupling: Vector,
    turn: f32,
}

impl Symmetric3 {
    fn inverse(&self) -> Self {
        let Self { point: Symmetric2 { xx, xy, yy }, coupling: Vector { x: xz, y: yz }, turn: zz } = *self;
        let first = Vector::new(yy * zz - yz * yz, yz * xz - xy * zz);
        let corner = xy * yz - yy * xz;
        let scale = 1.0 / (xx * first.x + xy * first.y + xz * corner);
        Self {
            point: Symmetric2 { xx: scale * first.x, xy: scale * first.y, yy: scale * (xx * zz - xz * xz) },
            coupling: scale * Vector::new(corner, xy * xz - xx * yz),
            turn: scale * (xx * yy - xy * xy),
        }
    }

    fn times(&self, point: Vector, turn: f32) -> (Vector, f32) {
        (self.point.times(point) + turn * self.coupling, self.coupling.dot(point) + self.turn * turn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::box2d::body::{Place, box_outline};

    /// Two bars of 1 m with their ends on one hinge, the second at `angle`.
    fn bars(angle: f32) -> ([Body; 2], Joint) {
        let bar = |y, angle| Body::new(&box_outline([0.1, 0.5]), 1.0, 0.0, Vector::new(0.0, y), angle);
        let anchor = Vector::new(0.0, 0.5);
        let joint = Joint { a: 0, b: 1, anchor_a: -anchor, anchor_b: anchor, limits: [-0.5, 0.5], ..Joint::default() };
        let mut bodies = [bar(0.0, 0.0), bar(-1.0, angle)];
        let hinge = bodies[0].place.point(-anchor);
        bodies[1].place = Place { center: hinge - bodies[1].place.turned(anchor), angle };
        (bodies, joint)
    }

    fn gap(bodies: &[Body], joint: &Joint) -> f32 {
        (bodies[0].place.point(joint.anchor_a) - bodies[1].place.point(joint.anchor_b)).length()
    }

    #[test]
    fn a_hinge_closes_and_the_center_of_mass_stays() {
        let (mut bodies, joint) = bars(0.2);
        bodies[1].place.center += Vector::new(0.1, -0.05);
        let middle = bodies[0].place.center + bodies[1].place.center;
        assert!(gap(&bodies, &joint) > 0.1);
        let sweeps = (0..60).take_while(|_| !joint.correct(&mut bodies)).count();
        assert!(sweeps < 60 && gap(&bodies, &joint) <= LINEAR_SLOP);
        assert!((bodies[0].place.center + bodies[1].place.center - middle).length() < 1e-5);
    }

    #[test]
    fn a_stopped_joint_comes_back_to_two_degrees_beyond() {
        let (mut bodies, mut joint) = bars(0.9);
        assert!(joint.correct(&mut bodies) && (joint.angle(&bodies) - 0.9).abs() < 1e-6, "it was free so far");
        joint.prepare(&bodies, &mut [Motion::default(); 2], 0.02);
        (0..60).take_while(|_| !joint.correct(&mut bodies)).for_each(drop);
        assert!((joint.angle(&bodies) - 0.5349).abs() < 2e-3, "{}", joint.angle(&bodies));
    }

    #[test]
    fn velocities_meet_hinge_limit_and_motor() {
        for (angle, speed) in [(0.0, 2.0), (0.6, 0.0)] {
            let (bodies, mut joint) = bars(angle);
            (joint.motor_speed, joint.motor_torque) = (2.0, 80.0);
            let mut motions =
                [Motion { velocity: Vector::new(3.0, 1.0), spin: 2.0 }, Motion { velocity: Vector::X, spin: 7.0 }];
            let momentum = motions[0].velocity + motions[1].velocity;
            let prepared = joint.prepare(&bodies, &mut motions, 0.02);
            (0..180).for_each(|_| joint.solve(&prepared, &mut motions));
            let slip = motions[1].at(prepared.arm[1]) - motions[0].at(prepared.arm[0]);
            let turns = motions[1].spin - motions[0].spin;
            assert!(slip.length() < 1e-4 && (turns - speed).abs() < 1e-3, "{slip}, {turns} rad/s at {angle}");
            assert!((motions[0].velocity + motions[1].velocity - momentum).length() < 1e-4);
        }
    }
}
