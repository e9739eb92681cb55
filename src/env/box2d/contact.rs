//! Where a body meets a piece of ground, as Box2D finds it.

use rapier2d::prelude::Vector;
use serde::{Deserialize, Serialize};

use super::body::{Place, Polygon};

/// Shapes touch below this distance, m: each has a skin of 0.01.
pub(super) const SKINS_M: f32 = 0.02;

/// Ground that bodies can meet: convex pieces, known by their numbers.
pub(super) trait Pieces {
    /// Visits the pieces that may be in columns `min..=max`, m, in the order of their numbers.
    fn near(&self, min: f32, max: f32, visit: &mut dyn FnMut(u16));
    /// The shape of a piece.
    fn piece(&self, number: u16) -> Polygon;
    /// Friction coefficient of a piece.
    fn friction(&self, number: u16) -> f32;
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

/// A corner of one shape at a face of the other.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Spot {
    /// The corner: in the body's frame if the face is the ground's, else in the world, m.
    pub point: Vector,
    /// Which features met: by it the impulses of the step before are found again.
    id: [u8; 3],
    /// Impulse along the normal, N s.
    pub normal_impulse: f32,
    /// Impulse along the face, N s.
    pub tangent_impulse: f32,
}

/// How a body meets a piece of ground.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Manifold {
    /// Where the face is.
    pub side: Side,
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

    /// One of the points with the body at `place`.
    pub(super) fn touching(&self, spot: usize, place: &Place) -> Touching {
        let corner = self.spots[spot].point;
        let (face, normal, point) = match self.side {
            Side::Ground => (self.on_face, self.normal, place.point(corner)),
            Side::Body => (place.point(self.on_face), place.turned(self.normal), corner),
        };
        let gap = (point - face).dot(normal) - SKINS_M;
        Touching { point, normal: if self.side == Side::Ground { normal } else { -normal }, gap }
    }

    /// The point between the two skins at a spot, and the normal out of the ground.
    pub(super) fn pressed_at(&self, spot: usize, place: &Place) -> (Vector, Vector) {
        let Touching { point, normal, gap } = self.touching(spot, place);
        let toward_face = if self.side == Side::Ground { -normal } else { normal };
        (point + 0.5 * (gap + SKINS_M) * toward_face, normal)
    }

    /// Takes the impulses of the same features from an earlier manifold.
    pub(super) fn inherit(&mut self, earlier: &Self) {
        for spot in &mut self.spots[..self.count] {
            if let Some(same) = earlier.spots().iter().find(|it| it.id == spot.id) {
                (spot.normal_impulse, spot.tangent_impulse) = (same.normal_impulse, same.tangent_impulse);
            }
        }
    }
}

/// The edge of `shape` that `other` is farthest in front of, and how far.
fn nearest_face(shape: &Polygon, other: &Polygon) -> (usize, f32) {
    let mut best = (0, f32::NEG_INFINITY);
    for (i, (normal, corner)) in shape.normals().iter().zip(shape.corners()).enumerate() {
        let distance = other.corners().iter().map(|&point| normal.dot(point - corner)).fold(f32::INFINITY, f32::min);
        if distance > best.1 {
            best = (i, distance);
        }
    }
    best
}

/// Where a body at `place`, of this outline, meets a piece; without touching spots if it does not.
pub(super) fn meet(outline: &Polygon, place: &Place, piece: &Polygon) -> Manifold {
    let segment = piece.corners().len() == 2;
    let (ground_face, ground_distance) = if segment {
        // The side on which the body's center is, even where the body reaches through.
        let first = usize::from(piece.normals()[0].dot(place.center - piece.corners()[0]) < 0.0);
        let (normal, corner) = (piece.normals()[first], piece.corners()[first]);
        let distances = outline.corners().iter().map(|&point| normal.dot(point - corner));
        (first, distances.fold(f32::INFINITY, f32::min))
    } else {
        nearest_face(piece, outline)
    };
    if ground_distance > SKINS_M {
        return Manifold::default();
    }
    let (body_face, body_distance) = nearest_face(outline, piece);
    if body_distance > SKINS_M {
        return Manifold::default();
    }
    // The ground's normals are steadier, so its faces are preferred.
    let on_body =
        if segment { body_distance > 0.98 * ground_distance + 0.001 } else { body_distance > ground_distance + 0.0005 };
    let (side, reference, face, incident) =
        if on_body { (Side::Body, outline, body_face, piece) } else { (Side::Ground, piece, ground_face, outline) };
    let normal = reference.normals()[face];
    let [from, to] = reference.edge(face);
    let ends = if on_body && segment {
        // A segment's two ends are one feature.
        incident.edge(0).map(|point| (point, [face as u8, 0, 0]))
    } else {
        let opposing = opposing_edge(incident, normal);
        let last = (opposing + 1) % incident.corners().len();
        let [first, second] = incident.edge(opposing);
        [(first, [face as u8, opposing as u8, 0]), (second, [face as u8, last as u8, 0])]
    };
    let along = Vector::new(-normal.y, normal.x);
    let beyond = if segment { 0.0 } else { SKINS_M };
    let next = (face + 1) % reference.corners().len();
    let cut = clipped(ends, -along, beyond - from.dot(along), face as u8)
        .and_then(|ends| clipped(ends, along, beyond + to.dot(along), next as u8));
    let Some(ends) = cut else { return Manifold::default() };
    let mut manifold = Manifold { side, normal, on_face: from, ..Manifold::default() };
    if on_body {
        manifold.normal = place.turned_back(normal);
        manifold.on_face = place.local(from);
    }
    for (point, id) in ends {
        if normal.dot(point - from) <= SKINS_M {
            let point = if on_body { point } else { place.local(point) };
            manifold.spots[manifold.count] = Spot { point, id, ..Spot::default() };
            manifold.count += 1;
        }
    }
    manifold
}

