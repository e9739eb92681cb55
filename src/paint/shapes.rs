//! Which pixels a shape covers: every function hands `span(row, first column, column after the last)` what to fill.

use std::sync::LazyLock;

/// Coordinates beyond this many pixels are cut to it; far outside any canvas, and safe to multiply.
pub(super) const FAR: i32 = 1 << 14;

/// Radii whose discs are tabulated.
const TABULATED_RADII: i32 = 256;

static DISCS: LazyLock<Vec<Vec<i32>>> = LazyLock::new(|| (0..TABULATED_RADII).map(midpoint_circle).collect());

/// Half widths of a disc: entry `j` belongs to rows `cy + j` and `cy - 1 - j`, which it covers from `cx - half` to
/// `cx + half - 1`.
///
/// The midpoint circle, mirrored about the corner between four pixels.
fn midpoint_circle(radius: i32) -> Vec<i32> {
    let mut half_widths = vec![0; radius.max(0) as usize];
    if radius == 1 {
        return vec![1];
    }
    let (mut x, mut y, mut error) = (0, radius, 1 - radius);
    while x < y {
        if error >= 0 {
            y -= 1;
            error -= 2 * y;
        }
        x += 1;
        error += 2 * x + 1;
        if error >= 0 {
            half_widths[y as usize - 1] = x;
        }
        half_widths[x as usize - 1] = y;
    }
    half_widths
}

/// Calls `with` with the half widths of a disc.
fn with_disc(radius: i32, with: impl FnOnce(&[i32])) {
    match DISCS.get(radius.max(0) as usize) {
        Some(half_widths) => with(half_widths),
        None => with(&midpoint_circle(radius)),
    }
}

pub(super) fn disc(cx: i32, cy: i32, radius: i32, mut span: impl FnMut(i32, i32, i32)) {
    with_disc(radius.min(FAR), |half_widths| {
        for (row, &half) in (0..).zip(half_widths) {
            span(cy - 1 - row, cx - half, cx + half);
            span(cy + row, cx - half, cx + half);
        }
    });
}

/// Half width of the hole in row `row` of a ring whose innermost pixels are the rim of the disc `inner`: walking along
/// the longer axis, the hole ends one pixel before that rim.
fn hole_half_width(inner: &[i32], row: usize) -> i32 {
    let reach = |row: usize| inner.get(row).map_or(0, |half| half - 1);
    if reach(row) > row as i32 {
        reach(row)
    } else {
        (0..=row).take_while(|&column| reach(column) > row as i32).count() as i32
    }
}

/// The pixels of a disc within `width` of its rim.
pub(super) fn ring(cx: i32, cy: i32, radius: i32, width: i32, mut span: impl FnMut(i32, i32, i32)) {
    let radius = radius.min(FAR);
    if width < 1 {
        return;
    }
    if width >= radius {
        return disc(cx, cy, radius, span);
    }
    with_disc(radius, |outer| {
        with_disc(radius - width + 1, |inner| {
            for (row, &half) in outer.iter().enumerate() {
                let hole = hole_half_width(inner, row).min(half);
                for y in [cy - 1 - row as i32, cy + row as i32] {
                    span(y, cx - half, cx - hole);
                    span(y, cx + hole, cx + half);
                }
            }
        });
    });
}

/// The part of a ring between two angles, counter-clockwise from +x as seen on screen: for each radius of the ring, lines
/// along chords two pixels long.
pub(super) fn arc(
    center: (i32, i32),
    radius: i32,
    width: i32,
    angles: (f64, f64),
    mut span: impl FnMut(i32, i32, i32),
) {
    let (start, mut end) = angles;
    if end < start {
        end += std::f64::consts::TAU;
    }
    for radius in (1..=radius.min(FAR)).rev().take(width.max(0) as usize) {
        let radius = f64::from(radius);
        let at = |angle: f64| {
            let (sin, cos) = angle.sin_cos();
            ((f64::from(center.0) + radius * cos).floor() as i32, (f64::from(center.1) - radius * sin).floor() as i32)
        };
        let step = (2.0 / radius.max(2.0)).asin();
        let (mut angle, mut from) = (start, at(start));
        while angle < end {
            angle = (angle + step).min(end);
            let to = at(angle);
            line(from, to, 1, &mut span);
            from = to;
        }
    }
}

/// How far row (or, with the axes swapped, column) `offset` of an ellipse reaches from its middle, px.
///
/// `a` and `b` are the half axes along and across the row. With an even length across, `offset` counts from the line
/// between the two middle rows, else from the middle row.
fn ellipse_reach(a: f64, b: f64, offset: i32) -> i32 {
    let y = f64::from(offset) + if b.fract() == 0.0 { 1.0 } else { 0.0 };
    let reach = |y: f64| a * (1.0 - (y / b) * (y / b)).max(0.0).sqrt();
    // A midpoint ellipse: flat parts are walked column by column, steep ones row by row.
    let flat = reach(y - 0.5).ceil() - 1.0;
    let half = if b * b * flat < a * a * (y - 0.5) { flat } else { (reach(y) + 0.5).ceil() - 1.0 };
    half.max(0.0) as i32
}

