//! Integer rectangles, as the games' hit tests use them.

/// A half-open box: columns `left..right`, rows `top..bottom`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Rect {
    /// First column.
    pub left: i32,
    /// First row.
    pub top: i32,
    /// One past the last column.
    pub right: i32,
    /// One past the last row.
    pub bottom: i32,
}

impl Rect {
    /// A box from its top-left corner and size; fractions are dropped toward zero.
    #[inline]
    pub(super) fn new(x: f64, y: f64, width: f64, height: f64) -> Self {
        let (left, top) = (x as i32, y as i32);
        Self { left, top, right: left + width as i32, bottom: top + height as i32 }
    }

    /// Whether the boxes share a pixel; touching edges do not count.
    #[inline]
    pub(super) fn overlaps(self, other: Self) -> bool {
        self.left < other.right && other.left < self.right && self.top < other.bottom && other.top < self.bottom
    }

    /// Column of the center.
    #[inline]
    pub(super) fn center_x(self) -> i32 {
        self.left + (self.right - self.left).div_euclid(2)
    }

    /// Row of the center.
    #[inline]
    pub(super) fn center_y(self) -> i32 {
        self.top + (self.bottom - self.top).div_euclid(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn touching_boxes_do_not_overlap() {
        let a = Rect::new(0.9, 0.0, 10.0, 10.0);
        assert_eq!(a.left, 0);
        assert!(!a.overlaps(Rect::new(10.0, 0.0, 5.0, 5.0)));
        assert!(a.overlaps(Rect::new(9.0, 9.0, 5.0, 5.0)));
        assert_eq!((a.center_x(), a.center_y()), (5, 5));
    }
}
