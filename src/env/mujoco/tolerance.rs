//! The bounded reward shape of the control suite: 1 inside an interval, falling to 0 outside of it.
//!
//! Source: Tassa et al. (2018), DeepMind Control Suite, section "Reward".

use std::f64::consts::PI;

/// How a [`Tolerance`] falls outside its interval. The names are those of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sigmoid {
    /// `exp(-d²)`, scaled.
    Gaussian,
    /// `1 / cosh d`, scaled.
    Hyperbolic,
    /// `1 / (1 + d²)`, scaled.
    LongTail,
    /// `1 / (1 + d)`, scaled.
    Reciprocal,
    /// Half a period of a cosine, then 0.
    Cosine,
    /// A straight line to 0.
    Linear,
    /// A parabola to 0.
    Quadratic,
    /// `1 - tanh² d`, scaled.
    TanhSquared,
}

/// 1 for a value in an interval, else a [`Sigmoid`] of the distance from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tolerance {
    low: f64,
    high: f64,
    margin: f64,
    value_at_margin: f64,
    sigmoid: Sigmoid,
}

impl Tolerance {
    /// 1 from `low` to `high`, 0 elsewhere.
    pub const fn within(low: f64, high: f64) -> Self {
        assert!(low <= high);
        Self { low, high, margin: 0.0, value_at_margin: 0.1, sigmoid: Sigmoid::Gaussian }
    }

    /// 1 from `low` on, 0 below.
    pub const fn at_least(low: f64) -> Self {
        Self::within(low, f64::INFINITY)
    }

    /// 1 up to `high`, 0 above.
    pub const fn at_most(high: f64) -> Self {
        Self::within(f64::NEG_INFINITY, high)
    }

    /// Falls as a Gaussian that is 0.1 at a distance of `margin`.
    #[must_use]
    pub const fn margin(self, margin: f64) -> Self {
        self.falling(margin, Sigmoid::Gaussian, 0.1)
    }

    /// Falls in the given shape, which has `value_at_margin` at a distance of `margin`.
    ///
    /// # Panics
    ///
    /// When `margin` is not positive, or `value_at_margin` lies outside `(0, 1)` (0 is allowed where the shape reaches it:
    /// cosine, linear, quadratic).
    #[must_use]
    pub const fn falling(self, margin: f64, sigmoid: Sigmoid, value_at_margin: f64) -> Self {
        let reaches_zero = matches!(sigmoid, Sigmoid::Cosine | Sigmoid::Linear | Sigmoid::Quadratic);
        assert!(margin > 0.0);
        assert!(value_at_margin < 1.0 && (value_at_margin > 0.0 || (value_at_margin == 0.0 && reaches_zero)));
        Self { margin, sigmoid, value_at_margin, ..self }
    }

    /// The value at `x`, from 0 to 1; NaN where `x` is.
    #[inline]
    pub fn of(&self, x: f64) -> f64 {
        if x >= self.low && x <= self.high {
            return 1.0;
        }
        if x.is_nan() {
            return x;
        }
        if self.margin == 0.0 {
            return 0.0;
        }
        let distance = if x < self.low { self.low - x } else { x - self.high } / self.margin;
        self.sigmoid.at(distance, self.value_at_margin)
    }
}

impl Sigmoid {
    /// The shape that is 1 at 0 and `v` at 1, at `d >= 0`.
    fn at(self, d: f64, v: f64) -> f64 {
        match self {
            Self::Gaussian => (v.ln() * d * d).exp(),
            Self::Hyperbolic => 1.0 / (d * (1.0 / v).acosh()).cosh(),
            Self::LongTail => 1.0 / (1.0 + d * d * (1.0 / v - 1.0)),
            Self::Reciprocal => 1.0 / (1.0 + d * (1.0 / v - 1.0)),
            Self::Cosine => {
                let angle = d * (2.0 * v - 1.0).acos();
                if angle < PI { (1.0 + angle.cos()) / 2.0 } else { 0.0 }
            }
            Self::Linear => (1.0 - (1.0 - v) * d).max(0.0),
            Self::Quadratic => (1.0 - (1.0 - v) * d * d).max(0.0),
            Self::TanhSquared => 1.0 - (d * (1.0 - v).sqrt().atanh()).tanh().powi(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [(Sigmoid, f64); 8] = [
        // Values at half the margin for a value of 0.1 at the margin.
        (Sigmoid::Gaussian, 0.562_341_325_190_349),
        (Sigmoid::Hyperbolic, 0.426_401_432_711_220_8),
        (Sigmoid::LongTail, 0.307_692_307_692_307_7),
        (Sigmoid::Reciprocal, 0.181_818_181_818_181_82),
        (Sigmoid::Cosine, 0.658_113_883_008_419),
        (Sigmoid::Linear, 0.55),
        (Sigmoid::Quadratic, 0.775),
        (Sigmoid::TanhSquared, 0.480_506_146_704_084_2),
    ];

    #[test]
    fn every_shape_has_its_value_at_the_margin_and_halfway() {
        for (sigmoid, halfway) in SHAPES {
            let tolerance = Tolerance::within(-1.0, 2.0).falling(0.5, sigmoid, 0.1);
            for (x, expected) in [(-1.0, 1.0), (0.0, 1.0), (2.0, 1.0), (2.5, 0.1), (-1.5, 0.1), (2.25, halfway)] {
                let found = tolerance.of(x);
                assert!((found - expected).abs() < 1e-12, "{sigmoid:?} at {x}: {found}, expected {expected}");
            }
        }
    }

    #[test]
    fn every_shape_falls_and_stays_in_its_bounds() {
        for (sigmoid, _) in SHAPES {
            let tolerance = Tolerance::at_most(0.0).falling(1.0, sigmoid, 0.3);
            let values: Vec<f64> = (0..100).map(|step| tolerance.of(f64::from(step) * 0.05)).collect();
            assert!(values.iter().all(|value| (0.0..=1.0).contains(value)), "{sigmoid:?}");
            assert!(values.is_sorted_by(|a, b| a >= b), "{sigmoid:?}: {values:?}");
        }
    }

    #[test]
    fn without_a_margin_it_is_a_step() {
        let tolerance = Tolerance::at_least(1.2);
        assert_eq!([tolerance.of(1.19), tolerance.of(1.2), tolerance.of(f64::INFINITY)], [0.0, 1.0, 1.0]);
        assert!(tolerance.of(f64::NAN).is_nan());
    }
}
