//! Where a body meets a piece of ground, as Box2D finds it.

use rapier2d::prelude::Vector;
use serde::{Deserialize, Serialize};

use super::body::{Body, Frame, Polygon};

/// The skin of a shape, m.
pub(super) const SKIN_M: f32 = 0.01;
/// Shapes touch below this distance, m.
pub(super) const SKINS_M: f32 = 2.0 * SKIN_M;

/// Ground that bodies can meet: convex pieces, known by their numbers.
pub(super) trait Pieces {
    /// Visits the pieces that may be in columns `min..=max`, m, in the order in which contacts with them begin.
    fn near(&self, min: f32, max: f32, visit: &mut dyn FnMut(u16));
    /// The shape of a piece.
    fn piece(&self, number: u16) -> Polygon;
    /// Friction coefficient of a piece.
    fn friction(&self, number: u16) -> f32;
    /// The fixed body of which a piece is a part.
    fn whole(&self, number: u16) -> u16;
    /// Whether a piece is a block that comes after a body in Box2D's pool. The first of two polygons is preferred where
    /// both have a face to meet at; segments always come first.
    fn comes_after(&self, number: u16, body: usize) -> bool;
}

/// Which of the two shapes a contact's face is on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Side {
    /// The ground.
    #[default]
    Ground,
    /// The body.
    Body,
}

/// A corner or a face of a shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Feature {
    is_face: bool,
    number: u8,
}

impl Feature {
    fn corner(number: usize) -> Self {
        Self { is_face: false, number: number as u8 }
    }

    fn face(number: usize) -> Self {
        Self { is_face: true, number: number as u8 }
    }
}

/// The features that meet at a spot. Of which shape the first is hangs on the contact's side and kind: what counts is
/// that the same features are found again.
type Features = [Feature; 2];

/// A corner of one shape at a face of the other.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Spot {
    /// The corner: in the body's frame if the face is the ground's, else in the world, m.
    point: Vector,
    /// By them the impulses of the step before are found again.
    features: Features,
    /// What the last step leaves to the next.
    pub impulse: Impulse,
}

/// Impulse of the ground on a body at a point.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Impulse {
    /// Out of the ground, N s.
    pub normal: f32,
    /// Along it, N s.
    pub tangent: f32,
}

/// How a body meets a piece of ground.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Manifold {
    /// Where the face is.
    side: Side,
    /// Normal of the face, out of its shape: in the world if it is the ground's, else in the body's frame.
    normal: Vector,
    /// A point of the face, in the same frame, m.
    on_face: Vector,
    spots: [Spot; 2],
    count: usize,
}

/// A point where a body touches the ground.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Touching {
    /// The corner, m.
    pub point: Vector,
    /// Out of the ground.
    pub normal: Vector,
    /// Distance between the skins, m; negative where they overlap.
    pub gap: f32,
}

impl Manifold {
    /// Whether there is anything.
    pub(super) fn touches(&self) -> bool {
        self.count > 0
    }

    /// The corners at the face.
    pub(super) fn spots(&self) -> &[Spot] {
        &self.spots[..self.count]
    }

    /// The corners at the face.
    pub(super) fn spots_mut(&mut self) -> &mut [Spot] {
        &mut self.spots[..self.count]
    }

    /// Face, its normal and a corner at it, with the body in this frame.
    fn placed(&self, spot: usize, frame: &Frame) -> (Vector, Vector, Vector) {
        let corner = self.spots[spot].point;
        match self.side {
            Side::Ground => (self.on_face, self.normal, frame.point(corner)),
            Side::Body => (frame.point(self.on_face), frame.turn * self.normal, corner),
        }
    }

    fn out_of_ground(&self, normal: Vector) -> Vector {
        if self.side == Side::Ground { normal } else { -normal }
    }

    /// One of the points with the body in this frame.
    pub(super) fn touching(&self, spot: usize, frame: &Frame) -> Touching {
        let (face, normal, point) = self.placed(spot, frame);
        let gap = (point - face).dot(normal) - SKIN_M - SKIN_M;
        Touching { point, normal: self.out_of_ground(normal), gap }
    }

    /// The point between the two skins at a spot, and the normal out of the ground.
    pub(super) fn pressed_at(&self, spot: usize, frame: &Frame) -> (Vector, Vector) {
        let (face, normal, point) = self.placed(spot, frame);
        let on_face = point + (SKIN_M - (point - face).dot(normal)) * normal;
        (0.5 * (on_face + (point - SKIN_M * normal)), self.out_of_ground(normal))
    }

    /// Takes the impulses of the same features from an earlier manifold.
    pub(super) fn inherit(&mut self, earlier: &Self) {
        for spot in &mut self.spots[..self.count] {
            if let Some(same) = earlier.spots().iter().find(|it| it.features == spot.features) {
                spot.impulse = same.impulse;
            }
        }
    }

    fn add(&mut self, point: Vector, features: Features) {
        self.spots[self.count] = Spot { point, features, ..Spot::default() };
        self.count += 1;
    }
}

