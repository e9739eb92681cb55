//! Where a body meets a piece of ground, as Box2D finds it.

use rapier2d::prelude::Vector;

/// Shapes touch below this distance, m: each has a skin of 0.01.
pub(super) const SKINS_M: f32 = 0.02;

/// Ground that bodies can meet.
pub(super) trait Pieces {
    /// Shows `visit` the number and the corners, counter-clockwise, of each convex piece that may be in columns
    /// `min..max`, m. A piece of two corners is a segment with two sides.
    fn near(&self, min: f32, max: f32, visit: &mut dyn FnMut(u16, &[Vector]));
}

/// Where a body meets a piece.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Manifold {
    /// Out of the ground.
    pub normal: Vector,
    /// Points and their distances without skins, m.
    pub points: [(Vector, f32); 2],
    /// How many of them there are.
    pub count: usize,
}

/// An edge and how far the other shape is in front of it.
struct Face {
    from: Vector,
    to: Vector,
    normal: Vector,
    distance: f32,
}

/// The largest distance of two convex polygons along a normal of an edge of either, m; negative where they overlap.
pub(super) fn distance(body: &[Vector], piece: &[Vector]) -> f32 {
    nearest_face(body, piece).distance.max(nearest_face(piece, body).distance)
}

/// Where a body meets a piece, if it is near enough to touch it.
pub(super) fn meet(body: &[Vector], piece: &[Vector]) -> Option<Manifold> {
    let on_piece = nearest_face(piece, body);
    let on_body = nearest_face(body, piece);
    if on_piece.distance.max(on_body.distance) >= SKINS_M {
        return None;
    }
    // The ground's normals are steadier, so they are preferred.
    let (face, other, sign) = if on_body.distance > 0.98 * on_piece.distance + 0.001 {
        (on_body, piece, -1.0)
    } else {
        (on_piece, body, 1.0)
    };
    let mut manifold = Manifold { normal: sign * face.normal, ..Manifold::default() };
    let along = (face.to - face.from).normalize();
    let end = (face.to - face.from).dot(along);
    let (mut from, mut to) = opposing_edge(other, face.normal);
    let position = |point: Vector| (point - face.from).dot(along);
    (from, to) = (clipped(from, to, position, 0.0, end), clipped(to, from, position, 0.0, end));
    for point in [from, to] {
        let distance = (point - face.from).dot(face.normal);
        if distance <= SKINS_M {
            manifold.points[manifold.count] = (point, distance);
            manifold.count += 1;
        }
    }
    (manifold.count > 0).then_some(manifold)
}

/// `from` moved toward `to` until its position along the face is within `low..high`.
fn clipped(from: Vector, to: Vector, position: impl Fn(Vector) -> f32, low: f32, high: f32) -> Vector {
    let (start, end) = (position(from), position(to));
    let within = start.clamp(low, high);
    if within == start || start == end {
        from
    } else {
        from + (to - from) * ((within - start) / (end - start)).min(1.0)
    }
}

/// The edge of `shape` that faces most against `normal`.
fn opposing_edge(shape: &[Vector], normal: Vector) -> (Vector, Vector) {
    let edges = edges(shape).map(|(from, to)| (outward(from, to).dot(normal), from, to));
    let (_, from, to) = edges.min_by(|a, b| a.0.total_cmp(&b.0)).expect("shapes have edges");
    (from, to)
}

/// The edge of `shape` that `other` is furthest in front of.
fn nearest_face(shape: &[Vector], other: &[Vector]) -> Face {
    let faces = edges(shape).map(|(from, to)| {
        let normal = outward(from, to);
        let distance = other.iter().map(|&point| (point - from).dot(normal)).fold(f32::INFINITY, f32::min);
        Face { from, to, normal, distance }
    });
    faces.reduce(|best, face| if face.distance > best.distance { face } else { best }).expect("shapes have edges")
}

fn edges(shape: &[Vector]) -> impl Iterator<Item = (Vector, Vector)> {
    let last = shape[shape.len() - 1];
    shape.iter().scan(last, |from, &to| Some((std::mem::replace(from, to), to)))
}

fn outward(from: Vector, to: Vector) -> Vector {
    let edge = to - from;
    Vector::new(edge.y, -edge.x).normalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn square(x: f32, y: f32) -> [Vector; 4] {
        [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)].map(|(dx, dy)| Vector::new(x + dx, y + dy))
    }

    #[test]
    fn distance_is_that_of_the_nearest_faces() {
        let near = |a: f32, b: f32| (a - b).abs() < 1e-5;
        assert!(near(distance(&square(0.0, 0.0), &square(1.5, 0.2)), 0.5));
        assert!(near(distance(&square(0.0, 0.0), &square(0.1, -1.25)), 0.25));
        assert!(near(distance(&square(0.0, 0.0), &square(0.9, 0.1)), -0.1));
        for y in [-0.3, 1.3] {
            let segment = [Vector::new(-5.0, y), Vector::new(5.0, y)];
            assert!(near(distance(&square(0.0, 0.0), &segment), 0.3), "segments have two sides");
        }
    }

    #[test]
    fn a_box_meets_the_ground_with_two_corners_cut_to_the_piece() {
        let ground = [Vector::new(0.4, 0.0), Vector::new(-5.0, 0.0)];
        let manifold = meet(&square(0.0, 0.01), &ground).expect("they touch");
        assert_eq!(manifold.count, 2);
        assert!((manifold.normal - Vector::Y).length() < 1e-6);
        let mut columns = manifold.points.map(|(point, _)| point.x);
        columns.sort_by(f32::total_cmp);
        assert!(columns[0].abs() < 1e-6 && (columns[1] - 0.4).abs() < 1e-6, "{columns:?}");
        assert!(manifold.points.iter().all(|(_, distance)| (distance - 0.01).abs() < 1e-6));
        assert!(meet(&square(0.0, 0.03), &ground).is_none());
    }
}
