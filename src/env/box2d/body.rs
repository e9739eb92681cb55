//! Rigid bodies and their convex shapes.

use rapier2d::math::Rotation;
use rapier2d::parry::bounding_volume::Aabb;
use rapier2d::prelude::Vector;
use serde::{Deserialize, Serialize};

use super::contact::SKINS_M;

/// Most corners of a shape.
pub(super) const MAX_CORNERS: usize = 6;

/// Farthest that a body moves in a step, m, and most that it turns, rad.
const MAX_MOVE: (f32, f32) = (2.0, std::f32::consts::FRAC_PI_2);

/// A convex polygon, or a segment with two sides when it has two corners.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Polygon {
    corners: [Vector; MAX_CORNERS],
    normals: [Vector; MAX_CORNERS],
    count: usize,
}

impl Polygon {
    /// The polygon with these corners, counter-clockwise, m.
    pub(super) fn new(corners: &[Vector]) -> Self {
        let mut polygon = Self { count: corners.len(), ..Self::default() };
        polygon.corners[..corners.len()].copy_from_slice(corners);
        for i in 0..corners.len() {
            let edge = corners[(i + 1) % corners.len()] - corners[i];
            polygon.normals[i] = Vector::new(edge.y, -edge.x).normalize();
        }
        polygon
    }

    /// Its corners.
    pub(super) fn corners(&self) -> &[Vector] {
        &self.corners[..self.count]
    }

    /// The outward normals of the edges from each corner to the next.
    pub(super) fn normals(&self) -> &[Vector] {
        &self.normals[..self.count]
    }

    /// The edge from corner `i` to the next.
    pub(super) fn edge(&self, i: usize) -> [Vector; 2] {
        [self.corners[i], self.corners[(i + 1) % self.count]]
    }

    /// Which corner is farthest in a direction.
    pub(super) fn farthest(&self, direction: Vector) -> usize {
        let mut best = 0;
        for i in 1..self.count {
            if self.corners[i].dot(direction) > self.corners[best].dot(direction) {
                best = i;
            }
        }
        best
    }

    /// The polygon in a frame.
    pub(super) fn at(&self, frame: &Frame) -> Self {
        let mut moved = *self;
        for i in 0..self.count {
            moved.corners[i] = frame.point(self.corners[i]);
            moved.normals[i] = frame.turn * self.normals[i];
        }
        moved
    }

    /// Mass, kg, center of mass, m, and inertia about it, kg m², at a density, kg/m²: a sum over triangles.
    fn mass(&self, density: f32) -> (f32, Vector, f32) {
        let corners = self.corners();
        let inner = (1.0 / corners.len() as f32) * corners.iter().copied().fold(Vector::ZERO, |sum, it| sum + it);
        let third = 1.0 / 3.0;
        let (mut area, mut moment, mut spread) = (0.0, Vector::ZERO, 0.0);
        for i in 0..corners.len() {
            let [a, b] = self.edge(i).map(|corner| corner - inner);
            let cross = a.perp_dot(b);
            let triangle = 0.5 * cross;
            area += triangle;
            moment += triangle * third * (a + b);
            let square = |a: f32, b: f32| a * a + b * a + b * b;
            spread += (0.25 * third * cross) * (square(a.x, b.x) + square(a.y, b.y));
        }
        let offset = (1.0 / area) * moment;
        let (mass, center) = (density * area, offset + inner);
        let about_origin = density * spread + mass * (center.length_squared() - offset.length_squared());
        let center = (1.0 / mass) * (mass * center);
        (mass, center, about_origin - mass * center.length_squared())
    }

    /// The box around it and its skin.
    pub(super) fn bounds(&self) -> Aabb {
        let corners = self.corners();
        let (min, max) =
            corners.iter().fold((corners[0], corners[0]), |(min, max), &point| (min.min(point), max.max(point)));
        Aabb::new(min - SKINS_M / 2.0, max + SKINS_M / 2.0)
    }
}

/// Where a body's own coordinates are in the world.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Frame {
    /// Their origin, m.
    pub origin: Vector,
    /// How they are turned.
    pub turn: Rotation,
}

impl Frame {
    /// Where a point of the body is.
    pub(super) fn point(&self, local: Vector) -> Vector {
        self.turn * local + self.origin
    }

    /// The point of the body that is at `point`.
    pub(super) fn local(&self, point: Vector) -> Vector {
        self.turn.inverse() * (point - self.origin)
    }
}