/// An ellipse inscribed in a box with the given sides.
#[derive(Clone, Copy)]
struct Ellipse {
    w: i32,
    h: i32,
}

impl Ellipse {
    /// Rows from the middle.
    fn offset(self, row: i32) -> i32 {
        if row < self.h / 2 { (self.h - 1) / 2 - row } else { row - self.h / 2 }
    }

    /// Half width of a row given by its offset from the middle.
    fn half_width(self, offset: i32) -> i32 {
        ellipse_reach(f64::from(self.w) / 2.0, f64::from(self.h) / 2.0, offset)
    }

    /// Half width of what lies inside this ellipse's rim, as [`hole_half_width`] for discs; below 0 for nothing.
    fn hole_half_width(self, offset: i32) -> i32 {
        let (a, b) = (i64::from(self.w), i64::from(self.h));
        let across = Self { w: self.h, h: self.w };
        // Half widths count from the middle line of an even length, beyond the middle pixel of an odd one.
        let rim_column = self.half_width(offset) - 1 + self.w % 2;
        let rim_row = |column: i32| across.half_width(column) - 1 + self.h % 2;
        let in_hole = |column: i32| {
            let steep = b * b * i64::from(column) > a * a * i64::from(offset);
            if steep { column < rim_column } else { offset < rim_row(column) }
        };
        (0..=self.w / 2).take_while(|&column| in_hole(column)).count() as i32 - self.w % 2
    }

    /// The columns, from the box's left side, that a half width stands for.
    fn columns(self, half: i32) -> (i32, i32) {
        (self.w / 2 - half, (self.w + 1) / 2 + half)
    }
}

/// The filled ellipse inscribed in a box.
pub(super) fn ellipse(x: i32, y: i32, w: i32, h: i32, mut span: impl FnMut(i32, i32, i32)) {
    let ellipse = Ellipse { w: w.min(FAR), h: h.min(FAR) };
    for row in 0..ellipse.h {
        let (from, to) = ellipse.columns(ellipse.half_width(ellipse.offset(row)));
        span(y + row, x + from, x + to);
    }
}

/// The pixels of an ellipse within `width` of its rim.
pub(super) fn ellipse_outline(x: i32, y: i32, w: i32, h: i32, width: i32, mut span: impl FnMut(i32, i32, i32)) {
    let outer = Ellipse { w: w.min(FAR), h: h.min(FAR) };
    if width < 1 {
        return;
    }
    if 2 * i64::from(width) >= i64::from(outer.w.min(outer.h)) {
        return ellipse(x, y, w, h, span);
    }
    let inner = Ellipse { w: outer.w - 2 * (width - 1), h: outer.h - 2 * (width - 1) };
    for row in 0..outer.h {
        let offset = outer.offset(row);
        let (from, to) = outer.columns(outer.half_width(offset));
        let (hole_from, hole_to) = outer.columns(inner.hole_half_width(offset));
        span(y + row, x + from, x + hole_from.min(to));
        span(y + row, x + hole_to.max(from), x + to);
    }
}

/// An ellipse of full axes `w` and `h` about a center, turned counter-clockwise as seen on screen: the upright ellipse's
/// pixels, turned.
pub(super) fn ellipse_turned(center: (i32, i32), w: i32, h: i32, angle: f64, mut span: impl FnMut(i32, i32, i32)) {
    let ellipse = Ellipse { w: w.min(FAR), h: h.min(FAR) };
    if ellipse.w < 1 || ellipse.h < 1 {
        return;
    }
    let (sin, cos) = angle.sin_cos();
    let (w, h) = (f64::from(ellipse.w), f64::from(ellipse.h));
    let box_w = ((w * cos).abs() + (h * sin).abs()) as i32;
    let box_h = ((w * sin).abs() + (h * cos).abs()) as i32;
    for row in 0..box_h {
        for column in 0..box_w {
            let dx = f64::from(column) + 0.5 - f64::from(box_w) / 2.0;
            let dy = f64::from(row) + 0.5 - f64::from(box_h) / 2.0;
            let u = (dx * cos - dy * sin + w / 2.0).floor() as i32;
            let v = (dx * sin + dy * cos + h / 2.0).floor() as i32;
            if (0..ellipse.h).contains(&v) {
                let (from, to) = ellipse.columns(ellipse.half_width(ellipse.offset(v)));
                if (from..to).contains(&u) {
                    let x = center.0 - box_w / 2 + column;
                    span(center.1 - box_h / 2 + row, x, x + 1);
                }
            }
        }
    }
}

