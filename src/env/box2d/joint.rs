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
    /// How impulses change velocities at the hinge alone, and with the limit.
    point: Symmetric2,
    point_and_limit: Symmetric3,
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
        let mass = a.inverse.mass + b.inverse.mass;
        let point = Symmetric2::new(
            mass + arm_a.y * arm_a.y * ia + arm_b.y * arm_b.y * ib,
            -arm_a.y * arm_a.x * ia - arm_b.y * arm_b.x * ib,
            mass + arm_a.x * arm_a.x * ia + arm_b.x * arm_b.x * ib,
        );
        let coupling = Vector::new(-arm_a.y * ia - arm_b.y * ib, arm_a.x * ia + arm_b.x * ib);
        let prepared = Prepared {
            inverse: [a.inverse, b.inverse],
            arm: [arm_a, arm_b],
            point,
            point_and_limit: Symmetric3::new(&point, coupling, ia + ib),
            motor_mass: 1.0 / (ia + ib),
            motor_most: secs * self.motor_torque,
        };
        let Held { impulse, limit_impulse, motor_impulse, .. } = self.held;
        prepared.apply([self.a, self.b], motions, impulse, |turn| turn + motor_impulse + limit_impulse);
        prepared
    }

    /// One sweep over velocities.
    pub(super) fn solve(&mut self, prepared: &Prepared, motions: &mut [Motion]) {
        let held = &mut self.held;
        let [ia, ib] = prepared.inverse.map(|it| it.inertia);
        let wrong = motions[self.b].spin - motions[self.a].spin - self.motor_speed;
        let most = prepared.motor_most;
        let wanted = (held.motor_impulse - prepared.motor_mass * wrong).clamp(-most, most);
        let turn = wanted - std::mem::replace(&mut held.motor_impulse, wanted);
        motions[self.a].spin -= ia * turn;
        motions[self.b].spin += ib * turn;

        let (a, b) = (&motions[self.a], &motions[self.b]);
        let [arm_a, arm_b] = prepared.arm;
        let slip = b.velocity + b.spin * arm_b.perp() - a.velocity - a.spin * arm_a.perp();
        if held.limit == Limit::Between {
            let impulse = prepared.point.solve(-slip);
            held.impulse += impulse;
            prepared.apply([self.a, self.b], motions, impulse, |turn| turn);
            return;
        }
        let (mut impulse, mut turn) = prepared.point_and_limit.solve(-slip, a.spin - b.spin);
        let sum = held.limit_impulse + turn;
        let pulls = if held.limit == Limit::Lower { sum < 0.0 } else { sum > 0.0 };
        if pulls {
            // A limit pushes only: what it holds is taken back.
            impulse = prepared.point.solve(-slip + held.limit_impulse * prepared.point_and_limit.coupling);
            turn = -held.limit_impulse;
        }
        held.impulse += impulse;
        held.limit_impulse = if pulls { 0.0 } else { sum };
        prepared.apply([self.a, self.b], motions, impulse, |lever| lever + turn);
    }

    /// Pulls the bodies together and back into the range; whether they were near enough.
    pub(super) fn correct(&self, bodies: &mut [Body]) -> bool {
        let angle = self.angle(bodies);
        let [Inverse { mass: ma, inertia: ia }, Inverse { mass: mb, inertia: ib }] =
            [bodies[self.a].inverse, bodies[self.b].inverse];
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
            let turn = 1.0 / (ia + ib) * excess;
            bodies[self.a].place.angle += ia * turn;
            bodies[self.b].place.angle -= ib * turn;
        }
        let (a, b) = (bodies[self.a].place, bodies[self.b].place);
        let (arm_a, arm_b) = (a.turned(self.anchor_a), b.turned(self.anchor_b));
        let gap = b.center + arm_b - a.center - arm_a;
        let matrix = Symmetric2::new(
            ma + mb + ia * arm_a.y * arm_a.y + ib * arm_b.y * arm_b.y,
            -ia * arm_a.x * arm_a.y - ib * arm_b.x * arm_b.y,
            ma + mb + ia * arm_a.x * arm_a.x + ib * arm_b.x * arm_b.x,
        );
        let pull = matrix.solve(gap);
        bodies[self.a].place.shift(ma * pull, ia * arm_a.perp_dot(pull));
        bodies[self.b].place.shift(-mb * pull, -ib * arm_b.perp_dot(pull));
        gap.length() <= LINEAR_SLOP && past <= ANGULAR_SLOP
    }
}

impl Prepared {
    /// Gives the two bodies an impulse at the hinge. `turn` adds to its lever what turns them without moving them, N m s.
    fn apply(&self, [a, b]: [usize; 2], motions: &mut [Motion], impulse: Vector, turn: impl Fn(f32) -> f32) {
        let [inverse_a, inverse_b] = &self.inverse;
        motions[a].velocity -= inverse_a.mass * impulse;
        motions[a].spin -= inverse_a.inertia * turn(self.arm[0].perp_dot(impulse));
        motions[b].velocity += inverse_b.mass * impulse;
        motions[b].spin += inverse_b.inertia * turn(self.arm[1].perp_dot(impulse));
    }
}

/// A symmetric 2x2 matrix.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Symmetric2 {
    xx: f32,
    /// Beside the diagonal.
    xy: f32,
    yy: f32,
    /// One over its determinant.
    scale: f32,
}

impl Symmetric2 {
    /// The matrix with diagonal entries `xx` and `yy` and `xy` beside them.
    pub(super) fn new(xx: f32, xy: f32, yy: f32) -> Self {
        Self { xx, xy, yy, scale: 1.0 / (xx * yy - xy * xy) }
    }

    /// Its inverse times a vector.
    pub(super) fn solve(&self, v: Vector) -> Vector {
        Vector::new(self.scale * (self.yy * v.x - self.xy * v.y), self.scale * (self.xx * v.y - self.xy * v.x))
    }
}

/// A symmetric 3x3 matrix over a hinge's impulse and its limit's.
#[derive(Clone, Copy, Debug, Default)]
struct Symmetric3 {
    columns: [[f32; 3]; 3],
    coupling: Vector,
    /// Second column cross third.
    normal: [f32; 3],
    /// One over its determinant.
    scale: f32,
}

impl Symmetric3 {
    fn new(point: &Symmetric2, coupling: Vector, turn: f32) -> Self {
        let columns =
            [[point.xx, point.xy, coupling.x], [point.xy, point.yy, coupling.y], [coupling.x, coupling.y, turn]];
        let normal = cross(columns[1], columns[2]);
        Self { columns, coupling, normal, scale: 1.0 / dot(columns[0], normal) }
    }

    /// Its inverse times a vector, by Cramer's rule.
    fn solve(&self, point: Vector, turn: f32) -> (Vector, f32) {
        let [first, second, third] = self.columns;
        let v = [point.x, point.y, turn];
        let x = self.scale * dot(v, self.normal);
        let y = self.scale * dot(first, cross(v, third));
        (Vector::new(x, y), self.scale * dot(first, cross(second, v)))
    }
}

fn dot(a: [f32; 3], b: [f32; 3]) -> f32 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f32; 3], b: [f32; 3]) -> [f32; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
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
        let hinge = bodies[0].place.center - bodies[0].place.turned(anchor);
        bodies[1].place = Place { center: hinge - bodies[1].place.turned(anchor), angle };
        (bodies, joint)
    }

    fn gap(bodies: &[Body], joint: &Joint) -> f32 {
        {
            let [a, b] = [0, 1].map(|i| bodies[i].place);
            (a.center + a.turned(joint.anchor_a) - b.center - b.turned(joint.anchor_b)).length()
        }
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
