//! When a moving body meets a piece of ground: Box2D's conservative advancement.

use rapier2d::prelude::Vector;

use super::body::{Place, Polygon};
use super::contact::SKINS_M;
use super::joint::LINEAR_SLOP;

/// Distance at which a body has met the ground, m.
const TARGET_M: f32 = SKINS_M - 3.0 * LINEAR_SLOP;
const TOLERANCE_M: f32 = 0.25 * LINEAR_SLOP;
const MAX_ROUNDS: usize = 20;
const MAX_HALVINGS: usize = 50;
/// Most corners that are pushed back one by one.
const MAX_CORNERS_PUSHED: usize = 8;

/// The features of a body and a piece that are nearest to each other.
#[derive(Clone, Copy, Debug)]
enum Nearest {
    /// Two corners, in this direction from the ground's to the body's.
    Corners(Vector),
    /// A face of the ground: a point of it, and its normal to the body's side.
    GroundFace(Vector, Vector),
    /// A face of the body: a point of it and its normal to the ground's side, in the body's frame.
    BodyFace(Vector, Vector),
}

/// A body on its way, and a piece of ground in front of it.
struct Approach<'a> {
    shape: &'a Polygon,
    start: Place,
    end: Place,
    piece: &'a Polygon,
}

/// Which part of the way from `start` to `end` is over when a shape meets a piece, if it does; `None` too if they overlap
/// at the start.
pub(super) fn time_of_impact(shape: &Polygon, start: Place, end: Place, piece: &Polygon) -> Option<f32> {
    let approach = Approach { shape, start, end, piece };
    let mut time = 0.0;
    for _ in 0..MAX_ROUNDS {
        let (distance, nearest) = approach.nearest(&approach.place(time))?;
        if distance < TARGET_M + TOLERANCE_M {
            return Some(time);
        }
        let mut late = 1.0;
        for _ in 0..MAX_CORNERS_PUSHED {
            let (late_gap, corner) = approach.deepest(nearest, late);
            if late_gap > TARGET_M + TOLERANCE_M {
                return None;
            }
            if late_gap > TARGET_M - TOLERANCE_M {
                time = late;
                break;
            }
            let gap = approach.gap(nearest, corner, time);
            if gap < TARGET_M - TOLERANCE_M {
                return None;
            }
            if gap <= TARGET_M + TOLERANCE_M {
                return Some(time);
            }
            late = approach.crossing(nearest, corner, (time, gap), (late, late_gap));
        }
    }
    None
}

impl Approach<'_> {
    fn place(&self, time: f32) -> Place {
        self.start.toward(&self.end, time)
    }

    /// The shapes' distance and their nearest features; `None` if they overlap.
    fn nearest(&self, place: &Place) -> Option<(f32, Nearest)> {
        let outline = self.shape.at(place);
        let mut best = (f32::INFINITY, Nearest::Corners(Vector::Y));
        let segment = self.piece.corners().len() == 2;
        let mut apart = false;
        // A segment has two edges of opposite normals; its corners are the same for both.
        for (i, (&normal, &from)) in self.piece.normals().iter().zip(self.piece.corners()).enumerate() {
            let [_, to] = self.piece.edge(i);
            let mut in_front = true;
            for &corner in outline.corners() {
                let height = normal.dot(corner - from);
                in_front &= height > 0.0;
                consider(&mut best, corner, (from, to), 1.0, || {
                    Nearest::GroundFace(0.5 * (from + to), if segment && height < 0.0 { -normal } else { normal })
                });
            }
            apart |= in_front;
        }
        for (i, (&normal, &from)) in outline.normals().iter().zip(outline.corners()).enumerate() {
            let [_, to] = outline.edge(i);
            let mut in_front = true;
            for &corner in self.piece.corners() {
                in_front &= normal.dot(corner - from) > 0.0;
                consider(&mut best, corner, (from, to), -1.0, || {
                    let [from, to] = self.shape.edge(i);
                    Nearest::BodyFace(0.5 * (from + to), self.shape.normals()[i])
                });
            }
            apart |= in_front;
        }
        (apart && best.0 > 0.0).then(|| (best.0.sqrt(), best.1))
    }

    /// The gap along the nearest features at a time, at the corner where it is smallest.
    fn deepest(&self, nearest: Nearest, time: f32) -> (f32, Deepest) {
        let place = self.place(time);
        let corner = match nearest {
            Nearest::Corners(axis) => (self.piece.farthest(axis), self.shape.farthest(place.turned_back(-axis))),
            Nearest::GroundFace(_, normal) => (0, self.shape.farthest(place.turned_back(-normal))),
            Nearest::BodyFace(_, normal) => (self.piece.farthest(-place.turned(normal)), 0),
        };
        (self.gap_at(nearest, corner, &place), corner)
    }

    fn gap(&self, nearest: Nearest, corner: Deepest, time: f32) -> f32 {
        self.gap_at(nearest, corner, &self.place(time))
    }

    fn gap_at(&self, nearest: Nearest, (of_piece, of_shape): Deepest, place: &Place) -> f32 {
        let ground = self.piece.corners()[of_piece];
        let body = || place.point(self.shape.corners()[of_shape]);
        match nearest {
            Nearest::Corners(axis) => (body() - ground).dot(axis),
            Nearest::GroundFace(on_face, normal) => (body() - on_face).dot(normal),
            Nearest::BodyFace(on_face, normal) => (ground - place.point(on_face)).dot(place.turned(normal)),
        }
    }

    /// When the gap at a corner is the target, between a time at which it is larger and one at which it is smaller.
    fn crossing(&self, nearest: Nearest, corner: Deepest, mut before: (f32, f32), mut after: (f32, f32)) -> f32 {
        let last = after.0;
        for round in 0..MAX_HALVINGS {
            let time = if round % 2 == 1 {
                before.0 + (TARGET_M - before.1) * (after.0 - before.0) / (after.1 - before.1)
            } else {
                0.5 * (before.0 + after.0)
            };
            let gap = self.gap(nearest, corner, time);
            if (gap - TARGET_M).abs() < TOLERANCE_M {
                return time;
            }
            if gap > TARGET_M { before = (time, gap) } else { after = (time, gap) }
        }
        last
    }
}

