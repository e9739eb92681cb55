//! Which pieces of ground a body touches, told the way Box2D's contact events do.

use serde::{Deserialize, Serialize};

/// A point, m.
pub(super) type Point = [f32; 2];

/// Box2D counts shapes as touching below this separation, m: each has a skin of 0.01.
pub(super) const TOUCH_M: f32 = 0.02;

/// A body's contact flag: set by the begin of a contact, cleared by the end of any, as a listener of Box2D sees it. So it
/// may read false while another piece of ground is still touched.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Touch {
    /// The flag.
    pub flag: bool,
    /// The pieces in contact, and whether they have parted since the last begin of a step.
    pieces: Vec<(u16, bool)>,
}

impl Touch {
    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.flag = false;
        self.pieces.clear();
    }

    /// Takes in the positions after a step. `near` shows its visitor each piece that `body` might touch.
    pub(super) fn update(&mut self, body: &[Point], near: impl FnOnce(&mut dyn FnMut(u16, &[Point]))) {
        // Box2D notes an end at the begin of the step after.
        let before = self.pieces.len();
        self.pieces.retain(|&(_, parted)| !parted);
        self.flag &= self.pieces.len() == before;
        self.pieces.iter_mut().for_each(|(_, parted)| *parted = true);
        near(&mut |piece, corners| {
            if separation(body, corners) >= TOUCH_M {
                return;
            }
            match self.pieces.iter_mut().find(|(known, _)| *known == piece) {
                Some((_, parted)) => *parted = false,
                None => {
                    self.pieces.push((piece, false));
                    self.flag = true;
                }
            }
        });
    }
}

/// Largest separation of two convex polygons along a normal of an edge of either, m; negative where they overlap. A
/// polygon of two corners is a segment with two sides.
pub(super) fn separation(a: &[Point], b: &[Point]) -> f32 {
    along_normals(a, b).max(along_normals(b, a))
}

fn along_normals(a: &[Point], b: &[Point]) -> f32 {
    let mut largest = f32::NEG_INFINITY;
    let mut from = a[a.len() - 1];
    for &to in a {
        let edge = [to[0] - from[0], to[1] - from[1]];
        let inverse = 1.0 / edge[0].hypot(edge[1]);
        let distance = |p: &Point| ((p[0] - from[0]) * edge[1] - (p[1] - from[1]) * edge[0]) * inverse;
        largest = largest.max(b.iter().map(distance).fold(f32::INFINITY, f32::min));
        from = to;
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIT: [Point; 4] = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];

    #[test]
    fn separation_is_that_of_the_nearest_faces() {
        let shifted = |x: f32, y: f32| UNIT.map(|p| [p[0] + x, p[1] + y]);
        assert!((separation(&UNIT, &shifted(1.5, 0.2)) - 0.5).abs() < 1e-6);
        assert!((separation(&UNIT, &shifted(0.1, -1.25)) - 0.25).abs() < 1e-6);
        assert!((separation(&UNIT, &shifted(0.9, 0.1)) + 0.1).abs() < 1e-6);
        assert!((separation(&UNIT, &[[-5.0, -0.3], [5.0, -0.3]]) - 0.3).abs() < 1e-6);
        assert!((separation(&UNIT, &[[-5.0, 1.3], [5.0, 1.3]]) - 0.3).abs() < 1e-6, "segments have two sides");
    }

    #[test]
    fn the_end_of_one_contact_clears_the_flag_of_another() {
        let (left, right) = ([[-5.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [5.0, 0.0]]);
        let near =
            |visit: &mut dyn FnMut(u16, &[Point])| [left, right].iter().zip(0..).for_each(|(piece, i)| visit(i, piece));
        let body = |x: f32| UNIT.map(|p| [p[0] + x, p[1] + 0.01]);
        let mut touch = Touch::default();
        touch.update(&body(-3.0), near);
        assert!(touch.flag);
        touch.update(&body(-0.5), near);
        assert!(touch.flag, "both touched");
        touch.update(&body(2.0), near);
        assert!(touch.flag, "the end is noted a step later");
        touch.update(&body(2.0), near);
        assert!(!touch.flag, "though the right piece is touched");
    }
}
