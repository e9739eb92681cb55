//! When a moving body meets a piece of ground: Box2D's conservative advancement.

use rapier2d::prelude::Vector;

use super::body::{Frame, Place, Polygon};
use super::contact::SKINS_M;
use super::joint::LINEAR_SLOP;
use super::nearest::{Simplex, nearest};

/// Distance at which a body has met the ground, m.
const TARGET_M: f32 = SKINS_M - 3.0 * LINEAR_SLOP;
const TOLERANCE_M: f32 = 0.25 * LINEAR_SLOP;
const MAX_ROUNDS: usize = 20;
const MAX_HALVINGS: usize = 50;
/// Most corners that are pushed back one by one.
const MAX_CORNERS_PUSHED: usize = 8;

/// What parts a body and a piece at their nearest features.
#[derive(Clone, Copy, Debug)]
enum Axis {
    /// Between two corners: this direction from the ground's to the body's.
    Corners(Vector),
    /// A face of the ground: a point of it, and its normal to the body's side.
    GroundFace(Vector, Vector),
    /// A face of the body: a point of it and its normal to the ground's side, in the body's frame.
    BodyFace(Vector, Vector),
}

/// A shape on its way, and a piece of ground in front of it.
struct Approach<'a> {
    shape: &'a Polygon,
    /// Center of mass in the shape's frame, m.
    center: Vector,
    start: Place,
    end: Place,
    piece: &'a Polygon,
    body_first: bool,
}

/// Which part of the way from `start` to `end` is over when a shape with its center of mass at `center` meets a piece, if
/// it does; `None` too if they overlap at the start.
pub(super) fn time_of_impact(
    (shape, center): (&Polygon, Vector),
    mut start: Place,
    mut end: Place,
    piece: &Polygon,
    body_first: bool,
) -> Option<f32> {
    let turns = std::f32::consts::TAU * (start.angle / std::f32::consts::TAU).floor();
    start.angle -= turns;
    end.angle -= turns;
    let approach = Approach { shape, center, start, end, piece, body_first };
    let mut time = 0.0;
    let mut found = Simplex::default();
    for _ in 0..MAX_ROUNDS {
        let frame = approach.frame(time);
        let distance = nearest(piece, shape, &frame, &mut found);
        if distance <= 0.0 {
            return None;
        }
        if distance < TARGET_M + TOLERANCE_M {
            return Some(time);
        }
        let axis = approach.axis(&found, &frame);
        let mut late = 1.0;
        for _ in 0..MAX_CORNERS_PUSHED {
            let (late_gap, corner) = approach.deepest(axis, late);
            if late_gap > TARGET_M + TOLERANCE_M {
                return None;
            }
            if late_gap > TARGET_M - TOLERANCE_M {
                time = late;
                break;
            }
            let gap = approach.gap(axis, corner, time);
            if gap < TARGET_M - TOLERANCE_M {
                return None;
            }
            if gap <= TARGET_M + TOLERANCE_M {
                return Some(time);
            }
            late = approach.crossing(axis, corner, (time, gap), (late, late_gap));
        }
    }
    None
}

impl Approach<'_> {
    fn frame(&self, time: f32) -> Frame {
        self.start.toward(&self.end, time).frame(self.center)
    }

    /// What parts the features that were found nearest. Where that is two edges, the first one's normal does.
    fn axis(&self, found: &Simplex, frame: &Frame) -> Axis {
        let [first, second] = [found.ends[0], found.ends[1]];
        let (ground, body) = (self.piece.corners(), self.shape.corners());
        let oriented = |gap: f32, normal: Vector| if gap < 0.0 { -normal } else { normal };
        let normal = |from: Vector, to: Vector| Vector::new(to.y - from.y, from.x - to.x).normalize();
        if found.count == 1 {
            Axis::Corners((frame.point(body[first.body]) - ground[first.ground]).normalize())
        } else if first.ground == second.ground || self.body_first && first.body != second.body {
            let (from, to) = (body[first.body], body[second.body]);
            let (middle, normal) = (0.5 * (from + to), normal(from, to));
            let gap = (ground[first.ground] - frame.point(middle)).dot(frame.turn * normal);
            Axis::BodyFace(middle, oriented(gap, normal))
        } else {
            let (from, to) = (ground[first.ground], ground[second.ground]);
            let (middle, normal) = (0.5 * (from + to), normal(from, to));
            let gap = (frame.point(body[first.body]) - middle).dot(normal);
            Axis::GroundFace(middle, oriented(gap, normal))
        }
    }

    /// The gap along an axis at a time, at the corners where it is smallest.
    fn deepest(&self, axis: Axis, time: f32) -> (f32, Deepest) {
        let frame = self.frame(time);
        let back = frame.turn.inverse();
        let corner = match axis {
            Axis::Corners(axis) => (self.piece.farthest(axis), self.shape.farthest(back * -axis)),
            Axis::GroundFace(_, normal) => (0, self.shape.farthest(back * -normal)),
            Axis::BodyFace(_, normal) => (self.piece.farthest(-(frame.turn * normal)), 0),
        };
        (self.gap_at(axis, corner, &frame), corner)
    }

    fn gap(&self, axis: Axis, corner: Deepest, time: f32) -> f32 {
        self.gap_at(axis, corner, &self.frame(time))
    }

    fn gap_at(&self, axis: Axis, (of_piece, of_shape): Deepest, frame: &Frame) -> f32 {
        let ground = self.piece.corners()[of_piece];
        let body = || frame.point(self.shape.corners()[of_shape]);
        match axis {
            Axis::Corners(axis) => (body() - ground).dot(axis),
            Axis::GroundFace(on_face, normal) => (body() - on_face).dot(normal),
            Axis::BodyFace(on_face, normal) => (ground - frame.point(on_face)).dot(frame.turn * normal),
        }
    }

    /// When the gap at a corner is the target, between a time at which it is larger and one at which it is smaller.
    fn crossing(&self, axis: Axis, corner: Deepest, mut before: (f32, f32), mut after: (f32, f32)) -> f32 {
        let last = after.0;
        for round in 0..MAX_HALVINGS {
            let time = if round % 2 == 1 {
                before.0 + (TARGET_M - before.1) * (after.0 - before.0) / (after.1 - before.1)
            } else {
                0.5 * (before.0 + after.0)
            };
            let gap = self.gap(axis, corner, time);
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
        let met = |start, end| time_of_impact((&shape, Vector::ZERO), start, end, &ground, false);
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
        let lowest = shape
            .at(&at(0.0, 0.6, FRAC_PI_4 * turned).frame(Vector::ZERO))
            .corners()
            .iter()
            .fold(9.0, |low, it| it.y.min(low));
        assert!((lowest - TARGET_M).abs() <= TOLERANCE_M, "{lowest}");
    }
}
