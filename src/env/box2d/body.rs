//! Rigid bodies and their convex shapes.

use rapier2d::math::Rotation;
use rapier2d::parry::bounding_volume::Aabb;
use rapier2d::parry::mass_properties::MassProperties;
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

    /// The polygon at a place.
    pub(super) fn at(&self, place: &Place) -> Self {
        let mut moved = *self;
        let turn = Rotation::new(place.angle);
        for i in 0..self.count {
            moved.corners[i] = place.center + turn * self.corners[i];
            moved.normals[i] = turn * self.normals[i];
        }
        moved
    }

    /// The box around it and its skin.
    pub(super) fn bounds(&self) -> Aabb {
        let corners = self.corners();
        let (min, max) =
            corners.iter().fold((corners[0], corners[0]), |(min, max), &point| (min.min(point), max.max(point)));
        Aabb::new(min - SKINS_M / 2.0, max + SKINS_M / 2.0)
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

    /// A direction or arm of the body as it is in the world.
    pub(super) fn turned(&self, local: Vector) -> Vector {
        Rotation::new(self.angle) * local
    }

    /// A direction or arm in the world as the body has it.
    pub(super) fn turned_back(&self, arm: Vector) -> Vector {
        Rotation::new(self.angle).inverse() * arm
    }

    /// Where a point of the body is.
    pub(super) fn point(&self, local: Vector) -> Vector {
        self.center + self.turned(local)
    }

    /// The point of the body that is at `point`.
    pub(super) fn local(&self, point: Vector) -> Vector {
        self.turned_back(point - self.center)
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
    /// Its shape from its center of mass.
    pub shape: Polygon,
    /// Mass and inertia.
    pub inverse: Inverse,
    /// Friction coefficient; that of a contact is the geometric mean.
    pub friction: f32,
    /// Center of mass from the origin in which its shape was given, m.
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
        let mass = MassProperties::from_convex_polygon(density, corners);
        let center = mass.local_com;
        let mut from_center = [Vector::ZERO; MAX_CORNERS];
        from_center.iter_mut().zip(corners).for_each(|(to, &from)| *to = from - center);
        let place = Place { center: origin, angle };
        Self {
            shape: Polygon::new(&from_center[..corners.len()]),
            inverse: Inverse { mass: mass.inv_mass, inertia: 1.0 / mass.principal_inertia() },
            friction,
            center,
            place: Place { center: place.point(center), angle },
            motion: Motion::default(),
            contact: false,
            touched: false,
            roams: Aabb::new_invalid(),
        }
    }

    /// Where the origin of its shape is, m.
    pub(super) fn origin(&self) -> Vector {
        self.place.point(-self.center)
    }

    /// Its shape where it is.
    pub(super) fn outline(&self) -> Polygon {
        self.shape.at(&self.place)
    }
}

/// Corners of a box around its middle, m.
pub(super) fn box_outline([half_width, half_height]: [f32; 2]) -> [Vector; 4] {
    [[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]].map(|[x, y]| Vector::new(x * half_width, y * half_height))
}
