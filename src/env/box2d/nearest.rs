//! The nearest features of a body and a piece of ground: the algorithm of Gilbert, Johnson and Keerthi.

use rapier2d::prelude::Vector;

use super::body::{Frame, Polygon};

const MAX_ROUNDS: usize = 20;

/// A corner of the ground and one of the body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pair {
    pub ground: usize,
    pub body: usize,
}

/// Pairs of corners between which the nearest points lie.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Simplex {
    pub ends: [Pair; 3],
    pub count: usize,
    /// Its length, or twice its area, when it was found.
    size: f32,
}

/// A pair with where it is, and its weight in the nearest points.
#[derive(Clone, Copy, Debug, Default)]
struct End {
    pair: Pair,
    ground: Vector,
    body: Vector,
    /// From the ground's corner to the body's.
    apart: Vector,
    weight: f32,
}

/// The ends in use while searching.
struct Search<'a> {
    piece: &'a Polygon,
    shape: &'a Polygon,
    frame: &'a Frame,
    ends: [End; 3],
    count: usize,
}

/// Distance between a piece and a body's shape in a frame, m, without their skins; 0 if they overlap. `found` holds where
/// they were nearest before, if known, and takes in where they are now.
pub(super) fn nearest(piece: &Polygon, shape: &Polygon, frame: &Frame, found: &mut Simplex) -> f32 {
    let mut search = Search { piece, shape, frame, ends: [End::default(); 3], count: 0 };
    search.begin(found);
    for _ in 0..MAX_ROUNDS {
        let seen = search.ends;
        let count = search.count;
        search.reduce();
        if search.count == 3 {
            break;
        }
        let direction = search.direction();
        if direction.length_squared() < f32::EPSILON * f32::EPSILON {
            break;
        }
        let pair = Pair { ground: piece.farthest(-direction), body: shape.farthest(frame.turn.inverse() * direction) };
        search.ends[search.count] = search.end(pair);
        if seen[..count].iter().any(|it| it.pair == pair) {
            break;
        }
        search.count += 1;
    }
    search.finish(found)
}