/// An end of an edge and which features it comes from.
type End = (Vector, [u8; 3]);

/// The part of an edge that is not beyond `offset` in direction `outward`; `None` if nothing is left.
fn clipped(ends: [End; 2], outward: Vector, offset: f32, feature: u8) -> Option<[End; 2]> {
    let [first, second] = ends.map(|(point, _)| point.dot(outward) - offset);
    let cut = || {
        let part = first / (first - second);
        (ends[0].0 + part * (ends[1].0 - ends[0].0), [feature, ends[0].1[1], 1])
    };
    match (first <= 0.0, second <= 0.0) {
        (true, true) => Some(ends),
        (true, false) if first < 0.0 => Some([ends[0], cut()]),
        (false, true) if second < 0.0 => Some([ends[1], cut()]),
        _ => None,
    }
}

/// The edge of `shape` that faces most against `normal`.
fn opposing_edge(shape: &Polygon, normal: Vector) -> usize {
    let mut best = 0;
    for (i, it) in shape.normals().iter().enumerate() {
        if it.dot(normal) < shape.normals()[best].dot(normal) {
            best = i;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::box2d::body::box_outline;

    fn square(y: f32) -> (Polygon, Place) {
        let place = Place { center: Vector::new(0.5, y + 0.5), angle: 0.0 };
        (Polygon::new(&box_outline([0.5, 0.5])).at(&place), place)
    }

    #[test]
    fn a_box_meets_a_segment_with_two_corners_cut_to_the_segment() {
        let ground = Polygon::new(&[Vector::new(-5.0, 0.0), Vector::new(0.4, 0.0)]);
        let (outline, place) = square(0.01);
        let manifold = meet(&outline, &place, &ground);
        assert_eq!((manifold.spots().len(), manifold.side), (2, Side::Ground));
        let mut columns = [0, 1].map(|spot| manifold.touching(spot, &place).point.x);
        columns.sort_by(f32::total_cmp);
        assert!(columns[0].abs() < 1e-6 && (columns[1] - 0.4).abs() < 1e-6, "{columns:?}");
        for spot in 0..2 {
            let it = manifold.touching(spot, &place);
            assert!((it.normal - Vector::Y).length() < 1e-6 && (it.gap + 0.01).abs() < 1e-6, "{it:?}");
            let (point, _) = manifold.pressed_at(spot, &place);
            assert!((point.y - 0.005).abs() < 1e-6, "between the two: {point}");
        }
        let (outline, place) = square(0.03);
        assert!(!meet(&outline, &place, &ground).touches());
    }

    #[test]
    fn a_box_on_the_end_of_a_segment_meets_it_with_its_own_face() {
        let ground = Polygon::new(&[Vector::new(0.5, -3.0), Vector::new(0.5, 0.0)]);
        let (outline, place) = square(0.015);
        let manifold = meet(&outline, &place, &ground);
        assert_eq!((manifold.spots().len(), manifold.side), (1, Side::Body));
        let it = manifold.touching(0, &place);
        assert!((it.normal - Vector::Y).length() < 1e-6 && (it.gap + 0.005).abs() < 1e-6, "{it:?}");
    }

    #[test]
    fn impulses_stay_with_their_features() {
        let ground = Polygon::new(&[Vector::new(-5.0, 0.0), Vector::new(5.0, 0.0)]);
        let (outline, place) = square(0.01);
        let mut earlier = meet(&outline, &place, &ground);
        earlier.spots_mut()[1].normal_impulse = 3.0;
        let mut later = meet(&outline, &place, &ground);
        later.inherit(&earlier);
        assert_eq!([0, 1].map(|spot| later.spots()[spot].normal_impulse), [0.0, 3.0]);
    }
}