/// The corners of piece and shape between which a gap is smallest.
type Deepest = (usize, usize);

/// Takes in the distance of a corner from an edge of the other shape. `sign` is 1 if the corner is the body's.
fn consider(
    best: &mut (f32, Nearest),
    corner: Vector,
    (from, to): (Vector, Vector),
    sign: f32,
    face: impl FnOnce() -> Nearest,
) {
    let edge = to - from;
    let along = (corner - from).dot(edge) / edge.length_squared();
    let nearest = from + along.clamp(0.0, 1.0) * edge;
    let distance = (corner - nearest).length_squared();
    if distance < best.0 {
        let inside = along > 0.0 && along < 1.0;
        let feature = if inside { face() } else { Nearest::Corners(sign * (corner - nearest).normalize_or_zero()) };
        *best = (distance, feature);
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::FRAC_PI_4;

    use super::*;
    use crate::env::box2d::body::box_outline;

    fn at(x: f32, y: f32, angle: f32) -> Place {
        Place { center: Vector::new(x, y), angle }
    }

    #[test]
    fn a_body_meets_a_face_a_corner_and_nothing() {
        let shape = Polygon::new(&box_outline([0.5, 0.5]));
        let ground = Polygon::new(&[Vector::new(-1.0, 0.0), Vector::new(1.0, 0.0)]);
        let met = |start, end| time_of_impact(&shape, start, end, &ground);
        let near = |found: Option<f32>, expected: f32| found.is_some_and(|it| (it - expected).abs() < 0.002);
        assert!(near(met(at(0.0, 1.5, 0.0), at(0.0, 0.5, 0.0)), 0.995), "flat on the face");
        assert!(near(met(at(0.0, -1.5, 0.0), at(0.0, -0.5, 0.0)), 0.995), "and from below");
        let tip = 0.5f32.sqrt();
        assert!(near(met(at(0.0, 1.0 + tip, FRAC_PI_4), at(0.0, tip, FRAC_PI_4)), 0.995), "with a corner");
        assert!(near(met(at(1.5 + 1.0, 0.1, 0.0), at(1.5, 0.1, 0.0)), 0.995), "from the side, at its end");
        assert!(met(at(0.0, 1.5, 0.0), at(0.0, 0.6, 0.0)).is_none(), "too short a way");
        assert!(met(at(0.0, 0.3, 0.0), at(0.0, -0.6, 0.0)).is_none(), "in it from the start");
        assert_eq!(met(at(0.0, 0.505, 0.0), at(0.0, 0.4, 0.0)), Some(0.0), "there already");
        let turned = met(at(0.0, 0.6, 0.0), at(0.0, 0.6, FRAC_PI_4)).expect("a turn brings a corner down");
        let lowest = shape.at(&at(0.0, 0.6, FRAC_PI_4 * turned)).corners().iter().fold(9.0, |low, it| it.y.min(low));
        assert!((lowest - TARGET_M).abs() <= TOLERANCE_M, "{lowest}");
    }
}