/// A rectangle with quarter-circle corners.
pub(super) fn round_rect(x: i32, y: i32, w: i32, h: i32, radius: i32, mut span: impl FnMut(i32, i32, i32)) {
    let radius = radius.clamp(0, w.min(h).max(0) / 2);
    with_disc(radius, |half_widths| {
        for row in 0..h.min(FAR) {
            let inset = round_inset(half_widths, h, row);
            span(y + row, x + inset, x + w - inset);
        }
    });
}

/// How much one row of a rounded rectangle is shorter at each end.
fn round_inset(half_widths: &[i32], h: i32, row: i32) -> i32 {
    let radius = half_widths.len() as i32;
    let from_edge = row.min(h - 1 - row);
    if from_edge < radius { radius - half_widths[(radius - 1 - from_edge) as usize] } else { 0 }
}

/// The pixels of a rounded rectangle within `width` of its rim; the corners are quarters of rings.
pub(super) fn round_rect_outline(
    (x, y, w, h): (i32, i32, i32, i32),
    radius: i32,
    width: i32,
    mut span: impl FnMut(i32, i32, i32),
) {
    let radius = radius.clamp(0, w.min(h).max(0) / 2);
    if width >= radius.max(1) {
        return round_rect(x, y, w, h, radius, span);
    }
    with_disc(radius, |outer| {
        with_disc(radius - width + 1, |inner| {
            for row in 0..h.min(FAR) {
                let inset = round_inset(outer, h, row);
                let from_edge = row.min(h - 1 - row);
                if from_edge < width {
                    span(y + row, x + inset, x + w - inset);
                    continue;
                }
                let corner = (radius - 1 - from_edge).max(0) as usize;
                let hole = if from_edge < radius { radius - hole_half_width(inner, corner) } else { width };
                let hole = hole.max(inset);
                span(y + row, x + inset, x + hole);
                span(y + row, x + w - hole, x + w - inset);
            }
        });
    });
}

/// An integer line, both ends included, thickened across its minor axis.
pub(super) fn line(from: (i32, i32), to: (i32, i32), width: i32, mut span: impl FnMut(i32, i32, i32)) {
    if width < 1 {
        return;
    }
    let (before, after) = ((width - 1) / 2, width / 2);
    let cut = |v: i32| v.clamp(-FAR, FAR);
    let ((x0, y0), (x1, y1)) = ((cut(from.0), cut(from.1)), (cut(to.0), cut(to.1)));
    let (dx, dy) = ((x1 - x0).abs(), (y1 - y0).abs());
    let (step_x, step_y) = ((x1 - x0).signum(), (y1 - y0).signum());
    if dx > dy {
        // One run of pixels a row; each is repeated on the rows of the thickness.
        let (mut x, mut y, mut error, mut run) = (x0, y0, dx / 2, x0);
        for _ in 0..=dx {
            error -= dy;
            if error < 0 || x == x1 {
                for row in y - before..=y + after {
                    span(row, run.min(x), run.max(x) + 1);
                }
                y += step_y;
                error += dx;
                run = x + step_x;
            }
            x += step_x;
        }
    } else {
        let (mut x, mut y, mut error) = (x0, y0, dy / 2);
        for _ in 0..=dy {
            span(y, x - before, x + after + 1);
            error -= dx;
            if error < 0 {
                x += step_x;
                error += dy;
            }
            y += step_y;
        }
    }
}

/// Interior and boundary of a polygon (even-odd): each row from the crossing on its left to that on its right, both
/// rounded down. `crossings` is room to work in; `rows` are those worth visiting.
pub(super) fn polygon(
    points: &[(i32, i32)],
    rows: std::ops::Range<i32>,
    crossings: &mut Vec<i32>,
    mut span: impl FnMut(i32, i32, i32),
) {
    let cut = |(x, y): (i32, i32)| (x.clamp(-FAR, FAR), y.clamp(-FAR, FAR));
    let edges = || points.iter().zip(points.iter().cycle().skip(1)).map(|(&a, &b)| (cut(a), cut(b)));
    let Some(top) = points.iter().map(|&point| cut(point).1).min() else { return };
    let bottom = points.iter().map(|&point| cut(point).1).max().unwrap_or(top);
    for y in top.max(rows.start)..(bottom + 1).min(rows.end) {
        crossings.clear();
        for ((ax, ay), (bx, by)) in edges() {
            let ((ax, ay), (bx, by)) = if ay <= by { ((ax, ay), (bx, by)) } else { ((bx, by), (ax, ay)) };
            if ay == by {
                if ay == y {
                    span(y, ax.min(bx), ax.max(bx) + 1);
                }
            } else if ay <= y && (y < by || y == bottom && by == bottom) {
                crossings.push(ax + ((y - ay) * (bx - ax)).div_euclid(by - ay));
            }
        }
        crossings.sort_unstable();
        for pair in crossings.chunks_exact(2) {
            span(y, pair[0], pair[1] + 1);
        }
    }
}