/// Where a body is while it is held against pieces: its frame, and its shape in the world.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pose {
    pub frame: Frame,
    pub outline: Polygon,
}

impl Pose {
    pub(super) fn of(body: &Body) -> Self {
        let frame = body.frame();
        Self { frame, outline: body.shape.at(&frame) }
    }
}

/// Where a body meets a piece, which may come first of the two if it is a block; without touching spots if it does not.
pub(super) fn meet(body: &Body, pose: &Pose, piece: &Polygon, body_first: bool) -> Manifold {
    if piece.corners().len() == 2 { meet_segment(body, pose, piece) } else { meet_block(body, pose, piece, body_first) }
}

/// Smallest distance of corners from the line through a point of a face with this normal.
fn distance(normal: Vector, on_face: Vector, corners: &[Vector]) -> f32 {
    corners.iter().map(|&corner| normal.dot(corner - on_face)).fold(f32::INFINITY, f32::min)
}

/// The face of `shape` that `corners` are farthest in front of, and how far.
fn nearest_face(shape: &Polygon, corners: &[Vector]) -> (usize, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (i, (&normal, &corner)) in shape.normals().iter().zip(shape.corners()).enumerate() {
        let distance = distance(normal, corner, corners);
        if distance > best.1 {
            best = (i, distance);
        }
    }
    best
}

/// A segment has two sides; the body is on that of its center, even where it reaches through.
fn meet_segment(body: &Body, pose: &Pose, piece: &Polygon) -> Manifold {
    let outline = &pose.outline;
    let [start, end] = piece.edge(0);
    let first = piece.normals()[0].dot(body.place.center - start) >= 0.0;
    let ground_normal = if first { piece.normals()[0] } else { -piece.normals()[0] };
    let ground_distance = distance(ground_normal, start, outline.corners());
    if ground_distance > SKINS_M {
        return Manifold::default();
    }
    let (face, body_distance) = nearest_face(outline, piece.corners());
    if body_distance > SKINS_M {
        return Manifold::default();
    }
    // The ground's normals are steadier, so they are preferred.
    let on_body = body_distance > 0.98 * ground_distance + 0.001;
    let next = |i: usize| (i + 1) % outline.corners().len();
    let (ends, normal, [from, to], sides) = if on_body {
        // To Box2D, both ends are the same corner.
        let features = [Feature::face(face), Feature::corner(0)];
        let ends = [start, end].map(|point| (point, features));
        (ends, outline.normals()[face], outline.edge(face), [face, next(face)])
    } else {
        let opposing = opposing_face(outline, ground_normal);
        let ends = [opposing, next(opposing)].map(|i| (outline.corners()[i], [Feature::face(0), Feature::corner(i)]));
        let (edge, sides) = if first { ([start, end], [0, 1]) } else { ([end, start], [1, 0]) };
        (ends, ground_normal, edge, sides)
    };
    let side = if on_body { Side::Body } else { Side::Ground };
    let out = Vector::new(normal.y, -normal.x);
    let cut = clipped(ends, out, out.dot(from), side, sides[0])
        .and_then(|ends| clipped(ends, -out, (-out).dot(to), side, sides[1]));
    let Some(ends) = cut else { return Manifold::default() };
    let mut manifold = if on_body {
        let (normal, on_face) = (body.shape.normals()[face], body.shape.corners()[face]);
        Manifold { side, normal, on_face, ..Manifold::default() }
    } else {
        Manifold { side, normal, on_face: from, ..Manifold::default() }
    };
    for (point, features) in ends {
        if normal.dot(point - from) <= SKINS_M {
            manifold.add(if on_body { point } else { pose.frame.local(point) }, features);
        }
    }
    manifold
}

/// A block is a polygon like the body.
fn meet_block(body: &Body, pose: &Pose, piece: &Polygon, body_first: bool) -> Manifold {
    let Pose { frame, outline } = pose;
    let (ground_face, ground_distance) = nearest_face(piece, outline.corners());
    if ground_distance > SKINS_M {
        return Manifold::default();
    }
    let (body_face, body_distance) = nearest_face(outline, piece.corners());
    if body_distance > SKINS_M {
        return Manifold::default();
    }
    let on_body = if body_first {
        ground_distance <= 0.98 * body_distance + 0.001
    } else {
        body_distance > 0.98 * ground_distance + 0.001
    };
    let (side, reference, local, incident, face) = if on_body {
        (Side::Body, outline, &body.shape, piece, body_face)
    } else {
        (Side::Ground, piece, piece, outline, ground_face)
    };
    let opposing = if on_body {
        opposing_face(piece, reference.normals()[face])
    } else {
        opposing_face(&body.shape, frame.turn.inverse() * reference.normals()[face])
    };
    let next = |shape: &Polygon, i: usize| (i + 1) % shape.corners().len();
    let meeting = |face: usize, corner: usize| {
        let (face, corner) = (Feature::face(face), Feature::corner(corner));
        if on_body { [corner, face] } else { [face, corner] }
    };
    let ends = [opposing, next(incident, opposing)].map(|i| (incident.corners()[i], meeting(face, i)));
    let normal = reference.normals()[face];
    let along = Vector::new(-normal.y, normal.x);
    let [from, to] = reference.edge(face);
    let cut = clipped(ends, -along, -along.dot(from) + SKINS_M, side, face)
        .and_then(|ends| clipped(ends, along, along.dot(to) + SKINS_M, side, next(reference, face)));
    let Some(ends) = cut else { return Manifold::default() };
    let [local_from, local_to] = local.edge(face);
    let mut manifold =
        Manifold { side, normal: local.normals()[face], on_face: 0.5 * (local_from + local_to), ..Manifold::default() };
    let front = normal.dot(from);
    for (point, features) in ends {
        if normal.dot(point) - front <= SKINS_M {
            manifold.add(if on_body { point } else { frame.local(point) }, features);
        }
    }
    manifold
}

