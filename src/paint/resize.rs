//! Shrinking pictures smoothly.

/// Weights add up to this: products of a byte and a weight then add up within 16 bits.
const ONE: u16 = 256;

/// Bilinear resizing with antialiasing: every pixel is a tent-weighted mean of the source pixels it covers.
///
/// Weights and room to work in are kept, so that resizing again costs no allocation.
pub(super) struct Resizer {
    from: (usize, usize),
    to: (usize, usize),
    columns: Vec<Taps>,
    rows: Vec<Taps>,
    sums: Vec<u16>,
    line: Vec<[u8; 4]>,
}

/// The source pixels of one target pixel, along one axis.
struct Taps {
    first: usize,
    weights: Vec<u16>,
}

impl Resizer {
    pub(super) fn new(from: (usize, usize), to: (usize, usize)) -> Self {
        Self {
            from,
            to,
            columns: Taps::of_axis(from.0, to.0),
            rows: Taps::of_axis(from.1, to.1),
            sums: vec![0; 4 * from.0],
            line: vec![[0; 4]; from.0],
        }
    }

    pub(super) fn fits(&self, from: (usize, usize), to: (usize, usize)) -> bool {
        (self.from, self.to) == (from, to)
    }

    pub(super) fn resize(&mut self, source: &[[u8; 4]], target: &mut [[u8; 4]]) {
        for (taps, target) in self.rows.iter().zip(target.chunks_exact_mut(self.to.0)) {
            self.sums.fill(ONE / 2);
            for (row, &weight) in source.chunks_exact(self.from.0).skip(taps.first).zip(&taps.weights) {
                for (sum, &byte) in self.sums.iter_mut().zip(row.as_flattened()) {
                    *sum += u16::from(byte) * weight;
                }
            }
            for (byte, &sum) in self.line.as_flattened_mut().iter_mut().zip(&self.sums) {
                *byte = (sum / ONE) as u8;
            }
            for (taps, pixel) in self.columns.iter().zip(target) {
                *pixel = taps.mean(&self.line[taps.first..]);
            }
        }
    }
}

impl Taps {
    fn of_axis(from: usize, to: usize) -> Vec<Self> {
        let scale = from as f64 / to as f64;
        let reach = scale.max(1.0);
        let of = |index: usize| {
            let center = (index as f64 + 0.5) * scale;
            let first = (center - reach + 0.5).max(0.0) as usize;
            let end = ((center + reach + 0.5) as usize).min(from);
            let tent = |source: usize| (1.0 - ((source as f64 + 0.5 - center) / reach).abs()).max(0.0);
            let total: f64 = (first..end).map(tent).sum();
            let mut weights: Vec<u16> =
                (first..end).map(|source| (tent(source) / total * f64::from(ONE)).round() as u16).collect();
            // Rounding errors go to the heaviest, so that an even area stays even.
            let sum: u16 = weights.iter().sum();
            if let Some(heaviest) = weights.iter_mut().max() {
                *heaviest = *heaviest + ONE - sum;
            }
            Self { first, weights }
        };
        (0..to).map(of).collect()
    }

    fn mean(&self, source: &[[u8; 4]]) -> [u8; 4] {
        // Two channels a number, 16 bits each.
        const HALF: u32 = 0x00ff_00ff;
        let (mut even, mut odd) = (0x0080_0080, 0x0080_0080);
        for (&pixel, &weight) in source.iter().zip(&self.weights) {
            let pixel = u32::from_le_bytes(pixel);
            even += (pixel & HALF) * u32::from(weight);
            odd += (pixel >> 8 & HALF) * u32::from(weight);
        }
        ((even >> 8 & HALF) | (odd & !HALF)).to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_even_area_stays_even() {
        let mut target = vec![[0; 4]; 224 * 224];
        Resizer::new((400, 400), (224, 224)).resize(&vec![[17, 130, 255, 255]; 400 * 400], &mut target);
        assert!(target.iter().all(|&pixel| pixel == [17, 130, 255, 255]));
    }

    #[test]
    fn resizing_is_within_two_levels_of_exact_arithmetic() {
        let (from, to) = (400, 224);
        let source: Vec<[u8; 4]> =
            (0..from * from).map(|i| ((i as u32).wrapping_mul(2_654_435_761) | 0xff00_0000).to_le_bytes()).collect();
        let mut target = vec![[0; 4]; to * to];
        Resizer::new((from, from), (to, to)).resize(&source, &mut target);
        let scale = from as f64 / to as f64;
        let tent = |target: usize, source: usize| {
            (1.0 - ((source as f64 + 0.5 - (target as f64 + 0.5) * scale) / scale).abs()).max(0.0)
        };
        for (row, column) in [(0, 0), (1, 200), (100, 37), (111, 112), (223, 223), (50, 0)] {
            for channel in 0..3 {
                let (mut sum, mut total) = (0.0, 0.0);
                for y in 0..from {
                    for x in 0..from {
                        let weight = tent(row, y) * tent(column, x);
                        sum += weight * f64::from(source[y * from + x][channel]);
                        total += weight;
                    }
                }
                let got = f64::from(target[row * to + column][channel]);
                assert!((got - sum / total).abs() <= 2.0, "({column}, {row}): {got} for {}", sum / total);
            }
        }
    }
}