/// Where a body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Place {
    /// Center of mass, m.
    pub center: Vector,
    /// Angle, rad; full turns count.
    pub angle: f32,
}

impl Place {
    /// The place `part` of the way to `end`.
    pub(super) fn toward(&self, end: &Self, part: f32) -> Self {
        Self {
            center: (1.0 - part) * self.center + part * end.center,
            angle: (1.0 - part) * self.angle + part * end.angle,
        }
    }

    /// An arm from the body's center of mass as it is in the world.
    pub(super) fn turned(&self, arm: Vector) -> Vector {
        Rotation::new(self.angle) * arm
    }

    /// The frame of a body whose center of mass is at `center` in it.
    pub(super) fn frame(&self, center: Vector) -> Frame {
        let turn = Rotation::new(self.angle);
        Frame { origin: self.center - turn * center, turn }
    }

    /// Moved by a displacement and a turn.
    pub(super) fn shift(&mut self, by: Vector, turn: f32) {
        self.center += by;
        self.angle += turn;
    }
}

/// How a body moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Motion {
    /// Velocity of the center of mass, m/s.
    pub velocity: Vector,
    /// Spin, rad/s.
    pub spin: f32,
}

impl Motion {
    /// Velocity of a point at `arm` from the center of mass.
    pub(super) fn at(&self, arm: Vector) -> Vector {
        self.velocity + self.spin * arm.perp()
    }

    /// Takes an impulse at `arm` from the center of mass.
    pub(super) fn push(&mut self, inverse: &Inverse, impulse: Vector, arm: Vector) {
        self.velocity += inverse.mass * impulse;
        self.spin += inverse.inertia * arm.perp_dot(impulse);
    }

    /// Slowed where a body would move too far in `secs`.
    pub(super) fn capped(mut self, secs: f32) -> Self {
        let (distance, turn) = (secs * self.velocity.length(), secs * self.spin.abs());
        if distance > MAX_MOVE.0 {
            self.velocity *= MAX_MOVE.0 / distance;
        }
        if turn > MAX_MOVE.1 {
            self.spin *= MAX_MOVE.1 / turn;
        }
        self
    }
}

/// One over what resists a change of motion.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Inverse {
    /// One over the mass, 1/kg.
    pub mass: f32,
    /// One over the inertia about the center of mass, 1/(kg m²).
    pub inertia: f32,
}

/// A rigid body.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Body {
    /// Its shape, in its frame.
    pub shape: Polygon,
    /// Mass and inertia.
    pub inverse: Inverse,
    /// Friction coefficient; that of a contact is the geometric mean.
    pub friction: f32,
    /// Center of mass in its frame, m.
    pub center: Vector,
    /// Where it is.
    pub place: Place,
    /// How it moves.
    pub motion: Motion,
    /// Set by the begin of a contact, cleared by the end of any: it may read false while another contact goes on.
    pub contact: bool,
    /// Whether it has touched anything.
    pub touched: bool,
    /// A box that it has not left since the ground near it was looked up.
    pub roams: Aabb,
}

impl Body {
    /// A body of `density`, kg/m², with its corners, counter-clockwise, m, from an origin that is at `origin` and is turned
    /// by `angle`. It rests.
    pub(super) fn new(corners: &[Vector], density: f32, friction: f32, origin: Vector, angle: f32) -> Self {
        let shape = Polygon::new(corners);
        let (mass, center, inertia) = shape.mass(density);
        let turn = Rotation::new(angle);
        Self {
            shape,
            inverse: Inverse { mass: 1.0 / mass, inertia: 1.0 / inertia },
            friction,
            center,
            place: Place { center: turn * center + origin, angle },
            motion: Motion::default(),
            contact: false,
            touched: false,
            roams: Aabb::new_invalid(),
        }
    }

    /// Where its own coordinates are.
    pub(super) fn frame(&self) -> Frame {
        self.place.frame(self.center)
    }

    /// Where the origin of its shape is, m.
    pub(super) fn origin(&self) -> Vector {
        self.frame().origin
    }

    /// Its shape where it is.
    pub(super) fn outline(&self) -> Polygon {
        self.shape.at(&self.frame())
    }
}

/// Corners of a box around its middle, m.
pub(super) fn box_outline([half_width, half_height]: [f32; 2]) -> [Vector; 4] {
    [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]].map(|[x, y]| Vector::new(x * half_width, y * half_height))
}