/// An end of an edge and which features meet there.
type End = (Vector, Features);

/// The part of an edge that is not beyond `offset` in direction `outward`, cut at a corner of the `side` with the face;
/// `None` if nothing is left.
fn clipped(ends: [End; 2], outward: Vector, offset: f32, side: Side, corner: usize) -> Option<[End; 2]> {
    let depths = ends.map(|(point, _)| outward.dot(point) - offset);
    let cut = || {
        let part = depths[0] / (depths[0] - depths[1]);
        let corner = Feature::corner(corner);
        let [first, second] = ends[0].1.map(|it| Feature { is_face: true, ..it });
        let features = if side == Side::Ground { [corner, second] } else { [first, corner] };
        (ends[0].0 + part * (ends[1].0 - ends[0].0), features)
    };
    match depths.map(|depth| depth <= 0.0) {
        [true, true] => Some(ends),
        [true, false] if depths[0] < 0.0 => Some([ends[0], cut()]),
        [false, true] if depths[1] < 0.0 => Some([ends[1], cut()]),
        _ => None,
    }
}

/// The face of `shape` that faces most against `normal`.
fn opposing_face(shape: &Polygon, normal: Vector) -> usize {
    let mut best = (0, f32::INFINITY);
    for (i, it) in shape.normals().iter().enumerate() {
        let cos = normal.dot(*it);
        if cos < best.1 {
            best = (i, cos);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::box2d::body::box_outline;

    fn square(y: f32) -> (Body, Pose) {
        let body = Body::new(&box_outline([0.5, 0.5]), 1.0, 0.0, Vector::new(0.5, y + 0.5), 0.0);
        (body, Pose::of(&body))
    }

    #[test]
    fn a_box_meets_a_segment_with_two_corners_cut_to_the_segment() {
        let ground = Polygon::new(&[Vector::new(-5.0, 0.0), Vector::new(0.4, 0.0)]);
        let (body, pose) = square(0.01);
        let manifold = meet(&body, &pose, &ground, false);
        assert_eq!((manifold.spots().len(), manifold.side), (2, Side::Ground));
        let mut columns = [0, 1].map(|spot| manifold.touching(spot, &pose.frame).point.x);
        columns.sort_by(f32::total_cmp);
        assert!(columns[0].abs() < 1e-6 && (columns[1] - 0.4).abs() < 1e-6, "{columns:?}");
        for spot in 0..2 {
            let it = manifold.touching(spot, &pose.frame);
            assert!((it.normal - Vector::Y).length() < 1e-6 && (it.gap + 0.01).abs() < 1e-6, "{it:?}");
            let (point, _) = manifold.pressed_at(spot, &pose.frame);
            assert!((point.y - 0.005).abs() < 1e-6, "between the two: {point}");
        }
        let (body, pose) = square(0.03);
        assert!(!meet(&body, &pose, &ground, false).touches());
    }

    #[test]
    fn a_box_on_the_end_of_a_segment_meets_it_with_its_own_face() {
        let ground = Polygon::new(&[Vector::new(0.5, -3.0), Vector::new(0.5, 0.0)]);
        let (body, pose) = square(0.015);
        let manifold = meet(&body, &pose, &ground, false);
        assert_eq!((manifold.spots().len(), manifold.side), (1, Side::Body));
        let it = manifold.touching(0, &pose.frame);
        assert!((it.normal - Vector::Y).length() < 1e-6 && (it.gap + 0.005).abs() < 1e-6, "{it:?}");
    }

    #[test]
    fn impulses_stay_with_their_features() {
        let ground = Polygon::new(&[Vector::new(-5.0, 0.0), Vector::new(5.0, 0.0)]);
        let (body, pose) = square(0.01);
        let mut earlier = meet(&body, &pose, &ground, false);
        earlier.spots_mut()[1].impulse.normal = 3.0;
        let mut later = meet(&body, &pose, &ground, false);
        later.inherit(&earlier);
        assert_eq!([0, 1].map(|spot| later.spots()[spot].impulse.normal), [0.0, 3.0]);
    }
}