impl Search<'_> {
    fn end(&self, pair: Pair) -> End {
        let (ground, body) = (self.piece.corners()[pair.ground], self.frame.point(self.shape.corners()[pair.body]));
        End { pair, ground, body, apart: body - ground, weight: 0.0 }
    }

    /// Starts from what was found before if that has about the same size now.
    fn begin(&mut self, found: &Simplex) {
        self.count = found.count;
        for i in 0..found.count {
            self.ends[i] = self.end(found.ends[i]);
        }
        if self.count > 1 {
            let size = self.size();
            if size < 0.5 * found.size || 2.0 * found.size < size || size < f32::EPSILON {
                self.count = 0;
            }
        }
        if self.count == 0 {
            self.ends[0] = self.end(Pair::default());
            self.keep([0], [1.0]);
        }
    }

    fn size(&self) -> f32 {
        let [a, b, c] = self.ends.map(|it| it.apart);
        match self.count {
            2 => (a - b).length(),
            3 => (b - a).perp_dot(c - a),
            _ => 0.0,
        }
    }

    /// Keeps these ends with these weights.
    fn keep<const N: usize>(&mut self, ends: [usize; N], weights: [f32; N]) {
        let all = self.ends;
        for (i, (end, weight)) in ends.into_iter().zip(weights).enumerate() {
            self.ends[i] = End { weight, ..all[end] };
        }
        self.count = N;
    }

    /// Keeps the ends that are nearest to the origin.
    fn reduce(&mut self) {
        match self.count {
            2 => self.reduce_edge(),
            3 => self.reduce_triangle(),
            _ => {}
        }
    }

    /// How far along from `a` to `b` the origin is: the weights of both but for their sum.
    fn along(&self, a: usize, b: usize) -> [f32; 2] {
        let (a, b) = (self.ends[a].apart, self.ends[b].apart);
        let edge = b - a;
        [b.dot(edge), -a.dot(edge)]
    }

    fn keep_edge(&mut self, ends: [usize; 2], weights: [f32; 2]) {
        let scale = 1.0 / (weights[0] + weights[1]);
        self.keep(ends, weights.map(|it| it * scale));
    }

    fn reduce_edge(&mut self) {
        let weights = self.along(0, 1);
        if weights[1] <= 0.0 {
            self.keep([0], [1.0]);
        } else if weights[0] <= 0.0 {
            self.keep([1], [1.0]);
        } else {
            self.keep_edge([0, 1], weights);
        }
    }

    fn reduce_triangle(&mut self) {
        let [a, b, c] = self.ends.map(|it| it.apart);
        let (ab, ac, bc) = (self.along(0, 1), self.along(0, 2), self.along(1, 2));
        let whole = (b - a).perp_dot(c - a);
        let inner = [whole * b.perp_dot(c), whole * c.perp_dot(a), whole * a.perp_dot(b)];
        let inside = |weights: [f32; 2]| weights[0] > 0.0 && weights[1] > 0.0;
        if ab[1] <= 0.0 && ac[1] <= 0.0 {
            self.keep([0], [1.0]);
        } else if inside(ab) && inner[2] <= 0.0 {
            self.keep_edge([0, 1], ab);
        } else if inside(ac) && inner[1] <= 0.0 {
            self.keep_edge([0, 2], ac);
        } else if ab[0] <= 0.0 && bc[1] <= 0.0 {
            self.keep([1], [1.0]);
        } else if ac[0] <= 0.0 && bc[0] <= 0.0 {
            self.keep([2], [1.0]);
        } else if inside(bc) && inner[0] <= 0.0 {
            self.keep_edge([2, 1], [bc[1], bc[0]]);
        } else {
            let scale = 1.0 / (inner[0] + inner[1] + inner[2]);
            self.keep([0, 1, 2], inner.map(|it| it * scale));
        }
    }

    /// From the nearest points toward the origin.
    fn direction(&self) -> Vector {
        let [a, b, _] = self.ends.map(|it| it.apart);
        if self.count == 1 {
            return -a;
        }
        let edge = b - a;
        if edge.perp_dot(-a) > 0.0 { edge.perp() } else { -edge.perp() }
    }

    /// Hands out the ends; the distance.
    fn finish(&self, found: &mut Simplex) -> f32 {
        found.count = self.count;
        found.ends = self.ends.map(|it| it.pair);
        found.size = self.size();
        let [a, b, _] = self.ends;
        match self.count {
            1 => a.apart.length(),
            2 => {
                let on_ground = a.weight * a.ground + b.weight * b.ground;
                (on_ground - (a.weight * a.body + b.weight * b.body)).length()
            }
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::f32::consts::FRAC_PI_4;

    use super::*;
    use crate::env::box2d::body::{Place, box_outline};

    #[test]
    fn a_box_is_nearest_with_a_corner_or_an_edge() {
        let shape = Polygon::new(&box_outline([0.5, 0.5]));
        let ground = Polygon::new(&[Vector::new(-1.0, 0.0), Vector::new(1.0, 0.0)]);
        let block = Polygon::new(&box_outline([1.0, 0.25]));
        let at = |x, y, angle| Place { center: Vector::new(x, y), angle }.frame(Vector::ZERO);
        let mut found = Simplex::default();
        for (piece, frame, expected, count) in [
            (&ground, at(0.2, 0.75, 0.0), 0.25, 2),
            (&ground, at(0.2, 1.0 + 0.5f32.sqrt(), FRAC_PI_4), 1.0, 2),
            (&ground, at(1.5 + 0.3, 0.5 + 0.4, 0.0), 0.5, 1),
            (&ground, at(0.1, 0.2, 0.3), 0.0, 3),
            (&block, at(-1.6, 0.1, 0.0), 0.1, 2),
        ] {
            // From nothing, from what was found elsewhere, and from the result itself.
            for known in [Simplex::default(), found, found] {
                found = if known.count == 0 { known } else { found };
                let distance = nearest(piece, &shape, &frame, &mut found);
                assert!((distance - expected).abs() < 1e-5, "{distance} for {expected}");
                assert_eq!(found.count, count, "at a distance of {expected}");
            }
        }
    }
}
